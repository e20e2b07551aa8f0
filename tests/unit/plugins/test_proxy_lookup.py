# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup of proxies: how old a list may be, and that it leaves nothing open."""

from __future__ import annotations

import datetime
import os
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
    """What a list shows a minute after its deadline is held: clocks differ, or the deadline is of
    another time zone. Until then, the list may be an old one.
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
    assert look(node.other()) == [], "of a lookup that remembers nothing"
    node.vendor.advance(30)
    assert look(node.other()) == [lease.host], "of a lookup that remembers nothing"
    assert look(node) == [lease.host]


def test_what_a_list_lacks_is_in_no_answer_from_a_list_that_is_remembered(tmp_path: Path) -> None:
    node = Node(tmp_path / "store", Vendor())
    node.ok("qg_proxy_allocate", count=1)
    node.ok("qg_proxy_allocate", count=2)
    node.vendor.advance(120)
    lost = node.vendor.leases[0].host

    def lack(body: Any) -> Any:
        tasks = [task for task in body["TaskList"] if task["Data"][0]["host"] != lost]
        return {**body, "TaskList": tasks, "TaskNum": 1, "TotalNum": 1}

    node.vendor.alter("/query", lack)
    there = [lease.host for lease in node.vendor.leases if lease.host != lost]

    assert look(node) == there
    assert look(node) == there


def opened(directory: Path) -> list[str]:
    """Files below a directory that this process has open."""
    descriptors = Path("/proc/self/fd")
    paths = []
    for name in os.listdir(descriptors):
        # The directory that is being listed is itself closed by then.
        if os.path.lexists(descriptors / name):
            paths.append(os.readlink(descriptors / name))
    return [path for path in paths if path.startswith(str(directory))]


def test_nothing_stays_open(tmp_path: Path) -> None:
    lookup, _names = lookup_of(proxy)
    node = Node(tmp_path, Vendor())
    during = list[str]()
    node.vendor.before("/query", lambda: during.extend(opened(tmp_path)))
    with use(node.runtime):
        lookup.run([], {}, **node.options, product="classic", at_least=0)
    assert opened(tmp_path) == []
    assert during
