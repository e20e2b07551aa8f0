# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of the control port of a tunnel (``http://TUNNEL:9090``), which changes the exit.

The only source is a page of the vendor from 2022 (a copy at a reseller).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.waiting import WaitBudget
from .caller import Caller
from .calls import Call
from .parsing import ResponseShapeError, as_text, integer, parse_vendor_time, required_text
from .responses import tunnel
from .transport import Transport

CHANGE_EXIT = Call("/proxyip", method="PUT", repeatable=True, dialect=tunnel)


def change_exit(transport: Transport, budget: WaitBudget, *, url: str, key: str, password: str) -> dict[str, Any]:
    """Change the exit; returns the new one, and the usage. A lost call is repeated: a second change is harmless."""
    credentials = {"auth_key": key, "password": password}
    caller = Caller(transport, budget, url=url, credentials=lambda: credentials, secrets=credentials.values())
    return {"exit": caller.call(CHANGE_EXIT, {}, read_exit), "api": caller.usage()}


def read_exit(body: Mapping[str, Any]) -> dict[str, Any]:
    """Read ``{"deadline": "2030-01-02 03:04:05", "proxyip": "192.0.2.9:33622"}``, for results."""
    server, deadline = required_text(body, "proxyip", "an address"), as_text(body.get("deadline"))
    host, _colon, port = server.rpartition(":")
    if not host.strip() or not 1 <= (integer(port) or 0) <= 65535:
        raise ResponseShapeError("server is not an address with a port")
    ends = parse_vendor_time(deadline)
    return {"ip": host, "server": server, "deadline": deadline, "expires_at": ends.isoformat() if ends else None}
