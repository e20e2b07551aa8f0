# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whitelist for the hosts of a play: one reading and one write for all, and a result for each.

A registration says which host an address is on the list for. Two rules protect those who are not in
a run: an address that nobody here added or gave is never removed for a host, and neither is one
that another host is registered with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from socket import inet_aton
from typing import Any, NamedTuple

from .._api.whitelist import Whitelist
from .._core.errors import OptionError, QgError
from .._core.text import counted, format_sample, quoted
from .._store.installations import Installations
from .._store.registrations import CONTROL_NODE, SEEN_EVERY, Registration, Registrations
from .._store.store import StateError
from .edit import ABOUT_ADDRESSES, Edit
from .kept import Kept, rerun, warnings

#: Seconds for which a host is not pruned after a run has registered it, since an inventory may lack
#: a host for once.
PRUNE_AFTER = 86400.0
#: The outcomes of a host in the summary of a run.
IN_SYNC = "in sync"
FOR_OTHERS = "kept for others"
THERE_BEFORE = "there before"
UNKNOWN = "of unknown address"
FAILED = "with an error"


class Host(NamedTuple):
    """What a host wants: its addresses, ``given`` by the user or not; and which ones must go."""

    ips: frozenset[str] = frozenset()
    given: bool = True
    unwanted: frozenset[str] = frozenset()


class Fleet:
    """Hosts of an inventory with their ``registered`` addresses, and what the list needs.

    ``others`` are the registrations of all other hosts. The list needs all ``wanted`` addresses,
    and none of the ``unwanted`` ones: what hosts have left, and nobody else has.
    """

    def __init__(
        self, rows: Sequence[Registration], inventory: str, hosts: Mapping[str, Host]
    ) -> None:
        self.inventory = inventory
        self.hosts = hosts
        self.registered: dict[tuple[str, str], Registration] = {}
        self.others: list[Registration] = []
        self.wanted: set[str] = set()
        self.unwanted: set[str] = set()
        for row in rows:
            if row.inventory != inventory or row.host not in hosts:
                self.others.append(row)
                continue
            self.registered[row.host, row.ip] = row
            if not row.there_before:
                self.unwanted.add(row.ip)
        for host in hosts.values():
            self.wanted |= host.ips
            self.unwanted |= host.unwanted
        self.unwanted -= self.wanted.union(row.ip for row in self.others)
        #: The addresses that each host had, or that were given to remove, and that it does not
        #: want.
        self._former = self._former_addresses()

    def _former_addresses(self) -> dict[str, Set[str]]:
        former: dict[str, Set[str]] = {}
        for name, host in self.hosts.items():
            former[name] = host.unwanted - host.ips
        for name, ip in self.registered:
            former[name] |= {ip} - self.hosts[name].ips
        return former

    def successors(self) -> dict[str, set[str]]:
        """Return what the hosts want that have left an address, by that address."""
        successors: dict[str, set[str]] = {}
        for name, former in self._former.items():
            for ip in former:
                successors.setdefault(ip, set()).update(self.hosts[name].ips)
        return successors

    def rows(self, listed: Collection[str], now: float) -> list[Registration]:
        """Return the registrations while the list is changed: what hosts want, and have left."""
        ours = {row.ip for row in (*self.registered.values(), *self.others) if not row.there_before}
        rows = {key: row for key, row in self.registered.items() if row.ip in self.unwanted}
        for name, host in self.hosts.items():
            for ip in host.ips:
                there_before = not host.given and ip in listed and ip not in ours
                row = Registration(self.inventory, name, ip, there_before, now, now)
                if (name, ip) in self.registered:
                    known = self.registered[name, ip].seen(now)
                    row = known._replace(there_before=there_before)
                rows[name, ip] = row
        return [*self.others, *rows.values()]

    def results(self, edit: Edit) -> dict[str, dict[str, Any]]:
        """Return the result of each host by its name."""
        kept: dict[str, list[dict[str, Any]]] = {}
        for entry in self.kept(edit):
            kept.setdefault(entry.host, []).append(entry.result())
        results: dict[str, dict[str, Any]] = {}
        added = edit.added
        removed = edit.removed
        unneeded = edit.unneeded
        for name, host in sorted(self.hosts.items()):
            former = self._former.get(name, frozenset())
            results[name] = {
                "changed": bool(host.ips & added or former & removed),
                "failed": False,
                "ips": sorted(host.ips, key=inet_aton),
                "added": sorted(host.ips & added, key=inet_aton),
                "removed": sorted(former & removed, key=inet_aton),
                "kept": kept.get(name, []),
            }
            if edit.error:
                stuck = former & unneeded
                results[name] |= _failure(host, former, stuck, edit, edit.error)
        return results

    def kept(self, edit: Edit) -> list[Kept]:
        """Return the addresses that hosts need no longer, and that stay.

        A host that leaves, and with which nothing is registered here, may be on the list for
        another inventory.
        """
        owners: dict[str, list[Registration]] = {}
        elsewhere: dict[str, dict[str, Registration]] = {}
        for row in self.others:
            owners.setdefault(row.ip, []).append(row)
            elsewhere.setdefault(row.host, {}).setdefault(row.ip, row)
        kept: list[Kept] = []
        for name, host in sorted(self.hosts.items()):
            former = self._former.get(name, frozenset())
            namesakes = elsewhere.get(name, {})
            if not former and not host.ips:
                former = namesakes.keys()
            for ip in sorted(former & (edit.after - edit.unwanted), key=inet_aton):
                kept.append(Kept(name, ip, owners.get(ip, ()), namesakes.get(ip)))
        return kept


