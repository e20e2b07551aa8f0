# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the gateways and lists of a key need in a day, as they are recorded in the store."""

from __future__ import annotations

import dataclasses
import math

from .._api.lease_client import Leases
from .._api.leases import Lease, Quota
from .._api.parsing import parse_vendor_time
from .._leases.api import LeaseApi
from .._paid.holdings import Holdings
from .._paid.journal_reader import LAST_PURCHASES
from .._paid.lifetime import MONTH
from .._paid.snapshot import MISSING_APART
from .._spending.caps import recent_purchases
from .._spending.forecast import Budget, Demand, forecast
from .._store.installations import Installation, Installations
from .records import key_digest, recorded


def outlook(client: Leases, key: str, cap: int | None, quota: Quota | None = None) -> str:
    """Return the sentence about what the gateways and lists of the key of a client need; empty
    without any.
    """
    demands, unknown = demands_of(client, key)
    if unknown:
        return (
            f"How many leases a day the {unknown[0].name} of {unknown[0].host} needs is known when "
            "this store has bought the first one, since plans differ in how long leases last."
        )
    budget = Budget(cap, recent_purchases(client.caller.store, client.caller.key_digest))
    if quota is not None and quota.balance is not None:
        budget = dataclasses.replace(budget, balance=quota.balance)
    elif quota is not None:
        budget = dataclasses.replace(budget, channels=quota.total)
    return forecast(demands, budget)


def demands_of(client: Leases, key: str) -> tuple[list[Demand], list[Installation]]:
    """Return what the installations with a key need, and those of which it is not known how long
    their leases last.

    Pools with the same terms share their leases, as in a refresh.
    """
    store = client.caller.store
    digest = key_digest(store, key)
    holdings = Holdings(LeaseApi(client))
    demands: dict[tuple[object, ...], Demand] = {}
    unknown = []
    for installation in Installations(store).standing():
        declared = recorded(installation)
        for pool in declared.pools:
            if installation.keys.get(pool.name) != digest:
                continue
            life = holdings.journal.lifetime(pool.keep_alive, MONTH)
            if life is None and not holdings.api.ends_by_itself:
                life = _until_deadline(holdings)
            if life is None:
                unknown.append(installation)
                continue
            drain = pool.drain
            interval = declared.interval
            if not holdings.api.ends_by_itself:
                # Such a lease is replaced when the list does not show it any more.
                drain = 0
                interval += int(MISSING_APART)
            demand = demands.get(pool.terms, Demand(0, life, 0, math.inf))
            count = max(pool.count, demand.count)
            awake = max(0 if pool.idle else pool.count, demand.count - demand.may_sleep)
            demands[pool.terms] = Demand(
                count=count,
                life=life,
                drain=max(drain, demand.drain),
                interval=min(interval, demand.interval),
                may_sleep=count - awake,
            )
    return [*demands.values()], unknown


def _until_deadline(holdings: Holdings[Lease]) -> float | None:
    """Return the seconds from the purchase to the deadline of leases that may be held after it: the
    shortest of the last ones; None if none was bought.
    """
    lives = []
    for record in holdings.journal.records(holdings.api.span):
        if not record.is_bought:
            continue
        deadline = parse_vendor_time(record.data.ends)
        if deadline is not None:
            lives.append(deadline.timestamp() - record.data.data["seen_at"])
    return min(lives[-LAST_PURCHASES:], default=None)
