# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bugs of "make planted" fit the code, and only a failing test finds one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import planted_bugs
import pytest
from planted_bugs import Bug, PlantingError, is_found, plant
from workspace import COPY_ROOT, ROOT

BUG = planted_bugs.BUGS[0]


@pytest.mark.parametrize("bug", planted_bugs.BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_fits_the_code(bug: Bug) -> None:
    text = (ROOT / planted_bugs.CODE / bug.file).read_text(encoding="utf-8")
    assert text.count(bug.old) == 1
    assert bug.new != bug.old
    for name in bug.tests:
        assert (ROOT / planted_bugs.TESTS / name.partition("::")[0]).is_file()


@pytest.mark.parametrize("text", ["", "old old"])
def test_a_bug_whose_old_text_is_not_there_once_is_an_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / planted_bugs.CODE / "_a.py"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PlantingError, match=f"the old text is {text.count('old')} times in"):
        plant(Bug("a bug", "_a.py", "old", "new", ()), tmp_path)
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(("code", "found"), [(0, False), (1, True)])
def test_a_bug_is_found_if_a_test_fails_in_the_copy(code: int, found: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    copies: list[Path] = []

    def run(checkout: Path, tests: Sequence[str]) -> tuple[int, str]:
        assert tests == BUG.tests
        assert BUG.new in (checkout / planted_bugs.CODE / BUG.file).read_text(encoding="utf-8")
        copies.append(checkout)
        return code, ""

    monkeypatch.setattr(planted_bugs, "run_tests", run)
    assert is_found(BUG) is found
    assert copies[0].is_relative_to(COPY_ROOT)
    assert not copies[0].exists()
    assert BUG.old in (ROOT / planted_bugs.CODE / BUG.file).read_text(encoding="utf-8")


def test_tests_that_do_not_run_find_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planted_bugs, "run_tests", lambda _checkout, _tests: (4, "no such test"))
    with pytest.raises(PlantingError, match=r"pytest ended with 4:\nno such test"):
        is_found(BUG)
