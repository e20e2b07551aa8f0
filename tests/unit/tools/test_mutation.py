# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How "make mutation" counts, and that what it names is there."""

from __future__ import annotations

import mutation
import pytest
from workspace import ROOT

DIFF = ["# a.b.x_f__mutmut_1: survived", "--- a/b.py", "+++ a/b.py", "@@ -1 +1 @@", " same"]


@pytest.mark.parametrize(
    ("old", "new", "equivalent"),
    [
        ('"DELETE FROM calls WHERE id = ?"', '"delete from calls where id = ?"', True),
        ('"until = max(until, excluded.until)"', '"UNTIL = MAX(UNTIL, EXCLUDED.UNTIL)"', True),
        ('"DELETE FROM calls WHERE id = ?"', '"XXDELETE FROM calls WHERE id = ?XX"', False),
        ('"A sentence."', '"a sentence."', False),
    ],
)
def test_only_sql_in_the_other_case_is_equivalent(old: str, new: str, equivalent: bool) -> None:
    assert mutation.is_equivalent([*DIFF, f"-    {old}", f"+    {new}"]) is equivalent


def test_nothing_changed_is_not_equivalent() -> None:
    assert not mutation.is_equivalent(DIFF)


def test_the_score_is_the_share_of_mutants_that_were_found() -> None:
    diffs = {"m.x_c__mutmut_1": [*DIFF, "-SELECT", "+select"], "m.x_d__mutmut_1": [*DIFF, "-1", "+2"]}
    lines = ["  m.x_a__mutmut_1: killed", "m.x_b__mutmut_1: timeout", "", *(f"  {name}: survived" for name in diffs)]
    found = mutation.score(lines, lambda name: diffs[name])
    assert found.survivors == ["\n".join(diffs["m.x_d__mutmut_1"])]
    assert str(found) == "66.7 % of 3 mutants (1 equivalent, 1 killed, 1 survived, 1 timeout)"
    found.add(mutation.score(["m.x_e__mutmut_1: no tests"], lambda _name: DIFF))
    assert found.percent == 50.0


def test_no_mutants_are_no_success() -> None:
    assert mutation.Score().percent == 0.0


def test_only_mutants_of_the_named_functions_count() -> None:
    part = mutation.Part("_a.py", (), functions=("x_plan", "xǁPlanǁ*"))
    start = "ansible_collections.qingguo.qgnet.plugins.module_utils._a"
    wanted = [f"{start}.x_plan__mutmut_1: killed", f"{start}.xǁPlanǁsize__mutmut_2: survived"]
    assert mutation.wanted_names(part, [f"  {wanted[0]}", f"{start}.x_planned__mutmut_1: killed", wanted[1]]) == wanted


@pytest.mark.parametrize("part", mutation.PARTS, ids=lambda part: part.name)
def test_files_and_tests_of_a_part_are_there(part: mutation.Part) -> None:
    for name in (f"{mutation.CODE}/{part.file}", *(f"{mutation.TESTS}/{test}" for test in part.tests)):
        assert (ROOT / name).is_file()


@pytest.mark.parametrize("part", mutation.PARTS, ids=lambda part: part.name)
def test_functions_of_a_part_are_there(part: mutation.Part) -> None:
    text = (ROOT / mutation.CODE / part.file).read_text(encoding="utf-8")
    for pattern in part.functions:
        names = pattern.removesuffix("*").split("ǁ")
        where = f"\ndef {pattern.removeprefix('x_')}(" if len(names) == 1 else f"\nclass {names[1]}:"
        assert where in text, f"no {pattern} in {part.file}"
