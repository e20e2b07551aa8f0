# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever happens on the way: every paid lease is reported, and none is paid for beyond the desired count.

A machine of Hypothesis lets two control nodes and the vendor do what they may do, in any order, with calls that fail
before or after they are carried out, responses that never come, calls that are carried out late, lists that show
changes late, processes that are killed at any step, and leases that end.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams, Lease
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    QgError,
    UncertainOutcomeError,
    WaitBudgetExceeded,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.backend import LeaseBackend
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.ensure import ensure_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.plan import DesiredLeases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.release import release_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.replace import replace_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.session import LeaseResult
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.state import State
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import state_machines
from in_process import KEY, InProcess, Killed, LateCall, books, calls, configure, fault, lease_client
from simulator.clock import Clock
from simulator.core import Core

WRITING = ("/allocate", "/release", "/replace")
FAULTS = (
    *state_machines.FAULTS,
    {"kind": "partial", "drop": 1},
    {"kind": "code", "code": -103},
    {"kind": "code", "code": -104},
    {"kind": "code", "code": -105},
)
RARELY = st.sampled_from([False, False, False, True])
AREAS = (None, 440100, 350500)
params = st.builds(
    AllocationParams,
    keep_alive=st.sampled_from([None, 5, 30, 120]),
    area_id=st.sampled_from(AREAS),
    isp=st.sampled_from([None, "telecom", "mobile"]),
    distinct=st.booleans(),
)
#: Runs of the machine.
RUNS = 360
PLANS = (
    {},
    {},
    {},
    {"billing": "volume", "balance": 12},
    {"kind": "static_dedicated"},
    {"kind": "dynamic_shared", "lifetime": 10},
)


class Wire(InProcess):
    """Keeps account of what calls do that are carried out late."""

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.effects: list[tuple[LateCall, list[dict[str, Any]], set[str]]] = []

    def carry_out_late(self, call: LateCall) -> None:
        before, paid = {lease.ip for lease in books(self.core).leases}, len(books(self.core).paid)
        super().carry_out_late(call)
        gone = before - {lease.ip for lease in books(self.core).leases}
        self.effects.append((call, books(self.core).paid[paid:], gone))

    def late_paid(self, calls: list[LateCall]) -> list[dict[str, Any]]:
        """What these calls have paid for."""
        return [lease for call, paid, _gone in self.effects if call in calls for lease in paid]

    def late_released(self, calls: list[LateCall]) -> set[str]:
        """The addresses that these calls have released or replaced."""
        return {ip for call, _paid, gone in self.effects if call in calls for ip in gone}


