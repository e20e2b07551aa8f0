# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of the clients for leases, which merge the changes that responses confirmed into the vendor's list."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from .._store.directory import StateError
from .._store.lease_store import LeaseStore
from .._store.reported import LEASES, ReportedChanges
from .areas import Area, NamedArea
from .exchange import Endpoint, KeyClient, Reader
from .leases import Lease


class LeaseClient(KeyClient):
    """Merges reported changes into the vendor's list of leases, for as long as the list may lag."""

    @property
    def _reported_leases(self) -> ReportedChanges:
        return self._reported_changes(LEASES)

    def areas(self) -> list[Area]:
        """Return the areas that the vendor offers addresses in."""
        raise NotImplementedError

    def named_areas(self, refresh: bool = False) -> list[NamedArea]:
        """Return the areas that have a code; without ``refresh``, as the vendor listed them within the last hour."""
        store = LeaseStore(self.rate_limiter.state, self.key_digest)
        listed = None if refresh else store.areas()
        if listed is None:
            found = {(area.code, area.name) for area in self.areas() if area.code}
            listed = sorted(found, key=lambda area: (area[0], area[1] or ""))
            store.save_areas(listed)
        return listed

    def forget_leases(self, names: Collection[str]) -> None:
        """Delete the reported changes of these leases, so that only the list counts."""
        self._reported_leases.forget(names)

    def report_released(self, names: Collection[str]) -> None:
        """Record leases as released, whatever the list shows."""
        self._reported_leases.record(gone=names)

    def _listed(
        self, endpoint: Endpoint, parameters: Mapping[str, object], read: Reader[list[Lease] | None]
    ) -> list[Lease]:
        """Return the vendor's list. If it says nothing, read it again.

        Many servers write an empty list so, but a fault may cause this as well, and not every plan has a quota that
        shows it.
        """
        listed = self._call(endpoint, parameters, read)
        if listed is None:
            listed = self._call(endpoint, parameters, read)
        return listed or []

    def _with_reported_changes(
        self, listed: Iterable[Lease], concerns: Callable[[str], bool], doubted: Collection[str]
    ) -> list[Lease]:
        """Return the vendor's list with the reported changes that it does not show yet.

        ``concerns`` selects the tasks that the list covers. For ``doubted`` leases (names), a reported release is
        ignored, and only the list counts.
        """
        listed = self._without_secrets(listed)
        late = self._reported_leases.differences_from(
            {lease.name for lease in listed}, lambda name: concerns(json.loads(name)[0])
        )
        gone = late.gone.difference(doubted)
        clock = self.vendor_clock
        now = clock.now()
        missing = ((Lease.from_item(one.item[1], one.item[0]), one.at) for one in late.missing.values())
        return [
            *(lease for lease in listed if lease.name not in gone),
            *(lease for lease, at in missing if not lease.has_ended_since(clock.at(at), now)),
        ]

    def _without_secrets(self, leases: Iterable[Lease]) -> list[Lease]:
        """Remove secrets from the vendor's fields, which the state will contain, except the identifying fields."""

        def clean(vendor: Mapping[str, Any]) -> Mapping[str, Any]:
            cleaned: Mapping[str, Any] = self._parser.redactor.tree({"vendor": vendor})["vendor"]
            named = {name: vendor[name] for name in Lease.NAMING_FIELDS if name in vendor}
            return vendor if cleaned is vendor else {**cleaned, **named}

        return [replace(lease, vendor=clean(lease.vendor)) for lease in leases]

    def _report_new(self, leases: Iterable[Lease]) -> list[Lease]:
        leases = self._without_secrets(leases)
        # Leases that were paid for must be returned even if the state fails.
        with contextlib.suppress(StateError):
            self._reported_leases.record({lease.name: [lease.task_id, dict(lease.vendor)] for lease in leases})
        return leases

    def _report_gone(self, released: list[Lease]) -> list[Lease]:
        with contextlib.suppress(StateError):
            self._reported_leases.record(gone=[lease.name for lease in released])
        return released
