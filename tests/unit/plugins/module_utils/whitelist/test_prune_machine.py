# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whichever hosts a run with prune sees, it never removes the address of a host that the inventory has.

A Hypothesis state machine renames the hosts of two inventories, lets them take over the addresses of others, and runs
the role for any part of them: in batches or host by host, with hosts that cannot be reached or fail between the steps,
and with a vendor that fails.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import hypothesis.strategies as st
import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.interface import Store
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.pruning import InventoryHosts, find_unpruned
from hypothesis.stateful import initialize, rule
from support.in_process import KEY, fault
from support.whitelist import ADD, DEL, ControlNode, WhitelistTransport, set_vendor
from support.whitelist_machine import WhitelistMachine, run_machine

ADDRESSES = [f"203.0.113.{n}" for n in range(1, 13)]
INVENTORIES = ("f", "g")
#: Enough for every host that may be gone at once.
MAX_REMOVALS = 50
RUNS = 300

INVENTORY = st.sampled_from(INVENTORIES)
#: Which of the hosts of an inventory something happens to, by their number.
SOME = st.sets(st.integers(0, 5), max_size=6)
FEW = st.one_of(st.just(set[int]()), st.sets(st.integers(0, 5), max_size=2))


class OneStore(WhitelistTransport):
    """Opens the store once: for each step, that would take longer than all else."""

    opened: Store | None = None

    def open_store(self, directory: Path | str) -> Store:
        self.opened = self.opened or super().open_store(directory)
        return self.opened


