# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results without secrets, however the secret is written and wherever it stands."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.parameters import remove_values
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.redaction import Redactor
from ansible_collections.qingguo.qgnet.plugins.module_utils._operation import redact
from hypothesis import example, given, settings
from hypothesis import strategies as st

SPEC: dict[str, dict[str, Any]] = {
    "key": {"type": "str", "no_log": True},
    "pwd": {"type": "str", "no_log": True},
    "ip": {"type": "str"},
}
#: What JSON writes as it is, in two signs, and as an escape of one and of two units.
SIGNS = 'ab0"\\/\n\t\x01\N{LATIN SMALL LETTER E WITH ACUTE}\N{CJK UNIFIED IDEOGRAPH-9752}\N{GRINNING FACE}'
TEXTS = st.text(SIGNS, max_size=6)
NUMBERS = st.integers(-9999, 9999) | st.floats(allow_nan=False, allow_infinity=False)
RESULTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS, RESULTS, max_size=4), st.text(SIGNS, min_size=1, max_size=3), TEXTS)
@example({"msg": 'say "a"'}, '"a"', "")
@example({"port": 21504}, "150", "")
@example({"list": [{"deep": ["x\N{GRINNING FACE}y"]}]}, "\N{GRINNING FACE}", "")
@settings(max_examples=300)
def test_nothing_is_left_that_a_module_would_redact(result: dict[str, Any], key: str, pwd: str) -> None:
    cleaned = Redactor([key, pwd]).tree({"rows": result})
    assert cleaned == remove_values(cleaned, {secret for secret in (key, pwd) if secret})


@pytest.mark.parametrize("key", ["0123456789ABCDEF", 'K"E\\Y/1', "\N{CJK UNIFIED IDEOGRAPH-9752}\N{GRINNING FACE}"])
def test_no_secret_is_left_in_a_result(key: str) -> None:
    result = {
        "msg": f"no such key: {key}",
        "url": [{"query": f"?Key={key}&Pwd="}],
        "count": 3,
        "whitelist": ["1.1.1.1"],
    }
    cleaned = redact(result, {"key": key, "pwd": None}, SPEC)
    assert key not in repr(cleaned)
    assert (cleaned["count"], cleaned["whitelist"]) == (3, ["1.1.1.1"])


def test_what_is_no_secret_stays() -> None:
    result = {"msg": "198.51.100.8 is on the list"}
    assert redact(result, {"key": "198", "pwd": "", "ip": "198.51.100.8"}, SPEC) != result
    assert redact(result, {"key": "199", "pwd": "", "ip": "198.51.100.8"}, SPEC) == result
