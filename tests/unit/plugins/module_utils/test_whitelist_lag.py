# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whitelist that shows changes late, and what this control node knows besides: runs one after the other."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.client import ProxyApi
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import SILENT, Announcer, WaitBudget
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.interface import Store
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.reported import LIST_LAG
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.write_queue import WriteQueue
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Mode, execute
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import ProxyApiOptions
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.applier import SETTLE_POLL
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.batch import queue_for
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.host_operations import (
    HostOptions,
    apply_and_report,
    find_request,
    host_request,
    submit_host,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import WHITELIST, WHITELIST_INFO
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.pruning import InventoryHosts, gone_hosts
from simulator.clock import Clock
from simulator.core import Core
from support.in_process import KEY, InProcess, calls, configure, fault
from support.stores import is_database, open_store, state_options

pytestmark = pytest.mark.usefixtures("every_store")

QUERY, ADD, DEL = "/whitelist/query", "/whitelist/add", "/whitelist/del"
A, B, C, D = "203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"


class Ended(BaseException):
    """The process is ended here."""


class Wire(InProcess):
    """After the next call to ``breaks_after``, no database of this process can be written any more.

    After the next call to ``ends_after``, the process ends before it reads the response.
    """

    breaks_after = ends_after = ""

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.states: weakref.WeakSet[Store] = weakref.WeakSet()

    def _exchange(self, method: str, url: str, form: str | None, endpoint: str) -> HttpResponse:
        answer = super()._exchange(method, url, form, endpoint)
        if endpoint == self.breaks_after:
            for state in self.states:
                state.rows("SET default_transaction_read_only = on" if is_database() else "PRAGMA query_only = 1")
        if endpoint == self.ends_after:
            self.ends_after = ""
            raise Ended
        return answer


@dataclass
class Node:
    """A control node: each task is a process of its own that shares no more than the state directory."""

    wire: Wire
    params: dict[str, Any]
    runs: int = field(default=0)
    detected: bool = False
    #: How often the last run has compared the registered hosts with the inventory.
    compared: int = 0

    def state(self) -> Store:
        state = open_store(self.params["state_dir"], machine=self.wire.machine)
        self.wire.states.add(state)
        return state

    def task(self, ips: list[str], state: str = "present", **options: Any) -> dict[str, Any]:
        return execute(WHITELIST, {**self.params, "ips": ips, "state": state, **options}, Mode())

    def info(self) -> list[str]:
        return list(execute(WHITELIST_INFO, {**self.params, "owners": False}, Mode())["whitelist"])

    def role(
        self,
        state: str = "present",
        *,
        inventory: Collection[str] | None = None,
        expected: Collection[str] | None = None,
        began: float | None = None,
        between: Callable[[], object] = lambda: None,
        absent: Collection[str] = (),
        ended: Collection[str] = (),
        **hosts: str,
    ) -> dict[str, dict[str, Any]]:
        """The role for these hosts; each has one address. With an inventory, all others are pruned.

        They are pruned once the ``expected`` hosts, or else those of the run, have reported. The run ``began`` now if
        nothing else is given. Something may happen ``between`` its two steps. Those ``absent`` are deregistered. Those
        ``ended`` do not get to the second step.
        """
        self.runs += 1
        run, results = f"{self.runs} 1 elsewhere", {}
        states = {host: "absent" if host in absent else state for host in hosts}
        of_hosts = {host: HostOptions.parse({**self.params, "state": own}) for host, own in states.items()}
        self.compared = 0
        began = self.wire.core.clock.now() if began is None else began

        def compare() -> InventoryHosts:
            self.compared += 1
            return InventoryHosts(inventory or (), expected=hosts if expected is None else expected)

        for host, ip in hosts.items():
            options = of_hosts[host]
            queue = queue_for(options.api, self.state(), check=False)
            gone = {} if inventory is None else gone_hosts(queue, options, run, began, compare)
            request = host_request(options, run, host, (ip,) if ip else (), detected=self.detected, gone=gone)
            submit_host(queue, request, options, Mode(), run)
        between()
        for host, options in of_hosts.items():
            if host in ended:
                continue
            queue = queue_for(options.api, self.state(), check=False)
            found = find_request(queue, options, run, host)
            assert found is not None
            results[host] = apply_and_report(queue, found, options, Mode())
        return results

    def on_list(self) -> list[str]:
        return sorted(self.wire.core.keys[KEY].whitelist)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    wire = Wire(Core(clock=Clock(1_800_000_000.0), seed=1))
    params: dict[str, Any] = {
        "key": KEY,
        "pwd": None,
        "api_url": "http://vendor.example",
        "timeout": 10.0,
        "max_wait": 300.0,
        "validate_certs": True,
        "ca_path": None,
        **state_options(tmp_path / "state"),
        "inventory_id": "f",
        "verify_proxy": None,
        "fail": True,
        "keep": [],
        "replaces": [],
        "max_removals": 10,
        "prune": False,
        "capacity": None,
        "allow_non_global": True,
    }
    node = Node(wire, params)

    def client(options: ProxyApiOptions, state: Store | None = None, announcer: Announcer = SILENT) -> ProxyApi:
        rate_limiter = RateLimiter(state or node.state(), minute=60.0)
        sleeping = {"sleep": wire.advance, "elapsed": wire.core.clock.now}
        budget = WaitBudget(options.transport.max_wait, announcer=announcer, **sleeping)
        return ProxyApi(wire, rate_limiter, budget, api_url=options.api_url, key=options.key)

    monkeypatch.setattr(ProxyApiOptions, "client", client)
    return node


def lag(node: Node, seconds: float, **options: Any) -> None:
    configure(node.wire.core, options={"list_lag": seconds, **options})
    node.wire.core.keys.process_due_events()


def test_the_wait_for_a_list_that_lags_is_announced(node: Node) -> None:
    lag(node, 30)
    shown: list[str] = []
    announcer = Announcer(shown.append, now=node.wire.core.clock.now)
    assert "failed" not in execute(
        WHITELIST, {**node.params, "ips": [A], "state": "present"}, Mode(announcer=announcer)
    )
    begin = "waiting because the list does not show yet what the vendor has reported (/whitelist): at most "
    assert shown == [f"{begin}{seconds} s more (max_wait)" for seconds in (297, 287, 277)]


@pytest.mark.parametrize("seconds", [3, 8, 20, 55])
def test_a_change_that_the_list_shows_late_is_sent_once_and_waited_for(node: Node, seconds: int) -> None:
    lag(node, seconds)
    result = node.task([A, B])
    assert "failed" not in result
    assert (result["added"], result["whitelist"]) == ([A, B], [A, B])
    result = node.task([A], "absent")
    assert "failed" not in result
    assert (result["removed"], node.on_list()) == ([A], [B])
    assert calls(node.wire.core, ADD, DEL) == [ADD, DEL]
    assert len(calls(node.wire.core, QUERY)) <= 20


def test_an_address_that_a_stale_list_still_shows_is_added_again(node: Node) -> None:
    node.task([A])
    node.wire.advance(600)
    lag(node, 20)
    assert "max_wait" in node.task([A], "absent", max_wait=0.0)["msg"], "there is no time to see it"
    assert node.on_list() == []
    node.wire.advance(2)
    assert node.info() == []
    result = node.task([A])
    assert result["added"] == [A]
    node.wire.advance(60)
    assert node.on_list() == [A]


def test_an_address_that_the_list_does_not_show_yet_is_removed(node: Node) -> None:
    lag(node, 20)
    node.task([A], max_wait=0.0)
    node.wire.advance(2)
    assert node.info() == [A]
    assert node.task([A])["already_present"] == [A]
    assert node.task([A], "absent")["removed"] == [A]
    assert node.on_list() == []


def test_a_list_that_is_as_old_as_both_of_two_changes_ends_neither(node: Node) -> None:
    lag(node, 20)
    node.task([A], max_wait=0.0)
    node.wire.advance(5)
    node.task([A], "absent", max_wait=0.0)
    node.wire.advance(1)
    assert node.info() == [], "the list is from before both"
    node.wire.advance(15)
    assert node.info() == [], "and now from between them"
    assert node.task([A])["added"] == [A]


def test_a_removal_in_the_console_is_seen_once_the_list_has_caught_up(node: Node) -> None:
    lag(node, 3)
    node.task([A])
    configure(node.wire.core, whitelist=[])
    node.wire.core.keys.process_due_events()
    node.wire.advance(4)
    assert node.info() == []
    assert node.task([A])["added"] == [A]


@pytest.mark.parametrize(("state", "path"), [("present", ADD), ("absent", DEL)])
def test_a_vendor_that_acknowledges_and_does_nothing_is_reported(node: Node, state: str, path: str) -> None:
    configure(node.wire.core, whitelist=[B])
    ip = A if state == "present" else B
    body = {"Code": 0, "Data": [ip], "Num": 1}
    fault(node.wire.core, {"path": path, "kind": "replace", "body": body, "executed": False, "times": -1})
    result = node.task([ip], state)
    assert result["failed"] is True
    assert result["changed"] is False
    assert "The vendor reports success, but the whitelist does not show the change" in result["msg"]
    assert result["whitelist"] == node.info() == [B], "what was reported is no longer believed"
    assert len(calls(node.wire.core, path)) == 1


@pytest.mark.parametrize("late", [12, 30])
def test_a_lost_removal_that_takes_effect_late_takes_nothing_that_was_added_since(node: Node, late: int) -> None:
    node.task([A])
    node.wire.late = (DEL, late)
    node.task([A], "absent", max_wait=0.0)
    result = node.task([A])
    assert "failed" not in result
    assert node.on_list() == [A]
    node.wire.advance(600)
    assert node.on_list() == [A]


@pytest.mark.parametrize("step", [-86400, -1, 300])
def test_a_lost_removal_is_waited_for_whatever_the_wall_clock_is_set_to(node: Node, step: int) -> None:
    node.task([A])
    node.wire.late = (DEL, 12)
    node.task([A], "absent", max_wait=0.0)
    node.wire.machine.set_wall(step)
    began = node.wire.core.clock.now()
    result = node.task([A])
    assert "failed" not in result
    assert node.wire.core.clock.now() - began < LIST_LAG + node.wire.timeout + SETTLE_POLL
    node.wire.advance(600)
    assert node.on_list() == [A]


@pytest.mark.parametrize(("state", "path"), [("absent", DEL), ("present", ADD)])
def test_a_change_of_an_interrupted_run_is_waited_for_by_the_run_that_repeats_it(
    node: Node, state: str, path: str
) -> None:
    if state == "absent":
        configure(node.wire.core, whitelist=[A])
    # What is there already, or is gone already, is not named in the response to the second run.
    lag(node, 20, present_add="zero", absent_del="zero")
    node.wire.ends_after = path
    with pytest.raises(Ended):
        node.task([A], state)
    result = node.task([A], state)
    assert "failed" not in result, result["msg"]
    assert node.on_list() == result["whitelist"] == ([] if state == "absent" else [A])


def test_a_host_is_not_in_sync_while_its_address_may_still_be_removed(node: Node) -> None:
    node.role(a=A)
    node.wire.late = (DEL, 12)
    node.task([A], "absent", max_wait=0.0)
    assert node.role(a=A)["a"]["registered"] == [A]
    node.wire.advance(600)
    assert node.on_list() == [A]


# --- what is registered for hosts


@pytest.mark.parametrize("kind", ["data_null", "data_absent"])
@pytest.mark.parametrize("minutes", [0, 5])
def test_a_list_without_data_makes_nothing_forgotten_however_often(node: Node, kind: str, minutes: int) -> None:
    node.role(a=A, b=B)
    fault(node.wire.core, {"path": QUERY, "kind": kind, "times": 8})
    for _run in range(3):
        node.role(a=A, b=B)
        node.wire.advance(60 * minutes)
    node.wire.core.faults.clear()
    node.role(a=C, b=B)
    assert node.on_list() == [B, C], "the former address was recorded, and removed"


def test_a_list_that_lacks_addresses_once_makes_nothing_forgotten(node: Node) -> None:
    node.role(a=A, b=B)
    for _run in range(3):
        fault(node.wire.core, {"path": QUERY, "kind": "replace", "body": {"Code": 0, "Data": [C]}})
        node.role(a=A, b=B)
        node.wire.advance(90)
        node.role(a=A, b=B)
        node.wire.advance(90)
    node.role(a=C, b=B)
    assert node.on_list() == [B, C]


def test_an_empty_list_is_read_once_more_where_hosts_are_registered(node: Node) -> None:
    node.role(a=A, b=B)
    fault(node.wire.core, {"path": QUERY, "kind": "data_null"})
    results = node.role(a=A, b=B)
    assert [results[host]["changed"] for host in "ab"] == [False, False]
    fault(node.wire.core, {"path": QUERY, "kind": "data_null"})
    node.role("absent", a=A)
    assert node.on_list() == [B]
    assert calls(node.wire.core, ADD, DEL) == [ADD, DEL]


def test_a_host_that_was_deregistered_by_a_wrong_list_is_still_registered(node: Node) -> None:
    node.role(a=A, b=B)
    fault(node.wire.core, {"path": QUERY, "kind": "data_null", "times": 2})
    node.role("absent", a=A)
    assert node.on_list() == [A, B], "nothing was there to be removed, as far as could be seen"
    node.role("absent", a="")
    assert node.on_list() == [B]


def test_hosts_whose_addresses_are_gone_for_good_are_forgotten(node: Node) -> None:
    node.role(a=A, b=B)
    configure(node.wire.core, whitelist=[B])
    for _run in range(2):
        node.role(b=B)
        node.wire.advance(61)
    rows = node.state().rows("SELECT host, ip FROM registrations")
    assert rows == [("b", B)]


@pytest.mark.parametrize("given", [True, False])
def test_a_found_address_of_a_host_in_sync_counts_as_registered_once_the_user_gives_it(node: Node, given: bool) -> None:
    configure(node.wire.core, whitelist=[A])
    node.detected = True
    node.role(a=A)
    node.detected = not given
    node.role(a=A)
    node.detected, node.params["max_removals"] = True, 0
    result = node.role(a=B)["a"]
    assert result["registered"] == [B]
    assert result["obsolete"] == ([] if given else [A])
    assert node.on_list() == ([B] if given else [A, B])


def test_an_address_whose_adding_was_interrupted_is_not_found_on_the_list_later(node: Node) -> None:
    node.detected, node.params["max_removals"] = True, 0
    node.wire.breaks_after = ADD
    assert node.role(a=A)["a"]["failed"] is True
    node.wire.breaks_after = ""
    node.role(a=A)
    node.role(a=B)
    assert node.on_list() == [B]


# --- a state directory that fails on the way


def test_what_was_done_is_reported_if_the_state_fails_after_the_call(node: Node) -> None:
    node.wire.breaks_after = ADD
    result = node.task([A])
    assert result["failed"] is True
    assert (result["changed"], result["added"]) == (True, [A])
    assert "cannot be used" in result["msg"]
    assert node.on_list() == [A]


def test_a_host_reports_that_its_registration_could_not_be_kept(node: Node) -> None:
    node.wire.breaks_after = ADD
    result = node.role(a=A)["a"]
    assert result["failed"] is True
    assert (result["changed"], result["registered"]) == (True, [A])
    assert "cannot be used" in result["msg"]
    node.wire.breaks_after = ""
    node.role(a=B)
    assert node.on_list() == [B], "it was recorded before it was sent"


def remembered(node: Node) -> list[tuple[str, str]]:
    return list(node.state().rows("SELECT host, ip FROM registrations ORDER BY host"))


def test_hosts_that_left_the_inventory_are_pruned_with_one_query_one_removal_and_one_check(node: Node) -> None:
    hosts = {f"h{n}": f"203.0.113.{n}" for n in range(200)}
    node.role(**hosts)
    left = {host: ip for host, ip in hosts.items() if int(host[1:]) % 4}
    node.wire.advance(60)
    before = len(calls(node.wire.core))
    with pytest.raises(OptionError, match=r"prune would remove 50 addresses of 50 hosts .*max_removals=10: h0, h100"):
        node.role(inventory=left, **left)
    assert len(calls(node.wire.core)) == before
    node.params["max_removals"] = 50
    results = node.role(inventory=left, **left)
    assert calls(node.wire.core)[before:] == [QUERY, DEL, QUERY]
    assert node.on_list() == sorted(left.values())
    assert remembered(node) == sorted(left.items())
    # The host that wrote reports the removals, as no host of the run is concerned.
    reports = {host: result["summary"] for host, result in results.items() if result["changed"]}
    assert [len(summary["pruned_hosts"]) for summary in reports.values()] == [50]
    again = node.role(inventory=left, **left)
    assert not any(result["changed"] for result in again.values())
    assert node.compared == 1, "each host has compared all hosts"
    assert calls(node.wire.core, ADD, DEL)[-1] == DEL


def test_nothing_is_removed_with_prune_before_all_expected_hosts_have_reported(node: Node) -> None:
    node.role(old=A, moved=B)
    everyone = ["new", "moved"]
    before = len(calls(node.wire.core))
    results = node.role(inventory=everyone, expected=everyone, moved=C)
    assert calls(node.wire.core)[before:] == [QUERY, ADD, QUERY]
    assert (node.on_list(), results["moved"]["removed"], results["moved"]["reasons"]) == ([A, B, C], [], [])
    # The former host has a new name, and no host has the former address of the other one.
    results = node.role(inventory=everyone, expected=everyone, moved=C, new=A)
    assert (node.on_list(), results["moved"]["removed"]) == ([A, C], [B])
    assert remembered(node) == [("moved", C), ("new", A)]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_an_address_that_another_host_needs_is_not_pruned(node: Node, state: str) -> None:
    node.role(gone=A, shared=B, other=B, moved=C)
    node.params["inventory_id"] = "another inventory"
    node.role(gone=A)
    node.params["inventory_id"] = "f"
    # C is the present address of a host that was registered with another one, and of one that is gone.
    node.role(new=C, moved=D)
    node.role(state, inventory=["other", "moved"], moved=D)
    assert node.on_list() == [A, B] + ([D] if state == "present" else [])
    assert [host for host, _ip in remembered(node) if host in ("shared", "new")] == []


def test_a_host_that_another_run_registered_after_this_one_began_is_not_pruned(node: Node) -> None:
    node.role(old=A, here=B)
    began = node.wire.core.clock.now()
    node.wire.advance(60)
    node.role(new=C)
    results = node.role(inventory=["here"], began=began, here=B)
    assert results["here"]["summary"]["pruned_hosts"] == {"old": [A]}
    assert (node.on_list(), remembered(node)) == ([B, C], [("here", B), ("new", C)])
    # The next run has read an inventory that may contain the host.
    node.wire.advance(60)
    assert node.role(inventory=["here"], here=B)["here"]["summary"]["pruned_hosts"] == {"new": [C]}


def test_a_host_that_another_run_registers_before_its_removal_is_not_pruned(node: Node) -> None:
    node.role(old=A, moved=C, here=B)
    other = replace(node, runs=100)
    node.wire.advance(60)
    results = node.role(inventory=["here"], between=lambda: other.role(moved=D), here=B)
    assert results["here"]["summary"]["pruned_hosts"] == {"old": [A]}
    assert (node.on_list(), remembered(node)) == ([B, D], [("here", B), ("moved", D)])


@pytest.mark.parametrize("detected", [True, False])
def test_an_address_that_another_host_of_the_run_requests_stays_while_the_first_one_is_deregistered(
    node: Node, detected: bool
) -> None:
    node.detected = detected
    node.role(old=A, alone=B)
    before = len(calls(node.wire.core))
    results = node.role(absent=["old", "alone"], old=A, alone=B, new=A)
    assert calls(node.wire.core)[before:] == [QUERY, DEL, QUERY, QUERY]
    assert node.on_list() == [A]
    assert [(results[host]["changed"], results[host]["removed"]) for host in ("old", "alone")] == [
        (False, []),
        (True, [B]),
    ]
    assert not any("failed" in result for result in results.values())
    assert results["old"]["obsolete"] == []
    assert results["new"]["registered"] == [A]
    node.role("absent", old="")
    assert (node.on_list(), remembered(node)) == ([A], [("new", A)])
    # It is registered as an address that was added, which no limit protects.
    node.params["max_removals"] = 0
    node.role("absent", new="")
    assert node.on_list() == []


def test_an_address_whose_second_host_is_never_registered_is_removed_by_the_next_run(node: Node) -> None:
    node.role(old=A)
    node.role(absent=["old"], ended=["new"], old=A, new=A)
    assert (node.on_list(), remembered(node)) == ([A], [("old", A)])
    node.role("absent", old="")
    assert node.on_list() == []


def test_an_address_that_a_host_leaves_stays_for_a_waiting_host_of_another_inventory(node: Node) -> None:
    node.role(moved=A)
    other = HostOptions.parse({**node.params, "state": "present", "inventory_id": "another inventory"})
    request = host_request(other, "another run", "new", (A,))
    queue = queue_for(other.api, node.state(), check=False)

    def renew(*_given: object) -> None:
        node.wire.advance(1)
        queue._renew(request)

    def wait_for_leader() -> None:
        queue.enqueue(request, waits=True)
        monkeypatch.setattr(WriteQueue, "_await_renewals", renew)

    with pytest.MonkeyPatch.context() as monkeypatch:
        results = node.role(between=wait_for_leader, moved=B)
    assert node.on_list() == [A, B]
    assert (results["moved"]["removed"], results["moved"]["obsolete"]) == ([], [])
    assert apply_and_report(queue, request, other, Mode())["registered"] == [A]
    assert DEL not in calls(node.wire.core)
    node.role(moved=B)
    assert (node.on_list(), remembered(node)) == ([A, B], [("moved", B), ("new", A)])


def test_a_host_is_forgotten_only_after_its_address_was_removed(node: Node) -> None:
    node.role(gone=A, here=B)
    fault(node.wire.core, {"path": DEL, "kind": "status", "http_status": 500, "times": -1})
    node.params["max_wait"] = 0.0
    assert node.role(inventory=["here"], here=B)["here"]["failed"] is True
    assert remembered(node) == [("gone", A), ("here", B)]
    node.wire.core.faults.clear()
    node.params["max_wait"] = 300.0
    node.wire.ends_after = DEL
    with pytest.raises(Ended):
        node.role(inventory=["here"], here=B)
    # The address is off the list, but no process has seen that yet.
    assert (node.on_list(), remembered(node)) == ([B], [("gone", A), ("here", B)])
    for _run in range(3):
        assert node.role(inventory=["here"], here=B)["here"]["registered"] == [B]
        node.wire.advance(61)
    assert (node.on_list(), remembered(node)) == ([B], [("here", B)])
    assert calls(node.wire.core, ADD, DEL).count(ADD) == 1


@pytest.mark.parametrize("path", [QUERY, ADD])
def test_a_host_that_is_deregistered_while_a_leader_still_registers_it_is_deregistered(
    node: Node, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Its task has ended before the leader was done, and the task's ``rescue`` takes the opposite decision."""
    exchange, run, submitted = node.wire._exchange, "1 1 elsewhere", list[str]()
    present, absent = (HostOptions.parse({**node.params, "state": state}) for state in ("present", "absent"))

    def submit(options: HostOptions, host: str, ip: str) -> None:
        queue = queue_for(options.api, node.state(), check=False)
        submit_host(queue, host_request(options, run, host, (ip,)), options, Mode(), None)

    def register(options: HostOptions, host: str) -> dict[str, Any]:
        queue = queue_for(options.api, node.state(), check=False)
        found = find_request(queue, options, run, host)
        assert found is not None
        return apply_and_report(queue, found, options, Mode())

    def meanwhile(method: str, url: str, form: str | None, endpoint: str) -> HttpResponse:
        if endpoint == path and not submitted:
            submitted.append("b")
            node.wire.advance(1)
            submit(absent, "b", B)
        return exchange(method, url, form, endpoint)

    for host, ip in (("a", A), ("b", B)):
        submit(present, host, ip)
    with monkeypatch.context() as patch:
        patch.setattr(node.wire, "_exchange", meanwhile)
        assert register(present, "a")["registered"] == [A]
    result = register(absent, "b")
    assert (result["removed"], result["changed"]) == ([B], True)
    assert (node.on_list(), remembered(node)) == ([A], [("a", A)])
