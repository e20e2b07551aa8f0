# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the guide for AWX do what it says: its definition, its credential type and its playbook in a job."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jinja2
import workspace
import yaml
from simulator_fixture import running_simulator
from slices import Job, public, run_all, source

ROOT = workspace.ROOT
GUIDE = ROOT / "docs" / "docsite" / "rst" / "awx.rst"
DEFINITION = ROOT / "extensions" / "execution_environment" / "execution-environment.yml"
#: What AWX knows of a field of a credential type.
FIELD = {"id", "type", "label", "secret", "multiline", "format", "choices", "help_text"}
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


def test_the_guide_shows_the_definition_that_there_is() -> None:
    assert example("version") == yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))


def test_the_fields_of_the_credential_type_are_those_that_are_injected() -> None:
    fields = example("fields")["fields"]
    assert all(set(field) <= FIELD and field["type"] == "string" for field in fields)
    injected = example("env")["env"]
    assert [f"{{{{ {field['id']} }}}}" for field in fields] == list(injected.values())
    assert [field["id"].upper() for field in fields] == list(injected)
    # All but the appid, which is no more than a name.
    assert [field["id"] for field in fields if not field.get("secret")] == ["qg_app_id"]


def test_a_job_with_the_credential_and_the_playbook_of_the_guide(folder: Path, collections: str) -> None:
    with running_simulator(["--minute", "60"]) as sim:
        sim.control("PUT", "/map", {source(0): public(0)})
        values = {"qg_key": sim.key, "qg_pwd": "", "qg_app_id": sim.app_id, "qg_app_key": sim.app_key}
        environment = {name: jinja2.Template(text).render(**values) for name, text in example("env")["env"].items()} | {
            "QG_ACCOUNT_URL": sim.account_url
        }
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
