# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parameters of tests that need each value of a table, but not each combination of two tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from _pytest.mark.structures import ParameterSet


def spread(*axes: Iterable[Any]) -> list[Any]:
    """Return parameters in which each value of each axis occurs. A shorter axis starts again at its
    end.

    Use it where one piece of code handles the first axis for all values of the second one: a
    failure is classified before anything asks what the call was for, so a product would only run
    the same lines again.
    """
    columns = [
        [
            value if isinstance(value, ParameterSet) else pytest.param(value, id=str(value))
            for value in axis
        ]
        for axis in axes
    ]
    rows = [
        [column[row % len(column)] for column in columns] for row in range(max(map(len, columns)))
    ]
    return [
        pytest.param(
            *(value for part in row for value in part.values),
            id="-".join(_name(part) for part in row),
        )
        for row in rows
    ]


def _name(part: ParameterSet) -> str:
    return str(part.values[0] if part.id is None else part.id)


def slow_cases(*cases: Any) -> list[ParameterSet]:
    """Return more cases of what others show, which "make test" leaves out; a tuple has a value for
    each name.
    """
    rows = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [pytest.param(*row, marks=pytest.mark.slow) for row in rows]


def first_by_day(values: Iterable[Any]) -> list[ParameterSet]:
    """Return parameters of which each change is tested with the first, and the others every
    night.
    """
    first, *others = values
    marked = [pytest.param(value, id=str(value), marks=pytest.mark.nightly) for value in others]
    return [pytest.param(first, id=str(first)), *marked]
