# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whitelist for the explorer: one host gets the address of another one, which is deregistered meanwhile.

The books are the addresses on the whitelist, and those that users were told to be registered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.errors import ApiError
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.models import Entries, ReportedChange
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import Effect, QgError, TransportError
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.claims import Claim, Claims
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.journal_rows import LIST_LAG, MAX_EXECUTION_DELAY
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Mode
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.batch import WriteBatch
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.ownership import HostRegistration, registered
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.plan import DesiredWhitelist
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.turns import Turns, Work
from explorer.engine import CALL, DEATH, LAG, LOCK, START, Answer, Kind, Outcome, World
from explorer.memory import (
    EMPTY,
    MAX_WAIT,
    TIMEOUT,
    Database,
    MemoryApi,
    MemoryStore,
    Process,
    Statements,
    Tables,
)

KEY, INVENTORY = "key", "f"
#: The former address of the first host, that of the second one, which is going to be that of the first one, and one
#: that nobody names.
FORMER, SHARED, FOREIGN = "203.0.113.1", "203.0.113.2", "203.0.113.3"
OPTIONS: Any = SimpleNamespace(transport=SimpleNamespace(max_wait=MAX_WAIT, timeout=TIMEOUT), secrets=())


class Client(MemoryApi):
    """The API of a process."""

    def whitelist(self) -> tuple[Entries, list[str]]:
        return Entries({ip: (ip,) for ip in self._process.ask("query")}, (), complete=True), []

    def add(self, ips: Sequence[str], *, sending: Any) -> ReportedChange:
        return self._change(True, ips, sending)

    def remove(self, ips: Sequence[str], spellings: Mapping[str, Sequence[str]], *, sending: Any) -> ReportedChange:
        return self._change(False, ips, sending)

    def _change(self, adding: bool, ips: Sequence[str], sending: Any) -> ReportedChange:
        with sending():
            done = self._process.ask("add" if adding else "remove", (adding, tuple(ips), self._process.inserted[-1]))
            return ReportedChange(frozenset(done or ()), unclear=done is None)

    def batch_size(self, most: int) -> int:
        return max(1, most)


class Turn(Turns):
    """The turn of a process that works for itself alone."""

    def take(self, claim: Claim, work: Work, *_arguments: Any) -> Any:
        with self.claims.store.try_lock(self.claims.lock):
            work([claim])


def change(host: str, state: str, ips: tuple[str, ...], process: Process) -> Outcome:
    """Register or deregister a host."""
    api: Any = Client(process)
    claims = Claims(api.store, KEY)
    desired = DesiredWhitelist(state, ips, max_removals=10)
    claim = Claim(desired.as_claim, MAX_WAIT, TIMEOUT, id=host, run=host, host=host, inventory=INVENTORY)
    batch = WriteBatch(Turn(claims), claim, OPTIONS, Mode(), api)
    error, found_ips = None, frozenset[str]()
    try:
        found = batch.run()
        error, found_ips = found.error or batch.state_error, found.after.intersection(ips)
    except QgError as raised:
        error = raised
    told = found_ips if state == "present" and error is None else frozenset[str]()
    return Outcome(error, told, api.budget.waited)


REGISTER, DEREGISTER = partial(change, "a", "present", (SHARED,)), partial(change, "b", "absent", ())


def start() -> World:
    """Return the world in which both hosts are registered."""
    found: list[Tables] = []

    def answer(kind: str, argument: Any) -> Any:
        if kind == "commit":
            found.append(argument)
        return Statements(EMPTY, is_lost=False), None, START, 0.0

    store: Any = MemoryStore(Process([], answer, Database()))
    hosts = HostRegistration("a", frozenset({FORMER})), HostRegistration("b", frozenset({SHARED}))
    Claims(store, KEY).standing.change(partial(registered, inventory=INVENTORY, hosts=hosts))
    return World(held=((FORMER, SHARED, FOREIGN), ()), tables=found[-1])


