# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that run the collection, and how they are ended: by SIGKILL or SIGINT to groups of their own."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from chaos.place import Place, Run, end_all, processes, wait_for_end

#: Longest that a process may take to end after SIGINT, in seconds.
INTERRUPTED = 10.0
#: Longest that is waited for a writing call before a process is ended all the same, in seconds.
NO_CALL = 12.0
#: Seconds at scale 1 that a call may be carried out late: a run waits for it for MAX_EXECUTION_DELAY, 30 seconds.
LATE = 28.0
#: Seconds at scale 1 by which a list may lag: a run waits for it for LIST_LAG, 60 seconds.
LAG = 20.0


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
    runs_repeated: int = 0
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
            f"{self.interrupts_lost}; {self.ended_before} runs ended before), {self.runs_repeated} runs repeated, "
            f"{self.leases_paid} leases paid, {wrong}"
        )


def plan_fault(place: Place, path: str, rng: random.Random) -> dict[str, Any]:
    """Let the vendor's next answer on this path fail, or come late."""
    fault: dict[str, Any] = {"path": path, "kind": rng.choice(["reset_after", "truncate", "reset_before"])}
    if rng.random() < 0.6:
        late = round(rng.uniform(LATE / 10, LATE) * place.scale, 2)
        fault = {"path": path, "kind": rng.choice(["delay", "delay", "hang_after"]), "seconds": late}
    place.sim.fault(**fault)
    return fault


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
    held = run.place.locks_of(processes(run.mark))
    if held or not run.is_playbook:
        story = f"{run.label} goes on {INTERRUPTED} s after SIGINT, with the locks {held}:\n{run.text()}"
        figures.wrong("locks_stuck", 1, story)
        end_all(run.mark)
        return
    figures.interrupts_lost += 1
    run.signal_group(signal.SIGINT)
    if not run.wait(INTERRUPTED):
        end_all(run.mark)


def wait_for_workers(place: Place, run: Run, figures: Figures, story: str) -> None:
    """Workers of ansible-core may outlive their playbook: they finish what they were asked for."""
    if not wait_for_end(run.mark, place.patience):
        figures.wrong("processes_left", 1, f"{story}{run.label}:\n{run.text()}")
        end_all(run.mark)


def undisturbed(place: Place, run: Run, figures: Figures, story: str, *, done: str = "") -> tuple[bool, list[Run]]:
    """Whether a run ends well within its time, without any help; and the runs that this took.

    A failure of the database may end it; then it is repeated, as its message asks for. ``done`` is the message of a run
    that finds that an earlier one has done everything.
    """
    tried = [run]
    while True:
        if not run.wait(place.patience):
            story = f"{story}{run.label} hangs for {place.patience} s:\n{run.text()}"
            figures.wrong("locks_stuck", 1, story)
            end_all(run.mark)
            run.process.wait()
            return False, tried
        if not run.process.returncode or (done and done in run.text()):
            return True, tried
        if not place.may_have_failed(run):
            figures.wrong("runs_failed", 1, f"{story}{run.number} {run.label} failed:\n{run.text()}")
            return False, tried
        figures.runs_repeated += 1
        wait_for_workers(place, run, figures, story)
        run = run.again()
        tried.append(run)
