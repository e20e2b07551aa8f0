# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is not measured when the coverage of the tests is."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def unmeasured() -> Iterator[None]:
    """Leave out of the coverage what adds nothing to it: measuring takes as long as running."""
    coverage = sys.modules.get("coverage")
    current = coverage.Coverage.current() if coverage else None
    if current is None:
        yield
        return
    current.stop()
    try:
        yield
    finally:
        current.start()
