# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whitelist of a key: the vendor's list, corrected by the journal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

from .._api.classic import endpoints
from .._api.classic.client import ProxyApi, ReportedChange
from .._store.journal import Journal
from .._store.journal_rows import MAYBE_GONE, MAYBE_HELD, WHITELIST, Call
from .recording import Recorded
from .view import OpenChange, open_changes, read_credibly, view

#: The operations in the journal.
ADD, REMOVE = "add", "remove"


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


class HeldWhitelist:
    """The whitelist of the key of a client.

    ``expects_addresses`` says whether the state contains registered addresses, so that an empty list is doubtful.
    ``claimants`` returns the ids of the claims for which an operation changes an address.
    """

    def __init__(
        self,
        api: ProxyApi,
        expects_addresses: Callable[[], bool] = lambda: False,
        claimants: Callable[[str, str], Sequence[str]] = lambda _operation, _ip: (),
    ) -> None:
        self.budget = api.budget
        #: By operation and address, for which claims it was sent.
        self.sent: dict[tuple[str, str], Sequence[str]] = {}
        self.batch_size = api.batch_size
        self._api = api
        self._expects_addresses = expects_addresses
        self._claimants = claimants
        self._journal = Journal(api.rate_limiter.state, api.key_digest, WHITELIST)
        self._now = api.rate_limiter.state.now

    def entries(self) -> list[str]:
        """Return all entries: addresses, including added ones that are not listed yet, and other text."""
        reading = self.read()
        return [*sorted(reading.ips), *reading.unreadable]

    def read(self, *, may_be_empty: bool = False) -> WhitelistReading:
        """Read the whitelist, with the reported changes that the vendor does not list yet.

        Unless it ``may_be_empty``, an empty whitelist is read once more if there are registered addresses.
        """

        def is_doubtful(reading: WhitelistReading) -> bool:
            # An empty list may lag behind a reported change, but a response without a list is unexpected.
            says_nothing = bool(reading.missing) and not reading.complete
            return not (reading.listed or may_be_empty) and (says_nothing or self._expects_addresses())

        return read_credibly(self._read, is_doubtful)

    def _read(self) -> WhitelistReading:
        requested = self._api.rate_limiter.state.moment()
        entries, unreadable = self._api.whitelist()
        listed, journal, at = frozenset(entries.spellings), self._journal, requested()
        late = view(listed, journal.rows(at), at, complete=entries.complete)
        if late.shown:
            journal.forget((), late.shown)
        spellings = {ip: texts for ip, texts in entries.spellings.items() if texts != (ip,)}
        reading = WhitelistReading(
            listed, frozenset(late.missing), late.gone, entries.complete, spellings, tuple(unreadable)
        )
        if reading.complete:
            journal.observe(reading.ips)
        return reading

    def trust_list(self, ips: Collection[str]) -> None:
        """Ignore the reported changes of these addresses from now on, since the list has not shown them in time."""
        self._journal.forget(ips)

    def add(self, ips: Sequence[str]) -> ReportedChange:
        """Add addresses to the whitelist; returns what the response reports as added."""
        pending: list[int] = []
        call = self._call(ADD, endpoints.WHITELIST_ADD.name, ips, MAYBE_HELD)
        done = self._api.add(ips, sending=partial(Recorded, self._journal, call, pending))
        self._journal.report(pending[-1], dict.fromkeys(done.ips))
        return done

    def remove(
        self, ips: Sequence[str], spellings: Mapping[str, Sequence[str]] = MappingProxyType({})
    ) -> ReportedChange:
        """Remove addresses from the whitelist; returns what the response reports as removed.

        Those that have ``spellings`` are sent as these texts.
        """
        pending: list[int] = []
        call = self._call(REMOVE, endpoints.WHITELIST_DEL.name, ips, MAYBE_GONE)
        done = self._api.remove(ips, spellings, sending=partial(Recorded, self._journal, call, pending))
        self._journal.report(pending[-1], gone=done.ips)
        return done

    def _call(self, operation: str, endpoint: str, ips: Sequence[str], effect: str) -> Call:
        claims = {ip: self._claimants(operation, ip) for ip in ips}
        self.sent.update({(operation, ip): ids for ip, ids in claims.items()})
        return Call(operation, endpoint, ips, {"claims": claims}, timeout=self._api.timeout, effect=effect)

    def open_changes(self) -> list[OpenChange]:
        """Return the changes of the whitelist whose result is unknown, of all processes."""
        return open_changes(self._journal.rows(), self._now())

    def settles_in(self, conflicts: Callable[[OpenChange], bool]) -> float:
        """Return the seconds until no open change for which ``conflicts`` is true can be in flight."""
        return max([0.0, *(change.settles_in for change in self.open_changes() if conflicts(change))])
