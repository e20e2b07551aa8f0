# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One more case of what other tests show, which "make test" leaves out."""

from __future__ import annotations

from typing import Any

import pytest
from support.parameters import ParameterSet


def slow_cases(*cases: Any) -> list[ParameterSet]:
    """Return marked parameters for parametrize(); a tuple has a value for each of its names."""
    rows = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [pytest.param(*row, marks=pytest.mark.slow) for row in rows]
