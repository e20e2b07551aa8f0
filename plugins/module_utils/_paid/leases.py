# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases of a key, as :class:`.books.Books` knows them, and what each product lets its customers do."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from .._api.caller import Sending
from .._api.calls import CLASSIC
from .._api.lease_client import Leases
from .._api.leases import AllocationParams, Lease, Quota, oldest_first
from .._api.parsing import parse_vendor_time
from .._core.errors import QgError
from .._core.text import format_sample
from .._store.facts import BY_VOLUME, LIFETIME, PAID_QUOTA
from .._store.store import after_the_call
from .books import BUY, DROP, SWAP, Books
from .caps import Caps
from .journal import LEASES, Item, Journal
from .matching import Traits

#: The maximum number of leases that one call can request (vendor doc 174).
MAX_PER_CALL = 100
#: The vendor's rules for the release of leases, by product.
RELEASE_RULES = {
    "classic": (
        "A dynamic dedicated plan may release channels*2 addresses a minute; a static one 2 a week, each more than a "
        "day after it was leased; a shared one never releases."
    ),
    "longterm": "A static address can be released 24 hours after it was leased, 2 times a week; a dynamic one never.",
    "exclusive": "The vendor limits how often addresses are released.",
}
#: The seconds that a lease lasts without keep_alive, of products whose plans are all alike; observed by clients.
LIFETIMES = {"share": 60.0}
#: What a release may name: an address, and a task or none. With anything else, such as ``*``, it might release all.
_ADDRESS, _TASK = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"), re.compile(r"[\w-]*")


class LeaseKind:
    """The calls for leases of one client."""

    noun, listing = "lease", "the list of leases"
    advice = "Check with `ansible localhost -m qingguo.qgnet.qg_proxy_info` in a minute, before you run this again."
    ignoring = "Set on_uncertain=ignore if these channels carry no lease, as with a plan that is billed by volume."
    list_call = "/query"

    def __init__(self, client: Leases, caps: Caps | None = None) -> None:
        self.client, self.caller = client, client.caller
        self.timeout = self.caller.timeout
        store, key = self.caller.rate_limiter.state, self.caller.key_digest
        self.journal = Journal(store, key, LEASES, client.product, caps)
        calls = {BUY: client.calls.allocate, SWAP: client.calls.replace, DROP: client.calls.release}
        self.calls = {operation: call.name for operation, call in calls.items() if call}
        self.is_classic = client.product == CLASSIC
        #: A lease of longterm may be held after its deadline, from which on it can be released (vendor doc 1839).
        self.ends_at_deadline = client.product != "longterm"
        self.by_task = False
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

    def in_use(self, held: Iterable[Lease]) -> int:
        # A lease that has ended uses no channel. In doubt it has ended, so that it hides no lease that the list lacks.
        now = self.caller.vendor_clock.latest()
        return sum(not self.has_ended(lease, self.began, now) for lease in held)

    def counts_volume(self, quota: Quota, held: Collection[str]) -> bool:
        """Whether the quota has not fallen although leases have ended since the last purchase.

        All that was held then must have ended, been released, or be held: the list hides nothing.
        """
        known = self.caller.facts.get(PAID_QUOTA)
        if not known or not self.is_classic:
            return False
        used, began, ends = self.journal.store.decoded(known)
        now, gone = self.caller.vendor_clock.now(), self.journal.gone()

        def is_over(name: str) -> bool:
            end = parse_vendor_time(ends[name])
            return name in gone or (end is not None and began < end.timestamp() <= now)

        missing = [name for name in ends if name not in held]
        found = bool(missing) and all(map(is_over, missing)) and quota.used >= used
        if found:
            self.caller.facts.save(BY_VOLUME, "1")
        return found

    def paid(self, quota: Quota | None, number: int, held: Mapping[str, Lease]) -> None:
        if quota and self.is_classic and quota.balance is None:
            ends = {name: lease.deadline for name, lease in held.items()}
            with after_the_call():
                text = json.dumps([quota.used + number, self.caller.vendor_clock.now(), ends])
                self.caller.facts.save(PAID_QUOTA, text)

    def buy(self, number: int, terms: AllocationParams, sending: Sending) -> dict[str, Lease]:
        leases = self.client.allocate(number, terms, sending=sending)
        with after_the_call():
            now = self.caller.vendor_clock.now()
            left = [seconds for lease in leases if (seconds := lease.remaining(now)) is not None]
            if left:
                self.caller.host_facts.save(LIFETIME, repr(max(left)), (str(terms.keep_alive or 0),))
        return _by_name(leases)

    def swap(self, number: int, terms: AllocationParams, sending: Sending) -> dict[str, Lease]:
        return _by_name(self.client.replace(number, terms, sending=sending))

    def drop(self, leases: Collection[Lease], sending: Sending) -> list[str]:
        check_addresses(leases)
        released = self.client.release(oldest_first(leases), by_task=self.by_task, sending=sending)
        return [lease.name for lease in released]

    def label(self, lease: Lease) -> str:
        return lease.ip or lease.server

    def to_item(self, lease: Lease) -> Item:
        return Item(lease.deadline, [lease.task_id, dict(lease.vendor), self.caller.vendor_clock.now()])

    def from_item(self, item: Item) -> Lease | None:
        task_id, vendor, seen_at = item.data
        lease = Lease.from_item(vendor, task_id)
        return None if self.has_ended(lease, seen_at) else lease

    def has_ended(self, lease: Lease, since: float | None = None, now: float | None = None) -> bool:
        """Whether the deadline of a lease has passed since a vendor's time, by default that of the first list."""
        since, now = self.began if since is None else since, self.caller.vendor_clock.now() if now is None else now
        return self.ends_at_deadline and since is not None and lease.has_ended_since(since, now)

    def traits(self, lease: Lease, terms: AllocationParams | None) -> Traits:
        """Return what decides whether a lease matches."""
        left = lease.remaining(self.caller.vendor_clock.now())
        addresses = frozenset({lease.ip, lease.server})
        known = (lease.area_code, lease.region, lease.isp, terms, addresses, left, lease.is_usable)
        return Traits(self.label(lease), *known)


