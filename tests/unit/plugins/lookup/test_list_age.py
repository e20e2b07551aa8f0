# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list that a lookup has remembered decides nothing once it is too old."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.lookup import proxy
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import use
from support.documents import lookup_of
from support.node import Node
from support.vendor import NOW, Vendor

BEIJING = datetime.timezone(datetime.timedelta(hours=8))


def look(node: Node) -> list[Any]:
    lookup, _names = lookup_of(proxy)
    with use(node.runtime):
        found: list[Any] = lookup.run(
            [], {}, **node.options, product="classic", at_least=0, max_age=10
        )
    return found


def test_a_new_list_is_not_judged_by_the_time_of_an_old_one(tmp_path: Path) -> None:
    """What a list shows after its deadline is held: clocks differ, or the deadline is of another
    time zone.
    """
    node = Node(tmp_path / "store", Vendor())
    (lease,) = node.vendor.hold(1)
    ends = datetime.datetime.fromtimestamp(NOW + 30, BEIJING).strftime("%Y-%m-%d %H:%M:%S")

    def show(body: Any) -> Any:
        body["TaskList"][0]["Data"][0]["deadline"] = ends
        return body

    node.vendor.alter("/query", show)
    assert look(node) == [lease.host]
    node.vendor.advance(60)
    assert look(node.other()) == [lease.host], "of a lookup that remembers nothing"
    assert look(node) == [lease.host]
