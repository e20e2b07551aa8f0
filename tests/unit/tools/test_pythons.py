# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Pythons the sessions find on a machine, and which of them they have uv install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import pythons


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def interpreter(folder: Path, version: str, status: int = 0) -> Path:
    """An interpreter as far as the probe goes; a status other than 0 is one that lacks a module."""
    path = folder / f"python{version}"
    return program(path, f"echo {version} {path}; exit {status}")


class Machine:
    """Directories in the place of those of this machine, and a uv that records what it is asked for."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = folder / "bin"
        self.pyenv = folder / "pyenv"
        self.links = folder / "links"
        self.installed = folder / "uv-python"
        self._calls = folder / "calls"
        self.uv = str(program(folder / "uv", f'echo "$*" >> "{self._calls}"; exit 1'))
        monkeypatch.setattr(pythons, "system_path", lambda: str(self.path))
        monkeypatch.setattr(pythons, "PYTHONS", self.links)
        monkeypatch.setattr(pythons, "_PYENV", self.pyenv)
        monkeypatch.setattr(pythons, "INSTALLED_BY_UV", self.installed)

    def calls(self) -> list[str]:
        return self._calls.read_text(encoding="utf-8").splitlines() if self._calls.exists() else []

    def linked(self) -> dict[str, Path]:
        return {link.name: link.readlink() for link in sorted(self.links.iterdir())}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_what_is_present_is_linked_and_nothing_is_installed(machine: Machine) -> None:
    system = interpreter(machine.path, "3.13")
    own = interpreter(machine.pyenv / "versions" / "3.11.7" / "bin", "3.11")
    earlier = interpreter(machine.installed / "cpython-3.12" / "bin", "3.12")
    pythons.link_present()
    assert machine.linked() == {"python3.11": own, "python3.12": earlier, "python3.13": system}
    assert machine.calls() == []


def test_an_interpreter_without_a_module_that_ansible_needs_does_not_count(machine: Machine) -> None:
    interpreter(machine.path, "3.12", status=1)
    whole = interpreter(machine.pyenv / "versions" / "3.12.1" / "bin", "3.12")
    interpreter(machine.path, "3.13", status=1)
    pythons.link_present()
    assert machine.linked() == {"python3.12": whole}


def test_the_link_to_a_removed_interpreter_is_removed(machine: Machine) -> None:
    gone = interpreter(machine.path, "3.13")
    pythons.link_present()
    gone.unlink()
    pythons.link_present()
    assert machine.linked() == {}


def test_only_the_missing_versions_of_a_session_are_installed(machine: Machine) -> None:
    system = interpreter(machine.path, "3.13")
    assert pythons.provide(("3.12", "3.13"), machine.uv) == ["3.12"]
    assert machine.calls() == ["--quiet python install 3.12"]
    assert machine.linked() == {"python3.13": system}


def test_an_installed_version_is_linked(machine: Machine) -> None:
    made = interpreter(machine.pyenv / "elsewhere", "3.12")
    target = machine.installed / "cpython-3.12.9" / "bin" / "python3.12"
    uv = program(Path(machine.uv), f'mkdir -p "{target.parent}"; cp "{made}" "{target}"')
    assert pythons.provide(("3.12",), str(uv)) == []
    assert machine.linked() == {"python3.12": made}


def test_a_process_with_the_home_of_the_tests_looks_for_the_same_pythons(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PYTHONPATH": str(Path(pythons.__file__).parent), **pythons.ENVIRONMENT}
    command = [sys.executable, "-c", "import pythons; print(pythons.ENVIRONMENT)"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(pythons.ENVIRONMENT)