def _failure(
    host: Host, former: Set[str], stuck: Set[str], edit: Edit, error: QgError
) -> dict[str, Any]:
    """Return why the addresses of a host are not as they should be; nothing if they are."""
    outcomes = (
        (host.ips - edit.after, "could not be registered"),
        (stuck, "could not be removed"),
        (edit.unconfirmed & (host.ips | former), "could not be confirmed"),
    )
    for ips, outcome in outcomes:
        if ips:
            wrong = sorted(ips, key=inet_aton)
            errors = [edit.refused.get(ip, error) for ip in wrong]
            text = f"{', '.join(wrong)} {outcome}: {errors[0].message}"
            reasons = {getattr(cause, "reason", None) for cause in errors}
            tolerable = reasons.issubset(ABOUT_ADDRESSES)
            return {**errors[0].as_result(), "msg": text, "failed": True, "tolerable": tolerable}
    return {}


def update(
    api: Whitelist,
    inventory: str,
    hosts: Mapping[str, Host],
    *,
    present: Collection[str],
    coming: Collection[str] = (),
    prune: int | None = None,
    forget: bool = False,
    check: bool,
) -> dict[str, Any]:
    """Register or deregister hosts.

    Returns ``hosts``, with a result for each, and what changed as a whole.

    ``present`` are the hosts that the inventory has: with ``prune``, others are deregistered, too,
    with at most so many addresses. ``coming`` are the hosts of later batches of the run. There is a
    warning about hosts to ``forget`` that are neither registered nor present, and where nothing was
    ever installed: they may have been forgotten before, or be misspelt. The registrations are
    written before the first call that changes something, and again at the end. The caller holds the
    lock of the key.
    """
    registrations = Registrations(api.caller.store, api.caller.key_digest)
    rows = registrations.all()
    now = registrations.store.now()
    told: list[str] = []
    leaving = {name for name, host in hosts.items() if not host.ips}
    if forget:
        # A host may have had a gateway or a list alone.
        installed = {each.host for each in Installations(registrations.store).all(inventory)}
        told += _unknown(hosts, rows, inventory, present, installed)
    fleet = Fleet(rows, inventory, hosts)
    if prune is not None:
        pruned = _prunable(rows, inventory, present, now)
        unwanted_anyway = fleet.unwanted
        fleet = Fleet(rows, inventory, {**pruned, **hosts})
        _check_removals(fleet.unwanted - unwanted_anyway, pruned, prune)
    listed = api.whitelist()
    if not check:
        rows = fleet.rows(listed[0], now)
        registrations.replace(rows)
    edit = Edit(
        api,
        listed,
        wanted=fleet.wanted,
        unwanted=fleet.unwanted,
        successors=fleet.successors(),
    )
    edit.run(check=check)
    kept = [entry for entry in fleet.kept(edit) if entry.host in leaving]
    unexpected = [entry for entry in kept if not entry.is_for(inventory, coming)]
    told += warnings(unexpected)
    if not check:
        gone = fleet.unwanted - edit.after - edit.unconfirmed
        rows = [row for row in rows if row.ip not in gone]
        try:
            registrations.replace(rows)
        except StateError as error:
            # What was done at QG.net must be told, and the next run deletes these rows.
            told.append(f"What was removed is still recorded as registered: {error.message}")
    return {
        **edit.result(),
        "hosts": fleet.results(edit),
        "gone_hosts": _gone_hosts(rows, inventory, present),
        "warnings": told,
    }


