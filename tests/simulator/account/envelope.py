# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Responses of the account API: the envelope, and the effect of an agent's options on the data."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from ..exchange import ApiResponse, stringify_numbers
from .endpoints import INTEGER_FIELDS, AccountEndpoint
from .errors import ERROR_KINDS, AccountError
from .options import ANY_KIND, DOCUMENTED, AgentOptions

EMPTY_VALUES: dict[str, Any] = {"object": {}, "list": [], "null": None}
INTEGER = re.compile(r"-?[0-9]{1,15}")
DECIMAL = re.compile(r"-?[0-9]{1,12}\.[0-9]{1,6}")


def create_request_id(number: int) -> str:
    """Return the request ID of the n-th call, in the vendor's format."""
    digits = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest().upper()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def success_response(
    endpoint: AccountEndpoint, result: Any, options: AgentOptions, request_id: str, defect: str | None
) -> ApiResponse:
    data = _format_data(endpoint, result, options)
    absent = data is ...
    if defect in ("data_null", "data_absent"):
        data, absent = None, defect == "data_absent"
    if endpoint.plain_envelope and options.balance_envelope == DOCUMENTED:
        body = {"result": True, "data": data, "msg": None}
    else:
        body = _envelope(request_id, endpoint.success_code, endpoint.success_message, data)
    if absent:
        body.pop("data" if "data" in body else "Data")
    return ApiResponse(200, stringify_numbers(body) if defect == "strings" else body)


def refusal_response(
    endpoint: AccountEndpoint, error: AccountError, options: AgentOptions, request_id: str
) -> ApiResponse:
    code = _for_kind(options.codes, error.kind, ERROR_KINDS[error.kind][0])
    message = _for_kind(options.messages, error.kind, error.message)
    return error_response(endpoint, code, message, options, request_id, error.kind)


def error_response(
    endpoint: AccountEndpoint,
    code: int | str,
    message: str,
    options: AgentOptions,
    request_id: str,
    kind: str = "planned",
) -> ApiResponse:
    if endpoint.plain_envelope and options.balance_envelope == DOCUMENTED:
        body = {"result": False, "data": None, "msg": message}
    else:
        body = _envelope(request_id, code, message, EMPTY_VALUES.get(options.failure_data))
        if options.failure_data == "absent":
            del body["Data"]
    return ApiResponse(_for_kind(options.statuses, kind, 200), body)


def _envelope(request_id: str, code: int | str, message: str, data: Any) -> dict[str, Any]:
    return {"RequestId": request_id, "Code": code, "Message": message, "Data": data}


def _for_kind(table: dict[str, Any], kind: str, default: Any) -> Any:
    return table.get(kind, table.get(ANY_KIND, default))


def _format_data(endpoint: AccountEndpoint, result: Any, options: AgentOptions) -> Any:
    """Return the data in the form that the options ask for; an ellipsis if the data must be absent."""
    spell = _spelling(endpoint, options)
    if endpoint.list_shape is None:
        is_object = isinstance(result, dict)
        return _format_object(result, spell, options) if is_object else _format_value(result, options)
    rows = [_format_object(row, spell, options) for row in result]
    if not rows and options.empty_data != "same":
        return EMPTY_VALUES.get(options.empty_data, ...)
    if endpoint.list_shape == "array":
        return rows
    return {str(number): row for number, row in enumerate(rows, 1)}


def _spelling(endpoint: AccountEndpoint, options: AgentOptions) -> Callable[[str], str]:
    if options.spelling == "lower":
        return str.lower
    return (lambda name: endpoint.table_spelling.get(name, name)) if options.spelling == "table" else str


def _format_object(values: dict[str, Any], spell: Callable[[str], str], options: AgentOptions) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in values.items():
        if value == "" and options.empty != "text":
            if options.empty == "null":
                result[spell(name)] = None
            continue
        formatted = name in INTEGER_FIELDS or options.numbers == "string"
        result[spell(name)] = _format_value(value, options) if formatted else value
    return result


def _format_value(value: Any, options: AgentOptions) -> Any:
    """Return a number as a string or as a number, as the options ask for."""
    if options.numbers == "string":
        return stringify_numbers(value)
    if options.numbers == "int" and isinstance(value, str):
        if INTEGER.fullmatch(value):
            return int(value)
        if DECIMAL.fullmatch(value):
            return float(value)
    return value
