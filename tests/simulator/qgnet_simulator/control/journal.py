# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal: a record of every call to QG.net's APIs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ..exchange import CallRecord


class Journal:
    def __init__(self) -> None:
        self.records: list[CallRecord] = []
        self.last_seq = 0

    def __iter__(self) -> Iterator[CallRecord]:
        return iter(self.records)

    def next_seq(self) -> int:
        self.last_seq += 1
        return self.last_seq

    def append(self, record: CallRecord) -> None:
        self.records.append(record)

    def clear(self) -> None:
        # Sequence numbers continue, so that an old "since" never hides a new call.
        self.records.clear()

    def latest(self, count: int) -> list[dict[str, Any]]:
        """Return the latest calls, newest first."""
        return [asdict(record) for record in reversed(self.records[-count:])]

    def select(self, path: str | None = None, since: int = 0) -> list[dict[str, Any]]:
        """Return the calls to a path, or to all paths, after a sequence number."""
        selected = []
        for record in self.records:
            if record.seq > since and path in (None, record.path):
                selected.append(asdict(record))
        return selected
