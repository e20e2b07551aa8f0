# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decides which leases a key should hold, and what has to change. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .._api.leases import ISP_NUMBERS, AllocationParams, Area, Lease, oldest_first
from .._core.errors import QgError
from .._core.text import format_sample

#: The maximum number of leases that one call can request (vendor doc 174).
MAX_PER_CALL = 100


@dataclass(frozen=True)
class Origin:
    """The parameters with which a task of leases was requested, and the tasks that it replaces."""

    area_id: int | None = None
    isp: str | None = None
    successor_of: frozenset[str] = frozenset()


@dataclass(frozen=True)
class DesiredLeases:
    """At least ``count`` live leases that match: the area and provider of ``params``, and ``task_ids`` if given.

    ``min_remaining`` is in minutes. With ``exact``, at most ``count`` leases may match. ``undetermined`` says what to
    do with leases of which it is unknown whether they match: ``fail``, ``ignore`` or ``match``. ``exclude_ips`` are the
    exits or servers of leases that never match.
    """

    count: int
    params: AllocationParams = field(default_factory=AllocationParams)
    min_remaining: float = 0
    task_ids: frozenset[str] = frozenset()
    exact: bool = False
    undetermined: str = "fail"
    exclude_ips: frozenset[str] = frozenset()

    def excludes(self, lease: Lease) -> bool:
        """Whether a lease never matches because of its address."""
        return bool({lease.ip, lease.server} & self.exclude_ips)


@dataclass(frozen=True)
class LeaseMatch:
    """The held leases, compared with the desired state; each group sorted by deadline, oldest first.

    ``matching`` leases count. ``expiring`` ones match, but end too soon. Of the others, it is unknown whether they
    match: ``undetermined`` ones last long enough, ``undetermined_expiring`` ones do not.
    """

    matching: tuple[Lease, ...] = ()
    expiring: tuple[Lease, ...] = ()
    undetermined: tuple[Lease, ...] = ()
    undetermined_expiring: tuple[Lease, ...] = ()


def _in_area(lease: Lease, area_id: int, origin: Origin, areas: Mapping[str, int]) -> bool | None:
    """Whether a lease is in an area, by its origin, or by its region if the origin is unknown; None if undetermined."""
    if origin.area_id is not None:
        return origin.area_id == area_id
    region = lease.region or ""
    wanted = [name for name, number in areas.items() if number == area_id]
    if any(name in region for name in wanted):
        return True
    # A province contains its cities: a lease whose region is a province may be in any of them.
    named = [name for name in areas if name in region]
    if not wanted or not named or any(name in city for city in wanted for name in named):
        return None
    return False


def _in_one_of(lease: Lease, codes: Collection[str], areas: Mapping[str, int]) -> bool | None:
    """Whether a lease of a product host is in one of these areas; None if that is unknown."""
    own = [lease.area_code] if lease.area_code else _codes_of(lease.region or "", areas)
    results = [_is_within(code, wanted) for wanted in codes for code in own]
    return True if True in results else None if None in results or not own else False


def _codes_of(region: str, areas: Mapping[str, int]) -> list[str]:
    """Return the codes of the smallest areas whose names occur in a region."""
    named = {str(code) for name, code in areas.items() if name in region}
    return [code for code in named if not any(_is_within(other, code) for other in named - {code})]


def _is_within(code: str, area: str) -> bool | None:
    """Whether the area with this code is in another one; None if that is unknown."""
    if code.isdecimal() != area.isdecimal():
        # One of them is the code of a country, such as US.
        return None

    def start(code: str) -> str:
        # Without its final zeros, the code of a province is the prefix of the codes of its cities.
        return re.sub(r"(?:00)+$", "", code)

    if code.startswith(start(area)):
        return True
    return None if area.startswith(start(code)) else False