def summary_line(result: Mapping[str, Any], unreached: Collection[str], *, check: bool) -> str:
    """Return the outcome of a run in one line: each host once, and the changed addresses."""
    hosts = result["hosts"].values()
    outcomes = Counter(map(_outcome, hosts))
    old = sum(len(host["kept"]) for host in hosts if host.get("ips"))
    words = ("in sync", "added", "removed")
    if check:
        words = ("checked", "to add", "to remove")
    counts = [
        (outcomes[IN_SYNC], words[0]),
        (outcomes[FOR_OTHERS], FOR_OTHERS),
        (outcomes[THERE_BEFORE], THERE_BEFORE),
        (outcomes[UNKNOWN], UNKNOWN),
        (len(result["added"]), words[1]),
        (len(result["removed"]), words[2]),
        (old, "old address kept" if old == 1 else "old addresses kept"),
        (outcomes[FAILED], FAILED),
        (len(unreached), "not reached"),
    ]
    shown = ", ".join(f"{number} {what}" for number, what in counts if number)
    return f"{counted(len(hosts) + len(unreached), 'host')}: {shown or 'nothing to do'}"


def _outcome(result: Mapping[str, Any]) -> str:
    """Return what became of a host. One that leaves is not in sync while an address of it stays."""
    if result["failed"]:
        return FAILED
    if "msg" in result:
        # Its address was not detected, which the option "fail" lets pass.
        return UNKNOWN
    if result.get("ips") or not result.get("kept"):
        return IN_SYNC
    if any(entry["host"] for entry in result["kept"]):
        return FOR_OTHERS
    return THERE_BEFORE


def merged(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the common result of the updates for several keys; a failed one has only ``hosts``."""
    lists = ("added", "removed", "refused", "unreadable", "warnings")
    usage = dict.fromkeys(("calls", "retries", "waited_seconds"), 0)
    whole: dict[str, Any] = {
        "changed": False,
        "hosts": {},
        "gone_hosts": {},
        "count": 0,
        "api": usage,
        "diff": [],
    }
    whole |= {name: [] for name in lists}
    for result in results:
        whole["hosts"] |= result["hosts"]
        if "count" not in result:
            continue
        whole["gone_hosts"] |= result["gone_hosts"]
        whole["count"] += result["count"]
        for name in lists:
            whole[name] += result[name]
        for name in usage:
            usage[name] += result["api"][name]
        if result["changed"]:
            whole["changed"] = True
            whole["diff"].append(result["diff"])
    return whole


def _gone_hosts(
    rows: Iterable[Registration], inventory: str, present: Collection[str]
) -> dict[str, list[str]]:
    """Return the registered hosts that the inventory no longer has, with their addresses."""
    gone: dict[str, list[str]] = {}
    for row in rows:
        # The control node of any run need not be in its inventory.
        is_node = row.host.partition(" on ")[0] in CONTROL_NODE
        if row.inventory == inventory and row.host not in present and not is_node:
            gone.setdefault(row.host, []).append(row.ip)
    return gone


def _prunable(
    rows: Iterable[Registration], inventory: str, present: Collection[str], now: float
) -> dict[str, Host]:
    """Return the hosts to deregister because the inventory no longer has them."""
    recent = set()
    for row in rows:
        if row.inventory == inventory and now - row.seen_at < PRUNE_AFTER + SEEN_EVERY:
            recent.add(row.host)
    return dict.fromkeys(sorted(_gone_hosts(rows, inventory, present).keys() - recent), Host())


def _check_removals(removals: Collection[str], hosts: Collection[str], max_removals: int) -> None:
    """Refuse to remove more addresses than allowed because these hosts are gone."""
    if len(removals) > max_removals:
        raise OptionError(
            "prune",
            f"would remove {counted(len(removals), 'address')} of {counted(len(hosts), 'host')} "
            f"that the inventory no longer has, more than max_removals={max_removals} "
            f"({format_sample(hosts)})",
            "check that the inventory is complete, then raise max_removals",
        )


def _unknown(
    names: Collection[str],
    rows: Collection[Registration],
    inventory: str,
    present: Collection[str],
    installed: Collection[str],
) -> Iterator[str]:
    """Yield a warning about hosts to forget of which nothing is known; refuse those of another
    inventory.
    """
    registered = {row.host for row in rows if row.inventory == inventory}
    unknown = sorted(set(names) - registered - set(present) - set(installed))
    if not unknown:
        return
    elsewhere = [row for row in rows if row.host in unknown]
    if not elsewhere:
        gone = sorted(registered - set(present))
        yield (
            f"Nothing is registered for {format_sample(unknown)} in the inventory {inventory}, so "
            "there was nothing to remove. Registered and not in the inventory any more: "
            f"{format_sample(gone) or 'no host'}."
        )
        return
    raise OptionError(
        "forget",
        f"contains {quoted(elsewhere[0].host)}, which is not registered for this key in the "
        f"inventory {inventory}",
        f"{rerun(elsewhere[0].inventory)}, in which it is registered",
    )
