# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reserved lines of one key (vendor's page on monopolies), which only the classic API has."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import CallError, Reason
from . import calls
from .exchange import Sending
from .key import KeyCaller
from .lease_client import Leases
from .leases import ISP_NUMBERS, PROVIDERS, Quota
from .parsing import (
    ResponseShapeError,
    as_text,
    check_names,
    check_unique,
    masked,
    objects,
    parse_vendor_time,
    required_text,
    texts_or_none,
)

#: The prefixes of QG.net's words for the state of a monopoly, and the state in results.
STATES = {"在线": "online", "离线": "offline", "重拨": "redialing", "排队": "queued"}


@dataclass(frozen=True)
class Monopoly:
    """One reserved line (vendor's page on monopolies).

    ``state`` is one of the values of :data:`STATES`, or an unknown word of QG.net. ``server``
    is None unless it is online. ``since`` is the time of its application, ``dialed`` that of its
    last new address.
    """

    uuid: str
    area: str | None
    isp: str | None
    state: str
    server: str | None
    since: datetime.datetime | None
    dialed: datetime.datetime | None
    vendor: Mapping[str, Any]

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Monopoly:
        """Read ``{"uuid": "...", "area": "...", "isp": "...", "state": "...", "ip": "..."}``."""
        word = as_text(item.get("state")) or ""
        state = next((name for prefix, name in STATES.items() if word.startswith(prefix)), word)
        return cls(
            uuid=required_text(item, "uuid", "a name"),
            area=as_text(item.get("area")),
            isp=PROVIDERS.get(str(item.get("isp")).strip().upper()),
            state=state,
            server=as_text(item.get("ip")) if state == "online" else None,
            since=parse_vendor_time(item.get("monopolize_time")),
            dialed=parse_vendor_time(item.get("last_dial_time")),
            vendor=item,
        )


def monopolies_or_none(body: Mapping[str, Any]) -> list[Monopoly] | None:
    """Return the reserved lines in ``data``, which may not be missing; None if it is null."""
    if "data" not in body:
        raise ResponseShapeError("data is missing")
    if body["data"] is None:
        return None
    return [Monopoly.from_item(item) for item in objects(body.get("data"), "data")]


def idle_stock(body: Mapping[str, Any]) -> list[Any]:
    """Return the idle stock in ``data`` as received: its shape is not documented."""
    data = body.get("data")
    if not isinstance(data, list | None):
        raise ResponseShapeError("data is not a list")
    return data or []


class Monopolies:
    """The calls for reserved lines.

    A method raises CallError, or WaitBudgetExceeded for the rate limit.
    """

    def __init__(self, caller: KeyCaller) -> None:
        self.caller = caller
        #: The calls that exclusive occupancy shares with leases: quota and areas.
        self.leases = Leases(caller)

    def monopolies(self) -> list[Monopoly] | None:
        """Return QG.net's list of the reserved lines of the key; None if it says nothing."""
        return self.caller.call(calls.MONOPOLIES, {}, self._masked)

    def _masked(self, body: Mapping[str, Any]) -> list[Monopoly] | None:
        """Read reserved lines without secrets: the store will contain them."""
        listed = monopolies_or_none(body)
        if listed is None:
            return None
        secrets = self.caller.secrets
        kept = [Monopoly.from_item(masked(monopoly.vendor, secrets)) for monopoly in listed]
        names = [monopoly.uuid for monopoly in kept]
        check_names([monopoly.uuid for monopoly in listed], names)
        check_unique(names, "reserved line")
        return kept

    def idle_monopolies(self) -> list[Any]:
        """Return QG.net's idle stock, as the response contains it."""
        return self.caller.call(calls.MONOPOLIES_IDLE, {}, idle_stock)

    def apply_for_monopolies(
        self,
        number: int,
        *,
        area_code: str | None,
        isp: str | None,
        sending: Sending,
    ) -> None:
        """Apply for N reserved lines; the list shows them, and their addresses some time later."""
        parameters = {"Num": number, "AreaCode": area_code, "Operator": ISP_NUMBERS.get(isp or "")}
        self.caller.call(calls.MONOPOLIES_APPLY, parameters, lambda _body: None, sending)

    def redial_monopolies(self, uuids: Sequence[str]) -> None:
        """Request new addresses; the list shows when they are assigned."""
        self.caller.call(calls.MONOPOLIES_REDIAL, {"UUIDs": ",".join(uuids)}, lambda _body: None)

    def release_monopolies(self, uuids: Sequence[str], *, sending: Sending) -> list[str] | None:
        """Release them.

        Returns the names in the response, or None if it is a success without names.
        """
        names = self.caller.call(
            calls.MONOPOLIES_RELEASE,
            {"UUIDs": ",".join(uuids)},
            lambda body: texts_or_none(body.get("data")),
            sending,
        )
        if names is None:
            return None
        return [uuid for uuid in uuids if uuid in names]

    def quota(self) -> Quota | None:
        """Return the quota; None for a plan without one, for which the error may be unknown."""
        try:
            return self.leases.lease_quota()
        except CallError as error:
            if error.reason is not Reason.UNKNOWN:
                raise
        return None
