# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The events of a watcher: one for each subject and poll that changed.

Rulebooks decide what a change means.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .._core.errors import CALL_DETAILS, QgError

#: The subjects, each with one type of event; and the type of the event for a subject that cannot be
#: read.
QUOTA = "quota"
LEASES = "leases"
WHITELIST = "whitelist"
BALANCE = "balance"
FAILED = "failed"

Event = dict[str, Any]
#: What was read of a subject, as it stands in events: a list of leases or addresses, or numbers by
#: name.
Reading: TypeAlias = "list[Any] | dict[str, Any]"


@dataclass
class Changes:
    """The last reading of each subject, and the events that follow from the next one."""

    _last: dict[str, Reading] = field(default_factory=dict)
    _failing: set[str] = field(default_factory=set)

    def reading(self, subject: str, current: Reading) -> Event | None:
        """Return the event of a change, of the first reading, or of the first after a failure."""
        previous = self._last.get(subject)
        added = _missing_in(previous, current)
        removed = _missing_in(current, previous)
        is_news = previous is None or subject in self._failing
        if isinstance(current, list):
            is_news = is_news or bool(added or removed)
        elif current != previous:
            is_news = True
        self._failing.discard(subject)
        self._last[subject] = current
        if not is_news:
            return None
        return _event(subject, current, previous, added, removed)

    def failure(self, subject: str, error: QgError) -> Event | None:
        """Return the event if the subject could be read before; further failures are no change."""
        if subject in self._failing:
            return None
        self._failing.add(subject)
        details = {name: error.details.get(name) for name in CALL_DETAILS}
        current = {"watched": subject, "msg": error.message, "error": details}
        return _event(FAILED, current, None, [], [])


def _missing_in(items: Reading | None, wanted: Reading | None) -> list[Any]:
    """Return the ``wanted`` items that a list lacks; a list that was never read lacks none."""
    if not isinstance(items, list) or not isinstance(wanted, list):
        return []
    names = {_name(item) for item in items}
    return [item for item in wanted if _name(item) not in names]


def _name(item: Any) -> str:
    """Return what tells an address or a lease apart; other fields of a lease differ between
    lists.
    """
    if isinstance(item, dict):
        return str(item["server"])
    return str(item)


def _event(
    kind: str, current: Reading, previous: Reading | None, added: list[Any], removed: list[Any]
) -> Event:
    # A condition of a rulebook cannot count. ansible-rulebook adds to meta, and would take hosts
    # from it.
    count = len(current) if isinstance(current, list) else None
    event = {
        "type": kind,
        "current": current,
        "previous": previous,
        "added": added,
        "removed": removed,
    }
    return {**event, "count": count, "meta": {}}
