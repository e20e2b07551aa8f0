# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases of a key, as :class:`.._paid.books.Books` knows them, and what each product lets its
customers do.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from math import inf

from .._api.exchange import Sending
from .._api.lease_client import Leases
from .._api.leases import Lease, NamedArea, Quota, Terms, oldest_first
from .._api.parsing import parse_vendor_time
from .._core.errors import QgError
from .._core.runtime import module_command
from .._core.text import format_sample
from .._paid.caps import bought_since
from .._paid.holdings import Holdings
from .._paid.journal import seconds_kept
from .._paid.journal_reader import LEASES
from .._paid.ledger import ledger
from .._paid.matching import Traits
from .._paid.origin import (
    BALANCE_LAG,
    BALANCE_WINDOW,
    LONG_LIFE,
    BalanceReading,
    Origins,
    Purchases,
    next_reading,
    origins,
    server_of,
    unexplained,
)
from .._paid.paid_api import BUY, DROP, SWAP, Item, PaidApi, Span
from .._paid.snapshot import OpenCall
from .._store.facts import BALANCE
from .._store.store import StateError

#: The maximum number of leases that one call can request (vendor doc 174).
MAX_PER_CALL = 100
#: What a release may name: an address, and a task or none. With anything else, such as ``*``, it
#: might release all.
_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_TASK = re.compile(r"[\w-]+")


class LeaseApi(PaidApi[Lease]):
    """The calls for leases of one client."""

    kind = LEASES
    noun = "lease"
    listing = "the list of leases"
    list_call = "/query"
    max_per_call = MAX_PER_CALL
    rules = "QG.net limits releases, as the documentation of qg_proxy_release describes."
    ignoring = (
        "A plan of the classic API that is billed by volume counts in its quota what was ever "
        "leased, and needs ignore_quota=true. Otherwise, another client of the key may be leasing "
        "right now."
    )

    @property
    def advice(self) -> str:
        command = module_command("qg_proxy_info")
        return f"Check with `{command}` in two minutes, before you run this again."

    def __init__(self, client: Leases) -> None:
        self.client = client
        self.caller = client.caller
        self.product = client.product
        calls = {BUY: client.calls.allocate, SWAP: client.calls.replace, DROP: client.calls.release}
        self.calls = {operation: call.name for operation, call in calls.items() if call}
        #: A lease of longterm may be held after its deadline, from which on it can be released
        #: (vendor doc 1839).
        self.ends_by_itself = client.product != "longterm"

    def read(self) -> dict[str, Lease] | None:
        leases = self.client.leases()
        if leases is None:
            return None
        return _by_name(leases)

    def quota(self) -> Quota | None:
        return self.client.lease_quota()

    def named_areas(self) -> list[NamedArea]:
        return self.client.named_areas()

    def pay(self, operation: str, number: int, terms: Terms, sending: Sending) -> dict[str, Lease]:
        if operation == SWAP:
            return _by_name(self.client.replace(number, terms, sending=sending))
        return _by_name(self.client.allocate(number, terms, sending=sending))

    def release_size(self, number: int) -> int:
        if number > self.client.release_batch():
            # The limit depends on the channels of the plan. Reading the quota stores their number.
            self.quota()
        return self.client.release_batch()

    def check_release(self, going: Collection[Lease], staying: Collection[Lease]) -> None:
        _must_name_tasks(going, staying)

    def drop(
        self, going: Collection[Lease], staying: Collection[Lease], sending: Sending
    ) -> list[str]:
        by_task = _must_name_tasks(going, staying)
        released = self.client.release(oldest_first(going), by_task=by_task, sending=sending)
        return [lease.name for lease in released]

    def label(self, lease: Lease) -> str:
        return lease.ip or lease.server

    def ends(self, lease: Lease) -> float | None:
        if not self.ends_by_itself or lease.expires is None:
            return None
        return lease.expires.timestamp()

    def to_item(self, lease: Lease) -> Item:
        # A deadline that cannot be read may be anything, and decides nothing.
        ends = lease.deadline if lease.expires else None
        data = {
            "task_id": lease.task_id,
            "vendor": dict(lease.vendor),
            "seen_at": self.caller.vendor_clock.now(),
        }
        return Item(ends, data)

    def from_item(self, item: Item) -> Lease:
        return Lease.from_item(item.data["vendor"], item.data["task_id"])

    def span(self, item: Item) -> Span:
        ends = self.ends(self.from_item(item))
        if ends is None:
            return Span()
        life = ends - item.data["seen_at"]
        return Span(ends if life > 0 else None, life)

    def traits(self, lease: Lease, terms: Terms) -> Traits:
        now = self.caller.vendor_clock.now()
        return Traits(
            label=self.label(lease),
            code=lease.area_code,
            place=lease.region,
            isp=lease.isp,
            terms=terms,
            addresses=frozenset({lease.ip, lease.server}),
            remaining=lease.remaining(now) if self.ends_by_itself else inf,
        )


def _by_name(leases: Iterable[Lease]) -> dict[str, Lease]:
    return {lease.name: lease for lease in oldest_first(leases)}


def held_leases(client: Leases) -> list[Lease]:
    """Return the leases that QG.net's list shows, corrected by what calls have reported lately."""
    holdings = Holdings(LeaseApi(client))
    holdings.look()
    return oldest_first(holdings.certain.values())


