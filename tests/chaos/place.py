# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where runs of the collection take place, and the processes that they are."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.database import Database
from simulator.fixture import Simulator

LAUNCHER = Path(__file__).resolve().parent / "short_waits.py"
#: Seconds that a run may take beside its waits, on a busy machine; a longer one hangs.
WORK = 60.0
#: The control nodes that share a database.
NODES = ("node1", "node2")
_numbers = itertools.count(1)


class Run:
    """One process of the collection, in a session of its own."""

    def __init__(self, place: Place, command: Sequence[str], stdin: str, label: str) -> None:
        self.place, self.command, self.stdin = place, command, stdin
        self.label = label
        self.number = next(_numbers)
        self.mark = f"{place.token}.{self.number}."
        self.output = place.folder / f"run{self.number}.out"
        self.finished = place.folder / f"run{self.number}.finished"
        self.begun = time.monotonic()
        marks = {"QG_CHAOS": self.mark, "QG_CHAOS_FINISHED": str(self.finished)}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(LAUNCHER), str(place.scale), *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=place.folder,
                env=place.environment() | marks,
                start_new_session=True,
            )
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(stdin.encode())
            self.process.stdin.close()

    def again(self) -> Run:
        """The same once more."""
        return Run(self.place, self.command, self.stdin, self.label)

    @property
    def is_playbook(self) -> bool:
        return self.label.startswith("playbook")

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def signal_group(self, number: int) -> None:
        """To the process group that was made for this run."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def text(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def wait(self, seconds: float) -> bool:
        """Whether it ends by itself within this time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, seconds))
        return not self.running


@dataclass
class Place:
    """Where runs take place: one control node with its state directory, and the simulator that it calls.

    With a database, two control nodes take turns, which share nothing else.
    """

    folder: Path
    token: str
    scale: float
    minute: float
    sim: Simulator
    database: Database | None = None
    _nodes: Iterator[str] = field(default_factory=lambda: itertools.cycle(NODES))

    @property
    def max_wait(self) -> float:
        """How long a run may wait, in seconds: for calls that are under way, a list that lags, and others who wait."""
        return 40 + 110 * self.scale

    @property
    def patience(self) -> float:
        """Longest that a run may take, in seconds, its waits included."""
        return self.max_wait + WORK

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    def environment(self) -> dict[str, str]:
        """Only what the next run needs of the environment."""
        node = self.folder / next(self._nodes) if self.database else self.folder
        for name in ("home", "tmp"):
            (node / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "ansible.cfg").touch()
        return {
            "ANSIBLE_COLLECTIONS_PATH": os.environ["ANSIBLE_COLLECTIONS_PATH"],
            "PYTHONPATH": os.environ["ANSIBLE_COLLECTIONS_PATH"],
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(node / "home"),
            "TMPDIR": str(node / "tmp"),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_HOME": str(node / "home" / ".ansible"),
            "ANSIBLE_REMOTE_TEMP": str(node / "remote"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_RETRY_FILES_ENABLED": "0",
            "ANSIBLE_FORCE_COLOR": "0",
            "QG_MINUTE_SECONDS": str(self.minute),
            **({} if self.database else {"QG_STATE_DIR": str(self.state_dir)}),
        }

    def options(self, **changes: Any) -> dict[str, Any]:
        """The common options, and others."""
        common = {"key": self.sim.key, "api_url": self.sim.api_url, "timeout": 2.0, "max_wait": self.max_wait}
        state = {"state_url": self.database.url} if self.database else {"state_dir": str(self.state_dir)}
        return {**common, **state, **changes}

    def operation(self, name: str, **changes: Any) -> Run:
        """An operation in a process of its own."""
        options = self.options(**changes)
        return Run(self, ["operation", name], json.dumps(options), f"{name.lower()} {changes}")

    def task(self, module: str, **changes: Any) -> Run:
        """A playbook with one task on localhost."""
        tasks = [{f"qingguo.qgnet.{module}": self.options(**changes)}]
        play = [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]
        path = self.folder / f"task{next(_numbers)}.yml"
        path.write_text(json.dumps(play), encoding="utf-8")
        arguments = ["-i", "localhost,", "-c", "local", "-v", str(path)]
        return Run(self, ["playbook", *arguments], "", f"playbook {module} {changes}")

    def play(self, playbook: str, inventory: str, variables: Mapping[str, Any]) -> Run:
        """A playbook of the collection."""
        path = self.folder / f"hosts{next(_numbers)}"
        path.write_text(inventory, encoding="utf-8")
        arguments = ["-i", str(path), "-v", "-e", json.dumps(dict(variables)), playbook]
        return Run(self, ["playbook", *arguments], "", f"playbook {playbook} {dict(variables)}")

    def last_call(self) -> int:
        """The number of the newest call in the journal."""
        return max((call["seq"] for call in self.sim.journal()), default=0)

    def calls_since(self, number: int) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = self.sim.control("GET", f"/journal?since={number}")["calls"]
        return calls

    def wait_for_vendor(self) -> None:
        """Wait until the vendor has carried out each call, also those that no run waits for."""
        end = time.monotonic() + self.patience
        while any(call["fault"] == "delay" and not call["executed"] for call in self.sim.journal()):
            assert time.monotonic() < end, "a delayed call is still not carried out"
            time.sleep(0.05)

    def may_have_failed(self, run: Run) -> bool:
        """Whether a run that says so was ended by a failure of the database."""
        return self.database is not None and self.database.has_failed_since(run.begun) and "state_url" in run.text()

    def locks_of(self, pids: Collection[int]) -> list[str]:
        """The locks that these processes hold."""
        return self.database.held(pids) if self.database else locks_of(pids)

    def held_locks(self) -> list[str]:
        """The locks of the state directory, and its database, if a process still holds them."""
        held = []
        for path in sorted(self.state_dir.glob("*.lock")):
            try:
                with path.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held.append(path.name)
            except FileNotFoundError:
                continue
        database = self.state_dir / "state.sqlite3"
        if database.exists():
            try:
                with contextlib.closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as connection:
                    connection.execute("BEGIN EXCLUSIVE")
                    connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                held.append(f"{database.name} ({error})")
        return held


def processes(mark: str) -> list[int]:
    """The living processes that were started with this mark, workers in sessions of their own included."""
    wanted, found = f"QG_CHAOS={mark}".encode(), []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if any(part.startswith(wanted) for part in (entry / "environ").read_bytes().split(b"\0")):
                    found.append(int(entry.name))
    return found


def end_all(mark: str) -> None:
    """End what is left of the processes with this mark, each by its number."""
    for pid in processes(mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait_for_end(mark: str, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while processes(mark):
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def locks_of(pids: Collection[int]) -> list[str]:
    """The exclusive locks that these processes hold, as the kernel lists them."""
    lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    found = [line.split() for line in lines if "->" not in line]
    return [" ".join(words) for words in found if words[3] == "WRITE" and int(words[4]) in pids]
