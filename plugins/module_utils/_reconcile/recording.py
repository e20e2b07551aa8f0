# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of one request: written before it is sent, and completed by its failure."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from .._core.errors import CallError, Effect
from .._store.journal import Journal
from .._store.journal_rows import Call


@contextlib.contextmanager
def recorded(
    journal: Journal,
    call: Call,
    pending: list[int],
    may_have_effect: Callable[[CallError], bool] = lambda error: error.may_have_effect,
) -> Iterator[None]:
    """Record a request before the body sends it, and add its number to those ``pending``, unless it had no effect.

    It follows those pending, so they were found to have no further effect.
    """
    number = journal.record(call, without_effect=tuple(pending))
    pending.append(number)
    try:
        yield
    except CallError as error:
        if may_have_effect(error):
            journal.lose(number, ended=error.effect is not Effect.IN_FLIGHT)
        else:
            pending.remove(number)
            journal.refuse(number)
        raise
