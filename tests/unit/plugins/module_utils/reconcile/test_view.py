# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the vendor reported counts beside a list that lags."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._reconcile.view import open_changes, reported_gone, view
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.journal_rows import (
    GONE,
    HELD,
    LIST_LAG,
    MAYBE_GONE,
    MAYBE_HELD,
    REPORTED,
    SENT,
    SETTLED,
    UNKNOWN,
    JournalRow,
)

IP, OTHER = "203.0.113.5", "203.0.113.6"


def row(number: int = 1, at: float | None = 0.0, state: str = REPORTED, **marks: str) -> JournalRow:
    """A call that was answered at this time, with marks of the addresses."""
    named = {{"ip": IP, "other": OTHER}[name]: mark for name, mark in marks.items()}
    rest: Any = (frozenset(), 0, {}, None, at or 0.0, 10.0, state, at, named, dict.fromkeys(named, number))
    return JournalRow(number, "add", "/add", *rest)


@pytest.mark.parametrize("state", [REPORTED, SETTLED])
def test_a_report_counts_for_as_long_as_the_list_may_lag(state: str) -> None:
    rows = [row(state=state, ip=HELD, other=GONE)]
    late = view([OTHER], rows, LIST_LAG - 0.5)
    assert (set(late.missing), late.gone, reported_gone(rows, LIST_LAG - 0.5)) == ({IP}, {OTHER}, {OTHER})
    late = view([OTHER], rows, LIST_LAG + 0.5)
    assert (set(late.missing), late.gone, reported_gone(rows, LIST_LAG + 0.5)) == (set(), frozenset(), frozenset())


def test_a_complete_list_that_shows_an_addition_catches_up_with_it() -> None:
    rows = [row(1, ip=HELD), row(2, ip=HELD)]
    assert view([IP], rows, 1).shown == {1: {IP}, 2: {IP}}
    assert view([IP], rows, 1, complete=False).shown == {}
    assert view([], rows, 1).shown == {}


def test_no_list_catches_up_with_a_removal() -> None:
    """A single list without the name may be wrong."""
    assert view([], [row(ip=GONE)], 1).shown == {}
    assert view([IP], [row(ip=GONE)], 1).gone == {IP}


@pytest.mark.parametrize(("first", "then", "present"), [(HELD, GONE, False), (GONE, HELD, True)])
def test_the_last_report_counts_and_a_list_may_go_through_the_one_before(first: str, then: str, present: bool) -> None:
    rows = [row(1, 0.0, ip=first), row(2, 5.0, ip=then)]
    for listed in ([], [IP]):
        late = view(listed, rows, 10)
        assert ((IP in listed or IP in late.missing) and IP not in late.gone) is present
        assert late.shown == {}


def test_a_partial_list_says_nothing_of_other_names() -> None:
    late = view([], [row(ip=HELD, other=HELD)], 1, concerns=lambda name: name == IP)
    assert {name: one.item for name, one in late.missing.items()} == {IP: 1}


def test_a_doubted_removal_is_left_to_the_list() -> None:
    assert view([IP, OTHER], [row(ip=GONE, other=GONE)], 1, doubted=[IP]).gone == {OTHER}


@pytest.mark.parametrize(("state", "is_open"), [(SENT, True), (UNKNOWN, True), (REPORTED, False), (SETTLED, False)])
def test_a_change_is_open_until_it_can_no_longer_be_carried_out_or_invisible(state: str, is_open: bool) -> None:
    rows = [row(state=state, ip=MAYBE_HELD, other=MAYBE_GONE)]
    found = open_changes(rows, 1)
    assert [(one.present, one.names) for one in found] == ([(True, {IP}), (False, {OTHER})] if is_open else [])
    assert open_changes(rows, 90.5) == []
