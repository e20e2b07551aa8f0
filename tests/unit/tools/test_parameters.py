# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a page of the reference: what the page is about comes first."""

from __future__ import annotations

import re

import parameters
import pytest
from support.documents import ROOT

NAMES = [path.stem for path in sorted((ROOT / "plugins" / "modules").glob("qg_*.py"))]


def row(name: str) -> str:
    anchor = f'<div class="ansibleOptionAnchor" id="parameter-{name}"></div>'
    cell = f'\n\n        <div class="ansible-option-cell">\n        {anchor}\n\n      **{name}**\n'
    return f"  * - .. raw:: html{cell}\n    - .. raw:: html\n\n        <p>{name}</p>\n\n"


def page(*names: str) -> str:
    return (
        f"Parameters\n----------\n\n  * - Parameter\n    - Comments\n\n{''.join(map(row, names))}\nResults\n-------\n"
    )


def test_suboptions_stay_with_their_option_and_nothing_is_lost() -> None:
    found = parameters.arranged(
        page("api_url", "areas", "filters", "filters/a", "key"), ["filters"], ["key", "api_url"]
    )
    assert found == page("filters", "filters/a", "areas", "key", "api_url")
    assert parameters.arranged("No options.\n", ["a"], []) == "No options.\n"


@pytest.mark.parametrize("name", NAMES)
def test_no_option_of_the_connection_stands_before_those_of_a_module(name: str) -> None:
    first, last = parameters.order_of(f"{name}_module")
    assert not set(first) & set(last)
    names = re.findall(
        r'id="parameter-(\w+)"', parameters.arranged(page(*sorted({*first, *last, "a", "z"})), first, last)
    )
    assert names == [*first, "a", "z", *last]
