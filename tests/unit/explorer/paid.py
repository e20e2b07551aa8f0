# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is paid for, for the explorer: what the vendor may answer, and what must not happen.

The books are the numbers of the resources, each with the number of the row that has paid for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    CallError,
    Effect,
    UncertainOutcomeError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.journal import LIST_LAG, MAX_EXECUTION_DELAY
from explorer.engine import CALL, DEATH, LAG, LOCK, Answer, Kind, Outcome, SharedWorld
from explorer.memory import TIMEOUT, Process
from explorer.runs import WANTED


class Paid(Kind):
    """Two runs of ``program``, which want two resources to be held. The key may have no quota.

    A list ``may_go_back``: once it has shown a resource, it may lack it for as long as lists may lag. Without a quota,
    nothing else could tell that it is wrong.
    """

    def __init__(self, program: Callable[[Process], Outcome], *, has_quota: bool, may_go_back: bool = False) -> None:
        self.programs = (program, program)
        self.last = (program,)
        self._has_quota = has_quota
        self._may_go_back = may_go_back

    def answers(self, world: SharedWorld, kind: str, argument: Any) -> Iterator[Answer]:
        if kind == "list":
            yield from lists(world, may_go_back=self._may_go_back)
        elif kind == "quota":
            yield Answer(world, len(world.held) if self._has_quota else None)
        else:
            yield from purchases(world, *argument[1:])
        if kind in ("list", "quota") and CALL in world.left:
            yield Answer(world.without(CALL), name=f"{kind} failed", error=partial(failed, Effect.UNKNOWN))

    def carried_out(self, world: SharedWorld, row: int, what: Any) -> SharedWorld:
        return bought(world, row, what)

    def wrong(self, world: SharedWorld) -> str:
        rows = world.tables.journal()
        booked = Counter(name for row in rows for name in row.received)
        room = sum(row.buys - len(row.received) for row in rows if row.is_open)
        if len(world.held) > WANTED:
            return "paid twice"
        once = len(booked) == sum(booked.values()) and len(world.held) <= len(booked) + room
        return "" if once else "not in the ledger once"

    def misreported(self, world: SharedWorld, process: Process, outcome: Outcome) -> str:
        paid = sum(row in process.inserted for _number, row in world.held)
        if isinstance(outcome.error, UncertainOutcomeError) or paid <= len(outcome.new):
            return ""
        return f"{paid} paid for, and {len(outcome.new)} reported"

    def unfinished(self, world: SharedWorld) -> str:
        if len(world.held) != WANTED:
            return f"{len(world.held)} held in the end"
        return "never settled" if any(row.is_open for row in world.tables.journal()) else ""


def bought(world: SharedWorld, row: int, number: int) -> SharedWorld:
    """Return the world after a call that buys so many resources."""
    first = len(world.held) + 1
    return world._replace(held=(*world.held, *((one, row) for one in range(first, first + number))))


def failed(effect: Effect, code: object = None) -> CallError:
    return CallError("It failed.", effect=effect, retryable=code is None, endpoint="/buy", code=code)


def lists(world: SharedWorld, *, may_go_back: bool) -> Iterator[Answer]:
    """Yield the list: of hidden resources, it shows all, none, or the first."""
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


def purchases(world: SharedWorld, asked: int, row: int) -> Iterator[Answer]:
    """Yield what may become of a purchase.

    A process that was suspended between the record of its call and the request does not die in the exchange as well:
    nothing could then show how late the request was sent.
    """
    sent_at = world.sent_at(row)
    if world.state_time - sent_at > MAX_EXECUTION_DELAY and LOCK not in world.left:
        return
    may_die = DEATH in world.left and sent_at == world.state_time
    for number in dict.fromkeys((asked, asked - 1)) if CALL in world.left else (asked,):
        done = world if number == asked else world.without(CALL)
        done = bought(done, row, number)
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


def hide(world: SharedWorld, numbers: Collection[int]) -> SharedWorld:
    """Let lists lack these leases for as long as they may lag."""
    hidden = tuple((number, world.now + LIST_LAG) for number in numbers)
    return world.without(LAG)._replace(hidden=hidden)
