# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How "make mutation" counts, and that what it names is there."""

from __future__ import annotations

import pytest
from mutation import mutation
from workspace import ROOT

DIFF = ["# a.b.x_f__mutmut_1: survived", "--- a/b.py", "+++ a/b.py", "@@ -1 +1 @@", " same"]


def test_the_score_is_the_share_of_the_mutants_of_a_part_that_were_found() -> None:
    start = "ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.plan"
    names = [f"{start}.{name}" for name in ("x_plan__mutmut_1", "xǁPlanǁsize__mutmut_2", "x_plan__mutmut_3")]
    diffs = {names[1]: [*DIFF, "-SELECT", "+select"], names[2]: [*DIFF, "-1", "+2"]}
    lines = [
        f"  {names[0]}: timeout",
        *(f"{name}: survived" for name in diffs),
        f"{start}.x_planned__mutmut_1: killed",
        "",
    ]
    ends, survivors = mutation.count("_whitelist/plan", lines, lambda name: diffs[name])
    assert survivors == ["\n".join(diffs[names[2]])]
    assert mutation.report("x", ends) == "x: 50.0 % of 2 mutants (1 equivalent, 1 survived, 1 timeout)"


@pytest.mark.parametrize("part", mutation.PARTS)
def test_the_file_and_the_functions_of_a_part_are_there(part: str) -> None:
    text = (ROOT / mutation.CODE / f"{part}.py").read_text(encoding="utf-8")
    for pattern in mutation.PARTS[part]:
        names = pattern.split("ǁ")
        function = pattern.removeprefix("x_").removesuffix("__*")
        where = {"*": ""}.get(pattern, f"\ndef {function}(" if len(names) == 1 else f"\nclass {names[1]}:")
        assert where in text, f"no {pattern} in {part}.py"


def test_the_tests_of_the_parts_are_there() -> None:
    assert [name for name in mutation.TEST_FILES if not (ROOT / mutation.TESTS / name).is_file()] == []
