# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the policy decides by: the leases of a set, and what is known of their exits."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping

from .._api.leases import Lease
from .._paid.holdings import Holdings
from .._paid.matching import Desired
from .lease_sets import LeaseSet
from .policy import Cause, Exit, PoolState
from .sightings import SEEN_FOR


def is_well(state: PoolState, exits: Iterable[Exit]) -> bool:
    """Whether nothing is known against any exit."""
    return state.pause is None and not state.bad and all(each.works is not False for each in exits)


def _reported(state: PoolState, exits: Iterable[Exit]) -> set[str]:
    """Return the servers that clients have reported, whether they were replaced or not."""
    reported = {server for server, bad in state.bad.items() if bad.cause is Cause.REPORTED}
    return reported.union(each.server for each in exits if each.cause is Cause.REPORTED)


def forgiven(state: PoolState, lease_set: LeaseSet, exits: Iterable[Exit], now: float) -> PoolState:
    """Return the state without what this run lets be forgotten."""
    if any(need.is_reconfigured for need in lease_set.needs):
        # The exits are as good as new ones, of which nothing is known yet.
        state = dataclasses.replace(state, pause=None)
    if any(need.forgets_reports for need in lease_set.needs):
        state = state.forgetting(_reported(state, exits), now)
    return state


def matching(holdings: Holdings[Lease], desired: Desired, drain: float) -> dict[str, bool]:
    """Return whether each lease of the set lasts, by its server.

    Leases that do not match the areas and the provider of the set are left out, since they may
    serve other pools. A set without either holds all leases of the key, whatever their duration.
    """
    traits = holdings.traits()
    lasts_by_server = {}
    for name in dataclasses.replace(desired, min_remaining=0).plan(traits, holdings.areas).keep:
        remaining = traits[name].remaining
        lasts_by_server[holdings.held[name].server] = remaining is None or remaining >= drain
    return lasts_by_server


def new_servers(holdings: Holdings[Lease], lease_set: LeaseSet) -> set[str]:
    """Return the servers of leases that were bought so lately that a run may have yet to serve
    them.
    """
    since = holdings.now() - SEEN_FOR * lease_set.interval
    servers = set()
    for record in holdings.snapshot.records:
        if record.is_bought and record.at > since and record.name in holdings.held:
            servers.add(holdings.held[record.name].server)
    return servers


def live_exits(
    lasts_by_server: Mapping[str, bool],
    new: Collection[str],
    bad: Collection[str],
    seen: Mapping[str, Exit],
) -> list[Exit]:
    """Return the exits of leases that are held, as far as anything is known of them."""
    live = []
    for server, lasts in sorted(lasts_by_server.items()):
        if server in seen or server in bad:
            known = seen.get(server) or Exit(server, works=None)
            live.append(dataclasses.replace(known, ends_soon=not lasts))
        elif server in new:
            # Another run has just bought it. It may work, and is no spare exit of this set.
            live.append(Exit(server, works=None, ends_soon=True))
    return live
