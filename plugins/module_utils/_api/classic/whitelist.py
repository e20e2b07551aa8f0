# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls for the whitelist of a key."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from ..._core.chunks import chunks
from ..._core.errors import CallError, Effect
from ..._store.directory import StateError
from ..._store.facts import FULL
from ..._store.reported import WHITELIST, ReportedChanges
from ..._store.whitelist_writes import WhitelistWrite, WhitelistWrites
from ..exchange import Endpoint
from ..transport import encode
from . import endpoints
from .errors import WHITELIST_FULL
from .exchange import MAX_QUERY, ClassicClient
from .models import ReportedChange, whitelist_change, whitelist_entries

#: The maximum length of an entry that is not an address, in results.
MAX_ENTRY = 100


@dataclass(frozen=True)
class WhitelistReading:
    """The vendor's list, and the reported changes that it does not show yet.

    Of the changes, ``missing`` addresses were added and ``gone`` ones removed. ``complete`` is False if the response
    contained no list. ``spellings`` contains the texts of the entries of each address that is not listed in canonical
    form only. ``unreadable`` are the entries that are not exactly one IPv4 address, as text for results.
    """

    listed: frozenset[str]
    missing: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    complete: bool = True
    spellings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()

    @property
    def ips(self) -> frozenset[str]:
        return self.listed.union(self.missing).difference(self.gone)

    @property
    def late(self) -> frozenset[str]:
        """The addresses whose change the list does not show yet."""
        return self.missing.union(self.gone)

    @property
    def extra_entries(self) -> int:
        """The number of entries beyond one for each address: they count for the capacity of the list."""
        return len(self.unreadable) + sum(len(texts) - 1 for texts in self.spellings.values())

    def without(self, ips: Collection[str]) -> WhitelistReading:
        """Return the reading without the reported changes of these addresses."""
        return replace(self, missing=self.missing.difference(ips), gone=self.gone.difference(ips))


class WhitelistCalls(ClassicClient):
    """Read and change the whitelist."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: Whether the state contains registered addresses, so that an empty whitelist is read once more.
        self.expects_addresses: Callable[[], bool] = lambda: False
        self._reported: ReportedChanges = self._reported_changes(WHITELIST)
        self._writes = WhitelistWrites(self.rate_limiter.state, self.key_digest)

    def whitelist(self) -> list[str]:
        """Return all entries: addresses, including added ones that are not listed yet, and other text."""
        reading = self.read_whitelist()
        return [*sorted(reading.ips), *reading.unreadable]

    def read_whitelist(self, *, may_be_empty: bool = False) -> WhitelistReading:
        """Read the whitelist, with the reported changes that the vendor does not list yet.

        Unless it ``may_be_empty``, an empty whitelist is read once more if there are registered addresses.
        """
        reading = self._read_whitelist()
        if reading.listed or may_be_empty:
            return reading
        # An empty list may lag behind a reported change, but a response without a list is unexpected.
        if self.expects_addresses() or (reading.missing and not reading.complete):
            reading = self._read_whitelist()
        return reading

    def _read_whitelist(self) -> WhitelistReading:
        entries = self._call(endpoints.WHITELIST_QUERY, {}, whitelist_entries)
        differences = self._reported.differences_from(entries.spellings, complete=entries.complete)
        reading = WhitelistReading(
            frozenset(entries.spellings),
            frozenset(differences.missing),
            differences.gone,
            entries.complete,
            {ip: texts for ip, texts in entries.spellings.items() if texts != (ip,)},
            # Redacted before it is shortened to the shown length, so that no part of a secret remains.
            tuple(self._parser.sanitize(text[: 10 * MAX_ENTRY])[:MAX_ENTRY] for text in entries.unreadable),
        )
        if reading.complete:
            self._writes.observe(reading.ips)
        return reading

    def trust_list(self, ips: Collection[str]) -> None:
        """Ignore the reported changes of these addresses from now on, since the list has not shown them in time."""
        self._reported.forget(ips)

    def add(self, ips: Sequence[str]) -> ReportedChange:
        """Add addresses to the whitelist; returns what the response reports as added."""
        return self._change_whitelist(endpoints.WHITELIST_ADD, {ip: (ip,) for ip in ips}, present=True)

    def remove(
        self, ips: Sequence[str], spellings: Mapping[str, Sequence[str]] = MappingProxyType({})
    ) -> ReportedChange:
        """Remove addresses from the whitelist; returns what the response reports as removed.

        Those that have ``spellings`` are sent as these texts.
        """
        texts = {ip: spellings.get(ip) or (ip,) for ip in ips}
        return self._change_whitelist(endpoints.WHITELIST_DEL, texts, present=False)

    def unresolved_writes(self) -> list[WhitelistWrite]:
        """Return the changes of the whitelist whose result is unknown, of all processes."""
        return self._writes.unresolved()

    def settles_in(self, conflicts: Callable[[WhitelistWrite], bool]) -> float:
        """Return the seconds until no unresolved change for which ``conflicts`` is true can be in flight."""
        now = self.rate_limiter.state.now()
        return max([0.0, *(write.settles_in(now) for write in self._writes.unresolved() if conflicts(write))])

    def _change_whitelist(
        self, endpoint: Endpoint, texts: Mapping[str, Sequence[str]], *, present: bool
    ) -> ReportedChange:
        sent: list[int] = []

        @contextlib.contextmanager
        def recorded() -> Iterator[None]:
            number = self._writes.record(texts, present=present, timeout=self.timeout)
            try:
                yield
            except CallError as error:
                with contextlib.suppress(StateError):
                    if error.may_have_effect:
                        self._writes.mark_unknown(number, ended=error.effect is not Effect.IN_FLIGHT)
                    else:
                        self._writes.resolve(number)
                    if error.details.get("code") == WHITELIST_FULL:
                        self.facts.save(FULL, str(WHITELIST_FULL))
                raise
            sent.append(number)

        joined = ",".join(text for own in texts.values() for text in own)
        done = self._call(endpoint, {"IP": joined}, lambda body: whitelist_change(body, texts), recorded)
        # If the state fails, the call stays unresolved, and later runs wait until it has timed out.
        with contextlib.suppress(StateError):
            self._reported.record(dict.fromkeys(done.ips) if present else {}, () if present else done.ips)
            self._writes.acknowledge(sent[-1], done.ips)
            self.facts.forget(FULL)
        return done

    def whitelist_batch_delay(self) -> float:
        """Return the seconds by which to delay a change of the whitelist, so that more requests are batched with it."""
        calls = (endpoints.WHITELIST_QUERY, endpoints.WHITELIST_ADD, endpoints.WHITELIST_DEL)
        return max(self.rate_limiter.batch_delay(self.key_digest, call.name, call.per_minute) for call in calls)

    def batches(self, ips: Sequence[str], most: int | None = None) -> list[list[str]]:
        """Split addresses into as few calls as possible: one call, or several if POST cannot be used."""
        size = len(ips)
        if not self._forms:
            credentials = len(encode(self._credentials))
            # An address has at most 15 characters, and a comma.
            size = max(1, (MAX_QUERY - credentials - len("&IP=")) // 16)
        size = max(1, min(size, most or size))
        return chunks(ips, size)
