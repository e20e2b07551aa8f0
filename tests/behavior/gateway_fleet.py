# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts with gateways, without Ansible and HAProxy: runs lease for them, and exits behave as a test
says.

A host prints what HAProxy would, from what it was last told to serve, so that a run reads it as it
does from a host. Like :mod:`support.node`, this file knows an inside of the collection: the step of
a run that leases.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import SILENT, use
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway import operations
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.declaration import (
    Gateway,
    Pool,
    as_json,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.exits import Look, read_look
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.gateway_options import (
    GATEWAY_OPTIONS,
    read_gateway,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.lease_sets import Need
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.records import key_digest
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.servers import (
    Server,
    file_text,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.supply import Supplier
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.installations import (
    GATEWAY,
    Installation,
    Installations,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import open_store
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.api_options import (
    PROXY_API_OPTIONS,
    Connection,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import read_options
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.values import typed_options
from support.invariants import assert_no_secret, assert_one_sentence
from support.node import Node
from support.vendor import KEY, Killed

#: What HAProxy shows of an exit: status, last check, and its code.
State = tuple[str, str, str]
WORKS: State = ("UP", "L7OK", "200")
REJECTS: State = ("DOWN", "L7STS", "407")
REFUSES: State = ("DOWN", "L4CON", "-")
IS_SILENT: State = ("DOWN", "L7TOUT", "-")
FAILS: State = ("DOWN", "L7STS", "502")
UNCHECKED: State = ("UP", "INI", "-")
REPORTED: State = ("REPORTED", "L7OK", "200")
#: The fixture new_node.
NewNode = Callable[..., Node]
#: Seconds for which HAProxy has not checked an exit that is new to it.
CHECKED_AFTER = 2.0


def gateway(product: str | None = "auto", **options: Any) -> Gateway:
    """Return the gateway that these variables of the role declare."""
    fields = {f"proxy_gateway_{option}": spec for option, spec in GATEWAY_OPTIONS.items()}
    given = {f"proxy_gateway_{option}": value for option, value in options.items()}
    values = typed_options(fields, given)
    return read_gateway(
        {option: values[f"proxy_gateway_{option}"] for option in GATEWAY_OPTIONS}, product or "auto"
    )


@dataclass
class Host:
    """A host with a gateway. ``servers`` are those of its file of leases; ``keys`` are by pool."""

    name: str
    gateway: Gateway
    servers: list[Server] = field(default_factory=list)
    #: When it got each server.
    since: dict[str, float] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    #: The state of each exit, and since when, by its address.
    states: dict[str, tuple[State, float]] = field(default_factory=dict)
    #: Why pools of it are refused before a run leases, by their names.
    refused: dict[str, str] = field(default_factory=dict)
    #: What it prints instead of what is true, if anything.
    lies: str = ""
    #: When each of its pools was last used; a pool that is not named is in use.
    used_at: dict[str, float] = field(default_factory=dict)
    #: Pools of which it does not say when they were last used.
    untold: Collection[str] = ()
    #: Whether its HAProxy answers.
    answers: bool = True
    #: Seconds by which its clock is ahead.
    clock_ahead: float = 0.0
    #: Whether the role has configured its HAProxy in another way just now.
    is_reconfigured: bool = False
    #: Whether the role was told to forget the reports of its clients.
    forgets_reports: bool = False

    @property
    def identifier(self) -> str:
        """The identifier of its installation."""
        return f"id of {self.name}"

    @property
    def exits(self) -> list[str]:
        """The addresses of the servers that take new labels."""
        return sorted(server.target for server in self.servers if not server.drained)

    def leave(self, now: float) -> None:
        """Let nobody use its pools from now on."""
        self.used_at = {pool.name: now for pool in self.gateway.pools}

    def take(self, servers: list[Server], now: float) -> None:
        """Serve these from now on."""
        before = self.since
        self.since = {server.target: before.get(server.target, now) for server in servers}
        self.servers = servers

    def look(self, now: float, state_of: Callable[[str], State]) -> Look:
        """Return what a run reads from it."""
        states = {}
        for server in self.servers:
            state = state_of(server.target)
            if now - self.since[server.target] < CHECKED_AFTER:
                state = UNCHECKED
            known = self.states.get(server.target)
            since = now
            if known and known[0] == state:
                since = known[1]
            states[server.target] = (state, since)
        self.states = states
        rows = [f"time {int(now + self.clock_ahead)}"]
        for pool in self.gateway.pools:
            if pool.name not in self.untold:
                rows.append(f"unused {pool.name} {int(now - self.used_at.get(pool.name, now))}")
        for server in self.servers:
            state, since = states[server.target]
            rows.append(row(server, state, now - since))
        if not self.answers:
            rows = []
        text = self.lies or printed(rows, self.servers, self.identifier)
        found = read_look(text, now, has_reports=self.gateway.reports)
        if self.is_reconfigured:
            found.forget_exits()
        found.forgets_reports = self.forgets_reports
        return found


def exit_at(address: str, number: int = 1) -> Server:
    """Return a server of the pool of a gateway without entries, for a report."""
    return Server("qg", address, number=number)


def row(server: Server, state: State, seconds: float) -> str:
    """Return what a process reports of an exit, through which no other traffic passes."""
    return f"{server.backend} s{server.number} {server.target} {' '.join(state)} {int(seconds)} 0 -"


def printed(rows: Iterable[str], servers: Iterable[Server], identifier: str = "") -> str:
    """Return what the script of a look prints."""
    reported = "".join(f"{line}\n" for line in rows)
    return f"root\n--- exits\n{reported}serves\n--- file\n{file_text(identifier, servers)}"


class Fleet:
    """Hosts with equal gateways, and the runs that lease for them.

    ``state_of`` says what an exit does, by its address.
    """

    def __init__(self, node: Node, declared: Gateway, names: Sequence[str] = ("web1",)) -> None:
        self.node = node
        self.vendor = node.vendor
        self.hosts = {name: Host(name, declared) for name in names}
        self.state_of: Callable[[str], State] = lambda _server: WORKS
        self.problems: dict[str, str] = {}
        #: What the last run says of each host about the time before it.
        self.late: dict[str, list[str]] = {}
        #: Which pools of each host sleep after the last run, as the store remembers it.
        self.sleeps: dict[str, dict[str, dict[str, float]]] = {}
        self.warnings: list[str] = []
        #: The leases that the last run has bought, by its own count.
        self.bought = 0
        #: What exits do on some hosts instead.
        self.state_on: dict[str, Callable[[str], State]] = {}
        #: More gateways of the first host, and the servers that each of them got.
        self.more: list[Gateway] = []
        self.more_leases: list[list[str]] = []
        #: Whether calls may fail, so that a run need not know all that it has bought.
        self.has_faults = False

    @property
    def host(self) -> Host:
        """The first host."""
        return next(iter(self.hosts.values()))

    @property
    def problem(self) -> str:
        """The problem of the first host after the last run."""
        return self.problems[self.host.name]

    def let(self, state: State, *servers: str, on: str = "") -> None:
        """Let these exits do this from now on, and all others work: on all hosts, or on one."""
        self._let(lambda server: state if server in servers else WORKS, on)

    def let_all(self, state: State, on: str = "") -> None:
        """Let all exits do this from now on: on all hosts, or on one."""
        self._let(lambda _server: state, on)

    def _let(self, state_of: Callable[[str], State], host: str) -> None:
        if host:
            self.state_on[host] = state_of
        else:
            self.state_of = state_of

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return rows of the store, as another process of the node reads them."""
        with (
            self.node.other_process(),
            use(self.node.runtime),
            contextlib.closing(open_store(str(self.node.store))) as store,
        ):
            return store.rows(query)

    def run(self, *, check: bool = False, cap: int | None = None, only: Sequence[str] = ()) -> int:
        """Let a run lease for the hosts, or some of them; returns how many leases QG.net sold
        meanwhile.

        It has to be told the truth about what it has bought, and to tell one sentence for each pool
        that fails.
        """
        hosts = [self.hosts[name] for name in only or self.hosts]
        paid = self.vendor.paid
        self.node.is_dead = False
        with use(self.node.runtime), contextlib.closing(open_store(str(self.node.store))) as store:
            now = self.vendor.clock.now()
            orders = {host.name: [self._order(host, now)] for host in hosts}
            for declared in self.more:
                orders[self.host.name].append(
                    self._order(Host(f"{self.host.name} {declared.name}", declared), now)
                )
            supplier = Supplier(self._connection, SILENT, store, cap=cap, check=check)
            outcomes = operations.serve(orders, supplier, is_refresh=True)
            self.bought = supplier.bought
        sold = self.vendor.paid - paid
        if check:
            assert sold == 0
        elif self.has_faults:
            assert self.bought <= sold
        else:
            assert self.bought == sold
        self.warnings = []
        self.more_leases = []
        for outcome in outcomes[hosts[0].name][1:]:
            self.more_leases.append(
                [server.server for servers in outcome.servers.values() for server in servers]
            )
        for host in hosts:
            outcome = outcomes[host.name][0]
            self.warnings += outcome.warnings
            self.problems[host.name] = outcome.problem
            self.late[host.name] = outcome.late
            if not check:
                self.sleeps[host.name] = outcome.sleeps
            for problem in outcome.problems:
                assert_one_sentence(problem)
            assert_no_secret([KEY], dataclasses.asdict(outcome))
            if not check:
                self._serve(host, outcome.servers)
        return sold

    def check(self) -> str:
        """Let a run of the role check its pools before it writes anything; returns its refusal."""
        with use(self.node.runtime), contextlib.closing(open_store(str(self.node.store))) as store:
            now = self.vendor.clock.now()
            orders = {host.name: [self._order(host, now)] for host in self.hosts.values()}
            try:
                operations.check(orders, Supplier(self._connection, SILENT, store))
            except QgError as error:
                return error.message
        return ""

    def install(self) -> None:
        """Record the gateways in the store, as the role does before it leases."""
        with use(self.node.runtime), contextlib.closing(open_store(str(self.node.store))) as store:
            keys = dict.fromkeys(
                [pool.name for pool in self.host.gateway.pools], key_digest(store, KEY)
            )
            installations = []
            for host in self.hosts.values():
                order = self._order(host, self.vendor.clock.now())
                options = as_json(order.declaration)
                installations.append(
                    dataclasses.replace(order.installation, options=options, keys=keys)
                )
            assert Installations(store).declare(installations) == []

    def killed(self, **options: Any) -> bool:
        """Let a run be killed, if a test has planned that; returns whether it was."""
        try:
            self.run(**options)
        except Killed:
            return True
        return False

    def run_for(self, seconds: float, step: float = 10.0) -> int:
        """Let runs lease at intervals for a time; returns how many leases QG.net sold."""
        sold = 0
        end = self.vendor.clock.now() + seconds
        while self.vendor.clock.now() + step <= end:
            self.vendor.advance(step)
            sold += self.run()
        return sold

    def remembered_sets(self) -> int:
        """Return of how many sets of leases the store remembers something."""
        with contextlib.closing(open_store(str(self.node.store))) as store:
            return len(store.rows("SELECT id FROM lease_sets"))

    def _serve(self, host: Host, servers: Mapping[str, Sequence[Server]]) -> None:
        after = [server for pool in host.gateway.pools for server in servers[pool.name]]
        host.take(after, self.vendor.clock.now())

    def _order(self, host: Host, now: float) -> operations.Order:
        declared = host.gateway
        logins = {pool.name: self._key(host, pool) for pool in declared.pools}
        installation = Installation(
            id=host.identifier,
            kind=GATEWAY,
            inventory="fleet",
            host=host.name,
            name=declared.name,
            options={},
            keys={},
            problem=self.problems.get(host.name, ""),
            sleeps=self.sleeps.get(host.name, {}),
        )
        state_of = self.state_on.get(host.name, self.state_of)
        return operations.Order(
            installation, declared, logins, host.look(now, state_of), dict(host.refused)
        )

    def _key(self, host: Host, pool: Pool) -> str:
        return host.keys.get(pool.name, KEY)

    def _connection(self, need: Need) -> Connection:
        given = {name: self.node.options[name] for name in ("api_url", "store")}
        params = read_options(PROXY_API_OPTIONS, {**given, "key": need.login}, place="option")
        return Connection.of({**params, "product": need.pool.product})
