# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decides which leases a key should hold, and what has to change. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .._api.areas import NamedArea, is_inside
from .._api.leases import ISP_NUMBERS, AllocationParams, Lease, oldest_first
from .._core.errors import QgError
from .._core.text import format_sample

#: The maximum number of leases that one call can request (vendor doc 174).
MAX_PER_CALL = 100


@dataclass(frozen=True)
class Origin:
    """The parameters with which a task of leases was requested."""

    areas: tuple[str, ...] = ()
    isp: str | None = None


@dataclass(frozen=True)
class DesiredLeases:
    """At least ``count`` live leases that match the areas and the provider of ``params``.

    ``min_remaining`` is in minutes. With ``exact``, at most ``count`` leases may match. ``on_uncertain`` says what to
    do with leases of which it is unknown whether they match: ``fail``, ``ignore`` or ``match``. ``exclude_ips`` are the
    exits or servers of leases that never match.
    """

    count: int
    params: AllocationParams = field(default_factory=AllocationParams)
    min_remaining: float = 0
    exact: bool = False
    on_uncertain: str = "fail"
    exclude_ips: frozenset[str] = frozenset()

    def excludes(self, lease: Lease) -> bool:
        """Whether a lease never matches because of its address."""
        return not lease.is_usable or bool({lease.ip, lease.server} & self.exclude_ips)


@dataclass(frozen=True)
class NamedLeases:
    """The leases that the option ``ips`` (exit IPs and servers) or ``task_ids`` names; call it with a lease."""

    option: str
    names: frozenset[str]

    def __call__(self, lease: Lease) -> bool:
        return not self.names.isdisjoint(self._names_of(lease))

    def missing_from(self, leases: Iterable[Lease]) -> list[str]:
        """Return the names that belong to none of these leases, sorted."""
        return sorted(self.names.difference(*map(self._names_of, leases)))

    def _names_of(self, lease: Lease) -> tuple[str, ...]:
        return (lease.ip, lease.server) if self.option == "ips" else (lease.task_id,)


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


def _in_one_of(lease: Lease, wanted: Collection[str], origin: Origin, names: Mapping[str, str]) -> bool | None:
    """Whether a lease is in one of these areas; None if that is unknown.

    Its own code decides, or else those that it was requested with, or else the names in its region.
    """
    if lease.area_code:
        return _any_inside([lease.area_code], wanted)
    results = {_any_inside([code], wanted) for code in origin.areas}
    if results in ({True}, {False}):
        return results.pop()
    return _any_inside(_codes_of(lease.region or "", names), wanted)


def _any_inside(codes: Collection[str], wanted: Collection[str]) -> bool | None:
    """Whether one of these codes is that of a wanted area or of a part of one; None if that is unknown."""
    results = [is_inside(code, area) for area in wanted for code in codes]
    return True if True in results else None if None in results or not codes else False


def _codes_of(region: str, names: Mapping[str, str]) -> list[str]:
    """Return the codes of the smallest areas whose names occur in a region."""
    named = {code for name, code in names.items() if name in region}
    return [code for code in named if not any(is_inside(other, code) for other in named - {code})]


def _is_of_kind(
    lease: Lease,
    desired: DesiredLeases,
    origins: Mapping[str, Origin],
    names: Mapping[str, str],
    requested: Collection[str],
) -> bool | None:
    if desired.excludes(lease):
        return False
    if lease.name in requested:
        return True
    origin = origins.get(lease.task_id, Origin())
    results: list[bool | None] = []
    if areas := desired.params.areas:
        results.append(_in_one_of(lease, areas, origin, names))
    if desired.params.exclude_areas:
        found = _in_one_of(lease, desired.params.exclude_areas, origin, names)
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
    names: Mapping[str, str],
    requested: Collection[str] = (),
) -> LeaseMatch:
    """Compare the held leases with the desired state. ``names`` are the vendor's names of areas, with their codes.

    The leases that were ``requested`` with the same terms (names) match, wherever the vendor lists them: it would list
    others there as well, and each run would pay again.
    """
    found: dict[tuple[bool | None, bool], list[Lease]] = {}
    for lease in oldest_first(held):
        kind, remaining = _is_of_kind(lease, desired, origins, names, requested), lease.remaining(now)
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
    if desired.on_uncertain == "match":
        matching += found.undetermined
        expiring += found.undetermined_expiring
    missing = max(0, desired.count - len(matching))
    # With exact, an undetermined lease may be a surplus. Without, it matters only if leases are missing.
    undetermined = [*found.undetermined, *(found.undetermined_expiring if desired.exact else ())]
    if undetermined and desired.on_uncertain == "fail" and (missing or desired.exact):
        raise QgError(
            f"{len(undetermined)} held leases may match, but the vendor's list does not show whether they do: "
            f"{format_leases(undetermined)}. Set on_uncertain=match to count them, on_uncertain=ignore to leave them "
            "out, or release them."
        )
    excess = max(0, len(matching) - desired.count) if desired.exact else 0
    keep = oldest_first(matching)
    surplus = [*(expiring if desired.exact else ()), *keep[:excess]]
    return Plan(tuple(keep[excess:]), missing, tuple(oldest_first(surplus)))


def codes_by_name(areas: Collection[NamedArea]) -> dict[str, str]:
    """Return the names of areas with their codes, without names that several areas have."""
    codes: dict[str, set[str]] = {}
    for code, name in areas:
        codes.setdefault(name or "", set()).add(code)
    return {name: found.pop() for name, found in codes.items() if name and len(found) == 1}


def format_leases(leases: Sequence[Lease]) -> str:
    """Return the addresses of leases for a message."""
    return format_sample([lease.ip for lease in leases])
