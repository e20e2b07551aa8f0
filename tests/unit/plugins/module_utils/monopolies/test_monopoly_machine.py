# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exclusive occupancy: nothing is paid for beyond the desired state, and nothing that no result or error reports.

A Hypothesis state machine lets the runs of one control node, and the vendor, do what they may do in any order: calls
fail before or after they are carried out, responses are lost, calls are carried out late, the list lags behind, and
processes die at any step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import hypothesis.strategies as st
import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.monopolies import Monopolies
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    QgError,
    UncertainOutcomeError,
    WaitBudgetExceeded,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.change import (
    MonopolyResult,
    hold,
    redial,
    release_held,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.journal import MONOPOLIES, Journal
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.matching import Desired
from hypothesis.stateful import initialize, invariant, rule
from support import state_machines
from support.in_process import KEY, URL, InProcess, Killed, Vendor, books, client
from support.monopoly_calls import APPLY, IDLE, LIST, QUOTA, REDIAL, RELEASE, START

WRITES, READS = (APPLY, RELEASE, REDIAL), (LIST, IDLE, QUOTA)
FAULTS = (*state_machines.FAULTS, {"kind": "code", "code": -103}, {"kind": "code", "code": -105})
#: Responses that are lost after and before the call was carried out, on connections that are closed then.
LOST = ({"kind": "reset_after"}, {"kind": "reset_before"}, {"kind": "garbage"})
ISPS = {None: None, "telecom": 1, "mobile": 2}
#: Seconds between the sending of a call and its late execution.
LATE = (1, 4, 14, 45)
#: With the lag of the list, these are less than the timeout and what the list may lag (10 and 60 seconds).
MAX_LATE_AND_LAG = 65
#: Runs of the machine.
RUNS = 320


class Wire(InProcess):
    """The exchanges of processes that may die.

    ``death`` concerns the next call of that name, and says what has become of it when the process dies: it was not
    sent, it was carried out, or it will be, after some seconds.
    """

    death: tuple[str, str | float] | None = None
    naps_to_death: int | None = None

    def send(self, method: str, url: str, parameters: Mapping[str, str], endpoint: str) -> HttpResponse:
        path = url.removeprefix(URL)
        if self.death and self.death[0] == f"{method} {path}":
            moment = self.death[1]
            if not isinstance(moment, str):
                self.under_way.append((self.core.clock.now() + moment, method, path, dict(parameters)))
            elif moment == "after":
                super().send(method, url, parameters, endpoint)
            self.die()
        return super().send(method, url, parameters, endpoint)

    def nap(self, seconds: float) -> None:
        """Sleep, or die."""
        if self.naps_to_death is not None:
            if not self.naps_to_death:
                self.die()
            self.naps_to_death -= 1
        self.step()
        self.advance(seconds)

    def live(self) -> None:
        """The next process does not die."""
        self.death = self.naps_to_death = None


class MonopolyStateMachine(state_machines.VendorMachine):
    """The runs of one control node with one key, and the vendor."""

    wire: Wire
    core: Vendor

    def __init__(self) -> None:
        core = Vendor(START)
        super().__init__(core, Wire(core))
        core.around(LIST, self.lie)
        #: The area of each resource that was ever applied for.
        self.areas: dict[str, Any] = {}
        #: When each resource was released, of those that were.
        self.released: dict[str, float] = {}
        #: What was paid for, and no result or error has reported yet.
        self.unreported: set[str] = set()
        self.named: set[str] = set()
        #: What was applied for during the last run.
        self.paid: set[str] = set()
        #: How many of them at most by earlier runs, whose calls were late.
        self.late = 0

    def wrong_list(self, body: Any, form: Any) -> Any:
        """As if nothing was held, or without the resources with these numbers."""
        rows = enumerate(body.get("data") or [])
        return {"data": [row for place, row in rows if place not in form] if isinstance(form, set) else form}

    def note_payments(self) -> None:
        """Note what was applied for. Nothing can be released as soon as that."""
        for monopoly in books(self.core).monopolies:
            if monopoly.uuid not in self.areas:
                self.areas[monopoly.uuid] = monopoly.area
                self.unreported.add(monopoly.uuid)

    @initialize(
        channels=st.integers(2, 12),
        lag=st.sampled_from([0, 3, 20, 50, 50]),
        quota=st.booleans(),
        old=st.integers(0, 3),
        options=st.fixed_dictionaries(
            {
                "apply_data": st.sampled_from(["uuids", "objects", "empty"]),
                "dial_seconds": st.sampled_from([0, 4]),
                "queue_seconds": st.sampled_from([0, 2]),
                "error_status": st.sampled_from([200, 400]),
            }
        ),
    )
    def plan(self, channels: int, lag: int, quota: bool, old: int, options: dict[str, Any]) -> None:
        plan = {"kind": "exclusive_occupancy", "channels": channels}
        self.lag, self.quota = lag, quota
        self.core.configure(plan=plan, options={**options, "list_lag": lag})
        self.all_is_well_again()
        if old:
            self.hold(min(old, channels), None, None, "fail", False, False, 300)
            self.wire.advance(13 * 3600)

    # What may go wrong, and how time passes.

    @rule(call=st.sampled_from([*WRITES, *READS]), kind=st.sampled_from(FAULTS), times=st.integers(1, 2))
    def something_will_fail(self, call: str, kind: dict[str, Any], times: int) -> None:
        if (call, kind["kind"]) == (LIST, "data_null"):
            self.the_list_will_be_empty_once(0)
        else:
            self.core.fault(call, times=times, **kind)

    @rule(skip=st.integers(0, 3))
    def the_list_will_be_empty_once(self, skip: int) -> None:
        # A list that is empty several times in a row cannot be distinguished from a correct one.
        if not any(found["kind"] == "data_null" for found in self.core.faults.describe()):
            self.core.fault(LIST, "data_null", skip=skip)

    @rule(form=st.one_of(st.sampled_from([None, []]), st.sets(st.integers(0, 6), min_size=1)), times=st.integers(1, 3))
    def the_list_will_be_wrong(self, form: object, times: int) -> None:
        if self.quota:
            self.wrong_lists += [form] * times

    @rule(call=st.sampled_from([APPLY, APPLY, RELEASE]), kind=st.sampled_from(LOST))
    def a_response_will_be_lost(self, call: str, kind: dict[str, Any]) -> None:
        self.core.fault(call, **kind)

    @rule(call=st.sampled_from([APPLY, RELEASE]), drop=st.integers(1, 2))
    def only_a_part_will_be_done(self, call: str, drop: int) -> None:
        self.core.fault(call, "partial", drop=drop)

    @rule(call=st.sampled_from([APPLY, *WRITES]), seconds=st.sampled_from([11, 14, 45]))
    def a_call_will_be_late(self, call: str, seconds: int) -> None:
        self.wire.late = (call, min(seconds, MAX_LATE_AND_LAG - self.lag))

    @rule(
        call=st.sampled_from([APPLY, APPLY, *WRITES, *READS, None]),
        moment=st.sampled_from(["before", "after", *LATE]),
        naps=st.integers(0, 6),
    )
    def a_process_will_die(self, call: str | None, moment: str | float, naps: int) -> None:
        """At a call, or else in a pause."""
        if call:
            late = moment if isinstance(moment, str) else min(moment, MAX_LATE_AND_LAG - self.lag)
            self.wire.death = (call, late)
        else:
            self.wire.naps_to_death = naps

    @rule()
    def all_is_well_again(self) -> None:
        self.core.faults.clear()
        self.wrong_lists.clear()
        self.disturb_no_longer()
        self.wire.live()
        if not self.quota:
            self.core.fault(QUOTA, "code", code=-15, times=-1)

    @rule(seconds=st.sampled_from([1, 11, 61, 301, 3601, 13 * 3600]))
    def time_passes(self, seconds: int) -> None:
        self.wire.advance(seconds)

    @rule(share=st.sets(st.integers(0, 6)))
    def resources_are_cut_off(self, share: set[int]) -> None:
        self.core.configure(offline=[uuid for place, uuid in enumerate(self.held) if place in share])

    # What a user does.

    @rule(
        count=st.sampled_from([1, 2, 2, 3, 3, 4, 5, 7, 9]),
        area_code=st.sampled_from([None, None, "440100", "350500"]),
        isp=st.sampled_from([None, None, "telecom", "mobile"]),
        on_uncertain=st.sampled_from(["fail", "match"]),
        wait=st.booleans(),
        check=state_machines.RARELY,
        max_wait=st.sampled_from([300, 300, 300, 30, 0]),
    )
    def hold(
        self,
        count: int,
        area_code: str | None,
        isp: str | None,
        on_uncertain: str,
        wait: bool,
        check: bool,
        max_wait: int,
    ) -> None:
        terms = AllocationParams(areas=(area_code,) if area_code else (), isp=isp)
        desired = Desired(count, terms, on_uncertain=on_uncertain)
        self.last = (count, area_code, isp, on_uncertain)
        before = len(self.matching(desired)) + self.under_way()
        outcome = self.run(check, max_wait, lambda api: hold(api, desired, wait=wait, check=check))
        if self.wire.under_way or self.paid:
            after = len(self.matching(desired)) + self.under_way()
            assert after <= max(count, before), "paid for more than is desired"
        if outcome is None or outcome.error or check:
            return
        if not outcome.undetermined:
            assert len(self.matching(desired)) >= count, "fewer are held than reported"

    @rule(max_wait=st.sampled_from([300, 300, 300, 30, 0]), more=st.sampled_from([0, 0, 1]))
    def hold_again(self, max_wait: int, more: int) -> None:
        """The same playbook is run again."""
        count, *others = self.last
        self.hold(count + more, *others, False, False, max_wait)

    @rule(share=st.one_of(st.none(), st.sets(st.integers(0, 6), min_size=1)), seconds=st.sampled_from([0, 0, 11]))
    def release_the_old_and_hold_again(self, share: set[int] | None, seconds: int) -> None:
        self.wire.advance(13 * 3600)
        self.release(share, False, 300)
        self.wire.advance(seconds)
        self.hold_again(300, 0)

    @rule(
        share=st.one_of(st.none(), st.sets(st.integers(0, 6))),
        check=state_machines.RARELY,
        max_wait=st.sampled_from([300, 300, 0]),
    )
    def release(self, share: set[int] | None, check: bool, max_wait: int) -> None:
        held = self.held
        uuids = None if share is None else {uuid for place, uuid in enumerate(held) if place in share}
        self.named |= set(held) if uuids is None else uuids
        outcome = self.run(check, max_wait, lambda api: release_held(api, uuids, check=check))
        gone = set(held) - set(self.held)
        assert len(self.paid) <= self.late
        if outcome is None:
            return
        if check:
            assert not gone
        elif not self.lied:
            assert not set(outcome.released) & set(self.held), "reported as released, and still held"
            assert isinstance(outcome.error, UncertainOutcomeError) or gone <= set(outcome.released), (
                "released and not reported"
            )
        if outcome.error is None and not check and not self.lied:
            known = {one.uuid for one in outcome.before}
            assert not (set(held) if uuids is None else uuids) & known & set(self.held)

    @rule(share=st.one_of(st.none(), st.sets(st.integers(0, 6))), wait=st.booleans(), check=state_machines.RARELY)
    def redial(self, share: set[int] | None, wait: bool, check: bool) -> None:
        held = self.held
        uuids = None if share is None else [uuid for place, uuid in enumerate(held) if place in share]
        outcome = self.run(check, 300, lambda api: redial(api, uuids, wait=wait, check=check))
        assert len(self.paid) <= self.late
        if outcome and not check:
            assert {one.uuid for one in outcome.redialed} <= set(self.areas)

    # What holds always.

    @invariant()
    def nothing_is_released_that_was_not_named(self) -> None:
        self.find_released()
        assert set(self.released) <= self.named

    def find_released(self) -> None:
        held = set(self.held)
        for uuid in set(self.areas) - held - set(self.released):
            self.released[uuid] = self.now()

    def run(self, check: bool, max_wait: int, task: Callable[[Monopolies], MonopolyResult]) -> MonopolyResult | None:
        """One task of a user; another one that begins in one of its pauses must not write. None without a result.

        A late call of an earlier run may be carried out meanwhile: ``paid`` has what was.
        """
        self.note_payments()
        before, writes, under_way = set(self.areas), self.writes(), self.under_way()
        lies = self.lies
        api = self.client(max_wait)

        def nap(seconds: float) -> None:
            self.intrude()
            self.wire.nap(seconds)

        api.caller.budget.sleep = nap
        outcome: MonopolyResult | None = None
        error: BaseException | None = None
        try:
            outcome = task(api)
            error = outcome.error
        except (QgError, Killed) as raised:
            error = raised
        self.lied = self.lies > lies
        self.wire.live()
        if any(method != "POST" for _moment, method, _path, _parameters in self.wire.under_way):
            # A release in flight cannot be cancelled: its effect is checked when it is done.
            self.wire.advance(61)
        self.find_released()
        self.paid = set(self.areas) - before
        self.late = under_way - self.under_way()
        if check:
            assert self.writes() == writes, "check mode wrote"
        self.report(outcome, error)
        return outcome

    def report(self, outcome: MonopolyResult | None, error: BaseException | None) -> None:
        """Check that the store contains what no result reports."""
        # What was released was named by the user.
        self.unreported &= set(self.held)
        if outcome is not None:
            self.unreported -= {one.uuid for one in outcome.after} | set(outcome.applied)
            texts = " ".join([*outcome.warnings, str(error or "")])
            self.unreported -= {uuid for uuid in self.unreported if uuid in texts}
        api = self.client(0)
        calls = [
            call
            for call in Journal(api.caller.rate_limiter.state, api.caller.key_digest, MONOPOLIES).open()
            if call.buys
        ]
        lost = {uuid for uuid in self.unreported if not any(uuid not in call.before for call in calls)}
        if isinstance(error, Killed):
            # The run found them and was killed before it reported them: a later run finds them on the list.
            shown = {one.uuid for one in self.core.keys[KEY].visible_lists(self.now()).monopolies}
            self.unreported -= lost & shown
            lost -= shown
        assert not lost, "paid for, and neither reported nor recorded"

    def intrude(self) -> None:
        """A second run on the same control node; it has no time to wait for the first."""
        writes = self.writes()
        with self.wire.other_process():
            other = self.client(0)
            with other.caller.rate_limiter.state.try_lock(f"changing.{other.caller.key_digest}") as is_free:
                if is_free:
                    return
            with pytest.raises(WaitBudgetExceeded, match="another run"):
                hold(other, Desired(9))
        assert self.writes() == writes

    last: tuple[int, int | None, str | None, str] = (2, None, None, "fail")
    lag = 0
    quota = True
    lied = False

    def client(self, max_wait: float) -> Monopolies:
        return Monopolies(client(self.core, self.directory, max_wait, self.wire).caller)

    def writes(self) -> int:
        """How many writing calls were made so far."""
        arrived = sum(record.method != "GET" for record in self.core.journal)
        return arrived + len(self.wire.under_way)

    @property
    def held(self) -> list[str]:
        """The resources that the vendor counts as held."""
        self.note_payments()
        return self.core.uuids

    def matching(self, desired: Desired) -> list[str]:
        """Those of the held resources that really match the desired state."""
        terms = desired.params
        area_id = int(terms.areas[0]) if terms.areas else None
        return [uuid for uuid in self.held if self.areas[uuid].matches(area_id, ISPS[terms.isp])]

    def under_way(self) -> int:
        """How many resources calls in flight may still apply for."""
        return sum(
            int(parameters["Num"]) for _moment, method, _path, parameters in self.wire.under_way if method == "POST"
        )


@pytest.mark.usefixtures("every_store")
def test_no_resource_is_paid_for_twice_or_without_a_report() -> None:
    state_machines.run_counted(MonopolyStateMachine, RUNS)
