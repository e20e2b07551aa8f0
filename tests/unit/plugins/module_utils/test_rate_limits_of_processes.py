# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vendor's limits are kept, by any number of processes, whatever happens to them."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError, WaitBudgetExceeded
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import WaitBudget, backoff
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import StatePlace
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter, minute_seconds
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stores import open_store, state_place

LIMIT = 5
MINUTE = 60.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def most_in_a_window(arrivals: list[float], minute: float) -> int:
    """The most calls that any window of the vendor can hold: it starts with a call and lasts a minute."""
    return max(sum(start <= other < start + minute for other in arrivals) for start in arrivals)


# For each call: seconds until it is due, seconds on the way, where on the way the vendor counts it, and
# whether the process dies before it can tell that the answer came.
call = st.tuples(st.floats(0, 30), st.floats(0, 9.9), st.floats(0, 1), st.booleans())


@pytest.mark.usefixtures("every_store")
@settings(max_examples=30)
@given(calls=st.lists(call, min_size=1, max_size=40))
def test_no_window_of_the_vendor_is_ever_overfull(
    calls: list[tuple[float, float, float, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    clock = Clock()
    rate_limiter = RateLimiter(open_store(tmp_path_factory.mktemp("state"), now=clock), minute=MINUTE)

    def sleep(seconds: float) -> None:
        clock.now += seconds

    arrivals = []
    for pause, duration, counted, dies in calls:
        clock.now += pause
        place = rate_limiter.acquire("key", "/x", LIMIT, 10, WaitBudget(1e9, sleep=sleep))
        arrivals.append(clock.now + duration * counted)
        clock.now += duration
        if not dies:
            rate_limiter.complete(place)
    assert most_in_a_window(arrivals, MINUTE) <= LIMIT


def _caller(place: StatePlace, record: str, calls: int) -> None:
    rate_limiter = RateLimiter(place.open(), minute=0.5)
    for _again in range(calls):
        place = rate_limiter.acquire("key", "/x", LIMIT, 1, WaitBudget(60))
        with open(record, "a", encoding="ascii") as file:
            file.write(f"{time.time()}\n")
        rate_limiter.complete(place)


@pytest.mark.usefixtures("every_store")
def test_many_processes_share_one_limit(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    record, place = tmp_path / "record", state_place(tmp_path / "s")
    callers = [context.Process(target=_caller, args=(place, str(record), 2)) for _n in range(12)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
        assert caller.exitcode == 0
    arrivals = [float(line) for line in record.read_text(encoding="ascii").split()]
    assert len(arrivals) == 24
    assert most_in_a_window(arrivals, 0.5) <= LIMIT


@pytest.mark.parametrize(("taken", "spacing"), [(0, 0), (1, 0.4), (2, 0.8), (3, 1), (5, 1)])
def test_calls_are_spaced_as_the_places_of_the_minute_run_out(taken: int, spacing: float, tmp_path: Path) -> None:
    clock = Clock()
    rate_limiter = RateLimiter(open_store(tmp_path, now=clock), minute=MINUTE)
    places = [rate_limiter.acquire("key", "/x", LIMIT, 10, WaitBudget(0)) for _call in range(taken)]
    for place in places:
        rate_limiter.complete(place)
    assert rate_limiter.batch_delay("key", "/x", LIMIT) == pytest.approx(spacing * MINUTE / LIMIT)
    assert rate_limiter.batch_delay("other", "/x", LIMIT) == rate_limiter.batch_delay("key", "/y", LIMIT) == 0
    clock.now += MINUTE + 1
    assert rate_limiter.batch_delay("key", "/x", LIMIT) == 0


def test_a_refusal_blocks_all_processes_for_a_minute(tmp_path: Path) -> None:
    clock = Clock()
    rate_limiter = RateLimiter(open_store(tmp_path, now=clock), minute=MINUTE)
    rate_limiter.block("key", "/x")
    other = RateLimiter(open_store(tmp_path, now=clock), minute=MINUTE)
    place, wait = other.try_acquire("key", "/x", LIMIT, 10)
    assert place is None
    assert 60.1 <= wait <= 70.1
    assert other.try_acquire("key", "/y", LIMIT, 10)[0] is not None, "another endpoint has its own window"
    assert other.try_acquire("other", "/x", LIMIT, 10)[0] is not None, "another key has its own window"
    clock.now += 70.2
    assert other.try_acquire("key", "/x", LIMIT, 10)[0] is not None


def test_those_who_share_nothing_and_were_refused_together_do_not_come_back_together(tmp_path: Path) -> None:
    clock, waits = Clock(), []
    for number in range(40):
        rate_limiter = RateLimiter(open_store(tmp_path / str(number), now=clock), minute=MINUTE)
        rate_limiter.block("key", "/x")
        waits.append(rate_limiter.try_acquire("key", "/x", LIMIT, 10)[1])
    # By chance all forty within two seconds of ten: less often than once in 10 ** 20 runs.
    assert max(waits) - min(waits) > 2


@pytest.mark.parametrize("text", ["abc", "0", "-1", "61", "nan"])
def test_an_invalid_minute_is_an_error(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QG_MINUTE_SECONDS", text)
    with pytest.raises(OptionError, match=f"QG_MINUTE_SECONDS={text} is not the length of a minute"):
        minute_seconds()


def test_a_block_lasts_as_long_as_the_vendor_asks_up_to_a_maximum(tmp_path: Path) -> None:
    clock = Clock()
    rate_limiter = RateLimiter(open_store(tmp_path, now=clock), minute=MINUTE)
    rate_limiter.block("key", "/x", 7)
    assert 7 <= rate_limiter.try_acquire("key", "/x", LIMIT, 10)[1] <= 7 * 7 / 6 + 0.01
    rate_limiter.block("key", "/x", 1e9)
    assert 3600 <= rate_limiter.try_acquire("key", "/x", LIMIT, 10)[1] <= 3610.01


def test_waiting_stops_at_max_wait_with_a_sentence(tmp_path: Path) -> None:
    clock = Clock()
    rate_limiter = RateLimiter(open_store(tmp_path, now=clock), minute=MINUTE)
    for _call in range(LIMIT):
        rate_limiter.complete(rate_limiter.acquire("key", "/x", LIMIT, 10, WaitBudget(0)))
    budget = WaitBudget(20, sleep=lambda seconds: setattr(clock, "now", clock.now + seconds))
    with pytest.raises(WaitBudgetExceeded, match=r"/x: the vendor's limit of 5 a minute is used up.*max_wait"):
        rate_limiter.acquire("key", "/x", LIMIT, 10, budget)
    assert budget.waited <= 20


def test_the_state_file_does_not_grow(tmp_path: Path) -> None:
    clock = Clock()
    state = open_store(tmp_path, now=clock)
    rate_limiter = RateLimiter(state, minute=MINUTE)
    for _call in range(200):
        rate_limiter.complete(
            rate_limiter.acquire(
                "key", "/x", LIMIT, 10, WaitBudget(1e9, sleep=lambda s: setattr(clock, "now", clock.now + s))
            )
        )
    with state.transaction() as database:
        assert database.execute("SELECT count(*) FROM rate_calls").fetchone()[0] <= LIMIT


@given(attempt=st.integers(0, 100))
def test_backoff_grows_to_half_a_minute(attempt: int) -> None:
    assert 0.5 * min(30, 2**attempt) <= backoff(attempt) <= min(30, 2**attempt)


@given(wanted=st.floats(0, 1000))
def test_backoff_is_never_shorter_than_what_the_server_wants(wanted: float) -> None:
    assert wanted <= backoff(3, wanted) <= wanted + 1
