# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a pool buys while its exits work, fail, answer 407 or end: single decisions, walks and days
of virtual time.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import hypothesis.strategies as st
import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.policy import (
    BadExit,
    Cause,
    Decision,
    Exit,
    Pause,
    PoolState,
    after_purchase,
    decide,
)
from hypothesis import given

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0
NOW = 1_900_000_000.0

NEW = PoolState()
#: Held back since 50 minutes, with a next probe that is due now, or in a minute.
DUE = Pause(Cause.SILENT, NOW - 50 * MINUTE, 3, NOW, NOW - 4 * MINUTE)
EARLY = replace(DUE, next_probe_at=NOW + MINUTE)
REJECTED = replace(DUE, cause=Cause.REJECTED)


def works(*names: str) -> list[Exit]:
    return [Exit(name, True) for name in names]


def unknown(*names: str) -> list[Exit]:
    return [Exit(name, None) for name in names]


def down(*names: str, cause: Cause = Cause.SILENT, seconds: float = HOUR) -> list[Exit]:
    return [Exit(name, False, cause, seconds) for name in names]


def rejected(*names: str) -> list[Exit]:
    return down(*names, cause=Cause.REJECTED)


def reported(*names: str) -> list[Exit]:
    return down(*names, cause=Cause.REPORTED, seconds=0)


def soon(*exits: Exit) -> list[Exit]:
    """The exits with leases that end soon."""
    return [replace(exit_, ends_soon=True) for exit_ in exits]


def bought_at(*ages: float) -> PoolState:
    """A pool that bought beyond what ended so many seconds ago."""
    return PoolState(tuple(NOW - age for age in ages))


def paused(pause: Pause, *ages: float) -> PoolState:
    return replace(bought_at(*ages), pause=pause)


def bad(name: str, age: float) -> PoolState:
    return PoolState((NOW - age,), {name: BadExit(Cause.SILENT, NOW - age)})


@dataclass(frozen=True)
class Expected:
    """The outcome: leases to ensure, servers that go, the cause of a pause, servers in warnings,
    seconds to a probe.
    """

    count: int | None
    exclude: str = ""
    cause: Cause | None = None
    warned: str = ""
    next_probe: float | None = None


NOTHING = Expected(None)
FULL = Expected(4)

