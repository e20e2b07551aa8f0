# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handler of a tunnel's control port: changes the exit of the tunnel."""

from __future__ import annotations

from typing import Any

from ..clock import Clock
from ..exchange import ApiResponse, CallRecord, stringify_numbers
from ..keys.key import ProxyKey
from ..keys.registry import KeyRegistry
from ..keys.tunnel import TIMED
from .endpoints import ENDPOINTS_BY_PATH

BAD_PARAMETER, BAD_USER, BAD_PASSWORD, NO_ADDRESS = "参数错误", "用户名错误", "密码错误", "没有可用的IP"
STATUSES = {NO_ADDRESS: 500}


def _refusal(message: str, status: int = 400) -> ApiResponse:
    return ApiResponse(status, {"error": message})


class TunnelCall:
    """A recorded call, and the key that it names, if that key exists."""

    date_header = True

    def __init__(self, record: CallRecord, key: ProxyKey | None, clock: Clock) -> None:
        self.record = record
        self._key = key
        self._clock = clock

    def execute(self, defect: str | None = None, drop: int = 0) -> ApiResponse | None:
        if self.record.method not in ENDPOINTS_BY_PATH[self.record.path][0].methods:
            return None
        message, response = self._change()
        if message is not None:
            self.record.refusal = message
            return _refusal(message, STATUSES.get(message, 400))
        self.record.executed = True
        return ApiResponse(200, stringify_numbers(response) if defect == "strings" else response)

    def _change(self) -> tuple[str | None, dict[str, str]]:
        """Change the exit, and return why that is not possible, or the response."""
        key, password = self._key, self.record.params.get("password")
        if not self.record.key or not password:
            return BAD_PARAMETER, {}
        if key is None or key.tunnel is None:
            return BAD_USER, {}
        if password != key.pwd:
            return BAD_PASSWORD, {}
        if key.tunnel.settings.mode != TIMED:
            # Each request has its own exit, so that there is none to change.
            return BAD_PARAMETER, {}
        new = key.tunnel.change(self._clock.now())
        if new is None:
            return NO_ADDRESS, {}
        return None, {"deadline": new.deadline, "proxyip": f"{new.ip}:{new.port}"}

    def reject(self, code: Any, message: str | None) -> ApiResponse:
        return _refusal(NO_ADDRESS if message is None else message, 500)


class TunnelHandler:
    caller_parameter = "auth_key"

    def __init__(self, keys: KeyRegistry, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def accept(self, record: CallRecord) -> TunnelCall:
        return TunnelCall(record, self._keys.get(record.key or ""), self._clock)
