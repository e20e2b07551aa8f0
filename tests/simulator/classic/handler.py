# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handler of the classic API: the checks common to all calls, in the order of the vendor, then the operation."""

from __future__ import annotations

from typing import Any

from ..exchange import ApiResponse, CallRecord
from ..keys.key import ProxyKey
from ..keys.options import KeyOptions
from ..keys.registry import KeyRegistry
from ..rate_limits import RateLimiter
from . import codes
from .codes import KEY_STATUS_CODES, ApiError
from .endpoints import ENDPOINTS_BY_PATH, ClassicEndpoint, find_endpoint
from .request import ClassicRequest, ResponseBody
from .responses import apply_options, error_response, format_response


class ClassicCall:
    """A recorded call, and the key that it names, if that key exists."""

    date_header = True

    def __init__(self, record: CallRecord, key: ProxyKey | None, keys: KeyRegistry, rate_limiter: RateLimiter) -> None:
        self.record = record
        self._key = key
        self._options = key.options if key else KeyOptions()
        self._keys = keys
        self._rate_limiter = rate_limiter

    def execute(self, defect: str | None = None, drop: int = 0) -> ApiResponse | None:
        record, options = self.record, self._options
        endpoint = find_endpoint(record.method, record.path)
        rejects_post = options.post == "refuse" and not self._is_rest()
        if endpoint is None or (record.method == "POST" and rejects_post):
            return None
        self._keys.process_due_events()
        try:
            body = self._run(endpoint, drop, executes_all=defect == "unnamed")
        except ApiError as error:
            record.code, record.executed = error.code, error.executed
            response = error_response(error.code, error.message, options.msg, endpoint.rest)
            if not endpoint.rest:
                response.status = options.error_status
        else:
            record.code, record.executed = codes.OK, True
            response = ApiResponse(200, body)
        if self._key:
            self._key.record_lists(self._keys.clock.now())
        response = apply_options(response, options, defect)
        return response if endpoint.rest else format_response(response, record.params, endpoint.lists_servers)

    def reject(self, code: Any, message: str | None) -> ApiResponse:
        with_message = self._options.msg or message is not None
        text = codes.MESSAGES.get(code, "") if message is None else message
        return error_response(code, text, with_message, self._is_rest())

    def _is_rest(self) -> bool:
        return any(endpoint.rest for endpoint in ENDPOINTS_BY_PATH[self.record.path])

    def _run(self, endpoint: ClassicEndpoint, drop: int, *, executes_all: bool) -> ResponseBody:
        key, params = self._key, self.record.params
        if not self.record.key:
            raise ApiError(codes.INVALID_PARAMETER)
        if key is None:
            raise ApiError(codes.NO_PLAN)
        if key.api_auth and params.get("Pwd") != key.pwd:
            raise ApiError(codes.INVALID_PWD)
        if KEY_STATUS_CODES[key.status] != codes.OK:
            raise ApiError(KEY_STATUS_CODES[key.status])
        if not endpoint.is_available_in(key.plan):
            raise ApiError(codes.NO_PERMISSION)
        if not self._rate_limiter.try_acquire(key.key, endpoint.rate_window, endpoint.limit(key)):
            raise ApiError(codes.TOO_MANY_CALLS)
        dropped, unnamed = (0, drop) if executes_all else (drop, 0)
        return endpoint.operation(ClassicRequest(self._keys, self._rate_limiter, key, params, dropped, unnamed))


class ClassicHandler:
    caller_parameter = "Key"

    def __init__(self, keys: KeyRegistry, rate_limiter: RateLimiter) -> None:
        self._keys = keys
        self._rate_limiter = rate_limiter

    def accept(self, record: CallRecord) -> ClassicCall:
        key = self._keys.get(record.key) if record.key else None
        return ClassicCall(record, key, self._keys, self._rate_limiter)
