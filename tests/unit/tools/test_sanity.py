# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of ansible-test's output: a test that was left out must not pass for one that succeeded."""

from __future__ import annotations

from pathlib import Path

import pytest
import sanity

PYTHONS = ("3.12", "3.13")
RAN: dict[str, str | None] = {f"{test}-python-{version}": None for test in ("compile", "import") for version in PYTHONS}
LINES = [f'Running sanity test "{test}" on Python {version}\n' for test in ("compile", "import") for version in PYTHONS]
ABSENT = 'Skipping sanity test "import" on Python 3.14 because it could not be found.'
EMPTY = "No tests applicable."


def test_a_full_run_is_right() -> None:
    assert sanity.judge(LINES, RAN | {"pep8": None}, PYTHONS, []) == []


def test_an_absent_optional_python_is_accepted_where_it_was_announced() -> None:
    lines, results = [*LINES, f"WARNING: {ABSENT}\n"], {**RAN, "import-python-3.14": ABSENT}
    assert sanity.judge(lines, results, PYTHONS, ["3.14"]) == []
    assert sanity.judge(lines, results, PYTHONS, []) == [
        f"a test was left out: WARNING: {ABSENT}",
        f"the test import-python-3.14 was left out: {ABSENT}",
    ]


@pytest.mark.parametrize(
    "line",
    [
        'WARNING: Skipping sanity test "import" on Python 3.11 because it could not be found.',
        'WARNING: Required program "shellcheck" not found.',
        'WARNING: Skipping sanity test "yamllint" on Python 3.13 due to missing virtual environment support.',
        "WARNING: Skipping tests disabled by default without --allow-disabled: mypy",
        "WARNING: All targets skipped.",
    ],
)
def test_anything_else_that_was_left_out_is_wrong(line: str) -> None:
    assert sanity.judge([*LINES, f"{line}\n", f"{line}\n"], RAN, PYTHONS, ["3.14"]) == [f"a test was left out: {line}"]


def test_tests_that_are_not_in_the_archive_can_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "galaxy.yml").write_text("build_ignore: [tests/unit, tests/config.yml, examples]\n", encoding="utf-8")
    for name in ("tests/unit", "tests/simulator", "examples"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "tests" / "config.yml").touch()
    sanity.leave_out_tests(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {"galaxy.yml", "tests", "tests/config.yml", "tests/simulator", "examples"}


def test_imports_can_be_tried_on_some_pythons_only() -> None:
    assert sanity.runs(PYTHONS, False, ["-v"]) == [["-v"]]
    assert sanity.runs(PYTHONS[:1], True, ["-v"]) == [
        ["--skip-test", "import", "-v"],
        ["--test", "import", "--python", "3.12", "-v"],
    ]


def test_a_python_that_did_not_run_is_wrong() -> None:
    results = {name: reason for name, reason in RAN.items() if name != "import-python-3.13"}
    assert sanity.judge(LINES, results, PYTHONS, []) == ["the test import did not run on Python 3.13"]


@pytest.mark.parametrize(
    "name", ["pslint-python-3.13", "empty-init-python-3.13", "import-python-3.9", "compile-python-2.7"]
)
def test_a_test_may_have_nothing_to_read_where_the_collection_has_nothing(name: str) -> None:
    assert sanity.judge(LINES, RAN | {name: EMPTY}, PYTHONS, []) == []


@pytest.mark.parametrize("name", ["shellcheck", "validate-modules-python-3.13", "import-python-3.13", "changelog"])
def test_elsewhere_a_test_that_silently_reads_nothing_is_wrong(name: str) -> None:
    assert sanity.judge(LINES, RAN | {name: EMPTY}, PYTHONS, []) == [f"the test {name} was left out: {EMPTY}"]


def test_results_come_from_the_junit_files(tmp_path: Path) -> None:
    form = '<testsuites><testsuite><testcase classname="sanity" name="{}">{}</testcase></testsuite></testsuites>'
    for name, content in (("pep8", ""), ("pslint", f"<skipped>{EMPTY}</skipped>"), ("shebang", "<skipped/>")):
        (tmp_path / f"{name}.xml").write_text(form.format(name, content), encoding="utf-8")
    assert sanity.read_results(tmp_path) == {"pep8": None, "pslint": EMPTY, "shebang": ""}