class LeaseStateMachine(RuleBasedStateMachine):
    """Two control nodes with one key, and the vendor."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
        self.core = Core(clock=Clock(1_800_000_000.0), seed=1)
        self.wire = Wire(self.core)
        self.waiting: list[LateCall] = []
        #: How many leases an interrupted replacement of as many leases may still pay for.
        self.owed: dict[tuple[int | None, AllocationParams], int] = {}

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
                "list_lag": st.sampled_from([0, 0, 3, 20, 50]),
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

    @rule(steps=st.integers(0, 14))
    def the_process_will_be_killed(self, steps: int) -> None:
        self.wire.killed_in = steps

    @rule()
    def all_is_well_again(self) -> None:
        self.core.faults.clear()
        self.wire.late = self.wire.killed_in = None

    @rule(seconds=st.sampled_from([1, 61, 299, 1801, 90000]))
    def time_passes(self, seconds: int) -> None:
        self.wire.advance(seconds)

    @rule(left=st.sampled_from([0, 1, 3, 9, 9]))
    def stock_changes(self, left: int) -> None:
        for area in self.core.keys[KEY].plan.stock:
            area.available = left

    # What a user does.

    @rule(
        node=st.integers(0, 1),
        count=st.sampled_from([1, 2, 2, 3, 3, 4, 5, 7]),
        params=params,
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
        params: AllocationParams,
        min_remaining: int,
        exact: bool,
        check: bool,
        undetermined: str,
        max_wait: int,
    ) -> None:
        node = self.use(node)
        desired = DesiredLeases(count, params, min_remaining, exact=exact, undetermined=undetermined)
        before = self.matching(desired)
        outcome = self.run(node, check, max_wait, lambda api: ensure_leases(api, desired, check=check))
        released = self.wire.late_released(self.waiting)
        known = sum(lease.ip not in released for lease in before) + self.late_matching(desired)
        assert len(self.paid) <= max(0, count - known) + self.ended(before), "leased beyond the desired count"
        if outcome is None or outcome.error or check:
            return
        # What had enough time left when the task began counts, however long the task had to wait.
        ended = self.ended(before)
        assert len(self.matching(desired, self.began)) >= count - ended
        if exact:
            assert count - ended <= len(self.matching(DesiredLeases(count, params))) <= count

    @rule(
        node=st.integers(0, 1),
        share=st.sets(st.integers(0, 6)),
        check=RARELY,
        max_wait=st.sampled_from([300, 0]),
    )
    def release(self, node: int, share: set[int], check: bool, max_wait: int) -> None:
        node = self.use(node)
        held = books(self.core).leases
        ips = {lease.ip for number, lease in enumerate(held) if number in share}
        outcome = self.run(
            node,
            check,
            max_wait,
            lambda api: release_leases(api, lambda lease: lease.ip in ips, check=check),
        )
        left = {lease.ip for lease in books(self.core).leases}
        assert not self.paid
        kept = {lease.ip for lease in held if lease.ends > self.now() and lease.ip not in ips}
        assert kept <= left | self.wire.late_released(self.waiting), "too many released"
        if outcome and not outcome.error and not check:
            # A release that the vendor's list has not confirmed comes with a warning.
            assert outcome.warnings or not left & ips

    @rule(
        node=st.integers(0, 1),
        number=st.one_of(st.none(), st.integers(1, 3)),
        named=st.one_of(st.none(), st.sets(st.integers(0, 6))),
        params=params,
        check=RARELY,
    )
    def replace(
        self, node: int, number: int | None, named: set[int] | None, params: AllocationParams, check: bool
    ) -> None:
        node = self.use(node)
        held = list(books(self.core).leases)
        ips = {lease.ip for place, lease in enumerate(held) if place in (named or ())}

        def chosen(lease: Lease) -> bool:
            return lease.ip in ips

        if named is not None:
            number = None
        most = number if number is not None else len(ips) if named is not None else len(held)
        request = (number, params)
        if named is None:
            # A run that continues an interrupted one also pays for what that one, or a task in between, has lost.
            most = max(most, self.owed.get(request, 0))
        since, waiting, again = len(books(self.core).paid), list(self.wire.under_way), True
        while again:
            outcome = self.run(
                node,
                check,
                300,
                lambda api: replace_leases(api, chosen if named is not None else None, number, params, check=check),
            )
            # A user whose run was killed starts it again.
            again = self.killed
        earlier = self.wire.late_paid(waiting)
        if number is None and named is None:
            most += len(earlier)
        paid = [lease for lease in books(self.core).paid[since:] if lease not in earlier]
        # Twice what was asked for is paid only where the vendor lost it in between, or it ended by itself.
        assert len(paid) <= most + self.ended(held), "leased beyond the desired count"
        if named is None and not check:
            self.owed[request] = 0 if outcome and not outcome.error else max(0, most - len(paid))
        if outcome and not outcome.error and not check:
            assert len(books(self.core).leases) >= len(held) - self.ended(held) - len(self.wire.late_released(waiting))

    # What holds always.

    @invariant()
    def count_the_step(self) -> None:
        self.steps += 1

    def use(self, node: int) -> int:
        """Work on this control node, unless the other one has to find out first what became of its calls.

        What the vendor has reported to the other one has to show by itself.
        """
        if node != self.last_node and not self.unresolved():
            self.wire.advance(131)
            self.last_node = node
        return self.last_node

    def unresolved(self) -> bool:
        """Whether the control node that was used last has recorded calls whose result is not known."""
        with contextlib.closing(State(str(self.directory / str(self.last_node)))) as state:
            return bool(state.rows("SELECT 1 FROM paid_calls LIMIT 1"))

    def run(
        self, node: int, check: bool, max_wait: int, task: Callable[[LeaseBackend], LeaseResult]
    ) -> LeaseResult | None:
        """One task of a user; another that begins in one of its pauses has to keep away."""
        self.began = self.now()
        since, written = len(books(self.core).paid), len(calls(self.core, *WRITING))
        api = lease_client(self.core, self.directory / str(node), max_wait, self.wire)
        pause = api.budget.sleep

        def nap(seconds: float) -> None:
            self.intrude(node)
            self.wire.step()
            pause(seconds)

        api.budget.sleep = nap
        outcome, error, self.killed = None, None, False
        self.waiting = list(self.wire.under_way)
        try:
            outcome = task(api)
            error = outcome.error
        except QgError as caught:
            error = caught
        except Killed:
            self.killed = True
        earlier = self.wire.late_paid(self.waiting)
        self.paid = [lease for lease in books(self.core).paid[since:] if lease not in earlier]
        if check:
            late = sum(call not in self.wire.under_way for call in self.waiting)
            assert len(calls(self.core, *WRITING)) - written == late, "check mode wrote"
        if not self.killed and not isinstance(error, UncertainOutcomeError):
            named = {(lease.ip, lease.task_id) for lease in outcome.allocated} if outcome else set()
            assert {(lease["ip"], lease["task_id"]) for lease in self.paid} <= named, "paid for, and not reported"
            # A release may still be under way when another one has done its work: nobody can call it back.
            assert {call[2] for call in self.wire.under_way if call not in self.waiting} <= {"/release"}
        return outcome

    def late_matching(self, desired: DesiredLeases) -> int:
        """How many matching leases came from a call of an earlier run, during this one."""
        late = {(lease["ip"], lease["task_id"]) for lease in self.wire.late_paid(self.waiting)}
        return sum((lease.ip, lease.task_id) in late for lease in self.matching(desired))

    def intrude(self, node: int) -> None:
        """A second run on the same control node; it has no time to wait for the first."""
        if self.intruding:
            return
        self.intruding = True
        written = len(calls(self.core, *WRITING))
        with pytest.raises(WaitBudgetExceeded, match="another run"):
            ensure_leases(lease_client(self.core, self.directory / str(node), 0, self.wire), DesiredLeases(6))
        self.intruding = False
        assert len(calls(self.core, *WRITING)) == written

    intruding = killed = False
    last_node = 0
    began = 0.0
    steps = 0

    def now(self) -> float:
        return self.core.clock.now()

    def matching(self, desired: DesiredLeases, moment: float | None = None) -> list[Any]:
        """The matching leases in the vendor's books, with the time that was left at a moment."""
        moment = self.now() if moment is None else moment
        isps = {"telecom": 1, "mobile": 2, None: None}
        return [
            lease
            for lease in books(self.core).leases
            if lease.area.matches(desired.params.area_id, isps[desired.params.isp])
            and lease.ends - moment >= desired.min_remaining * 60
        ]

    def ended(self, leases: list[Any]) -> int:
        """How many of them have ended by themselves, or will within a minute or so of waiting."""
        return sum(lease.ends <= self.now() for lease in leases)


@pytest.mark.newest_core
def test_no_lease_is_paid_for_twice_or_without_being_reported() -> None:
    state_machines.run_counted(LeaseStateMachine, RUNS)
