# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of the control port of a tunnel (``http://TUNNEL:9090``), which changes the exit.

The only source is a page of the vendor from 2022 (a copy at a reseller).
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import Effect
from .._core.waiting import WaitBudget
from .codes import TUNNEL_STATUSES
from .errors import RefusedError
from .exchange import Client
from .leases import port_of
from .parsing import ResponseShapeError, as_text, parse_object, parse_vendor_time, required_text
from .responses import ResponseParser
from .transport import HttpResponse, Transport

_CALL = "PUT /proxyip"


class TunnelError(RefusedError):
    """A refusal of the control port, which reports it by HTTP status."""

    codes = TUNNEL_STATUSES
    _number = "HTTP"


@dataclass(frozen=True)
class TunnelExit:
    """The exit of a tunnel: its address, its address with port, and when the vendor changes it."""

    ip: str
    server: str
    deadline: str | None
    expires: datetime.datetime | None

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> TunnelExit:
        """Read ``{"deadline": "2030-01-02 03:04:05", "proxyip": "192.0.2.9:33622"}``."""
        server, deadline = required_text(body, "proxyip", "an address"), as_text(body.get("deadline"))
        port_of(server)
        return cls(server.rpartition(":")[0], server, deadline, parse_vendor_time(deadline))

    def described(self) -> dict[str, Any]:
        """Return the exit for results."""
        return {
            "ip": self.ip,
            "server": self.server,
            "deadline": self.deadline,
            "expires_at": self.expires.isoformat() if self.expires else None,
        }


class TunnelResponseParser(ResponseParser):
    """Reads the responses of the control port."""

    url_option = "tunnel"

    def exit(self, response: HttpResponse) -> TunnelExit:
        """Return the new exit. Raises TunnelError for a refusal, TransportError for any other response."""
        if response.status in TunnelError.codes:
            effect = Effect.UNKNOWN if response.status >= 500 else Effect.REJECTED
            words = self.quoted(response.text)
            raise TunnelError(response.status, _CALL, effect=effect, vendor_message=words, http_status=response.status)
        try:
            body = parse_object(response.text)
        except ResponseShapeError:
            raise self.unusable(response, _CALL) from None
        if response.status != 200:
            raise self.unusable(response, _CALL)
        return TunnelExit.from_body(body)


class TunnelControl(Client):
    """The control port of one tunnel."""

    def __init__(self, transport: Transport, budget: WaitBudget, *, url: str, key: str, password: str) -> None:
        super().__init__(transport, budget)
        self._url = url
        self._credentials = {"auth_key": key, "password": password}
        self._parser = TunnelResponseParser(self._credentials.values())

    def change_exit(self) -> TunnelExit:
        """Change the exit, and return the new one. A lost call is repeated, since a second change is harmless."""

        def attempt() -> TunnelExit:
            url = f"{self._url}/proxyip"
            return self._exchange("PUT", url, self._credentials, _CALL, self._parser.exit)

        return self._call_with_retries(_CALL, attempt, repeatable=True)
