# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decides which exclusive-occupancy resources match the desired state.

The vendor's list contains the name of the area of a resource, but not its code, so it may be unknown whether a resource
matches. The user then decides, since a wrong guess costs money.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._api.areas import Area, is_inside
from .._api.monopolies import Monopoly


@dataclass(frozen=True)
class DesiredMonopolies:
    """At least ``count`` resources, of this area and provider if they are given.

    ``on_uncertain`` says what to do with resources of which it is unknown whether they match: let the run fail instead
    of applying for more (``fail``), do not count them (``ignore``), or count them (``match``).
    """

    count: int
    area_code: str | None = None
    isp: str | None = None
    on_uncertain: str = "fail"


@dataclass(frozen=True)
class ApplicationParams:
    """The parameters of the application for a resource."""

    area_code: str | None = None
    isp: str | None = None


@dataclass
class Matcher:
    """Decides which resources match.

    The codes of areas come from the ``params`` of applications, by resource, and from the names of areas in ``codes``.
    The area of a resource stays unknown if neither contains it.
    """

    desired: DesiredMonopolies
    params: Mapping[str, ApplicationParams]
    codes: dict[str, set[str]] = field(default_factory=dict)

    def add_codes(self, held: Sequence[Monopoly], idle: Sequence[Any] = ()) -> None:
        """Add the codes of area names, from rows of the idle stock and from resources whose application is known."""
        rows = [Area.from_item(row) for row in idle if isinstance(row, dict)]
        # A code that is not a number cannot be that of a resource.
        pairs = [(row.name, row.code if row.code and row.code.isdecimal() else None) for row in rows]
        pairs += [(one.area, self.params.get(one.uuid, ApplicationParams()).area_code) for one in held]
        for name, code in pairs:
            if name and code:
                self.codes.setdefault(name, set()).add(code)

    def matches(self, monopoly: Monopoly) -> bool | None:
        """Whether a resource matches; None if that is unknown.

        One that was applied for with the same parameters does, whatever the list shows: another one would be paid for
        at each run, and be no better.
        """
        return self._was_requested(monopoly) or self._is_shown_as_desired(monopoly)

    def others(self, held: Sequence[Monopoly]) -> list[str]:
        """Return the names of those that match although the list shows another area or provider."""
        return [one.uuid for one in held if self._was_requested(one) and self._is_shown_as_desired(one) is False]

    def _was_requested(self, monopoly: Monopoly) -> bool:
        wanted = ApplicationParams(self.desired.area_code, self.desired.isp)
        return wanted == self.params.get(monopoly.uuid)

    def _is_shown_as_desired(self, monopoly: Monopoly) -> bool | None:
        params = self.params.get(monopoly.uuid, ApplicationParams())
        results = [self._isp_matches(monopoly.isp or params.isp), self._area_matches(monopoly.area, params.area_code)]
        if False in results:
            return False
        return None if None in results else True

    def _isp_matches(self, isp: str | None) -> bool | None:
        if self.desired.isp is None:
            return True
        return None if isp is None else isp == self.desired.isp

    def _area_matches(self, name: str | None, area_code: str | None) -> bool | None:
        if self.desired.area_code is None:
            return True
        codes = self.codes.get(name or "", set()) | ({area_code} if area_code else set())
        results = {is_inside(code, self.desired.area_code) for code in codes}
        if True in results or (name and self._contains_name(name, self.desired.area_code)):
            return True
        return False if results == {False} else None

    def _contains_name(self, name: str, desired: str) -> bool:
        """Whether the name contains the name of a part of the desired area. False proves nothing: styles may differ."""
        return any(known in name and is_inside(code, desired) for known, codes in self.codes.items() for code in codes)

    def classify(self, held: Sequence[Monopoly]) -> tuple[list[Monopoly], list[Monopoly]]:
        """Return the resources that count, and those of which it is unknown whether they match."""
        results = [(monopoly, self.matches(monopoly)) for monopoly in held]
        unknown = [monopoly for monopoly, result in results if result is None]
        also = unknown if self.desired.on_uncertain == "match" else []
        return [monopoly for monopoly, result in results if result or monopoly in also], unknown