def _is_of_kind(
    lease: Lease, desired: DesiredLeases, origins: Mapping[str, Origin], areas: Mapping[str, int]
) -> bool | None:
    if desired.excludes(lease):
        return False
    known = origins.get(lease.task_id)
    origin = known or Origin()
    results: list[bool | None] = []
    if desired.task_ids:
        named = lease.task_id in desired.task_ids or bool(origin.successor_of & desired.task_ids)
        results.append(named or (False if known else None))
    if desired.params.area_id is not None:
        results.append(_in_area(lease, desired.params.area_id, origin, areas))
    if desired.params.areas:
        results.append(_in_one_of(lease, desired.params.areas, areas))
    if desired.params.exclude_areas:
        found = _in_one_of(lease, desired.params.exclude_areas, areas)
        results.append(None if found is None else not found)
    if desired.params.isp:
        # An unknown name may be a company that belongs to a known provider, so the origin counts.
        isp = lease.isp if lease.isp in ISP_NUMBERS else origin.isp
        results.append(None if isp is None else isp == desired.params.isp)
    return False if False in results else None if None in results else True


def classify(
    held: Iterable[Lease],
    desired: DesiredLeases,
    now: float,
    origins: Mapping[str, Origin],
    areas: Mapping[str, int],
    *,
    ends_at_deadline: bool = True,
) -> LeaseMatch:
    """Compare the held leases with the desired state. ``areas`` are the vendor's names of areas, with their numbers.

    Without ``ends_at_deadline``, the end of a lease that is held after its deadline is unknown.
    """
    found: dict[tuple[bool | None, bool], list[Lease]] = {}
    for lease in oldest_first(held):
        kind, remaining = _is_of_kind(lease, desired, origins, areas), lease.remaining(now)
        if remaining is not None and remaining <= 0 and not ends_at_deadline:
            remaining = None
        if desired.min_remaining and remaining is None and kind:
            kind = None
        enough = not desired.min_remaining or remaining is None or remaining >= desired.min_remaining * 60
        found.setdefault((kind, enough), []).append(lease)
    groups = ((True, True), (True, False), (None, True), (None, False))
    return LeaseMatch(*(tuple(found.get(group, ())) for group in groups))


@dataclass(frozen=True)
class Plan:
    """How many leases to allocate, and which to release, oldest deadline first."""

    keep: tuple[Lease, ...]
    missing: int
    surplus: tuple[Lease, ...]


def plan(found: LeaseMatch, desired: DesiredLeases) -> Plan:
    """Return the required changes; raises QgError if they depend on an undetermined lease."""
    matching, expiring = list(found.matching), list(found.expiring)
    if desired.undetermined == "match":
        matching += found.undetermined
        expiring += found.undetermined_expiring
    missing = max(0, desired.count - len(matching))
    # With exact, an undetermined lease may be a surplus. Without, it matters only if leases are missing.
    undetermined = [*found.undetermined, *(found.undetermined_expiring if desired.exact else ())]
    if undetermined and desired.undetermined == "fail" and (missing or desired.exact):
        raise QgError(
            f"{len(undetermined)} held leases may match, but the vendor's list does not show whether they do: "
            f"{format_leases(undetermined)}. Set undetermined=match to count them, undetermined=ignore to leave them "
            "out, or release them."
        )
    excess = max(0, len(matching) - desired.count) if desired.exact else 0
    keep = oldest_first(matching)
    surplus = [*(expiring if desired.exact else ()), *keep[:excess]]
    return Plan(tuple(keep[excess:]), missing, tuple(oldest_first(surplus)))


def area_numbers(areas: Collection[Area]) -> dict[str, int]:
    """Return the names of areas with their numbers, without names that several areas have."""
    found: dict[str, int] = {}
    ambiguous = set()
    for area in areas:
        if area.name and area.area_id is not None and found.setdefault(area.name, area.area_id) != area.area_id:
            ambiguous.add(area.name)
    return {name: number for name, number in found.items() if name not in ambiguous}


def format_leases(leases: Sequence[Lease]) -> str:
    """Return the addresses of leases for a message."""
    return format_sample([lease.ip for lease in leases])