#: A pool of four exits whose leases last a day. Each row: the expected outcome, what is remembered,
#: and the exits.
DECISIONS = {
    "a first installation buys all": (FULL, NEW, []),
    "a pool that works is topped up": (FULL, NEW, works("a", "b")),
    "leases that ended are not bounded": (FULL, bought_at(4, 3, 2, 1), works("a")),
    "leases that ended while nobody looked are not bounded": (FULL, bought_at(4, 3, 2, 1), []),
    "exits of a gateway that was restarted are not bad": (FULL, NEW, unknown("a", "b", "c")),
    "an exit that is down is replaced": (
        Expected(4, "a"),
        NEW,
        [*down("a"), *works("b", "c", "d")],
    ),
    "a reported one is replaced at once": (
        Expected(4, "a"),
        NEW,
        [*reported("a"), *works("b", "c", "d")],
    ),
    "also if all are reported": (Expected(4, "a b c d"), NEW, reported("a", "b", "c", "d")),
    "reports have no bound of their own": (
        Expected(4, "a", warned="b c d"),
        bought_at(3, 2, 1),
        reported("a", "b", "c", "d"),
    ),
    "reports do not end a pause": (
        Expected(None, "", Cause.REPORTED, next_probe=MINUTE),
        paused(EARLY),
        reported("a", "b", "c", "d"),
    ),
    "one is reported and the others are silent": (
        Expected(4, "b", Cause.SILENT, next_probe=MINUTE),
        NEW,
        [*reported("a"), *down("b", "c", "d")],
    ),
    "one that is down for a short time stays": (
        FULL,
        NEW,
        [*down("a", seconds=299), *works("b", "c", "d")],
    ),
    "the longest down is replaced first": (
        Expected(4, "b", warned="a"),
        bought_at(3, 2, 1),
        [*down("a", seconds=400), *down("b", seconds=500), *works("c", "d")],
    ),
    "what the bound does not allow stays": (
        Expected(4, warned="a b"),
        bought_at(4, 3, 2, 1),
        [*down("a", "b"), *works("c", "d")],
    ),
    "the bound is over after a lifetime": (
        Expected(4, "a"),
        bought_at(DAY, 3, 2, 1),
        [*down("a"), *works("b", "c", "d")],
    ),
    "an exit that nobody needs is not replaced": (
        FULL,
        NEW,
        [*down("a"), *works("b", "c", "d", "e")],
    ),
    "nor one whose lease ends soon": (
        FULL,
        NEW,
        [*soon(*down("a", seconds=DAY)), *works("b", "c", "d")],
    ),
    "paused, and a lease that ends soon is silent": (
        Expected(4, "b", Cause.SILENT, next_probe=8 * MINUTE),
        paused(DUE),
        [*soon(*down("a", seconds=DAY)), *down("b", "c", "d", "e")],
    ),
    "one that answers 407 while others work is replaced": (
        Expected(4, "a"),
        NEW,
        [*rejected("a"), *works("b", "c", "d")],
    ),
    "a replaced exit stays excluded": (
        Expected(4, "a"),
        bad("a", DAY - 1),
        works("a", "b", "c", "d", "e"),
    ),
    "until its lease has ended": (FULL, bad("a", DAY), works("a", "b", "c", "d")),
    "a bad exit that works does not end a pause": (
        Expected(None, "a", Cause.SILENT, next_probe=MINUTE),
        replace(bad("a", HOUR), pause=EARLY),
        [*works("a"), *down("b", "c", "d", "e")],
    ),
    "some down and some not checked: wait": (
        Expected(None, warned="a"),
        NEW,
        [*down("a"), *unknown("b", "c", "d")],
    ),
    "some rejected and some not checked: wait": (
        Expected(None, warned="a"),
        NEW,
        [*rejected("a"), *unknown("b")],
    ),
    "all answer 407": (Expected(None, "", Cause.REJECTED), NEW, rejected("a", "b", "c", "d")),
    "the last one answers 407": (
        Expected(None, "", Cause.REJECTED),
        paused(REJECTED),
        rejected("a"),
    ),
    "one answers 407 and others are silent": (
        Expected(None, "", Cause.REJECTED),
        NEW,
        [*rejected("a"), *down("b", "c", "d")],
    ),
    "all silent: one is replaced at once": (
        Expected(4, "b", Cause.SILENT, next_probe=MINUTE),
        NEW,
        [*down("a", "c", "d", seconds=1), *down("b", seconds=2)],
    ),
    "all down in several ways: the cause is what most do": (
        Expected(4, "a", Cause.REFUSED, next_probe=MINUTE),
        NEW,
        [*down("a", cause=Cause.FAILING), *down("b", "c", "d", cause=Cause.REFUSED)],
    ),
    "all silent, after one has just been replaced": (
        Expected(None, "", Cause.SILENT, next_probe=50),
        bought_at(10),
        down("a", "b", "c", "d"),
    ),
    "all silent, and the bound is reached": (
        Expected(None, "", Cause.SILENT, next_probe=DAY - 4 * HOUR),
        bought_at(4 * HOUR, 3 * HOUR, 2 * HOUR, HOUR),
        down("a", "b", "c", "d"),
    ),
    "all silent, and more was bought when the pool was larger": (
        Expected(None, "", Cause.SILENT, next_probe=DAY - 4 * HOUR),
        bought_at(5 * HOUR, 4 * HOUR, 3 * HOUR, 2 * HOUR, HOUR),
        down("a", "b", "c", "d"),
    ),
    "state time was set back by days: a probe comes within an hour": (
        Expected(None, "", Cause.SILENT, next_probe=HOUR),
        paused(replace(DUE, since=NOW + 2 * DAY, next_probe_at=NOW + 2 * DAY)),
        [],
    ),
    "paused, and the cause has changed": (
        Expected(None, "", Cause.REFUSED, next_probe=MINUTE),
        paused(EARLY),
        down("a", "b", cause=Cause.REFUSED),
    ),
    "the last purchase that the bound allows is made": (
        Expected(1, "", Cause.SILENT, next_probe=DAY - 3 * HOUR),
        paused(DUE, 3 * HOUR, 2 * HOUR, HOUR),
        [],
    ),
    "some silent and some ended: a probe needs no place": (
        Expected(3, "", Cause.SILENT, next_probe=8 * MINUTE),
        paused(DUE),
        down("a", "b"),
    ),
    "paused and the probe is not due": (
        Expected(None, "", Cause.SILENT, next_probe=MINUTE),
        paused(EARLY),
        down("a", "b", "c", "d"),
    ),
    "paused and no lease is left": (
        Expected(1, "", Cause.SILENT, next_probe=8 * MINUTE),
        paused(DUE),
        [],
    ),
    "paused, no lease is left and it is early": (
        Expected(None, "", Cause.SILENT, next_probe=MINUTE),
        paused(EARLY),
        [],
    ),
    "paused for 407 and no lease is left": (
        Expected(1, "", Cause.REJECTED, next_probe=16 * MINUTE),
        paused(REJECTED),
        [],
    ),
    "paused, and the probe is not checked yet": (
        Expected(None, "", Cause.SILENT, next_probe=0),
        paused(DUE),
        [*down("a", "b", "c"), *unknown("d")],
    ),
    "paused, and the gateway was restarted": (
        Expected(None, "", Cause.SILENT, next_probe=0),
        paused(DUE),
        unknown("a", "b"),
    ),
    "paused, and the probe works": (FULL, paused(DUE), works("a")),
    "paused, and an old exit works": (
        Expected(4, "b c d"),
        paused(DUE),
        [*works("a"), *down("b", "c", "d")],
    ),
    "the last purchase that the bound allows waits for an hour": (
        Expected(1, "", Cause.SILENT, next_probe=HOUR),
        paused(DUE, 15 * MINUTE, 10 * MINUTE),
        [],
    ),
}


