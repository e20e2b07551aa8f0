# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whitelist of one key, which only the classic API has."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from .._core.checks import packed
from .._core.errors import CallError, Kind
from .._core.text import sentence
from .._store.facts import FULL
from .._store.store import after_the_call
from . import calls, shapes
from .calls import Call
from .key import KeyCaller

#: The maximum length of an entry that is not an address, in results.
MAX_ENTRY = 100


class Whitelist:
    """The calls for the whitelist. A method raises CallError, or WaitBudgetExceeded for the rate limit."""

    def __init__(self, caller: KeyCaller) -> None:
        self.caller = caller

    def whitelist(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """Return the addresses on the whitelist, and the entries that are not one IPv4 address, for results."""
        entries = self.caller.call(calls.WHITELIST, {}, shapes.entries)
        if entries is None:
            # Such a response stands for an empty list, but only if it comes again.
            entries = self.caller.call(calls.WHITELIST, {}, shapes.entries) or []
        # Without secrets before it is shortened to the shown length, so that no part of a secret remains.
        strange = (
            sentence(text[: 10 * MAX_ENTRY], self.caller.secrets)[:MAX_ENTRY] for text in entries if not packed(text)
        )
        return frozenset(filter(packed, entries)), tuple(strange)

    def add(self, ips: Sequence[str]) -> frozenset[str]:
        """Add addresses to the whitelist; returns those that the response reports as added."""
        return self._change(calls.WHITELIST_ADD, ips)

    def remove(self, ips: Sequence[str]) -> frozenset[str]:
        """Remove addresses from the whitelist; returns those that the response reports as removed."""
        return self._change(calls.WHITELIST_DELETE, ips)

    def _change(self, call: Call, ips: Sequence[str]) -> frozenset[str]:
        read = functools.partial(shapes.whitelist_change, sent=ips)
        try:
            done = self.caller.call(call, {"IP": ",".join(ips)}, read)
        except CallError as error:
            if error.kind is Kind.FULL:
                with after_the_call():
                    self.caller.facts.save(FULL, str(error.details.get("code")))
            raise
        with after_the_call():
            self.caller.facts.forget(FULL)
        return done
