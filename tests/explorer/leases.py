# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Allocation of leases for the explorer: the run of a process, and what the vendor may answer."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams, Lease, Quota
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import CallError, Effect, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import WaitBudget
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.backend import LeasePolicy
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.classic import FEATURES
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.ensure import ensure_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.plan import DesiredLeases
from ansible_collections.qingguo.qgnet.plugins.module_utils._reconcile.held_leases import HeldLeases
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.clocks import VendorClock
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.facts import Facts
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.journal_rows import (
    LEASES,
    LIST_LAG,
    MAX_EXECUTION_DELAY,
)
from explorer.engine import CALL, DEATH, LAG, LOCK, Answer, MemoryJournal, MemoryStore, Outcome, Process, World

CHANNELS, TIMEOUT, MAX_WAIT = 9, 10.0, 300.0
POLICY = LeasePolicy(backoff=lambda _attempt: 1.0)
#: No lease ends.
DEADLINE = "2030-01-01 00:00:00"


def lease(number: int) -> Lease:
    """Return the lease with this number in the vendor's books."""
    item = {"IP": f"192.0.2.{number}", "port": str(20000 + number), "host": f"198.51.100.8:{20000 + number}"}
    return Lease.from_item({**item, "deadline": DEADLINE}, f"T{number}")


LEASES_BY_NUMBER = {number: lease(number) for number in range(1, 50)}


class NoFacts(Facts):
    """No facts: without areas and minimum lifetimes, no decision depends on them."""

    def get(self, name: str, about: str = "") -> str | None:
        return None

    def objects(self, name: str) -> dict[str, tuple[str, float]]:
        return {}

    def save(self, *args: Any, **kwargs: Any) -> None:
        pass


class Held(HeldLeases):
    """The leases of a key, with the journal in memory."""

    @property
    def journal(self) -> MemoryJournal:
        return self.api.memory_journal  # type: ignore[union-attr]


class Backend:
    """The API of a process."""

    features, product, key_digest, max_attempts, timeout = FEATURES, "classic", "key", 3, TIMEOUT
    named_areas, has_quota = (), True

    def __init__(self, process: Process) -> None:
        self._process = process
        store: Any = MemoryStore(process)
        self.rate_limiter = SimpleNamespace(state=store, minute=60.0)
        self.memory_journal = MemoryJournal(store, "key", LEASES)
        self.host_facts = NoFacts(store, "key")
        self.client = self
        self.budget = WaitBudget(MAX_WAIT, partial(process.ask, "wait"), elapsed=store.now)
        self.vendor_clock = VendorClock(store, "key", _is_read=True)
        self.held = Held(self, self._list, varying=False)  # type: ignore[arg-type]

    def _list(self, tasks: Sequence[str]) -> list[Lease]:
        return [LEASES_BY_NUMBER[number] for number in self._process.ask("list")]

    @contextlib.contextmanager
    def key_lock(self, work: str = "changing") -> Iterator[None]:
        self._process.ask("lock")
        yield

    def allocate(self, number: int, params: AllocationParams, *, sending: Any) -> list[Lease]:
        with sending():
            named = self._process.ask("allocate", (number, self._process.inserted[-1]))
            return [LEASES_BY_NUMBER[one] for one in named]

    def lease_quota(self) -> Quota | None:
        used = self._process.ask("quota")
        return None if used is None else Quota(CHANNELS, CHANNELS - used, used, {})

    def released_recently(self) -> bool:
        return False


def ensure(wanted: int, process: Process) -> Outcome:
    """Ensure so many leases."""
    api: Any = Backend(process)
    error, new = None, frozenset[str]()
    try:
        found = ensure_leases(api, DesiredLeases(wanted), policy=POLICY)
        error, new = found.error, frozenset(one.name for one in found.allocated)
    except QgError as raised:
        error = raised
    return Outcome(error, new, api.budget.waited)


def failed(effect: Effect, code: object = None) -> CallError:
    return CallError("It failed.", effect=effect, retryable=code is None, endpoint="/allocate", code=code)


def vendor(has_quota: bool, world: World, kind: str, argument: Any) -> Iterator[Answer]:
    """Yield the possible answers to a call."""
    if kind == "list":
        yield from lists(world, may_go_back=has_quota)
    elif kind == "quota":
        yield Answer(world, len(world.held) if has_quota else None)
    else:
        yield from allocations(world, *argument)
    if kind in ("list", "quota") and CALL in world.left:
        yield Answer(world.without(CALL), name=f"{kind} failed", error=partial(failed, Effect.UNKNOWN))


def lists(world: World, *, may_go_back: bool) -> Iterator[Answer]:
    """Yield the list: of hidden leases, it shows all, none, or the first.

    Unless it ``may_go_back``, it goes on to show what it has shown: nothing else could tell that it is wrong.
    """
    lacking = [number for number, until in world.hidden if world.now < until]
    every = [number for number, _row in world.held]
    shown = dict.fromkeys(tuple(one for one in every if one not in less) for less in ((), lacking, lacking[1:]))
    for numbers in shown:
        hidden = world.hidden if may_go_back else tuple(one for one in world.hidden if one[0] not in numbers)
        yield Answer(
            world._replace(hidden=hidden),
            numbers,
            name="" if len(numbers) == len(every) else f"the list lags ({numbers})",
        )


def allocations(world: World, asked: int, row: int) -> Iterator[Answer]:
    """Yield what may become of an allocation.

    A process that was suspended between the record of its call and the request does not die in the exchange as well:
    nothing could then show how late the request was sent.
    """
    if world.state_time - world.rows[row - 1].sent_at > MAX_EXECUTION_DELAY and LOCK not in world.left:
        return
    may_die = DEATH in world.left and world.rows[row - 1].sent_at == world.state_time
    for number in dict.fromkeys((asked, asked - 1)) if CALL in world.left else (asked,):
        done = world if number == asked else world.without(CALL)
        done = done.bought(row, number)
        new = tuple(one for one, payer in done.held if payer == row)
        partly = "" if number == asked else f"{number} of {asked} leased"
        for after, lagging in ((done, ""), (hide(done, new), ", listed late"))[: 1 + (LAG in world.left)]:
            if number:
                yield Answer(after, new, name=partly + lagging)
            if CALL in after.left:
                slow = after.without(CALL)._replace(now=world.now + TIMEOUT)
                yield Answer(slow, name=f"response lost{lagging}", error=partial(failed, Effect.UNKNOWN))
                if asked > 1:
                    yield Answer(after.without(CALL), new[:-1], name=f"response in part{lagging}")
            if may_die:
                yield Answer(after.without(DEATH), name=f"death after the call{lagging}", dies=True)
    if CALL in world.left:
        lost = world.without(CALL)
        yield Answer(lost, name="refused", error=partial(failed, Effect.REJECTED, -1))
        slow = lost._replace(now=world.now + TIMEOUT)
        yield Answer(slow, name="request lost", error=partial(failed, Effect.UNKNOWN))
        yield Answer(slow, name="request lost in flight", error=partial(failed, Effect.IN_FLIGHT))
        until = world.now + MAX_EXECUTION_DELAY
        late = slow._replace(late=((row, asked, until),))
        yield Answer(late, name="late", error=partial(failed, Effect.IN_FLIGHT))
        if may_die:
            yield Answer(late.without(DEATH)._replace(now=world.now), name="death, and late", dies=True)


def hide(world: World, numbers: Collection[int]) -> World:
    """Let lists lack these leases for as long as they may lag."""
    hidden = tuple((number, world.now + LIST_LAG) for number in numbers)
    return world.without(LAG)._replace(hidden=hidden)
