# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls that pay for what a key holds, or release it: each is recorded before it is sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import TypeVar

from .._api.exchange import Sending
from .._api.leases import Terms
from .._core.errors import CallError
from .._spending import caps
from .._store.store import after_the_call
from .holdings import Holdings
from .journal_reader import HOUR
from .paid_api import BUY, DROP, SWAP, NewCall, leaves_open
from .reconciling import look, settle
from .uncertainty import explaining, unknown

R = TypeVar("R")


def buy(holdings: Holdings[R], number: int, terms: Terms, operation: str = BUY) -> CallError | None:
    """Pay for resources with one call.

    Returns the error of a call whose effect, if any, is known nevertheless.
    """
    endpoint = holdings.api.calls[operation]
    before = frozenset(holdings.held)
    if operation == SWAP:
        # QG.net may release them even if it refuses to replace them.
        holdings.effects.dropped.update(holdings.held)
    else:
        # What is over may be listed for another moment, and is no effect of this call.
        before |= holdings.snapshot.listed.keys()
    call = NewCall(operation, endpoint, number, before, {"terms": terms.as_json()}, holdings.cap)
    failure = None
    is_whole = False
    holdings.is_clear = False
    try:
        named = holdings.api.pay(operation, number, terms, _recorded(holdings, call))
    except CallError as error:
        if not leaves_open(operation, error):
            raise
        failure = error
        if error.may_have_effect:
            holdings.effects.unanswered[holdings.journal.of_run[-1]] = endpoint
    else:
        repeated = [named[name] for name in before.intersection(named)]
        # Of a replacement by QG.net, only the list shows what is gone.
        is_whole = operation == BUY and len(named) >= number and not repeated
        _use_answer(holdings, named, is_whole)
        holdings.is_clear = is_whole
        if repeated and operation == BUY:
            reason = f"its response names what the key held before: {holdings.sample(repeated)}"
            raise unknown(holdings.api, endpoint, reason)
    if not is_whole:
        with explaining(holdings.api, endpoint, failure):
            look(holdings)
            settle(holdings)
    return failure


def _use_answer(holdings: Holdings[R], named: Mapping[str, R], is_whole: bool) -> None:
    """Record what the response to a purchase names, and whether that is its whole result."""
    # Before the store is used, since its failure must not hide what was paid for.
    holdings.effects.is_accepted = True
    new = {name: resource for name, resource in named.items() if name not in holdings.held}
    holdings.effects.bought.update(new)
    spans = map(holdings.api.span, holdings.items(new).values())
    lives = [span.life for span in spans if span.life is not None and span.life > 0]
    life = min(lives, default=None)
    holdings.journal.answer(holdings.items(named), whole=is_whole, life=life)
    with after_the_call():
        holdings.use_records()
    # What could not be recorded is held nevertheless.
    holdings.held.update(named)


def check_cap(holdings: Holdings[R], number: int) -> None:
    """Raise CapReachedError if the cap does not allow to buy this many."""
    if number and holdings.cap is not None:
        caller = holdings.api.caller
        caps.check_cap(caller.store, caller.key_digest, holdings.cap, number, holdings.api.kind)


def check_drop(holdings: Holdings[R], going: Collection[str]) -> None:
    """Raise QgError if no call releases these held ones, and spares the others."""
    leaving = [holdings.held[name] for name in going if name in holdings.held]
    holdings.api.check_release(leaving, _without(holdings, going))


def _without(holdings: Holdings[R], going: Collection[str]) -> list[R]:
    return [resource for name, resource in holdings.held.items() if name not in going]


def drop(holdings: Holdings[R], names: Collection[str], going: Collection[str]) -> CallError | None:
    """Release these with one call. ``going`` are all that this run releases: others must stay.

    Returns the error of a call that may have been carried out nevertheless.
    """
    endpoint = holdings.api.calls[DROP]
    resources = {name: holdings.held[name] for name in names}
    call = NewCall(DROP, endpoint, before=names)
    gone: Collection[str] = ()
    failure = None
    try:
        gone = holdings.api.drop(
            resources.values(), _without(holdings, going), _recorded(holdings, call)
        )
    except CallError as error:
        if not error.may_have_effect:
            raise
        failure = error
    holdings.effects.dropped.update(resources)
    for name in gone:
        holdings.held.pop(name, None)
    is_whole = set(gone).issuperset(names)
    if failure is None:
        holdings.journal.answer({}, gone, whole=is_whole)
    if not is_whole:
        with explaining(
            holdings.api, endpoint, failure, "QG.net reports that only a part was done."
        ):
            look(holdings)
    return failure


def _recorded(holdings: Holdings[R], call: NewCall) -> Sending:
    """Return what records a call while it is sent, and forgets what no longer matters."""
    past = holdings.snapshot.past(holdings.now() - HOUR)
    return partial(holdings.journal.sending, call, holdings.api.caller.timeout, past)
