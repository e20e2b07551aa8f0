# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The change of a whitelist: it is read, planned, the difference is written, and read again.

The whitelist is described in vendor docs 178 to 180. They do not say whether it is an error to add a present address or
to remove an absent one, so neither is sent. Nor do they define the notation of addresses: an entry is removed by the
text with which it is listed, or if that fails, by its address.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .._api.classic.errors import BOUND_TO_OTHER_KEY, INVALID_PARAMETER, KEY_REFUSALS, WHITELIST_FULL, ApiError
from .._api.classic.exchange import PostRejected
from .._core.chunks import chunks
from .._core.errors import CallError, QgError, TransportError, WaitBudgetExceeded
from .._core.waiting import backoff
from .._reconcile.converge import Change
from .._reconcile.retry_policy import LAG_DELAYS, POLL_INTERVAL
from .entry_texts import EntryTexts, removal_error, split_by_notation
from .plan import (
    NOT_SHOWN,
    DesiredWhitelist,
    Plan,
    WhitelistResult,
    contradicts,
    full_error,
    plan,
    refusal_error,
)

if TYPE_CHECKING:
    from .._reconcile.held_whitelist import HeldWhitelist
    from .._reconcile.view import OpenChange

FindHolder = Callable[[str], "str | None"]
#: The maximum number of successive rounds without progress.
MAX_STALLS = 3
#: The codes of refusals that an earlier change of the whitelist cannot cause.
UNRELATED = (*KEY_REFUSALS, BOUND_TO_OTHER_KEY)
#: The maximum number of addresses in a call that removes entries in another notation, whose texts may be long.
SPELLED_BATCH = 20


def reconcile(
    api: HeldWhitelist,
    desired: DesiredWhitelist,
    *,
    check: bool = False,
    on_plan: Callable[[Plan, frozenset[str]], None] = lambda _first, _before: None,
    find_holder: FindHolder = lambda _ip: None,
) -> WhitelistResult:
    """Read the whitelist, plan, write only the difference and read it again; with ``check``, only read and plan.

    ``on_plan`` is called with the plan and the list before anything may be written. ``find_holder`` returns the host
    that is registered with an address for another key.
    """
    if not check:
        _wait_for_unresolved(api, desired)
    reading = api.read()
    before = reading.ips
    first = plan(before, desired, extra_entries=reading.extra_entries)
    first.check_limits()
    result = WhitelistResult(before, before, first, reading)
    if not check:
        on_plan(first, before)
    if check:
        result.after = before.union(first.add).difference(first.remove)
    elif first.changes:
        _Applier(api, result, find_holder).run()
    return result


def _wait_for_unresolved(api: HeldWhitelist, desired: DesiredWhitelist) -> None:
    """Wait until every earlier, opposite change is complete and the list can no longer lag behind it."""

    def conflicts(change: OpenChange) -> bool:
        return contradicts(desired, change)

    while (seconds := api.settles_in(conflicts)) > 0:
        reason = "the response to an earlier change of the same addresses was lost, and it may still take effect"
        api.budget.require(seconds, reason, "/whitelist")
        api.budget.wait(min(seconds, POLL_INTERVAL), reason, "/whitelist", remaining=seconds)


def _is_single_address_conflict(error: QgError) -> bool:
    return isinstance(error, ApiError) and error.code == BOUND_TO_OTHER_KEY


