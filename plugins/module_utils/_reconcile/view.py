# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a key holds: the vendor's list, corrected by the calls that the list cannot show yet. Pure functions.

The vendor does not document whether its lists lag, but other clients wait for them. A reported change therefore counts
in addition to the list, in all processes, for as long as the list may lag.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .._store.journal_rows import GONE, HELD, LIST_LAG, MAYBE_GONE, MAYBE_HELD, SENT, UNKNOWN, JournalRow

Reading = TypeVar("Reading")


@dataclass(frozen=True)
class ReportedResource:
    """A resource that was reported as held, with its data in the response, ``at`` a state time."""

    item: Any
    at: float


@dataclass(frozen=True)
class View:
    """The differences between a list and what the vendor has reported.

    ``missing`` resources were reported as held, but are not on the list. ``gone`` are the names of listed resources
    that were reported as released. ``shown`` are the names, by row, for which the list has caught up.
    """

    missing: Mapping[str, ReportedResource] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    shown: Mapping[int, frozenset[str]] = field(default_factory=dict)


def view(
    listed: Collection[str],
    rows: Sequence[JournalRow],
    read_at: float,
    *,
    concerns: Callable[[str], bool] = lambda _name: True,
    complete: bool = True,
    doubted: Collection[str] = (),
) -> View:
    """Compare a list with the reports in the journal. It was requested at the state time ``read_at``, or later.

    If the list is partial, ``concerns`` selects its names. Unless it is ``complete``, it catches up with nothing. For
    ``doubted`` names, a reported release is ignored. A list never catches up with two kinds of reports: one that
    reversed an earlier one, since a list that lags may go through the state between them, and a release, since a single
    list without the name may be wrong.
    """
    names = set(listed)
    latest: dict[str, JournalRow] = {}
    reported: dict[str, set[str]] = {}
    for row in sorted(_recent(rows, read_at), key=lambda row: (row.answered_at or 0.0, row.id)):
        for name in row.marked(HELD, GONE):
            if concerns(name):
                latest[name] = row
                reported.setdefault(name, set()).add(row.marks[name])
    missing: dict[str, ReportedResource] = {}
    gone: set[str] = set()
    shown: dict[int, frozenset[str]] = {}
    for name, row in latest.items():
        if row.marks[name] == GONE:
            if name in names and name not in doubted:
                gone.add(name)
        elif name not in names:
            missing[name] = ReportedResource(row.items.get(name), row.answered_at or 0.0)
        elif complete and len(reported[name]) == 1:
            for other in rows:
                if other.marks.get(name) == HELD:
                    shown[other.id] = shown.get(other.id, frozenset()) | {name}
    return View(missing, frozenset(gone), shown)


def reported_gone(rows: Sequence[JournalRow], now: float) -> frozenset[str]:
    """Return the names that were reported as released, whatever a list shows; for names that are never used again."""
    return frozenset(name for row in _recent(rows, now) for name in row.marked(GONE))


@dataclass(frozen=True)
class OpenChange:
    """A change whose result is unknown: the ``names`` may become held if ``present``, and gone otherwise."""

    present: bool
    names: frozenset[str]
    settles_in: float


def open_changes(rows: Sequence[JournalRow], now: float) -> list[OpenChange]:
    """Return the changes that may still be carried out, or be invisible; the earliest first."""
    return [
        OpenChange(mark == MAYBE_HELD, names, left)
        for row in rows
        if row.state in (SENT, UNKNOWN) and (left := row.settles_in(now)) >= 0
        for mark in (MAYBE_HELD, MAYBE_GONE)
        if (names := row.marked(mark))
    ]


def read_credibly(read: Callable[[], Reading], is_doubtful: Callable[[Reading], bool]) -> Reading:
    """Read a list, and once more if the first reading is doubtful: a single one may be wrong."""
    reading = read()
    return read() if is_doubtful(reading) else reading


def _recent(rows: Iterable[JournalRow], read_at: float) -> list[JournalRow]:
    return [row for row in rows if row.answered_at is not None and row.answered_at > read_at - LIST_LAG]
