# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bugs of "make planted" fit the code, and only a failing test finds one."""

from __future__ import annotations

from pathlib import Path

import pytest
from mutation import planted_bugs
from workspace import ROOT

BUG = {"bug": "a bug", "file": "a.py", "old": "1 + 1", "new": "1 + 2", "test": "test_a.py"}
TEST = "import pathlib\n\ndef test_a():\n    assert {}\n"


@pytest.mark.parametrize("bug", planted_bugs.BUGS, ids=lambda bug: str(bug["bug"]))
def test_a_planted_bug_fits_the_code(bug: dict[str, str]) -> None:
    text = (ROOT / planted_bugs.CODE / bug["file"]).read_text(encoding="utf-8")
    assert planted_bugs.planted(bug, text) != text
    assert (ROOT / planted_bugs.TESTS / bug["test"].partition("::")[0]).is_file()


@pytest.mark.parametrize("text", ["", "1 + 1 and 1 + 1"])
def test_a_bug_whose_old_text_is_not_there_once_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=f"the old text is {text.count('1 + 1')} times in"):
        planted_bugs.planted(BUG, text)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("'1 + 1' in pathlib.Path('plugins/module_utils/a.py').read_text()", "found"),
        ("True", "NOT FOUND"),
        ("(", "ERROR"),
    ],
)
def test_a_bug_is_found_if_a_test_fails_in_the_copy(condition: str, expected: str, tmp_path: Path) -> None:
    checkout = tmp_path / "ansible_collections" / "a" / "b"
    path = checkout / planted_bugs.CODE / BUG["file"]
    test = checkout / planted_bugs.TESTS / BUG["test"]
    for file, text in ((path, "A = 1 + 1\n"), (test, TEST.format(condition))):
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")
    assert planted_bugs.outcome(BUG, checkout).startswith(expected)
    assert path.read_text(encoding="utf-8") == "A = 1 + 1\n", "the bug is taken out"
