# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A control node that changes the whitelist, and what QG.net got of that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.node import Node
from support.vendor import Vendor, books

QUERY = "/whitelist/query"
ADD = "/whitelist/add"
DEL = "/whitelist/del"


class ControlNode(Node):
    """A control node whose tasks are about the whitelist."""

    def task(self, *ips: str, **options: Any) -> dict[str, Any]:
        """The result of qg_whitelist."""
        return self.run("qg_whitelist", ips=list(ips), **options)

    def info(self) -> dict[str, Any]:
        """The result of qg_whitelist_info."""
        return self.run("qg_whitelist_info")

    def listed(self) -> list[str]:
        """The whitelist, as QG.net has it, in numeric order."""
        return sorted(self.vendor.whitelist, key=lambda ip: tuple(map(int, ip.split("."))))

    def configure(self, **fields: Any) -> None:
        """Alter the key's account."""
        self.vendor.configure(**fields)
        books(self.vendor)

    def fault(self, path: str, kind: str, **fields: Any) -> None:
        """Plan a fault."""
        self.vendor.fault(path, kind, **fields)

    def calls(self) -> str:
        """The calls since the last question: q for a query, + and - for changes."""
        names = {QUERY: "q", ADD: "+", DEL: "-"}
        found = "".join(names.get(record.path, "?") for record in self.vendor.journal)
        self.vendor.journal.clear()
        return found


@pytest.fixture
def node(tmp_path: Path) -> ControlNode:
    """A control node with an empty store."""
    return ControlNode(tmp_path / "store", Vendor())
