# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever happens on the way: no registered address is lost, and no unneeded one stays on the whitelist.

A Hypothesis state machine lets two control nodes, their hosts and tasks, the console and the vendor do what they may
do, in any order. Calls fail before or after they are carried out, or are carried out late; responses name all changes,
some, none, or only their number; the list lags, comes without its data, or has its addresses in another notation;
processes end at any call and in any pause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.addresses import canonical_ipv4
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.claims import CLAIM_TTL
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.interface import Store
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.journal_rows import LIST_LAG
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Mode
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import WHITELIST
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.pruning import InventoryHosts
from hypothesis.stateful import initialize, invariant, rule
from support import state_machines
from support.in_process import KEY, Killed, configure, fault
from support.stores import control_node, open_store
from support.whitelist import ADD, DEL, QUERY, ControlNode
from support.whitelist_machine import WhitelistMachine, run_machine

LEFT_OUT = ({"kind": "partial", "drop": 1}, {"kind": "unnamed", "drop": 1})
REFUSALS = ({"kind": "code", "code": -202}, {"kind": "code", "code": -206})
FAULTS = (*state_machines.FAULTS, {"kind": "data_null"}, *LEFT_OUT, *REFUSALS)
RARELY = st.sampled_from([False, False, False, True])
MAX_WAIT = st.sampled_from([300, 300, 300, 0])

#: The hosts of each control node by inventory, the addresses that they may have, and those that only tasks name. The
#: nodes have no address in common: what one does is unknown to the other.
HOSTS = ({"f": "abc", "g": "ab"}, {"h": "ab"})
HOST_IPS = tuple(tuple(f"203.0.113.{10 * node + n}" for n in range(1, 6)) for node in range(2))
TASK_IPS = tuple(tuple(f"198.51.100.{10 * node + n}" for n in range(1, 4)) for node in range(2))
EVERY_HOST_IP = [ip for ips in HOST_IPS for ip in ips]
#: How the console writes an address besides its usual form, where the vendor removes entries as they are listed.
NETMASK = "/255.255.255.255"

#: Runs of the machine.
RUNS = 300

PLACES = st.sampled_from([(node, inventory) for node, inventories in enumerate(HOSTS) for inventory in inventories])
WHICH = st.sampled_from(["first", "second", "all"])
#: How hosts are registered.
HOW = st.fixed_dictionaries({"check": RARELY, "detected": st.booleans(), "prune": RARELY})
Place = tuple[int, str]
Host = tuple[int, str, str]


def chosen(place: Place, which: str) -> str:
    """The hosts of an inventory of a control node that something happens to."""
    hosts = HOSTS[place[0]][place[1]]
    return {"first": hosts[:1], "second": hosts[1:2], "all": hosts}[which]


@dataclass
class Asked:
    """What users asked for, and what was reported to them."""

    #: What each host needs, and with which of these addresses it was reported to be registered.
    needs: dict[Host, frozenset[str]] = field(default_factory=dict)
    registered: dict[Host, set[str]] = field(default_factory=dict)
    #: What tasks may have added, and what they reported to be present.
    by_tasks: set[str] = field(default_factory=set)
    present: set[str] = field(default_factory=set)
    #: What was added in the console, and the time of each edit there.
    by_console: set[str] = field(default_factory=set)
    edited_at: dict[str, float] = field(default_factory=dict)

    def reported(self) -> set[str]:
        """The addresses that were reported to users."""
        return self.present.union(*self.registered.values())

    def gone(self, ips: Iterable[str]) -> None:
        """These are no longer relied on."""
        self.present.difference_update(ips)
        for own in self.registered.values():
            own.difference_update(ips)


