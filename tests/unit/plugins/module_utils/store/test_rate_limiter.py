# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rate limiter and the wait budget to the second, on a clock of their own and without jitter."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError, WaitBudgetExceeded
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import WaitBudget, backoff
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter, Slot, minute_seconds
from support.machine_clock import MachineClock
from support.stores import open_store

pytestmark = pytest.mark.usefixtures("every_store")

LIMIT, MINUTE, TIMEOUT = 3, 60.0, 10.0
#: How long a call counts from its answer on.
WINDOW = MINUTE + 0.1


@dataclass
class Bench:
    """Limiters of several processes that share a state directory and a clock."""

    directory: Path
    now: float = 1_000_000.0
    #: Seconds by which the wall clock was set forward or back.
    wall_error: float = 0.0

    def limiter(self) -> RateLimiter:
        machine = MachineClock(lambda: self.now)
        machine.set_wall(self.wall_error)
        return RateLimiter(open_store(self.directory, machine=machine), minute=MINUTE)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def take(self, *, key: str = "key", endpoint: str = "/x", amount: int = 1) -> Slot:
        """Take a place that is free."""
        return self.limiter().acquire(key, endpoint, LIMIT, TIMEOUT, WaitBudget(0), amount)

    def wait(self, *, key: str = "key", endpoint: str = "/x", amount: int = 1) -> float:
        """Seconds until a place may be free; 0 takes one."""
        place, wait = self.limiter().try_acquire(key, endpoint, LIMIT, TIMEOUT, amount)
        assert (place is None) == (wait > 0)
        return wait


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def upper(_low: float, high: float) -> float:
    return high


def lower(low: float, _high: float) -> float:
    return low


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every jitter be as long as it can be."""
    monkeypatch.setattr(random, "uniform", upper)


@pytest.fixture
def shortest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every jitter be as short as it can be."""
    monkeypatch.setattr(random, "uniform", lower)


# --- places ---------------------------------------------------------------------------------------------------------


def test_the_limit_is_used_up_and_no_call_more(bench: Bench) -> None:
    assert [bench.wait() for _call in range(LIMIT)] == [0, 0, 0]
    assert bench.wait() == pytest.approx(TIMEOUT + WINDOW)


def test_a_call_counts_once_unless_an_amount_is_given(bench: Bench) -> None:
    bench.take(amount=LIMIT - 1)
    assert bench.limiter().try_acquire("key", "/x", LIMIT, TIMEOUT)[0] is not None
    assert bench.limiter().try_acquire("key", "/x", LIMIT, TIMEOUT)[0] is None


def test_each_key_and_endpoint_has_a_limit_of_its_own(bench: Bench) -> None:
    for _call in range(LIMIT):
        bench.take()
    assert bench.wait(key="other") == 0
    assert bench.wait(endpoint="/y") == 0


def test_an_answered_call_counts_for_a_minute_from_its_answer_on(bench: Bench) -> None:
    places = [bench.take() for _call in range(LIMIT)]
    assert len(set(places)) == LIMIT
    bench.now += 4
    bench.limiter().complete(places[1])
    assert bench.wait() == pytest.approx(WINDOW)
    bench.now += WINDOW - 1
    assert bench.wait() == pytest.approx(1)
    bench.now += 1
    assert bench.wait() == 0, "a place is free at the end of its minute"
    assert bench.wait() == pytest.approx(TIMEOUT - 4), "the other calls have not been answered"


def test_a_call_without_an_answer_counts_as_long_as_it_may_take(bench: Bench) -> None:
    for _call in range(LIMIT):
        bench.take()
    bench.now += TIMEOUT + WINDOW - 0.01
    assert bench.wait() == pytest.approx(0.01)
    bench.now += 0.01
    assert [bench.wait() for _call in range(LIMIT)] == [0, 0, 0]