@pytest.mark.parametrize("name", DECISIONS)
def test_decisions(name: str) -> None:
    expected, state, exits = DECISIONS[name]

    decision = decide(state, exits, count=4, lifetime=DAY, now=NOW)

    assert decision.count == expected.count
    assert decision.exclude == set(expected.exclude.split())
    problem = decision.problem
    assert (problem.pause.cause if problem else None) == expected.cause
    if problem:
        next_probe = None if problem.next_probe_at is None else problem.next_probe_at - NOW
        assert next_probe == expected.next_probe
        live = [exit_ for exit_ in exits if exit_.server not in state.bad]
        assert problem.live == tuple(exit_.server for exit_ in live)
        causes = {exit_.cause for exit_ in live if exit_.works is False}
        assert problem.is_mixed == (len(causes) > 1)
    assert (decision.state.pause is None) == (problem is None)
    warned = [
        exit_.server
        for exit_ in exits
        if any(f"{exit_.server} (" in text for text in decision.warnings)
    ]
    assert warned == expected.warned.split()


@pytest.mark.parametrize(
    ("patience", "lifetime"),
    [(5, MINUTE), (5, 10 * MINUTE), (15, 30 * MINUTE), (30, HOUR), (300, DAY)],
)
def test_the_longer_a_lease_lasts_the_longer_an_exit_may_be_down(
    patience: float, lifetime: float
) -> None:
    def excluded(seconds: float) -> frozenset[str]:
        exits = [*down("a", seconds=seconds), *works("b")]
        return decide(NEW, exits, count=2, lifetime=lifetime, now=NOW).exclude

    assert excluded(patience - 0.1) == set()
    assert excluded(patience) == {"a"}


