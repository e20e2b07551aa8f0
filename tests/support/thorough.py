# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One more case of what other tests show: "make test" leaves it out; only the newest core runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from support.parameters import ParameterSet

Test = TypeVar("Test", bound=Callable[..., None])


def one_more_case(test: Test) -> Test:
    """Mark a test."""
    return pytest.mark.thorough(pytest.mark.newest_core(test))


def thorough(*cases: Any) -> list[ParameterSet]:
    """Return marked parameters for parametrize(); a tuple has a value for each of its names."""
    rows = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [pytest.param(*row, marks=[pytest.mark.thorough, pytest.mark.newest_core]) for row in rows]
