# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide for AWX and its project do what they say: the images, the credential type and the playbook in a job."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import workspace
import yaml
from simulator.fixture import running_simulator
from support.gnupg import home_with_a_key
from support.job_slices import Job, public, run_all, source

ROOT = workspace.ROOT
GUIDE = ROOT / "docs" / "docsite" / "rst" / "awx.rst"
DEFINITION = ROOT / "extensions" / "execution_environment" / "execution-environment.yml"
PROJECT = ROOT / "examples" / "awx"
TASKS = """
- name: Read what needs the account
  hosts: all
  gather_facts: false
  tasks:
    - name: Read the balance
      qingguo.qgnet.qg_balance_info:
      run_once: true
"""


def examples() -> list[Any]:
    """Everything in YAML that the guide shows."""
    found = re.findall(r"^\.\. code-block:: yaml\n\n((?:   .*\n|\n)+)", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    return [yaml.safe_load(block) for block in found]


def example(key: str) -> Any:
    """The only example that has this key at its top."""
    (found,) = [content for content in examples() if isinstance(content, dict) and key in content]
    return found


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_definitions_differ_only_in_where_the_collection_comes_from() -> None:
    archive, galaxy = load(DEFINITION), load(PROJECT / "execution-environment.yml")
    assert archive.pop("additional_build_files")
    assert archive["dependencies"].pop("galaxy")["collections"][0]["type"] == "file"
    assert galaxy["dependencies"].pop("galaxy") == "requirements.yml"
    assert archive == galaxy
    assert example("dependencies")["dependencies"]["python"] == galaxy["dependencies"]["python"]


def test_a_signed_project_is_refused_after_each_kind_of_change(tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project)
    block = re.search(r"^   python -m pip install ansible-sign\n((?:   .*\n)+)", GUIDE.read_text("utf-8"), re.MULTILINE)
    assert block
    with home_with_a_key() as home:
        author = {
            f"GIT_{who}_{what}": "ops@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = os.environ | author | {"GNUPGHOME": home, "GPG_TTY": "none", "PATH": path}

        def run(command: str) -> subprocess.CompletedProcess[str]:
            words = ["bash", "-e", "-c", command]
            return subprocess.run(words, cwd=project, env=environment, capture_output=True, text=True, check=False)

        signed = run(f"git init --quiet .; git add .; {block[1]}")
        assert (signed.returncode, signed.stdout.count("Checksum validation succeeded")) == (0, 1), signed
        changes = {
            "echo >> register.yml": "mismatch: register.yml",
            "mkdir group_vars; touch group_vars/all.yml": "'added': ['group_vars/all.yml']",
            "rm ansible.cfg": "'removed': ['ansible.cfg']",
        }
        for change, reason in changes.items():
            refused = run(f"{change}; ansible-sign project gpg-verify .")
            assert (refused.returncode, reason in refused.stdout) == (2, True), refused
            assert run("git reset --quiet --hard; git clean --quiet --force -d").returncode == 0
    with home_with_a_key() as another:
        environment["GNUPGHOME"] = another
        assert run("ansible-sign project gpg-verify .").returncode == 3


def test_a_job_with_the_credential_and_the_playbook_of_the_guide(folder: Path, collections: str) -> None:
    with running_simulator(["--minute", "60"]) as sim:
        sim.control("PUT", "/map", {source(0): public(0)})
        values = {"qg_key": sim.key, "qg_app_id": sim.app_id, "qg_app_key": sim.app_key}
        injected = load(PROJECT / "credential_type.yml")["injectors"]["env"]
        # Fields that are left empty are empty text.
        environment = {name: jinja2.Template(text).render(**values) for name, text in injected.items()}
        environment["QG_ACCOUNT_URL"] = sim.account_url
        (playbook,) = [content for content in examples() if isinstance(content, list)]
        job = Job(folder / "job", [0])
        job.prepare(yaml.safe_dump(playbook, sort_keys=False) + TASKS, sim, environment, collections)
        run_all([job])
        assert job.rc == 0, job.output
        assert sim.whitelist() == [public(0)]
        events = [path.read_text(encoding="utf-8") for path in job.private.rglob("job_events/*.json")]
        balances = [json.loads(text)["event_data"].get("res", {}).get("balance") for text in events]
        assert any(balances)
        # Neither what a person sees nor what AWX keeps of its events has a secret.
        for text in [job.output, *events]:
            assert sim.key not in text
            assert sim.app_key not in text
