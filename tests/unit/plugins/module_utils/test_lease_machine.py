# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever happens on the way: no lease is paid for that nobody is told of, and none beyond what was wanted.

A machine of Hypothesis lets two control nodes and the vendor do what they may do, in any order, with calls that fail
before or after they are carried out, answers that never come, calls that are carried out late, and leases that end.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._errors import QgError, Uncertain, WaitTooLong
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases import Terms, Wish
from ansible_collections.qingguo.qgnet.plugins.module_utils._leasing import Outcome, bring_about, give_up, swap
from ansible_collections.qingguo.qgnet.plugins.module_utils._models import Lease
from ansible_collections.qingguo.qgnet.plugins.module_utils._proxy_api import ProxyApi
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from in_process import KEY, InProcess, books, calls, client, configure, fault
from simulator.clock import Clock
from simulator.core import Core

WRITING = ("/allocate", "/release", "/replace")
FAULTS = (
    {"kind": "reset_before"},
    {"kind": "reset_after"},
    {"kind": "truncate"},
    {"kind": "garbage"},
    {"kind": "garbage", "executed": False},
    {"kind": "data_null"},
    {"kind": "data_absent"},
    {"kind": "strings"},
    {"kind": "partial", "drop": 1},
    {"kind": "hang_after", "seconds": 20},
    {"kind": "status", "http_status": 500},
    {"kind": "status", "http_status": 502, "executed": True},
    {"kind": "status", "http_status": 504},
    {"kind": "code", "code": -1},
    {"kind": "code", "code": -11},
    {"kind": "code", "code": -103},
    {"kind": "code", "code": -104},
    {"kind": "code", "code": -105},
)
RARELY = st.sampled_from([False, False, False, True])
AREAS = (None, 440100, 350500)
terms = st.builds(
    Terms,
    keep_alive=st.sampled_from([None, 5, 30, 120]),
    area_id=st.sampled_from(AREAS),
    isp=st.sampled_from([None, "telecom", "mobile"]),
    distinct=st.booleans(),
)
#: Steps of one run of the machine at most, and runs. How many steps that makes in all is counted.
STEPS, RUNS, LEAST = 50, 360, 10_000
PLANS = (
    {},
    {},
    {},
    {"billing": "volume", "balance": 12},
    {"kind": "static_dedicated"},
    {"kind": "dynamic_shared", "lifetime": 10},
)


