# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts for which addresses are registered: those of a change, and others that keep an address on the whitelist.

A host is known by its name and its inventory. If the inventory file is renamed or copied, the same host is registered
as two. Pure functions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from .._core.addresses import numeric_order
from .._core.errors import OptionError
from .._core.text import format_sample, quote_word
from .._store.registrations import Owner
from .plan import DesiredWhitelist

#: The maximum number of hosts that a result names for one address.
_MAX_OWNERS = 5


def adoptable(host: str, inventory: str, ips: Collection[str], named: Iterable[Owner]) -> list[dict[str, str]]:
    """Return the registrations of other inventories that are those of this host, from all registrations of its name.

    Hosts of the same name in two inventories may be different machines. A registration whose address the host neither
    has (``ips``) nor is registered with in its own ``inventory`` raises OptionError.
    """
    own = {*ips, *(owner.ip for owner in named if owner.inventory == inventory)}
    others = [owner for owner in named if owner.inventory != inventory]
    foreign = next((owner for owner in others if not owner.former and owner.ip not in own), None)
    if foreign:
        raise OptionError(
            f"adopt is refused for {host}, because {describe_owner(host, foreign.inventory)} is registered "
            f"with {foreign.ip}, which this host does not have, and may be another host: set adopt to false. If it is "
            f"the same host, remove that registration with the playbook qingguo.qgnet.deregister, qg_forget={host} and "
            "that inventory as inventory_id."
        )
    return [{"ip": owner.ip, "inventory_id": owner.inventory} for owner in others]


@dataclass(frozen=True)
class Ownership:
    """The addresses ``registered`` for each host of a change, and the ``others`` that need an address, by address."""

    registered: Mapping[str, set[str]]
    others: Mapping[str, list[Owner]]

    @classmethod
    def of(
        cls, owners: Iterable[Owner], inventory: str, hosts: Collection[str], adopting: Collection[str] = ()
    ) -> Ownership:
        """Divide the registrations of a key; ``adopting`` hosts have those of their name in all inventories."""
        registered: dict[str, set[str]] = {host: set() for host in hosts}
        others: dict[str, list[Owner]] = {}
        for owner in owners:
            if owner.host in adopting or (owner.host in registered and owner.inventory == inventory):
                registered[owner.host].add(owner.ip)
            elif not owner.former:
                others.setdefault(owner.ip, []).append(owner)
        return cls(registered, others)

    def kept(self, hosts: Mapping[str, DesiredWhitelist]) -> dict[str, list[dict[str, Any]]]:
        """Return, for each host, the addresses that it no longer needs and others do, with the first of these.

        For a host to be deregistered of which nothing is known, these are the addresses of its name in other
        inventories.
        """
        named: dict[str, dict[str, list[Owner]]] = {}
        for ip, owners in self.others.items():
            for owner in owners:
                if owner.host in hosts:
                    named.setdefault(owner.host, {}).setdefault(ip, []).append(owner)
        current = {ip for own in hosts.values() for ip in own.ips}
        found: dict[str, list[dict[str, Any]]] = {}
        for host, own in hosts.items():
            twins = named.get(host, {})
            if own.state == "absent":
                unneeded = {*own.ips, *self.registered[host]} or twins.keys()
            else:
                unneeded = self.registered[host] - current
            if ips := numeric_order(self.others.keys() & unneeded):
                found[host] = [self._entry(ip, twins.get(ip, [])) for ip in ips]
        return found

    def _entry(self, ip: str, twins: list[Owner]) -> dict[str, Any]:
        first = twins + [owner for owner in self.others[ip][: _MAX_OWNERS + len(twins)] if owner not in twins]
        owners = [{"host": owner.host, "inventory_id": owner.inventory} for owner in first[:_MAX_OWNERS]]
        return {"ip": ip, "owners": owners, "owner_count": len(self.others[ip])}


def explain_unknown(name: str, inventory: str, registered: Collection[str], elsewhere: Sequence[str]) -> str:
    """Return the error for a host to forget that is not ``registered`` in the inventory, but perhaps ``elsewhere``."""
    text = f"forget contains {quote_word(name)}, which is not registered for this key in the inventory "
    text += f"{_shown(inventory)}: "
    if elsewhere:
        return f"{text}set inventory_id to {format_sample([_shown(other) for other in elsewhere], 3)}, where it is."
    if near := get_close_matches(name, registered, n=3):
        return f"{text}did you mean {' or '.join(near)}?"
    known = format_sample(sorted(registered), 5)
    return f"{text}{f'it has {known}' if known else 'it has no hosts'}; qingguo.qgnet.report lists all."


def kept_warning(kept: Iterable[Mapping[str, Any]], adopt: str) -> str | None:
    """Return a warning for addresses that hosts no longer need, and others do; ``adopt`` is the name of the option."""
    texts, is_same_host = [], False
    for entry in kept:
        first = entry["owners"][0]
        more = f" and {entry['owner_count'] - 1} more" if entry["owner_count"] > 1 else ""
        place = describe_owner(first["host"], first["inventory_id"])
        texts.append(f"{entry['ip']} of {entry['host']}, registered for {place}{more}")
        is_same_host |= first["host"] == entry["host"]
    if not texts:
        return None
    fix = f" If a host of the same name is the same host, set {adopt}=true." if is_same_host else ""
    return f"These addresses stay on the whitelist, because other hosts use them: {format_sample(texts, 5)}.{fix}"


def describe_owner(host: str, inventory: str) -> str:
    """Return a host with its inventory, for messages."""
    return f"{host} of the inventory {_shown(inventory)}"


def _shown(inventory: str) -> str:
    return f"'{', '.join(inventory.splitlines())}'"
