# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a key holds, reconciled with its journal and its quota: looks and waits, as :mod:`.evidence`
decides.

A response may be lost after QG.net has carried out the call, and QG.net's list may lag behind it,
or be wrong once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

from .._core.errors import UncertainOutcomeError, WaitBudgetExceeded
from .._core.text import counted
from .evidence import (
    Outcome,
    Verdict,
    Witness,
    changed_by_list,
    contradiction,
    excess,
    verdict,
)
from .holdings import Holdings, ListRead
from .paid_api import PaidApi
from .snapshot import LIST_LAG, OpenCall
from .uncertainty import unknown

R = TypeVar("R")
#: Seconds between two looks at what may change.
POLL = 5.0


@contextlib.contextmanager
def locked_holdings(
    api: PaidApi[R],
    *,
    cap: int | None = None,
    ignore_quota: bool = False,
    await_releases: bool = False,
    earlier: ListRead[R] | None = None,
) -> Iterator[Holdings[R]]:
    """Lock the key, read what it holds, and end the earlier calls whose effect the list shows.

    ``earlier`` is a list that the run has read lately.

    With ``await_releases``, wait for the effect of earlier releases: what they name may be held no
    more.
    """
    with api.caller.key_lock():
        holdings = Holdings(api, cap=cap, ignore_quota=ignore_quota)
        look(holdings, earlier)
        settle(holdings, await_purchases=False, await_releases=await_releases)
        yield holdings


def look(holdings: Holdings[R], earlier: ListRead[R] | None = None) -> None:
    """Read what is held, and record what the list lacks, since lists are in order here."""
    holdings.read(earlier)
    changed = changed_by_list(holdings.snapshot)
    if changed:
        holdings.journal.update(changed)
        holdings.use_records()
    holdings.warn_of_missing()


def look_without_lock(holdings: Holdings[Any]) -> None:
    """Read what is held after the lock of the key has ended.

    What the list lacks is looked for once more within the lock, so that it can be recorded.
    """
    holdings.read()
    if holdings.missing:
        with holdings.api.caller.key_lock():
            look(holdings)


def make_certain(
    holdings: Holdings[R],
    is_chosen: Callable[[R], bool],
    are_found: Callable[[Collection[R]], bool],
) -> None:
    """Look until it is certain which of the chosen ones are held: a single list that shows less
    proves nothing.

    ``are_found`` says whether all that are chosen by name are among these. What a list should
    show is waited for, until one shows it or it counts as gone.
    """
    if not are_found(holdings.certain.values()):
        look(holdings)
    while missing := [name for name in holdings.missing if is_chosen(holdings.held[name])]:
        _wait_for_missing(holdings, missing)
        look(holdings)
    holdings.first = dict(holdings.held)


def _wait_for_missing(holdings: Holdings[R], names: Sequence[str]) -> None:
    last = holdings.snapshot.last()
    moments = [last[name].missing_until for name in names if name in last]
    until = max(moments, default=holdings.snapshot.read_at)
    pause = min(POLL, until - holdings.snapshot.read_at)
    if pause <= 0:
        # The next look decides.
        return
    reason = f"{holdings.api.listing} lacks what should be held"
    try:
        holdings.wait(pause, reason, holdings.api.list_call)
    except WaitBudgetExceeded:
        lacked = holdings.sample(holdings.held[name] for name in names)
        raise UncertainOutcomeError(
            f"Whether the key still holds {lacked} is unknown: {holdings.api.listing} lacks "
            "that, and should show it. Nothing was done. Run the task again in a minute, or "
            "raise max_wait.",
            endpoint=holdings.api.list_call,
        ) from None


def settle(
    holdings: Holdings[R], *, await_purchases: bool = True, await_releases: bool = True
) -> None:
    """End the open calls whose effect is known.

    Wait for the effect of purchases and of releases, or raise UncertainOutcomeError.
    """
    for number in [call.id for call in holdings.snapshot.calls]:
        # Another run, which has lost its lock, may have ended it.
        while call := _open_call(holdings, number):
            result = verdict(call, holdings.snapshot)
            if result.outcome is not Outcome.OPEN:
                _close(holdings, call, result)
                break
            if holdings.snapshot.read_at < call.settles_at:
                is_purchase = await_purchases and call.adds
                is_release = await_releases and call.removes
                if not is_purchase and not is_release:
                    break
                _wait_for(holdings, call, result)
            look(holdings)


