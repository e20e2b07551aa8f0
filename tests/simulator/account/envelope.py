# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account call's answer looks like: the envelope, and what an agent's options make of its data."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from ..classic.responses import Reply, as_strings
from .endpoints import WHOLE, Service
from .errors import KINDS
from .options import DOCUMENTED, EVERY, AgentOptions
from .request import Found

EMPTY: dict[str, Any] = {"object": {}, "list": [], "null": None}
INTEGER = re.compile(r"-?[0-9]{1,15}")
DECIMAL = re.compile(r"-?[0-9]{1,12}\.[0-9]{1,6}")


def request_id(number: int) -> str:
    """One for each call, in the vendor's format."""
    digits = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest().upper()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def answered(service: Service, found: Found, options: AgentOptions, identity: str, fault: str | None) -> Reply:
    data = _shaped(service, found, options)
    absent = data is ...
    if fault in ("data_null", "data_absent"):
        data, absent = None, fault == "data_absent"
    if service.plain and options.balance_envelope == DOCUMENTED:
        body = {"result": True, "data": data, "msg": None}
    else:
        success = service.success if options.success_code == DOCUMENTED else options.success_code
        body = _envelope(identity, _styled(success, options), service.message, data)
    if absent:
        body.pop("data" if "data" in body else "Data")
    return Reply(200, as_strings(body) if fault == "strings" else body)


def declined(service: Service, kind: str, text: str, options: AgentOptions, identity: str) -> Reply:
    code = _of_kind(options.codes, kind, KINDS[kind][0])
    return failed(service, code, _of_kind(options.messages, kind, text), options, identity, kind)


def failed(
    service: Service, code: int | str, text: str, options: AgentOptions, identity: str, kind: str = "planned"
) -> Reply:
    if service.plain and options.balance_envelope == DOCUMENTED:
        body = {"result": False, "data": None, "msg": text}
    else:
        body = _envelope(identity, _styled(code, options), text, EMPTY.get(options.failure_data))
        if options.failure_data == "absent":
            del body["Data"]
    return Reply(_of_kind(options.statuses, kind, 200), body)


def _envelope(identity: str, code: int | str, message: str, data: Any) -> dict[str, Any]:
    return {"RequestId": identity, "Code": code, "Message": message, "Data": data}


def _of_kind(table: dict[str, Any], kind: str, default: Any) -> Any:
    return table.get(kind, table.get(EVERY, default))


def _styled(code: int | str, options: AgentOptions) -> int | str:
    if options.code_style == "string":
        return str(code)
    # A code that is a word stays one.
    return int(code) if options.code_style == "int" and INTEGER.fullmatch(str(code)) else code


def _shaped(service: Service, found: Found, options: AgentOptions) -> Any:
    """The data in the shape that the options ask for; an ellipsis where there shall be none."""
    spell = _speller(service, options)
    if service.listed is None:
        return _object(found.data, spell, options) if isinstance(found.data, dict) else _value(found.data, options)
    shape = service.listed if options.lists == DOCUMENTED else options.lists
    rows = [_object(row, spell, options) for row in found.data]
    if not rows and options.empty_data != "same":
        return EMPTY.get(options.empty_data, ...)
    if shape == "array":
        return rows
    first = 1 + (found.before if options.numbering == "total" else 0)
    numbered = {str(first + index): row for index, row in enumerate(rows)}
    return dict(sorted(numbered.items())) if options.map_order == "text" else numbered


def _speller(service: Service, options: AgentOptions) -> Callable[[str], str]:
    if options.spelling == "lower":
        return str.lower
    return (lambda name: service.table.get(name, name)) if options.spelling == "table" else str


def _object(values: dict[str, Any], spell: Callable[[str], str], options: AgentOptions) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in values.items():
        if value == "" and options.empty != "text":
            if options.empty == "null":
                result[spell(name)] = None
            continue
        result[spell(name)] = _value(value, options) if name in WHOLE or options.numbers == "string" else value
    return result


def _value(value: Any, options: AgentOptions) -> Any:
    """A number as the text or as the number that the options want."""
    if options.numbers == "string":
        return as_strings(value)
    if options.numbers == "int" and isinstance(value, str):
        if INTEGER.fullmatch(value):
            return int(value)
        if DECIMAL.fullmatch(value):
            return float(value)
    return value
