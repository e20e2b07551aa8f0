# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One exchange with an API of QG.net: the request, its record in the journal, the response and
the handler.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from .network import Connection


@dataclass
class ApiRequest:
    """A request as it arrived."""

    method: str
    path: str
    params: Mapping[str, str]
    param_source: str = "query"
    connection: Connection = (("127.0.0.1", 0), ("", 0))


@dataclass
class CallRecord:
    """The journal entry of a request.

    It is created on arrival and completed while the request is processed.
    """

    seq: int
    at: float
    method: str
    path: str
    key: str | None
    params: dict[str, str]
    param_source: str
    source: str
    public: str
    ips: list[str]
    http_status: int | None = None
    code: Any = None
    """The number or the name of the code."""
    executed: bool = False
    fault: str | None = None
    refusal: str | None = None
    """Kind of error of a refused account call. It does not depend on the codes that the agent is
    configured with.
    """
    request_id: str | None = None
    """The identifier in the response of an account call; None for any other call."""


@dataclass
class ApiResponse:
    status: int
    body: Any
    """What the response contains, as a JSON value."""
    text: str | None = None
    """The body as the caller gets it, if it is not the JSON value."""
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    ending: str = ""
    """How the connection ends instead of a response (``close``, ``reset``), or within it
    (``truncate``).
    """


class PendingCall(Protocol):
    """A recorded call whose caller has been looked up."""

    record: CallRecord

    def execute(self, defect: str, drop: int) -> ApiResponse | None:
        """Execute the call; None if the endpoint does not allow the method.

        ``defect`` is the kind of a fault that changes the body. ``drop`` is the number of addresses
        to leave out.
        """

    def reject(self, code: Any, message: str | None) -> ApiResponse:
        """Return the response for an error code without executing the call."""


class Refusal(Exception):
    """QG.net refuses a call. Each API has its own code for the reason."""

    def __init__(self, reason: str, text: str | None = None, executed: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.text = text
        """Takes the place of the message for the reason."""
        self.executed = executed
        """Whether a part of the call was executed nevertheless."""


def spoiled_numbers(value: Any, defect: str) -> Any:
    """Return a JSON value, with every number converted to a string if that is the defect."""
    if defect != "strings":
        return value
    if isinstance(value, dict):
        return {name: spoiled_numbers(item, defect) for name, item in value.items()}
    if isinstance(value, list):
        return [spoiled_numbers(item, defect) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value