class Whitelist(Kind):
    """One host is registered with an address, and the other one, which had it, is deregistered."""

    programs, last = (REGISTER, DEREGISTER), (REGISTER, DEREGISTER)

    def __init__(self, longest: float) -> None:
        self.longest = longest
        self.start = start()

    def answers(self, world: World, kind: str, argument: Any) -> Iterator[Answer]:
        if kind != "query":
            yield from changes(world, *argument)
            return
        yield from lists(world)
        if CALL in world.left:
            yield Answer(world.without(CALL), name="query failed", error=partial(lost, Effect.UNKNOWN))

    def carried_out(self, world: World, row: int, what: Any) -> World:
        return changed(world, *what)

    def reported(self, world: World, outcome: Outcome) -> World:
        ips, told = world.held
        return world._replace(held=(ips, tuple(sorted({*told, *outcome.new}))))

    def wrong(self, world: World) -> str:
        ips, told = world.held
        if missing := {FOREIGN, *told}.difference(ips):
            return f"lost: {missing}"
        return ""

    def misreported(self, world: World, process: Process, outcome: Outcome) -> str:
        missing = outcome.new.difference(world.held[0])
        return f"reported, and not there: {missing}" if missing else ""

    def unfinished(self, world: World) -> str:
        ips, _told = world.held
        owners = {(row["host"], row["ip"]) for row in world.tables.named("claims") if row["ip"]}
        if set(ips) != {SHARED, FOREIGN} or owners != {("a", SHARED)}:
            return f"in the end {ips}, for {owners}"
        return ""


def lists(world: World) -> Iterator[Answer]:
    """Yield the list: it shows all late changes, or none. It goes on to show what it has shown."""
    ips, _told = world.held
    late = [change for change, until in world.hidden if world.now < until]
    yield Answer(world._replace(hidden=()), ips)
    before = {*ips, *(ip for was_there, ip in late if was_there)} - {ip for was_there, ip in late if not was_there}
    if before != set(ips):
        yield Answer(world, tuple(sorted(before)), name="the list lags")


def changed(world: World, adding: bool, ips: Collection[str]) -> World:
    """Return the world after a call."""
    known, told = world.held
    after = set(known).union(ips) if adding else set(known).difference(ips)
    return world._replace(held=(tuple(sorted(after)), told))


def lost(effect: Effect) -> TransportError:
    return TransportError("It was lost.", endpoint="/whitelist", effect=effect)


def changes(world: World, adding: bool, ips: tuple[str, ...], row: int) -> Iterator[Answer]:
    """Yield what may become of a call that adds or removes addresses; None stands for a response without names."""
    sent_at = world.sent_at(row)
    if world.state_time - sent_at > MAX_EXECUTION_DELAY and LOCK not in world.left:
        return
    may_die = DEATH in world.left and sent_at == world.state_time
    done = changed(world, adding, ips)
    hidden = tuple(((not adding, ip), world.now + LIST_LAG) for ip in ips)
    for after, lagging in ((done, ""), (done.without(LAG)._replace(hidden=hidden), ", listed late")):
        if lagging and LAG not in world.left:
            break
        yield Answer(after, ips, name=lagging)
        if CALL in after.left:
            slow = after.without(CALL)._replace(now=world.now + TIMEOUT)
            yield Answer(slow, name=f"response lost{lagging}", error=partial(lost, Effect.UNKNOWN))
            yield Answer(after.without(CALL), None, name=f"response without names{lagging}")
        if may_die:
            yield Answer(after.without(DEATH), name=f"death after the call{lagging}", dies=True)
    if CALL in world.left:
        never = world.without(CALL)
        yield Answer(never, name="refused", error=partial(ApiError, -1, "/whitelist"))
        slow = never._replace(now=world.now + TIMEOUT)
        yield Answer(slow, name="request lost", error=partial(lost, Effect.UNKNOWN))
        yield Answer(slow, name="request lost in flight", error=partial(lost, Effect.IN_FLIGHT))
        late = slow._replace(late=((row, (adding, ips), world.now + MAX_EXECUTION_DELAY),))
        yield Answer(late, name="late", error=partial(lost, Effect.IN_FLIGHT))
        if may_die:
            yield Answer(late.without(DEATH)._replace(now=world.now), name="death, and late", dies=True)
