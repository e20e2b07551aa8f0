# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases of a key, as :class:`.books.Books` knows them, and what each product lets its customers do."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from math import inf

from .._api.caller import Sending
from .._api.calls import CLASSIC
from .._api.lease_client import Leases
from .._api.leases import AllocationParams, Lease, NamedArea, Quota, oldest_first
from .._core.errors import OptionError, QgError
from .._core.text import counted, format_sample
from .._store.facts import BY_VOLUME, LIFETIME, PAID_QUOTA
from .._store.store import after_the_call
from .books import Books
from .journal import GONE, LEASES, Item, Journal
from .kind import BUY, DROP, SWAP, ResourceKind
from .matching import Traits

#: The maximum number of leases that one call can request (vendor doc 174).
MAX_PER_CALL = 100
#: The seconds that a lease lasts without keep_alive, of products whose plans are all alike; observed by clients.
LIFETIMES = {"share": 60.0}
#: What a release may name: an address, and a task or none. With anything else, such as ``*``, it might release all.
_ADDRESS, _TASK = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"), re.compile(r"[\w-]*")


class LeaseKind(ResourceKind[Lease]):
    """The calls for leases of one client."""

    noun, listing, list_call, most = "lease", "the list of leases", "/query", MAX_PER_CALL
    advice = "Check with `ansible localhost -m qingguo.qgnet.qg_proxy_info` in a minute, before you run this again."
    rules = "The vendor limits releases, as the documentation of qg_proxy_release describes."
    ignoring = "Set on_uncertain=ignore if these channels carry no lease, as with a plan that is billed by volume."

    def __init__(self, client: Leases, cap: int | None = None) -> None:
        self.client, self.caller = client, client.caller
        store, key = self.caller.rate_limiter.state, self.caller.key_digest
        self.journal = Journal(store, key, LEASES, client.product, cap)
        calls = {BUY: client.calls.allocate, SWAP: client.calls.replace, DROP: client.calls.release}
        self.calls = {operation: call.name for operation, call in calls.items() if call}
        self.is_classic = client.product == CLASSIC
        #: A lease of longterm may be held after its deadline, from which on it can be released (vendor doc 1839).
        self.ends_at_deadline = client.product != "longterm"
        self._releases_tasks = False
        #: The vendor's time at the first list.
        self.began: float | None = None

    def read(self) -> dict[str, Lease] | None:
        leases = self.client.leases()
        if self.began is None:
            self.began = self.caller.vendor_clock.now()
        return None if leases is None else _by_name(leases)

    def quota(self) -> Quota | None:
        quota = self.client.lease_quota()
        # The classic API shows the rest of a volume as channels, and what was ever leased as used ones.
        if quota and self.is_classic and self.caller.facts.get(BY_VOLUME):
            return replace(quota, balance=quota.available)
        return quota

    def named_areas(self) -> list[NamedArea]:
        return self.client.named_areas()

    def in_use(self, held: Iterable[Lease]) -> int:
        # A lease that has ended uses no channel. In doubt it has ended, so that it hides no lease that the list lacks.
        now = self.caller.vendor_clock.latest()
        return sum(not self._has_ended(lease, self.began, now) for lease in held)

    def counts_volume(self, quota: Quota, held: Collection[str]) -> bool:
        """Whether the quota has not fallen although leases have ended since the last purchase.

        All that was held then must have ended, been released, or be held: the list hides nothing.
        """
        known = self.caller.facts.get(PAID_QUOTA)
        if not known or not self.is_classic:
            return False
        used, items = json.loads(known)
        gone = {one.name for one in self.journal.effects() if one.effect == GONE}
        missing = {name: Item(*item) for name, item in items.items() if name not in held}
        lasting = [name for name, item in missing.items() if name not in gone and self.from_item(item)]
        found = bool(missing) and not lasting and quota.used >= used
        if found:
            self.caller.facts.save(BY_VOLUME, "1")
        return found

    def paid(self, quota: Quota | None, number: int, held: Mapping[str, Lease]) -> None:
        if quota and self.is_classic and quota.balance is None:
            with after_the_call():
                items = {name: self.to_item(lease) for name, lease in held.items()}
                self.caller.facts.save(PAID_QUOTA, json.dumps([quota.used + number, items]))

    def check_new(self, least: float, terms: AllocationParams) -> None:
        known = self.caller.host_facts.get(LIFETIME, str(terms.keep_alive or 0))
        lasts, source = None if known is None else float(known), "the last new lease of this key had"
        if lasts is None and terms.keep_alive is None and self.client.product in LIFETIMES:
            # A new lease has less left as soon as the response arrives.
            lasts, source = LIFETIMES[self.client.product] - 1, "a new lease of this product has"
        if self.ends_at_deadline and lasts is not None and lasts < least * 60:
            raise OptionError(
                f"min_remaining of {duration(least)} cannot be met: {source} {_lifetime(lasts)} left. "
                "Lower min_remaining, or raise keep_alive if the plan allows it."
            )

    def pay(self, operation: str, number: int, terms: AllocationParams, sending: Sending) -> dict[str, Lease]:
        send = self.client.allocate if operation == BUY else self.client.replace
        leases = send(number, terms, sending=sending)
        with after_the_call():
            now = self.caller.vendor_clock.now()
            left = [seconds for lease in leases if (seconds := lease.remaining(now)) is not None]
            if left:
                self.caller.host_facts.save(LIFETIME, repr(max(left)), str(terms.keep_alive or 0))
        return _by_name(leases)

    def release_size(self, number: int) -> int:
        if number > self.client.release_batch():
            # The limit depends on the channels of the plan. Reading the quota stores their number.
            self.quota()
        return self.client.release_batch()

    def check_release(self, leases: Collection[Lease], held: Iterable[Lease], *, by_task: bool = False) -> None:
        """Refuse a release that could hit other leases; only with ``by_task``, tasks are released if necessary."""
        _check_addresses(leases)
        chosen = {lease.name for lease in leases}
        kept = {lease.ip for lease in held if lease.name not in chosen}
        shared = sorted(lease.ip for lease in leases if lease.ip in kept)
        if shared and not by_task:
            raise QgError(
                f"{format_sample(shared)}: another lease that must stay has the same address, and the vendor releases "
                "by address. Release both, or select them by task_ids."
            )
        self._releases_tasks = bool(shared)

    def drop(self, leases: Collection[Lease], sending: Sending) -> list[str]:
        _check_addresses(leases)
        released = self.client.release(oldest_first(leases), by_task=self._releases_tasks, sending=sending)
        return [lease.name for lease in released]

    def label(self, lease: Lease) -> str:
        return lease.ip or lease.server

    def to_item(self, lease: Lease) -> Item:
        # A deadline that cannot be read may be anything, and decides nothing.
        ends = lease.deadline if lease.expires else None
        return Item(ends, [lease.task_id, dict(lease.vendor), self.caller.vendor_clock.now()])

    def from_item(self, item: Item, ago: float = 0.0) -> Lease | None:
        task_id, vendor, seen_at = item.data
        lease = Lease.from_item(vendor, task_id)
        return None if self._has_ended(lease, seen_at, self.caller.vendor_clock.now() - ago) else lease

    def traits(self, lease: Lease, terms: AllocationParams | None) -> Traits | None:
        now = self.caller.vendor_clock.now()
        if self._has_ended(lease, self.began, now):
            return None
        left = lease.remaining(now) if self.ends_at_deadline else inf
        addresses = frozenset({lease.ip, lease.server})
        known = (lease.area_code, lease.region, lease.isp, terms, addresses, left, lease.is_usable)
        return Traits(self.label(lease), *known)

    def _has_ended(self, lease: Lease, since: float | None, now: float) -> bool:
        """Whether the deadline of a lease has passed since a vendor's time."""
        return self.ends_at_deadline and since is not None and lease.has_ended_since(since, now)


