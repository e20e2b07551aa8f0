# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The change of a whitelist: the difference is sent, and the list is read again.

The list decides. A lost response, a refusal of what is already done and a partial success need no
case of their own, since the next round sends what is still missing. Adding and removing are
repeatable and cost nothing. Where the list lags for longer than the run may wait, what QG.net has
reported counts as changed, and the run fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from socket import inet_aton
from typing import Any

from .._api.whitelist import Whitelist
from .._core.errors import CallError, QgError, Reason, WaitBudgetExceeded
from .._core.runtime import backoff, current
from .._core.text import counted, format_sample

#: The addresses on a whitelist, and its entries that are not one.
Listed = tuple[frozenset[str], tuple[str, ...]]
#: The successive rounds without progress after which a change fails.
MAX_STALLS = 3
#: Seconds before each further reading after a change, since the list may lag: two rounds of them
#: are a minute.
READ_DELAYS = (2, 3, 5, 10, 10)
#: The kinds of refusals that concern single addresses: QG.net may take the others of the same call.
ABOUT_ADDRESSES = (Reason.OTHER_KEY, Reason.FULL)
_NOT_SHOWN = (
    "QG.net reports success, but the whitelist does not show the change, so its effect is unknown. "
    "Run the task again, and check whether the whitelist is full."
)


