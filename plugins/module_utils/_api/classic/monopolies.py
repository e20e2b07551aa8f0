# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls for exclusive occupancy."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from ..._store.directory import StateError
from ..._store.reported import MONOPOLIES, ReportedChanges
from ..exchange import Sending
from ..leases import ISP_NUMBERS
from . import endpoints
from .exchange import ClassicClient
from .models import Monopoly, idle_stock, monopolies, released_monopolies


class MonopolyCalls(ClassicClient):
    """Read and change exclusive-occupancy resources."""

    def monopolies(self, uuids: Sequence[str] = ()) -> list[Monopoly]:
        """Return the exclusive-occupancy resources of the key, these or all.

        Resources that the vendor reported as released to this control node are left out for as long as the list may
        lag.
        """
        listed = self.listed_monopolies(uuids)
        gone = self.reported_monopolies.gone()
        return [monopoly for monopoly in listed if monopoly.uuid not in gone]

    @property
    def reported_monopolies(self) -> ReportedChanges:
        """The reported changes of the exclusive-occupancy resources of the key."""
        return self._reported_changes(MONOPOLIES)

    def listed_monopolies(self, uuids: Sequence[str] = ()) -> list[Monopoly]:
        """Return the resources as the vendor's list shows them."""
        named = {"UUIDs": ",".join(uuids)} if uuids else {}
        return self._call(endpoints.MONOPOLIES, named, monopolies)

    def idle_monopolies(self) -> list[Any]:
        """Return the vendor's idle stock, as the response contains it."""
        return self._call(endpoints.MONOPOLIES_IDLE, {}, idle_stock)

    def apply_for_monopolies(
        self,
        number: int,
        *,
        area_code: str | None = None,
        isp: str | None = None,
        sending: Sending = contextlib.nullcontext,
    ) -> None:
        """Apply for N resources; they appear in the list, and their addresses some time later."""
        parameters = {"Num": number, "AreaCode": area_code, "Operator": ISP_NUMBERS.get(isp or "")}
        self._call(endpoints.MONOPOLIES_APPLY, parameters, lambda _body: None, sending=sending)

    def redial_monopolies(self, uuids: Sequence[str]) -> None:
        """Request new addresses; the list shows when they are assigned."""
        self._call(endpoints.MONOPOLIES_REDIAL, {"UUIDs": ",".join(uuids)}, lambda _body: None)

    def release_monopolies(self, uuids: Sequence[str]) -> list[str] | None:
        """Release them, and record what the vendor reports as released.

        Returns the names in the response; None if it is a success without names.
        """
        named = self._call(endpoints.MONOPOLIES_RELEASE, {"UUIDs": ",".join(uuids)}, released_monopolies)
        released = list(uuids) if named is None else [uuid for uuid in uuids if uuid in named]
        # Released resources must be returned even if the state fails.
        with contextlib.suppress(StateError):
            self.reported_monopolies.record(gone=released)
        return None if named is None else released
