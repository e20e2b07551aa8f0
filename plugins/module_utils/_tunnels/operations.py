# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation of qg_tunnel_exit: changes the exit of a tunnel through its control port
(``http://TUNNEL:9090``).

It follows a page of QG.net from 2022, of which a reseller has a copy; no newer one is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .._api.caller import Caller
from .._api.exchange import Call, Code, HttpResponse, Refusal
from .._api.parsing import (
    ResponseShapeError,
    as_text,
    integer,
    iso_time,
    parse_object,
    parse_vendor_time,
    required_text,
)
from .._core.errors import OptionError, Reason
from .._core.text import quoted
from .._task.api_options import (
    KEY_OPTIONS,
    TRANSPORT_OPTIONS,
    Timing,
    check_filled,
    check_login,
)
from .._task.operation import Mode, Operation, Params

#: The port of a tunnel for changes of its exit.
CONTROL_PORT = 9090
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_TUNNEL = re.compile(rf"({_LABEL}(?:\.{_LABEL})*)(?::([0-9]{{1,5}}))?")
#: What an HTTP status means.
_STATUSES = {
    400: Code(
        Reason.PARAMETER, "invalid user, password or parameter", "Check tunnel, key and password."
    ),
    500: Code(Reason.UNKNOWN, "no address available", "Try again later."),
}


def _dialect(response: HttpResponse) -> tuple[Any, Refusal | None]:
    """Read a response of the control port, which reports a refusal by status."""
    if row := _STATUSES.get(response.status):
        return None, Refusal(response.status, row, response.text, number="HTTP")
    return parse_object(response.text), None


CHANGE_EXIT = Call("/proxyip", method="PUT", repeatable=True, dialect=_dialect)


def read_exit(body: Mapping[str, Any]) -> dict[str, Any]:
    """Read ``{"deadline": "2030-01-02 03:04:05", "proxyip": "192.0.2.9:33622"}``, for results."""
    server = required_text(body, "proxyip", "an address")
    deadline = as_text(body.get("deadline"))
    host, _colon, port = server.rpartition(":")
    if not host.strip() or not 1 <= (integer(port) or 0) <= 65535:
        raise ResponseShapeError("server is not an address with a port")
    return {
        "ip": host,
        "server": server,
        "deadline": deadline,
        "expires_at": iso_time(parse_vendor_time(deadline)),
    }


def _check_tunnel(text: str) -> str:
    """Return the host of a tunnel without the port of its proxy, which is not the control port."""
    match = _TUNNEL.fullmatch(text.strip())
    if match is None or len(match[1]) > 253 or not 1 <= int(match[2] or 1) <= 65535:
        problem = f"={quoted(text)} is not the address of a tunnel"
        raise OptionError("tunnel", problem, "give HOST:PORT, such as tunnel.qg.net:19702")
    return match[1].lower()


def _run(params: Params, mode: Mode) -> dict[str, Any]:
    host = _check_tunnel(params["tunnel"])
    check_login(params["key"], params["password"])
    check_filled("password", params["password"], "the Authpwd of QG.net's user center")
    timing = Timing.of(params)
    if mode.check:
        return {
            "changed": True,
            "exit": None,
            "api": {"calls": 0, "retries": 0, "waited_seconds": 0.0},
        }
    credentials = {"auth_key": params["key"], "password": params["password"]}
    caller = Caller(
        timing.transport("tunnel", form_methods=("PUT",)),
        timing.budget(mode.announcer),
        url=f"http://{host}:{CONTROL_PORT}",
        credentials=lambda: credentials,
        secrets=list(credentials.values()),
    )
    # A call whose response is lost is repeated, since a second change is harmless.
    return {"changed": True, "exit": caller.call(CHANGE_EXIT, {}, read_exit), "api": caller.usage()}


TUNNEL_EXIT = Operation(
    spec={
        "tunnel": {"type": "str", "required": True},
        **KEY_OPTIONS,
        "password": {**KEY_OPTIONS["password"], "required": True},
        **TRANSPORT_OPTIONS,
    },
    run=_run,
)
