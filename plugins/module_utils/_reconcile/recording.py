# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of one request: written before it is sent, and completed by its failure."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from .._core.errors import CallError, Effect
from .._store.journal import Journal
from .._store.journal_rows import Call
from .._store.store import after_the_call


@dataclass
class Recorded(contextlib.AbstractContextManager[None]):
    """Records a request before the body sends it, and adds its number to those ``pending``, unless it had no effect.

    It follows those pending, so they were found to have no further effect. ``invalidate`` is called before and after
    it: what other processes have read may no longer be true.
    """

    journal: Journal
    call: Call
    pending: list[int]
    may_have_effect: Callable[[CallError], bool] = lambda error: error.may_have_effect
    invalidate: Callable[[], None] = lambda: None

    def __enter__(self) -> None:
        self.invalidate()
        self.pending.append(self.journal.record(self.call, without_effect=tuple(self.pending)))

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, CallError):
            if self.may_have_effect(error):
                self.journal.lose(self.pending[-1], ended=error.effect is not Effect.IN_FLIGHT)
            else:
                self.journal.refuse(self.pending.pop())
        # A failure of the state must not hide what was paid for.
        with after_the_call():
            self.invalidate()
