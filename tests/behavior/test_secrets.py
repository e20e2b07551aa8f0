# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that repeats key and password makes neither known: no result has them, and the store has
not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from behavior.paid_calls import ALLOCATE, WHITELIST
from support.invariants import assert_no_secret
from support.node import Node
from support.vendor import KEY

#: With all that has to be written differently in a URL, in HTML or in JSON.
PASSWORD = "p+w/SECRETPWD&9= *,%<\u00fc>\"'\\x SECRETEND"
DATA = {"Data": [KEY, PASSWORD], "Total": 1, "Used": 1, "Available": 0, "K": KEY}
#: What the server repeats.
ANSWERS: dict[str, dict[str, Any]] = {
    "code": {"kind": "code", "code": -10, "msg": f"bad call Key={KEY}&Pwd={PASSWORD}"},
    "status": {"kind": "status", "http_status": 500, "body": f"{KEY} failed with {PASSWORD}"},
    "redirect": {"kind": "redirect", "location": f"/?Key={KEY}&Pwd={quote(PASSWORD)}"},
    "code in words": {"kind": "replace", "body": {"Code": f"{KEY} {PASSWORD}", "Data": [KEY]}},
    "data": {"kind": "replace", "body": {"Code": 0, **DATA}},
    "garbage": {"kind": "garbage", "body": f"<p>{KEY} {PASSWORD}"},
}
#: What a task calls at first, and when it changes something.
TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "/whitelist/query": ("qg_whitelist_info", {}),
    "/whitelist/add": (WHITELIST, {"ips": ["203.0.113.5"]}),
    "/whitelist/del": (WHITELIST, {"ips": ["203.0.113.9"], "state": "absent"}),
    "/info/quota": ("qg_quota_info", {}),
    "/query": ("qg_proxy_info", {}),
    "/allocate": (ALLOCATE, {"count": 1}),
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("path", TASKS)
def test_answers_that_repeat_what_was_sent(
    new_node: Callable[..., Node], path: str, answer: str
) -> None:
    node = new_node()
    node.vendor.configure(pwd=PASSWORD, api_auth=True, whitelist=["203.0.113.9"])
    module, options = TASKS[path]
    node.vendor.fault(path, times=-1, **ANSWERS[answer])

    result = node.run(module, password=PASSWORD, max_wait=0, **options)

    assert node.sent(path)[0]["Pwd"] == PASSWORD
    assert_no_secret([KEY, "SECRETPWD", "SECRETEND"], result, node.store)