def _by_name(leases: Iterable[Lease]) -> dict[str, Lease]:
    return {lease.name: lease for lease in oldest_first(leases)}


@contextlib.contextmanager
def lease_books(
    client: Leases, caps: Caps | None = None, *, releases: bool
) -> Iterator[tuple[LeaseKind, Books[Lease]]]:
    """Lock the key, and read its leases; calls of earlier runs end if the list shows their effect.

    With ``releases``, wait for that of releases: what they name may not be held.
    """
    with client.caller.key_lock():
        kind = LeaseKind(client, caps)
        books = Books(kind, kind.journal, client.caller.budget)
        books.look()
        books.settle(purchases=False, releases=releases)
        yield kind, books


def held_leases(client: Leases) -> list[Lease]:
    """Return the leases of a key: the vendor's list, corrected by what calls have reported lately."""
    kind = LeaseKind(client)
    books = Books(kind, kind.journal, client.caller.budget)
    books.look()
    return oldest_first(books.held.values())


def known_terms(books: Books[Lease]) -> dict[str, AllocationParams]:
    """Return what held leases were requested with, by name, as far as this control node has requested them."""
    return {name: AllocationParams.from_json(request["terms"]) for name, request in books.requests().items()}


def check_addresses(leases: Collection[Lease]) -> None:
    """Refuse leases whose exit or task is no plain name: a call without a name, or with ``*``, might release all."""
    nameless = [
        lease.server for lease in leases if not (_ADDRESS.fullmatch(lease.ip) and _TASK.fullmatch(lease.task_id))
    ]
    if nameless:
        raise QgError(
            f"QG.net's list does not name the exit address of {format_sample(nameless)}, and leases are released by "
            "address. Change the exit in the user centre, or wait until the leases end."
        )


def are_shared(leases: Collection[Lease], held: Iterable[Lease], *, by_task: bool) -> bool:
    """Whether another lease that must stay has the address of one of these, so that they must be released by task.

    Raises QgError unless ``by_task`` says that tasks are selected.
    """
    chosen = {lease.name for lease in leases}
    kept = {lease.ip for lease in held if lease.name not in chosen}
    shared = sorted(lease.ip for lease in leases if lease.ip in kept)
    if shared and not by_task:
        raise QgError(
            f"{format_sample(shared)}: another lease that must stay has the same address, and the vendor releases by "
            "address. Release both, or select them by task_ids."
        )
    return bool(shared)
