# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sequences in pieces."""

from __future__ import annotations

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.chunks import chunks
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.integers()), st.integers(min_value=1, max_value=7))
def test_all_chunks_but_the_last_are_full_and_together_they_are_the_items(items: list[int], size: int) -> None:
    made = chunks(items, size)
    assert [item for chunk in made for item in chunk] == items
    assert all(len(chunk) == size for chunk in made[:-1])
    assert all(0 < len(chunk) <= size for chunk in made[-1:])
