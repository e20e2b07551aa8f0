# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When held leases were bought, and with which parameters, as the ledger shows it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .._api.leases import AllocationParams, Lease
from .._reconcile.held_leases import is_among
from .._store.journal import LedgerEntry, ledger
from .plan import format_leases
from .session import LeaseSession

#: The days of the ledger that are searched, one after the other, until all leases are found.
_DAYS = (1, 31, 400)


@dataclass(frozen=True)
class Purchase:
    """The age of a lease in seconds, and the parameters that it was requested with."""

    age: float
    params: AllocationParams


def purchases(session: LeaseSession, leases: Iterable[Lease]) -> dict[str, Purchase]:
    """Return the purchases of these leases by their names; those of other programs are not known."""
    store = session.api.rate_limiter.state
    now, found = store.now() + store.wall_ahead(), dict[str, Purchase]()
    left = list(leases)
    for days in _DAYS:
        if not left:
            break
        entries = ledger(store, {session.api.key_digest}, now - days * 86400)
        for entry in entries:
            # The latest purchase of an address is that of the lease.
            found.update({lease.name: _purchase(entry, now) for lease in left if is_among(lease, entry.received or {})})
        left = [lease for lease in left if lease.name not in found]
    return found


def _purchase(entry: LedgerEntry, now: float) -> Purchase:
    return Purchase(max(0.0, now - entry.at), AllocationParams.from_json(entry.request.get("terms") or {}))


def inherit(params: AllocationParams, old: AllocationParams) -> AllocationParams:
    """Return the parameters for the successor of a lease: of what they leave open, those of the lease."""
    is_placed = params.areas or params.exclude_areas
    return dataclasses.replace(
        params,
        keep_alive=old.keep_alive if params.keep_alive is None else params.keep_alive,
        isp=params.isp or old.isp,
        areas=params.areas if is_placed else old.areas,
        exclude_areas=params.exclude_areas if is_placed else old.exclude_areas,
    )


def successors(
    session: LeaseSession, leases: Sequence[Lease], params: AllocationParams
) -> dict[AllocationParams, list[Lease]]:
    """Return the leases by the parameters of their successors."""
    known, groups = purchases(session, leases), dict[AllocationParams, list[Lease]]()
    for lease in leases:
        old = known[lease.name].params if lease.name in known else AllocationParams()
        groups.setdefault(inherit(params, old), []).append(lease)
    return groups


class OlderThan:
    """Chooses the leases that were bought at least this many seconds ago; ``unknown`` are those without a purchase."""

    def __init__(self, session: LeaseSession, seconds: float) -> None:
        self._session = session
        self._seconds = seconds
        self._held = {lease.name for lease in session.held.values()}
        self._known = purchases(session, session.held.values())
        self.unknown: list[Lease] = []

    def __call__(self, lease: Lease) -> bool:
        """Whether a lease is old enough."""
        known = self._known if lease.name in self._held else purchases(self._session, [lease])
        if lease.name not in known and lease not in self.unknown:
            self.unknown.append(lease)
        return lease.name in known and known[lease.name].age >= self._seconds


def hints(
    aged: OlderThan | None, groups: Mapping[AllocationParams, Sequence[Lease]], *, by_vendor: bool
) -> tuple[str, ...]:
    """Return what a user should know: leases of unknown age, and leases that cannot all be succeeded by equal ones."""
    found = []
    if aged and aged.unknown:
        found.append(
            f"The age of {format_leases(aged.unknown)} is unknown, because this state has not recorded a purchase. "
            "Nothing was done with them: select leases of other programs with ips."
        )
    if by_vendor and len(groups) > 1:
        found.append(
            "The leases were requested with different properties, and the vendor selects which of them it replaces, so "
            "new ones inherit nothing: give areas, isp and keep_alive, or select the leases with ips."
        )
    return tuple(found)
