# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Past content of the lists of a key, for lists that show a change with a lag."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .leases import Lease
    from .monopolies import Monopoly


@dataclass(frozen=True)
class ListSnapshot:
    """The content of the three lists at one time."""

    whitelist: tuple[str, ...]
    leases: tuple[Lease, ...]
    monopolies: tuple[Monopoly, ...]


@dataclass
class ListHistory:
    """The content of the lists after each change."""

    entries: list[tuple[float, ListSnapshot]] = field(default_factory=list)

    def record(self, now: float, lag: float, content: ListSnapshot) -> None:
        """Add the content if it has changed, and drop entries that a list with this lag no longer
        shows.
        """
        if not lag:
            self.entries.clear()
        elif not self.entries or self.entries[-1][1] != content:
            self.entries.append((now, content))
        while len(self.entries) > 1 and self.entries[1][0] <= now - lag:
            del self.entries[0]

    def at(self, timestamp: float) -> ListSnapshot | None:
        """Return the content at a time; for a time before the first entry, the first entry."""
        for since, content in reversed(self.entries):
            if since <= timestamp:
                return content
        if self.entries:
            return self.entries[0][1]
        return None