def test_a_call_that_is_answered_after_its_place_has_expired_counts_for_a_minute(bench: Bench) -> None:
    """Its process was stopped between the two, or the machine was suspended."""
    stopped = bench.take(amount=2)
    bench.now += TIMEOUT + WINDOW
    # This one deletes the expired place, and might be given its number.
    other = bench.take(endpoint="/y")
    bench.limiter().complete(stopped)
    assert bench.limiter().called_recently("key", "/x") is True
    assert bench.wait(amount=2) == pytest.approx(WINDOW)
    assert bench.wait() == 0
    assert bench.wait(endpoint="/y", amount=LIMIT) == pytest.approx(TIMEOUT + WINDOW)
    bench.limiter().complete(other)
    assert bench.wait(endpoint="/y", amount=LIMIT) == pytest.approx(WINDOW)


def test_a_late_answer_does_not_shorten_the_place_of_another_call(bench: Bench) -> None:
    stopped = bench.take()
    bench.now += TIMEOUT + WINDOW
    for _call in range(LIMIT):
        bench.take()
    bench.limiter().complete(stopped)
    bench.now += WINDOW
    assert bench.wait() == pytest.approx(TIMEOUT)


def test_an_amount_counts_as_that_many_calls(bench: Bench) -> None:
    bench.take(amount=2)
    assert bench.wait(amount=2) == pytest.approx(TIMEOUT + WINDOW)
    assert bench.wait(amount=1) == 0
    assert bench.wait(amount=1) > 0


def test_more_than_the_limit_is_sent_alone(bench: Bench) -> None:
    assert bench.wait(amount=LIMIT + 4) == 0
    assert bench.wait() > 0


def test_a_call_waits_in_short_steps_until_a_place_is_free(bench: Bench) -> None:
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        bench.now += seconds

    for _call in range(LIMIT):
        bench.limiter().complete(bench.take())
        bench.now += 1
    budget = WaitBudget(300, sleep=sleep)
    start = bench.now
    bench.limiter().acquire("key", "/x", LIMIT, TIMEOUT, budget)
    assert bench.now - start == pytest.approx(WINDOW - LIMIT)
    assert max(naps) == pytest.approx(5.0)
    assert budget.waited == pytest.approx(sum(naps))


def test_the_last_step_of_a_wait_is_never_endless(bench: Bench) -> None:
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        bench.now += seconds

    for _call in range(LIMIT):
        bench.limiter().complete(bench.take())
    bench.now += WINDOW - 1e-6
    bench.limiter().acquire("key", "/x", LIMIT, TIMEOUT, WaitBudget(300, sleep=sleep))
    assert naps == [0.01]


def test_the_wait_budget_must_cover_what_is_surely_to_be_waited(bench: Bench) -> None:
    for _call in range(LIMIT):
        bench.take()
    sure = bench.wait() - TIMEOUT
    with pytest.raises(WaitBudgetExceeded) as caught:
        bench.limiter().acquire("key", "/x", LIMIT, TIMEOUT, WaitBudget(sure - 0.05, sleep=bench.sleep))
    assert caught.value.message == (
        "/x: the vendor's limit of 3 a minute is used up, and waiting 60 more seconds would pass max_wait "
        "(60.05 seconds, 0 of them used). Raise max_wait or run again later."
    )
    # A call that is answered at once frees its place after a minute, and the budget covers that.
    place = bench.take(endpoint="/y")
    for _call in range(LIMIT - 1):
        bench.take(endpoint="/y")
    bench.limiter().complete(place)
    bench.limiter().acquire("key", "/y", LIMIT, TIMEOUT, WaitBudget(70, sleep=bench.sleep))


def test_a_wait_for_calls_that_are_not_answered_ends_with_the_budget(bench: Bench) -> None:
    for _call in range(LIMIT):
        bench.take()
    budget = WaitBudget(62, sleep=bench.sleep)
    with pytest.raises(
        WaitBudgetExceeded, match=r"^/x: the vendor's limit of 3 a minute is used up, and waiting 5 more"
    ):
        bench.limiter().acquire("key", "/x", LIMIT, TIMEOUT, budget)
    assert budget.waited == pytest.approx(60)


