# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Control nodes that change the whitelist of the simulator's core in this process, with a clock that moves at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.key import KeyCaller
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.whitelist import Whitelist
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import SILENT, Announcer, WaitBudget
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.registrations import Registrations
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import Store
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import ProxyApiOptions
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist import fleet
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import WHITELIST, WHITELIST_INFO
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.registrations import Host, prunable
from simulator.clock import Clock
from simulator.core import Core
from support.in_process import KEY, URL, InProcess, client, configure
from support.playbooks import numeric, operate
from support.stores import open_store, state_options

QUERY, ADD, DEL = "/whitelist/query", "/whitelist/add", "/whitelist/del"
START = 1_800_000_000.0
#: What may happen before or after an exchange, which is given by its path and its parameters.
Event = Callable[[str, Mapping[str, str]], object]


def nothing(_path: str, _parameters: Mapping[str, str]) -> None:
    """Nothing happens."""


def new_core() -> Core:
    return Core(clock=Clock(START), seed=1)


class WhitelistTransport(InProcess):
    """Lets something happen ``before`` a request is sent, and ``after`` it was answered; pauses move the clock."""

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.before: Event = nothing
        self.after: Event = nothing

    def send(self, method: str, url: str, parameters: Mapping[str, str], endpoint: str) -> HttpResponse:
        self.before(endpoint, parameters)
        response = super().send(method, url, parameters, endpoint)
        self.after(endpoint, parameters)
        return response

    def end_after(self, path: str) -> None:
        """End the process before it reads the response to its next call to this path."""

        def end(called: str, _parameters: Mapping[str, str]) -> None:
            if called == path:
                self.after = nothing
                self.die()

        self.after = end

    def pause(self, seconds: float) -> None:
        self.step()
        self.advance(seconds)


def use_transport(patch: pytest.MonkeyPatch, transport: Callable[[], WhitelistTransport]) -> None:
    """Let every task call the vendor through this transport, as it is when the task begins."""

    def new_caller(options: ProxyApiOptions, state: Store | None = None, announcer: Announcer = SILENT) -> KeyCaller:
        wire = transport()
        store = state or wire.begin(open_store(options.store.value, machine=wire.machine))
        clocks = {"sleep": wire.pause, "elapsed": wire.core.clock.now}
        budget = WaitBudget(options.transport.max_wait, announcer=announcer, **clocks)
        return KeyCaller(wire, RateLimiter(store, minute=60.0), budget, url=options.api_url, key=options.key)

    patch.setattr(ProxyApiOptions, "caller", new_caller)


class ControlNode:
    """A control node: each task is a process of its own that shares no more than the state with the others."""

    def __init__(self, wire: WhitelistTransport, directory: Path) -> None:
        self.wire, self.core, self.directory = wire, wire.core, directory
        self.common = {"key": KEY, "api_url": URL, **state_options(directory)}

    def task(self, *ips: str, check: bool = False, diff: bool = False, **options: Any) -> dict[str, Any]:
        """The result of qg_whitelist."""
        return operate(WHITELIST, {**self.common, "ips": list(ips), **options}, check=check, diff=diff)

    def info(self) -> dict[str, Any]:
        """The result of qg_whitelist_info."""
        return operate(WHITELIST_INFO, self.common)

    def role(
        self,
        state: str = "present",
        *,
        given: bool = False,
        check: bool = False,
        inventory: str = "hosts.yml",
        present: Sequence[str] | None = None,
        max_removals: int = 10,
        max_wait: float = 300.0,
        **hosts: str,
    ) -> dict[str, Any]:
        """The result of the role for hosts with these addresses, each with one or none.

        With ``present`` hosts, which an inventory still has, the others are pruned.
        """
        store = self.wire.begin(open_store(self.directory, machine=self.wire.machine))
        api = Whitelist(client(self.core, self.directory, max_wait, self.wire, store=store).caller)
        registrations = Registrations(store, api.caller.key_digest)
        reports = {name: Host(frozenset([ip] if ip else []), given) for name, ip in hosts.items()}
        if present is not None:
            rows = registrations.all()
            reports |= prunable(rows, inventory, {*present, *hosts}, store.now(), max_removals)
        return fleet.update(api, registrations, inventory, state, reports, check=check)

    def registered(self) -> list[tuple[str, str]]:
        """The hosts and addresses of all registrations."""
        store = self.wire.begin(open_store(self.directory, machine=self.wire.machine))
        return list(store.rows("SELECT host, ip FROM registrations ORDER BY host, ip"))

    def listed(self) -> list[str]:
        """The whitelist, as QG.net has it."""
        return numeric(self.core.keys[KEY].whitelist)

    def configure(self, **fields: Any) -> None:
        """Alter the key's account."""
        configure(self.core, **fields)
        self.core.keys.process_due_events()

    def fault(self, path: str, kind: str, **fields: Any) -> None:
        """Plan a fault."""
        self.core.faults.append([{"path": path, "kind": kind, **fields}])

    def calls(self) -> str:
        """The calls since the last question: q for a query, + and - for changes."""
        names = {QUERY: "q", ADD: "+", DEL: "-"}
        found = "".join(names.get(record.path, "?") for record in self.core.journal)
        self.core.journal.clear()
        return found


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ControlNode:
    """A control node with an empty state directory, or database."""
    wire = WhitelistTransport(new_core())
    use_transport(monkeypatch, lambda: wire)
    return ControlNode(wire, tmp_path / "state")
