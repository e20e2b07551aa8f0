# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The closing line of a test run."""

from __future__ import annotations

import run


def test_success_names_the_sessions() -> None:
    results = [{"name": "lint", "result": "success"}, {"name": "molecule", "result": "skipped"}]
    assert run.summary(["test"], results, 0, 125.4) == "OK: test in 2 min 5 s: 1 skipped (molecule); 1 success (lint)"


def test_failure_comes_first() -> None:
    results = [{"name": "unit", "signatures": ["unit(core-newest)"], "result": "failed"}]
    assert run.summary(["unit"], results, 1, 9) == "FAILED: unit in 0 min 9 s: 1 failed (unit(core-newest))"


def test_a_run_without_sessions_says_so() -> None:
    assert run.summary(["unit"], [], 1, 0) == "FAILED: unit in 0 min 0 s: no session ended"


def test_a_stopped_run_is_no_failure() -> None:
    assert run.summary(["simulator"], [], run.INTERRUPTED, 3) == "STOPPED: simulator in 0 min 3 s: no session ended"