@pytest.mark.parametrize(
    ("lifetime", "expected"),
    [
        (MINUTE, [*range(190)]),
        (8 * MINUTE, [0, 1, 3, 7, *range(15, 190, 8)]),
        (HOUR, [0, 1, 3, 7, 15, 31, 63, 123, 183]),
    ],
)
def test_probes_come_after_growing_intervals_up_to_a_life(
    lifetime: float, expected: list[int]
) -> None:
    state = NEW
    minutes: list[int] = []
    for minute in range(190):
        # The exit of the last probe has ended.
        exits = [] if minute else down("a")
        now = NOW + minute * MINUTE
        decision = decide(state, exits, count=20, lifetime=lifetime, now=now)
        state = decision.state
        if decision.count is not None:
            minutes.append(minute)
            state = after_purchase(state, decision, 1, now)
    assert minutes == expected


@pytest.mark.parametrize(
    ("lifetime", "expected"), [(MINUTE, [*range(1, 70)]), (HOUR, [1, 3, 7, 15, 31, 63])]
)
def test_while_all_answer_407_probes_begin_a_minute_after_the_first(
    lifetime: float, expected: list[int]
) -> None:
    state = decide(NEW, rejected("a"), count=20, lifetime=lifetime, now=NOW).state
    minutes = []
    for minute in range(1, 70):
        now = NOW + minute * MINUTE
        decision = decide(state, [], count=20, lifetime=lifetime, now=now)
        state = after_purchase(state, decision, 1, now)
        if decision.count:
            minutes.append(minute)
    assert minutes == expected


def test_what_is_stored_before_a_payment_counts_it() -> None:
    """A run that is killed after it has paid has used the bound and the probe."""
    decision = decide(NEW, down("a", "b"), count=2, lifetime=DAY, now=NOW)

    assert decision.state.counted_at == (NOW,)
    assert decision.state.pause == Pause(Cause.SILENT, NOW, 1, NOW + HOUR, NOW)
    assert after_purchase(NEW, decision, 1, NOW) == decision.state


def test_a_probe_that_nobody_sold_stays_due_and_costs_one_exit_only() -> None:
    exits = down("a", "b", "c", "d")
    state = NEW
    for run in range(5):
        now = NOW + 10 * run
        decision = decide(state, exits, count=4, lifetime=DAY, now=now)
        assert decision.count == 4
        assert decision.exclude == {"a"}
        assert decision.state.counted_at == (now,)
        state = after_purchase(state, decision, 0, now)
        assert state.pause is not None
        assert state.pause.probes == 0

    decision = decide(state, exits, count=4, lifetime=DAY, now=NOW + 50)
    state = after_purchase(state, decision, 1, NOW + 50)
    assert state.counted_at == (NOW + 50,)
    assert decide(state, exits, count=4, lifetime=DAY, now=NOW + 60).count is None


def test_a_replacement_that_nobody_sold_is_counted_once() -> None:
    exits = [*down("a"), *works("b")]
    decision = decide(NEW, exits, count=2, lifetime=DAY, now=NOW)
    state = after_purchase(NEW, decision, 0, NOW)

    decision = decide(state, exits, count=2, lifetime=DAY, now=NOW + 10)
    assert decision.exclude == {"a"}
    assert decision.bounded == 1
    assert decision.state.owed == 0
    state = after_purchase(state, decision, 1, NOW + 10)
    assert state.counted_at == (NOW + 10,)

    decision = decide(state, [*exits, *works("c")], count=2, lifetime=DAY, now=NOW + 20)
    assert decision.state.counted_at == (NOW + 10,)
    assert decision.exclude == {"a"}


def test_what_is_owed_to_a_pool_without_a_free_place_has_been_bought() -> None:
    state = replace(bought_at(HOUR), owed=1)

    decision = decide(state, works("a", "b"), count=2, lifetime=DAY, now=NOW)

    assert decision.state == bought_at(HOUR)
    assert decision.bounded == 0


