# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A control node that changes the whitelist: with qg_whitelist, and as the role does once its hosts have reported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import SILENT, use
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.registrations import Registrations
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Mode
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import PROXY_API_OPTIONS, key_caller
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist import fleet
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.fleet import Host
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import locked
from support.node import Node
from support.vendor import Vendor, books

QUERY, ADD, DEL = "/whitelist/query", "/whitelist/add", "/whitelist/del"


class ControlNode(Node):
    """A control node: each task is a process of its own that shares no more than the store with the others."""

    def task(self, *ips: str, **options: Any) -> dict[str, Any]:
        """The result of qg_whitelist."""
        return self.run("qg_whitelist", ips=list(ips), **options)

    def info(self) -> dict[str, Any]:
        """The result of qg_whitelist_info."""
        return self.run("qg_whitelist_info")

    def role(
        self,
        state: str = "present",
        *,
        given: bool = False,
        check: bool = False,
        inventory: str = "hosts.yml",
        present: Sequence[str] | None = None,
        coming: Sequence[str] = (),
        forget: bool = False,
        max_removals: int = 10,
        max_wait: float = 300.0,
        **hosts: str,
    ) -> dict[str, Any]:
        """The result of the role for hosts with these addresses, each with one or none.

        With ``present`` hosts, which an inventory still has, the others are pruned.
        """
        self.is_dead = False
        ips = {name: frozenset([ip] if ip else []) for name, ip in hosts.items()}
        is_absent = state == "absent"
        reports = {name: Host(unwanted=own) if is_absent else Host(own, given) for name, own in ips.items()}
        limit = None if present is None else max_removals
        with use(self.runtime), self._locked(max_wait) as api:
            return fleet.update(
                api,
                inventory,
                reports,
                present={*(present or ()), *(() if forget else hosts)},
                coming=coming,
                prune=limit,
                forget=forget,
                check=check,
            )

    def registered(self) -> list[tuple[str, str]]:
        """The hosts and addresses of all registrations."""
        with use(self.runtime), self.other_process(), self._locked(300.0) as api:
            caller = api.caller
            return sorted(
                (row.host, row.ip) for row in Registrations(caller.rate_limiter.state, caller.key_digest).all()
            )

    def _locked(self, max_wait: float) -> Any:
        defaults = {name: option.get("default") for name, option in PROXY_API_OPTIONS.items()}
        caller = key_caller({**defaults, **self.options, "max_wait": max_wait}, SILENT)
        return locked(caller, Mode(runtime=self.runtime))

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
