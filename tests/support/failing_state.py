# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A state directory that fails: its disk is full, or its process is killed, from some moment on."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.qingguo.qgnet.plugins.module_utils._store.sqlite import SqliteStore
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import StateError
from support.machine_clock import MachineClock

FULL = StateError("the disk is full")


class FailingState(SqliteStore):
    """A state directory in which each transaction raises ``error`` after ``left`` more, if that is a number."""

    left: int | None = None
    has_failed = False

    def __init__(
        self, directory: Path, machine: MachineClock, left: int | None = None, error: BaseException = FULL
    ) -> None:
        super().__init__(str(directory), 10.0, machine.clock)
        self.left = left
        self.error = error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        if self.left is not None:
            if self.left <= 0:
                self.has_failed = True
                raise self.error
            self.left -= 1
        with contextlib.ExitStack() as stack:
            yield stack.enter_context(super().transaction())
