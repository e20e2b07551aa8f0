# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an account call proves who it comes from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from .agents import Agent
from .errors import Declined

NAMES = ("appid", "domain", "time", "sign")
# A client sends a fraction, and the vendor seems to take it.
SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")


def sign(appid: str, domain: str, time: str, appkey: str) -> str:
    """Nothing stands between the parts, and no other parameter is part of it."""
    return hashlib.md5(f"{appid}{domain}{time}{appkey}".encode(), usedforsecurity=False).hexdigest()


def verify(agent: Agent | None, params: Mapping[str, str], now: float) -> Agent:
    """The agent that signed a call, or a refusal."""
    for name in NAMES:
        if not params.get(name):
            raise Declined("missing_parameter", name)
    if agent is None:
        raise Declined("unknown_appid")
    if params["domain"] != agent.domain:
        raise Declined("wrong_domain")
    time = params["time"]
    if not SECONDS.fullmatch(time):
        raise Declined("bad_parameter", "time")
    if now - float(time) > agent.tolerance:
        raise Declined("stale_time")
    if float(time) - now > agent.tolerance:
        raise Declined("future_time")
    if params["sign"] != sign(agent.appid, agent.domain, time, agent.appkey):
        raise Declined("wrong_sign")
    return agent
