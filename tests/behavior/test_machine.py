# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One state machine for all kinds of keys: users run modules, and whatever can go wrong goes wrong
meanwhile.

Each walk is in a world with some irregularities, and its store is a directory or a database. A rule
is what a user does, or what happens to a call, a process or a clock. What holds always: no more is
paid for than is asked for, each result says what the books say, the ledger has each purchase once,
and check mode writes nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
from behavior.outcomes import FAULTS, LIST_LAG, PATIENT, Fault, outcome
from behavior.outcomes import Result as Told
from behavior.paid_calls import ALLOCATE, KINDS, MONOPOLY, RELEASE, REPLACE
from behavior.worlds import IRREGULARITIES
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from support.invariants import Result
from support.node import PAUSE, RESPONSE, STORE, Node, in_virtual_time, memory_directory
from support.parameters import first_by_day
from support.postgres import Databases, database_server
from support.vendor import CLASSIC, KEY, PATHS, LateCall, Vendor, books, plan_of

__all__ = ["database_server"]

#: The products of keys, and their plans. No lease ends within an hour.
KEYS: dict[str, dict[str, Any]] = {
    CLASSIC: {},
    "share": {"lifetime": 600},
    "longterm": {"lifetime": 600, "static": True},
    "exclusive": {},
    "overseas": {"lifetime": 600},
    "monopoly": {"kind": "exclusive_occupancy"},
}
#: Runs of each machine, and the rules in each: few that are always the same, or as QGNET_EXPLORE
#: says.
RUNS = int(os.environ.get("QGNET_EXPLORE", 0))
STEPS = 40
QUICK_RUNS = 10
#: A database takes longer, and is in no way special to what decides.
DATABASE_RUNS = 4
#: The irregularities under which a result can be foretold whatever else happens, and names tell
#: leases apart.
IGNORED = "areas are ignored"
WORLDS = (
    "exits share addresses",
    "tasks are reused",
    "leases share a host name",
    "ends differ by a second",
    "ends are computed anew",
    IGNORED,
)
AREAS = (None, None, None, "350500", "440100")
ADDRESSES = [f"203.0.113.{number}" for number in range(21, 26)]
HAPPENS = [
    fault for fault in FAULTS.values() if fault.plan and not fault.list_lag and fault.has_quota
]
#: The kinds of purchases, by the name of the key.
PURCHASES = {kind.name: kind for kind in KINDS if kind.name in KEYS}
RELEASES = [paths.release for paths in PATHS.values() if paths.release]
#: These make an empty list of any list, which a quota has to contradict.
EMPTYING = ("data_null", "data_absent", "replace")
SOME = st.sets(st.integers(0, 6), min_size=1)
RARELY = st.sampled_from([False, False, False, True])
MAX_WAIT = st.sampled_from([300, 300, 300, 30, 0])
STEP = st.one_of(st.integers(0, 15), st.integers(0, 60))
GAPS = st.sampled_from([20, 300, 7200])


