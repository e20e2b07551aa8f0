# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The count of the tests that ansible-test has run."""

from __future__ import annotations

from pathlib import Path

import units


def test_only_tests_that_ran_and_passed_are_counted(tmp_path: Path) -> None:
    for number, children in enumerate((("", "<skipped/>"), ("<failure/>", "<error/>", ""), ())):
        cases = "".join(f'<testcase name="x">{child}</testcase>' for child in children)
        (tmp_path / f"{number}.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>", "utf-8")
    assert units.passed(tmp_path.glob("*.xml")) == 2