def leases_with_origins(client: Leases) -> tuple[list[Lease], Origins]:
    """Return the leases of a key, as :func:`held_leases` does, and who has bought them, by their
    names.
    """
    holdings = Holdings(LeaseApi(client))
    holdings.look()
    # A purchase of another process, which the list shows already, is either open or recorded now.
    open_calls = holdings.journal.open()
    holdings.use_records()
    leases = oldest_first(holdings.certain.values())
    ends = {lease.name: _end_of(lease.deadline) for lease in leases}
    vendor_now = client.caller.vendor_clock.latest()
    by_origin = Origins({}, None)
    for is_whole in (False, True):
        try:
            purchases = _purchases(holdings, open_calls, is_whole=is_whole)
        except StateError:
            # Which leases there are is known although somebody has damaged the ledger.
            purchases = Purchases()
        by_origin = origins(ends, purchases, holdings.now(), vendor_now)
        if all(by_origin.bought_here.values()):
            break
    return leases, by_origin


def _purchases(
    holdings: Holdings[Lease], open_calls: Iterable[OpenCall], *, is_whole: bool
) -> Purchases:
    """Return what the journal knows of purchases.

    Its records have the leases for as long as they last. The ledger also has those that lists have
    lacked for long. It is slow to read, and only needed if the answer has to be whole.
    """
    journal = holdings.journal
    bought = defaultdict[str, list[float | None]](list)
    named = defaultdict[int, int](int)
    for record in holdings.snapshot.records:
        if record.is_bought:
            bought[server_of(record.name)].append(_end_of(record.data.ends))
            named[record.call] += 1
    life = max(LONG_LIFE, 2 * journal.longest_life())
    since = holdings.now() - life
    if is_whole:
        key = holdings.api.caller.key_digest
        for entry in ledger(journal.store, [key], since + journal.store.wall_ahead()):
            for server, end in entry["received"].items():
                moment = None
                if end is not None:
                    moment = datetime.datetime.fromisoformat(end).timestamp()
                bought[server].append(moment)
    calls = journal.lost(since)
    for call in open_calls:
        calls.append(dataclasses.replace(call, adds=max(0, call.adds - named[call.id])))
    return Purchases(bought, [call for call in calls if call.adds], journal.held_at_first(), life)


def _end_of(deadline: str | None) -> float | None:
    moment = parse_vendor_time(deadline)
    return moment.timestamp() if moment else None


def foreign_leases(origins: Origins, is_shared: bool) -> str:
    """Return the rest of a sentence about leases that others have bought; empty if there are
    none.
    """
    if not origins.foreign:
        return ""
    verb = "was" if origins.foreign == 1 else "were"
    return f"; {origins.foreign} of them {verb} not bought by this store: {_who_else(is_shared)}"


def unexplained_addresses(number: int, is_shared: bool) -> str:
    """Return the rest of a sentence about addresses that others have used up; empty if there are
    none.
    """
    if not number:
        return ""
    return (
        f"; {number} more used up within a day than this store has bought: {_who_else(is_shared)}"
    )


def _who_else(is_shared: bool) -> str:
    if is_shared:
        return "others use the key, as qg_shared_key says"
    return (
        "somebody else uses the key. If nobody should, replace the key in QG.net's user center; "
        "if it is shared on purpose, set qg_shared_key=true"
    )


def unexplained_fall(client: Leases, balance: int) -> int:
    """Return by how many addresses the balance of a plan fell lately beyond what this store has
    bought.
    """
    caller = client.caller
    facts = caller.host_facts
    now = caller.store.now()
    earlier = facts.read(BALANCE, lambda text: BalanceReading(**json.loads(text)))
    # Older rows of the journal may have been deleted.
    window = min(BALANCE_WINDOW, seconds_kept() - BALANCE_LAG)
    reading = next_reading(earlier, balance, now, window)
    facts.save(BALANCE, json.dumps(dataclasses.asdict(reading)))
    bought = bought_since(caller.store, caller.key_digest, reading.at - BALANCE_LAG)
    return unexplained(reading, bought.at_most)


def _must_name_tasks(going: Collection[Lease], staying: Collection[Lease]) -> bool:
    """Return whether a release has to name tasks, since another lease has the same address.

    Raises QgError if neither addresses nor tasks name these leases alone: a call without a name, or
    with ``*``, might release all.
    """
    nameless = [lease.server for lease in going if not _ADDRESS.fullmatch(lease.ip)]
    if nameless:
        raise QgError(
            f"QG.net's list does not name the exit address of {format_sample(nameless)}, and "
            "leases are released by address. Change the exit in the user center, or wait until the "
            "leases end."
        )
    kept_ips = {lease.ip for lease in staying}
    if kept_ips.isdisjoint(lease.ip for lease in going):
        return False
    kept_tasks = {lease.task_id for lease in staying}
    shared = sorted(lease.ip for lease in going if lease.ip in kept_ips)
    for lease in going:
        if not _TASK.fullmatch(lease.task_id) or lease.task_id in kept_tasks:
            raise QgError(
                f"{format_sample(shared)}: another lease that must stay has the same address, and "
                "no task names these leases alone, so QG.net would release both. Release both, or "
                "wait until one of them ends."
            )
    return True
