# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control port of a tunnel: PUT /proxyip changes the exit."""

from __future__ import annotations

from typing import Any

from ..clock import Clock
from ..exchange import ApiResponse, CallRecord, spoiled_numbers
from ..keys.registry import KeyRegistry
from ..keys.tunnel import PER_REQUEST

PATH = "/proxyip"
METHODS = ("PUT",)
BAD_PARAMETER = "参数错误"
BAD_USER = "用户名错误"
BAD_PASSWORD = "密码错误"
NO_ADDRESS = "没有可用的IP"


class TunnelCall:
    """A recorded call, and the key that it names, if that key exists."""

    def __init__(self, record: CallRecord, keys: KeyRegistry, clock: Clock) -> None:
        self.record = record
        self._key = keys.get(record.key or "")
        self._clock = clock

    def execute(self, defect: str, drop: int) -> ApiResponse | None:
        if self.record.method not in METHODS:
            return None
        key = self._key
        password = self.record.params.get("password")
        if not self.record.key or not password:
            return self._refuse(BAD_PARAMETER)
        if key is None or key.tunnel is None:
            return self._refuse(BAD_USER)
        if password != key.pwd:
            return self._refuse(BAD_PASSWORD)
        if key.tunnel.settings.mode == PER_REQUEST:
            # Each request has its own exit, so that there is none to change.
            return self._refuse(BAD_PARAMETER)
        new = key.tunnel.change(self._clock.now())
        if new is None:
            return self._refuse(NO_ADDRESS, 500)
        self.record.executed = True
        body = {"deadline": new.describe()["deadline"], "proxyip": f"{new.ip}:{new.port}"}
        return ApiResponse(200, spoiled_numbers(body, defect))

    def _refuse(self, message: str, status: int = 400) -> ApiResponse:
        self.record.refusal = message
        return ApiResponse(status, {"error": message})

    def reject(self, code: Any, message: str | None) -> ApiResponse:
        if message is None:
            message = NO_ADDRESS
        return ApiResponse(500, {"error": message})
