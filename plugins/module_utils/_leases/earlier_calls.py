# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The unresolved calls of earlier runs, which ended before their results were known."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from functools import partial

from .._core.errors import QgError, UncertainOutcomeError, WaitBudgetExceeded
from .._core.text import counted
from .._reconcile.held_leases import ends
from .._reconcile.lost_response import UNLISTED
from .._store.journal_rows import LOST, REPORTED, SETTLED, JournalRow
from .._store.store import after_the_call
from .backend import LeaseBackend, LeasePolicy
from .plan import Origin
from .session import ALLOCATE, FINISHED_REPLACE, INTERRUPTED_REPLACE, RELEASE, REPLACE, LeaseSession


@contextlib.contextmanager
def lease_session(backend: LeaseBackend, policy: LeasePolicy, *, check: bool) -> Iterator[LeaseSession]:
    """Lock the key, and read its leases; unless this is a ``check``, wait for the calls of earlier runs."""
    with backend.client.caller.key_lock():
        session = LeaseSession(backend, policy)
        try:
            # Before the list: a run that has lost its lock may settle them meanwhile, and the list is then corrected by
            # what it has reported.
            calls = _unsettled(session)
            session.refresh()
            _resolve_all(session, calls, wait=not check)
            yield session
        finally:
            # The effect of a call may have been found out long after the call.
            if session.has_written or session.new:
                with after_the_call():
                    session.invalidate()


def resolve_earlier(session: LeaseSession, *, wait: bool) -> None:
    """Record the leases of the last list as those before this run, and resolve the calls of earlier runs."""
    _resolve_all(session, _unsettled(session), wait=wait)


def _unsettled(session: LeaseSession) -> list[JournalRow]:
    return session.journal.unsettled(ALLOCATE, REPLACE, FINISHED_REPLACE, RELEASE)


def _resolve_all(session: LeaseSession, calls: Iterable[JournalRow], *, wait: bool) -> None:
    session.before = tuple(session.held.values())
    for call in calls:
        _resolve(session, call, wait=wait)
    session.facts.touch({lease.task_id for lease in session.held.values()})


def _resolve(session: LeaseSession, call: JournalRow, *, wait: bool) -> None:
    is_release = call.operation == RELEASE
    doubted = call.names if is_release else frozenset[str]()
    read, is_shown = partial(session.refresh, doubted), partial(_shows_result, session, call)
    if doubted:
        read()
    if not wait and not is_shown() and call.settles_in(session.now()) > 0:
        return
    try:
        session.wait_until_settled(call, is_shown, read)
    except WaitBudgetExceeded:
        left = max(0.0, call.settles_in(session.now()))
        reason = f"{{list}} may show it within {counted(round(left), 'second')}, but max_wait ends before that."
        raise _undecided(session, call, reason) from None
    if doubted:
        # The list can no longer lag behind the release, so only the list counts.
        session.listed.forget(doubted)
    recent = session.is_recent(call)
    if recent and not is_shown() and session.exceeds_list(call.witness):
        raise _undecided(session, call, UNLISTED)
    fresh = [] if is_release else [session.held[name] for name in session.new_since(call.names, call.id)]
    if not is_release and call.operation != FINISHED_REPLACE:
        known = session.facts.origins()
        session.save_origin([one for one in fresh if one.task_id not in known], call.asked, origin_of(call))
        first = {lease.name for lease in session.before}
        session.new.update({lease.name: lease for lease in fresh if lease.name not in first})
    if call.operation == REPLACE and recent:
        # A run that requests the same continues it, and does not pay again.
        session.journal.receive([call.id], ends(fresh))
        session.journal.rename(call.id, INTERRUPTED_REPLACE)
    else:
        # Without a response, it may have paid for leases that have ended before a list showed them.
        is_known = call.state == REPORTED or is_shown()
        session.journal.settle(call.id, found=ends(fresh), state=SETTLED if is_known else LOST)


def _shows_result(session: LeaseSession, call: JournalRow) -> bool:
    """Whether the list shows the complete effect of a call."""
    if call.operation == RELEASE:
        return session.names.isdisjoint(call.names)
    if len(session.new_since(call.names, call.id)) < call.asked:
        # A response may name fewer than were asked for; the quota shows whether fewer were leased.
        return call.operation == ALLOCATE and call.state == REPORTED and call.witness is not None
    if call.operation == ALLOCATE:
        return True
    if call.names & session.names and session.report_replaced(call.id, call.asked, call.names):
        session.refresh()
    return len(call.names - session.names) >= min(call.asked, len(call.names))


def _undecided(session: LeaseSession, call: JournalRow, reason: str) -> UncertainOutcomeError:
    what = (
        f"{counted(len(call.names), 'lease', 'were')} released"
        if call.operation == RELEASE
        else f"{counted(call.asked, 'address', 'were')} leased"
    )
    age = call.age(session.now())
    error = QgError(
        f"An earlier run sent {call.endpoint} {counted(round(age), 'second')} ago and ended before its result was "
        "known.",
        endpoint=call.endpoint,
    )
    return session.uncertain(error, what, reason)


def recent_calls(session: LeaseSession, name: str) -> list[JournalRow]:
    """Return the replacements of earlier runs that this one may continue, and delete older ones."""
    calls = session.journal.unsettled(name)
    session.journal.settle(*(call.id for call in calls if not session.is_recent(call)))
    return [call for call in calls if session.is_recent(call)]


def origin_of(call: JournalRow) -> Origin:
    """Return the origin of the leases that a recorded call requested."""
    origin = call.request["origin"]
    return Origin(tuple(origin["areas"]), origin["isp"])
