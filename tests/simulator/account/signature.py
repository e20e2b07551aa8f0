# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The signature that authenticates an account call."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from .agents import Agent
from .errors import AccountError

REQUIRED_PARAMETERS = ("appid", "domain", "time", "sign")
# A known client sends a fraction, and the vendor seems to accept it.
SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")


def sign(appid: str, domain: str, time: str, appkey: str) -> str:
    """Return the signature of a call.

    The values are concatenated without a separator. Other parameters are not signed.
    """
    return hashlib.md5(f"{appid}{domain}{time}{appkey}".encode(), usedforsecurity=False).hexdigest()


def verify(agent: Agent | None, params: Mapping[str, str], now: float) -> Agent:
    """Return the agent that signed a call, or raise an error."""
    for name in REQUIRED_PARAMETERS:
        if not params.get(name):
            raise AccountError("missing_parameter", name)
    if agent is None:
        raise AccountError("unknown_appid")
    if params["domain"] != agent.domain:
        raise AccountError("wrong_domain")
    time = params["time"]
    if not SECONDS.fullmatch(time):
        raise AccountError("bad_parameter", "time")
    if now - float(time) > agent.tolerance:
        raise AccountError("stale_time")
    if float(time) - now > agent.tolerance:
        raise AccountError("future_time")
    if params["sign"] != sign(agent.appid, agent.domain, time, agent.appkey):
        raise AccountError("wrong_sign")
    return agent