class KeyMachine(RuleBasedStateMachine):
    """One key, its control node and the vendor."""

    name = CLASSIC
    server: Databases | None = None

    def __init__(self) -> None:
        super().__init__()
        self.directory = memory_directory()
        self.vendor = Vendor(**plan_of(self.name, **KEYS[self.name]))
        self.node = Node(self.directory / "store", self.vendor)
        self.made = contextlib.ExitStack()
        if self.server is not None:
            self.node.options["store"] = self.made.enter_context(self.server.database())
            self.made.enter_context(in_virtual_time(self.node))
        self.irregularities: set[str] = set()
        self.is_monopoly = self.name == "monopoly"
        if self.is_monopoly:
            self.purchase = MONOPOLY
            self.writes: tuple[str, ...] = (
                "POST /monopolies",
                "DELETE /monopolies",
                "PUT /monopolies/ips",
            )
            self.reads: tuple[str | None, ...] = ("GET /monopolies", "GET /info/quota")
        else:
            self.node.options["product"] = self.name
            self.purchase = ALLOCATE
            paths = PATHS[self.name]
            self.writes = paths.writing
            self.reads = (paths.query, paths.quota)
        self.has_quota = self.reads[1] is not None
        #: The task that another process runs as well.
        self.again: Callable[[], object] = lambda: None
        #: Whether a call of the last task, or of one before, was carried out late; what has ended
        #: during the last one.
        self.was_late = False
        self.lags = False
        #: Whether a task has run since the ledger was read.
        self.has_run = False
        self.ended: set[str] = set()

    def teardown(self) -> None:
        self.made.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    @initialize(
        irregularities=st.sets(st.sampled_from(WORLDS), max_size=2),
        is_dated=st.sampled_from([True, True, True, False]),
        channels=st.integers(2, 9),
        lag=st.sampled_from([0, 0, 3, 20, 50]),
        free_delay=st.sampled_from([0, 0, 5]),
        options=st.fixed_dictionaries(
            {
                "absent_release": st.sampled_from(["zero", "error"]),
                "release_answer": st.sampled_from(["list", "code"]),
                "replace_order": st.sampled_from(["oldest", "random"]),
                "replace_failure": st.sampled_from(["keep", "drop"]),
                "short_stock": st.sampled_from(["refuse", "partial"]),
                "empty_tasks": st.sampled_from(["list", "null", "absent"]),
                "apply_data": st.sampled_from(["uuids", "objects", "empty"]),
            }
        ),
    )
    def plan(
        self,
        irregularities: set[str],
        is_dated: bool,
        channels: int,
        lag: int,
        free_delay: int,
        options: dict[str, Any],
    ) -> None:
        self.node.is_dated = is_dated
        if not self.is_monopoly:
            self.irregularities = irregularities
        for name in sorted(self.irregularities):
            IRREGULARITIES[name].happens(self.vendor, self.name)
        self.vendor.configure(plan={"channels": channels}, options={**options, "list_lag": lag})
        if self.is_monopoly:
            self.vendor.configure(options={"dial_seconds": 4, "queue_seconds": 2})
        else:
            self.vendor.configure(plan={"free_delay": free_delay})
        books(self.vendor)

    # What goes wrong, and how time passes.

    @rule(write=st.integers(0, 2), fault=st.sampled_from(HAPPENS), times=st.integers(1, 2))
    def a_write_will_fail(self, write: int, fault: Fault, times: int) -> None:
        call = self.writes[write % len(self.writes)]
        # A release that is reported is believed; no vendor reports one that its rules refuse.
        if call not in RELEASES or fault.plan["kind"] != "replace":
            self.vendor.fault(call, times=times, **fault.plan)

    @rule(read=st.integers(0, 1), fault=st.sampled_from(HAPPENS), times=st.integers(1, 2))
    def a_read_will_fail(self, read: int, fault: Fault, times: int) -> None:
        path = self.reads[read]
        kind = fault.plan["kind"]
        if kind in EMPTYING:
            times = 1
        if path and (self.has_quota or kind not in EMPTYING):
            self.vendor.fault(path, times=times, **fault.plan)

    @rule(write=st.integers(0, 2), seconds=st.sampled_from([11, 14, 30]))
    def a_write_will_be_late(self, write: int, seconds: int) -> None:
        self.vendor.late = (self.writes[write % len(self.writes)], seconds)

    @rule(left=st.sampled_from([0, 1, 3, 9, 9]))
    def the_stock_changes(self, left: int) -> None:
        for area in self.vendor.stock:
            area.available = left

    @rule(seconds=st.sampled_from([1, 61, 299, 1801]))
    def time_passes(self, seconds: int) -> None:
        self.vendor.advance(seconds)

    @rule(seconds=st.sampled_from([-86400, -61, 90, 900, 2 * 86400]))
    def the_wall_clock_is_set(self, seconds: int) -> None:
        self.node.machine.set_wall(seconds)

    @rule(steps=STEP, seconds=GAPS, crashes=st.booleans())
    def the_machine_will_be_off(self, steps: int, seconds: int, crashes: bool) -> None:
        if crashes:
            self.node.at_step(steps, lambda: self.node.crash(seconds))
        else:
            self.node.at_step(steps, lambda: self.vendor.advance(seconds), (STORE, RESPONSE, PAUSE))

    @rule(steps=STEP)
    def the_process_will_be_killed(self, steps: int) -> None:
        self.node.at_step(steps, self.node.die)

    @rule(steps=STEP, lost=st.booleans())
    def another_run_will_begin(self, steps: int, lost: bool) -> None:
        """The same task in another process, while this one waits, or after it has lost its lock."""

        def begin() -> None:
            if lost:
                self.lose_locks()
            self.node.is_alone = False
            with self.node.other_process():
                self.again()

        self.node.at_step(steps, begin, (RESPONSE, PAUSE))

    def lose_locks(self) -> None:
        """Let others get what the present process has locked: its files, or its session."""
        self.node.lose_locks()
        if self.server is not None:
            name = self.node.options["store"].rpartition("/")[2]
            query = (
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
            )
            with self.server.admin() as connection:
                connection.execute(query, [name])

    @rule()
    def all_is_well_again(self) -> None:
        self.vendor.faults.clear()
        self.vendor.late = None
        self.node.event = None

    # What a user does.

    @rule(
        count=st.sampled_from([1, 2, 2, 3, 3, 4, 5, 7]),
        area=st.sampled_from(AREAS),
        exact=st.booleans(),
        check=RARELY,
        on_uncertain=st.sampled_from(["fail", "match"]),
        max_wait=MAX_WAIT,
    )
    def ensure(
        self,
        count: int,
        area: str | None,
        exact: bool,
        check: bool,
        on_uncertain: str,
        max_wait: int,
    ) -> None:
        options: dict[str, Any] = {
            "count": count,
            "on_uncertain": on_uncertain,
            "max_wait": max_wait,
        }
        if self.name in ("share", "overseas"):
            # Nothing of them can be released; the areas of the one are others.
            exact = False
        if self.name == "overseas":
            area = None
        if not self.is_monopoly:
            options["exact"] = exact
        if area and self.is_monopoly:
            options["area"] = area
        elif area:
            options["areas"] = [area]
        before = self.matching(area)
        result, paid = self.run(self.purchase, check=check, **options)
        still = set(before) & set(self.matching(area))
        assert paid <= max(0, count - len(still)), (
            "paid for more than was asked for",
            paid,
            count,
            before,
            result,
        )
        if (
            result
            and not result.get("failed")
            and not check
            and self.node.is_alone
            and on_uncertain == "fail"
        ):
            place = None if IGNORED in self.irregularities else area
            assert len(self.matching(place)) >= count, result

    @precondition(lambda self: self.has_free_channel())
    @rule(fault=st.sampled_from(HAPPENS))
    def one_more(self, fault: Fault) -> None:
        """Whatever has happened before: two minutes later, one fault has the outcome that the table
        says.
        """
        self.all_is_well_again()
        self.the_stock_changes(9)
        self.vendor.advance(2 * LIST_LAG)
        fault = replace(fault, list_lag=self.vendor.keys[KEY].options.list_lag)
        expected = outcome(PURCHASES[self.name], fault, PATIENT).first
        self.vendor.fault(self.writes[0], **fault.plan)
        calls = len(self.node.sent(self.writes[0]))
        count = len(self.held()) + 1

        result, paid = self.run(self.purchase, count=count)

        assert result is not None
        assert bool(result.get("failed")) is (expected.result is not Told.OK), (fault.name, result)
        assert paid == (expected.result is Told.OK), fault.name
        assert len(self.node.sent(self.writes[0])) - calls == expected.calls, fault.name
        self.vendor.faults.clear()

    @precondition(lambda self: self.name not in ("share", "overseas"))
    @rule(share=SOME, check=RARELY, max_wait=MAX_WAIT)
    def release(self, share: set[int], check: bool, max_wait: int) -> None:
        if self.is_monopoly:
            # Nothing of these is released sooner.
            self.vendor.advance(13 * 3600)
        held = self.held()
        chosen = self.chosen(share)
        if not chosen:
            return
        if self.is_monopoly:
            result, paid = self.run(
                MONOPOLY, check=check, max_wait=max_wait, state="absent", uuids=chosen
            )
        else:
            result, paid = self.run(RELEASE, check=check, max_wait=max_wait, ips=chosen)
        assert paid == 0
        if not self.was_late:
            assert set(held) - set(chosen) <= set(self.held()) | self.ended, (
                "too many were released"
            )
        if result and not result.get("failed") and not check and self.node.is_alone:
            assert result.get("warnings") or not set(chosen) & set(self.held())

    @precondition(lambda self: self.name in (CLASSIC, "exclusive"))
    @rule(share=SOME, check=RARELY)
    def replace_some(self, share: set[int], check: bool) -> None:
        chosen = self.chosen(share)
        if not chosen:
            return
        total = 0
        result = None
        while result is None:
            # A user whose run was killed starts it again.
            result, paid = self.run(REPLACE, check=check, ips=chosen)
            total += paid
        assert total <= len(chosen), "replaced more than was asked for"

    @precondition(lambda self: self.is_monopoly)
    @rule(share=SOME, wait=st.booleans(), check=RARELY)
    def redial(self, share: set[int], wait: bool, check: bool) -> None:
        chosen = self.chosen(share)
        if chosen:
            _result, paid = self.run(
                MONOPOLY, check=check, state="redialed", uuids=chosen, wait=wait
            )
            assert paid == 0

    @precondition(lambda self: self.name in (CLASSIC, "monopoly"))
    @rule(
        ips=st.sets(st.sampled_from(ADDRESSES), min_size=1),
        state=st.sampled_from(["present", "absent", "exact"]),
    )
    def whitelist(self, ips: set[str], state: str) -> None:
        before = set(self.vendor.whitelist)
        # Where the list lags, what the run before has added may seem to be new: only the list
        # decides.
        self.lags = bool(self.vendor.keys[KEY].options.list_lag)
        result, paid = self.run("qg_whitelist", ips=sorted(ips), state=state)
        self.lags = False
        wanted = {"present": before | ips, "absent": before - ips, "exact": ips}[state]
        assert paid == 0
        assert before & wanted <= set(self.vendor.whitelist) <= before | wanted
        if result and not result.get("failed") and not self.vendor.keys[KEY].options.list_lag:
            assert set(self.vendor.whitelist) == wanted

    # What holds always.

    @invariant()
    def the_ledger_has_each_purchase_once(self) -> None:
        if not self.has_run:
            return
        self.has_run = False
        with self.node.other_process():
            entries = self.node.ok("qg_ledger_info")["entries"]
        names: list[str] = []
        for entry in entries:
            names += entry.get("names") or []
        assert len(names) == len(set(names)), "twice in the ledger"
        open_calls = [entry for entry in entries if entry["state"] not in ("settled", "refused")]
        if not open_calls and not self.vendor.under_way:
            assert set(self.held()) <= set(names), "paid for, and not in the ledger"

    def held(self) -> list[str]:
        """What the key holds, by the names in the ledger."""
        return self.matching(None)

    def matching(self, area: str | None) -> list[str]:
        """What the key holds in an area."""
        holdings = books(self.vendor)
        names = {resource.uuid: resource.area for resource in holdings.monopolies}
        if not self.is_monopoly:
            names = {lease.host: lease.area for lease in holdings.leases}
        return [name for name, place in names.items() if area in (None, str(place.area_id))]

    def chosen(self, share: set[int]) -> list[str]:
        """What the key holds, at these places of its list."""
        return [name for place, name in enumerate(self.held()) if place in share]

    def run(self, module: str, **options: Any) -> tuple[Result | None, int]:
        """One task of a user; its result, if its process was not killed, and how much it has paid
        for, or may yet.
        """
        vendor = self.vendor
        node = self.node
        waiting = list(vendor.under_way)
        before = vendor.all_paid
        late = vendor.late_paid
        leases = list(vendor.leases)
        self.has_run = True
        node.is_alone = not waiting and not self.lags
        writes = self.number_of_writes()

        def run_again() -> None:
            max_wait = 300 if node.is_dead else 0
            node.attempt(module, **{**options, "max_wait": max_wait})

        self.again = run_again
        result = node.attempt(module, **options)
        self.was_late = bool(waiting or vendor.under_way)
        self.ended = {lease.host for lease in leases if lease.ends <= vendor.clock.now()}
        if options.get("check") and not waiting and node.is_alone:
            assert self.number_of_writes() == writes, "check mode wrote"
        paid = vendor.all_paid - before
        if waiting:
            paid -= vendor.late_paid - late
        for call in vendor.under_way:
            if call not in waiting:
                paid += self.number_bought(call)
        return result, paid

    def number_bought(self, call: LateCall) -> int:
        """How many a call asks for, 0 if it buys nothing."""
        _at, method, path, sent = call
        if self.writes[0] not in (path, f"{method} {path}"):
            return 0
        return int(sent.get("Num") or sent.get("num") or 0)

    def has_free_channel(self) -> bool:
        """Whether one is free even after the calls under way have been carried out."""
        coming = sum(self.number_bought(call) for call in self.vendor.under_way)
        return len(self.held()) + coming < self.vendor.keys[KEY].plan.channels

    def number_of_writes(self) -> int:
        names = (*self.writes, "/whitelist/add", "/whitelist/del")
        return sum(len(self.node.sent(name)) for name in names)


def walk(name: str, server: Databases | None, runs: int) -> None:
    class Machine(KeyMachine):
        pass

    Machine.name = name
    Machine.server = server
    phases = [Phase.generate]
    if not RUNS:
        phases.append(Phase.shrink)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=RUNS or runs,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=not RUNS,
            report_multiple_bugs=False,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("name", KEYS)
def test_nothing_is_paid_for_twice_or_lost(name: str) -> None:
    walk(name, None, QUICK_RUNS)


@pytest.mark.slow
@pytest.mark.newest
@pytest.mark.parametrize("name", first_by_day(KEYS))
def test_nothing_is_paid_for_twice_or_lost_with_a_database(
    name: str, database_server: Databases
) -> None:
    walk(name, database_server, DATABASE_RUNS)
