# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which held resources match what is wanted, and what has to change. Pure functions, the same for all kinds.

The vendor's lists do not always show whether a resource matches. The user then decides, since a wrong guess costs
money.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from .._api.leases import ISP_NUMBERS, AllocationParams, NamedArea, is_inside
from .._core.errors import QgError
from .._core.text import format_sample

#: The codes of areas by their names, which are only read if they decide.
Areas = Callable[[], Mapping[str, str]]


class Traits(NamedTuple):
    """What is known of a resource: its place, its ISP and its addresses, the seconds left, and what it was bought as.

    ``code`` is that of its area, and ``place`` the vendor's name of it. ``label`` names it in messages.
    """

    label: str
    code: str | None
    place: str | None
    isp: str | None
    terms: AllocationParams | None = None
    addresses: frozenset[str] = frozenset()
    remaining: float | None = None
    is_usable: bool = True


@dataclass(frozen=True)
class Plan:
    """The names to keep, how many are missing, and the names to release.

    It is ``unclear`` whether some match: the ``error`` says so if something depends on it. ``elsewhere`` are those to
    keep that the list shows as not matching.
    """

    keep: Collection[str]
    missing: int
    surplus: Collection[str]
    unclear: Collection[str]
    elsewhere: Collection[str]
    error: QgError | None

    def decided(self) -> Plan:
        """Return the plan; raises QgError if it depends on a resource of which it is unknown if it matches."""
        if self.error:
            raise self.error
        return self


@dataclass(frozen=True)
class Desired:
    """At least ``count`` resources that match the areas and the provider of ``params``.

    ``min_remaining`` is in minutes. With ``exact``, at most ``count`` may match. ``on_uncertain`` says what to do with
    those of which it is unknown whether they match: ``fail``, ``ignore`` or ``match``. Those with an address in
    ``exclude_ips`` never match.
    """

    count: int
    params: AllocationParams = field(default_factory=AllocationParams)
    min_remaining: float = 0
    exact: bool = False
    on_uncertain: str = "fail"
    exclude_ips: frozenset[str] = frozenset()

    def plan(self, held: Mapping[str, Traits], areas: Areas, bought: Collection[str] = ()) -> Plan:
        """Return what has to change. What this run has ``bought`` counts in any case."""
        first_to_end = sorted(held, key=lambda name: _end(held[name]))
        shown = {name: self._is_shown(held[name], areas) for name in first_to_end}
        alike = {name: self._matches(held[name], is_shown) for name, is_shown in shown.items()}
        accepted = (True, None) if self.on_uncertain == "match" else (True,)
        counted = [name for name, found in alike.items() if name in bought or found in accepted]
        keep = [name for name in counted if name in bought or self._lasts(held[name]) is not False]
        missing = max(0, self.count - len(keep))
        surplus = list[str]()
        if self.exact:
            keep = keep[max(0, len(keep) - self.count) :]
            surplus = [name for name in counted if name not in keep]
        unclear = [name for name, found in alike.items() if found is None and name not in bought]
        elsewhere = [name for name in keep if shown[name] is False and not self.excludes(held[name])]
        error = self._undecided([held[name] for name in unclear]) if missing or self.exact else None
        return Plan(keep, missing, surplus, unclear, elsewhere, error)

    def excludes(self, one: Traits) -> bool:
        """Whether a resource never matches because of its address."""
        return not one.is_usable or bool(one.addresses & self.exclude_ips)

    def _undecided(self, unclear: Iterable[Traits]) -> QgError | None:
        labels = [one.label for one in unclear if self.exact or self._lasts(one) is not False]
        if not labels or self.on_uncertain != "fail":
            return None
        return QgError(
            f"{len(labels)} held ones may match, but the vendor's list does not show whether they do: "
            f"{format_sample(labels)}. Set on_uncertain=match to count them, on_uncertain=ignore to leave them out, or "
            "release them."
        )

    def _lasts(self, one: Traits) -> bool | None:
        """Whether it lasts long enough; None if its end is unknown."""
        if not self.min_remaining:
            return True
        return None if one.remaining is None else one.remaining >= self.min_remaining * 60

    def _matches(self, one: Traits, is_shown: bool | None) -> bool | None:
        """Whether it matches, apart from a known end; None if that is unknown.

        What was requested with the same terms matches, wherever the vendor lists it: another one would be listed there
        as well, and each run would pay again.
        """
        if self.excludes(one):
            return False
        if one.terms and any(place_of(self.params)) and place_of(one.terms) == place_of(self.params):
            is_shown = True
        return None if is_shown and self._lasts(one) is None else is_shown

    def _is_shown(self, one: Traits, areas: Areas) -> bool | None:
        """Whether its place is as desired, by what the vendor shows of it, or else by what it was bought as."""
        if self.excludes(one):
            return False
        terms, results = self.params, list[bool | None]()
        if terms.isp:
            # An unknown name may be a company that belongs to a known provider, so what was requested counts.
            isp = one.isp if one.isp in ISP_NUMBERS else one.terms and one.terms.isp
            results.append(None if isp is None else isp == terms.isp)
        if terms.areas and False not in results:
            results.append(_is_in(one, terms.areas, areas))
        if terms.exclude_areas and False not in results:
            found = _is_in(one, terms.exclude_areas, areas)
            results.append(None if found is None else not found)
        return False if False in results else None if None in results else True


def codes_by_name(areas: Collection[NamedArea]) -> dict[str, str]:
    """Return the names of areas with their codes, without names that several areas have."""
    codes: dict[str, set[str]] = {}
    for code, name in areas:
        codes.setdefault(name or "", set()).add(code)
    return {name: found.pop() for name, found in codes.items() if name and len(found) == 1}


def place_of(terms: AllocationParams) -> tuple[object, ...]:
    """Return what is requested of the place of a resource."""
    return terms.areas, terms.exclude_areas, terms.isp


def _end(one: Traits) -> float:
    return math.inf if one.remaining is None else one.remaining


def _is_in(one: Traits, wanted: Collection[str], areas: Areas) -> bool | None:
    """Whether it is in one of the areas: by its code, or the areas it was bought for, or the names in its place."""
    if one.code:
        return _any_inside([one.code], wanted)
    found = {_any_inside([code], wanted) for code in (one.terms.areas if one.terms else ())}
    if found in ({True}, {False}):
        return found.pop()
    named = {code for name, code in areas().items() if name in (one.place or "")}
    smallest = [code for code in named if not any(is_inside(other, code) for other in named - {code})]
    return _any_inside(smallest, wanted)


def _any_inside(codes: Collection[str], wanted: Collection[str]) -> bool | None:
    results = [is_inside(code, area) for area in wanted for code in codes]
    return True if True in results else None if None in results or not codes else False
