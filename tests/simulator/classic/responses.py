# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of an answer: what a key's options and a fault make of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from . import codes
from .options import Options


@dataclass
class Reply:
    status: int
    body: Any
    """The JSON, or None where there is none."""

    @property
    def no_method(self) -> bool:
        return self.status == 405 and self.body is None


def as_strings(value: Any) -> Any:
    """The same answer with every number as text."""
    if isinstance(value, dict):
        return {name: as_strings(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_strings(item) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value


def code_of(body: Any) -> int | None:
    code = body.get("Code") if isinstance(body, dict) else None
    return code if isinstance(code, int) else None


def parsed(text: str) -> Any:
    """The JSON of a body, or None where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def refused(code: int, text: str, with_text: bool, rest: bool) -> Reply:
    """A failure, in either of the vendor's two styles."""
    if rest:
        return Reply(500 if code == codes.UNKNOWN else 400, {"error": text})
    body: dict[str, Any] = {"Code": code}
    if with_text and text:
        body["Msg"] = text
    return Reply(200, body)


def shaped(reply: Reply, options: Options, fault: str | None) -> Reply:
    body = dict(reply.body)
    for name, empty in (("Data", options.empty_data), ("data", options.empty_data), ("TaskList", options.empty_tasks)):
        if name not in body:
            continue
        chosen = "list" if body[name] else empty
        if fault in ("data_null", "data_absent"):
            chosen = fault.removeprefix("data_")
        if chosen == "absent":
            del body[name]
        elif chosen == "null":
            body[name] = None
    if fault == "strings" or options.numbers == "string":
        body = as_strings(body)
    return Reply(reply.status, body)
