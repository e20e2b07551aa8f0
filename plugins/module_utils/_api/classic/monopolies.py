# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls for exclusive occupancy."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from ..exchange import Sending
from ..leases import ISP_NUMBERS
from . import endpoints
from .exchange import ClassicClient
from .models import Monopoly, idle_stock, monopolies, released_monopolies


class MonopolyCalls(ClassicClient):
    """Read and change exclusive-occupancy resources."""

    def monopolies(self, uuids: Sequence[str] = ()) -> list[Monopoly]:
        """Return the vendor's list of the exclusive-occupancy resources of the key, these or all."""
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

    def redial_monopolies(self, uuids: Sequence[str], *, sending: Sending = contextlib.nullcontext) -> None:
        """Request new addresses; the list shows when they are assigned."""
        self._call(endpoints.MONOPOLIES_REDIAL, {"UUIDs": ",".join(uuids)}, lambda _body: None, sending)

    def release_monopolies(
        self, uuids: Sequence[str], *, sending: Sending = contextlib.nullcontext
    ) -> list[str] | None:
        """Release them; returns the names in the response, or None if it is a success without names."""
        named = self._call(endpoints.MONOPOLIES_RELEASE, {"UUIDs": ",".join(uuids)}, released_monopolies, sending)
        return None if named is None else [uuid for uuid in uuids if uuid in named]
