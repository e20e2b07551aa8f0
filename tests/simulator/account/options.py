# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the vendor behaves towards one agent where its documents leave a choice or contradict themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from .. import validation as checks
from ..validation import Invalid
from .errors import KINDS

DOCUMENTED = "documented"
EVERY = "*"
"""In a table by kind of refusal: all kinds that the table does not name."""

CHOICES: dict[str, tuple[str, ...]] = {
    "code_style": (DOCUMENTED, "int", "string"),
    "failure_data": ("null", "absent", "object", "list"),
    "balance_envelope": (DOCUMENTED, "common"),
    "numbering": ("page", "total"),
    "map_order": ("number", "text"),
    "lists": (DOCUMENTED, "map", "array"),
    "empty_data": ("same", "object", "list", "null", "absent"),
    "empty": ("text", "null", "absent"),
    "numbers": ("example", "int", "string"),
    "spelling": ("example", "table", "lower"),
    "rates": ("requested", "always"),
    "over_limit": ("refuse", "clamp"),
    "brand": ("optional", "required"),
    "post": ("query", "refuse"),
}


def code(value: object) -> bool:
    return checks.text(value) or checks.whole(value, -(10**6))


def _by_kind(good: Callable[[object], bool]) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        if not isinstance(value, dict):
            return False
        return all((kind == EVERY or kind in KINDS) and good(item) for kind, item in value.items())

    return check


def _status(value: object) -> bool:
    return checks.whole(value, 200, 599)


OTHERS: dict[str, tuple[Callable[[object], bool], str]] = {
    "success_code": (code, f"a number, text, or {DOCUMENTED}"),
    "codes": (_by_kind(code), "an object of numbers or texts by kind of refusal"),
    "messages": (_by_kind(checks.text), "an object of texts by kind of refusal"),
    "statuses": (_by_kind(_status), "an object of HTTP statuses by kind of refusal"),
    "date": (lambda value: checks.flag(value) or checks.text(value), "true, false or text"),
    "max_limit": (lambda value: checks.whole(value, 1), "a number from 1"),
}


@dataclass
class AgentOptions:
    success_code: int | str = DOCUMENTED
    code_style: str = DOCUMENTED
    codes: dict[str, int | str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    failure_data: str = "null"
    balance_envelope: str = DOCUMENTED
    date: bool | str = True
    numbering: str = "page"
    map_order: str = "number"
    lists: str = DOCUMENTED
    empty_data: str = "same"
    empty: str = "text"
    numbers: str = "example"
    spelling: str = "example"
    rates: str = "requested"
    over_limit: str = "refuse"
    max_limit: int = 50
    brand: str = "optional"
    post: str = "query"

    def changed(self, values: Mapping[str, Any]) -> AgentOptions:
        """The options with some of them replaced."""
        known = [item.name for item in fields(self)]
        for name, value in values.items():
            if name not in known:
                raise Invalid(f"unknown option {name!r}, known: {', '.join(known)}")
            if name in CHOICES:
                if value not in CHOICES[name]:
                    raise Invalid(f"option {name}: {value!r} is none of {', '.join(CHOICES[name])}")
            elif not OTHERS[name][0](value):
                raise Invalid(f"option {name}: {OTHERS[name][1]} expected")
        return AgentOptions(**{**vars(self), **values})
