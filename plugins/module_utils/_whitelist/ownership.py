# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts that own addresses, which are registered for them: how that changes, and what keeps an address listed.

A host is known by its name and its inventory. If the inventory file is renamed or copied, the same host is registered
as two. Pure functions.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._api.parsing import BEIJING
from .._core.addresses import numeric_order
from .._core.errors import OptionError
from .._core.text import format_sample, quote_word, similar
from .._store.claims import Owner
from .._store.journal_rows import LIST_LAG
from .plan import DesiredWhitelist

#: The maximum number of hosts that a result names for one address.
_MAX_OWNERS = 5


@dataclass(frozen=True)
class HostRegistration:
    """The addresses to store for a host.

    It is ``registered`` with these. It no longer needs the ``former`` ones, but they may still be on the whitelist. The
    host itself reported those ``found`` while they were on the whitelist already.
    """

    host: str
    registered: frozenset[str]
    former: frozenset[str] = frozenset()
    found: frozenset[str] = frozenset()


def host_registration(
    host: str, own: DesiredWhitelist, registered: Collection[str], desired: DesiredWhitelist, before: Collection[str]
) -> HostRegistration:
    """Return the registration of a host before a write: all addresses that are, or may be, on the whitelist for it.

    A former address is not among them only if another host needs it. It is deleted once it was removed, and the
    whitelist, read afterwards, lacks it. It is kept if it stays because another host claims it: that claim may fail. An
    address that the host only reported is not registered in order to be removed. Addresses that the host detected are
    marked as found if they were on the whitelist ``before``.
    """
    wanted, unwanted = set(own.ips), (set(registered) - set(own.ips)) & set(desired.replaces)
    if desired.state == "absent":
        wanted, unwanted = set(), set(registered) & set(desired.ips)
    found = wanted.intersection(before) if own.detected else ()
    return HostRegistration(host, frozenset(wanted), frozenset(unwanted), found=frozenset(found))


def is_registered(owners: Iterable[Owner], ips: Collection[str], *, given: bool = False) -> bool:
    """Whether a host that owns this is registered with exactly these addresses, and has no former ones to remove.

    With ``given``, addresses that only the host has reported do not count as registered.
    """
    listed = [owner for owner in owners if owner.may_be_listed]
    pending = any(owner.former or (given and owner.found) for owner in listed)
    return not pending and {owner.ip for owner in listed} == set(ips)


def addresses_by_host(owners: Iterable[Owner]) -> dict[str, set[str]]:
    """Return the addresses of each host that may be on the whitelist."""
    found: dict[str, set[str]] = {}
    for owner in owners:
        if owner.may_be_listed:
            found.setdefault(owner.host, set()).add(owner.ip)
    return found


def registered(owners: Sequence[Owner], now: float, inventory: str, hosts: Iterable[HostRegistration]) -> list[Owner]:
    """Return all owners of a whitelist once these hosts of an inventory have these addresses, and no others.

    An address that was added or given once is never marked as found later, for any host.
    """
    own = {host.host: host for host in hosts}
    known = {(owner.host, owner.ip): owner for owner in owners if owner.inventory == inventory}
    after = [owner for owner in owners if owner.inventory != inventory or owner.host not in own]
    for name, host in own.items():
        for ip in host.registered | host.former:
            former = ip not in host.registered
            owner = known.get((name, ip), Owner(ip, name, inventory, made_at=now))
            after.append(owner._replace(former=former, found=owner.found if former else ip in host.found))
    added = {owner.ip for owner in (*owners, *after) if not owner.found}
    return [owner._replace(found=False) if owner.found and owner.ip in added else owner for owner in after]


def adopted(owners: Iterable[Owner], inventory: str, others: Iterable[Mapping[str, str]]) -> list[Owner]:
    """Return the owners of one name, with registrations of ``others`` (as of :func:`adoptable`) in this inventory."""
    named = {(entry["inventory_id"], entry["ip"]) for entry in others}
    found = {owner.ip: owner for owner in owners if owner.inventory == inventory}
    kept = [owner for owner in owners if owner.inventory != inventory and (owner.inventory, owner.ip) not in named]
    for owner in owners:
        if (owner.inventory, owner.ip) in named:
            found.setdefault(owner.ip, owner._replace(inventory=inventory))
    return [*found.values(), *kept]


def without_former(owners: Iterable[Owner], removed: Collection[tuple[str, str, str]]) -> list[Owner]:
    """Return the owners without the addresses that they no longer need, and that were ``removed`` for them.

    Each of these is an inventory, a host and an address.
    """
    return [owner for owner in owners if not (owner.former and (owner.inventory, owner.host, owner.ip) in removed)]


def without_missing(owners: Iterable[Owner], now: float, whitelist: Collection[str]) -> list[Owner]:
    """Return the owners without addresses that the whitelist has lacked for LIST_LAG seconds or more.

    One reading is not enough: it may be wrong, and a deleted address would never be removed from the whitelist.
    ``whitelist`` must come from a response that contained a list.
    """
    found = []
    for owner in owners:
        since = None if owner.ip in whitelist else owner.missing_since or now
        if since is None or since > now - LIST_LAG:
            found.append(owner if since == owner.missing_since else owner._replace(missing_since=since))
    return found


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
    if near := similar(name, registered, 3):
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


def join_owners(whitelist: Sequence[str], registered: Iterable[Owner], wall_ahead: float) -> dict[str, Any]:
    """Return the owners of each entry, the entries without an owner, and the registered addresses without an entry.

    The latter do not include addresses that their hosts no longer need. ``repeated_hosts`` are the names of hosts that
    need addresses in several inventories, with these. The wall clock is ``wall_ahead`` of state time.
    """
    owners: dict[str, list[dict[str, Any]]] = {}
    needed = set()
    inventories: dict[str, set[str]] = {}
    for owner in registered:
        owners.setdefault(owner.ip, []).append(_described(owner, wall_ahead))
        if not owner.former:
            needed.add(owner.ip)
            inventories.setdefault(owner.host, set()).add(owner.inventory)
    unlisted = numeric_order(needed.difference(whitelist))
    repeated = {host: sorted(found) for host, found in sorted(inventories.items()) if len(found) > 1}
    return {
        "entries": [{"ip": ip, "owners": owners.get(ip, [])} for ip in whitelist],
        "unowned": [ip for ip in whitelist if ip not in owners],
        "unlisted": [{"ip": ip, "owners": owners[ip]} for ip in unlisted],
        "repeated_hosts": repeated,
    }


def _described(owner: Owner, wall_ahead: float) -> dict[str, Any]:
    since = datetime.datetime.fromtimestamp(round(owner.made_at + wall_ahead), BEIJING).isoformat()
    return {
        "host": owner.host,
        "inventory_id": owner.inventory,
        "registered_since": since,
        "former": owner.former,
        "there_before": owner.found,
    }


def describe_owner(host: str, inventory: str) -> str:
    """Return a host with its inventory, for messages."""
    return f"{host} of the inventory {_shown(inventory)}"


def _shown(inventory: str) -> str:
    return f"'{', '.join(inventory.splitlines())}'"
