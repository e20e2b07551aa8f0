# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asserted of every result sees a planted leak, a false claim and an undocumented key."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from behavior.paid_calls import ALLOCATE
from support.invariants import (
    Books,
    assert_no_secret,
    assert_one_sentence,
    assert_result,
    assert_true,
)
from support.node import Node

SECRET = "p+w/S3CRET&9"
GOOD: dict[str, Any] = {"changed": False, "leases": [], "allocated": [], "released": []}


@pytest.mark.parametrize(
    "leak",
    [
        SECRET,
        quote(SECRET, safe=""),
        json.dumps({"a": ["x", {"b": SECRET}]}),
        base64.b64encode(SECRET.encode()).decode(),
        SECRET.replace("&", "&amp;"),
        b"\x00" + SECRET.encode(),
        [{"deep": {SECRET: 1}}],
    ],
    ids=str,
)
def test_a_leak_is_seen(leak: object) -> None:
    assert_no_secret([SECRET], "something else")
    with pytest.raises(AssertionError):
        assert_no_secret([SECRET], leak)


def test_a_leak_into_the_store_is_seen(node: Node) -> None:
    node.ok(ALLOCATE, count=1)
    (node.store / "note").write_text(f"key {node.options['key']}", encoding="utf-8")
    with pytest.raises(AssertionError):
        node.run("qg_proxy_info")


@pytest.mark.parametrize(
    "claim", [{"allocated": [{"port": 1}]}, {"released": [{"port": 1}]}, {"changed": True}], ids=str
)
def test_a_false_claim_is_seen(node: Node, claim: dict[str, Any]) -> None:
    before = Books.of(node.vendor)
    assert_true(GOOD, before, node.vendor)
    with pytest.raises(AssertionError):
        assert_true({**GOOD, **claim}, before, node.vendor)


def test_a_purchase_that_is_not_reported_is_seen(node: Node) -> None:
    before = Books.of(node.vendor)
    node.vendor.hold(1)
    for check in (False, True):
        with pytest.raises(AssertionError):
            assert_true(GOOD, before, node.vendor, check=check)
    assert_true(
        {"changed": False, "failed": True, "msg": "what it did is unknown"}, before, node.vendor
    )


@pytest.mark.parametrize(
    "result", [{**GOOD, "secret_key": 1}, {**GOOD, "changed": None}, {**GOOD, "allocated": (1,)}]
)
def test_a_result_that_is_not_as_documented_is_seen(result: dict[str, Any]) -> None:
    assert_result(GOOD, ALLOCATE)
    with pytest.raises(AssertionError):
        assert_result(result, ALLOCATE)


@pytest.mark.parametrize(
    "text", ["two words", "one line\nand another one", "Traceback of Python it is", None]
)
def test_a_message_that_is_no_sentence_is_seen(text: object) -> None:
    with pytest.raises(AssertionError):
        assert_one_sentence(text)
