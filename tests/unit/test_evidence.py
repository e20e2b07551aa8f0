# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""An explorer of the evidence before a payment: all orders of a few disturbances, in a model of QG.net.

A run here is what :class:`Books` does, reduced to its decisions: look, wait until no call is open, wait until nothing
contradicts, pay. The judge knows the true books. It never allows a payment that they do not need, and demands that runs
reach their goal once nothing disturbs them any more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.evidence import (
    LIST_LAG,
    Expected,
    Missing,
    OpenCall,
    Outcome,
    Report,
    Says,
    Snapshot,
    Witness,
    certain,
    contradictions,
    missed,
    verdict,
    view,
)

#: Seconds between two looks, until a call without an end is carried out, and by which a list may lag.
POLL, LATE, LAG = 20.0, 28.0, 50.0
#: Seconds for which a run waits, and that a request may take.
PATIENCE, TIMEOUT = 300.0, 10.0
COUNT = 2


class NoAnswer(Exception):
    """There is no response that can be used; ``has_ended`` says whether the exchange has ended."""

    def __init__(self, *, has_ended: bool) -> None:
        super().__init__()
        self.has_ended = has_ended


class Killed(Exception):
    """The process is killed."""


class GaveUp(Exception):
    """The run fails, since the outcome is unknown."""


class Choices:
    """What happens at each point: the first option unless the script of this walk says otherwise."""

    def __init__(self, script: tuple[int, ...], budget: int) -> None:
        self.script = script
        self.budget = budget
        self.taken: list[int] = []
        self.options: list[int] = []

    def pick(self, *options: str) -> str:
        """Return one of these; all but the first are disturbances, of which a walk has a few."""
        number = len(self.taken)
        chosen = 0
        if number < len(self.script):
            chosen = self.script[number]
        may_disturb = sum(1 for earlier in self.taken if earlier) < self.budget
        self.options.append(len(options) if may_disturb else 1)
        self.taken.append(chosen)
        return options[chosen]


def all_walks(walk: Callable[[Choices], None], budget: int) -> Iterator[tuple[int, ...]]:
    """Run the walk with each script, depth first, and yield the scripts."""
    script: tuple[int, ...] = ()
    while True:
        choices = Choices(script, budget)
        walk(choices)
        yield tuple(choices.taken)
        taken = choices.taken
        while taken and taken[-1] + 1 >= choices.options[len(taken) - 1]:
            taken.pop()
        if not taken:
            return
        script = (*taken[:-1], taken[-1] + 1)


@dataclass
class Lease:
    """A lease in QG.net's books: from when on it is held and listed, and until when."""

    name: str
    since: float
    listed_since: float
    until: float = 1e9
    listed_until: float = 1e9


@dataclass
class World:
    """QG.net, the journal of the control node, and the time."""

    choices: Choices
    has_quota: bool
    now: float = 1000.0
    leases: list[Lease] = field(default_factory=list)
    calls: list[OpenCall] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    number: int = 0
    wrong_lists: int = 0
    has_lost_call: bool = False
    #: How many were needed at each payment, and how many were paid for.
    payments: list[tuple[int, int]] = field(default_factory=list)

    def held(self, at: float) -> list[str]:
        return [lease.name for lease in self.leases if lease.since <= at < lease.until]

    def coming(self) -> int:
        """How many are held, or will be because of a call that is under way."""
        return sum(1 for lease in self.leases if self.now < lease.until)

    def listed(self) -> list[str]:
        names = [lease.name for lease in self.leases if lease.listed_since <= self.now < lease.listed_until]
        mistake = self.choices.pick("whole", "lacks one", "empty")
        if mistake != "whole":
            self.wrong_lists += 1
        return {"whole": names, "lacks one": names[1:], "empty": []}[mistake]

    def buy(self, number: int, goal: int) -> list[str]:
        """Carry a purchase out; returns what the response names."""
        event = self.choices.pick("answered", "lost after", "lost before", "late", "lagging", "killed")
        self.payments.append((goal - self.coming(), 0 if event == "lost before" else number))
        if event == "lost before":
            self.has_lost_call = True
            raise NoAnswer(has_ended=True)
        since = self.now + (LATE if event == "late" else 0.0)
        lag = LAG if event == "lagging" else 0.0
        names = [f"lease{len(self.leases) + each}" for each in range(number)]
        self.leases += [Lease(name, since, since + lag) for name in names]
        self.end(event)
        return names

    def release(self, name: str) -> list[str]:
        """Carry a release out; returns what the response names."""
        event = self.choices.pick("answered", "lost after", "lost before", "late", "killed")
        if event == "lost before":
            self.has_lost_call = True
            raise NoAnswer(has_ended=True)
        until = self.now + (LATE if event == "late" else 0.0)
        for lease in self.leases:
            if lease.name == name and lease.until > until:
                lease.until = until
                lease.listed_until = until
        self.end(event)
        return [name]

    def end(self, event: str) -> None:
        """End the exchange as the event says."""
        if event in ("killed", "late", "lost after"):
            self.has_lost_call = True
        if event == "killed":
            raise Killed
        if event == "late":
            self.now += TIMEOUT
            raise NoAnswer(has_ended=False)
        if event == "lost after":
            raise NoAnswer(has_ended=True)


