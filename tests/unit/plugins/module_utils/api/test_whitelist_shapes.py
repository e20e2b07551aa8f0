# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The data of the classic API: quotas, entries of the whitelist, and reported changes of it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.lease_client import read_quota
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.parsing import (
    ResponseShapeError,
    as_int,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.whitelist import changed, listed


def test_numbers_may_come_as_text() -> None:
    found = read_quota({"Code": 0, "Total": "5", "Available": 3, "Used": "2"})
    assert found.total == 5
    assert found.available == 3
    assert found.used == 2
    unreadable: tuple[Any, ...] = (None, True, 1.5, "many", [])
    for bad in unreadable:
        with pytest.raises(ResponseShapeError):
            as_int(bad, "Total")
    with pytest.raises(ResponseShapeError, match="Available is not a number"):
        read_quota({"Total": 1, "Used": 1})


def test_entries_of_the_whitelist_are_kept_whatever_they_are() -> None:
    assert listed({"Data": ["9.9.9.9", "odd entry", 7, None]}) == [
        "9.9.9.9",
        "odd entry",
        "7",
        "null",
    ]
    assert listed({"Data": None}) is listed({}) is None
    with pytest.raises(ResponseShapeError):
        listed({"Data": [["9.9.9.9"]]})


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"Data": ["9.9.9.9", "7.7.7.7"], "Num": 3}, {"9.9.9.9"}),
        ({"Data": [], "Num": "2"}, {"8.8.8.8", "9.9.9.9"}),
        ({"Num": 2}, {"8.8.8.8", "9.9.9.9"}),
        ({"Data": None, "Num": 1}, set()),
        ({"Num": 0}, set()),
        ({"Data": []}, set()),
        ({}, {"8.8.8.8", "9.9.9.9"}),
    ],
)
def test_a_change_counts_for_the_addresses_that_are_named_or_if_none_is_for_the_number_of_all(
    body: dict[str, Any], wanted: set[str]
) -> None:
    assert changed(body, ["8.8.8.8", "9.9.9.9"]) == wanted


def test_a_change_with_other_data_is_refused() -> None:
    with pytest.raises(ResponseShapeError):
        changed({"Data": "8.8.8.8", "Num": 1}, ["8.8.8.8"])
