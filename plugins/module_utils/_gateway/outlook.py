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
from .._core.checks import parse_minutes
from .._leases.api import LeaseApi
from .._paid.caps import recent_purchases
from .._paid.evidence import MISSED_APART
from .._paid.forecast import Budget, Demand, forecast
from .._paid.holdings import Holdings
from .._store.installations import Installation, Installations
from .declaration import Pool
from .records import key_digest, recorded

#: Seconds for which the journal is asked how long leases last.
_MONTH = 30 * 86400.0


def outlook(client: Leases, key: str, cap: int | None, quota: Quota | None = None) -> str:
    """Return the sentence about what the gateways and lists of the key of a client need; empty
    without any.
    """
    caller = client.caller
    demands, unknown = demands_of(client, key)
    if unknown:
        return (
            f"How many leases a day the {unknown[0].name} of {unknown[0].host} needs is known when "
            "this store has bought the first one, since plans differ in how long leases last."
        )
    recent = recent_purchases(caller.store, caller.key_digest)
    budget = Budget(cap, recent)
    if quota is not None and quota.balance is not None:
        budget = dataclasses.replace(budget, balance=quota.balance)
    elif quota is not None:
        budget = dataclasses.replace(budget, channels=quota.total)
    return forecast(demands, budget)


def demands_of(client: Leases, key: str) -> tuple[list[Demand], list[Installation]]:
    """Return what the installations with a key need: equal pools share their leases, as in a
    refresh.

    Those of which it is not known how long leases last come second.
    """
    store = client.caller.store
    digest = key_digest(store, key)
    demands: dict[tuple[object, ...], Demand] = {}
    unknown = []
    for installation in Installations(store).standing():
        declared = recorded(installation)
        for pool in declared.pools:
            if installation.keys.get(pool.name) != digest:
                continue
            api = LeaseApi(client)
            life = _life(api, pool)
            if life is None:
                unknown.append(installation)
                continue
            drain = pool.drain
            interval = declared.interval
            if not api.ends_by_itself:
                # It is replaced when the list does not show it any more.
                drain = 0
                interval += int(MISSED_APART)
            terms = (pool.areas, pool.isp, pool.keep_alive, pool.ignore_quota)
            other = demands.get(terms, Demand(0, life, 0, math.inf))
            demands[terms] = Demand(
                count=max(pool.count, other.count),
                life=life,
                drain=max(drain, other.drain),
                interval=min(interval, other.interval),
            )
    return [*demands.values()], unknown


def _life(api: LeaseApi, pool: Pool) -> float | None:
    """Return the seconds that new leases of a pool last; None if that is unknown."""
    holdings = Holdings(api)
    keep_alive = None
    if pool.keep_alive is not None:
        keep_alive = int(parse_minutes("keep_alive", pool.keep_alive))
    observed = holdings.journal.lasting(keep_alive, _MONTH)
    if observed is not None:
        return observed
    if keep_alive is not None:
        return keep_alive * 60.0
    if api.ends_by_itself:
        return api.lifetime
    return _until_deadline(holdings)


def _until_deadline(holdings: Holdings[Lease]) -> float | None:
    """Return the seconds between the purchase and the deadline of leases that may be held after
    it.
    """
    longest = None
    for report in holdings.journal.reports(holdings.api.span):
        deadline = parse_vendor_time(report.data.ends)
        if report.is_purchase and deadline is not None:
            longest = max(longest or 0.0, deadline.timestamp() - report.data.data["seen_at"])
    return longest
