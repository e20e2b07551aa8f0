# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that run the collection, and how they are ended: by SIGKILL or SIGINT to groups of their own."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

from simulator_fixture import Simulator

LAUNCHER = Path(__file__).resolve().parent / "short_waits.py"
#: Seconds that a run may take beside its waits, on a busy machine; a longer one hangs.
WORK = 60.0
#: Longest that a process may take to end after SIGINT, in seconds.
INTERRUPTED = 10.0
#: Longest that is waited for a writing call before a process is ended all the same, in seconds.
NO_CALL = 12.0
_numbers = itertools.count(1)


@dataclass
class Figures:
    """What is counted. The names of those that must be 0 are in ``WRONG``."""

    lease_rounds: int = 0
    role_rounds: int = 0
    task_rounds: int = 0
    sigkill: int = 0
    sigint: int = 0
    ended_before: int = 0
    interrupts_lost: int = 0
    leases_paid: int = 0
    paid_twice: int = 0
    leases_missing: int = 0
    leases_extra: int = 0
    addresses_lost: int = 0
    addresses_extra: int = 0
    locks_stuck: int = 0
    processes_left: int = 0
    runs_failed: int = 0
    trouble: list[str] = field(default_factory=list)
    stories: list[str] = field(default_factory=list)

    WRONG: ClassVar[tuple[str, ...]] = (
        "paid_twice",
        "leases_missing",
        "leases_extra",
        "addresses_lost",
        "addresses_extra",
        "locks_stuck",
        "processes_left",
        "runs_failed",
    )

    def wrong(self, name: str, number: int, story: str) -> None:
        """Count what must not be, and keep how it came about."""
        if number > 0:
            setattr(self, name, getattr(self, name) + number)
            self.trouble.append(f"{name.replace('_', ' ')}: {number}\n{story}")

    @classmethod
    def sum(cls, parts: Iterable[Figures]) -> Figures:
        """The figures of several lanes together."""
        total = cls()
        for part in parts:
            for one in fields(cls):
                setattr(total, one.name, getattr(total, one.name) + getattr(part, one.name))
        return total

    @property
    def is_clean(self) -> bool:
        return not any(getattr(self, name) for name in self.WRONG)

    def line(self) -> str:
        kills = self.sigkill + self.sigint
        wrong = ", ".join(f"{getattr(self, name)} {name.replace('_', ' ')}" for name in self.WRONG)
        return (
            f"{self.lease_rounds} rounds of leases, {self.role_rounds} of the role, {self.task_rounds} of tasks on the "
            f"whitelist, {kills} kills ({self.sigkill} SIGKILL, {self.sigint} SIGINT, of which ansible-core lost "
            f"{self.interrupts_lost}; {self.ended_before} runs ended before), {self.leases_paid} leases paid, {wrong}"
        )


class Run:
    """One process of the collection, in a session of its own."""

    def __init__(self, place: Place, command: Sequence[str], stdin: str, label: str) -> None:
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
                env=place.environment | marks,
                start_new_session=True,
            )
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(stdin.encode())
            self.process.stdin.close()

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
    """Where runs take place: one control node with its state directory, and the simulator that it calls."""

    folder: Path
    token: str
    scale: float
    minute: float
    sim: Simulator

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

    @property
    def environment(self) -> dict[str, str]:
        """Only what the runs need of the environment."""
        for name in ("home", "tmp"):
            (self.folder / name).mkdir(exist_ok=True)
        (self.folder / "ansible.cfg").touch()
        return {
            "ANSIBLE_COLLECTIONS_PATH": os.environ["ANSIBLE_COLLECTIONS_PATH"],
            "PYTHONPATH": os.environ["ANSIBLE_COLLECTIONS_PATH"],
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.folder / "home" / ".ansible"),
            "ANSIBLE_REMOTE_TEMP": str(self.folder / "remote"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_RETRY_FILES_ENABLED": "0",
            "ANSIBLE_FORCE_COLOR": "0",
            "QG_MINUTE_SECONDS": str(self.minute),
            "QG_STATE_DIR": str(self.state_dir),
        }

    def options(self, **changes: Any) -> dict[str, Any]:
        """The common options, and others."""
        common = {"key": self.sim.key, "api_url": self.sim.api_url, "timeout": 2.0, "max_wait": self.max_wait}
        return {**common, "state_dir": str(self.state_dir), **changes}

    def operation(self, file: str, name: str, **changes: Any) -> Run:
        """An operation in a process of its own."""
        options = self.options(**changes)
        return Run(self, ["operation", file, name], json.dumps(options), f"{name.lower()} {changes}")

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

    def held_locks(self) -> list[str]:
        """The locks of the state directory, and the database, if a process still holds them."""
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