def test_a_probe_that_is_owed_is_the_last_but_one_that_the_bound_allows() -> None:
    """It has been counted before, so that the next one is the last."""
    state = replace(paused(DUE, 20 * MINUTE, 10 * MINUTE), owed=1)

    decision = decide(state, [], count=3, lifetime=DAY, now=NOW)

    assert decision.state.counted_at == (NOW - 20 * MINUTE, NOW)
    assert decision.problem is not None
    assert decision.problem.next_probe_at == NOW + HOUR


causes = st.sampled_from(Cause)
#: Stored times may be in the future: state time has been set back.
times = st.integers(-2 * 86400, 2 * 86400).map(lambda seconds: NOW + seconds)
servers = st.sampled_from("abcdefgh")
pauses = st.builds(Pause, causes, times, st.integers(0, 5000), times, st.none() | times)
states = st.builds(
    PoolState,
    st.lists(times, max_size=6).map(lambda values: tuple(sorted(values))),
    st.dictionaries(servers, st.builds(BadExit, causes, times), max_size=4),
    st.none() | pauses,
    st.integers(0, 3),
)
pools = st.lists(
    st.builds(Exit, servers, st.sampled_from([True, False, None]), causes, st.floats(0, DAY)),
    unique_by=lambda exit_: exit_.server,
    max_size=8,
)


@given(state=states)
def test_a_state_is_the_same_after_it_was_stored(state: PoolState) -> None:
    assert PoolState.from_json(json.loads(json.dumps(state.as_json()))) == state


def test_a_new_pool_has_nothing_stored() -> None:
    assert PoolState.from_json({}) == NEW


@given(
    state=states,
    exits=pools,
    count=st.integers(1, 6),
    lifetime=st.sampled_from([MINUTE, HOUR, DAY]),
)
def test_no_decision_breaks_the_rules(
    state: PoolState, exits: list[Exit], count: int, lifetime: float
) -> None:
    decision = decide(state, exits, count=count, lifetime=lifetime, now=NOW)

    live = [exit_ for exit_ in exits if exit_.server not in decision.exclude]
    newly_bad = decision.state.bad.keys() - state.bad.keys()
    usable = [
        exit_
        for exit_ in exits
        if exit_.server not in decision.state.bad or exit_.server in newly_bad
    ]
    may_buy = decision.count is not None
    if not any(exit_.works for exit_ in usable):
        if any(exit_.works is False and exit_.cause is Cause.REJECTED for exit_ in usable):
            assert not may_buy
        # Reports alone do not pause a pool.
        is_paused = state.pause or any(exit_.cause is not Cause.REPORTED for exit_ in usable)
        if may_buy and is_paused and any(exit_.works is False for exit_ in usable):
            assert decision.count == len(live) + 1
        assert len(newly_bad) <= 1
    assert all(time <= NOW for time in decision.state.counted_at)
    assert all(entry.since <= NOW for entry in decision.state.bad.values())
    # State time that was set back makes no purchase that was not allowed before.
    future = [time for time in state.counted_at if time > NOW - lifetime]
    bounded = len(decision.state.counted_at) - len(future)
    assert bounded <= max(0, count - len(future))
    assert newly_bad <= {exit_.server for exit_ in exits if exit_.works is False}
    assert not newly_bad or may_buy


# Virtual time


@dataclass(frozen=True)
class Trouble:
    """What some exits do for some time.

    Without a cause, it is not known what they do: the gateway was restarted.
    """

    start: float
    end: float
    cause: Cause | None
    hits: Callable[[int], bool] = lambda number: True


@dataclass
class Lease:
    """The lease of an exit, and when the exit was last seen to work."""

    number: int
    bought_at: float
    ends_at: float
    worked_at: float

    @property
    def server(self) -> str:
        return f"exit{self.number}"