def _open_call(holdings: Holdings[R], number: int) -> OpenCall | None:
    return next((call for call in holdings.snapshot.calls if call.id == number), None)


def _close(holdings: Holdings[R], call: OpenCall, result: Verdict) -> None:
    """Record what an open call has done; from now on, the journal names its effect."""
    is_whole = len(result.added) == call.adds
    added = _note(holdings, call, result.added)
    holdings.journal.close(call.id, holdings.items(added), result.removed, whole=is_whole)
    holdings.see(calls=[other for other in holdings.snapshot.calls if other is not call])
    if is_whole:
        holdings.effects.unanswered.pop(call.id, None)
    holdings.use_records()
    # What the call may have removed, and has not, counts again.
    holdings.warn_of_missing()


def _note(holdings: Holdings[R], call: OpenCall, added: Collection[str]) -> dict[str, R]:
    """Return what a call has added, which the result of this run names or a warning does."""
    resources = {name: holdings.held[name] for name in added}
    if call.id in holdings.journal.of_run:
        holdings.effects.bought.update(resources)
    elif resources:
        asked = counted(call.adds, holdings.api.noun)
        names = holdings.sample(resources.values())
        holdings.warnings.append(
            f"An earlier run asked for {asked} and did not learn the result: {names} are held."
        )
    return resources


def _wait_for(holdings: Holdings[R], call: OpenCall, result: Verdict) -> None:
    seconds_left = call.settles_at - holdings.snapshot.read_at
    pause = min(POLL, seconds_left)
    try:
        holdings.wait(pause, "the effect of a call is not known yet", call.endpoint)
    except WaitBudgetExceeded:
        _note(holdings, call, result.added)
        age = counted(round(holdings.now() - call.sent_at), "second")
        raise unknown(
            holdings.api,
            call.endpoint,
            f"it was sent {age} ago, {holdings.api.listing} may show its effect for another "
            f"{seconds_left:.0f} seconds, and max_wait ends before that",
        ) from None


def read_quota(holdings: Holdings[Any]) -> bool:
    """Read the quota; returns whether something contradicts a payment then.

    With ``ignore_quota``, the channels in use contradict nothing; that too few are free does.
    """
    holdings.quota = holdings.api.quota()
    used = None
    if holdings.quota is not None and holdings.quota.has_channels and not holdings.ignore_quota:
        used = holdings.quota.used
    holdings.see(quota_used=used)
    return contradiction(holdings.snapshot) is not None


def confirm_again(holdings: Holdings[R], number: int) -> None:
    """Wait as :func:`confirm` does, unless nothing has contradicted a payment since it did.

    A quota that has shown fewer channels than this ``number`` is read again.
    """
    is_short = holdings.quota is not None and holdings.quota.available < number
    if is_short or not holdings.is_clear or holdings.snapshot.calls:
        confirm(holdings)


def confirm(holdings: Holdings[Any]) -> None:
    """Wait until nothing contradicts a payment.

    Raises UncertainOutcomeError if something still does in the end.
    """
    settle(holdings)
    until = holdings.now() + LIST_LAG
    read_quota(holdings)
    while witness := contradiction(holdings.snapshot):
        if witness is Witness.QUOTA:
            _wait_for_quota(holdings, until)
        look(holdings)
        if witness is Witness.QUOTA:
            read_quota(holdings)
    holdings.is_clear = True


def _wait_for_quota(holdings: Holdings[R], until: float) -> None:
    number = excess(holdings.snapshot)
    reason = f"the quota counts {number} more in use than {holdings.api.listing} shows"
    limit = f"this has not changed for {LIST_LAG:.0f} seconds"
    if holdings.now() < until:
        try:
            holdings.wait(POLL, reason, holdings.api.list_call)
            return
        except WaitBudgetExceeded:
            limit = "max_wait ends before they must agree"
    raise UncertainOutcomeError(
        f"Whether the key holds {counted(number, f'more {holdings.api.noun}')} than "
        f"{holdings.api.listing} shows is unknown: the quota counts {number} more in use, and "
        f"{limit}. {holdings.payments()} {holdings.api.ignoring} {holdings.api.advice}",
        endpoint=holdings.api.list_call,
    )