def test_only_calls_of_the_last_minute_are_recent(bench: Bench) -> None:
    limiter = bench.limiter()
    assert limiter.called_recently("key", "/x") is False
    limiter.complete(bench.take())
    assert limiter.called_recently("key", "/x") is True
    assert limiter.called_recently("other", "/x") is False
    assert limiter.called_recently("key", "/y") is False
    bench.now += WINDOW
    assert limiter.called_recently("key", "/x") is False


@pytest.mark.parametrize(("amounts", "delay"), [((), 0), ((1,), 4), ((2,), 8), ((1, 2), 12), ((5,), 20), ((9,), 20)])
def test_a_batch_is_delayed_as_the_limit_is_used_up(bench: Bench, amounts: tuple[int, ...], delay: float) -> None:
    limiter = bench.limiter()
    for amount in amounts:
        limiter.try_acquire("key", "/x", 100, TIMEOUT, amount)
    limiter.try_acquire("other", "/x", 100, TIMEOUT, 9)
    limiter.try_acquire("key", "/y", 100, TIMEOUT, 9)
    limit = 3 if max(amounts, default=0) > 2 else 10
    expected = delay if limit == 3 else min(2 * sum(amounts) / limit, 1) * MINUTE / limit
    assert limiter.batch_delay("key", "/x", limit) == pytest.approx(expected)
    bench.now += TIMEOUT + WINDOW
    assert limiter.batch_delay("key", "/x", limit) == 0


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "rest"), [(None, WINDOW), (7.0, 7.0), (600.0, 600.0), (3600.0, 3600.0), (3601.0, 3600.0), (1e9, 3600.0)]
)
@pytest.mark.usefixtures("shortest")
def test_a_refusal_blocks_the_endpoint_for_as_long_as_the_vendor_asks(
    bench: Bench, asked: float | None, rest: float
) -> None:
    bench.limiter().block("key", "/x", asked)
    assert bench.wait() == pytest.approx(rest)
    assert bench.wait(key="other") == 0
    assert bench.wait(endpoint="/y") == 0
    bench.now += rest - 0.5
    assert bench.wait() == pytest.approx(0.5)
    bench.now += 0.5
    assert bench.wait() == 0


@pytest.mark.parametrize(("asked", "jitter"), [(None, 10.0), (6.0, 1.0), (600.0, 10.0)])
@pytest.mark.usefixtures("longest")
def test_clients_that_were_refused_together_come_back_apart(bench: Bench, asked: float | None, jitter: float) -> None:
    bench.limiter().block("key", "/x", asked)
    assert bench.wait() == pytest.approx((WINDOW if asked is None else asked) + jitter)


@pytest.mark.usefixtures("shortest")
def test_a_second_refusal_never_shortens_a_block(bench: Bench) -> None:
    bench.limiter().block("key", "/x", 100)
    bench.now += 10
    bench.limiter().block("key", "/x", 20)
    assert bench.wait() == pytest.approx(90)
    bench.limiter().block("key", "/x", 200)
    assert bench.wait() == pytest.approx(200)


# --- a clock that is set back ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("shortest")
@pytest.mark.parametrize("step", [-86400.0, 86400.0])
def test_waits_do_not_change_if_the_wall_clock_is_set(bench: Bench, step: float) -> None:
    for _call in range(LIMIT):
        bench.limiter().complete(bench.take())
    bench.take(endpoint="/lost")
    bench.take(endpoint="/lost", amount=2)
    bench.limiter().block("key", "/blocked", 300)
    bench.wall_error = step
    assert bench.wait() == pytest.approx(WINDOW)
    assert bench.wait(endpoint="/lost") == pytest.approx(TIMEOUT + WINDOW)
    assert bench.wait(endpoint="/blocked") == pytest.approx(300)
    bench.now += 30
    assert bench.wait() == pytest.approx(WINDOW - 30)
    assert bench.wait(endpoint="/blocked") == pytest.approx(270)
    assert bench.wait(endpoint="/lost") == pytest.approx(TIMEOUT + WINDOW - 30)