def _unresolved(api: HeldWhitelist) -> dict[bool, set[str]]:
    """Return the addresses that earlier calls with unknown results may have added (True) or removed (False)."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for change in api.open_changes():
        found[change.present] |= change.names
    return found


class _Writer:
    """The writing of one round after the other.

    Nothing is removed before all additions are reported or listed, unless the list is full.
    """

    def __init__(self, api: HeldWhitelist, result: WhitelistResult, find_holder: FindHolder) -> None:
        self._api = api
        self._find_holder = find_holder
        self._desired = result.desired
        self._result = result
        self._batch_size: int | None = None
        first, capacity = result.first, result.desired.capacity
        self._remove_first = capacity is not None and first.size + len(first.remove) > capacity
        self._texts = EntryTexts()
        self._error: QgError | None = None
        self._sent: set[str] = set()
        #: Addresses that earlier calls may have added (True) or removed (False) without the list showing it.
        self._maybe_changed = _unresolved(api)
        #: Whether an earlier call that was carried out may be the reason of the last refusal.
        self._is_doubtful = False
        #: Whether the effect of a change is unknown, including those of earlier runs, so that the list may lag behind
        #: it. With ``_is_unanswered``, there was not even a refusal.
        changes = {*first.add, *first.remove}
        self._lost = self._is_unanswered = api.settles_in(lambda change: not changes.isdisjoint(change.names)) > 0

    def _write(self, todo: Plan) -> QgError | None:
        """Send one round of calls; return an error that is final, unless the list shows progress."""
        self._error, self._is_doubtful = None, False
        self._texts.start_round()
        for adding in (False, True) if self._remove_first else (True, False):
            if not (adding or self._remove_first or self._result.after.issuperset(todo.add)):
                break
            failed = False
            for batch in self._batches(adding, todo):
                try:
                    self._send(adding, batch)
                except (ApiError, TransportError, PostRejected) as error:
                    self._error, failed = error, True
                    recoverable = self._is_recoverable(error, adding, batch, todo)
                    if error.may_have_effect:
                        self._lost, self._is_unanswered = True, self._is_unanswered or not isinstance(error, ApiError)
                        self._maybe_changed[adding].update(batch)
                    if not recoverable:
                        return error
                    if not _is_single_address_conflict(error):
                        break
            if failed:
                break
        return None

    def _send(self, adding: bool, batch: Sequence[str]) -> None:
        # Recorded before the next call, so that its error does not hide this change. The next reading decides.
        self._sent.update(batch)
        if adding:
            done = self._api.add(batch)
            self._result.after |= done.ips
        else:
            done = self._api.remove(batch, self._texts.for_call(batch, self._result.reading.spellings))
            self._result.after -= done.ips
        self._lost |= done.unclear
        self._maybe_changed[adding].update(batch)

    def _batches(self, adding: bool, todo: Plan) -> list[list[str]]:
        """Split the changes into as few calls as possible."""
        parts: list[tuple[Sequence[str], int | None]] = [(todo.add, self._batch_size)]
        if not adding:
            usual, spelled = split_by_notation(todo.remove, self._result.reading.spellings)
            parts = [(usual, None), (spelled, SPELLED_BATCH)]
        return [batch for ips, most in parts for batch in chunks(ips, self._api.batch_size(most or len(ips)))]

    def _is_recoverable(self, error: CallError, adding: bool, batch: Sequence[str], todo: Plan) -> bool:
        """Whether another round may succeed; prepares what it has to do differently."""
        if isinstance(error, TransportError):
            # A call that certainly had no effect has already been retried.
            return error.retryable and error.may_have_effect
        if isinstance(error, PostRejected):
            return True
        code, spellings = error.details.get("code"), self._result.reading.spellings
        # An undocumented code also leaves the effect unknown, but a repetition would return it again.
        is_transient = error.may_have_effect and error.retryable
        if code not in UNRELATED and not (is_transient or self._maybe_changed[adding].isdisjoint(batch)):
            self._is_doubtful = True
            return True
        if code == INVALID_PARAMETER and not adding and self._texts.change_after_refusal(batch, spellings):
            return True
        if _is_single_address_conflict(error) and adding:
            # The response does not show which address is bound: halve the batch until it contains only that one.
            if len(batch) == 1:
                if holder := self._find_holder(batch[0]):
                    error.message += f" Registered with another key: {batch[0]} for {holder}."
                self._result.refused[batch[0]] = error
            else:
                self._batch_size = math.ceil(len(batch) / 2)
            return True
        if code == WHITELIST_FULL and adding and self._desired.allow_partial and len(batch) > 1:
            self._batch_size = math.ceil(len(batch) / 2)
            return True
        if code == WHITELIST_FULL and adding and todo.remove and not self._remove_first:
            # Remove first only if that certainly frees enough slots: otherwise only the old addresses would be gone.
            self._remove_first = self._desired.state == "exact" or len(todo.remove) >= len(todo.add)
            return self._remove_first
        return is_transient


class _Applier(_Writer, Change[str]):
    """Writes in rounds: each sends the missing changes, and then reads the list again, which alone counts.

    So a lost or garbled response, or a partial success, needs no special treatment: the next round sends the changes
    that are still missing.
    """

    def __init__(self, api: HeldWhitelist, result: WhitelistResult, find_holder: FindHolder) -> None:
        super().__init__(api, result, find_holder)
        self._todo = result.first
        # The list has been read once when the first of them begins.
        self._delays = list(LAG_DELAYS[1:])
        #: What the next round may do differently, as it was before the last one, and an error of that which is final.
        self._former: tuple[object, ...] = ()
        self._final: QgError | None = None

    def run(self) -> None:
        """Change the whitelist; store an error in the result."""
        try:
            self.converge(MAX_STALLS - 1)
        except QgError as error:
            self._result.error = error
            return
        if self._result.refused:
            self._result.error = refusal_error(self._result)

    def remaining(self) -> Sequence[str]:
        return (*self._todo.add, *self._todo.remove)

    def send(self, todo: Sequence[str]) -> None:
        self._result.confirmed = False
        self._former = (self._batch_size, self._texts.by_address)
        self._final = self._write(self._todo)

    def verify(self, todo: Sequence[str], error: QgError | None) -> None:
        """Read the whitelist; raises an error that is final, unless it shows progress."""
        if error is not None:
            raise error
        self._honor_retry_after()
        left = self._read_back()
        if self._is_doubtful and left.pending >= len(todo):
            self._error = None
            left = self._wait_for_list(left)
            # The list can no longer lag, so a further refusal has another reason.
            self._maybe_changed = {True: set(), False: set()}
        # After progress, the refusal may be about a change that has since been made.
        if self._final is not None and left.pending >= len(todo) and not self._is_adapted:
            raise self._final_error(self._final, left)
        self._todo = left
        if not left.changes:
            # Reported changes count, and are not sent again: wait until the list shows them.
            self._todo = self._wait_for_list(left)
            if self._todo.changes and not self._delays:
                raise self.failure(None, self.remaining())

    @property
    def _is_adapted(self) -> bool:
        return (self._batch_size, self._texts.by_address) != self._former

    def adapt(self, error: QgError | None, left: Sequence[str]) -> bool:
        """Whether the next round does something differently."""
        return self._is_adapted

    def may_repeat(self, error: QgError | None) -> bool:
        return True

    def pause(self, attempt: int) -> None:
        self._pause(backoff(attempt - 1), "the change does not show in the whitelist")
        self._texts.change_after_stall()

    def look_again(self) -> bool:
        """Wait for the possible effect of a call whose response was lost."""
        # A refusal is not final if an earlier call may have made the same change.
        is_open = self._lost if self._error is None else self._is_unanswered and isinstance(self._error, ApiError)
        if not is_open:
            return False
        before, self._todo = self._todo.pending, self._wait_for_list(self._todo)
        return bool(self._delays) or self._todo.pending < before

    def failure(self, error: QgError | None, left: Sequence[str]) -> QgError:
        """Return the error for changes that the list does not show after several rounds."""
        reason, todo = self._error or QgError(NOT_SHOWN), self._todo
        self._result.refused.update(dict.fromkeys(todo.add, reason))
        if todo.remove and (self._remove_first or not todo.add):
            return removal_error(todo.remove, self._result.reading.spellings, reason)
        return refusal_error(self._result)

    def _read_back(self) -> Plan:
        """Read the whitelist; return the remaining changes."""
        result = self._result
        result.reading = self._api.read(may_be_empty=not result.after)
        result.after = result.reading.ips
        result.confirmed = not self._late()
        left = self._plan()
        left.check_limits()
        return left

    def _plan(self) -> Plan:
        reading = self._result.reading
        return plan(reading.ips, self._desired, self._result.refused, extra_entries=reading.extra_entries)

    def _late(self) -> set[str]:
        """Return the addresses whose change by this run was reported, but is not listed yet."""
        return self._sent & self._result.reading.late

    def _wait_for_list(self, left: Plan) -> Plan:
        """Read the list after each of the remaining delays until it shows the change; return the remaining changes."""
        before, delays = left.pending, self._delays
        while delays and (left.pending == before if left.changes else self._late()):
            self._pause(delays.pop(0), "the list does not show yet what the vendor has reported")
            left = self._read_back()
        result, late = self._result, self._late()
        if late and not delays:
            self._api.trust_list(late)
            result.reading = result.reading.without(late)
            result.after, result.confirmed = result.reading.ips, True
            left = self._plan()
        return left

    def _honor_retry_after(self) -> None:
        """Wait for the time that the server asked for."""
        if isinstance(self._error, TransportError) and self._error.retry_after:
            self._pause(self._error.retry_after, "the server asks for a pause", remaining=self._error.retry_after)

    def _pause(self, seconds: float, reason: str, *, remaining: float | None = None) -> None:
        try:
            self._api.budget.wait(seconds, reason, "/whitelist", remaining=remaining)
        except WaitBudgetExceeded as too_long:
            # The error that made the wait necessary is more useful than the lack of time.
            raise (self._error or too_long) from None

    def _final_error(self, final: QgError, left: Plan) -> QgError:
        code, spellings = final.details.get("code"), self._result.reading.spellings
        if code == INVALID_PARAMETER and not spellings.keys().isdisjoint(left.remove):
            return removal_error(left.remove, spellings, final)
        if code != WHITELIST_FULL:
            return final
        self._result.refused.update(dict.fromkeys(left.add, final))
        return full_error(final, self._result.after, left.add)
