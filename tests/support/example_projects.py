# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The projects in examples/ on a machine that is a directory, with the simulator in the place of the vendor."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from simulator.fixture import Simulator
from support.playbooks import ADD, QUERY, calls

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLES = CHECKOUT / "examples"
#: The addresses that the simulator gives to the hosts of an inventory.
PUBLIC = ["203.0.113.11", "203.0.113.12"]
FIRST_RUN = [QUERY, ADD, QUERY]
TRIAL = ("--extra-vars", "@simulator.yml")


@dataclass
class Machine:
    """A directory that plays the root of a machine, and its environment."""

    root: Path
    sim: Simulator
    minute: float

    def __post_init__(self) -> None:
        (self.root / "home").mkdir(parents=True)

    def copy(self, name: str, folder: Path) -> Path:
        """Copy a project, with the port of this simulator."""
        shutil.copytree(EXAMPLES / name, folder)
        for path in (path for path in folder.rglob("*") if path.is_file()):
            path.write_text(self.here(path.read_text(encoding="utf-8")), encoding="utf-8")
        return folder

    def here(self, text: str) -> str:
        """Text of a project with the simulator that runs."""
        return text.replace("http://127.0.0.1:8080", self.sim.api_url)

    def install(self, folder: Path) -> None:
        """Let a directory of collections have this checkout."""
        link = folder / "ansible_collections" / "qingguo" / "qgnet"
        link.parent.mkdir(parents=True)
        link.symlink_to(CHECKOUT)

    def repository(self, name: str) -> str:
        """Return the URL of a Git repository with a project."""
        folder = self.copy(name, self.root / "git" / name)
        author = ("-c", "user.name=Example", "-c", "user.email=example@example.com")
        self.run(["git", "init", "--quiet", "--initial-branch", "main"], folder)
        self.run(["git", "add", "--all"], folder)
        self.run(["git", *author, "commit", "--quiet", "--message", "Start"], folder)
        return folder.as_uri()

    def run(self, command: Sequence[str], cwd: Path, environment: Mapping[str, str] | None = None) -> str:
        """Run a program with only this environment, and return its output, in which there is no key."""
        done = subprocess.run(
            list(command),
            cwd=cwd,
            env={
                "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
                "HOME": str(self.root / "home"),
                "LC_ALL": "C.UTF-8",
                "QG_MINUTE_SECONDS": str(self.minute),
                **(environment or {}),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        output = done.stdout + done.stderr
        assert done.returncode == 0, f"{shlex.join(command)} ended with {done.returncode}:\n{output}"
        assert self.sim.key not in output
        return output

    def assert_registered_once(self, runs: Sequence[str], addresses: Sequence[str]) -> None:
        """The first run has added the addresses by one call, and the second one has only read the list."""
        assert self.sim.whitelist() == list(addresses)
        assert calls(self.sim) == [*FIRST_RUN, QUERY]
        changed = [sum(map(int, re.findall(r"\bchanged=(\d+)", run))) for run in runs]
        assert changed[0] >= 1
        assert changed[1] == 0
        assert [bool(re.search(rf"^\+.*{re.escape(addresses[0])}", run, re.MULTILINE)) for run in runs] == [True, False]


@pytest.fixture(name="machine")
def machine_fixture(sim: Simulator, minute: float, tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine", sim, minute)


def load(name: str) -> Any:
    return yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
