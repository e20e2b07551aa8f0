# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whitelist of one key, which only the classic API has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .._core.checks import is_ipv4
from .._core.text import sentence
from . import calls
from .key import KeyCaller
from .parsing import ResponseShapeError, integer

#: The maximum length of an entry that is not an address, in results.
MAX_ENTRY = 100


class Whitelist:
    """The calls for the whitelist.

    A method raises CallError, or WaitBudgetExceeded for the rate limit.
    """

    def __init__(self, caller: KeyCaller) -> None:
        self.caller = caller

    def whitelist(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """Return the addresses on the whitelist, and for results the entries that are none."""
        entries = self.caller.call(calls.WHITELIST, {}, listed)
        if entries is None:
            # Such a response stands for an empty list, but only if it comes again.
            entries = self.caller.call(calls.WHITELIST, {}, listed) or []
        ips = frozenset(filter(is_ipv4, entries))
        strange = []
        for text in entries:
            if text not in ips:
                # Secrets are masked before it is shortened, so that no part of one remains.
                shown = sentence(text[: 10 * MAX_ENTRY], self.caller.secrets)
                strange.append(shown[:MAX_ENTRY])
        return ips, tuple(strange)

    def add(self, ips: Sequence[str]) -> frozenset[str]:
        """Add addresses to the whitelist; returns those that the response reports as added."""
        return self.caller.call(
            calls.WHITELIST_ADD, {"IP": ",".join(ips)}, lambda body: changed(body, ips)
        )

    def remove(self, ips: Sequence[str]) -> frozenset[str]:
        """Remove addresses from the whitelist.

        Returns those that the response reports as removed.
        """
        return self.caller.call(
            calls.WHITELIST_DELETE, {"IP": ",".join(ips)}, lambda body: changed(body, ips)
        )


def listed(body: Mapping[str, Any]) -> list[str] | None:
    """Return the entries of a whitelist in ``Data``, a flat list; None if it is null or missing."""
    items = body.get("Data")
    if items is None:
        return None
    if not isinstance(items, list) or any(isinstance(item, (list, dict)) for item in items):
        raise ResponseShapeError("Data is not a list of addresses")
    return [item if isinstance(item, str) else json.dumps(item) for item in items]


def changed(body: Mapping[str, Any], sent: Sequence[str]) -> frozenset[str]:
    """Return which of the ``sent`` addresses ``{"Code": 0, "Data": ["203.0.113.5"], "Num": 1}``
    reports as changed.

    ``Data`` or ``Num`` may be missing. A success without either is one for all addresses.
    """
    named = listed(body)
    number = integer(body.get("Num"))
    if named:
        return frozenset(named).intersection(sent)
    if number == len(sent) or (named is None and number is None):
        return frozenset(sent)
    return frozenset()
