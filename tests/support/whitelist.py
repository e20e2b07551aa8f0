# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Control nodes that change the whitelist of the simulator's core in this process: tasks, and the steps of the role."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.client import ProxyApi
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import SILENT, Announcer, WaitBudget
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.claims import Claim, Claims
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.interface import Store
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Mode, execute
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import ProxyApiOptions
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist import host_operations
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.batch import claims_for
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.host_operations import HostOptions, host_claim
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import WHITELIST, WHITELIST_INFO
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.pruning import InventoryHosts, gone_hosts
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.turns import Turns
from simulator.clock import Clock
from simulator.core import Core
from support.in_process import KEY, URL, InProcess, configure
from support.stores import is_database, open_store, state_options

QUERY, ADD, DEL = "/whitelist/query", "/whitelist/add", "/whitelist/del"
START = 1_800_000_000.0
#: What may happen before or after an exchange, which is given by its path and its parameters.
Event = Callable[[str, Mapping[str, str]], object]


def nothing(_path: str, _parameters: Mapping[str, str]) -> None:
    """Nothing happens."""


def new_core() -> Core:
    return Core(clock=Clock(START), seed=1)


def set_vendor(core: Core, **options: Any) -> None:
    """Set options of the simulated vendor, such as ``list_lag``, from now on."""
    configure(core, options=options)
    core.keys.process_due_events()


def parameters(directory: Path | str, **changes: Any) -> dict[str, Any]:
    """The options of qg_whitelist and of the role egress_whitelist, with the state that stands for a directory."""
    service = {"key": KEY, "password": None, "api_url": URL}
    limits = {"timeout": 10.0, "max_wait": 300.0, "max_removals": 10, "capacity": None}
    of_tasks = {"keep": [], "replaces": [], "allow_non_global": True, "owners": False}
    of_role = {"inventory_id": "f", "verify_proxy": None, "fail": True, "prune": False}
    return {**service, **limits, **of_tasks, **of_role, **state_options(directory), **changes}


class WhitelistTransport(InProcess):
    """Lets something happen ``before`` a request is sent, and ``after`` it was answered; pauses move the clock."""

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.before: Event = nothing
        self.after: Event = nothing
        #: All open stores of the control node.
        self.stores: weakref.WeakSet[Store] = weakref.WeakSet()

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

    def break_stores_after(self, path: str) -> None:
        """Let no store that is open after a call to this path be writable any more."""

        def fail(called: str, _parameters: Mapping[str, str]) -> None:
            for store in self.stores if called == path else ():
                store.rows("SET default_transaction_read_only = on" if is_database() else "PRAGMA query_only = 1")

        self.after = fail

    def pause(self, seconds: float) -> None:
        self.step()
        self.advance(seconds)

    def open_store(self, directory: Path | str) -> Store:
        store = self.begin(open_store(directory, machine=self.machine))
        self.stores.add(store)
        return store


def use_transport(patch: pytest.MonkeyPatch, transport: Callable[[], WhitelistTransport]) -> None:
    """Let every task call the vendor through this transport, as it is when the task begins."""

    def client(options: ProxyApiOptions, state: Store | None = None, announcer: Announcer = SILENT) -> ProxyApi:
        wire = transport()
        store = state or wire.open_store(options.store.value)
        clocks = {"sleep": wire.pause, "elapsed": wire.core.clock.now}
        budget = WaitBudget(options.transport.max_wait, announcer=announcer, **clocks)
        return ProxyApi(wire, RateLimiter(store, minute=60.0), budget, api_url=options.api_url, key=options.key)

    patch.setattr(ProxyApiOptions, "client", client)


