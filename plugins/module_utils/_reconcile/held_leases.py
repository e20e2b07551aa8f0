# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases that a key holds: the vendor's list, corrected by the journal."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .._api.calls import CLASSIC
from .._api.lease_client import Leases
from .._api.leases import Lease, is_same, server_in
from .._store.journal import Journal
from .._store.journal_rows import LEASES
from .lease_names import Names, indistinct_names
from .view import read_credibly, view


@dataclass
class HeldLeases:
    """The leases of a key. ``fetch`` returns the vendor's list of these tasks, or of all; None if it says nothing.

    If the fields are ``varying``, because lists and responses of the product differ, a lease keeps its first name.
    """

    api: Leases
    fetch: Callable[[Sequence[str]], list[Lease] | None]
    varying: bool
    _names: Names = field(default_factory=Names)

    @classmethod
    def of(cls, api: Leases) -> HeldLeases:
        """Return the leases of the key of a client."""
        if api.product != CLASSIC:
            return cls(api, lambda _tasks: api.leases(), varying=True)
        return cls(api, api.leases, varying=False)

    @property
    def journal(self) -> Journal:
        """The calls that change the leases of the key."""
        return Journal(self.api.caller.rate_limiter.state, self.api.caller.key_digest, LEASES, self.api.product)

    def read(self, task_ids: Sequence[str] = (), *, doubted: Collection[str] = ()) -> list[Lease]:
        """Return the leases of these tasks, or of all: the vendor's list, with changes that it lacks yet.

        For ``doubted`` leases (names), a reported release is ignored, and only the list counts. Many servers write an
        empty list as one that says nothing, but a fault may cause this as well, and not every plan has a quota that
        shows it.
        """
        # The process may be suspended between the list and what corrects it.
        requested = self.api.caller.rate_limiter.state.now()
        listed = read_credibly(lambda: self.fetch(task_ids), lambda reading: reading is None) or []
        if self.varying:
            listed = self._names.with_known_names(listed)
        found = self._corrected(listed, requested, lambda task: not task_ids or task in task_ids, doubted)
        if self.varying:
            found = self._without_renamed(found, {lease.name for lease in listed})
            self._names.keep(found)
        return found

    def _corrected(
        self, listed: Iterable[Lease], began: float, concerns: Callable[[str], bool], doubted: Collection[str]
    ) -> list[Lease]:
        listed, journal = list(listed), self.journal
        rows = journal.rows(began)
        if not rows:
            return listed
        late = view(
            {lease.name for lease in listed},
            rows,
            began,
            concerns=lambda name: concerns(json.loads(name)[0]),
            doubted=self._names.with_listed_names(doubted),
        )
        if late.shown:
            journal.forget((), late.shown)
        clock = self.api.caller.vendor_clock
        now = clock.now()
        missing = ((Lease.from_item(one.item[1], one.item[0]), one.at) for one in late.missing.values())
        return [
            *(lease for lease in listed if lease.name not in late.gone),
            *(lease for lease, at in missing if not lease.has_ended_since(clock.at(at), now)),
        ]

    def _without_renamed(self, found: Sequence[Lease], listed: Collection[str]) -> list[Lease]:
        """Leave out leases that were reported to an earlier process and have another name in the list."""
        shown = [lease for lease in found if lease.name in listed]
        renamed = {
            lease.name for lease in found if lease.name not in listed and any(is_same(lease, one) for one in shown)
        }
        if renamed:
            self.journal.forget(renamed)
        return [lease for lease in found if lease.name not in renamed]

    def report_new(self, number: int, leases: Sequence[Lease]) -> None:
        """Record the leases that the response to a call reports as new."""
        if self.varying:
            self._names.keep(leases)
            # Otherwise the reported release of an earlier lease of the same server would hide the new one.
            hidden = {name for lease in leases for name in indistinct_names(lease)} - {lease.name for lease in leases}
        else:
            hidden = set()
        items = {lease.name: [lease.task_id, dict(lease.vendor)] for lease in leases}
        self.journal.report(number, items, received=ends(leases), unmarked=hidden)

    def report_gone(self, number: int, names: Collection[str]) -> None:
        """Record leases as released by a call, by each of their names."""
        self.journal.report(number, gone=self._names.with_listed_names(names))

    def forget(self, names: Collection[str]) -> None:
        """Let only the list count for these leases from now on."""
        self.journal.forget(self._names.with_listed_names(names))


def ends(leases: Iterable[Lease]) -> dict[str, str | None]:
    """Return the ends of leases by their names, for the ledger."""
    return {lease.name: lease.deadline for lease in leases}


def is_among(lease: Lease, received: Mapping[str, str | None]) -> bool:
    """Whether calls that have ``received`` these names, with their ends, have paid for a lease.

    The list of a product host may name it in another way than the response. A name without task and end says nothing:
    a later lease of the same address has the same one.
    """
    if lease.name in received and lease.identity[0]:
        return True
    return bool(lease.deadline) and any(
        end == lease.deadline and server_in(name) == lease.server for name, end in received.items()
    )
