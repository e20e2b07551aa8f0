# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Pythons the sessions link, and which of them they have uv install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import pythons


class Machine:
    """A uv that finds the interpreters of a directory, installs there, and records what it is asked for."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.links, self._found, self._calls = folder / "links", folder / "found", folder / "calls"
        self._found.mkdir()
        program = folder / "uv"
        program.write_text(
            "#!/bin/sh\n"
            f'echo "$*" >> "{self._calls}"\n'
            "for version; do :; done\n"
            f'[ "$2" = install ] && [ "$version" != 3.15 ] && touch "{self._found}/$version"\n'
            f'[ -e "{self._found}/$version" ] && echo "{self._found}/$version"\n',
            encoding="utf-8",
        )
        program.chmod(0o755)
        monkeypatch.setattr(pythons, "uv", lambda: str(program))
        monkeypatch.setattr(pythons, "PYTHONS", self.links)

    def has(self, version: str) -> Path:
        path = self._found / version
        path.touch()
        return path

    def installed(self) -> list[str]:
        calls = self._calls.read_text(encoding="utf-8").splitlines() if self._calls.exists() else []
        return [call.rpartition(" ")[2] for call in calls if " install " in call]

    def linked(self) -> dict[str, Path]:
        return {link.name: link.readlink() for link in sorted(self.links.iterdir())}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_what_is_present_is_linked_and_nothing_is_installed(machine: Machine) -> None:
    found = machine.has("3.13")
    assert pythons.provide(("3.12", "3.13"), install=False) == ["3.12"]
    assert machine.linked() == {"python3.13": found}
    assert machine.installed() == []


def test_the_link_to_a_removed_interpreter_is_removed(machine: Machine) -> None:
    gone = machine.has("3.13")
    pythons.provide(("3.13",), install=False)
    gone.unlink()
    pythons.provide(("3.13",), install=False)
    assert machine.linked() == {}


def test_only_the_missing_versions_of_a_session_are_installed_and_linked(machine: Machine) -> None:
    machine.has("3.13")
    assert pythons.provide(("3.12", "3.13", "3.15")) == ["3.15"]
    assert machine.installed() == ["3.12", "3.15"]
    assert set(machine.linked()) == {"python3.12", "python3.13"}


def test_a_process_with_the_home_of_the_tests_looks_for_the_same_pythons(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PYTHONPATH": str(Path(pythons.__file__).parent), **pythons.ENVIRONMENT}
    command = [sys.executable, "-c", "import pythons; print(pythons.ENVIRONMENT)"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(pythons.ENVIRONMENT)
