# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls of earlier runs, which ended before their results were known."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from functools import partial

from .._api.parsing import BEIJING
from .._core.errors import CallError, UncertainOutcomeError, WaitBudgetExceeded
from .._store.facts import MONOPOLY_ORIGIN
from .._store.journal_rows import LOST, MAYBE_GONE, SETTLED, UNRESOLVED_TTL, JournalRow
from .application import AllocationSession
from .matching import ApplicationParams
from .session import CHECK_COMMAND, RELEASE, application_params, sample


def adopt_shown(session: AllocationSession, *, check: bool) -> list[JournalRow]:
    """Resolve the applications whose resources the list shows; returns the others."""
    unresolved: list[JournalRow] = []
    predicted: dict[str, ApplicationParams] = {}
    for call in session.unresolved():
        if not _is_shown(session, call):
            unresolved.append(call)
        elif check:
            predicted.update(dict.fromkeys(session.new_since(call.names), _params(call)))
        else:
            _adopt(session, call)
    if not check:
        session.api.caller.facts.touch(MONOPOLY_ORIGIN, session.held)
    session.matcher.params = {**predicted, **application_params(session.api)}
    return unresolved


def wait_for(session: AllocationSession, calls: Sequence[JournalRow]) -> None:
    """Wait until the list shows the effect of these calls, or can no longer lag behind it, and resolve them."""
    for call in calls:
        is_shown = partial(_is_shown, session, call)
        try:
            session.wait_until_settled(call, is_shown)
        except (CallError, WaitBudgetExceeded) as error:
            raise _undecided(session, call, error) from None
        if not is_shown() and session.is_recent(call) and session.exceeds_list(call.witness):
            raise UncertainOutcomeError(
                f"{_describe(session, call)}, but the quota has more in use than the list accounts for, so whether "
                f'they are held is unknown. Nothing was applied for. Check with "{CHECK_COMMAND}"; from '
                f"{_iso(session, call.sent_at + UNRESOLVED_TTL)} on, only the list counts.",
                endpoint=call.endpoint,
            )
        _adopt(session, call)


def wait_for_releases(session: AllocationSession) -> None:
    """Wait until the list must show the effect of releases without a response: what they name may not be held."""
    for call in session.journal.unsettled(RELEASE):
        names = call.marked(MAYBE_GONE)
        if names.isdisjoint(session.held):
            continue
        try:
            session.wait_until_settled(call, partial(_are_gone, session, names))
        except (CallError, WaitBudgetExceeded) as error:
            raise UncertainOutcomeError(
                f"An earlier run sent the release of {sample(sorted(names))} and did not learn the result, so whether "
                f"they are still held is unknown: {error.message} Nothing was applied for.",
                **error.details,
            ) from None
        session.journal.settle(call.id)


def warn_of(session: AllocationSession, calls: Sequence[JournalRow]) -> None:
    """Add a warning for each call that a run without check mode would wait for."""
    session.result.warnings += [
        f"{_describe(session, call)}. Without check mode, the task waits until the list must show them, and then "
        "applies for the missing ones."
        for call in calls
    ]


def _are_gone(session: AllocationSession, names: Collection[str]) -> bool:
    return session.held.keys().isdisjoint(names)


def _is_shown(session: AllocationSession, call: JournalRow) -> bool:
    return len(session.new_since(call.names)) >= call.asked


def _params(call: JournalRow) -> ApplicationParams:
    """Return the parameters of a recorded application."""
    return ApplicationParams(**call.request)


def _adopt(session: AllocationSession, call: JournalRow) -> None:
    """Attribute the new resources since a call to it, and resolve it."""
    new = session.new_since(call.names)
    session.save_origin(new, _params(call))
    is_known = len(new) >= call.asked
    session.journal.settle(call.id, found=dict.fromkeys(new), state=SETTLED if is_known else LOST)
    if new:
        session.result.warnings.append(
            f"An earlier run applied for {call.asked} resources and did not learn the result: {sample(new)} are held."
        )


def _undecided(
    session: AllocationSession, call: JournalRow, error: CallError | WaitBudgetExceeded
) -> UncertainOutcomeError:
    unknown = f"{_describe(session, call)}, and whether more will be held is unknown"
    if isinstance(error, CallError):
        return UncertainOutcomeError(
            f"{unknown}, because the list cannot be read: {error.message}",
            **error.details,
        )
    now = session.now()
    settled = _iso(session, now + max(0.0, call.settles_in(now)))
    return UncertainOutcomeError(
        f"{unknown} until {settled}. Nothing was applied for. Run the task again after that, or raise max_wait "
        f"({session.api.caller.budget.max_wait:g} seconds).",
        endpoint=call.endpoint,
    )


def _describe(session: AllocationSession, call: JournalRow) -> str:
    return (
        f"{call.asked} resources were applied for at {_iso(session, call.sent_at)} without a known result; the list "
        f"shows {len(session.new_since(call.names))} of them"
    )


def _iso(session: AllocationSession, moment: float) -> str:
    """Return a moment of state time as the vendor's clock shows it."""
    return datetime.datetime.fromtimestamp(session.api.caller.vendor_clock.at(moment), BEIJING).isoformat(
        timespec="seconds"
    )
