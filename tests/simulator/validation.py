# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation of the values that control calls send."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeGuard

Validator = tuple[Callable[[object], bool], str]
"""A predicate, and what it accepts, for the error message."""


class ValidationError(ValueError):
    """A control call names something that does not exist, or has a value that is not allowed."""


def is_integer(value: object, low: int = 0, high: int = 10**6) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def is_duration(value: object) -> TypeGuard[float]:
    """Return whether the value is a number of seconds, up to a hundred years: later dates cannot be formatted."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 <= float(str(value)) < 3.2e9


def is_http_status(value: object) -> bool:
    return is_integer(value, 200, 599)


def is_string(value: object) -> bool:
    return isinstance(value, str)


def is_boolean(value: object) -> bool:
    return isinstance(value, bool)


def is_object(value: object) -> bool:
    return isinstance(value, dict)


def is_string_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def is_string_mapping(value: object) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def validate_fields(values: Mapping[str, Any], validators: Mapping[str, Validator]) -> None:
    """Raise an error if a field is unknown or has a wrong value."""
    for name, value in values.items():
        if name not in validators:
            raise ValidationError(f"{name}: no such field")
        accepts, expected = validators[name]
        if not accepts(value):
            raise ValidationError(f"{name}: {expected} expected")


def validate_options(
    values: Mapping[str, Any],
    known: Iterable[str],
    choices: Mapping[str, tuple[str, ...]],
    validators: Mapping[str, Validator],
) -> None:
    """Raise an error if an option is unknown, is not one of its choices, or fails its validator."""
    names = list(known)
    for name, value in values.items():
        if name not in names:
            raise ValidationError(f"unknown option {name!r}, known: {', '.join(names)}")
        if name in choices:
            if value not in choices[name]:
                raise ValidationError(f"option {name}: {value!r} is none of {', '.join(choices[name])}")
        elif not validators[name][0](value):
            raise ValidationError(f"option {name}: {validators[name][1]} expected")