class Run:
    """One run of a task: the decisions of Books."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.began = world.now
        self.snapshot = Snapshot()
        self.listed_before: dict[str, float | None] | None = None
        self.read_before: float | None = None
        self.look()
        self.note_missing()
        self.settle(waits=False)

    def look(self) -> None:
        world = self.world
        listed: dict[str, float | None] = dict.fromkeys(world.listed())
        self.snapshot = Snapshot(
            listed=listed,
            read_at=world.now,
            now=world.now,
            latest=world.now,
            reports=sorted(world.reports, key=lambda report: (report.at, report.call)),
            calls=list(world.calls),
            listed_before=self.listed_before,
            read_before=self.read_before,
        )
        self.listed_before = listed
        self.read_before = world.now

    def refresh(self) -> None:
        reports = sorted(self.world.reports, key=lambda report: (report.at, report.call))
        self.snapshot = dataclasses.replace(self.snapshot, reports=reports, calls=list(self.world.calls))

    def held(self) -> list[str]:
        return list(view(self.snapshot))

    def note_missing(self) -> None:
        last_reports = self.snapshot.last_reports()
        for name, missing in missed(self.snapshot).items():
            report = last_reports[name]
            changed = dataclasses.replace(report, missed_at=None)
            if missing is Missing.FIRST:
                changed = dataclasses.replace(report, missed_at=self.world.now)
            if missing is Missing.TWICE:
                changed = dataclasses.replace(report, says=Says.ENDED, at=self.world.now)
            self.world.reports.remove(report)
            self.world.reports.append(changed)
        self.refresh()

    def wait(self) -> None:
        self.world.now += POLL
        if self.world.now - self.began > PATIENCE:
            raise GaveUp

    def settle(self, *, waits: bool = True) -> None:
        for number in [call.id for call in self.world.calls]:
            while call := next((each for each in self.world.calls if each.id == number), None):
                result = verdict(call, self.snapshot)
                if result.outcome is not Outcome.OPEN:
                    self.record(number, result.added, Says.HELD)
                    self.record(number, result.removed, Says.UNLISTED)
                    self.world.calls.remove(call)
                    self.refresh()
                    break
                if call.settles_at > self.snapshot.read_at:
                    if not waits:
                        break
                    self.wait()
                self.look()

    def record(self, number: int, names: Iterable[str], says: Says) -> None:
        for name in names:
            if says is not Says.HELD:
                self.end_report(name)
            self.world.reports.append(Report(name, number, says, self.world.now))

    def end_report(self, name: str) -> None:
        for report in list(self.world.reports):
            if report.name == name and report.says is Says.HELD:
                self.world.reports.remove(report)
                self.world.reports.append(dataclasses.replace(report, says=Says.ENDED))

    def confirm(self) -> None:
        self.settle()
        until = self.world.now + LIST_LAG
        while True:
            used = None
            if self.world.has_quota:
                used = len(self.world.held(self.world.now))
            self.snapshot = dataclasses.replace(self.snapshot, quota_used=used)
            doubts = contradictions(self.snapshot)
            if not doubts:
                return
            if doubts[0].witness is Witness.QUOTA:
                if self.world.now >= until:
                    raise GaveUp
                self.wait()
            self.look()
            self.settle()

    def send(self, expected: Expected, act: Callable[[], list[str]], says: Says) -> None:
        """Record a call, send it, and record what its end shows."""
        world = self.world
        world.number += 1
        call = OpenCall(world.number, "", expected, frozenset(self.held()), world.now, TIMEOUT, None)
        world.calls.append(call)
        try:
            names = act()
        except NoAnswer as error:
            world.calls.remove(call)
            answered_at = world.now if error.has_ended else None
            world.calls.append(dataclasses.replace(call, answered_at=answered_at))
            self.look()
            self.settle()
        else:
            world.calls.remove(call)
            self.record(call.id, names, says)
            self.refresh()

    def ensure(self, goal: int) -> None:
        while goal > len(self.held()):
            self.confirm()
            number = goal - len(self.held())
            if number > 0:
                self.send(Expected(adds=number), functools.partial(self.world.buy, number, goal), Says.HELD)

    def replace(self) -> None:
        goal = len(self.held())
        old = sorted(certain(self.snapshot))
        if old:
            self.confirm()
            expected = Expected(removes=frozenset(old[:1]))
            self.send(expected, functools.partial(self.world.release, old[0]), Says.GONE)
            self.settle()
            self.ensure(goal)

    def release(self) -> None:
        old = sorted(certain(self.snapshot))
        if old:
            expected = Expected(removes=frozenset(old[:1]))
            self.send(expected, functools.partial(self.world.release, old[0]), Says.GONE)


def perform(world: World, task: str) -> None:
    """Let one run perform a task, or something else happen."""
    if task == "wait":
        world.now += 70.0
    elif task == "another buyer":
        world.leases.append(Lease(f"lease{len(world.leases)}", world.now, world.now))
    elif task == "taken away":
        for lease in world.leases:
            if world.now < lease.until:
                lease.until = lease.listed_until = world.now
                break
    else:
        with contextlib.suppress(Killed, GaveUp):
            run = Run(world)
            if task == "ensure":
                run.ensure(COUNT)
            elif task == "replace":
                run.replace()
            else:
                run.release()
        world.now += 1.0


#: What happens one after the other; whatever can go wrong goes wrong meanwhile.
STORIES = [
    ("ensure", "ensure"),
    ("ensure", "wait", "ensure", "ensure"),
    ("ensure", "wait", "replace", "ensure"),
    ("ensure", "replace", "replace"),
    ("ensure", "wait", "release", "ensure"),
    ("ensure", "wait", "another buyer", "release", "ensure"),
    ("another buyer", "ensure", "wait", "ensure"),
    ("ensure", "wait", "taken away", "ensure", "wait", "ensure"),
]


def hidden(world: World, story: tuple[str, ...]) -> int:
    """Return how many leases wrong lists may have hidden from all witnesses, which may be paid for again.

    A quota contradicts each of them. Without one, two wrong lists hide what another buyer or a call without a response
    has leased, or make a lost release look carried out. What the journal knows needs a third one, a minute later.
    """
    most = 3
    if "another buyer" in story or world.has_lost_call:
        most = 2
    if world.has_quota or world.wrong_lists < most:
        return 0
    return COUNT


def explore(story: tuple[str, ...], budget: int, *, has_quota: bool) -> int:
    """Return the number of walks; fail at the first payment too many, or if the goal is not reached in the end."""

    def walk(choices: Choices) -> None:
        world = World(choices, has_quota)
        for task in story:
            perform(world, task)
        choices.budget = 0
        for task in ("wait", "ensure", "wait", "ensure"):
            perform(world, task)
        unknown = hidden(world, story)
        for needed, paid in world.payments:
            assert paid <= max(0, needed + unknown), (story, choices.taken, world.payments)
        assert len(world.held(world.now)) >= COUNT, (story, choices.taken, world.leases)

    return sum(1 for _script in all_walks(walk, budget))


@pytest.mark.parametrize("has_quota", [True, False])
@pytest.mark.parametrize("story", STORIES, ids=" ".join)
def test_two_disturbances_cost_nothing(story: tuple[str, ...], has_quota: bool) -> None:
    assert explore(story, 2, has_quota=has_quota) > 50


@pytest.mark.slow
@pytest.mark.parametrize("has_quota", [True, False])
@pytest.mark.parametrize("story", STORIES, ids=" ".join)
def test_three_disturbances_cost_nothing(story: tuple[str, ...], has_quota: bool) -> None:
    assert explore(story, 3, has_quota=has_quota) > 250
