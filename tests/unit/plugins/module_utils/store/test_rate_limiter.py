# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vendor's limits are kept to the second, by any number of processes, whatever happens to
them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    OptionError,
    WaitBudgetExceeded,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import (
    Runtime,
    WaitBudget,
    use,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import (
    RateLimiter,
    minute_seconds,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from support.machine_clock import MachineClock
from support.processes import run_together

from .conftest import open_store, quick_over_both, state_place

pytestmark = pytest.mark.usefixtures("every_store")

LIMIT = 3
MINUTE = 60.0
TIMEOUT = 10.0
#: How long a call counts from its answer on.
WINDOW = MINUTE + 0.1


@dataclass
class Bench:
    """Limiters of several processes that share a state and a clock, which only sleeping moves."""

    directory: Path
    now: float = 1_000_000.0
    #: Seconds by which the wall clock was set forward or back.
    wall_error: float = 0.0
    slept: list[float] = field(default_factory=list)
    #: The calls that have no answer must not be answered by the garbage collector.
    calls: list[AbstractContextManager[None]] = field(default_factory=list)

    def limiter(self) -> RateLimiter:
        machine = MachineClock(lambda: self.now)
        machine.set_wall(self.wall_error)
        return RateLimiter(open_store(self.directory, machine=machine), minute=MINUTE)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def budget(self, max_wait: float) -> WaitBudget:
        return WaitBudget(max_wait, sleep=self.sleep)

    def call(
        self, budget: WaitBudget, *, key: str = "key", endpoint: str = "/x", amount: int = 1
    ) -> AbstractContextManager[None]:
        """Begin a call, which is answered when the context ends, and whose process is killed if
        that never happens.
        """
        call = self.limiter().slot(key, endpoint, LIMIT, TIMEOUT, budget, amount)
        call.__enter__()
        self.calls.append(call)
        return call

    def take(
        self, count: int = 1, *, endpoint: str = "/x", amount: int = 1, answered: bool = False
    ) -> list[Any]:
        """Take slots that are free."""
        calls = [
            self.call(WaitBudget(0), endpoint=endpoint, amount=amount) for _call in range(count)
        ]
        for call in calls if answered else ():
            answer(call)
        return calls

    def wait(self, *, key: str = "key", endpoint: str = "/x", amount: int = 1) -> float:
        """Seconds until a slot may be free; 0 takes one."""
        waits: list[float] = []

        class Refused(Exception):
            """The call must wait."""

        class Budget(WaitBudget):
            def require(self, seconds: float, *_explanation: object, **_examine: object) -> None:
                waits.append(seconds + TIMEOUT)
                raise Refused

        with contextlib.suppress(Refused):
            self.call(Budget(0), key=key, endpoint=endpoint, amount=amount)
        assert all(wait > 0 for wait in waits)
        return sum(waits)


def answer(call: AbstractContextManager[None]) -> None:
    """Let the response to a call arrive."""
    call.__exit__(None, None, None)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def longest() -> Iterator[None]:
    """Let every jitter be as long as it can be."""
    with use(Runtime(random=max)):
        yield


@pytest.fixture
def shortest() -> Iterator[None]:
    """Let every jitter be as short as it can be."""
    with use(Runtime(random=min)):
        yield


# --- slots
# ------------------------------------------------------------------------------


@quick_over_both
def test_the_limit_is_used_up_and_no_call_more(bench: Bench) -> None:
    assert [bench.wait() for _call in range(LIMIT)] == [0, 0, 0]
    assert bench.wait() == pytest.approx(TIMEOUT + WINDOW)


@pytest.mark.parametrize(
    ("taken", "amount", "is_free"),
    [(1, 2, True), (2, 2, False), (2, 1, True), (0, 7, True), (7, 1, False)],
)
def test_an_amount_counts_as_that_many_calls_and_more_than_the_limit_is_sent_alone(
    bench: Bench, taken: int, amount: int, is_free: bool
) -> None:
    if taken:
        bench.take(amount=taken)
    assert (bench.wait(amount=amount) == 0) == is_free


def test_each_key_and_endpoint_has_a_limit_of_its_own(bench: Bench) -> None:
    bench.take(LIMIT)
    assert bench.wait(key="other") == 0
    assert bench.wait(endpoint="/y") == 0


def test_an_answered_call_counts_for_a_minute_from_its_answer_on(bench: Bench) -> None:
    calls = bench.take(LIMIT)
    bench.now += 4
    answer(calls[1])
    assert bench.wait() == pytest.approx(WINDOW)
    bench.now += WINDOW - 1
    assert bench.wait() == pytest.approx(1)
    bench.now += 1
    assert bench.wait() == 0, "a slot is free at the end of its minute"
    assert bench.wait() == pytest.approx(TIMEOUT - 4), "the other calls have not been answered"


def test_a_call_without_an_answer_counts_as_long_as_it_may_take(bench: Bench) -> None:
    bench.take(LIMIT)
    bench.now += TIMEOUT + WINDOW - 0.01
    assert bench.wait() == pytest.approx(0.01)
    bench.now += 0.01
    assert [bench.wait() for _call in range(LIMIT)] == [0, 0, 0]


def test_a_call_that_is_answered_after_its_slot_has_expired_counts_for_a_minute(
    bench: Bench,
) -> None:
    """Its process was stopped between the two, or the machine was suspended."""
    (stopped,) = bench.take(amount=2)
    bench.now += TIMEOUT + WINDOW
    # This one deletes the expired slot, and might be given its number.
    (other,) = bench.take(endpoint="/y")
    answer(stopped)
    assert bench.wait(amount=2) == pytest.approx(WINDOW)
    assert bench.wait() == 0
    assert bench.wait(endpoint="/y", amount=LIMIT) == pytest.approx(TIMEOUT + WINDOW)
    answer(other)
    assert bench.wait(endpoint="/y", amount=LIMIT) == pytest.approx(WINDOW)


def test_a_late_answer_does_not_shorten_the_slot_of_another_call(bench: Bench) -> None:
    (stopped,) = bench.take()
    bench.now += TIMEOUT + WINDOW
    bench.take(LIMIT)
    answer(stopped)
    bench.now += WINDOW
    assert bench.wait() == pytest.approx(TIMEOUT)


def test_a_call_waits_in_short_steps_until_a_slot_is_free(bench: Bench) -> None:
    for _call in range(LIMIT):
        bench.take(answered=True)
        bench.now += 1
    budget = bench.budget(300)
    start = bench.now
    bench.call(budget)
    assert bench.now - start == pytest.approx(WINDOW - LIMIT)
    assert max(bench.slept) == pytest.approx(5.0)
    assert budget.waited == pytest.approx(sum(bench.slept))


def test_the_last_step_of_a_wait_is_never_endless(bench: Bench) -> None:
    bench.take(LIMIT, answered=True)
    bench.now += WINDOW - 1e-6
    bench.call(bench.budget(300))
    assert bench.slept == [0.01]


def test_the_wait_budget_must_cover_what_is_surely_to_be_waited(bench: Bench) -> None:
    bench.take(LIMIT)
    sure = bench.wait() - TIMEOUT
    with pytest.raises(WaitBudgetExceeded) as caught:
        bench.call(bench.budget(sure - 0.05))
    assert caught.value.message == (
        "/x: QG.net's limit of 3 a minute is used up, and waiting 60 more seconds would exceed "
        "max_wait (60.05 seconds, 0 of them used). Raise max_wait, or run the task again "
        "later."
    )
    # A call that is answered at once frees its slot after a minute, and the budget covers that.
    answer(bench.take(LIMIT, endpoint="/y")[0])
    bench.call(bench.budget(70), endpoint="/y")


def test_a_wait_for_calls_that_are_not_answered_ends_with_the_budget(bench: Bench) -> None:
    bench.take(LIMIT)
    budget = bench.budget(62)
    message = "^/x: QG.net's limit of 3 a minute is used up, and waiting 5 more"
    with pytest.raises(WaitBudgetExceeded, match=message):
        bench.call(budget)
    assert budget.waited == pytest.approx(60)


#: For each call: seconds until it is due, seconds on the way, where on the way the vendor counts
#: it, and whether the process dies before it can tell that the answer came.
call = st.tuples(st.floats(0, 30), st.floats(0, 9.9), st.floats(0, 1), st.booleans())


def most_in_a_window(arrivals: list[float], minute: float) -> int:
    """The most calls that any window of the vendor can hold: it starts with a call and lasts a
    minute.
    """
    return max(sum(start <= other < start + minute for other in arrivals) for start in arrivals)


@settings(max_examples=30)
@given(calls=st.lists(call, min_size=1, max_size=40))
def test_no_window_of_the_vendor_is_ever_overfull(
    calls: list[tuple[float, float, float, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    bench = Bench(tmp_path_factory.mktemp("state"))
    arrivals = []
    limiter = bench.limiter()
    for pause, duration, counted, dies in calls:
        bench.now += pause
        call = limiter.slot("key", "/x", LIMIT, TIMEOUT, bench.budget(1e9))
        call.__enter__()
        bench.calls.append(call)
        arrivals.append(bench.now + duration * counted)
        bench.now += duration
        if not dies:
            answer(call)
    assert most_in_a_window(arrivals, MINUTE) <= LIMIT


def call_twice(place: str, record: Path) -> None:
    limiter = RateLimiter(open_store(place), minute=0.5)
    for _call in range(2):
        with (
            limiter.slot("key", "/x", LIMIT, 1, WaitBudget(60)),
            record.open("a", encoding="ascii") as file,
        ):
            file.write(f"{time.time()}\n")


@quick_over_both
def test_many_processes_share_one_limit(tmp_path: Path) -> None:
    record = tmp_path / "record"
    place = state_place(tmp_path / "s")
    run_together(call_twice, *[(place, record)] * 8)
    arrivals = [float(line) for line in record.read_text(encoding="ascii").split()]
    assert len(arrivals) == 16
    assert most_in_a_window(arrivals, 0.5) <= LIMIT


# --- refusals
# ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "rest"),
    [(None, WINDOW), (7.0, 7.0), (60.0, 60.0), (61.0, 60.0), (1e9, 60.0)],
)
@pytest.mark.usefixtures("shortest")
def test_a_refusal_blocks_the_endpoint_for_as_long_as_the_vendor_asks_within_a_minute(
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


@pytest.mark.parametrize(("asked", "jitter"), [(None, 10.0), (6.0, 1.0), (60.0, 10.0)])
@pytest.mark.usefixtures("longest")
def test_clients_that_were_refused_together_come_back_apart(
    bench: Bench, asked: float | None, jitter: float
) -> None:
    bench.limiter().block("key", "/x", asked)
    assert bench.wait() == pytest.approx((WINDOW if asked is None else asked) + jitter)


@pytest.mark.usefixtures("shortest")
def test_a_second_refusal_never_shortens_a_block(bench: Bench) -> None:
    bench.limiter().block("key", "/x", 50)
    bench.now += 10
    bench.limiter().block("key", "/x", 20)
    assert bench.wait() == pytest.approx(40)
    bench.limiter().block("key", "/x", 600, is_repeated=True)
    assert bench.wait() == pytest.approx(120)


# --- a clock that is set back
# ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("shortest")
@pytest.mark.parametrize("step", [-86400.0, 86400.0])
def test_waits_do_not_change_if_the_wall_clock_is_set(bench: Bench, step: float) -> None:
    bench.take(LIMIT, answered=True)
    bench.take(endpoint="/lost")
    bench.take(endpoint="/lost", amount=2)
    bench.limiter().block("key", "/blocked", 50)
    bench.wall_error = step
    assert bench.wait() == pytest.approx(WINDOW)
    assert bench.wait(endpoint="/lost") == pytest.approx(TIMEOUT + WINDOW)
    assert bench.wait(endpoint="/blocked") == pytest.approx(50)
    bench.now += 30
    assert bench.wait() == pytest.approx(WINDOW - 30)
    assert bench.wait(endpoint="/blocked") == pytest.approx(20)
    assert bench.wait(endpoint="/lost") == pytest.approx(TIMEOUT + WINDOW - 30)


# --- what else is kept
# ----------------------------------------------------------------------------------------------


def test_ended_calls_and_blocks_are_deleted(bench: Bench) -> None:
    bench.take()
    bench.limiter().block("key", "/y", 1)
    bench.now += 3600
    bench.take(endpoint="/z")
    state = open_store(bench.directory)
    assert state.rows("SELECT endpoint FROM rate_calls") == [("/z",)]


# --- the length of the minute
# ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "seconds"), [("", 60.0), ("60", 60.0), ("0.5", 0.5), ("2", 2.0)])
def test_the_minute_may_be_shorter_for_a_simulator(
    text: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QG_MINUTE_SECONDS", text)
    assert minute_seconds() == seconds


@pytest.mark.parametrize("text", ["abc", "0", "60.01", "nan"])
def test_any_other_minute_is_an_error(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QG_MINUTE_SECONDS", text)
    with pytest.raises(OptionError, match=f"^QG_MINUTE_SECONDS={text} is not"):
        minute_seconds()
