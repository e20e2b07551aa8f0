# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which held resources match what is wanted, and what has to change.

These are pure functions, the same for leases and reserved lines. QG.net's lists do not always show
whether a resource matches. The user then decides, since a wrong guess costs money.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from .._api.leases import ISP_NUMBERS, NamedArea, Terms, is_inside
from .._core.errors import QgError
from .._core.text import format_sample

#: The codes of areas by their names, which are only read if they decide.
Areas = Callable[[], Mapping[str, str]]


class Match(Enum):
    """Whether a resource is what is asked for; the value is None if that is not shown."""

    YES = True
    NO = False
    UNKNOWN = None

    @classmethod
    def all_of(cls, parts: Iterable[Match]) -> Match:
        """Return NO if one part does not match, else UNKNOWN if one is unknown, else YES."""
        matches = set(parts)
        for match in (cls.NO, cls.UNKNOWN):
            if match in matches:
                return match
        return cls.YES

    @classmethod
    def any_of(cls, parts: Iterable[Match]) -> Match:
        """Return YES if one part matches, else UNKNOWN if one is or there is none, else NO."""
        matches = set(parts)
        if cls.YES in matches:
            return cls.YES
        if matches == {cls.NO}:
            return cls.NO
        return cls.UNKNOWN

    def negated(self) -> Match:
        """Return the opposite; what is unknown stays unknown."""
        if self is Match.UNKNOWN:
            return self
        return Match(not self.value)


class Traits(NamedTuple):
    """What is known of a resource, and the terms that it was bought with, as far as it is known.

    ``code`` is that of its area, and ``place`` QG.net's name of it. ``label`` names it in messages.
    """

    label: str
    code: str | None
    place: str | None
    isp: str | None
    terms: Terms
    addresses: frozenset[str] = frozenset()
    remaining: float | None = None


@dataclass(frozen=True)
class Plan:
    """The names to keep, how many more are needed, and the names to release.

    It is ``unclear`` whether some match: the ``error`` says so if something depends on it.
    ``elsewhere`` are those to keep that the list shows as not matching.
    """

    keep: Collection[str]
    needed: int
    surplus: Collection[str]
    unclear: Collection[str]
    elsewhere: Collection[str]
    error: QgError | None

    def decided(self) -> Plan:
        """Return the plan.

        Raises QgError if it depends on a resource of which it is unknown if it matches.
        """
        if self.error:
            raise self.error
        return self