@dataclass
class World:
    """QG.net, the exits of one pool, and the runs that refresh it.

    Seconds count from the installation.
    """

    count: int
    lifetime: float
    drain: float
    #: Seconds from run to run.
    period: float
    releases: bool
    troubles: Sequence[Trouble] = ()
    sells: Callable[[], bool] = lambda: True
    dies: Callable[[], bool] = lambda: False
    now: float = 0.0
    #: How far state time is behind, since it was set back.
    behind: float = 0.0
    state: PoolState = NEW
    leases: list[Lease] = field(default_factory=list)
    purchases: list[float] = field(default_factory=list)
    bounded: list[float] = field(default_factory=list)
    #: Whether nothing happens before a lease ends, a trouble begins or ends, or a probe is due.
    is_quiet: bool = False
    events: list[float] = field(default_factory=list)

    #: Seconds until a check has told how an exit is.
    check = 4.0

    def trouble(self, lease: Lease, time: float) -> Trouble | None:
        for trouble in self.troubles:
            if trouble.start <= time < trouble.end and trouble.hits(lease.number):
                return trouble
        return None

    def look(self, lease: Lease) -> Exit:
        """Return what the checks tell: how the exit was a few seconds ago."""
        ends_soon = lease.ends_at - self.now <= self.drain
        trouble = self.trouble(lease, self.now - self.check)
        if self.now - lease.bought_at < self.check or (trouble and not trouble.cause):
            return Exit(lease.server, None, ends_soon=ends_soon)
        if trouble:
            return Exit(lease.server, False, trouble.cause, self.now - lease.worked_at, ends_soon)
        lease.worked_at = self.now
        return Exit(lease.server, True, ends_soon=ends_soon)

    def run(self) -> Decision:
        """Refresh the pool once."""
        self.leases = [lease for lease in self.leases if lease.ends_at > self.now]
        exits = [self.look(lease) for lease in self.leases]
        time = self.now - self.behind
        before = PoolState.from_json(self.state.as_json()) if self.state.counted_at else self.state
        decision = decide(before, exits, count=self.count, lifetime=self.lifetime, now=time)
        self.state = decision.state
        wanted = self._wanted(decision)
        is_sold = wanted == 0 or self.sells()
        bought = wanted if is_sold else 0
        self._buy(bought, min(bought, decision.bounded))
        is_dead = self.dies()
        if not is_dead:
            self.state = after_purchase(before, decision, bought, time)
        if self.releases:
            self.leases = [lease for lease in self.leases if lease.server not in decision.exclude]
        self._plan(exits, decision)
        if is_dead or not is_sold:
            self.is_quiet = False
        return decision

    def _wanted(self, decision: Decision) -> int:
        """Return how many leases are bought; those in their last seconds do not count as held."""
        if decision.count is None:
            return 0
        held = 0
        for lease in self.leases:
            if lease.server not in decision.exclude and lease.ends_at - self.now > self.drain:
                held += 1
        wanted = max(0, decision.count - held)
        assert wanted <= 1 or not decision.problem
        return wanted

    def _buy(self, number: int, bounded: int) -> None:
        """Buy leases, and look at the bound as the bank does: each lease once, and as many again at
        most.
        """
        for _ in range(number):
            self.purchases.append(self.now)
            self.leases.append(
                Lease(len(self.purchases), self.now, self.now + self.lifetime, self.now)
            )
        if number == 0:
            return
        self.bounded += [self.now] * bounded
        since = self.now - self.lifetime
        assert all(time <= since for time in self.bounded[: -self.count])
        assert all(
            time <= since + self.drain
            for time in self.purchases[-2 * self.count - 1 : -2 * self.count]
        )

    def _plan(self, exits: Sequence[Exit], decision: Decision) -> None:
        seen = {exit_.works for exit_ in exits}
        if decision.problem:
            self.is_quiet = None not in seen and decision.count is None
            self.events = [lease.ends_at for lease in self.leases]
            self.events.append((decision.problem.next_probe_at or 0.0) + self.behind)
        else:
            is_disturbed = any(
                trouble.start <= self.now < trouble.end + self.check for trouble in self.troubles
            )
            self.is_quiet = False not in seen and not is_disturbed
            self.events = [lease.ends_at - self.drain for lease in self.leases]
        for trouble in self.troubles:
            self.events += [trouble.start, trouble.end, trouble.end + self.check]

    def advance(self) -> None:
        """Go on to the next run that could do something."""
        runs = 1
        events = [time for time in self.events if time > self.now]
        if self.is_quiet and events:
            runs = max(1, math.ceil((min(events) - self.now) / self.period))
        self.now += runs * self.period

    def until(self, end: float) -> World:
        while self.now < end:
            self.run()
            self.advance()
        return self

    def bought(self, start: float, end: float) -> int:
        return sum(start <= time < end for time in self.purchases)

    def usable(self) -> int:
        """Return how many exits programs can use."""
        number = 0
        for lease in self.leases:
            trouble = self.trouble(lease, self.now)
            is_bad = lease.server in self.state.bad or (trouble and trouble.cause)
            if lease.ends_at > self.now and not is_bad:
                number += 1
        return number

    def recovery(self) -> float:
        """Return how long after the last trouble all exits can be used again."""
        end = max(trouble.end for trouble in self.troubles)
        self.until(end).run()
        while self.usable() < self.count:
            assert self.now < end + 2 * DAY
            self.advance()
            self.run()
        return self.now - end