class Whitelist(state_machines.Disturbances, WhitelistMachine):
    """Two control nodes with one key, the console, and the vendor."""

    def __init__(self) -> None:
        super().__init__()
        self.wire.before = self.before_a_call
        #: The calls of the last task, and what is checked of the addresses of each removal.
        self.sent: list[str] = []
        self.check_removal: Callable[[set[str]], None] = lambda _ips: None
        self.asked = Asked()
        self.readers: dict[int, Store] = {}
        self.began = 0
        self.lag = self.wrong_at = 0.0
        #: Entries that are not one address, which stay for ever.
        self.others: set[str] = set()
        self.too_early: list[str] = []

    def teardown(self) -> None:
        for state in self.readers.values():
            state.close()
        super().teardown()

    def before_a_call(self, path: str, parameters: Mapping[str, str]) -> None:
        self.sent.append(path)
        if path == DEL:
            self.check_removal({str(canonical_ipv4(text)) for text in parameters["IP"].split(",")})

    @initialize(
        lag=st.sampled_from([0, 0, 3, 20]),
        options=st.fixed_dictionaries(
            {
                "present_add": st.sampled_from(["ok", "zero", "full"]),
                "absent_del": st.sampled_from(["zero", "error"]),
                "error_status": st.sampled_from([200, 400]),
                "whitelist_answer": st.sampled_from(["list", "list", "number", "code"]),
                "whitelist_notation": st.sampled_from(["stored", "stored", "prefix", "mapped", "padded", "port"]),
                "del_takes": st.sampled_from(["address", "listed"]),
            }
        ),
    )
    def vendor(self, lag: int, options: dict[str, Any]) -> None:
        self.lag = lag
        configure(self.core, options={"list_lag": lag, **options})

    # What may go wrong, and how time passes.

    @rule(path=st.sampled_from([QUERY, ADD, DEL]), kind=st.sampled_from(FAULTS), times=st.integers(1, 2))
    def something_will_fail(self, path: str, kind: dict[str, Any], times: int) -> None:
        if kind["kind"] not in ("partial", "unnamed") or path != QUERY:
            fault(self.core, {"path": path, "times": times, **kind})

    @rule(path=st.sampled_from([ADD, ADD, DEL]), kind=st.sampled_from(["partial", "unnamed"]), times=st.integers(1, 3))
    def a_success_will_leave_out_an_address(self, path: str, kind: str, times: int) -> None:
        fault(self.core, {"path": path, "kind": kind, "drop": 1, "times": times})

    @rule(drop=st.sampled_from([1, 2, 99]))
    def a_list_will_be_wrong(self, drop: int) -> None:
        """One reading lacks addresses. That another one agrees with it a minute later is beyond what is promised."""
        if self.now() - self.wrong_at > 600:
            self.wrong_at = self.now()
            body = {"Code": 0, "Data": [*self.on_list()[drop:], *self.others]}
            fault(self.core, {"path": QUERY, "kind": "replace", "body": body})

    @rule(path=st.sampled_from([ADD, DEL]), seconds=st.sampled_from([11, 14, 30]))
    def a_call_will_be_late(self, path: str, seconds: int) -> None:
        self.wire.late = (path, seconds)

    @rule()
    def all_is_well_again(self) -> None:
        self.core.faults.clear()
        self.disturb_no_longer()

    @rule(seconds=st.sampled_from([1, 2, 5, 15, 61, 3600]))
    def time_passes(self, seconds: int) -> None:
        self.wire.advance(seconds)

    @rule(
        ip=st.sampled_from([*EVERY_HOST_IP, *TASK_IPS[0]]),
        spellings=st.sampled_from([("",), ("",), (NETMASK,), ("", NETMASK)]),
    )
    def the_console_changes(self, ip: str, spellings: tuple[str, ...]) -> None:
        key = self.core.keys[KEY]
        self.asked.edited_at[ip] = self.now()
        if ip in self.on_list():
            self.asked.by_console.discard(ip)
            self.asked.gone([ip])
            new = []
        else:
            self.asked.by_console.add(ip)
            new = [ip + spelling for spelling in (spellings if key.options.del_takes == "listed" else ("",))]
        configure(self.core, whitelist=[*(entry for entry in key.whitelist if canonical_ipv4(entry) != ip), *new])
        self.core.keys.process_due_events()

    @rule(entry=st.sampled_from(["203.0.113.0/24", f"{HOST_IPS[0][0]},{HOST_IPS[0][1]}", ""]))
    def the_console_lists_what_is_no_address(self, entry: str) -> None:
        configure(self.core, whitelist=list(dict.fromkeys([*self.core.keys[KEY].whitelist, entry])))
        self.core.keys.process_due_events()
        self.others.add(entry)

    # What a user does.

    @rule(place=PLACES, which=WHICH, ips=st.lists(st.integers(0, 4), min_size=3, max_size=3), wait=MAX_WAIT, how=HOW)
    def hosts_are_registered(self, place: Place, which: str, ips: list[int], wait: int, how: dict[str, bool]) -> None:
        reported = {host: (HOST_IPS[place[0]][ips[n]],) for n, host in enumerate(chosen(place, which))}
        self.role(place, reported, wait, **how)

    @rule(place=PLACES, max_wait=MAX_WAIT)
    def hosts_are_registered_again(self, place: Place, max_wait: int) -> None:
        hosts = {name: tuple(ips) for (n, f, name), ips in self.asked.needs.items() if (n, f) == place and ips}
        if hosts:
            self.role(place, hosts, max_wait)

    @rule(place=PLACES, which=WHICH, check=RARELY, max_wait=MAX_WAIT)
    def hosts_are_deregistered(self, place: Place, which: str, check: bool, max_wait: int) -> None:
        self.role(place, dict.fromkeys(chosen(place, which), ()), max_wait, "absent", check=check)

    @rule(
        node=st.integers(0, 1),
        state=st.sampled_from(["present", "present", "absent", "exact", "replace"]),
        which=st.sets(st.integers(0, 2), min_size=1),
        check=RARELY,
        max_wait=MAX_WAIT,
    )
    def a_task_runs(self, node: int, state: str, which: set[int], check: bool, max_wait: int) -> None:
        ips = [TASK_IPS[node][n] for n in sorted(which)]
        others = set(TASK_IPS[node]).difference(ips)
        unwanted = {"present": set(), "absent": set(ips), "exact": others, "replace": others}[state]
        if not check:
            self.asked.gone(unwanted)
            self.asked.by_tasks.update(() if state == "absent" else ips)
        state_option = "present" if state == "replace" else state
        params = {**self.node(node, max_wait).params, "state": state_option, "ips": ips}
        if state == "exact":
            params["keep"] = [*EVERY_HOST_IP, *TASK_IPS[1 - node]]
        if state == "replace":
            params["replaces"] = sorted(unwanted)
        self.began = self.core.journal.next_seq() - 1
        self.guard_order(set() if state == "absent" else set(ips), unwanted)
        result = self.ended(node, check, lambda: WHITELIST.run(params, Mode(check=check)))
        if check or result is None or "added" not in result or self.misread():
            return
        reported = set() if state == "absent" else set(ips).intersection(result["added"] + result["already_present"])
        self.relies(reported)
        self.asked.present |= reported.intersection(self.on_list())
        if "failed" not in result:
            assert state == "absent" or reported == set(ips)
            self.asked.by_tasks -= unwanted
            self.asked.by_console -= {ip for ip in unwanted if not self.edited_lately(ip)}

    @rule(
        node=st.integers(0, 1),
        state=st.sampled_from(["replace", "exact"]),
        kind=st.sampled_from(["partial", "unnamed"]),
        times=st.integers(1, 3),
    )
    def an_address_is_replaced_by_one_that_is_left_out(self, node: int, state: str, kind: str, times: int) -> None:
        self.a_task_runs(node, "present", {0}, False, 300)
        self.a_success_will_leave_out_an_address(ADD, kind, times)
        self.a_task_runs(node, state, {1}, False, 300)

    # What holds always.

    @invariant()
    def no_address_that_was_reported_is_lost(self) -> None:
        assert self.asked.reported() <= set(self.on_list()), "lost"

    @invariant()
    def what_is_no_address_stays(self) -> None:
        assert self.others <= set(self.core.keys[KEY].whitelist)

    @invariant()
    def nothing_is_removed_before_its_successor_is_there(self) -> None:
        assert self.too_early == [], "removed too early"

    def guard_order(self, wanted: set[str], unwanted: set[str]) -> None:
        """From now on, these are removed only when those wanted are there, unless the vendor said that it is full."""

        def check(ips: set[str]) -> None:
            if ips & unwanted and not any(call.code == -202 for call in self.core.journal if call.seq > self.began):
                missing = {ip for ip in wanted.difference(self.on_list()) if not self.edited_lately(ip)}
                # An exception here would end as an error of the task.
                self.too_early += [f"{ips} before {missing}"] if missing else []

        self.check_removal = check

    @invariant()
    def what_is_not_needed_is_still_registered(self) -> None:
        extra = set(self.on_list()) - self.asked.by_tasks - self.asked.by_console
        registered = [set(ips) for node in range(2) for ips in self.memory(node).values()]
        assert extra <= set().union(*registered), "on the whitelist without a registration"
        for (node, inventory, host), ips in self.asked.registered.items():
            assert ips <= set(self.memory(node).get((inventory, host), ())), "registered, and forgotten"

    @rule()
    def after_quiet_runs_only_what_is_needed_is_left(self) -> None:
        self.all_is_well_again()
        self.wire.advance(200)
        for node, inventories in enumerate(HOSTS):
            for inventory, hosts in inventories.items():
                needs = {host: tuple(self.asked.needs.get((node, inventory, host), ())) for host in hosts}
                self.role((node, inventory), {host: ips for host, ips in needs.items() if ips}, calm=True)
                self.role((node, inventory), {host: () for host, ips in needs.items() if not ips}, 300, "absent", True)
        needed = set().union(*self.asked.needs.values())
        assert needed <= set(self.on_list())
        assert set(self.on_list()) <= needed | self.asked.by_tasks | self.asked.by_console

    def role(
        self,
        place: Place,
        hosts: Mapping[str, tuple[str, ...]],
        max_wait: int = 300,
        state: str = "present",
        calm: bool = False,
        *,
        check: bool = False,
        detected: bool = False,
        prune: bool = False,
    ) -> None:
        """The two steps of the role egress_whitelist for these hosts; with ``prune``, the inventory has no others."""
        node, inventory = place
        if not hosts:
            return
        if not check:
            for host, ips in hosts.items():
                self.asked.needs[node, inventory, host] = frozenset(ips)
                self.asked.registered.setdefault((node, inventory, host), set()).intersection_update(ips)
            for host in set(HOSTS[node][inventory]).difference(hosts) if prune else ():
                self.asked.needs[node, inventory, host] = frozenset()
                self.asked.registered.setdefault((node, inventory, host), set()).clear()
        former = {ip for host in hosts for ip in self.memory(node).get((inventory, host), ())}
        wanted = {ip for ips in hosts.values() for ip in ips}
        self.guard_order(wanted if state == "present" else set(), former - wanted)
        self.began = self.core.journal.next_seq() - 1
        run, how = self.next_run(), {"state": state, "check": check}
        own = self.node(node, max_wait, inventory_id=inventory)
        began = self.now()
        pruned = {"inventory": lambda: InventoryHosts(hosts, hosts), "began": began} if prune else {}

        def steps() -> dict[str, Any]:
            results: dict[str, dict[str, Any]] = {}
            for host, ips in hosts.items():
                own.submit(run, host, ips, detected=detected, task=run, **how, **pruned)
            for host in hosts:
                result = own.report(run, host, **how)
                if result is None:
                    # A run that was suspended for so long counts as over, and its hosts have to begin again.
                    assert self.now() - began > CLAIM_TTL
                    continue
                results[host] = result
                if not check:
                    reported = set(results[host].get("registered", ()))
                    self.relies(reported)
                    self.asked.registered[node, inventory, host] |= reported.intersection(self.on_list())
                    if calm:
                        assert "failed" not in results[host], results[host]
            return results

        self.ended(node, check, steps)

    def ended(self, node: int, check: bool, work: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        """The result of a task, or none where it failed or its process ended."""
        self.sent.clear()
        try:
            return work()
        except (QgError, Killed):
            return None
        finally:
            if check:
                assert set(self.sent) <= {QUERY}

    def relies(self, reported: set[str]) -> None:
        """What is reported is so, unless it was removed in the console a moment ago."""
        for ip in reported.difference(self.on_list()):
            assert self.edited_lately(ip), f"{ip} was reported, and is not on the whitelist"

    def edited_lately(self, ip: str) -> bool:
        """Whether an edit in the console may not be shown yet, or may count less than what the vendor reported."""
        return self.asked.edited_at.get(ip, 0) >= self.now() - self.lag - LIST_LAG - 1

    def misread(self) -> bool:
        """Whether a list was wrong, or not there, since the last task began: it believes that if it knows no better."""
        wrong = ("replace", "data_null", "data_absent")
        return any(call.fault in wrong for call in self.core.journal if call.seq > self.began and call.path == QUERY)

    def node(self, number: int, max_wait: float = 300.0, **options: Any) -> ControlNode:
        return ControlNode(self.wire, control_node(self.directory, number), max_wait=float(max_wait), **options)

    def memory(self, node: int) -> dict[tuple[str, str], list[str]]:
        """The addresses that a node has registered, by inventory and host."""
        found: dict[tuple[str, str], list[str]] = {}
        if node not in self.readers:
            self.readers[node] = open_store(control_node(self.directory, node), machine=self.wire.machine)
        query = "SELECT inventory, host, ip FROM claims WHERE ip IS NOT NULL"
        for inventory, host, ip in self.readers[node].rows(query):
            found.setdefault((inventory, host), []).append(ip)
        return found

    def on_list(self) -> list[str]:
        """The addresses that the vendor lets in."""
        found = (canonical_ipv4(entry) for entry in self.core.keys[KEY].whitelist)
        return list(dict.fromkeys(ip for ip in found if ip))

    def now(self) -> float:
        return self.core.clock.now()


@pytest.mark.newest_core
@pytest.mark.usefixtures("every_store")
def test_no_address_is_lost_and_no_unneeded_one_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    run_machine(Whitelist, RUNS, monkeypatch)