@dataclass
class Kill:
    """When and how a run is ended: ``delay`` seconds after its start, the first call, or the first writing call."""

    run: Run
    number: int
    since: str
    delay: float
    workers: bool

    def is_due(self, now: float, moments: Mapping[str, float]) -> bool:
        begun = self.run.begun
        reference = begun if self.since == "start" else moments.get(self.since, begun + NO_CALL)
        return now >= reference + self.delay


def disturb(
    place: Place, runs: Sequence[Run], writes: Collection[str], since: int, rng: random.Random, figures: Figures
) -> str:
    """End each of these runs at a random moment, half of them after the first writing call has arrived."""
    kills = [plan_kill(run, rng) for run in runs]
    moments: dict[str, float] = {}
    story = ""
    while kills:
        now = time.monotonic()
        if "write" not in moments:
            for call in place.calls_since(since):
                moments.setdefault("call", now)
                if call["path"] in writes:
                    moments.setdefault("write", now)
        for kill in list(kills):
            run = kill.run
            if not run.running:
                figures.ended_before += 1
                story += f"  {run.number} {run.label}: ended by itself with {run.process.returncode}\n"
                kills.remove(kill)
            elif kill.is_due(now, moments):
                kills.remove(kill)
                story += carry_out(kill, moments, figures)
        time.sleep(0.01)
    return story


def plan_kill(run: Run, rng: random.Random) -> Kill:
    since = rng.choice(["write", "write", "call", "start"])
    longest = 1.5
    if since != "start":
        longest = rng.choice([0.05, 0.3, 2.0])
    elif run.is_playbook:
        longest = 5.0
    number = rng.choice([signal.SIGKILL, signal.SIGINT])
    return Kill(run, number, since, rng.uniform(0, longest), workers=rng.random() < 0.5)


def carry_out(kill: Kill, moments: Mapping[str, float], figures: Figures) -> str:
    run, now = kill.run, time.monotonic()
    signal_name = signal.Signals(kill.number).name
    run.signal_group(kill.number)
    if kill.number == signal.SIGKILL:
        figures.sigkill += 1
        # ansible-core's workers have sessions of their own: some live on, as they do for a user.
        if kill.workers:
            end_all(run.mark)
    else:
        figures.sigint += 1
        if not run.wait(INTERRUPTED):
            insist(run, figures)
    run.process.wait()
    after = "".join(f", {now - moment:.2f} s after the first {name}" for name, moment in moments.items())
    return f"  {run.number} {run.label}: {signal_name} {now - run.begun:.2f} s after its start{after}\n"


def insist(run: Run, figures: Figures) -> None:
    """What a user does when a run goes on after Ctrl-C: the same again.

    A signal that comes while ansible-core makes a worker is lost, or kills the worker that it then waits for. That is
    no fault of the collection, if it holds no lock.
    """
    held = locks_of(processes(run.mark))
    if held or not run.is_playbook:
        story = f"{run.label} goes on {INTERRUPTED} s after SIGINT, with the locks {held}:\n{run.text()}"
        figures.wrong("locks_stuck", 1, story)
        end_all(run.mark)
        return
    figures.interrupts_lost += 1
    run.signal_group(signal.SIGINT)
    if not run.wait(INTERRUPTED):
        end_all(run.mark)


def locks_of(pids: Collection[int]) -> list[str]:
    """The exclusive locks that these processes hold, as the kernel lists them."""
    lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    found = [line.split() for line in lines if "->" not in line]
    return [" ".join(words) for words in found if words[3] == "WRITE" and int(words[4]) in pids]


def wait_for_workers(place: Place, run: Run, figures: Figures, story: str) -> None:
    """Workers of ansible-core may outlive their playbook: they finish what they were asked for."""
    if not wait_for_end(run.mark, place.patience):
        figures.wrong("processes_left", 1, f"{story}{run.label}:\n{run.text()}")
        end_all(run.mark)


def undisturbed(place: Place, run: Run, figures: Figures, story: str) -> bool:
    """Whether a run ends well within its time, without any help."""
    if not run.wait(place.patience):
        story = f"{story}{run.label} hangs for {place.patience} s:\n{run.text()}"
        figures.wrong("locks_stuck", 1, story)
        end_all(run.mark)
        run.process.wait()
        return False
    if run.process.returncode:
        figures.wrong("runs_failed", 1, f"{story}{run.number} {run.label} failed:\n{run.text()}")
        return False
    return True
