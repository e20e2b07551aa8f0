# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment: ansible-builder makes its context, and all of its stages that need no container engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import workspace
import yaml

ROOT = workspace.ROOT
DEFINITION = ROOT / "extensions" / "execution_environment" / "execution-environment.yml"
BIN = Path(sys.executable).parent
#: Where the file of pins is that has each of the definition's.
PINS = {"ansible_core": "core-newest.txt", "ansible_runner": "runner.txt"}


def run(*command: str, cwd: Path, **environment: str) -> str:
    """Run a program of this environment, with no collections in sight but those that are named."""
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=cwd,
        env={"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(cwd), "LC_ALL": "C.UTF-8", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


def definition() -> dict[str, Any]:
    """What is to be built."""
    content: dict[str, Any] = yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The context that ansible-builder makes of the definition and of an archive of this checkout."""
    folder: Path = tmp_path_factory.mktemp("ee")
    label = f"runner-{os.getpid()}"
    copy = workspace.copy_collection(label)
    run("ansible-galaxy", "collection", "build", "--output-path", str(folder), str(copy), cwd=folder)
    workspace.drop_copy(label)
    (built,) = folder.glob("*.tar.gz")
    built.rename(folder / "qingguo-qgnet.tar.gz")
    shutil.copy(DEFINITION, folder)
    run("ansible-builder", "create", "--file", DEFINITION.name, "--output-filename", "Containerfile", cwd=folder)
    return folder / "context"


@pytest.fixture(scope="module")
def installed(context: Path) -> Path:
    """The stage "galaxy": the collection, installed as the file of the context says."""
    build = context / "_build"
    target = context.parent / "collections"
    containerfile = (context / "Containerfile").read_text(encoding="utf-8")
    assert re.search(r"ansible-galaxy collection install .*-r requirements\.yml", containerfile)
    command = ("ansible-galaxy", "collection", "install", "--offline", "--requirements-file", "requirements.yml")
    run(*command, "--collections-path", str(target), cwd=build, ANSIBLE_COLLECTIONS_PATH=str(target))
    return target


def test_the_context_has_the_collection_and_the_versions(context: Path) -> None:
    containerfile = (context / "Containerfile").read_text(encoding="utf-8")
    content = definition()
    core, runner = (content["dependencies"][name]["package_pip"] for name in ("ansible_core", "ansible_runner"))
    assert f'ARG EE_BASE_IMAGE="{content["images"]["base_image"]["name"]}"' in containerfile
    assert f'ARG ANSIBLE_INSTALL_REFS="{core} {runner}"' in containerfile
    assert 'ARG PYCMD="/usr/bin/python3.12"' in containerfile
    assert (context / "_build" / "archives" / "qingguo-qgnet.tar.gz").stat().st_size > 10_000
    assert "openssh-clients" in (context / "_build" / "bindep.txt").read_text(encoding="utf-8")


def test_the_versions_are_those_that_are_tested() -> None:
    for name, file in PINS.items():
        wanted = definition()["dependencies"][name]["package_pip"]
        lock = (ROOT / "tests" / "requirements" / "locks" / file).read_text(encoding="utf-8")
        assert f"\n{wanted} \\\n" in lock, f"{DEFINITION.name} has {wanted}, and {file} another version"


def test_the_python_is_one_that_the_core_runs_on() -> None:
    python = definition()["dependencies"]["python_interpreter"]
    assert python["python_path"] == f"/usr/bin/{python['package_system']}"
    assert python["package_system"] in ("python3.12", "python3.13")


def test_the_collection_is_installed_from_the_context(installed: Path) -> None:
    home = installed / "ansible_collections" / "qingguo" / "qgnet"
    shown = run("ansible-doc", "--list", "qingguo.qgnet", cwd=installed, ANSIBLE_COLLECTIONS_PATH=str(installed))
    assert "qingguo.qgnet.qg_whitelist" in shown
    assert (home / "playbooks" / "register.yml").is_file()


def lines(text: str) -> Iterator[str]:
    """Requirements without the comments that tell where they come from."""
    for line in text.splitlines():
        name = line.partition("#")[0].strip()
        if name:
            yield name


def test_introspection_finds_what_the_collection_needs(context: Path, installed: Path) -> None:
    wanted = list(lines((ROOT / "requirements.txt").read_text(encoding="utf-8")))
    reported = yaml.safe_load(run("ansible-builder", "introspect", str(installed), cwd=installed))
    assert [name.partition("#")[0].strip() for name in reported["python"]] == wanted
    # The stage "builder" does the same with the script that is in the context, and writes what pip is to install.
    script = context / "_build" / "scripts" / "introspect.py"
    target = context.parent / "requirements.txt"
    run("python", str(script), "introspect", str(installed), f"--write-pip={target}", cwd=context)
    assert list(lines(target.read_text(encoding="utf-8"))) == wanted
    assert wanted[0].startswith("requests")
