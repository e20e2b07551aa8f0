# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The support table shows only what was run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import support_matrix

ALL = {"passed": 3, "skipped": 0, "failed": 0}
SOME = {"passed": 1, "skipped": 1, "failed": 2}
NONE = {"passed": 0, "skipped": 0, "failed": 0}


def test_the_report_of_pytest_is_counted_by_part(tmp_path: Path) -> None:
    cases = [
        ('classname="tests.unit.tools.test_support_matrix" name="a"', ""),
        ('classname="tests.unit.tools.test_support_matrix.SomeClass" name="b"', "<skipped/>"),
        ('classname="tests.integration.test_modules" name="c"', "<failure/>"),
    ]
    report = tmp_path / "x.xml"
    body = "".join(f"<testcase {attributes}>{child}</testcase>" for attributes, child in cases)
    report.write_text(f"<testsuites><testsuite>{body}</testsuite></testsuites>", encoding="utf-8")
    assert support_matrix.read_report(report) == {
        "unit": {"passed": 1, "skipped": 1, "failed": 0},
        "integration": {"passed": 0, "skipped": 0, "failed": 1},
    }


def test_notes_become_the_result_and_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support_matrix, "ROOT", tmp_path)
    monkeypatch.setattr(support_matrix, "NOTES", tmp_path)
    monkeypatch.setattr(support_matrix, "RESULT", tmp_path / "result.json")
    monkeypatch.setattr(support_matrix, "pinned", lambda: ["2.16.1", "2.17.1"])
    for name in support_matrix.WORDS:
        (tmp_path / name).write_text(f"{support_matrix.BEGIN}\n{support_matrix.END}\n", encoding="utf-8")
    (tmp_path / "a.json").write_text(
        json.dumps({"core": "2.17.1", "python": "3.10.1", "unit": ALL, "integration": SOME})
    )
    assert support_matrix.write() == 1
    assert not (tmp_path / "result.json").exists(), "2.16.1 has not been run"
    (tmp_path / "b.json").write_text(
        json.dumps({"core": "2.16.1", "python": "3.10.1", "unit": ALL, "integration": NONE})
    )
    assert support_matrix.write() == 1
    assert [entry["core"] for entry in support_matrix.load()["cores"]] == ["2.16.1", "2.17.1"]
    for name in support_matrix.WORDS:
        assert support_matrix.table(support_matrix.load(), name) in (tmp_path / name).read_text(encoding="utf-8")


def test_a_core_is_tested_if_all_tests_passed_with_these_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = {"core": "2.16.1", "plugins": "a-tree", "unit": ALL, "integration": ALL}
    failed = {**passed, "core": "2.17.1", "integration": {**ALL, "failed": 1}}
    none = {**passed, "core": "2.18.1", "integration": NONE}
    older = {**passed, "core": "2.19.1", "plugins": None}
    empty = {**passed, "core": "2.20.1", "unit": NONE}
    monkeypatch.setattr(support_matrix, "load", lambda: {"cores": [passed, failed, none, older, empty]})
    monkeypatch.setattr(support_matrix, "pinned", lambda: ["2.16.1", "2.17.1", "2.18.1", "2.19.1", "2.20.1"])
    assert support_matrix.untested("a-tree") == ["2.17.1", "2.18.1", "2.19.1", "2.20.1"]
    assert support_matrix.untested("another") == support_matrix.pinned()


def test_the_state_of_plugins_is_that_of_git_unless_it_is_not_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=n", "-c", "user.email=n@example.com")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True)

    monkeypatch.setattr(support_matrix, "ROOT", tmp_path)
    plugin = tmp_path / "plugins" / "one.py"
    plugin.parent.mkdir()
    plugin.touch()
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "one")
    before = support_matrix.plugins_tree()
    (tmp_path / "README.md").touch()
    assert before
    assert support_matrix.plugins_tree() == before, "a document is no plugin"
    plugin.write_text("1\n", encoding="utf-8")
    assert support_matrix.plugins_tree() is None
    git("commit", "--quiet", "--all", "--message", "two")
    assert support_matrix.plugins_tree() not in (None, before)


def test_every_series_is_pinned() -> None:
    series = [version.rsplit(".", 1)[0] for version in support_matrix.pinned()]
    assert series == [f"2.{number}" for number in range(16, 16 + len(series))]
