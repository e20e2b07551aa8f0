# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which leases a key shall hold, and what has to change for that: pure decisions.

This file is private to the collection. How they are carried out stands in ``_leases/actions.py``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .._api.classic.models import Area, Lease
from .._core.errors import QgError
from .._store.lease_store import Origin

#: Leases that one call can ask for (vendor doc 174).
MAX_PER_CALL = 100


@dataclass(frozen=True)
class Terms:
    """What new leases are asked for with; ``keep_alive`` in minutes."""

    keep_alive: int | None = None
    area_id: int | None = None
    isp: str | None = None
    distinct: bool = False


@dataclass(frozen=True)
class Wish:
    """At least ``count`` live leases of a kind: of the area and provider of ``terms``, and of ``task_ids`` if given.

    ``min_remaining`` is in minutes. ``exact`` wants no more than ``count`` of that kind. ``undetermined`` says what to
    do with a lease whose kind nobody can tell: fail, ignore it, or let it match.
    """

    count: int
    terms: Terms = Terms()
    min_remaining: int = 0
    task_ids: frozenset[str] = frozenset()
    exact: bool = False
    undetermined: str = "fail"


@dataclass(frozen=True)
class Sorted:
    """What is held, seen from a wish; each oldest deadline first.

    ``fit`` count for it. ``stale`` are of its kind, but end too soon. Nobody can tell whether the others are of its
    kind: ``unsure`` would count then, ``unsure_stale`` would not.
    """

    fit: tuple[Lease, ...] = ()
    stale: tuple[Lease, ...] = ()
    unsure: tuple[Lease, ...] = ()
    unsure_stale: tuple[Lease, ...] = ()


def oldest_first(leases: Iterable[Lease]) -> list[Lease]:
    """By deadline; those without one that can be read come last."""

    def rank(lease: Lease) -> tuple[float, tuple[str, str, str]]:
        return (lease.expires.timestamp() if lease.expires else math.inf, lease.identity)

    return sorted(leases, key=rank)


def _in_area(lease: Lease, area_id: int, origin: Origin, names: Mapping[str, int]) -> bool | None:
    """Whether a lease is in an area: remembered, or told by its region, or not known."""
    if origin.area_id is not None:
        return origin.area_id == area_id
    region = lease.region or ""
    wanted = [name for name, number in names.items() if number == area_id]
    if any(name in region for name in wanted):
        return True
    # A province contains its cities: a lease that only the province is told of may be in the city.
    named = [name for name in names if name in region]
    if not wanted or not named or any(name in city for city in wanted for name in named):
        return None
    return False


def _of_kind(lease: Lease, wish: Wish, origins: Mapping[str, Origin], names: Mapping[str, int]) -> bool | None:
    known = origins.get(lease.task_id)
    origin = known or Origin()
    told: list[bool | None] = []
    if wish.task_ids:
        named = lease.task_id in wish.task_ids or bool(origin.successor_of & wish.task_ids)
        told.append(named or (False if known else None))
    if wish.terms.area_id is not None:
        told.append(_in_area(lease, wish.terms.area_id, origin, names))
    if wish.terms.isp:
        isp = lease.isp or origin.isp
        told.append(None if isp is None else isp == wish.terms.isp)
    return False if False in told else None if None in told else True


def sort(
    held: Iterable[Lease], wish: Wish, now: float, origins: Mapping[str, Origin], names: Mapping[str, int]
) -> Sorted:
    """Tell which of the held leases count for a wish. ``names`` are those of the vendor's areas, with their numbers."""
    found: dict[tuple[bool | None, bool], list[Lease]] = {}
    for lease in oldest_first(held):
        kind, remaining = _of_kind(lease, wish, origins, names), lease.remaining(now)
        if wish.min_remaining and remaining is None and kind:
            kind = None
        enough = not wish.min_remaining or remaining is None or remaining >= wish.min_remaining * 60
        found.setdefault((kind, enough), []).append(lease)
    places = ((True, True), (True, False), (None, True), (None, False))
    return Sorted(*(tuple(found.get(place, ())) for place in places))


@dataclass(frozen=True)
class Plan:
    """How many leases to add, and which to give up, oldest deadline first."""

    keep: tuple[Lease, ...]
    missing: int
    surplus: tuple[Lease, ...]

    @property
    def changes(self) -> bool:
        """Whether anything has to be written."""
        return bool(self.missing or self.surplus)


def plan(found: Sorted, wish: Wish) -> Plan:
    """The difference between what was found and the wish; raises QgError where a lease has to be told and cannot."""
    fit, stale = list(found.fit), list(found.stale)
    if wish.undetermined == "match":
        fit += found.unsure
        stale += found.unsure_stale
    missing = max(0, wish.count - len(fit))
    # With exact, what cannot be told may be a surplus; without, it matters only where something is missing.
    doubtful = [*found.unsure, *(found.unsure_stale if wish.exact else ())]
    if doubtful and wish.undetermined == "fail" and (missing or wish.exact):
        raise QgError(
            f"{len(doubtful)} held leases may be what is wanted, but the vendor's list does not tell: {some(doubtful)}."
            " Set undetermined=match to count them, undetermined=ignore to leave them aside, or release them."
        )
    over = max(0, len(fit) - wish.count) if wish.exact else 0
    keep = oldest_first(fit)
    surplus = [*(stale if wish.exact else ()), *keep[:over]]
    return Plan(tuple(keep[over:]), missing, tuple(oldest_first(surplus)))


def names_of(areas: Collection[Area]) -> dict[str, int]:
    """The names of areas, with their numbers; a name of several areas tells nothing."""
    found: dict[str, int] = {}
    ambiguous = set()
    for area in areas:
        if area.name and area.area_id is not None and found.setdefault(area.name, area.area_id) != area.area_id:
            ambiguous.add(area.name)
    return {name: number for name, number in found.items() if name not in ambiguous}


def some(leases: Sequence[Lease]) -> str:
    """Their addresses, for a message."""
    shown = ", ".join(lease.ip for lease in leases[:10])
    return shown + (f" and {len(leases) - 10} more" if len(leases) > 10 else "")
