# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sessions "make" runs, in which order, and what it reports of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import run
import workspace

#: Stands in for nox: "lint" passes, "docs" is skipped, and all else fails.
NOX = """
import json, pathlib, sys
report, name = sys.argv[2], sys.argv[4]
result = {"lint": "success", "docs": "skipped"}.get(name, "failed")
print(f"said by {name}")
pathlib.Path(report).write_text(json.dumps({"sessions": [{"result": result}]}))
sys.exit(3 if result == "failed" else 0)
"""


@pytest.fixture
def nox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nox.py").write_text(NOX, encoding="utf-8")
    monkeypatch.setattr(workspace, "ROOT", tmp_path)
    monkeypatch.setattr(workspace, "CACHE", tmp_path)


def test_sessions_of_one_core_run_beside_the_others_longest_first() -> None:
    wanted = ["unit", "lint", "quickstart", "sanity(checkout)", "coverage"]
    assert run.plan(wanted) == (["sanity(checkout)", "lint", "quickstart"], ["unit", "coverage"])


def test_the_rest_repeats_only_the_sessions_that_run_other_tests_then() -> None:
    assert set(run.GROUPS["test"]) & set(run.GROUPS["rest"]) == {"unit(core-newest)", "sanity(checkout)"}


def test_a_session_of_each_core_runs_on_the_chosen_one_or_at_both_ends() -> None:
    assert list(run.expanded(["lint", "sanity"], None)) == ["lint", "sanity(checkout)", "sanity(core-oldest)"]
    assert list(run.expanded(["matrix", "support"], None)) == ["matrix", "support"]
    assert list(run.expanded(["matrix", "support"], "2.18")) == ["matrix(core-2.18)"]


def test_the_closing_line_has_each_session_and_the_first_failure_is_the_exit_code(
    nox: None, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["lint", "docs", "matrix", "coverage"]) == 3
    *shown, last = capfd.readouterr().out.splitlines()
    assert last.startswith("FAILED: lint docs matrix coverage in 0 min ")
    for outcome in ("lint success, ", "docs skipped, ", "matrix failed, ", "coverage failed, "):
        assert outcome in last
    assert "said by lint" in shown, "the output of a session beside the others is shown as well"
