# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handler of the product hosts: the checks common to all calls, then the operation."""

from __future__ import annotations

from typing import Any

from ..exchange import ApiResponse, CallRecord
from ..keys.key import ProxyKey
from ..keys.options import KeyOptions
from ..keys.registry import KeyRegistry
from ..rate_limits import RateLimiter
from . import codes
from .codes import KEY_STATUS_CODES, ProductError
from .endpoints import ENDPOINTS_BY_PATH, ProductEndpoint
from .request import ProductRequest
from .responses import LeaseList, create_request_id, error_response, format_response, success_response

LINE_BREAKS = ("\r", "\n")


class ProductCall:
    """A recorded call, and the key that it names, if that key exists."""

    date_header = True

    def __init__(self, record: CallRecord, key: ProxyKey | None, keys: KeyRegistry, rate_limiter: RateLimiter) -> None:
        self.record = record
        self._key = key
        self._options = key.options if key else KeyOptions()
        self._keys = keys
        self._rate_limiter = rate_limiter

    def execute(self, defect: str | None = None, drop: int = 0) -> ApiResponse | None:
        record = self.record
        endpoint = ENDPOINTS_BY_PATH[record.path][0]
        if record.method not in endpoint.methods:
            return None
        self._keys.process_due_events()
        record.request_id = create_request_id(record.seq)
        try:
            key = self._checked_key(endpoint)
            data = endpoint.operation(ProductRequest(self._keys, self._rate_limiter, key, record.params, drop))
        except ProductError as error:
            record.code, record.executed = error.code, error.executed
            response = error_response(error.code, None, self._options, record.request_id)
        else:
            record.code, record.executed = codes.SUCCESS, True
            response = success_response(key, data, record.request_id, defect)
            if isinstance(data, LeaseList):
                response = format_response(response, record.params, data)
        if self._key:
            self._key.record_lists(self._keys.clock.now())
        return response

    def reject(self, code: Any, message: str | None) -> ApiResponse:
        self.record.request_id = create_request_id(self.record.seq)
        return error_response(code, message, self._options, self.record.request_id)

    def _checked_key(self, endpoint: ProductEndpoint) -> ProxyKey:
        key, params = self._key, self.record.params
        if not self.record.key:
            raise ProductError(codes.INVALID_PARAMETER)
        if key is None:
            raise ProductError(codes.INVALID_KEY)
        if key.api_auth and params.get("pwd") != key.pwd:
            raise ProductError(codes.API_AUTH_DENY)
        if KEY_STATUS_CODES[key.status] != codes.SUCCESS:
            raise ProductError(KEY_STATUS_CODES[key.status])
        if not endpoint.is_available_in(key.plan):
            raise ProductError(codes.ACCESS_DENY)
        if not self._rate_limiter.try_acquire(key.key, endpoint.path, endpoint.limit(key)):
            raise ProductError(codes.REQUEST_LIMIT_EXCEEDED)
        has_line_breaks = any(character in params.get("seq", "") for character in LINE_BREAKS)
        if has_line_breaks and key.options.seq_line_breaks == "refuse":
            raise ProductError(codes.INVALID_PARAMETER)
        return key


class ProductHandler:
    caller_parameter = "key"

    def __init__(self, keys: KeyRegistry, rate_limiter: RateLimiter) -> None:
        self._keys = keys
        self._rate_limiter = rate_limiter

    def accept(self, record: CallRecord) -> ProductCall:
        key = self._keys.get(record.key) if record.key else None
        return ProductCall(record, key, self._keys, self._rate_limiter)