class ControlNode:
    """A control node: each task is a process of its own that shares no more than the state with the others."""

    def __init__(self, wire: WhitelistTransport, directory: Path | str, **changes: Any) -> None:
        self.wire = wire
        self.core = wire.core
        self.directory = directory
        self.params = parameters(directory, **changes)
        self.runs = 0
        #: How often the last run has compared the registered hosts with the inventory.
        self.compared = 0

    def store(self) -> Store:
        return self.wire.open_store(self.directory)

    def task(
        self, ips: Sequence[str], state: str = "present", *, announcer: Announcer = SILENT, **options: Any
    ) -> dict[str, Any]:
        """The result of qg_whitelist."""
        params = {**self.params, "ips": list(ips), "state": state, **options}
        return execute(WHITELIST, params, Mode(announcer=announcer))

    def info(self) -> dict[str, Any]:
        """The result of qg_whitelist_info."""
        return execute(WHITELIST_INFO, self.params, Mode())

    def options(self, **changes: Any) -> HostOptions:
        return HostOptions.parse({**self.params, "state": "present", **changes})

    def claims(self, options: HostOptions | None = None, *, check: bool = False) -> Claims:
        return claims_for((options or self.options()).api, self.store(), check=check)

    def submit(
        self,
        run: str,
        host: str,
        ips: Sequence[str] = (),
        *,
        check: bool = False,
        detected: bool = False,
        task: str | None = None,
        began: float = 0.0,
        inventory: Callable[[], InventoryHosts] | None = None,
        **changes: Any,
    ) -> list[str]:
        """The first step of the role for one host; returns its addresses if nothing is left to be done.

        With an ``inventory``, hosts that it does not have are pruned, unless a run that ``began`` later registers them.
        """
        options = self.options(**changes)
        claims = self.claims(options, check=check)
        gone = gone_hosts(claims, options, run, began, inventory) if inventory else {}
        claim = host_claim(options, run, host, tuple(ips), detected=detected, gone=gone)
        submitted = host_operations.submit_claim(claims, claim, options, Mode(check=check), task)
        registered: list[str] = submitted["registered"]
        return registered

    def find(self, run: str, host: str, **changes: Any) -> Claim | None:
        options = self.options(**changes)
        return host_operations.find_claim(self.claims(options), options, run, host)

    def report(self, run: str, host: str, *, check: bool = False, **changes: Any) -> dict[str, Any] | None:
        """The second step: the result of the host; None if it has not taken the first one."""
        options = self.options(**changes)
        claims = self.claims(options, check=check)
        claim = host_operations.find_claim(claims, options, run, host)
        return claim and host_operations.apply_and_report(Turns(claims), claim, options, Mode(check=check))

    def role(
        self,
        state: str = "present",
        *,
        inventory: Collection[str] | None = None,
        expected: Collection[str] | None = None,
        began: float | None = None,
        between: Callable[[], object] = lambda: None,
        absent: Collection[str] = (),
        ended: Collection[str] = (),
        detected: bool = False,
        **hosts: str,
    ) -> dict[str, dict[str, Any]]:
        """The results of the role for these hosts, each with one address or none.

        With an ``inventory``, all others are pruned once the ``expected`` hosts, or else those of the run, have
        reported. The run ``began`` now if nothing else is given. Something may happen ``between`` its two steps. Those
        ``absent`` are deregistered. Those ``ended`` do not get to the second step.
        """
        self.runs += 1
        run, self.compared = f"{self.runs} 1 elsewhere", 0
        began = self.core.clock.now() if began is None else began
        states = {host: "absent" if host in absent else state for host in hosts}

        def compare() -> InventoryHosts:
            self.compared += 1
            return InventoryHosts(inventory or (), expected=hosts if expected is None else expected)

        pruned = {} if inventory is None else {"inventory": compare, "began": began}
        for host, ip in hosts.items():
            addresses = [ip] if ip else []
            self.submit(run, host, addresses, state=states[host], detected=detected, task=run, **pruned)
        between()
        reports = {host: self.report(run, host, state=states[host]) for host in hosts if host not in ended}
        return {host: result for host, result in reports.items() if result is not None}

    def registered(self) -> list[tuple[str, str]]:
        """The hosts and addresses of all registrations."""
        return list(self.store().rows("SELECT host, ip FROM claims WHERE ip IS NOT NULL ORDER BY host, ip"))

    def on_list(self) -> list[str]:
        """The entries of the whitelist, as the vendor has them."""
        return sorted(self.core.keys[KEY].whitelist)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ControlNode:
    """A control node with an empty state directory, or database."""
    wire = WhitelistTransport(new_core())
    use_transport(monkeypatch, lambda: wire)
    return ControlNode(wire, tmp_path / "state")
