# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who an address is on the whitelist for, and what follows for a host that gets another one or leaves.

Two rules protect those who are not in a run: an address that nobody here added or gave is never removed for a host, and
neither is one that another host is registered with.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .._core.checks import numeric_order
from .._core.errors import OptionError
from .._core.text import counted, format_sample, quoted
from .._store.registrations import Registration
from .plan import Desired

#: Seconds after its last registration for which a host is not pruned: a run may have read its inventory before.
PRUNE_AFTER = 86400.0


class Host(NamedTuple):
    """The addresses of a host: ``given`` by the user, or reported by the host itself."""

    ips: frozenset[str] = frozenset()
    given: bool = True


@dataclass(frozen=True)
class Owners:
    """The registrations of some hosts of an inventory, and those of all others."""

    inventory: str
    own: tuple[Registration, ...]
    others: tuple[Registration, ...]

    @classmethod
    def of(cls, rows: Iterable[Registration], inventory: str, hosts: Collection[str]) -> Owners:
        found: dict[bool, list[Registration]] = {True: [], False: []}
        for row in rows:
            found[row.inventory == inventory and row.host in hosts].append(row)
        return cls(inventory, tuple(found[True]), tuple(found[False]))

    def desired(self, state: str, hosts: Mapping[str, Host]) -> Desired:
        """Return the common desired state of the hosts."""
        current = frozenset(ip for host in hosts.values() for ip in host.ips)
        used = {row.ip for row in self.others}
        former = {row.ip for row in self.own if not row.found} - used
        if state == "absent":
            return Desired(state, frozenset(former | current - used))
        return Desired(state, current, replaces=frozenset(former - current))

    def rows(
        self, hosts: Mapping[str, Host], desired: Desired, before: Collection[str], after: Collection[str], now: float
    ) -> list[Registration]:
        """Return all registrations: hosts have the addresses that they want, and former ones while they are listed."""
        known = {(row.host, row.ip): row for row in self.own}
        ours = {row.ip for row in (*self.own, *self.others) if not row.found}
        is_absent = desired.state == "absent"
        unwanted = (desired.ips if is_absent else desired.replaces).intersection(after)
        rows = {(row.host, row.ip): row for row in self.own if row.ip in unwanted}
        for name, host in hosts.items() if not is_absent else ():
            for ip in host.ips:
                found = not host.given and ip in before and ip not in ours
                old = known.get((name, ip)) or Registration(self.inventory, name, ip, found, now)
                rows[name, ip] = old._replace(found=found)
        return [*self.others, *rows.values()]


def gone_hosts(rows: Iterable[Registration], inventory: str, present: Collection[str]) -> dict[str, list[str]]:
    """Return the registered hosts that the inventory no longer has, with their addresses."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.inventory == inventory and row.host not in present:
            found.setdefault(row.host, []).append(row.ip)
    return found


def prunable(
    rows: Sequence[Registration], inventory: str, present: Collection[str], now: float, max_removals: int
) -> dict[str, Host]:
    """Return the hosts to deregister because the inventory no longer has them; raises OptionError for too many."""
    recent = {row.host for row in rows if row.inventory == inventory and row.since > now - PRUNE_AFTER}
    names = gone_hosts(rows, inventory, present).keys() - recent
    desired = Owners.of(rows, inventory, names).desired("absent", dict.fromkeys(names, Host()))
    if len(desired.ips) > max_removals:
        raise OptionError(
            f"prune would remove {counted(len(desired.ips), 'address')} of {counted(len(names), 'host')} that the "
            f"inventory no longer has, more than max_removals={max_removals}: {format_sample(sorted(names))}. Check "
            "that the inventory is complete, then raise max_removals."
        )
    return dict.fromkeys(sorted(names), Host())


def check_known(names: Collection[str], rows: Iterable[Registration], inventory: str) -> None:
    """Refuse the name of a host to forget that is not registered."""
    known = {row.host for row in rows if row.inventory == inventory}
    if unknown := sorted(set(names) - known):
        raise OptionError(
            f"forget contains {quoted(unknown[0])}, which is not registered for this key in the inventory "
            f"{inventory}: it has {format_sample(sorted(known)) or 'no hosts'}. The playbook qingguo.qgnet.report "
            "shows all."
        )


def report(
    whitelist: Collection[str], rows: Iterable[Registration], shown: Callable[[float], str]
) -> list[dict[str, Any]]:
    """Return the owners of each address that is on the whitelist or registered.

    ``shown`` turns a state time into text.
    """
    owners: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        place = {"host": row.host, "inventory_id": row.inventory, "registered_since": shown(row.since)}
        owners.setdefault(row.ip, []).append({**place, "there_before": row.found})
    return [
        {"ip": ip, "listed": ip in whitelist, "owners": owners.get(ip, [])}
        for ip in numeric_order({*whitelist, *owners})
    ]
