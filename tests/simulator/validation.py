# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what a control call brings."""

from __future__ import annotations

from typing import TypeGuard


class Invalid(ValueError):
    """A control call asks for something that does not exist."""


def whole(value: object, low: int = 0, high: int = 10**6) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def seconds(value: object) -> TypeGuard[float]:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # A hundred years at most: a date far beyond them has no text.
    return number and 0 <= float(str(value)) < 3.2e9


def text(value: object) -> bool:
    return isinstance(value, str)


def flag(value: object) -> bool:
    return isinstance(value, bool)


def texts(value: object) -> bool:
    """A list of texts."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def table(value: object) -> bool:
    """An object of texts."""
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
