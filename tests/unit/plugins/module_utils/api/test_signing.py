# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a call of the account API is signed."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account import Identity
from hypothesis import given
from hypothesis import strategies as st

KEY = "0123456789abcdef0123"
DEMO = Identity("qgdemo01", KEY, "www.qg.net")
WORDS = st.text(st.characters(codec="utf-8"), max_size=20)


@pytest.mark.parametrize("now", [1700000000, 1700000000.0, 1700000000.999])
def test_the_vector_of_the_facts(now: float) -> None:
    assert DEMO.signed(now) == {
        "appid": "qgdemo01",
        "domain": "www.qg.net",
        "time": "1700000000",
        "sign": "ad958eb5e4d73bc42bc2405599287116",
    }


@given(WORDS, WORDS, WORDS, st.integers(0, 10**11))
def test_the_parts_are_concatenated(app_id: str, app_key: str, domain: str, now: int) -> None:
    signed = Identity(app_id, app_key, domain).signed(now)
    whole = hashlib.md5(
        (app_id + domain + str(now) + app_key).encode("utf-8"), usedforsecurity=False
    )
    assert signed == {
        "appid": app_id,
        "domain": domain,
        "time": str(now),
        "sign": whole.hexdigest(),
    }


def test_the_key_is_shown_by_nothing() -> None:
    assert KEY not in repr(DEMO)
    assert KEY not in str(DEMO)
    assert KEY not in str(DEMO.signed(0))
