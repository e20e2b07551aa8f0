# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handler of the calls for a proxy key: the checks common to all, in the order of the vendor, then the operation."""

from __future__ import annotations

from typing import Any

from .. import formats
from ..exchange import ApiResponse, CallRecord, Refusal
from ..keys.key import ProxyKey
from ..keys.options import KeyOptions
from ..keys.registry import KeyRegistry
from ..rate_limits import RateLimiter
from .dialects import CLASSIC, formed
from .endpoints import ENDPOINTS, Endpoint
from .request import Request


class Call:
    """A recorded call, and the key that it names, if that key exists."""

    def __init__(self, record: CallRecord, keys: KeyRegistry, rate_limiter: RateLimiter) -> None:
        self.record = record
        self._keys = keys
        self._rate_limiter = rate_limiter
        self._key = keys.get(record.key) if record.key else None
        self._options = self._key.options if self._key else KeyOptions()
        endpoints = [endpoint for endpoint in ENDPOINTS if endpoint.path == record.path]
        self._endpoint = next((each for each in endpoints if record.method in each.methods), None)
        self._dialect = endpoints[0].dialect if endpoints else CLASSIC

    def execute(self, defect: str, drop: int) -> ApiResponse | None:
        record, options, endpoint, dialect = self.record, self._options, self._endpoint, self._dialect
        rejects_post = options.post == "refuse" and dialect is CLASSIC and record.method == "POST"
        if endpoint is None or rejects_post:
            return None
        self._keys.process_due_events()
        text = None
        try:
            key = self._checked_key(endpoint)
            request = Request(self._keys, self._rate_limiter, key, record.params, dialect.names, drop)
            request.flag("detail")
            result = endpoint.operation(request)
        except Refusal as refusal:
            record.code, record.executed = dialect.code(refusal), refusal.executed
            response = dialect.error(record.code, refusal.text, options, record)
        else:
            record.code, record.executed = dialect.ok, True
            response = ApiResponse(200, dialect.success(key, result, record.params, record))
            text = dialect.text_of(result, record.params)
        if self._key:
            self._key.record_lists(self._keys.clock.now())
        response = ApiResponse(response.status, formed(response.body, options, defect))
        if text is not None:
            response.text, response.media_type = text, "text/plain"
        elif dialect is CLASSIC and (record.params.get("DataFormat") or record.params.get("format")) == formats.XML:
            response.text, response.media_type = formats.to_xml(response.body), "application/xml"
        return response

    def reject(self, code: Any, message: str | None) -> ApiResponse:
        return self._dialect.error(code, message, self._options, self.record)

    def _checked_key(self, endpoint: Endpoint) -> ProxyKey:
        key, params = self._key, self.record.params
        if not self.record.key:
            raise Refusal("parameter")
        if key is None:
            raise Refusal("no_key")
        if key.api_auth and params.get(self._dialect.password) != key.pwd:
            raise Refusal("password")
        if key.status != "ok":
            raise Refusal(key.status)
        if not endpoint.is_available_for(key):
            raise Refusal("no_permission")
        if not self._rate_limiter.try_acquire(key.key, endpoint.rate_window, endpoint.calls_per_minute(key)):
            raise Refusal("rate")
        return key
