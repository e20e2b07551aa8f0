# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Behaviour of the account API for one agent, for each case that the vendor's documents leave open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from .. import validation
from ..validation import Validator
from .errors import ERROR_KINDS

DOCUMENTED = "documented"
ANY_KIND = "*"
"""Key of a table by kind of error: all kinds that the table does not contain."""

CHOICES: dict[str, tuple[str, ...]] = {
    "failure_data": ("null", "absent", "object", "list"),
    "balance_envelope": (DOCUMENTED, "common"),
    "empty_data": ("same", "object", "list", "null", "absent"),
    "empty": ("text", "null", "absent"),
    "numbers": ("example", "int", "string"),
    "spelling": ("example", "table", "lower"),
    "brand": ("optional", "required"),
    "post": ("query", "refuse"),
}


def _is_code(value: object) -> bool:
    return validation.is_string(value) or validation.is_integer(value, -(10**6))


def _by_kind(accepts: Callable[[object], bool]) -> Callable[[object], bool]:
    """Return a validator for a table whose keys are kinds of error."""

    def check(value: object) -> bool:
        if not isinstance(value, dict):
            return False
        return all((kind == ANY_KIND or kind in ERROR_KINDS) and accepts(item) for kind, item in value.items())

    return check


VALIDATORS: dict[str, Validator] = {
    "codes": (_by_kind(_is_code), "an object of numbers or texts by kind of refusal"),
    "messages": (_by_kind(validation.is_string), "an object of texts by kind of refusal"),
    "statuses": (_by_kind(validation.is_http_status), "an object of HTTP statuses by kind of refusal"),
    "date": (lambda value: validation.is_boolean(value) or validation.is_string(value), "true, false or text"),
}


@dataclass
class AgentOptions:
    codes: dict[str, int | str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    failure_data: str = "null"
    balance_envelope: str = DOCUMENTED
    date: bool | str = True
    empty_data: str = "same"
    empty: str = "text"
    numbers: str = "example"
    spelling: str = "example"
    brand: str = "optional"
    post: str = "query"

    def with_changes(self, values: Mapping[str, Any]) -> AgentOptions:
        """Return a copy with some options replaced."""
        validation.validate_options(values, (item.name for item in fields(self)), CHOICES, VALIDATORS)
        return AgentOptions(**{**vars(self), **values})