class Hosts(WhitelistMachine):
    """Two inventories with one key, and the vendor."""

    wire: OneStore

    def __init__(self) -> None:
        super().__init__()
        #: The present address of each host of an inventory.
        self.hosts: dict[str, dict[str, str]] = {"f": {}, "g": {}}
        self.names = 0
        #: The address of each host as it was last reported to be registered.
        self.registered: dict[str, str] = {}

    def transport(self) -> OneStore:
        return OneStore(self.core)

    def teardown(self) -> None:
        if self.wire.opened:
            self.wire.opened.close()
        super().teardown()

    @initialize(sizes=st.tuples(st.integers(1, 5), st.integers(0, 2)))
    def hosts_are_registered(self, sizes: tuple[int, int]) -> None:
        set_vendor(self.core, list_lag=0)
        free = iter(ADDRESSES)
        for inventory, size in zip(INVENTORIES, sizes, strict=True):
            self.hosts[inventory] = {self.new_name(): next(free) for _n in range(size)}
            self.run(inventory, [list(self.hosts[inventory])])

    # What happens to the hosts.

    @rule(inventory=INVENTORY, which=SOME)
    def are_renamed(self, inventory: str, which: set[int]) -> None:
        hosts = enumerate(self.hosts[inventory].items())
        self.hosts[inventory] = {self.new_name() if n in which else host: ip for n, (host, ip) in hosts}

    @rule(inventory=INVENTORY, turn=st.integers(1, 4))
    def swap_their_addresses(self, inventory: str, turn: int) -> None:
        hosts = self.hosts[inventory]
        ips = list(hosts.values())
        turn %= max(1, len(ips))
        self.hosts[inventory] = dict(zip(hosts, ips[turn:] + ips[:turn], strict=True))

    @rule(inventory=INVENTORY, which=st.integers(0, 5), ip=st.sampled_from(ADDRESSES))
    def moves(self, inventory: str, which: int, ip: str) -> None:
        """To a free address, that of a host that is gone, or behind the address of another one."""
        for host in list(self.hosts[inventory])[which : which + 1]:
            self.hosts[inventory][host] = ip

    @rule(inventory=INVENTORY, which=FEW)
    def leave(self, inventory: str, which: set[int]) -> None:
        hosts = enumerate(self.hosts[inventory].items())
        self.hosts[inventory] = {host: ip for n, (host, ip) in hosts if n not in which}

    @rule(inventory=INVENTORY, ip=st.sampled_from(ADDRESSES))
    def joins(self, inventory: str, ip: str) -> None:
        if len(self.hosts[inventory]) < 6:
            self.hosts[inventory][self.new_name()] = ip

    @rule(inventory=INVENTORY, which=st.integers(0, 5))
    def changes_the_inventory(self, inventory: str, which: int) -> None:
        """It is registered there before a run for the old inventory can know that it is not simply gone."""
        for host in list(self.hosts[inventory])[which : which + 1]:
            other = INVENTORIES[1 - INVENTORIES.index(inventory)]
            self.hosts[other][self.new_name()] = self.hosts[inventory].pop(host)
            self.run(other, [list(self.hosts[other])])

    # What the vendor and the user do.

    @rule(path=st.sampled_from([ADD, DEL]), kind=st.sampled_from(["reset_before", "reset_after"]))
    def a_call_will_fail(self, path: str, kind: str) -> None:
        fault(self.core, {"path": path, "times": 9, "kind": kind})

    @rule(
        inventory=INVENTORY,
        order=st.permutations(range(6)),
        size=st.sampled_from([1, 1, 2, 6]),
        first=st.booleans(),
        pattern=st.one_of(st.none(), SOME),
        unreachable=FEW,
        ended=FEW,
        check=st.sampled_from([False, False, False, True]),
    )
    def the_role_runs(
        self,
        inventory: str,
        order: list[int],
        size: int,
        first: bool,
        pattern: set[int] | None,
        unreachable: set[int],
        ended: set[int],
        check: bool,
    ) -> None:
        hosts = list(self.hosts[inventory])
        chosen = [hosts[n] for n in order if n < len(hosts) and (pattern is None or n in pattern)]
        batches = [chosen[n : n + size] for n in range(0, len(chosen), size)]
        # A play ends with a batch all of whose hosts have failed.
        batches = batches[:1] if first else batches
        of_number = {host: n for n, host in enumerate(hosts)}
        lost = {host for host in chosen if of_number[host] in unreachable}
        self.run(inventory, batches, lost, {host for host in chosen if of_number[host] in ended}, check=check)
        self.core.faults.clear()

    @rule()
    def complete_runs_leave_the_addresses_of_all_hosts(self) -> None:
        self.core.faults.clear()
        # A run that was interrupted has left requests that others may wait for.
        self.wire.advance(200)
        for inventory in INVENTORIES:
            self.run(inventory, [list(self.hosts[inventory])])
        # The role has no hosts to run for in an empty inventory.
        if all(self.hosts.values()):
            assert self.on_list() == self.present()

    def run(
        self,
        inventory: str,
        batches: list[list[str]],
        unreachable: Collection[str] = (),
        ended: Collection[str] = (),
        *,
        check: bool = False,
    ) -> None:
        """The role with ``prune``, whose hosts take its steps in batches; those ``ended`` take the first one only."""
        run, began, reported = self.next_run(), self.core.clock.now(), set[str]()
        hosts = self.hosts[inventory]
        everyone = InventoryHosts(list(hosts), expected=list(hosts))
        node = ControlNode(self.wire, self.directory, inventory_id=inventory, max_removals=MAX_REMOVALS, prune=True)
        seq = self.core.journal.next_seq()
        for batch in batches:
            for host in [host for host in batch if host not in unreachable]:
                how = {"check": check, "detected": True, "task": f"{run} {batch}", "began": began}
                in_sync = node.submit(run, host, [hosts[host]], inventory=lambda: everyone, **how)
                reported.add(host)
                self.registered |= {host: hosts[host]} if in_sync and not check else {}
            for host in [host for host in batch if host not in ended]:
                try:
                    result = node.report(run, host, check=check)
                except QgError:
                    continue
                self.registered |= {host: hosts[host]} if result and result["registered"] and not check else {}
        removed = {
            ip
            for call in self.core.journal
            if call.seq >= seq and call.path == DEL
            for ip in call.params["IP"].split(",")
        }
        assert removed.isdisjoint(self.needed(inventory))
        assert not (check and removed)
        left = find_unpruned(node.store(), run)
        if left.addresses:
            assert set(left.unreported) == set(hosts) - reported

    def new_name(self) -> str:
        self.names += 1
        return f"h{self.names}"

    def present(self) -> set[str]:
        """The addresses of all hosts of both inventories."""
        return {ip for hosts in self.hosts.values() for ip in hosts.values()}

    def needed(self, inventory: str) -> set[str]:
        """The present addresses of all hosts of an inventory, and of those of the other one that are registered."""
        other = self.hosts[INVENTORIES[1 - INVENTORIES.index(inventory)]]
        return {*self.hosts[inventory].values(), *(ip for host, ip in other.items() if self.registered.get(host) == ip)}

    def on_list(self) -> set[str]:
        return set(self.core.keys[KEY].whitelist)


@pytest.mark.newest_core
@pytest.mark.usefixtures("every_store")
def test_no_address_of_a_present_host_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    run_machine(Hosts, RUNS, monkeypatch)
