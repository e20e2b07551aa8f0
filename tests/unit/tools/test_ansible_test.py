# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of ansible-test's output: a test that was left out must not pass for one that succeeded."""

from __future__ import annotations

import ansible_test
import pytest

PYTHONS = ("3.12", "3.13")
REQUIRED = {"compile": PYTHONS, "import": PYTHONS}
RAN: dict[str, str | None] = {f"{test}-python-{version}": None for test in ("compile", "import") for version in PYTHONS}
LINES = [f'Running sanity test "{test}" on Python {version}\n' for test in ("compile", "import") for version in PYTHONS]
ABSENT = 'Skipping sanity test "import" on Python 3.14 because it could not be found.'
EMPTY = "No tests applicable."


def test_an_absent_optional_python_is_accepted_where_it_was_announced() -> None:
    lines, results = [*LINES, f"WARNING: {ABSENT}\n"], {**RAN, "import-python-3.14": ABSENT}
    assert ansible_test.judge(lines, results, REQUIRED, ["3.14"]) == []
    assert ansible_test.judge(lines, results, REQUIRED) == [
        f"left out: {ABSENT}",
        f"left out: import-python-3.14: {ABSENT}",
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
    assert ansible_test.judge([*LINES, f"{line}\n", f"{line}\n"], RAN, REQUIRED, ["3.14"]) == [
        f"left out: {line.removeprefix('WARNING: ')}"
    ]


def test_a_python_that_did_not_run_is_wrong() -> None:
    results = {name: reason for name, reason in RAN.items() if name != "import-python-3.13"}
    assert ansible_test.judge(LINES, results, REQUIRED) == ["import-python-3.13 did not run"]


def test_a_test_that_was_to_run_alone_and_did_not_is_wrong() -> None:
    assert ansible_test.judge([], {"pylint": None}, {"pylint": []}) == []
    assert ansible_test.judge([], {}, {"pylint": []}) == ["pylint did not run"]


@pytest.mark.parametrize(
    "name", ["pslint-python-3.13", "empty-init-python-3.13", "import-python-3.9", "compile-python-2.7"]
)
def test_a_test_may_have_nothing_to_read_where_the_collection_has_nothing(name: str) -> None:
    assert ansible_test.judge(LINES, RAN | {name: EMPTY}, REQUIRED) == []


@pytest.mark.parametrize("name", ["shellcheck", "validate-modules-python-3.13", "import-python-3.13", "changelog"])
def test_elsewhere_a_test_that_silently_reads_nothing_is_wrong(name: str) -> None:
    assert ansible_test.judge(LINES, RAN | {name: EMPTY}, REQUIRED) == [f"left out: {name}: {EMPTY}"]


def test_the_archive_has_neither_changelog_fragments_nor_shell_scripts() -> None:
    results = RAN | {"changelog": EMPTY, "shellcheck": EMPTY}
    assert ansible_test.judge(LINES, results, REQUIRED, empty=ansible_test.EMPTY_IN_ARCHIVE) == []
