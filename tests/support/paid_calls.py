# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls in the journal."""

from __future__ import annotations

import contextlib
from collections.abc import Collection

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import CallError, Effect, TransportError
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.books import BUY, DROP
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.journal import Call, Item, Journal

#: The effects of calls that fail.
REFUSED, UNKNOWN, IN_FLIGHT = Effect.REJECTED, Effect.UNKNOWN, Effect.IN_FLIGHT


def send(
    journal: Journal,
    buys: int = 0,
    *,
    drops: Collection[str] = (),
    held: Collection[str] = (),
    fails: Effect | None = None,
) -> int:
    """Send a call for so many, or a release; returns its number."""
    call = Call(DROP, "/release", drops=drops) if drops else Call(BUY, "/allocate", buys, held)
    with contextlib.suppress(CallError), journal.sending(call, 10.0, held):
        if fails:
            raise TransportError("It failed.", endpoint=call.endpoint, effect=fails)
    return journal.own[-1]


def buy(journal: Journal, buys: int, *names: str, ends: str | None = None, held: Collection[str] = ()) -> int:
    """Buy so many, of which the response names these; it is the whole result."""
    number = send(journal, buys, held=held)
    journal.answer(dict.fromkeys(names, Item(ends, {})), whole=True)
    return number
