# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""An explorer of the evidence before a payment: all orders of a few disturbances, in a model of
QG.net.

A run here is what :class:`Books` does, reduced to its decisions: look, wait until no call is open,
wait until nothing contradicts, pay. The judge knows the true books. It never allows a payment that
they do not need, and demands that runs reach their goal once nothing disturbs them any more.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.evidence import (
    Outcome,
    Witness,
    changed_by_list,
    contradiction,
    counted,
    excess,
    held,
    states,
    verdict,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.snapshot import (
    LIST_LAG,
    OpenCall,
    Record,
    Snapshot,
)

#: Seconds between two looks, until a call without an end is carried out, and by which a list may
#: lag.
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
    """What happens at each point: the first option unless the script of this walk says
    otherwise.
    """

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
    records: list[Record] = field(default_factory=list)
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
        names = [
            lease.name
            for lease in self.leases
            if lease.listed_since <= self.now < lease.listed_until
        ]
        mistake = self.choices.pick("whole", "lacks one", "empty")
        if mistake != "whole":
            self.wrong_lists += 1
        return {"whole": names, "lacks one": names[1:], "empty": []}[mistake]

    def carry_out(self, needed: int, adds: int, removes: list[str]) -> list[str]:
        """Carry a call out, of whose purchases so many are ``needed``; returns what the response
        names as new.
        """
        event = self.choices.pick(
            "answered", "lost after", "lost before", "late", "lagging", "killed"
        )
        is_sent = event != "lost before"
        if adds:
            self.payments.append((needed, adds * is_sent))
        if not is_sent:
            self.has_lost_call = True
            raise NoAnswer(has_ended=True)
        at = self.now + (LATE if event == "late" else 0.0)
        listed_at = at + (LAG if event == "lagging" else 0.0)
        for lease in self.leases:
            if lease.name in removes and lease.until > at:
                lease.until = at
                lease.listed_until = listed_at
        names = [f"lease{len(self.leases) + each}" for each in range(adds)]
        self.leases += [Lease(name, at, listed_at) for name in names]
        self.end(event)
        return names

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
        self.has_looked = False
        self.bought = 0
        self.look()
        self.note_missing()
        self.settle(waits=False)

    def look(self) -> None:
        now = self.world.now
        earlier = None
        if self.has_looked:
            earlier = dataclasses.replace(self.snapshot, earlier=None)
        self.has_looked = True
        listed = dict.fromkeys(self.world.listed())
        self.snapshot = Snapshot(listed, read_at=now, now=now, latest=now, earlier=earlier)
        self.refresh()

    def refresh(self) -> None:
        records = sorted(self.world.records, key=lambda each: (each.gone_at or each.at, each.call))
        self.snapshot = dataclasses.replace(
            self.snapshot, records=records, calls=list(self.world.calls)
        )

    def held(self) -> list[str]:
        return counted(self.snapshot)

    def note_missing(self) -> None:
        records = self.world.records
        for changed in changed_by_list(self.snapshot):
            records[:] = [
                each for each in records if (each.name, each.call) != (changed.name, changed.call)
            ]
            records.append(changed)
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
                    self.record_bought(number, result.added)
                    self.record_gone(number, result.removed, by_list=True)
                    self.world.calls.remove(call)
                    self.refresh()
                    break
                if call.settles_at > self.snapshot.read_at:
                    if not waits:
                        break
                    self.wait()
                self.look()

    def record_bought(self, number: int, names: Iterable[str]) -> None:
        known = {(record.name, record.call) for record in self.world.records}
        for name in names:
            if (name, number) not in known:
                self.world.records.append(Record(name, number, self.world.now))

    def record_gone(self, number: int, names: Iterable[str], *, by_list: bool) -> None:
        now = self.world.now
        gone: dict[str, Any] = {"gone_at": now, "gone_by_list": by_list}
        for name in names:
            bought = [
                record
                for record in self.world.records
                if record.name == name and record.gone_at is None and record.call < number
            ]
            for record in bought:
                self.world.records.remove(record)
                self.world.records.append(dataclasses.replace(record, **gone))
            if not bought:
                self.world.records.append(Record(name, number, now, is_bought=False, **gone))

    def confirm(self) -> None:
        self.settle()
        until = self.world.now + LIST_LAG
        while True:
            used = None
            if self.world.has_quota:
                used = len(self.world.held(self.world.now))
            self.snapshot = dataclasses.replace(self.snapshot, quota_used=used)
            doubt = contradiction(self.snapshot)
            if doubt is None:
                return
            if doubt is Witness.QUOTA:
                if self.world.now >= until:
                    raise GaveUp
                self.wait()
            self.look()
            self.settle()

    def send(
        self, needed: int, adds: int, removes: Sequence[str] = (), before: Iterable[str] = ()
    ) -> None:
        """Record a call, send it, and record what its end shows."""
        world = self.world
        world.number += 1
        names = frozenset(before)
        call = OpenCall(world.number, "", adds, len(removes), names, world.now, TIMEOUT, None)
        world.calls.append(call)
        is_whole = not (adds and removes)
        answered_at: float | None = None
        try:
            new = world.carry_out(needed, adds, list(removes))
            answered_at = world.now
            self.bought += len(new)
            self.record_bought(call.id, new)
            if is_whole:
                self.record_gone(call.id, removes, by_list=False)
        except NoAnswer as error:
            is_whole = False
            if error.has_ended:
                answered_at = world.now
        world.calls.remove(call)
        if is_whole:
            self.refresh()
            return
        world.calls.append(dataclasses.replace(call, answered_at=answered_at))
        self.look()
        self.settle()

    def ensure(self, goal: int = COUNT) -> None:
        while goal > len(self.held()):
            self.confirm()
            number = goal - len(self.held())
            if number > 0:
                self.send(goal - self.world.coming(), number, before=self.held())

    def replace(self) -> None:
        goal = len(self.held())
        if held(self.snapshot):
            self.confirm()
            self.release()
            self.settle()
            self.ensure(goal)

    def release(self) -> None:
        old = sorted(held(self.snapshot))[:1]
        if old:
            self.send(0, 0, old, old)

    def swap(self) -> None:
        """Let QG.net replace one of its choice: the oldest that it has."""
        self.settle()
        before = frozenset(self.held())
        begun = len(self.world.payments)
        while before and not self.swapped(before):
            self.settle()
            paid = sum(number for _needed, number in self.world.payments[begun:])
            if not self.swapped(before):
                self.send(1 - paid, 1, self.world.held(self.world.now)[:1], self.held())
        self.ensure(len(before))

    def swapped(self, before: frozenset[str]) -> bool:
        return self.bought > 0 or before != frozenset(held(self.snapshot))


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
            getattr(Run(world), task)()
        world.now += 1.0


#: What happens one after the other; whatever can go wrong goes wrong meanwhile.
STORIES = [
    ("ensure", "ensure"),
    ("ensure", "wait", "ensure", "ensure"),
    ("ensure", "wait", "replace", "ensure"),
    ("ensure", "replace", "replace"),
    ("ensure", "wait", "swap", "ensure"),
    ("ensure", "wait", "release", "ensure"),
    ("ensure", "wait", "another buyer", "release", "ensure"),
    ("another buyer", "ensure", "wait", "ensure"),
    ("ensure", "wait", "taken away", "ensure", "wait", "ensure"),
]


def hidden(world: World, story: tuple[str, ...]) -> int:
    """Return how many leases wrong lists may have hidden from all witnesses, which may be paid for
    again.

    A quota contradicts each of them. Without one, two wrong lists hide what another buyer or a call
    without a response has leased, or make a lost release look carried out. What the journal knows
    needs a third one, a minute later.
    """
    most = 3
    if "another buyer" in story or world.has_lost_call:
        most = 2
    if world.has_quota or world.wrong_lists < most:
        return 0
    return COUNT


def explore(story: tuple[str, ...], budget: int, *, has_quota: bool) -> int:
    """Return the number of walks; fail at the first payment too many, or if the goal is not reached
    in the end.
    """

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


@pytest.mark.nightly
@pytest.mark.parametrize("has_quota", [True, False])
@pytest.mark.parametrize("story", STORIES, ids=" ".join)
def test_three_disturbances_cost_nothing(story: tuple[str, ...], has_quota: bool) -> None:
    assert explore(story, 3, has_quota=has_quota) > 250


@pytest.mark.parametrize("listed", [("new",), ("new", "another")])
def test_a_list_with_all_successors_shows_a_removal_by_itself(listed: tuple[str, ...]) -> None:
    before = frozenset({"old", *listed}) - {"new"}
    call = OpenCall(1, "", 1, 1, before, 0.0, TIMEOUT, None)
    snapshot = Snapshot(listed=dict.fromkeys(listed), read_at=1.0, calls=[call])

    result = verdict(call, snapshot)

    assert result.outcome is Outcome.DONE
    assert result.removed == {"old"}


def test_records_of_what_no_list_shows_are_past() -> None:
    records = [
        Record("released", 1, 10.0, gone_at=10.0),
        Record("released lately", 2, 10.0, gone_at=400.0),
        Record("ended", 3, 10.0, ends=540.0),
        Record("lasting", 4, 10.0, ends=540.1),
    ]
    snapshot = Snapshot(records=records, now=600.0)

    assert [record.name for record in snapshot.past(400.0)] == ["released", "ended"]


@pytest.mark.parametrize(("life", "apart"), [(40.0, 10.0), (1000.0, 60.0), (None, 60.0)])
def test_what_a_list_shows_again_counts_as_gone_only_after_two_more_readings(
    life: float | None, apart: float
) -> None:
    record = Record("a", 1, 0.0, ends=1e6, life=life)
    readings = [(100.0, False), (100.0 + apart, False), (200.0, True), (300.0, False)]
    readings += [(299.9 + apart, False), (300.0 + apart, False)]
    shown = []
    for at, is_listed in readings:
        listed = {"a": 1e6} if is_listed else {}
        snapshot = Snapshot(listed, read_at=at, now=at, records=[record])
        [record] = changed_by_list(snapshot) or [record]
        shown.append((record.missing_since, record.gone_at))

    assert shown == [
        (100.0, None),
        (100.0, 100.0 + apart),
        (None, None),
        (300.0, None),
        (300.0, None),
        (300.0, 300.0 + apart),
    ]


@pytest.mark.parametrize(
    ("ends", "outcome", "added"),
    [
        pytest.param(160.0, Outcome.OPEN, [], id="another call holds it"),
        pytest.param(99.0, Outcome.DONE, ["a"], id="an ended address is given again"),
    ],
)
def test_what_another_call_has_bought_is_no_effect_of_a_lost_one(
    ends: float, outcome: Outcome, added: list[str]
) -> None:
    lost = OpenCall(1, "/get", 1, 0, frozenset(), sent_at=80.0, timeout=10.0, answered_at=None)
    bought = Record("a", 2, 0.0, ends=ends, life=100.0)
    snapshot = Snapshot({"a": 200.0}, 100.0, 100.0, 100.0, records=[bought], calls=[lost])

    seen = verdict(lost, snapshot)

    assert seen.outcome is outcome
    assert seen.added == added


@pytest.mark.parametrize(
    ("answered_at", "outcome"),
    [
        pytest.param(None, Outcome.OPEN, id="it may still be carried out"),
        pytest.param(85.0, Outcome.DONE, id="its response has come"),
    ],
)
def test_a_release_in_flight_is_open_although_nothing_is_left_to_release(
    answered_at: float | None, outcome: Outcome
) -> None:
    """It would release a new lease that gets the same address."""
    call = OpenCall(1, "/release", 0, 1, frozenset({"a"}), 80.0, TIMEOUT, answered_at)
    earlier = Snapshot(read_at=90.0, now=90.0, calls=[call])
    snapshot = Snapshot(read_at=100.0, now=100.0, calls=[call], earlier=earlier)

    assert verdict(call, snapshot).outcome is outcome


def test_what_its_own_response_names_is_the_effect_of_a_call() -> None:
    """Another buyer has leased the other one."""
    call = OpenCall(1, "/get", 1, 0, frozenset(), 80.0, TIMEOUT, 85.0)
    named = Record("b", 1, 85.0)
    snapshot = Snapshot({"a": None, "b": None}, 100.0, 100.0, records=[named], calls=[call])

    assert verdict(call, snapshot).added == ["b"]


@pytest.mark.parametrize(
    ("record", "number", "removed"),
    [
        pytest.param(Record("b", 1, 0.0, ends=100.0), 1, {"a"}, id="the other has ended"),
        pytest.param(Record("b", 1, 0.0, ends=100.1), 1, set(), id="too many"),
        pytest.param(Record("b", 1, 0.0, ends=100.0), 2, {"a", "b"}, id="as many as it can remove"),
    ],
)
def test_what_two_lists_show_that_a_call_has_removed(
    record: Record, number: int, removed: set[str]
) -> None:
    call = OpenCall(2, "", 0, number, frozenset({"a", "b"}), 80.0, TIMEOUT, 85.0)
    earlier = Snapshot(read_at=90.0)
    snapshot = Snapshot(read_at=100.0, now=100.0, records=[record], earlier=earlier)

    assert verdict(call, snapshot).removed == removed


@pytest.mark.parametrize(("ends", "hidden"), [(100.0, 1), (100.1, 0)])
def test_what_may_have_ended_hides_nothing_that_the_quota_counts(ends: float, hidden: int) -> None:
    assert excess(Snapshot({"a": ends}, 90.0, 90.0, 100.0, quota_used=1)) == hidden


@pytest.mark.parametrize(
    ("listed", "recorded", "is_over"),
    [
        pytest.param({"a": 100.1}, None, False, id="lasting"),
        pytest.param({"a": 100.0}, None, True, id="in an old list"),
        pytest.param({"a": 40.1}, None, True, id="in a list that is almost too old"),
        pytest.param({"a": 40.0}, None, False, id="in a list for too long: clocks differ"),
        pytest.param({"a": None}, None, False, id="without an end"),
        pytest.param({}, (100.1, 60.0), False, id="not listed, lasting"),
        pytest.param({}, (100.0, 60.0), True, id="not listed"),
        pytest.param({}, (None, None), False, id="not listed, without an end"),
        pytest.param({"a": 90.0}, (90.0, 60.0), True, id="in an old list, and bought here"),
        pytest.param({"a": 90.0}, (None, None), True, id="the response had no end"),
        pytest.param({"a": 90.0}, (None, 0.0), False, id="over when it was bought: clocks differ"),
        pytest.param({"a": 200.0}, (90.0, 60.0), False, id="an address that is leased again"),
    ],
)
def test_whether_a_resource_is_over(
    listed: dict[str, float | None],
    recorded: tuple[float | None, float | None] | None,
    is_over: bool,
) -> None:
    records = []
    if recorded:
        ends, life = recorded
        records.append(Record("a", 1, 0.0, ends=ends, life=life))
    snapshot = Snapshot(listed, read_at=100.0, now=100.0, records=records)

    assert snapshot.over() == ({"a"} if is_over else set())
    assert ("a" in states(snapshot)) is not is_over
