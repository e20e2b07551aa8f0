# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What others have bought with the same key, read from QG.net's list or balance and the journal."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections import defaultdict
from collections.abc import Iterable

from .._api.lease_client import Leases
from .._api.leases import Lease, oldest_first
from .._api.parsing import parse_vendor_time
from .._paid.holdings import Holdings
from .._paid.journal import seconds_kept
from .._paid.snapshot import OpenCall
from .._spending.caps import bought_since
from .._spending.ledger import ledger
from .._store.facts import BALANCE
from .._store.store import StateError
from .api import LeaseApi
from .origin import (
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


def leases_with_origins(client: Leases) -> tuple[list[Lease], Origins]:
    """Return the leases of a key, as :func:`held_leases` does, and who has bought them, by their
    names.
    """
    holdings = Holdings(LeaseApi(client))
    holdings.read()
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
