# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation of qg_tunnel_exit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .._api.tunnel import change_exit
from .._core.errors import OptionError
from .._core.text import quoted
from .._core.waiting import WaitBudget
from .._task.operation import Mode, Operation
from .._task.options import KEY_OPTIONS, TRANSPORT_OPTIONS, TransportOptions
from .._task.sources import environment_name, variable_name

#: The port of a tunnel for changes of its exit.
CONTROL_PORT = 9090
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_TUNNEL = re.compile(rf"({_LABEL}(?:\.{_LABEL})*)(?::([0-9]{{1,5}}))?")


def _check_tunnel(text: str) -> str:
    """Return the host of a tunnel without the port of its proxy, which is not the control port."""
    match = _TUNNEL.fullmatch(text.strip())
    if match is None or len(match[1]) > 253 or not 1 <= int(match[2] or 1) <= 65535:
        raise OptionError(
            f"tunnel {quoted(text)} is not the address of a tunnel: give HOST:PORT, such as tunnel.qg.net:19702."
        )
    return match[1].lower()


def _run(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    host = _check_tunnel(params["tunnel"])
    for option in KEY_OPTIONS:
        if not (params[option] or "").strip():
            raise OptionError(
                f"{option} is empty: give it, or leave the option out to use {variable_name(option)} or "
                f"{environment_name(option)}. The control port of a tunnel requires the key and its password, also "
                "for a host on the whitelist."
            )
    options = TransportOptions.parse(params["timeout"], params["max_wait"])
    if mode.check:
        return {"changed": True, "exit": None, "api": {"calls": 0, "retries": 0, "waited_seconds": 0.0}}
    url = f"http://{host}:{CONTROL_PORT}"
    found = change_exit(
        options.transport("tunnel", form_methods=("PUT",)),
        WaitBudget(options.max_wait, announcer=mode.announcer),
        url=url,
        key=params["key"],
        password=params["password"],
    )
    return {"changed": True, **found}


TUNNEL_EXIT = Operation(
    spec={
        "tunnel": {"type": "str", "required": True},
        **KEY_OPTIONS,
        "password": {**KEY_OPTIONS["password"], "required": True},
        **TRANSPORT_OPTIONS,
    },
    run=_run,
)
