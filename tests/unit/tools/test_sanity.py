# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of ansible-test's output: a test that was left out must not pass for one that succeeded."""

from __future__ import annotations

import pytest
import sanity

PYTHONS = ("3.12", "3.13")
RAN = [
    f'Running sanity test "{test}" on Python {version}\n'
    for test in ("compile", "import")
    for version in ("3.12", "3.13")
]
ABSENT = 'WARNING: Skipping sanity test "import" on Python 3.14 because it could not be found.\n'


def test_a_full_run_is_right() -> None:
    assert sanity.judge(RAN, ["3.12", "3.13"], []) == []


def test_an_absent_optional_python_is_accepted_where_it_was_announced() -> None:
    assert sanity.judge([*RAN, ABSENT], ["3.12", "3.13"], ["3.14"]) == []
    assert sanity.judge([*RAN, ABSENT], ["3.12", "3.13"], []) == [f"a test was left out: {ABSENT.strip()}"]


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
    assert sanity.judge([*RAN, f"{line}\n"], ["3.12"], ["3.14"]) == [f"a test was left out: {line}"]


def test_a_python_that_did_not_run_is_wrong() -> None:
    assert sanity.judge(RAN[:3], ["3.13"], []) == ["the test import did not run on Python 3.13"]
