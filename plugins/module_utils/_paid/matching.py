# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which held resources match what is wanted, and what has to change. Pure functions, the same for all kinds.

The vendor's lists do not always show whether a resource matches. The user then decides, since a wrong guess costs
money.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from .._api.leases import ISP_NUMBERS, AllocationParams, NamedArea, is_inside
from .._core.errors import QgError
from .._core.text import format_sample


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

    def excludes(self, one: Traits) -> bool:
        """Whether a resource never matches because of its address."""
        return not one.is_usable or bool(one.addresses & self.exclude_ips)


@dataclass(frozen=True)
class Plan:
    """The names to keep, how many are missing, and the names to release.

    It is ``unclear`` whether some match, and ``elsewhere`` are those to keep that the list shows as not matching.
    """

    keep: Collection[str]
    missing: int
    surplus: Collection[str] = ()
    unclear: Collection[str] = ()
    elsewhere: Collection[str] = ()


def codes_by_name(areas: Collection[NamedArea]) -> dict[str, str]:
    """Return the names of areas with their codes, without names that several areas have."""
    codes: dict[str, set[str]] = {}
    for code, name in areas:
        codes.setdefault(name or "", set()).add(code)
    return {name: found.pop() for name, found in codes.items() if name and len(found) == 1}


def plan(
    held: Mapping[str, Traits],
    desired: Desired,
    areas: Callable[[], Mapping[str, str]],
    *,
    bought: Collection[str] = (),
    every: bool = False,
) -> Plan:
    """Return what has to change; raises QgError if that depends on a resource of which it is unknown if it matches.

    ``held`` is sorted, the first to end first. What this run has ``bought`` counts in any case. The codes of ``areas``
    by their names are only read if they may decide; with ``every``, whether each one matches.
    """
    shown = {name: _is_shown(one, desired, {}) for name, one in held.items()}
    enough = sum(_counts(held[name], desired, is_shown) for name, is_shown in shown.items()) >= desired.count
    terms = desired.params
    if None in shown.values() and (terms.areas or terms.exclude_areas) and (every or desired.exact or not enough):
        names = areas()
        shown = {name: _is_shown(one, desired, names) for name, one in held.items()}
    alike = {name: _matches(held[name], desired, is_shown) for name, is_shown in shown.items()}
    accepted = (True, None) if desired.on_uncertain == "match" else (True,)
    keep = [
        name
        for name, found in alike.items()
        if name in bought or (found in accepted and _lasts(held[name], desired) is not False)
    ]
    missing = max(0, desired.count - len(keep))
    unclear = [name for name, found in alike.items() if found is None and name not in bought]
    open_ones = [name for name in unclear if desired.exact or _lasts(held[name], desired) is not False]
    if open_ones and desired.on_uncertain == "fail" and (missing or desired.exact):
        raise QgError(
            f"{len(open_ones)} held ones may match, but the vendor's list does not show whether they do: "
            f"{format_sample([held[name].label for name in open_ones])}. Set on_uncertain=match to count them, "
            "on_uncertain=ignore to leave them out, or release them."
        )
    elsewhere = [name for name in keep if shown[name] is False and not desired.excludes(held[name])]
    if not desired.exact:
        return Plan(keep, missing, (), unclear, elsewhere)
    kept = keep[max(0, len(keep) - desired.count) :]
    counted = [name for name, found in alike.items() if found in accepted or name in bought]
    return Plan(kept, missing, [name for name in counted if name not in kept], unclear, elsewhere)


def place_of(terms: AllocationParams) -> tuple[object, ...]:
    """Return what is requested of the place of a resource."""
    return terms.areas, terms.exclude_areas, terms.isp


def _lasts(one: Traits, desired: Desired) -> bool | None:
    """Whether it lasts long enough; None if its end is unknown."""
    if not desired.min_remaining:
        return True
    return None if one.remaining is None else one.remaining >= desired.min_remaining * 60


def _counts(one: Traits, desired: Desired, is_shown: bool | None) -> bool:
    return _matches(one, desired, is_shown) is True and _lasts(one, desired) is True


def _matches(one: Traits, desired: Desired, is_shown: bool | None) -> bool | None:
    """Whether it matches, apart from a known end; None if that is unknown.

    What was requested with the same terms matches, wherever the vendor lists it: another one would be listed there as
    well, and each run would pay again.
    """
    if desired.excludes(one):
        return False
    if one.terms and any(place_of(desired.params)) and place_of(one.terms) == place_of(desired.params):
        is_shown = True
    return None if is_shown and _lasts(one, desired) is None else is_shown


def _is_shown(one: Traits, desired: Desired, areas: Mapping[str, str]) -> bool | None:
    """Whether its place is as desired, by what the vendor shows of it, or else by what it was bought as."""
    if desired.excludes(one):
        return False
    terms, results = desired.params, list[bool | None]()
    if terms.areas:
        results.append(_is_in(one, terms.areas, areas))
    if terms.exclude_areas:
        found = _is_in(one, terms.exclude_areas, areas)
        results.append(None if found is None else not found)
    if terms.isp:
        # An unknown name may be a company that belongs to a known provider, so what was requested counts.
        isp = one.isp if one.isp in ISP_NUMBERS else one.terms and one.terms.isp
        results.append(None if isp is None else isp == terms.isp)
    return False if False in results else None if None in results else True


def _is_in(one: Traits, wanted: Collection[str], areas: Mapping[str, str]) -> bool | None:
    """Whether it is in one of the areas: by its code, or the areas it was bought for, or the names in its place."""
    if one.code:
        return _any_inside([one.code], wanted)
    found = {_any_inside([code], wanted) for code in (one.terms.areas if one.terms else ())}
    if found in ({True}, {False}):
        return found.pop()
    named = {code for name, code in areas.items() if name in (one.place or "")}
    smallest = [code for code in named if not any(is_inside(other, code) for other in named - {code})]
    return _any_inside(smallest, wanted)


def _any_inside(codes: Collection[str], wanted: Collection[str]) -> bool | None:
    results = [is_inside(code, area) for area in wanted for code in codes]
    return True if True in results else None if None in results or not codes else False
