# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A record of every call to the vendor API."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any


@dataclass
class Entry:
    """One call. It is written when the call arrives and completed as the call goes on."""

    seq: int
    at: float
    method: str
    path: str
    key: str | None
    params: dict[str, str]
    param_source: str
    query_length: int
    source: str
    public: str
    user_agent: str
    ips: list[str]
    http_status: int | None = None
    code: int | str | None = None
    executed: bool = False
    fault: str | None = None
    refusal: str | None = None
    """Why an account call was refused, whatever code its agent has for that."""
    request_id: str | None = None
    """Of an account call."""


class Journal:
    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._last = 0

    def next_seq(self) -> int:
        self._last += 1
        return self._last

    def append(self, entry: Entry) -> None:
        self._entries.append(entry)

    def clear(self) -> None:
        # Numbers go on after a clear, so that an old "since" never hides a new call.
        self._entries.clear()

    def latest(self, count: int, path: str = "") -> tuple[list[Entry], int]:
        """The newest calls whose path holds a text, newest first, and how many calls there are at all."""
        fitting = (entry for entry in reversed(self._entries) if path in entry.path)
        return list(islice(fitting, count)), len(self._entries)

    def select(self, path: str | None = None, since: int = 0) -> list[dict[str, Any]]:
        return [asdict(entry) for entry in self._entries if entry.seq > since and (path is None or entry.path == path)]