def _by_name(leases: Iterable[Lease]) -> dict[str, Lease]:
    return {lease.name: lease for lease in oldest_first(leases)}


def held_leases(client: Leases) -> list[Lease]:
    """Return the leases of a key: the vendor's list, corrected by what calls have reported lately."""
    books = Books(LeaseKind(client))
    books.look()
    return oldest_first(books.held.values())


def _check_addresses(leases: Collection[Lease]) -> None:
    """Refuse leases whose exit or task is no plain name: a call without a name, or with ``*``, might release all."""
    nameless = [
        lease.server for lease in leases if not (_ADDRESS.fullmatch(lease.ip) and _TASK.fullmatch(lease.task_id))
    ]
    if nameless:
        raise QgError(
            f"QG.net's list does not name the exit address of {format_sample(nameless)}, and leases are released by "
            "address. Change the exit in the user centre, or wait until the leases end."
        )


def duration(minutes: float) -> str:
    """Return a duration for a message."""
    return counted(minutes, "minute") if isinstance(minutes, int) else counted(minutes * 60, "second")


def _lifetime(seconds: float) -> str:
    """Return a lifetime for a message; rounded down, so that it never equals the requested one."""
    return counted(int(seconds), "second") if seconds < 120 else counted(int(seconds // 60), "minute")
