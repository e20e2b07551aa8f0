# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A secret that a server repeats in one encoding within another is masked."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.redaction import MASK, MASKED_VALUE, Redactor
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.spellings import ENCODERS, Spelled, is_lossless, spell, spelled

FUZZER = settings.get_profile("fuzz")


def assert_masked(case: Spelled, before: str = "", after: str = "") -> None:
    result = Redactor([case.secret]).tree({"vendor": {"note": f"{before}{case.text}{after}"}})
    cleaned = result["vendor"]["note"]
    assert MASK in cleaned or cleaned == MASKED_VALUE, case
    assert case.text not in cleaned, case


@FUZZER
@example(spell("00009;<\U0001f511", ("JSON, every character", "percent, in part", "entities"), 0), "", "")
@given(
    spelled(3), st.sampled_from(["", "no such key: ", "<a>", '{"k": "']), st.sampled_from(["", " (x)", "</a>", '"}'])
)
def test_a_secret_in_nested_encodings_is_masked(case: Spelled, before: str, after: str) -> None:
    assert_masked(case, before, after)


@pytest.mark.parametrize("outer", sorted(ENCODERS))
def test_each_pair_of_encodings_is_undone(outer: str) -> None:
    """For a key, and for passwords that end like the beginning of an escape."""
    for secret in ("QGDEMO01", "S3cret-pw\\", "S3cret+pw%4", "p&w=S3cret/"):
        for inner in sorted(ENCODERS):
            for seed in range(3 if is_lossless((inner, outer), secret) else 0):
                assert_masked(spell(secret, (inner, outer), seed), "key: ", ".")
