# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever happens on the way: every paid lease is reported, and none is paid for beyond the desired count.

A machine of Hypothesis lets two control nodes and the vendor do what they may do, in any order, with calls that fail
before or after they are carried out, responses that never come, calls that are carried out late, lists that show
changes late, processes that are killed at any step, and leases that end. It does so with every API that serves leases.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import hypothesis.strategies as st
import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.lease_client import Leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    QgError,
    UncertainOutcomeError,
    WaitBudgetExceeded,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.change import (
    LeaseResult,
    NamedLeases,
    ensure_leases,
    release_leases,
    replace_leases,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.journal import ledger
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.matching import Desired
from hypothesis.stateful import initialize, precondition, rule
from support import state_machines
from support.in_process import CLASSIC, KEY, PATHS, InProcess, Killed, LateCall, Paths, Vendor, books, lease_client
from support.lease_runs import WRONG_DATA, WRONG_LISTS, without
from support.stores import control_node, is_database, open_store

#: Calls, as :class:`in_process.Paths` names them.
WRITING = ("get", "release", "replace")
#: What will fail, and most often what is paid for.
FAILING = (*WRITING, "get", "query", "quota")
FAULTS = (
    *state_machines.FAULTS,
    {"kind": "partial", "drop": 1},
    {"kind": "code", "code": -103},
    {"kind": "code", "code": -104},
    {"kind": "code", "code": -105},
)
AREAS = ((), ("440100",), ("350500",))
params = st.builds(
    AllocationParams,
    keep_alive=st.sampled_from([None, 5, 30, 120]),
    areas=st.sampled_from(AREAS),
    isp=st.sampled_from([None, "telecom", "mobile"]),
    distinct=st.booleans(),
)
#: Runs of the machine: with the classic API, and with each other product, in the suite and with ``QGNET_EXPLORE=1``.
RUNS, PRODUCT_RUNS, PRODUCT_EXPLORED = 360, 15, 400
#: Steps of the runs with a product at least.
PRODUCT_STEPS = 300


@dataclasses.dataclass(frozen=True)
class Product:
    """What the machine must know of a product: its plans, one of which a run has, and what only this product does."""

    name: str
    plans: tuple[dict[str, Any], ...]
    options: tuple[dict[str, Any], ...] = ({},)

    @property
    def paths(self) -> Paths:
        return PATHS[self.name]

    @property
    def codes(self) -> Mapping[int, str]:
        """The product's words for the classic codes among the faults."""
        return {} if self.name == CLASSIC else CODES


#: The product hosts' words for the refusals among the faults.
CODES = {
    -1: "INTERNAL_ERROR",
    -11: "REQUEST_LIMIT_EXCEEDED",
    -103: "NO_RESOURCE_FOUND",
    -104: "FAILED_OPERATION",
    -105: "EXTRACT_LIMIT_EXCEEDED",
}
BY_VOLUME = {"billing": "volume", "balance": 12}
SINGLE = {"query_shape": "single", "get_shape": "single"}
PRODUCTS = {
    product.name: product
    for product in (
        Product(
            CLASSIC,
            ({}, {}, {}, BY_VOLUME, {"kind": "static_dedicated"}, {"kind": "dynamic_shared", "lifetime": 10}),
            # A plan by volume may have no quota; if it has one, that counts what was ever leased.
            ({"volume_quota": "refuse"}, {}, {"volume_quota": "refuse"}),
        ),
        Product(
            "share",
            ({"lifetime": 10}, {}, {**BY_VOLUME, "lifetime": 10}, {**BY_VOLUME, "lifetime": 1440}),
            ({}, SINGLE, {"empty_data": "absent"}, {"empty_data": "null"}),
        ),
        Product(
            "longterm",
            ({"static": True}, {"static": True, "billing": "volume"}),
            (
                {},
                SINGLE,
                {"get_shape": "list"},
                {"query_shape": "tasks"},
                {"query_shape": "task_map"},
                {"query_shape": "entries"},
                {"get_shape": "entries", "query_shape": "entries"},
                {"static_deadline": "release"},
            ),
        ),
        Product(
            "exclusive",
            ({}, {"lifetime": 30}, BY_VOLUME),
            # The list may omit the task, or nearly everything.
            ({}, {"query_shape": "task_map"}, {"query_shape": "list"}, {"query_shape": "entries"}),
        ),
        Product("overseas", ({"lifetime": 10}, {}), ({}, SINGLE, {"empty_data": "null"})),
    )
}


def choice(books: list[Any]) -> NamedLeases:
    """What chooses these leases of the vendor's books: by their servers, which every list has."""
    return NamedLeases("ips", frozenset(lease.host for lease in books))


#: What distinguishes a paid lease: its port.
Sign: TypeAlias = int


class Wire(InProcess):
    """Keeps account of what calls do that are carried out late."""

    core: Vendor

    def __init__(self, core: Vendor) -> None:
        super().__init__(core)
        self.effects: list[tuple[LateCall, list[dict[str, Any]], set[str]]] = []

    def carry_out_late(self, call: LateCall) -> None:
        before, paid = self.core.ips, self.core.paid
        super().carry_out_late(call)
        self.effects.append((call, books(self.core).paid[paid:], before - self.core.ips))

    def late_paid(self, calls: list[LateCall]) -> list[dict[str, Any]]:
        """What these calls have paid for."""
        return [lease for call, paid, _gone in self.effects if call in calls for lease in paid]

    def late_released(self, calls: list[LateCall]) -> set[str]:
        """The addresses that these calls have released or replaced."""
        return {ip for call, _paid, gone in self.effects if call in calls for ip in gone}


class LeaseStateMachine(state_machines.VendorMachine):
    """Two control nodes with one key, and the vendor."""

    product = PRODUCTS[CLASSIC]
    wire: Wire
    core: Vendor

    def __init__(self) -> None:
        core = Vendor()
        super().__init__(core, Wire(core))
        self.paths = self.product.paths
        core.around(self.paths.query, self.lie)
        self.waiting: list[LateCall] = []
        #: How many leases an interrupted replacement of as many leases may still pay for.
        self.owed: dict[tuple[int | None, AllocationParams], int] = {}
        #: What calls have paid for whose result no run has found out yet.
        self.unbooked: set[Sign] = set()
        #: Paid leases that a wrong list hid from the run that settled their call.
        self.hidden: set[Sign] = set()
        #: Held leases that wrong lists have lacked in the last replacement.
        self.lacked: set[Sign] = set()
        #: What each control node has in its ledger.
        self.booked: dict[str, set[Sign]] = {}

    def wrong_list(self, body: Any, form: str | list[int]) -> Any:
        """As if nothing was held, in a form of :data:`WRONG_LISTS`, or without the leases with these numbers."""
        if not isinstance(form, str):
            wrong = without(body, form)
        else:
            wrong = {**body, "data": WRONG_DATA[form]} if "code" in body else WRONG_LISTS[form]
        text = json.dumps(wrong)
        self.lacked |= {self.sign_of(lease) for lease in self.core.leases if f':{lease.port}"' not in text}
        return wrong

    @initialize(
        channels=st.integers(1, 9),
        free_delay=st.sampled_from([0, 0, 5]),
        plan=st.integers(0, 11),
        special=st.integers(0, 7),
        options=st.fixed_dictionaries(
            {
                "absent_release": st.sampled_from(["zero", "error"]),
                "release_answer": st.sampled_from(["list", "code"]),
                "replace_order": st.sampled_from(["oldest", "random"]),
                "replace_failure": st.sampled_from(["keep", "drop"]),
                "short_stock": st.sampled_from(["refuse", "partial"]),
                "address_reuse": st.sampled_from(["last", "first"]),
                "empty_tasks": st.sampled_from(["list", "null", "absent"]),
                "error_status": st.sampled_from([None, 200, 400]),
                "limit_status": st.sampled_from([400, 429]),
                "list_lag": st.sampled_from([0, 0, 3, 20, 50]),
            }
        ),
    )
    def plan(self, channels: int, free_delay: int, plan: int, special: int, options: dict[str, Any]) -> None:
        plans, choices = self.product.plans, self.product.options
        kind = {} if self.product.name == CLASSIC else {"kind": self.product.name}
        own = {"channels": channels, "free_delay": free_delay, **kind, **plans[plan % len(plans)]}
        self.core.configure(plan=own, options={**options, **choices[special % len(choices)]})

    # What may go wrong, and how time passes.

    @rule(call=st.sampled_from(FAILING), kind=st.sampled_from(FAULTS), times=st.integers(1, 2))
    def something_will_fail(self, call: str, kind: dict[str, Any], times: int) -> None:
        path = getattr(self.paths, call)
        if not self.is_list_of_nothing_clear() and call == "query" and kind["kind"] in ("data_null", "data_absent"):
            # A product host writes an empty list so, and two in a row count if no quota shows otherwise.
            path = None
        if path and (kind["kind"] != "partial" or call in WRITING):
            code = {"code": self.product.codes.get(kind["code"], kind["code"])} if "code" in kind else {}
            self.core.fault(path, times=times, **{**kind, **code})

    @rule(call=st.sampled_from(WRITING), seconds=st.sampled_from([11, 14, 30]))
    def a_call_will_be_late(self, call: str, seconds: int) -> None:
        path = getattr(self.paths, call)
        if path:
            self.wire.late = (path, seconds)

    @rule(
        form=st.one_of(st.sampled_from(list(WRONG_LISTS)), st.lists(st.integers(0, 6), min_size=1, unique=True)),
        times=st.integers(1, 3),
    )
    def the_list_will_be_wrong(self, form: str | list[int], times: int) -> None:
        if self.has_second_witness():
            self.wrong_lists += [form] * times

    @rule(
        count=st.integers(2, 4),
        form=st.sampled_from([*WRONG_LISTS, [0], [0, 1]]),
        times=st.integers(1, 3),
        seconds=st.sampled_from([0, 61]),
        max_wait=st.sampled_from([300, 300, 0]),
    )
    def allocate_again_with_a_wrong_list(
        self, count: int, form: str | list[int], times: int, seconds: int, max_wait: int
    ) -> None:
        """The same playbook is run once more, when nothing that was reported counts any longer."""
        task = (count, AllocationParams(), 0, False, False, "match")
        self.allocate(self.last_node, *task, 300)
        self.wire.advance(seconds)
        self.the_list_will_be_wrong(form, times)
        self.allocate(self.last_node, *task, max_wait)

    @rule()
    def all_is_well_again(self) -> None:
        self.core.faults.clear()
        self.wrong_lists.clear()
        self.disturb_no_longer()

    @rule(seconds=st.sampled_from([1, 61, 299, 1801, 90000]))
    def time_passes(self, seconds: int) -> None:
        self.wire.advance(seconds)

    # What a user does.

    @rule(
        node=st.integers(0, 1),
        count=st.sampled_from([1, 2, 2, 3, 3, 4, 5, 7]),
        params=params,
        min_remaining=st.sampled_from([0, 0, 3, 20]),
        exact=st.booleans(),
        check=state_machines.RARELY,
        on_uncertain=st.sampled_from(["fail", "match"]),
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
        on_uncertain: str,
        max_wait: int,
    ) -> None:
        node = self.use(node)
        # What releases nothing has no surplus to release.
        exact = exact and self.paths.release is not None
        options = self.core.keys[KEY].options
        if options.query_shape == "entries" or options.static_deadline == "release":
            # The vendor does not tell when a lease ends.
            min_remaining = 0
        params = self.terms(params)
        desired = Desired(count, params, min_remaining, exact=exact, on_uncertain=on_uncertain)
        before = self.matching(desired)
        outcome = self.run(node, check, max_wait, lambda api: ensure_leases(api, desired, check=check))
        released = self.wire.late_released(self.waiting)
        known = sum(lease.ip not in released for lease in before) + self.late_matching(desired)
        lapsed = sum(lease.ends - self.now() < max(1, min_remaining * 60) for lease in before)
        assert len(self.paid) <= max(0, count - known) + lapsed, "leased beyond the desired count"
        if outcome is None or outcome.error or check or self.lied:
            return
        # What had enough time left when the task began counts, however long the task had to wait.
        assert len(self.matching(desired, self.began)) >= count
        if exact:
            assert len(self.matching(Desired(count, params))) == count

    @precondition(lambda self: self.paths.release)
    @rule(
        node=st.integers(0, 1),
        share=st.sets(st.integers(0, 6)),
        check=state_machines.RARELY,
        max_wait=st.sampled_from([300, 0]),
    )
    def release(self, node: int, share: set[int], check: bool, max_wait: int) -> None:
        node = self.use(node)
        held = self.core.leases
        named = [lease for number, lease in enumerate(held) if number in share]
        ips = {lease.ip for lease in named}
        outcome = self.run(node, check, max_wait, lambda api: release_leases(api, choice(named), check=check))
        left = self.core.ips
        assert not self.paid
        kept = {lease.ip for lease in held if lease.ends > self.now() and lease.ip not in ips}
        assert kept <= left | self.wire.late_released(self.waiting), "too many released"
        if outcome and not outcome.error and not check and not self.lied:
            # A release that the vendor's list has not confirmed comes with a warning.
            assert outcome.warnings or not left & ips

    @precondition(lambda self: self.paths.release)
    @rule(
        node=st.integers(0, 1),
        number=st.one_of(st.none(), st.integers(1, 3)),
        named=st.one_of(st.none(), st.sets(st.integers(0, 6))),
        params=params,
        check=state_machines.RARELY,
    )
    def replace(
        self, node: int, number: int | None, named: set[int] | None, params: AllocationParams, check: bool
    ) -> None:
        if self.paths.replace is None and named is None:
            # Refused before the first call.
            named = set()
        node, params = self.use(node), self.terms(params)
        held = list(self.core.leases)
        old = [lease for place, lease in enumerate(held) if place in (named or ())]
        chosen = choice(old)
        if named is not None:
            number = None
        most = number if number is not None else len(old) if named is not None else len(held)
        request = (number, params)
        if named is None:
            # A run that continues an interrupted one also pays for what that one, or a task in between, has lost.
            most = max(most, self.owed.get(request, 0))
        since, waiting, again = self.core.paid, list(self.wire.under_way), True
        self.lacked.clear()
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
        lifetime = 60 * (params.keep_alive or self.core.keys[KEY].plan.lease_minutes)
        # Of the successors, too, some may have ended while the machine was suspended, or off.
        ended = self.ended(held) + sum(lease["at"] + lifetime <= self.now() for lease in paid)
        # Twice what was asked for is paid only where the vendor lost it in between, or it ended by itself.
        assert len(paid) <= most + ended, "leased beyond the desired count"
        if named is None and not check:
            self.owed[request] = 0 if outcome and not outcome.error else max(0, most - len(paid))
        if outcome and not outcome.error and not check:
            least = len(held) - ended - len(self.wire.late_released(waiting)) - len(self.untraceable(node, named))
            assert len(self.core.leases) >= least

    def untraceable(self, node: int, named: set[int] | None) -> set[Sign]:
        """The leases for which a replacement may have left no other, since a wrong list lacked them.

        The vendor has replaced some of them, of its choice. Or they may be taken for successors, unless the ledger of
        this control node shows that it has bought them before.
        """
        if named is None:
            return self.lacked - {self.sign_of(lease) for lease in self.core.leases}
        return self.lacked - self.booked.get(str(control_node(self.directory, node)), set())

    # What holds always.

    def use(self, node: int) -> int:
        """Work on this control node, unless the other one has to find out first what became of its calls.

        What the vendor has reported to the other one has to show by itself, unless the nodes share a database.
        """
        if is_database():
            return node
        if node != self.last_node and not self.unresolved():
            self.wire.advance(131)
            self.last_node = node
        return self.last_node

    def unresolved(self) -> bool:
        """Whether the control node that was used last has recorded calls whose result is not known."""
        directory = control_node(self.directory, self.last_node)
        with contextlib.closing(open_store(directory, machine=self.wire.machine)) as state:
            return bool(state.rows("SELECT 1 FROM journal WHERE state IN ('sent', 'unknown') LIMIT 1"))

    def run(self, node: int, check: bool, max_wait: int, task: Callable[[Leases], LeaseResult]) -> LeaseResult | None:
        """One task of a user; another that begins in one of its pauses has to keep away."""
        self.began = self.now()
        since, written = self.core.paid, len(self.core.calls(*self.paths.writing))
        api = lease_client(self.core, control_node(self.directory, node), max_wait, self.wire, self.product.name)
        pause = api.caller.budget.sleep

        def nap(seconds: float) -> None:
            self.intrude(node)
            self.wire.step()
            pause(seconds)

        api.caller.budget.sleep = nap
        outcome, error, self.killed = None, None, False
        lies = self.lies
        self.waiting = list(self.wire.under_way)
        try:
            outcome = task(api)
            error = outcome.error
        except QgError as caught:
            error = caught
        except Killed:
            self.killed = True
        # A call of an earlier run counts as settled by a wrong list, and then the right one may lag behind it.
        self.lied = self.lies > lies or self.began - self.lied_at <= 60
        earlier = self.wire.late_paid(self.waiting)
        self.paid = [lease for lease in books(self.core).paid[since:] if lease not in earlier]
        is_known = not self.killed and not isinstance(error, UncertainOutcomeError)
        self.check_ledger(node, [] if is_known else self.paid)
        if check:
            late = sum(call not in self.wire.under_way for call in self.waiting)
            assert len(self.core.calls(*self.paths.writing)) - written == late, "check mode wrote"
        if is_known:
            named = {lease.port for lease in outcome.allocated} if outcome else set()
            assert self.signs(self.paid) <= named, "paid for, and not reported"
            # A release may still be under way when another one has done its work: it cannot be cancelled.
            assert {call[2] for call in self.wire.under_way if call not in self.waiting} <= {self.paths.release}
        return outcome

    def check_ledger(self, node: int, lost: list[dict[str, Any]]) -> None:
        """Compare the ledger with the vendor's books, which also contain what ``lost`` calls have paid for."""
        with contextlib.closing(open_store(control_node(self.directory, node), machine=self.wire.machine)) as state:
            keys = {key for (key,) in state.rows("SELECT DISTINCT key FROM journal")}
            booked = [int(name.rpartition(":")[2]) for entry in ledger(state, keys) for name in entry.received]
        self.booked[str(control_node(self.directory, node))] = set(booked)
        assert len(booked) == len(set(booked)), "twice in the ledger"
        every, found = self.signs(books(self.core).paid), set[Sign]().union(*self.booked.values())
        assert found <= every, "in the ledger, and not paid for"
        self.unbooked |= self.signs([*lost, *(lease for _call, paid, _gone in self.wire.effects for lease in paid)])
        assert every <= found | self.unbooked, "paid for, and not in the ledger"
        # What has ended before a run could look for it stays unknown.
        missing = self.unbooked & {self.sign_of(lease) for lease in self.core.leases} - found
        if self.lied:
            # A call may be settled by a list that hides a part of what it has paid for.
            self.hidden |= missing
        elif not self.unresolved():
            assert missing <= self.hidden, "paid for, found, and not in the ledger"

    def late_matching(self, desired: Desired) -> int:
        """How many matching leases came from a call of an earlier run, during this one."""
        late = self.signs(self.wire.late_paid(self.waiting))
        return sum(self.sign_of(lease) in late for lease in self.matching(desired))

    def is_list_of_nothing_clear(self) -> bool:
        """Whether null is no list of the API, or the quota shows how many leases are held."""
        has_channels = self.paths.quota is not None and self.core.keys[KEY].plan.billing != "volume"
        return self.product.name == CLASSIC or has_channels

    def has_second_witness(self) -> bool:
        """Whether a quota shows how many leases are held; that of a plan by volume counts what was ever leased."""
        return self.paths.quota is not None and self.core.keys[KEY].plan.billing != "volume"

    def sign_of(self, lease: Any) -> Sign:
        """What distinguishes a lease in the vendor's books."""
        return int(lease.port)

    def signs(self, paid: list[dict[str, Any]]) -> set[Sign]:
        """The same for what was paid for."""
        return {int(lease["port"]) for lease in paid}

    def terms(self, params: AllocationParams) -> AllocationParams:
        """The same terms in the words of the product."""
        if self.core.keys[KEY].options.query_shape == "entries":
            # Nor does the list contain the provider, and the area in another form.
            return dataclasses.replace(params, areas=(), isp=None)
        if self.product.name == "overseas":
            # Its leases have no provider.
            return dataclasses.replace(params, isp=None)
        return params

    def intrude(self, node: int) -> None:
        """A second run on the same control node; it has no time to wait for the first."""
        if self.intruding:
            return
        self.intruding = True
        written = len(self.core.calls(*self.paths.writing))
        with self.wire.other_process():
            api = lease_client(self.core, control_node(self.directory, node), 0, self.wire, self.product.name)
            with pytest.raises(WaitBudgetExceeded, match="another run"):
                ensure_leases(api, Desired(6))
        self.intruding = False
        assert len(self.core.calls(*self.paths.writing)) == written

    intruding = killed = lied = False
    last_node = 0
    began = 0.0

    def matching(self, desired: Desired, moment: float | None = None) -> list[Any]:
        """The matching leases in the vendor's books, with the time that was left at a moment."""
        moment = self.now() if moment is None else moment
        isps = {"telecom": 1, "mobile": 2, None: None}
        area = int(desired.params.areas[0]) if desired.params.areas else None
        return [
            lease
            for lease in self.core.leases
            if lease.area.matches(area, isps[desired.params.isp]) and lease.ends - moment >= desired.min_remaining * 60
        ]

    def ended(self, leases: list[Any]) -> int:
        """How many of them have ended by themselves, or will within a minute or so of waiting."""
        return sum(lease.ends <= self.now() for lease in leases)


@pytest.mark.usefixtures("every_store")
def test_no_lease_is_paid_for_twice_or_without_being_reported() -> None:
    state_machines.run_counted(LeaseStateMachine, RUNS)


@pytest.mark.parametrize("name", [name for name in PRODUCTS if name != CLASSIC])
def test_no_lease_of_a_product_host_is_paid_for_twice_or_without_being_reported(name: str) -> None:
    class Machine(LeaseStateMachine):
        product = PRODUCTS[name]

    if "QGNET_EXPLORE" in os.environ:
        state_machines.run_counted(Machine, PRODUCT_EXPLORED)
    else:
        state_machines.run_counted(Machine, PRODUCT_RUNS, PRODUCT_STEPS)
