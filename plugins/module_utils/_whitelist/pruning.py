# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decides which addresses a run with ``prune`` may remove.

A registration shows the owner of an address when its host last reported. Hosts are renamed, and addresses are reused:
a host that has not reported in this run may have the address of a host that is gone from the inventory, or the former
address of another host. A run with ``prune`` therefore removes both only once all hosts have reported; in a serial
play, that is in the last batch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._core.errors import OptionError
from .._core.text import counted, format_sample
from .._store.claims import Claim, Claims, RunClaims, StandingClaims
from .._store.facts import INVENTORY, Facts
from .._store.interface import Store
from .._store.readings import Readings
from .ownership import Ownership, addresses_by_host
from .plan import DesiredWhitelist
from .run_summary import Unpruned
from .status import Round

if TYPE_CHECKING:
    from .host_operations import HostOptions


@dataclass(frozen=True)
class InventoryCheck:
    """An inventory that a run with ``prune`` has compared with the registrations of a key.

    The ``expected`` hosts must report in this run before anything is removed. ``gone`` are the registered hosts that
    the inventory lacks, with their addresses.
    """

    key: str
    inventory: str
    expected: frozenset[str]
    gone: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class InventoryChecks:
    """The checks of a run, for all keys and inventories."""

    store: Store
    run: str

    def load(self, key: str, inventory: str) -> InventoryCheck | None:
        """Return the recorded check; None if the run has not compared the inventory."""
        text = self._facts(key, inventory).get(INVENTORY)
        found = None if text is None else self.store.decoded(text)
        return found and InventoryCheck(key, inventory, frozenset(found["expected"]), found["gone"])

    def all(self) -> list[InventoryCheck]:
        """Return all checks."""
        keys = [self.store.decoded(key) for key in Facts.keys(self.store, INVENTORY)]
        checks = [self.load(key, inventory) for run, key, inventory in keys if run == self.run]
        return [check for check in checks if check is not None]

    def record(self, check: InventoryCheck) -> None:
        """Record a check in place of an earlier one."""
        content = {"expected": sorted(check.expected), "gone": check.gone}
        self._facts(check.key, check.inventory).save(INVENTORY, json.dumps(content))

    def _facts(self, key: str, inventory: str) -> Facts:
        return Facts(self.store, json.dumps([self.run, key, inventory]))


def former_addresses(standing: StandingClaims, inventory: str) -> dict[str, set[str]]:
    """Return the addresses that hosts of an inventory no longer need, and that may be on the whitelist."""
    return addresses_by_host(standing.former(inventory))


def _registered(standing: StandingClaims, inventory: str, hosts: Collection[str]) -> Mapping[str, set[str]]:
    """Return all addresses of these hosts."""
    owners = standing.owners(inventory=inventory) if hosts else ()
    return Ownership.of(owners, inventory, hosts).registered


@dataclass(frozen=True)
class InventoryHosts:
    """All ``hosts`` of an inventory, and those ``expected`` to report before anything is removed."""

    hosts: Collection[str]
    expected: Collection[str]


def gone_hosts(
    claims: Claims, options: HostOptions, run: str, began: float, inventory: Callable[[], InventoryHosts]
) -> dict[str, list[str]]:
    """Return the registered hosts that the inventory no longer contains, with their addresses; record them for the run.

    Hosts that were registered after the run ``began`` (state time) are not among them, since the run's inventory may be
    older. If none is gone, the run does not compare again: for each host of a large fleet, that would take longer than
    the rest of its task. Raises OptionError if more than max_removals addresses are registered only for them.
    """
    checks = InventoryChecks(claims.store, run)
    known = checks.load(claims.key, options.inventory_id)
    # A host of the run has found that the inventory contains all registered hosts.
    if known and not known.gone:
        return {}
    owners, present = claims.standing.owners(), inventory()
    own = [owner for owner in owners if owner.inventory == options.inventory_id]
    staying = {*present.hosts, *(owner.host for owner in own if owner.made_at > began)}
    gone = {host: sorted(ips) for host, ips in sorted(addresses_by_host(own).items()) if host not in staying}
    # Hosts that were expected before stay expected.
    expected = known.expected.union(present.expected) if known else frozenset(present.expected)
    if known != (found := InventoryCheck(claims.key, options.inventory_id, expected, gone)):
        checks.record(found)
    if not gone:
        return {}
    owned = Ownership.of(owners, options.inventory_id, gone)
    obsolete = {ip for ips in gone.values() for ip in ips} - owned.others.keys()
    if len(obsolete) > options.max_removals:
        raise OptionError(
            f"prune would remove {counted(len(obsolete), 'address')} of {counted(len(gone), 'host')} that the "
            f"inventory no longer has, more than max_removals={options.max_removals}: {format_sample(sorted(gone))}. "
            "Check that the inventory is complete, then raise max_removals."
        )
    return {host: sorted(owned.registered[host]) for host in sorted(gone)}


