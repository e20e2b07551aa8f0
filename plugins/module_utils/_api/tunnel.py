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

from .._core.waiting import WaitBudget
from .caller import Caller
from .calls import Call
from .leases import port_of
from .parsing import as_text, parse_vendor_time, required_text
from .responses import tunnel
from .transport import Transport

CHANGE_EXIT = Call("/proxyip", method="PUT", repeatable=True, dialect=tunnel)


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


def change_exit(
    transport: Transport, budget: WaitBudget, *, url: str, key: str, password: str
) -> tuple[TunnelExit, dict[str, Any]]:
    """Change the exit; returns the new one and the usage. A lost call is repeated: a second change is harmless."""
    credentials = {"auth_key": key, "password": password}
    caller = Caller(transport, budget, url=url, credentials=lambda: credentials, secrets=credentials.values())
    return caller.call(CHANGE_EXIT, {}, TunnelExit.from_body), caller.usage()
