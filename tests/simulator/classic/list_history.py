# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lists of a key show, where they lag behind what was done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .leases import Lease
    from .monopolies import Monopoly


@dataclass(frozen=True)
class Listed:
    """The content of the three lists at one moment."""

    whitelist: tuple[str, ...]
    leases: tuple[Lease, ...]
    monopolies: tuple[Monopoly, ...]


@dataclass
class History:
    """The content of the lists since each change."""

    entries: list[tuple[float, Listed]] = field(default_factory=list)

    def record(self, now: float, lag: float, content: Listed) -> None:
        """Keep a change, and of the earlier ones those that a list with this lag can still show."""
        if not lag:
            self.entries.clear()
        elif not self.entries or self.entries[-1][1] != content:
            self.entries.append((now, content))
        while len(self.entries) > 1 and self.entries[1][0] <= now - lag:
            del self.entries[0]

    def at(self, moment: float) -> Listed | None:
        """The content at a moment; before the first entry that is the first entry."""
        shown = [content for since, content in self.entries if since <= moment]
        return shown[-1] if shown else self.entries[0][1] if self.entries else None
