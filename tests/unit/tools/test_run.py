# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The closing line of a test run."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import IO

import pytest
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


def test_sessions_of_one_core_run_side_by_side_before_the_others() -> None:
    wanted = ["lint", "unit", "sanity", "galaxy", "quickstart", "integration", "coverage"]
    rows = [["sanity"], ["lint"], ["galaxy", "quickstart"]]
    assert run.plan(wanted) == (rows, ["unit", "integration", "coverage"])


def test_sessions_with_parameters_run_side_by_side_as_well() -> None:
    wanted = list(run.GROUPS["test"])
    rows = [["sanity(checkout)"], ["molecule(one)"], ["lint"]]
    assert run.plan(wanted) == (rows, ["unit(core-newest)", "integration(core-newest)"])


def test_the_rest_repeats_nothing_of_the_first_part() -> None:
    assert set(run.GROUPS["test"]).isdisjoint(run.GROUPS["rest"])


def test_one_session_has_the_terminal_to_itself() -> None:
    assert run.plan(["lint"]) == ([], ["lint"])
    assert run.plan(["galaxy", "quickstart"]) == ([], ["galaxy", "quickstart"])


def test_outputs_are_not_mixed_and_the_first_failure_counts(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    both = threading.Barrier(2)

    def nox(row: Sequence[str], output: IO[bytes]) -> run.Outcome:
        output.write(f"{row[0]} one\n".encode())
        both.wait(10)
        output.write(f"{row[0]} two\n".encode())
        both.wait(10)
        return run.Outcome(int(row[0] == "lint"), [{"name": row[0], "result": "success"}])

    outcome = run.side_by_side([["lint"], ["docs"]], nox)
    shown = capfdbinary.readouterr().out
    assert b"lint one\nlint two\n" in shown
    assert b"docs one\ndocs two\n" in shown
    assert outcome.code == 1
    assert sorted(entry["name"] for entry in outcome.sessions) == ["docs", "lint"]


def test_the_others_begin_when_one_row_is_left(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    begun, ended = threading.Event(), []

    def nox(row: Sequence[str], output: IO[bytes]) -> run.Outcome:
        output.write(f"{row[0]} shown\n".encode())
        if row[0] == "sanity":
            assert begun.wait(10)
        ended.append(row[0])
        return run.Outcome(0, [{"name": row[0], "result": "success"}])

    def rest() -> run.Outcome:
        assert sorted(ended) == ["docs", "lint"]
        begun.set()
        print("unit shown", flush=True)
        return run.Outcome(1, [{"name": "unit", "result": "failed"}])

    outcome = run.side_by_side([["sanity"], ["lint"], ["docs"]], nox, rest)
    shown = capfdbinary.readouterr().out
    assert shown.index(b"unit shown") < shown.index(b"sanity shown")
    assert outcome.code == 1
    assert sorted(entry["name"] for entry in outcome.sessions) == ["docs", "lint", "sanity", "unit"]


def test_a_session_of_each_core_runs_on_the_chosen_one_or_at_both_ends() -> None:
    assert run.expanded(["lint", "sanity"], None) == ["lint", "sanity(checkout)", "sanity(core-oldest)"]
    assert run.expanded(["matrix", "support"], None) == ["matrix", "support"]
    assert run.expanded(["matrix", "support"], "2.18") == ["matrix(core-2.18)"]
