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

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._core.errors import OptionError
from .._core.text import counted, format_sample
from .._store.claims import Claim, Claims, RunClaims
from .._store.interface import Store
from .._store.readings import Readings
from .._store.registrations import RegistrationStore
from .inventory_checks import InventoryCheck, InventoryChecks
from .plan import DesiredWhitelist
from .run_summary import Unpruned
from .status import Round

if TYPE_CHECKING:
    from .host_operations import HostOptions


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
    registrations = RegistrationStore(claims.store, claims.key, options.inventory_id)
    registered, present = registrations.load_inventory(), inventory()
    gone = {host: sorted(ips) for host, ips in sorted(registered.items()) if host not in present.hosts}
    if gone:
        newer = registrations.registered_after(began)
        gone = {host: ips for host, ips in gone.items() if host not in newer}
    # Hosts that were expected before stay expected.
    expected = known.expected.union(present.expected) if known else frozenset(present.expected)
    if known != (found := InventoryCheck(claims.key, options.inventory_id, expected, gone)):
        checks.record(found)
    if not gone:
        return {}
    own, used_by_others = registrations.load(gone)
    obsolete = {ip for ips in gone.values() for ip in ips} - used_by_others
    if len(obsolete) > options.max_removals:
        raise OptionError(
            f"prune would remove {counted(len(obsolete), 'address')} of {counted(len(gone), 'host')} that the "
            f"inventory no longer has, more than max_removals={options.max_removals}: {format_sample(sorted(gone))}. "
            "Check that the inventory is complete, then raise max_removals."
        )
    return {host: sorted(own[host]) for host in sorted(gone)}


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
        registrations = RegistrationStore(claims.store, claims.key, first.inventory)
        recorded = {host: ips for claim in own.values() for host, ips in claim.wanted["gone"].items()}
        current = registrations.load(recorded)[0] if recorded else {}
        # A host with another address since then was registered by a run with a newer inventory, so it is not gone.
        gone = {host for host, ips in recorded.items() if current[host].issubset(ips)}
        hosts = {host: DesiredWhitelist(state, ()) for host in gone}
        if state == "present" and (held := registrations.load_former().keys() - own.keys()):
            completed = _completed(claims, run, first.inventory)
            states = {host: DesiredWhitelist.from_claim(completed[host]) for host in held & completed.keys()}
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
        registrations = RegistrationStore(store, check.key, check.inventory)
        obsolete, in_use = registrations.load_former(), reports.addresses(check.key)
        obsolete |= registrations.load(check.gone)[0] if check.gone else {}
        for host, ips in obsolete.items():
            if ips - in_use:
                left.setdefault(host, set()).update(ips - in_use)
                missing |= unreported
    return Unpruned(left, missing)


def _unreported(reports: RunClaims, check: InventoryCheck) -> frozenset[str]:
    return check.expected - reports.hosts()
