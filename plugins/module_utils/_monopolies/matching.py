# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which exclusive-occupancy resources match a wish, and what is remembered of them for that.

This file is private to the collection. The list of the vendor names the area of a resource and not its code, so that
whether one matches cannot always be told. Nothing is guessed then, as a wrong guess is paid for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._api.classic.client import ProxyApi
from .._api.classic.models import Area, Monopoly

#: Seconds for which the parameters of an application are kept after a run has seen the resource for the last time.
ORIGIN_TTL = 90 * 86400.0


@dataclass(frozen=True)
class Wish:
    """At least ``count`` resources, of this area and provider where they are named.

    ``undetermined`` says what becomes of those of which nobody can tell whether they match: they stop the run where
    it would apply for more (``fail``), do not count (``ignore``), or count (``match``).
    """

    count: int
    area_code: int | None = None
    isp: str | None = None
    undetermined: str = "fail"


@dataclass(frozen=True)
class Asked:
    """What a resource was applied for with."""

    area_code: int | None = None
    isp: str | None = None


def inside(code: int, wanted: int) -> bool | None:
    """Whether one area lies in another, as far as the codes tell: those of six digits end in 00 for what has parts."""
    if code == wanted:
        return True
    inner, outer = str(code), str(wanted)
    if len(inner) == len(outer) == 6:
        if inner.startswith(_stem(outer)):
            return True
        if outer.startswith(_stem(inner)):
            return None
    return False


def _stem(code: str) -> str:
    while len(code) > 2 and code.endswith("00"):
        code = code[:-2]
    return code


@dataclass
class Matcher:
    """Tells which resources match.

    The list names the area of a resource and not its code. The codes come from what was remembered of applications
    (``asked``) and from the names in ``codes``; where neither knows an area, nothing is concluded.
    """

    wish: Wish
    asked: Mapping[str, Asked]
    codes: dict[str, set[int]] = field(default_factory=dict)

    def learn(self, held: Sequence[Monopoly], idle: Sequence[Any] = ()) -> None:
        """Take names of areas from rows of idle stock, and from resources whose code is remembered."""
        rows = [Area.from_item(row) for row in idle if isinstance(row, dict)]
        pairs = [(row.name, row.area_id) for row in rows]
        pairs += [(one.area, self.asked.get(one.uuid, Asked()).area_code) for one in held]
        for name, code in pairs:
            if name and code:
                self.codes.setdefault(name, set()).add(code)

    def verdict(self, monopoly: Monopoly) -> bool | None:
        """Whether it matches; None where that cannot be told."""
        asked = self.asked.get(monopoly.uuid, Asked())
        verdicts = [self._isp(monopoly.isp or asked.isp), self._area(monopoly.area, asked.area_code)]
        if False in verdicts:
            return False
        return None if None in verdicts else True

    def _isp(self, isp: str | None) -> bool | None:
        if self.wish.isp is None:
            return True
        return None if isp is None else isp == self.wish.isp

    def _area(self, name: str | None, asked: int | None) -> bool | None:
        if self.wish.area_code is None:
            return True
        codes = self.codes.get(name or "", set()) | ({asked} if asked else set())
        verdicts = {inside(code, self.wish.area_code) for code in codes}
        if True in verdicts or (name and self._within(name, self.wish.area_code)):
            return True
        return False if verdicts == {False} else None

    def _within(self, name: str, wanted: int) -> bool:
        """Whether an area's name holds that of one that is wished. That it does not says nothing: styles may differ."""
        return any(known in name and inside(code, wanted) for known, codes in self.codes.items() for code in codes)

    def sort(self, held: Sequence[Monopoly]) -> tuple[list[Monopoly], list[Monopoly]]:
        """Those that count, and those of which cannot be told whether they match."""
        verdicts = [(monopoly, self.verdict(monopoly)) for monopoly in held]
        unknown = [monopoly for monopoly, verdict in verdicts if verdict is None]
        also = unknown if self.wish.undetermined == "match" else []
        return [monopoly for monopoly, verdict in verdicts if verdict or monopoly in also], unknown


def recall(api: ProxyApi) -> dict[str, Asked]:
    """What the key's resources were applied for with, as far as this control node did it."""
    rows = api.rate_limiter.state.rows("SELECT uuid, area_code, isp FROM monopolies WHERE key = ?", api.key_digest)
    return {uuid: Asked(area_code, isp) for uuid, area_code, isp in rows}


def remember(api: ProxyApi, uuids: Collection[str], asked: Asked, held: Collection[str]) -> None:
    """Keep what these were applied for with. Resources that no list has shown for a long time are forgotten."""
    now, key = api.rate_limiter.now(), api.key_digest
    with api.rate_limiter.state.transaction() as database:
        rows = [(key, uuid, asked.area_code, asked.isp, now) for uuid in uuids]
        database.executemany("INSERT OR REPLACE INTO monopolies VALUES (?, ?, ?, ?, ?)", rows)
        seen = [(now, key, uuid) for uuid in held]
        database.executemany("UPDATE monopolies SET at = ? WHERE key = ? AND uuid = ?", seen)
        # One reading proves nothing: a list may come without what it should have.
        database.execute("DELETE FROM monopolies WHERE key = ? AND at < ?", (key, now - ORIGIN_TTL))


def forget(api: ProxyApi, uuids: Collection[str]) -> None:
    """Forget resources that were released."""
    with api.rate_limiter.state.transaction() as database:
        database.executemany(
            "DELETE FROM monopolies WHERE key = ? AND uuid = ?", [(api.key_digest, uuid) for uuid in uuids]
        )