class Product(NamedTuple):
    lifetime: float
    drain: float
    period: float
    releases: bool

    def world(self, count: int, *troubles: Trouble) -> World:
        return World(count, *self, troubles)


#: The timer of a gateway is half a second late on average.
PRODUCTS = {
    "share": Product(MINUTE, 15, 10.5, False),
    "exclusive": Product(DAY, 15 * MINUTE, 30.5, True),
    "longterm": Product(DAY, 15 * MINUTE, 30.5, False),
}


@pytest.mark.slow
def test_a_month_of_share_with_a_day_off_the_whitelist_and_an_hour_of_silence() -> None:
    off = Trouble(5 * DAY + 17, 6 * DAY + 17, Cause.REJECTED)
    silent = Trouble(20 * DAY + 33, 20 * DAY + 33 + HOUR, Cause.SILENT)
    # Each minute, as long as a lease lasts; one more at once where a new exit may be better than an
    # old one.
    most_probes = {off: 24 * 60, silent: 1 + 60}

    world = PRODUCTS["share"].world(4, off, silent).until(30 * DAY)

    unusable = DAY + HOUR
    needed = 4 * (30 * DAY - unusable) / MINUTE
    assert len(world.purchases) <= 1.2 * needed
    for trouble, probes in most_probes.items():
        is_noticed = trouble.start + world.check + world.period
        assert world.bought(trouble.start, is_noticed) <= 4
        assert 1 <= world.bought(is_noticed, trouble.end) <= probes
    assert world.usable() == 4


def day_of(world: World, start: float) -> list[str]:
    """Go through a day of trouble.

    What is down for longer than five minutes and stays is named in each run.
    """
    warnings: list[str] = []
    while world.now < start + DAY:
        decision = world.run()
        for lease in world.leases:
            exit_ = world.look(lease)
            is_down = exit_.works is False and exit_.down_for > 5 * MINUTE and not exit_.ends_soon
            if is_down and exit_.server not in decision.exclude:
                assert any(f"{exit_.server} (silent)" in text for text in decision.warnings)
        warnings += decision.warnings
        world.advance()
    return warnings


def test_four_of_five_exclusive_leases_answer_late_for_a_day() -> None:
    late = Trouble(HOUR, HOUR + DAY, Cause.SILENT, lambda number: number % 5 != 0)
    world = PRODUCTS["exclusive"].world(5, late)

    warnings = day_of(world, HOUR)

    assert world.bought(0, HOUR) == 5
    assert world.bought(HOUR, 23 * HOUR) == 5
    assert any("3 exits are down and not replaced" in text for text in warnings)


