# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of the clients for leases: what a response reported counts for as long as the vendor's list may lag."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from .._store.directory import StateError
from .._store.reported import LEASES, ReportedChanges
from .exchange import KeyClient
from .leases import Lease


class LeaseClient(KeyClient):
    """Corrects the vendor's list of leases by what the responses to changes reported."""

    @property
    def _reported_leases(self) -> ReportedChanges:
        return self._reported_changes(LEASES)

    def forget_leases(self, names: Collection[str]) -> None:
        """Discard what was reported about these leases, so that the list alone decides."""
        self._reported_leases.forget(names)

    def report_released(self, names: Collection[str]) -> None:
        """Record that leases are gone, whatever the list shows."""
        self._reported_leases.record(gone=names)

    def _with_reported_changes(
        self, listed: Iterable[Lease], concerns: Callable[[str], bool], doubted: Collection[str]
    ) -> list[Lease]:
        """Return the vendor's list, with what it does not show yet, of the tasks that ``concerns`` accepts.

        For ``doubted`` leases (names), whose release was reported, the list alone decides.
        """
        listed = self._without_secrets(listed)
        late = self._reported_leases.correct(
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
        """Remove secrets from the vendor's fields, which are kept in the state directory; what names a lease stays."""

        def clean(vendor: Mapping[str, Any]) -> Mapping[str, Any]:
            cleaned: Mapping[str, Any] = self._parser.redactor.tree({"vendor": vendor})["vendor"]
            named = {name: vendor[name] for name in Lease.NAMING_FIELDS if name in vendor}
            return vendor if cleaned is vendor else {**cleaned, **named}

        return [replace(lease, vendor=clean(lease.vendor)) for lease in leases]

    def _report_new(self, leases: Iterable[Lease]) -> list[Lease]:
        leases = self._without_secrets(leases)
        # What was paid for must be returned, also if it cannot be recorded.
        with contextlib.suppress(StateError):
            self._reported_leases.record({lease.name: [lease.task_id, dict(lease.vendor)] for lease in leases})
        return leases

    def _report_gone(self, released: list[Lease]) -> list[Lease]:
        with contextlib.suppress(StateError):
            self._reported_leases.record(gone=[lease.name for lease in released])
        return released
