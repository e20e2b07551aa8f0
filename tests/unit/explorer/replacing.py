# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The replacement of one of two resources, by release and purchase or by the vendor, for the explorer.

The books are the numbers of the resources, each with the row that has paid for it, and whether it is held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import Effect, UncertainOutcomeError
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.journal import LIST_LAG, MAX_EXECUTION_DELAY
from explorer.engine import CALL, DEATH, LAG, LOCK, Answer, Kind, Outcome, SharedWorld
from explorer.memory import TIMEOUT, Process
from explorer.paid import failed
from explorer.runs import WANTED, ensure


class Replacing(Kind):
    """Two runs that replace, or one and one that ensures as many. The second one only continues the first.

    The resources are there at first, unless the runs buy them as ``new`` ones.
    """

    def __init__(self, *programs: Callable[[Process], Outcome], has_quota: bool, new: bool = False) -> None:
        self.programs = (programs[0], programs[-1])
        self.last = (ensure,)
        self.start = SharedWorld(held=() if new else ((1, 0, True), (2, 0, True)))
        self._has_quota = has_quota

    def answers(self, world: SharedWorld, kind: str, argument: Any) -> Iterator[Answer]:
        held = _held(world)
        if kind == "list":
            yield from _lists(world, held)
        elif kind == "quota":
            yield Answer(world, len(held) if self._has_quota else None)
        else:
            yield from _changes(world, *argument, may_drop=bool(self.start.held))
        if kind in ("list", "quota") and CALL in world.left:
            yield Answer(world.without(CALL), name=f"{kind} failed", error=partial(failed, Effect.UNKNOWN))

    def carried_out(self, world: SharedWorld, row: int, what: Any) -> SharedWorld:
        return _changed(world, row, *what)

    def wrong(self, world: SharedWorld) -> str:
        paid = len(world.held) - WANTED
        return f"paid {paid} times" if paid > 1 or len(_held(world)) > WANTED else ""

    def misreported(self, world: SharedWorld, process: Process, outcome: Outcome) -> str:
        paid = sum(row in process.inserted for _number, row, _is_held in world.held)
        is_told = isinstance(outcome.error, UncertainOutcomeError) or paid <= len(outcome.new)
        return "" if is_told else f"{paid} paid for, and {len(outcome.new)} reported"

    def unfinished(self, world: SharedWorld) -> str:
        if len(_held(world)) != WANTED:
            return f"{len(_held(world))} held in the end"
        return "never settled" if any(row.is_open for row in world.tables.journal()) else ""


def _held(world: SharedWorld) -> list[int]:
    return [number for number, _row, is_held in world.held if is_held]


def _changed(world: SharedWorld, row: int, what: str, argument: Any) -> SharedWorld:
    """Return the world after a call: a purchase or a swap of so many, or a release of numbers."""
    gone = argument if what == "drop" else _held(world)[:argument] if what == "swap" else ()
    held = [(number, payer, is_held and number not in gone) for number, payer, is_held in world.held]
    first = len(held) + 1
    held += [(number, row, True) for number in range(first, first + argument)] if what != "drop" else []
    return world._replace(held=tuple(held))


def _lists(world: SharedWorld, held: list[int]) -> Iterator[Answer]:
    """Yield the list: right, or as before the hidden changes (a negative number is one that is gone)."""
    lacking = [number for number, until in world.hidden if number > 0 and world.now < until]
    gone = [-number for number, until in world.hidden if number < 0 and world.now < until]
    late = tuple(sorted({*gone, *(number for number in held if number not in lacking)}))
    for numbers in dict.fromkeys((tuple(held), late)):
        is_right = set(numbers) == set(held)
        hidden = () if is_right else world.hidden
        yield Answer(world._replace(hidden=hidden), numbers, name="" if is_right else f"the list lags ({numbers})")


def _changes(world: SharedWorld, what: str, argument: Any, row: int, *, may_drop: bool) -> Iterator[Answer]:
    """Yield what may become of a call that changes something; a swap may give up what is old, and be refused then."""
    sent_at = world.sent_at(row)
    if world.state_time - sent_at > MAX_EXECUTION_DELAY and LOCK not in world.left:
        return
    may_die = DEATH in world.left and sent_at == world.state_time
    done = _changed(world, row, what, argument)
    new = tuple(number for number, payer, is_held in done.held if payer == row and is_held)
    was = set(_held(world))
    now = set(_held(done))
    hidden = tuple((number, world.now + LIST_LAG) for number in (*sorted(now - was), *(-one for one in was - now)))
    for after, name in ((done, ""), (done.without(LAG)._replace(hidden=hidden), ", listed late")):
        if name and LAG not in world.left:
            break
        yield Answer(after, new, name=f"{what}{name}" if name else "")
        if CALL in after.left:
            slow = after.without(CALL)._replace(now=world.now + TIMEOUT)
            yield Answer(slow, name=f"{what}, response lost{name}", error=partial(failed, Effect.UNKNOWN))
        if may_die:
            yield Answer(after.without(DEATH), name=f"{what}, death after the call{name}", dies=True)
    if CALL in world.left:
        lost = world.without(CALL)
        yield Answer(lost, name=f"{what} refused", error=partial(failed, Effect.REJECTED, -1))
        slow = lost._replace(now=world.now + TIMEOUT)
        yield Answer(slow, name=f"{what}, request lost", error=partial(failed, Effect.UNKNOWN))
        late = slow._replace(late=((row, (what, argument), world.now + MAX_EXECUTION_DELAY),))
        yield Answer(late, name=f"{what} late", error=partial(failed, Effect.IN_FLIGHT))
        if what == "swap" and may_drop:
            dropped = _changed(lost, row, "drop", _held(world)[:argument])
            yield Answer(dropped, name="refused after the release", error=partial(failed, Effect.REJECTED, -103))
        if may_die:
            yield Answer(late.without(DEATH)._replace(now=world.now), name=f"{what}, death, and late", dies=True)