def test_three_of_ten_exclusive_leases_are_slow_at_any_time() -> None:
    def is_slow(turn: int, number: int) -> bool:
        return (number + turn) % 10 < 3

    slow = []
    for turn in range(48):
        start = HOUR + turn * HOUR / 2
        slow.append(Trouble(start, start + HOUR / 2, Cause.SILENT, partial(is_slow, turn)))
    world = PRODUCTS["exclusive"].world(10, *slow)

    warnings = day_of(world, HOUR)

    assert world.bought(0, HOUR) == 10
    assert world.bought(HOUR, 23 * HOUR) == 10
    assert any("not replaced" in text for text in warnings)


#: The most minutes until all exits work again. Each trouble lasts up to an hour longer than its
#: name says, since that decides when the next probe would come.
RECOVERY = {
    ("share", "a day off the whitelist"): 61.0,
    ("exclusive", "a day off the whitelist"): 1.0,
    ("longterm", "a day off the whitelist"): 1.0,
    ("share", "an hour of silence"): 61.0,
    ("exclusive", "an hour of silence"): 1.0,
    ("longterm", "an hour of silence"): 1.0,
}
TROUBLES = {
    "a day off the whitelist": (DAY, Cause.REJECTED),
    "an hour of silence": (HOUR, Cause.SILENT),
}


@pytest.mark.parametrize(("product", "trouble"), RECOVERY)
def test_a_pool_recovers_by_itself(product: str, trouble: str) -> None:
    seconds, cause = TROUBLES[trouble]
    times = []
    for minutes in range(0, 60, 4):
        start = 5 * HOUR + 7 * minutes
        world = PRODUCTS[product].world(
            4, Trouble(start, start + seconds + minutes * MINUTE, cause)
        )
        times.append(world.recovery() / MINUTE)

    assert max(times) <= RECOVERY[product, trouble]


def draw_world(rng: random.Random) -> World:
    """Return a pool that is troubled for some lifetimes of its leases, by chance."""

    def hits(share: int, number: int) -> bool:
        return number * 7 % 10 < share

    lifetime = rng.choice([MINUTE, 10 * MINUTE, HOUR, DAY])
    troubles = []
    for _ in range(rng.randint(1, 6)):
        start = rng.uniform(0, 5 * lifetime)
        length = rng.choice([0.1, 1, 10]) * rng.uniform(0, min(lifetime, 4 * HOUR))
        share = rng.choice([2, 5, 10, 10])
        cause = rng.choice([None, *Cause])
        troubles.append(Trouble(start, start + length, cause, partial(hits, share)))
    refusals = rng.choice([0, 0, 0.5])
    deaths = rng.choice([0, 0, 0.1])
    return World(
        rng.randint(1, 6),
        lifetime,
        lifetime / 4,
        max(10.5, lifetime / 300),
        rng.random() < 0.5,
        troubles,
        sells=lambda: rng.random() >= refusals,
        dies=lambda: rng.random() < deaths,
    )


@pytest.mark.parametrize("seed", range(150))
def test_walks(seed: int) -> None:
    """The bound holds in each run (``_buy``), a rejected pool buys nothing, and each pool
    recovers.
    """
    rng = random.Random(seed)
    world = draw_world(rng)
    end = max(trouble.end for trouble in world.troubles)
    while world.now < end:
        if rng.random() < 0.01:
            world.behind += rng.uniform(0, 2 * world.lifetime)
        exits = [world.look(lease) for lease in world.leases if lease.ends_at > world.now]
        usable = [exit_ for exit_ in exits if exit_.server not in world.state.bad]
        paid = len(world.purchases)
        world.run()
        if not any(exit_.works for exit_ in usable):
            causes = {exit_.cause for exit_ in usable if exit_.works is False}
            allowed = 1
            if Cause.REJECTED in causes:
                allowed = 0
            elif causes <= {Cause.REPORTED}:
                # These let clients through; the bound alone limits what is bought.
                allowed = world.count
            assert len(world.purchases) - paid <= allowed
        world.advance()

    assert world.recovery() <= HOUR + world.lifetime
