# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the event source reads of a subject."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import use
from ansible_collections.qingguo.qgnet.plugins.module_utils._watch.poller import read_options
from support.node import Node
from support.vendor import Vendor, plan_of


def test_a_lease_of_longterm_is_held_after_its_deadline_until_lists_lack_it(
    tmp_path: Path,
) -> None:
    vendor = Vendor(**plan_of("longterm", lifetime=10))
    node = Node(tmp_path / "store", vendor, product="longterm")
    node.ok("qg_proxy_allocate", count=1)
    listed = vendor.handle("GET", "/longterm/query", {"key": node.options["key"]})
    vendor.around("/longterm/query", lambda _call: listed)
    with use(node.runtime):
        read_leases = read_options({"watch": "leases", **node.options}).readers["leases"]
        held: Any = read_leases()
        assert len(held) == 1

        vendor.advance(700)

        later: Any = read_leases()
        assert [lease["server"] for lease in later] == [held[0]["server"]]
        assert node.ok("qg_proxy_allocate", count=1)["allocated"] == []

        vendor.around("/longterm/query", lambda _call: (200, {"code": "SUCCESS", "data": []}))

        # A single list may be wrong, and nothing would be bought for what it lacks.
        assert len(read_leases()) == 1
        vendor.advance(61)
        assert read_leases() == []
        vendor.hooks.clear()
        assert len(node.ok("qg_proxy_allocate", count=1)["allocated"]) == 1