@dataclass(frozen=True)
class Desired:
    """At least ``count`` resources that match the areas and the provider of ``terms``.

    ``min_remaining`` is in minutes. With ``exact``, at most ``count`` may match. ``on_uncertain``
    says what to do with those of which it is unknown whether they match: ``fail``, ``ignore`` or
    ``match``. Those with an address in ``exclude_ips`` never match. A run buys ``at_most`` so many,
    if it is given.
    """

    count: int
    terms: Terms = field(default_factory=Terms)
    min_remaining: float = 0
    exact: bool = False
    on_uncertain: str = "fail"
    exclude_ips: frozenset[str] = frozenset()
    at_most: int | None = None

    def plan(
        self,
        held: Mapping[str, Traits],
        areas: Areas,
        bought: Collection[str] = (),
        missing: Collection[str] = (),
    ) -> Plan:
        """Return what has to change. What this run has ``bought`` counts in any case.

        What is ``missing`` may be held or not: it counts, so that nothing is bought for it, and
        nothing is released for it either.
        """
        accepted = {Match.YES}
        if self.on_uncertain == "match":
            accepted.add(Match.UNKNOWN)
        counted: list[str] = []
        keep: list[str] = []
        unclear: list[str] = []
        elsewhere: list[str] = []
        for name in sorted(held, key=lambda name: _end(held[name])):
            resource = held[name]
            if name in bought:
                keep.append(name)
            if not resource.addresses.isdisjoint(self.exclude_ips):
                continue
            shown = self._shown(resource, areas)
            if shown is Match.NO:
                elsewhere.append(name)
            if name in bought:
                continue
            match = self._match(resource, shown)
            if match is Match.UNKNOWN:
                unclear.append(name)
            if match in accepted:
                counted.append(name)
                if self.lasts(resource) is not Match.NO:
                    keep.append(name)
        needed = max(0, self.count - len(keep))
        if self.at_most is not None:
            needed = min(needed, max(0, self.at_most - len(bought)))
        surplus: list[str] = []
        if self.exact:
            # The last ones to end stay.
            certain = [name for name in keep if name not in missing]
            staying = {*missing, *certain[max(0, len(certain) - self.count) :]}
            surplus = [name for name in counted if name not in staying]
            keep = [name for name in keep if name in staying]
        error = None
        if needed or self.exact:
            error = self._undecided([held[name] for name in unclear])
        elsewhere = [name for name in elsewhere if name in keep]
        return Plan(keep, needed, surplus, unclear, elsewhere, error)

    def _undecided(self, unclear: Iterable[Traits]) -> QgError | None:
        if self.on_uncertain != "fail":
            return None
        labels = []
        causes = set()
        for resource in unclear:
            lasts = self.lasts(resource)
            if self.exact or lasts is not Match.NO:
                labels.append(resource.label)
                causes.add(lasts)
        if not labels:
            return None
        cause = "QG.net's list does not show whether they do"
        if causes == {Match.UNKNOWN}:
            cause = "QG.net shows no deadline of them that can be true"
        return QgError(
            f"{len(labels)} held ones may match, but {cause}: {format_sample(labels)}. Set "
            "on_uncertain=match to count them, on_uncertain=ignore to leave them out, or release "
            "them."
        )

    def lasts(self, resource: Traits) -> Match:
        """Whether it lasts long enough; without ``min_remaining``, any life is accepted."""
        if not self.min_remaining:
            return Match.YES
        if resource.remaining is None:
            return Match.UNKNOWN
        return Match(resource.remaining >= self.min_remaining * 60)

    def _match(self, resource: Traits, shown: Match) -> Match:
        """Whether it matches, apart from a known end.

        What was requested with the same terms matches, wherever QG.net lists it: another one would
        be listed there as well, and each run would pay again.
        """
        wanted = _place_of(self.terms)
        if any(wanted) and _place_of(resource.terms) == wanted:
            shown = Match.YES
        if shown is Match.YES and self.lasts(resource) is Match.UNKNOWN:
            return Match.UNKNOWN
        return shown

    def _shown(self, resource: Traits, areas: Areas) -> Match:
        """Whether its place is as desired, as QG.net shows it, or else as it was bought."""
        parts = []
        if self.terms.isp:
            parts.append(self._isp_match(resource))
        # Names of areas are only read if they decide.
        if self.terms.areas and Match.NO not in parts:
            parts.append(_place_match(resource, self.terms.areas, areas))
        if self.terms.exclude_areas and Match.NO not in parts:
            parts.append(_place_match(resource, self.terms.exclude_areas, areas).negated())
        return Match.all_of(parts)

    def _isp_match(self, resource: Traits) -> Match:
        # An unknown name may be a company that belongs to a known provider, so what was requested
        # counts.
        isp = resource.isp
        if isp not in ISP_NUMBERS:
            isp = resource.terms.isp
        if isp is None:
            return Match.UNKNOWN
        return Match(isp == self.terms.isp)


def codes_by_name(areas: Collection[NamedArea]) -> dict[str, str]:
    """Return the names of areas with their codes, without names that several areas have."""
    codes: dict[str, set[str]] = {}
    for code, name in areas:
        codes.setdefault(name or "", set()).add(code)
    return {name: alike.pop() for name, alike in codes.items() if name and len(alike) == 1}


def _place_of(terms: Terms) -> tuple[object, ...]:
    return terms.areas, terms.exclude_areas, terms.isp


def _end(resource: Traits) -> float:
    return math.inf if resource.remaining is None else resource.remaining


def _place_match(resource: Traits, wanted: Collection[str], areas: Areas) -> Match:
    """Whether it is in one of the areas.

    Its code says so, or else the areas that it was bought for, or the names in its place. What is
    listed in an area is there, whatever it was bought for. Names are read only where they
    decide.
    """
    if resource.code:
        return _any_inside([resource.code], wanted)
    answers = {_any_inside([code], wanted) for code in resource.terms.areas}
    if answers == {Match.YES}:
        return Match.YES
    place = resource.place or ""
    named = {code for name, code in areas().items() if name in place}
    smallest = []
    for code in named:
        if not any(is_inside(other, code) for other in named - {code}):
            smallest.append(code)
    shown = _any_inside(smallest, wanted)
    if shown is Match.UNKNOWN and answers == {Match.NO}:
        return Match.NO
    return shown


def _any_inside(codes: Collection[str], wanted: Collection[str]) -> Match:
    answers = []
    for area in wanted:
        answers += [Match(is_inside(code, area)) for code in codes]
    return Match.any_of(answers)