class Market(RuleBasedStateMachine):
    """Two control nodes with one key, and the vendor."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
        self.core = Core(clock=Clock(1_800_000_000.0), seed=1)
        self.wire = InProcess(self.core)

    def teardown(self) -> None:
        for node in self.directory.iterdir():
            for file in node.iterdir():
                # A database that nobody uses any more takes files of its own away whenever Python lets go of it.
                file.unlink(missing_ok=True)
            node.rmdir()
        self.directory.rmdir()

    @initialize(
        channels=st.integers(1, 9),
        free_delay=st.sampled_from([0, 0, 5]),
        plan=st.sampled_from(PLANS),
        options=st.fixed_dictionaries(
            {
                "absent_release": st.sampled_from(["zero", "error"]),
                "release_answer": st.sampled_from(["list", "code"]),
                "replace_order": st.sampled_from(["oldest", "random"]),
                "replace_failure": st.sampled_from(["keep", "drop"]),
                "short_stock": st.sampled_from(["refuse", "partial"]),
                "address_reuse": st.sampled_from(["last", "first"]),
                "empty_tasks": st.sampled_from(["list", "null", "absent"]),
                "error_status": st.sampled_from([200, 400]),
            }
        ),
    )
    def plan(self, channels: int, free_delay: int, plan: dict[str, Any], options: dict[str, Any]) -> None:
        configure(self.core, plan={"channels": channels, "free_delay": free_delay, **plan}, options=options)

    # What may go wrong, and how time passes.

    @rule(
        path=st.sampled_from([*WRITING, "/query", "/info/quota"]), kind=st.sampled_from(FAULTS), times=st.integers(1, 2)
    )
    def something_will_fail(self, path: str, kind: dict[str, Any], times: int) -> None:
        if kind["kind"] != "partial" or path in WRITING:
            fault(self.core, {"path": path, "times": times, **kind})

    @rule(path=st.sampled_from(WRITING), seconds=st.sampled_from([11, 14, 30]))
    def a_call_will_be_late(self, path: str, seconds: int) -> None:
        self.wire.late = (path, seconds)

    @rule()
    def all_is_well_again(self) -> None:
        self.core.faults.clear()
        self.wire.late = None

    @rule(seconds=st.sampled_from([1, 61, 299, 1801, 90000]))
    def time_passes(self, seconds: int) -> None:
        self.wire.advance(seconds)

    @rule(left=st.sampled_from([0, 1, 3, 9, 9]))
    def stock_changes(self, left: int) -> None:
        for area in self.core.vendor.accounts[KEY].plan.stock:
            area.available = left

    # What a user does.

    @rule(
        node=st.integers(0, 1),
        count=st.sampled_from([1, 2, 2, 3, 3, 4, 5, 7]),
        terms=terms,
        min_remaining=st.sampled_from([0, 0, 3, 20]),
        exact=st.booleans(),
        check=RARELY,
        undetermined=st.sampled_from(["fail", "match"]),
        max_wait=st.sampled_from([300, 300, 0]),
    )
    def allocate(
        self,
        node: int,
        count: int,
        terms: Terms,
        min_remaining: int,
        exact: bool,
        check: bool,
        undetermined: str,
        max_wait: int,
    ) -> None:
        wish = Wish(count, terms, min_remaining, exact=exact, undetermined=undetermined)
        before = self.matching(wish)
        outcome = self.run(node, check, max_wait, lambda api: bring_about(api, wish, check=check, now=self.now))
        paid = len(self.paid)
        assert paid <= max(0, count - len(before)) + self.ended(before), "leased beyond the wish"
        if outcome is None or outcome.error or check:
            return
        # What had enough time left when the task began counts, however long the task had to wait.
        assert len(self.matching(wish, self.began)) >= count
        if exact:
            assert len(self.matching(Wish(count, terms))) == count

    @rule(
        node=st.integers(0, 1),
        share=st.sets(st.integers(0, 6)),
        check=RARELY,
        max_wait=st.sampled_from([300, 0]),
    )
    def release(self, node: int, share: set[int], check: bool, max_wait: int) -> None:
        held = books(self.core).leases
        ips = {lease.ip for number, lease in enumerate(held) if number in share}
        outcome = self.run(
            node, check, max_wait, lambda api: give_up(api, lambda lease: lease.ip in ips, check=check, now=self.now)
        )
        left = {lease.ip for lease in books(self.core).leases}
        assert not self.paid
        assert {lease.ip for lease in held if lease.ends > self.now() and lease.ip not in ips} <= left, (
            "too many released"
        )
        if outcome and not outcome.error and not check:
            assert not left & ips

    @rule(
        node=st.integers(0, 1),
        number=st.one_of(st.none(), st.integers(1, 3)),
        named=st.one_of(st.none(), st.sets(st.integers(0, 6))),
        terms=terms,
        check=RARELY,
    )
    def replace(self, node: int, number: int | None, named: set[int] | None, terms: Terms, check: bool) -> None:
        held = list(books(self.core).leases)
        ips = {lease.ip for place, lease in enumerate(held) if place in (named or ())}

        def chosen(lease: Lease) -> bool:
            return lease.ip in ips

        if named is not None:
            number = None
        outcome = self.run(
            node,
            check,
            300,
            lambda api: swap(api, chosen if named is not None else None, number, terms, check=check, now=self.now),
        )
        most = number if number is not None else len(ips) if named is not None else len(held)
        # Twice what was asked for is paid only where the vendor lost it in between, or it ended by itself.
        assert len(self.paid) <= most + self.ended(held), "leased beyond the wish"
        if outcome and not outcome.error and not check:
            assert len(books(self.core).leases) >= len(held) - self.ended(held)

    # What holds always.

    @invariant()
    def count_the_step(self) -> None:
        self.steps += 1

    def run(self, node: int, check: bool, max_wait: int, task: Callable[[ProxyApi], Outcome]) -> Outcome | None:
        """One task of a user; another that begins in one of its pauses has to keep away."""
        self.began = self.now()
        since, written = len(books(self.core).paid), len(calls(self.core, *WRITING))
        api = client(self.core, self.directory / str(node), max_wait, self.wire)
        pause = api.budget.sleep

        def nap(seconds: float) -> None:
            self.intrude(node)
            pause(seconds)

        api.budget.sleep = nap
        outcome, error = None, None
        try:
            outcome = task(api)
            error = outcome.error
        except QgError as problem:
            error = problem
        self.paid = books(self.core).paid[since:]
        if check:
            assert calls(self.core, *WRITING)[written:] == [], "check mode wrote"
        if error is None or not isinstance(error, Uncertain):
            named = {(lease.ip, lease.task_id) for lease in outcome.allocated} if outcome else set()
            assert {(lease["ip"], lease["task_id"]) for lease in self.paid} <= named, "paid for, and nobody is told"
        else:
            # The message asks to wait a minute, and to look.
            self.wire.advance(61)
        # A release may still be under way when another one has done its work: nobody can call it back.
        assert {path for _moment, _method, path, _parameters in self.wire.under_way} <= {"/release"}
        if self.wire.under_way:
            self.wire.advance(61)
        return outcome

    def intrude(self, node: int) -> None:
        """A second run on the same control node; it has no time to wait for the first."""
        if self.intruding:
            return
        self.intruding = True
        written = len(calls(self.core, *WRITING))
        with pytest.raises(WaitTooLong, match="another run"):
            bring_about(client(self.core, self.directory / str(node), 0, self.wire), Wish(6), now=self.now)
        self.intruding = False
        assert len(calls(self.core, *WRITING)) == written

    intruding = False
    began = 0.0
    steps = 0

    def now(self) -> float:
        return self.core.clock.now()

    def matching(self, wish: Wish, moment: float | None = None) -> list[Any]:
        """What the vendor's books hold now that counts for a wish, with the time that was left at a moment."""
        moment = self.now() if moment is None else moment
        isps = {"telecom": 1, "mobile": 2, None: None}
        return [
            lease
            for lease in books(self.core).leases
            if lease.area.matches(wish.terms.area_id, isps[wish.terms.isp])
            and lease.ends - moment >= wish.min_remaining * 60
        ]

    def ended(self, leases: list[Any]) -> int:
        """How many of them have ended by themselves, or will within a minute or so of waiting."""
        return sum(lease.ends <= self.now() for lease in leases)


def test_no_lease_is_paid_twice_or_for_nobody() -> None:
    steps = 0

    class Counted(Market):
        def teardown(self) -> None:
            nonlocal steps
            steps += self.steps
            super().teardown()

    run_state_machine_as_test(
        Counted,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert steps >= LEAST
