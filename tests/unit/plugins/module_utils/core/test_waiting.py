# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a task waits, and what is announced of that."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import WaitBudgetExceeded
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import (
    Runtime,
    WaitBudget,
    backoff,
    use,
)


@dataclass
class Waiting:
    """A budget with a clock that only sleeping moves, and what is announced, each with its
    second.
    """

    now: float = 0.0
    shown: list[tuple[float, str, str]] = field(default_factory=list)

    def budget(self, max_wait: float) -> WaitBudget:
        return WaitBudget(max_wait, sleep=self.sleep, elapsed=lambda: self.now, announcer=self.show)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def show(self, reason: str, detail: str) -> None:
        self.shown.append((round(self.now, 1), reason, detail))


def test_a_long_wait_is_announced_at_once_and_only_once() -> None:
    waiting = Waiting()
    budget = waiting.budget(300.0)
    for _step in range(3):
        budget.wait(5.0, "the limit is used up", "/query")
    assert waiting.shown == [
        (0.0, "waiting because the limit is used up (/query)", "at most 300 s more (max_wait)")
    ]


def test_many_short_waits_are_announced_when_they_are_long_together() -> None:
    waiting = Waiting()
    budget = waiting.budget(300.0)
    for _poll in range(100):
        budget.wait(0.2, "another run has the lock", "/query", examine=lambda: "process 7")
        budget.wait(0.02, "the list may lag", "/query")
    ((second, reason, detail),) = waiting.shown
    assert 3.0 <= second <= 3.3
    assert reason == "waiting because another run has the lock (/query)"
    assert detail == "process 7; at most 297 s more (max_wait)"


def test_a_detail_is_looked_up_only_to_be_announced() -> None:
    waiting = Waiting()
    examined = list[float]()

    def examine() -> str:
        examined.append(waiting.now)
        return ""

    budget = waiting.budget(300.0)
    for _poll in range(4):
        budget.wait(1.0, "a reason", "/x", examine=examine)
    assert examined == [2.0]


def test_a_suspension_counts_with_its_duration() -> None:
    waiting = Waiting()
    budget = waiting.budget(300.0)
    budget.sleep = lambda seconds: waiting.sleep(seconds + 100)
    budget.wait(5.0, "a reason", "/x")
    assert budget.waited == 105.0
    assert budget.reasons == {"a reason": 105.0}


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
        "/x: a reason, and waiting 1 more seconds would exceed max_wait (10 seconds, 10 of them "
        "used). Raise max_wait, or run the task again later."
    )
    assert caught.value.details["endpoint"] == "/x"


@pytest.mark.parametrize(
    ("attempt", "longest"), [(0, 1.0), (1, 2.0), (2, 4.0), (4, 16.0), (5, 30.0), (50, 30.0)]
)
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
