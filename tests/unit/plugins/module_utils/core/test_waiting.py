# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a task waits, and what is announced of that: when, what, and by which of several processes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import WaitBudgetExceeded
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import Runtime, use
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import Announcer, Wait, WaitBudget, backoff

LOCK = Wait("another process has the lock", 300.0)
LIMIT = Wait("the limit is used up", 290.0, call="/query", remaining=57.0)


class Clock:
    """A clock that only sleeping moves, and the lines that were shown, each with its second."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.parts: list[float] = []
        self.shown: list[tuple[float, str]] = []
        self.announcer = Announcer(lambda text: self.shown.append((self.second, text)), now=lambda: self.now)

    @property
    def second(self) -> float:
        return round(self.now - 1000.0, 1)

    @property
    def seconds(self) -> list[float]:
        return [second for second, _text in self.shown]

    def sleep(self, seconds: float) -> None:
        self.parts.append(seconds)
        self.now += seconds

    def wait(self, seconds: float, wait: Wait) -> None:
        self.announcer.sleep(seconds, wait, self.sleep)


def test_a_long_sleep_is_announced_after_three_seconds_and_then_every_ten() -> None:
    clock = Clock()
    clock.wait(25.0, LIMIT)
    assert clock.parts == [3.0, 10.0, 10.0, 2.0]
    assert clock.shown == [
        (3.0, "waiting because the limit is used up (/query): about 54 s more, at most 287 s (max_wait)"),
        (13.0, "waiting because the limit is used up (/query): about 44 s more, at most 277 s (max_wait)"),
        (23.0, "waiting because the limit is used up (/query): about 34 s more, at most 267 s (max_wait)"),
    ]


def test_many_short_sleeps_are_one_wait() -> None:
    clock = Clock()
    for number in range(120):
        clock.wait(0.2, replace(LOCK, allowed=300 - 0.2 * number))
    assert clock.seconds == [3.0, 13.0, 23.0]
    assert clock.shown[0][1] == "waiting because another process has the lock: at most 297 s more (max_wait)"


def test_a_wait_that_ends_after_three_seconds_is_not_announced() -> None:
    clock = Clock()
    clock.wait(3.0, LIMIT)
    assert clock.shown == []


def test_calls_between_two_sleeps_are_not_counted_as_waiting() -> None:
    clock = Clock()
    for _call in range(3):
        clock.wait(1.0, LOCK)
        clock.now += 9.0
    assert clock.shown == []
    clock.wait(1.0, LOCK)
    assert clock.seconds == [30.0]


def test_a_wait_for_the_same_thing_some_time_later_is_another_one() -> None:
    clock = Clock()
    clock.wait(2.9, LOCK)
    clock.now += 10.1
    clock.wait(2.9, LOCK)
    assert clock.shown == []


def test_waits_for_different_things_are_announced_independently() -> None:
    clock = Clock()
    for _poll in range(5):
        clock.wait(1.0, LOCK)
        clock.wait(1.0, LIMIT)
    assert [(second, "lock" in text) for second, text in clock.shown] == [(6.0, True), (7.0, False)]


def test_time_that_something_else_has_waited_is_counted() -> None:
    """SQLite itself waits for a moment before it reports that the database is locked."""
    clock = Clock()
    for _attempt in range(14):
        clock.now += 1.0
        clock.announcer.passed(1.0, LOCK)
    assert clock.seconds == [3.0, 13.0]


def test_what_is_waited_for_is_examined_only_to_be_announced() -> None:
    examined: list[Wait] = []

    def examine(wait: Wait) -> Wait:
        examined.append(wait)
        return replace(wait, detail="process 7, which is stopped", allowed=20.4, option="max_wait and timeout")

    clock = Clock()
    clock.wait(2.9, replace(LOCK, examine=examine))
    assert examined == []
    clock.wait(0.2, replace(LOCK, examine=examine))
    assert len(examined) == 1
    assert clock.shown[0][1] == (
        "waiting because another process has the lock: process 7, which is stopped; at most 20 s more "
        "(max_wait and timeout)"
    )


def test_a_remaining_time_that_says_nothing_is_left_out() -> None:
    end = "at most 4 s more (max_wait)"
    assert replace(LIMIT, allowed=4.0, remaining=9.0).describe().endswith(f": {end}"), "max_wait ends it before"
    assert replace(LIMIT, allowed=4.0, remaining=0.1).describe().endswith(f": {end}"), "it is as good as over"
    assert replace(LIMIT, allowed=-1.0, remaining=None).describe().endswith("at most 0 s more (max_wait)")


def test_without_a_place_to_show_it_a_sleep_is_not_divided() -> None:
    parts: list[float] = []
    Announcer().sleep(60.0, LIMIT, parts.append)
    Announcer().passed(60.0, LIMIT)
    assert parts == [60.0]


def test_a_budget_announces_what_its_error_would_say() -> None:
    clock = Clock()
    budget = WaitBudget(20.0, sleep=clock.sleep, announcer=clock.announcer)
    budget.wait(12.0, "the limit is used up", "/query", remaining=12.0, examine=lambda: "2 of 3")
    assert clock.shown == [
        (3.0, "waiting because the limit is used up (/query): 2 of 3; about 9 s more, at most 17 s (max_wait)")
    ]
    assert budget.waited == 12.0
    with pytest.raises(WaitBudgetExceeded, match="/query: the limit is used up, and waiting 9 more seconds"):
        budget.wait(9.0, "the limit is used up", "/query")


def test_a_budget_may_be_used_up_and_not_exceeded() -> None:
    slept: list[float] = []
    budget = WaitBudget(10, sleep=slept.append)
    budget.wait(4, "a reason", "/x")
    budget.wait(6, "a reason", "/x")
    budget.require(0, "a reason", "/x")
    with pytest.raises(WaitBudgetExceeded) as caught:
        budget.wait(0.6, "a reason", "/x")
    assert slept == [4, 6]
    assert budget.waited == 10
    assert caught.value.message == (
        "/x: a reason, and waiting 1 more seconds would pass max_wait (10 seconds, 10 of them used). "
        "Raise max_wait or run again later."
    )
    assert caught.value.details["endpoint"] == "/x"


@pytest.mark.parametrize(("attempt", "longest"), [(0, 1.0), (1, 2.0), (2, 4.0), (4, 16.0), (5, 30.0), (50, 30.0)])
def test_backoff_doubles_up_to_half_a_minute(attempt: int, longest: float) -> None:
    with use(Runtime(random=max)):
        assert backoff(attempt) == longest
    with use(Runtime(random=min)):
        assert backoff(attempt) == longest / 2


def test_backoff_is_at_least_what_the_server_asks_for_and_up_to_a_second_more() -> None:
    with use(Runtime(random=max)):
        assert [backoff(3, wanted) for wanted in (0.0, 7.0)] == [1.0, 8.0]
    with use(Runtime(random=min)):
        assert [backoff(3, wanted) for wanted in (0.0, 7.0)] == [0.0, 7.0]
