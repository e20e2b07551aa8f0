# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A control node that changes the whitelist as the role egress_whitelist does once its hosts have
reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import SILENT, use
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.registrations import (
    Registration,
    Registrations,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.api_options import (
    PROXY_API_OPTIONS,
    Connection,
    key_caller,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Mode
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist import fleet
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.fleet import Host
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import locked
from support.vendor import Vendor
from support.whitelist import ControlNode


class RoleNode(ControlNode):
    """A control node, as which the role runs. Each run is a process of its own."""

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
        reports = {}
        for name, ip in hosts.items():
            ips = frozenset([ip] if ip else [])
            reports[name] = Host(unwanted=ips) if state == "absent" else Host(ips, given)
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
        return sorted((row.host, row.ip) for row in self.rows())

    def rows(self) -> list[Registration]:
        """All registrations."""
        with use(self.runtime), self.other_process(), self._locked(300.0) as api:
            return Registrations(api.caller.store, api.caller.key_digest).all()

    def _locked(self, max_wait: float) -> Any:
        defaults = {name: option.get("default") for name, option in PROXY_API_OPTIONS.items()}
        caller = key_caller(
            Connection.of({**defaults, **self.options, "max_wait": max_wait}), SILENT
        )
        return locked(caller, Mode(runtime=self.runtime))


@pytest.fixture
def node(tmp_path: Path) -> RoleNode:
    """A control node with an empty store."""
    return RoleNode(tmp_path / "store", Vendor())