@dataclass(frozen=True)
class Removals:
    """The removals of a batch in addition to those of its own hosts.

    ``hosts`` are the desired states of hosts without a claim in the batch: those ``gone`` from the inventory, and
    those whose former addresses an earlier batch left. Addresses ``in_use`` stay. With ``hold``, so do the former
    addresses of all hosts.
    """

    hosts: Mapping[str, DesiredWhitelist] = field(default_factory=dict)
    in_use: Collection[str] = ()
    hold: bool = False

    @classmethod
    def of_batch(cls, claims: Claims, batch: Iterable[Claim]) -> Removals:
        """Return the removals for the claims of hosts of one run, inventory and state."""
        own = {claim.host: claim for claim in batch}
        first = next(iter(own.values()))
        state, run = first.wanted["state"], RunClaims(claims.store, first.run)
        check = InventoryChecks(claims.store, first.run).load(claims.key, first.inventory)
        if check is None:
            return cls()
        if _unreported(run, check):
            return cls(hold=state == "present")
        recorded = {host: ips for claim in own.values() for host, ips in claim.wanted["gone"].items()}
        current = _registered(claims.standing, first.inventory, recorded)
        # A host with another address since then was registered by a run with a newer inventory, so it is not gone.
        gone = {host for host, ips in recorded.items() if current[host].issubset(ips)}
        hosts = {host: DesiredWhitelist(state, ()) for host in gone}
        if state == "present" and (held := former_addresses(claims.standing, first.inventory).keys() - own.keys()):
            completed = _completed(claims, run, first.inventory)
            states = {host: DesiredWhitelist(**completed[host]) for host in held & completed.keys()}
            hosts |= {host: wanted for host, wanted in states.items() if wanted.state == state}
        # The batch of a host that uses one of these addresses may have failed, so all reported addresses stay.
        return cls(hosts, run.addresses(claims.key))

    def kept(self, requested: Collection[str], registered: Mapping[str, Collection[str]]) -> set[str]:
        """Return the addresses that must stay, beside those that are ``requested``."""
        return {*requested, *self.in_use}.union(*(registered.values() if self.hold else ()))


def _completed(claims: Claims, run: RunClaims, inventory: str) -> dict[str, Mapping[str, Any]]:
    """Return what the hosts want whose claims were fulfilled before in this run."""
    decided = run.decided(claims, inventory)
    numbers = {number for _wanted, number in decided.values() if number is not None}
    rounds = {number: Round.from_json(content) for number, content in Readings(claims).get(*numbers).items()}
    return {
        host: wanted
        for host, (wanted, number) in decided.items()
        if number is None or (number in rounds and rounds[number].is_fulfilled(wanted))
    }


def find_unpruned(store: Store, run: str) -> Unpruned:
    """Return the addresses that a run with ``prune`` has not removed yet, because some hosts have not reported."""
    reports = RunClaims(store, run)
    left: dict[str, set[str]] = {}
    missing: frozenset[str] = frozenset()
    for check in InventoryChecks(store, run).all():
        if not (unreported := _unreported(reports, check)):
            continue
        standing, in_use = StandingClaims(store, check.key), reports.addresses(check.key)
        obsolete = former_addresses(standing, check.inventory)
        obsolete |= _registered(standing, check.inventory, check.gone)
        for host, ips in obsolete.items():
            if ips - in_use:
                left.setdefault(host, set()).update(ips - in_use)
                missing |= unreported
    return Unpruned(left, missing)


def _unreported(reports: RunClaims, check: InventoryCheck) -> frozenset[str]:
    return check.expected - reports.hosts()
