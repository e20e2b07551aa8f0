# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls for the whitelist of a key."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ..._core.errors import CallError
from ..._store.directory import after_the_call
from ..._store.facts import FULL
from ..exchange import Endpoint, Sending
from ..transport import encode
from . import endpoints
from .errors import WHITELIST_FULL
from .exchange import MAX_QUERY, ClassicClient
from .models import Entries, ReportedChange, whitelist_change, whitelist_entries

#: The maximum length of an entry that is not an address, in results.
MAX_ENTRY = 100


class WhitelistCalls(ClassicClient):
    """Read and change the whitelist."""

    def whitelist(self) -> tuple[Entries, list[str]]:
        """Return the vendor's list, and its entries that are not exactly one IPv4 address, as text for results."""
        entries = self._call(endpoints.WHITELIST_QUERY, {}, whitelist_entries)
        # Redacted before it is shortened to the shown length, so that no part of a secret remains.
        return entries, [self._parser.sanitize(text[: 10 * MAX_ENTRY])[:MAX_ENTRY] for text in entries.unreadable]

    def add(self, ips: Sequence[str], *, sending: Sending = contextlib.nullcontext) -> ReportedChange:
        """Add addresses to the whitelist; returns what the response reports as added."""
        return self._change_whitelist(endpoints.WHITELIST_ADD, {ip: (ip,) for ip in ips}, sending)

    def remove(
        self,
        ips: Sequence[str],
        spellings: Mapping[str, Sequence[str]] = MappingProxyType({}),
        *,
        sending: Sending = contextlib.nullcontext,
    ) -> ReportedChange:
        """Remove addresses from the whitelist; returns what the response reports as removed.

        Those that have ``spellings`` are sent as these texts.
        """
        texts = {ip: spellings.get(ip) or (ip,) for ip in ips}
        return self._change_whitelist(endpoints.WHITELIST_DEL, texts, sending)

    def _change_whitelist(
        self, endpoint: Endpoint, texts: Mapping[str, Sequence[str]], sending: Sending
    ) -> ReportedChange:
        joined = ",".join(text for own in texts.values() for text in own)
        try:
            done = self._call(endpoint, {"IP": joined}, lambda body: whitelist_change(body, texts), sending)
        except CallError as error:
            if error.details.get("code") == WHITELIST_FULL:
                with after_the_call():
                    self.facts.save(FULL, str(WHITELIST_FULL))
            raise
        with after_the_call():
            self.facts.forget(FULL)
        return done

    def whitelist_batch_delay(self) -> float:
        """Return the seconds by which to delay a change of the whitelist, so that more requests are batched with it."""
        calls = (endpoints.WHITELIST_QUERY, endpoints.WHITELIST_ADD, endpoints.WHITELIST_DEL)
        return max(self.rate_limiter.batch_delay(self.key_digest, call.name, call.per_minute) for call in calls)

    def batch_size(self, most: int) -> int:
        """Return how many addresses to send in a call: this many, or fewer if POST cannot be used."""
        if not self._forms:
            # An address has at most 15 characters, and a comma.
            most = min(most, (MAX_QUERY - len(encode(self._credentials)) - len("&IP=")) // 16)
        return max(1, most)