@pytest.mark.usefixtures("shortest")
def test_a_refusal_does_not_replace_a_longer_block(bench: Bench) -> None:
    bench.limiter().block("key", "/x", 600)
    bench.now += 50
    bench.limiter().block("key", "/x", 5)
    assert bench.wait() == pytest.approx(550)


# --- what else is kept ----------------------------------------------------------------------------------------------


def test_the_number_of_channels_is_kept_by_key(bench: Bench) -> None:
    limiter = bench.limiter()
    assert limiter.channels("key") is None
    limiter.learn_channels("key", 10)
    limiter.learn_channels("other", 5)
    limiter.learn_channels("key", 20)
    assert (limiter.channels("key"), limiter.channels("other")) == (20, 5)


def test_ended_calls_and_blocks_are_deleted(bench: Bench) -> None:
    bench.take()
    bench.limiter().block("key", "/y", 1)
    bench.now += 3600
    bench.take(endpoint="/z")
    state = open_store(bench.directory)
    assert state.rows("SELECT endpoint FROM rate_calls") == [("/z",)]
    assert state.rows("SELECT endpoint FROM rate_blocks") == []


# --- minutes, budgets and backoff -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "seconds"), [(None, 60.0), ("", 60.0), ("60", 60.0), ("0.5", 0.5), ("2", 2.0)])
def test_the_minute_may_be_shorter_for_a_simulator(
    text: str | None, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is None:
        monkeypatch.delenv("QG_MINUTE_SECONDS", raising=False)
    else:
        monkeypatch.setenv("QG_MINUTE_SECONDS", text)
    assert minute_seconds() == seconds


@pytest.mark.parametrize("text", ["abc", "0", "-1", "60.01", "nan"])
def test_any_other_minute_is_an_error(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QG_MINUTE_SECONDS", text)
    with pytest.raises(OptionError) as caught:
        minute_seconds()
    assert caught.value.message == (
        f"QG_MINUTE_SECONDS={text} is not the length of a minute: unset it, or give the simulator's seconds."
    )


def test_a_budget_may_be_used_up_and_not_exceeded() -> None:
    naps: list[float] = []
    budget = WaitBudget(10, sleep=naps.append)
    budget.wait(4, "a reason", "/x")
    budget.wait(6, "a reason", "/x")
    budget.require(0, "a reason", "/x")
    with pytest.raises(WaitBudgetExceeded) as caught:
        budget.wait(0.6, "a reason", "/x")
    assert naps == [4, 6]
    assert budget.waited == 10
    assert caught.value.message == (
        "/x: a reason, and waiting 1 more seconds would pass max_wait (10 seconds, 10 of them used). "
        "Raise max_wait or run again later."
    )
    assert caught.value.details["endpoint"] == "/x"


@pytest.mark.parametrize(("attempt", "most"), [(0, 1.0), (1, 2.0), (2, 4.0), (4, 16.0), (5, 30.0), (50, 30.0)])
def test_backoff_doubles_up_to_half_a_minute(attempt: int, most: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", upper)
    assert backoff(attempt) == most
    monkeypatch.setattr(random, "uniform", lower)
    assert backoff(attempt) == most / 2


def test_backoff_is_at_least_what_the_server_asks_for_and_up_to_a_second_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", upper)
    assert [backoff(3, wanted) for wanted in (0.0, 7.0)] == [1.0, 8.0]
    monkeypatch.setattr(random, "uniform", lower)
    assert [backoff(3, wanted) for wanted in (0.0, 7.0)] == [0.0, 7.0]
