# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handler of the calls for a proxy key: the checks common to all, in the order of QG.net, then
the operation.
"""

from __future__ import annotations

from typing import Any

from .. import formats
from ..exchange import ApiResponse, CallRecord, Refusal
from ..keys.key import ProxyKey
from ..keys.options import KeyOptions
from ..keys.registry import KeyRegistry
from ..rate_limits import RateLimiter
from .dialects import CLASSIC, Dialect, formed
from .endpoints import ENDPOINTS, Endpoint
from .request import Request


class Call:
    """A recorded call, and the key that it names, if that key exists."""

    def __init__(self, record: CallRecord, keys: KeyRegistry, rate_limiter: RateLimiter) -> None:
        self.record = record
        self._keys = keys
        self._rate_limiter = rate_limiter
        self._key = keys.get(record.key or "")
        self._options = KeyOptions()
        if self._key:
            self._options = self._key.options
        endpoints = [endpoint for endpoint in ENDPOINTS if endpoint.path == record.path]
        self._endpoint = next((each for each in endpoints if record.method in each.methods), None)
        self._dialect: Dialect = CLASSIC
        if endpoints:
            self._dialect = endpoints[0].dialect

    def execute(self, defect: str, drop: int) -> ApiResponse | None:
        record = self.record
        endpoint = self._endpoint
        dialect = self._dialect
        rejects_post = (
            self._options.post == "refuse" and dialect is CLASSIC and record.method == "POST"
        )
        if endpoint is None or rejects_post:
            return None
        self._keys.process_due_events()
        text = None
        try:
            key = self._checked_key(endpoint)
            request = Request(
                self._keys, self._rate_limiter, key, record.params, dialect.names, drop
            )
            request.flag("detail")
            result = endpoint.operation(request)
        except Refusal as refusal:
            record.code = dialect.code(refusal)
            record.executed = refusal.executed
            response = dialect.error(record.code, refusal.text, self._options, record)
        else:
            record.code = dialect.ok
            record.executed = True
            response = ApiResponse(200, dialect.success(key, result, record.params, record))
            text = dialect.text_of(result, record.params)
        if self._key:
            self._key.record_lists(self._keys.clock.now())
        body = formed(response.body, self._options, defect)
        if text is not None:
            return ApiResponse(response.status, body, text, "text/plain")
        if (
            dialect is CLASSIC
            and (record.params.get("DataFormat") or record.params.get("format")) == formats.XML
        ):
            return ApiResponse(response.status, body, formats.to_xml(body), "application/xml")
        return ApiResponse(response.status, body)

    def reject(self, code: Any, message: str | None) -> ApiResponse:
        return self._dialect.error(code, message, self._options, self.record)

    def _checked_key(self, endpoint: Endpoint) -> ProxyKey:
        key = self._key
        if not self.record.key:
            raise Refusal("parameter")
        if key is None:
            raise Refusal("no_key")
        if key.api_auth and self.record.params.get(self._dialect.password) != key.pwd:
            raise Refusal("password")
        if key.status != "ok":
            raise Refusal(key.status)
        if not endpoint.is_available_for(key):
            raise Refusal("no_permission")
        if not self._rate_limiter.try_acquire(
            key.key, endpoint.rate_window, endpoint.calls_per_minute(key)
        ):
            raise Refusal("rate")
        return key
