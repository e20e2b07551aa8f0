# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handler of the account API: the signature, then the operation. No rate limit is documented, so
there is none.

QG.net does not publish its error codes. The codes and messages here are invented, and the
options of an agent replace the codes, so that nothing can depend on them.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from ..clock import Clock
from ..exchange import ApiResponse, CallRecord, Refusal, spoiled_numbers
from .agents import Agent, AgentOptions, AgentRegistry
from .calls import ENDPOINTS, METHODS, AccountRequest
from .catalog import EXAMPLES

CALLER_PARAMETER = "appid"
REQUIRED_PARAMETERS = ("appid", "domain", "time", "sign")
# A known client sends a fraction, and QG.net seems to accept it.
SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
ERRORS: dict[str, tuple[int, str]] = EXAMPLES["errors"]
"""Code and message by kind; a planned fault causes ``planned``."""


def sign(appid: str, domain: str, time: str, appkey: str) -> str:
    """Return the signature of a call: the values are concatenated, and other parameters are not
    signed.
    """
    return hashlib.md5(f"{appid}{domain}{time}{appkey}".encode(), usedforsecurity=False).hexdigest()


def verify(agent: Agent | None, params: dict[str, str], now: float) -> Agent:
    """Return the agent that signed a call, or refuse the call."""
    for name in REQUIRED_PARAMETERS:
        if not params.get(name):
            raise Refusal("missing_parameter", name)
    if agent is None:
        raise Refusal("unknown_appid")
    if params["domain"] != agent.domain:
        raise Refusal("wrong_domain")
    time = params["time"]
    if not SECONDS.fullmatch(time):
        raise Refusal("bad_parameter", "time")
    if abs(now - float(time)) > agent.tolerance:
        if now > float(time):
            raise Refusal("stale_time")
        raise Refusal("future_time")
    if params["sign"] != sign(params[CALLER_PARAMETER], agent.domain, time, agent.appkey):
        raise Refusal("wrong_sign")
    return agent


class AccountCall:
    """A recorded call, and the agent that it names, if that agent exists."""

    def __init__(self, record: CallRecord, agents: AgentRegistry, clock: Clock) -> None:
        self.record = record
        self._agent = agents.by_appid.get(record.key or "")
        self._options = AgentOptions()
        if self._agent:
            self._options = self._agent.options
        self._clock = clock

    def execute(self, defect: str, drop: int) -> ApiResponse | None:
        record = self.record
        if record.method not in METHODS:
            return None
        endpoint = ENDPOINTS[record.path]
        params = {**record.params, CALLER_PARAMETER: record.key or ""}
        try:
            agent = verify(self._agent, params, self._clock.now())
            data = endpoint.operation(AccountRequest(agent, params))
        except Refusal as refusal:
            record.refusal = refusal.reason
            code, message = ERRORS[refusal.reason]
            response = self._failure(refusal.reason, code, message.format(refusal.text or ""))
        else:
            record.executed = True
            if endpoint.list_shape == "map":
                data = {str(number): row for number, row in enumerate(data, 1)}
            body = self._envelope(endpoint.success_code, endpoint.success_message, data)
            if endpoint.plain_envelope:
                body = {"result": True, "data": data, "msg": None}
            for name in {"data", "Data"} & body.keys():
                if defect == "data_null":
                    body[name] = None
                elif defect == "data_absent":
                    del body[name]
            response = ApiResponse(200, spoiled_numbers(body, defect))
        record.code = response.body.get("Code")
        record.request_id = response.body.get("RequestId")
        return response

    def reject(self, code: Any, message: str | None) -> ApiResponse:
        if message is None:
            message = ERRORS["planned"][1]
        response = self._failure("planned", code, message, planned=True)
        self.record.request_id = response.body.get("RequestId")
        return response

    def _failure(self, kind: str, code: Any, message: str, *, planned: bool = False) -> ApiResponse:
        if not planned:
            code = self._options.codes.get(kind, code)
        body = self._envelope(code, message, None)
        if ENDPOINTS[self.record.path].plain_envelope:
            body = {"result": False, "data": None, "msg": message}
        return ApiResponse(200, body)

    def _envelope(self, code: int | str, message: str, data: Any) -> dict[str, Any]:
        digits = (
            hashlib.md5(str(self.record.seq).encode(), usedforsecurity=False).hexdigest().upper()
        )
        request_id = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        return {"RequestId": request_id, "Code": code, "Message": message, "Data": data}