class Edit:
    """A change: all ``wanted`` addresses are on the list, then no ``unwanted`` one is.

    An unwanted address stays while one of its ``successors`` is refused. Without ``successors``,
    these are all wanted addresses, and nothing is removed from a full list that leaves too little
    room for all.

    ``before`` is the list as it was, ``after`` as it is, or as check mode predicts it. ``refused``
    are addresses that QG.net does not take. With ``error``, the list is not as it should be, or
    does not show it: ``after`` then has what is ``unconfirmed``.
    """

    def __init__(
        self,
        api: Whitelist,
        listed: Listed,
        *,
        wanted: Set[str],
        unwanted: Set[str],
        successors: Mapping[str, Set[str]] | None = None,
    ) -> None:
        self._api = api
        self._successors = successors
        self.wanted = frozenset(wanted)
        self.unwanted = frozenset(unwanted)
        self.before, self.unreadable = listed
        self.after = self.before
        self.refused: dict[str, QgError] = {}
        self.error: QgError | None = None
        self._reported_added: frozenset[str] = frozenset()
        self._reported_removed: frozenset[str] = frozenset()
        self._is_full = False
        #: Whether QG.net accepted the last removal and found nothing to remove: the list still
        #: shows what has gone.
        self._has_gone = False

    @property
    def missing(self) -> frozenset[str]:
        """The addresses that are still to be added."""
        return self.wanted - self.after - self.refused.keys()

    @property
    def unneeded(self) -> frozenset[str]:
        """The addresses that are still to be removed; none while a successor is refused."""
        unneeded = self.unwanted & self.after
        if not self.refused:
            return unneeded
        if self._successors is None:
            return frozenset()
        refused = self.refused.keys()
        return frozenset(ip for ip in unneeded if self._successors[ip].isdisjoint(refused))

    @property
    def added(self) -> frozenset[str]:
        return self.wanted & self.after - self.before

    @property
    def removed(self) -> frozenset[str]:
        return self.unwanted & self.before - self.after

    @property
    def unconfirmed(self) -> frozenset[str]:
        """The addresses that QG.net has reported as changed, and the list has not shown so."""
        return self._reported_added | self._reported_removed

    def run(self, *, check: bool) -> None:
        """Change the list, or predict it in check mode.

        An error is stored, since parts may have been changed.
        """
        if check:
            self.after = (self.before | self.missing) - self.unneeded
            return
        try:
            self._run()
        except QgError as error:
            self.error = self._explained(error)
            self.after = (self.after | self._reported_added) - self._reported_removed

    def result(self) -> dict[str, Any]:
        """Return what has changed, and the list."""
        refused = []
        for ip in sorted(self.refused, key=inet_aton):
            error = self.refused[ip]
            refused.append({"ip": ip, "code": error.details.get("code"), "reason": error.message})
        return {
            "changed": bool(self.added or self.removed),
            "added": sorted(self.added, key=inet_aton),
            "removed": sorted(self.removed, key=inet_aton),
            "refused": refused,
            "whitelist": sorted(self.after, key=inet_aton),
            "count": len(self.after),
            "unreadable": list(self.unreadable),
            "diff": {
                "before_header": "whitelist",
                "before": "".join(map("{}\n".format, sorted(self.before, key=inet_aton))),
                "after_header": "whitelist",
                "after": "".join(map("{}\n".format, sorted(self.after, key=inet_aton))),
            },
        }

    def _run(self) -> None:
        stalls = 0
        while left := len(self.missing) + len(self.unneeded):
            error = self._send()
            if len(self.missing) + len(self.unneeded) < left:
                stalls = 0
                continue
            stalls += 1
            # A full list may report a success, and take nothing.
            self._is_full |= error is None and self._successors is not None
            is_final = stalls == MAX_STALLS or not (
                isinstance(error, CallError) and error.retryable
            )
            if error and is_final:
                raise _not_carried_out(error)
            if stalls == MAX_STALLS:
                break
            pause = backoff(stalls, getattr(error, "retry_after", None))
            try:
                self._wait(pause, "the whitelist does not show the change")
            except WaitBudgetExceeded:
                if error is None:
                    raise
                # It made the wait necessary, and is more useful than the lack of time.
                raise _not_carried_out(error) from None
        ignored = self.missing - self._reported_added
        self.refused.update(dict.fromkeys(ignored, QgError(_NOT_SHOWN)))
        if self.refused:
            raise self._refusal()
        if self.missing or self.unneeded:
            raise QgError(_NOT_SHOWN)

    def _send(self) -> QgError | None:
        """Send what is to be changed, and read the list; returns the error of a call."""
        before = self.after
        error: QgError | None = None
        try:
            self._write()
        except QgError as failure:
            error = failure
        self._reported_added |= self.after - before
        self._reported_removed |= before - self.after
        try:
            self._read()
        except QgError as unread:
            cause = unread
            problem = "The whitelist could not be read afterwards"
            if error:
                cause = error
                problem += ", so its change is unknown"
            raise QgError(
                f"{cause.message} {problem}: run the task again.", **cause.details
            ) from None
        self._await_reported()
        return error

    def _write(self) -> None:
        """Add first, so that no host is cut off, unless the list is full and has to make room."""
        if not self._must_make_room() and self._add(self._ordered()):
            self._remove()
        elif self._must_make_room():
            self._remove()
            self._add(self._ordered())

    def _must_make_room(self) -> bool:
        if not self._is_full or not self.missing:
            return False
        if self._successors is None:
            return len(self.unneeded) >= len(self.missing)
        return bool(self.unneeded)

    def _ordered(self) -> list[str]:
        """Return the missing addresses in random order: in none can those that are always refused
        use up the calls of each run before the others. On a full list, successors come first.
        """
        first: Set[str] = frozenset()
        if self._is_full and self._successors:
            first = frozenset().union(*self._successors.values())
        return sorted(
            sorted(self.missing, key=inet_aton),
            key=lambda ip: (ip not in first, current().random(0, 1)),
        )

    def _remove(self) -> None:
        self._has_gone = False
        if self.unneeded:
            removed = self._api.remove(sorted(self.unneeded, key=inet_aton))
            self._has_gone = not removed
            self.after -= removed

    def _add(self, ips: list[str]) -> bool:
        """Add addresses; halve a refused call until it shows which address is.

        Returns whether all are added.
        """
        ips = [ip for ip in ips if ip not in self.refused]
        if not ips:
            return True
        try:
            added = self._api.add(ips)
        except CallError as error:
            if error.reason not in ABOUT_ADDRESSES:
                raise
            self._is_full |= error.reason is Reason.FULL
            if self._must_make_room():
                return False
            half = len(ips) // 2
            if half:
                return all([self._add(ips[:half]), self._add(ips[half:])])
            # A full list takes none of the others either.
            refused = self.missing if error.reason is Reason.FULL else ips
            self.refused.update(dict.fromkeys(refused, error))
            return False
        self.after |= added
        return added.issuperset(ips)

    def _read(self) -> None:
        self.after, self.unreadable = self._api.whitelist()
        self._reported_added -= self.after
        self._reported_removed &= self.after
        # Some plans refuse an address that is already there.
        done = self.after | self._reported_added
        self.refused = {ip: error for ip, error in self.refused.items() if ip not in done}

    def _await_reported(self) -> None:
        """Read the list until it shows what QG.net has reported, for as long as it may lag."""
        for delay in READ_DELAYS:
            still_shows_gone = self._has_gone and self.unneeded
            if not self.unconfirmed and not still_shows_gone:
                return
            self._wait(delay, "the whitelist does not show yet what was sent")
            self._read()

    def _wait(self, seconds: float, reason: str) -> None:
        self._api.caller.budget.wait(seconds, reason, "/whitelist/query")

    def _explained(self, error: QgError) -> QgError:
        """Return the error of the change, with what QG.net reported and the list does not show."""
        if not self.unconfirmed:
            return error
        parts = []
        for ips, how in ((self._reported_added, "added"), (self._reported_removed, "removed")):
            if ips:
                parts.append(f"{format_sample(sorted(ips, key=inet_aton))} as {how}")
        text = f"QG.net reported {' and '.join(parts)}, which the whitelist has not shown yet."
        return QgError(f"{text} {error.message}", **error.details)

    def _refusal(self) -> QgError:
        refused = sorted(self.refused, key=inet_aton)
        reasons = " ".join(sorted({error.message for error in self.refused.values()})[:5])
        if kept := self.unwanted & self.after - self.unneeded:
            sample = format_sample(sorted(kept, key=inet_aton))
            reasons += f" Not removed, because the new addresses must be listed first: {sample}."
        return QgError(
            f"{len(refused)} of {len(self.wanted)} addresses were refused: "
            f"{format_sample(refused)}. The whitelist has {counted(len(self.after), 'address')}. "
            f"{reasons}",
            **next(iter(self.refused.values())).details,
        )


def _not_carried_out(error: QgError) -> QgError:
    """Return the error of a call that changes the list, which does not show the change."""
    if not isinstance(error, CallError) or not error.may_have_effect:
        return error
    doubt = "The whitelist does not show its change, so its effect is unknown: run the task again."
    text = f"{error.message} {doubt}"
    return QgError(text, **error.details)
