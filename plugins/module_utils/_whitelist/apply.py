# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The change of a whitelist: it is read, the difference is sent, and it is read again.

Only the list decides. A lost response, a refusal of what is already done and a partial success need no case of their
own, since the next round sends what is still missing. Adding and removing are repeatable and cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from .._api.whitelist import Whitelist
from .._core.checks import numeric_order
from .._core.errors import CallError, Kind, QgError
from .._core.runtime import backoff
from .._core.text import format_sample
from .plan import Desired, Plan, check_removals, plan

#: The successive rounds without progress after which a change fails.
MAX_STALLS = 3
#: Seconds before each reading after a change, since the list may lag; after an error, only the first ones.
READ_DELAYS, DELAYS_AFTER_ERROR = (0, 2, 3, 5, 10), (0, 2)
#: The kinds of refusals that concern single addresses: QG.net may take the others of the same call.
ABOUT_ADDRESSES = (Kind.OTHER_KEY, Kind.FULL)
_NOT_SHOWN = "QG.net reports success, but the whitelist does not show it, so the effect is unknown; it may be full."


@dataclass
class Outcome:
    """The list before and after a change, which is predicted in check mode. With ``error``, it is not as desired."""

    desired: Desired
    before: frozenset[str]
    after: frozenset[str]
    unreadable: tuple[str, ...] = ()
    refused: dict[str, QgError] = field(default_factory=dict)
    error: QgError | None = None

    @property
    def added(self) -> frozenset[str]:
        return (self.after - self.before) & self.desired.ips

    @property
    def removed(self) -> frozenset[str]:
        return self.desired.unwanted(self.before) - self.after

    @property
    def left(self) -> Plan:
        """What is still to be changed."""
        return plan(self.after, self.desired, self.refused)


def reconcile(
    api: Whitelist,
    desired: Desired,
    *,
    check: bool,
    before_write: Callable[[frozenset[str]], None] = lambda _listed: None,
) -> Outcome:
    """Make the whitelist as desired. An error before the first change is raised, a later one is in the outcome.

    ``before_write`` is called with the list before anything is written.
    """
    listed, unreadable = api.whitelist()
    outcome = Outcome(desired, listed, listed, unreadable)
    todo = outcome.left
    check_removals(todo, desired)
    if check:
        outcome.after = listed.union(todo.add).difference(todo.remove)
    elif todo:
        before_write(listed)
        try:
            _Change(api, outcome).run()
        except QgError as error:
            outcome.error = error
    return outcome


class _Change:
    """Sends changes in rounds, and reads the list after each."""

    def __init__(self, api: Whitelist, outcome: Outcome) -> None:
        self._api, self._outcome = api, outcome
        self._is_full = False
        #: What this round has sent, and may have changed.
        self._sent = Plan()

    def run(self) -> None:
        outcome, stalls = self._outcome, 0
        while todo := outcome.left:
            error = self._send(todo)
            stalls = 0 if len(outcome.left) < len(todo) else stalls + 1
            if error and stalls and (stalls == MAX_STALLS or not getattr(error, "retryable", False)):
                raise error
            if stalls == MAX_STALLS:
                outcome.refused.update(dict.fromkeys(todo.add, QgError(_NOT_SHOWN)))
                if not todo.add:
                    raise QgError(_NOT_SHOWN)
            elif stalls:
                self._api.caller.budget.wait(
                    backoff(stalls), "the whitelist does not show the change", "/whitelist/query"
                )
        if outcome.refused:
            raise _refusal(outcome)

    def _send(self, todo: Plan) -> QgError | None:
        """Send what is to be changed, and read the list; returns the error of a call."""
        found: QgError | None = None
        self._sent = Plan()
        try:
            self._write(todo)
        except QgError as error:
            found = error
        try:
            self._read_back(DELAYS_AFTER_ERROR if found else READ_DELAYS)
        except QgError as error:
            first = found or error
            text = f"{first.message} The whitelist could not be read afterwards, so its change is unknown: run again."
            raise QgError(text, **first.details) from None
        return found

    def _write(self, todo: Plan) -> None:
        """Add first, so that no host is cut off; remove first only from a full list, if that makes enough room."""
        was_full, is_exact = self._is_full, self._outcome.desired.state == "exact"
        if was_full and todo.remove and (is_exact or len(todo.remove) >= len(todo.add)):
            self._remove(todo.remove)
            self._add(todo.add)
            return
        if self._add(todo.add) and todo.remove:
            self._remove(todo.remove)
        if self._is_full and not was_full:
            self._write(todo)

    def _remove(self, ips: frozenset[str]) -> None:
        self._sent = Plan(self._sent.add, self._sent.remove | ips)
        self._outcome.after -= self._api.remove(numeric_order(ips))

    def _add(self, ips: frozenset[str]) -> bool:
        """Add addresses; halve a refused call until it shows which address is. Returns whether all are added."""
        outcome, queue, is_complete = self._outcome, [numeric_order(ips)] if ips else [], True
        while queue:
            batch = queue.pop()
            try:
                added = self._api.add(batch)
                self._sent = Plan(self._sent.add | added, self._sent.remove)
                outcome.after |= added
                is_complete &= added.issuperset(batch)
            except CallError as error:
                if error.may_have_effect:
                    self._sent = Plan(self._sent.add.union(batch), self._sent.remove)
                if error.kind not in ABOUT_ADDRESSES:
                    raise
                is_complete = False
                if error.kind is Kind.FULL and outcome.left.remove and not self._is_full:
                    self._is_full = True
                    break
                half = len(batch) // 2
                if half:
                    queue += [batch[half:], batch[:half]]
                    continue
                # A full list takes none of the others either.
                rest = [ip for part in queue for ip in part] if error.kind is Kind.FULL else []
                outcome.refused.update(dict.fromkeys([*batch, *rest], error))
                queue = [] if rest else queue
        return is_complete

    def _read_back(self, delays: Collection[int]) -> None:
        """Read the list until it shows what was sent, for as long as it may lag."""
        outcome = self._outcome
        for delay in delays:
            if delay:
                self._api.caller.budget.wait(delay, "the whitelist does not show yet what was sent", "/whitelist/query")
            outcome.after, outcome.unreadable = self._api.whitelist()
            if self._sent.add <= outcome.after and self._sent.remove.isdisjoint(outcome.after):
                break
        outcome.refused = {ip: error for ip, error in outcome.refused.items() if ip not in outcome.after}


def _refusal(outcome: Outcome) -> QgError:
    refused = numeric_order(outcome.refused)
    reasons = " ".join(sorted({error.message for error in outcome.refused.values()})[:5])
    if kept := outcome.desired.unwanted(outcome.after):
        reasons += (
            f" Not removed, because the new addresses must be listed first: {format_sample(numeric_order(kept))}."
        )
    return QgError(
        f"{len(refused)} of {len(outcome.desired.ips)} addresses were refused: {format_sample(refused)}. The whitelist "
        f"holds {len(outcome.after)}. {reasons}",
        **next(iter(outcome.refused.values())).details,
    )
