# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handler of the account API: the signature, then the operation. No rate limit is documented, so there is none."""

from __future__ import annotations

from typing import Any

from ..clock import Clock
from ..exchange import ApiResponse, CallRecord
from .agents import Agent, AgentRegistry
from .endpoints import ENDPOINTS_BY_PATH
from .envelope import create_request_id, error_response, refusal_response, success_response
from .errors import ERROR_KINDS, AccountError
from .options import AgentOptions
from .request import AccountRequest
from .signature import verify

CALLER_PARAMETER = "appid"


class AccountCall:
    """A recorded call, and the agent that it names, if that agent exists."""

    def __init__(self, record: CallRecord, agent: Agent | None, clock: Clock) -> None:
        self.record = record
        self._agent = agent
        self._clock = clock

    @property
    def date_header(self) -> bool | str:
        return self._agent.options.date if self._agent else True

    @property
    def _options(self) -> AgentOptions:
        return self._agent.options if self._agent else AgentOptions()

    def execute(self, defect: str | None = None, drop: int = 0) -> ApiResponse | None:
        record, options = self.record, self._options
        endpoint = ENDPOINTS_BY_PATH[record.path][0]
        if record.method not in endpoint.methods or (record.method == "POST" and options.post == "refuse"):
            return None
        params = {**record.params, CALLER_PARAMETER: record.key or ""}
        request_id = create_request_id(record.seq)
        try:
            agent = verify(self._agent, params, self._clock.now())
            result = endpoint.operation(AccountRequest(agent, params))
        except AccountError as error:
            record.refusal = error.kind
            response = refusal_response(endpoint, error, options, request_id)
        else:
            record.executed = True
            response = success_response(endpoint, result, options, request_id, defect)
        record.code = response.body.get("Code")
        record.request_id = response.body.get("RequestId")
        return response

    def reject(self, code: Any, message: str | None) -> ApiResponse:
        record = self.record
        text = ERROR_KINDS["planned"][1] if message is None else message
        endpoint = ENDPOINTS_BY_PATH[record.path][0]
        response = error_response(endpoint, code, text, self._options, create_request_id(record.seq))
        record.request_id = response.body.get("RequestId")
        return response


class AccountHandler:
    caller_parameter = CALLER_PARAMETER

    def __init__(self, agents: AgentRegistry, clock: Clock) -> None:
        self._agents = agents
        self._clock = clock

    def accept(self, record: CallRecord) -> AccountCall:
        return AccountCall(record, self._agents.by_appid.get(record.key or ""), self._clock)
