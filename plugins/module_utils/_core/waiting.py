# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting: the budget of a run, the backoff between attempts, and the announcements of waits.

No other file of the plugins sleeps, so that every wait is announced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from .clock import elapsed
from .errors import WaitBudgetExceeded
from .runtime import current

#: A remaining time that is shorter than this, in seconds, is not shown.
MIN_SHOWN = 0.5
#: The shortest part of a sleep, in seconds: the rounding of a clock must not make a loop without a pause.
MIN_PART = 0.01
#: Seconds by which a sleep may exceed its duration. A longer excess shows that this process was suspended.
MAX_OVERSLEEP = 1.0


def pause(seconds: float) -> None:
    """Sleep, by the runtime of the task."""
    current().sleep(seconds)


@dataclass(frozen=True)
class Wait:
    """A wait, as an announcement describes it.

    ``reason``, a clause, and ``call``, the delayed call of the vendor, identify the wait: consecutive sleeps with the
    same values are one wait. It lasts for ``remaining`` seconds, if that is known, and at most for ``allowed`` seconds,
    which ``option`` limits. ``examine`` returns the wait with a current ``detail``. It is called only when the wait is
    announced, since the lookup takes time.
    """

    reason: str
    allowed: float
    call: str = ""
    option: str = "max_wait"
    remaining: float | None = None
    detail: str = ""
    examine: Callable[[Wait], Wait] | None = None

    def after(self, seconds: float) -> Wait:
        """Return the wait when this time has passed."""
        left = None if self.remaining is None else self.remaining - seconds
        return replace(self, allowed=self.allowed - seconds, remaining=left)

    def describe(self) -> str:
        """Return the text of an announcement: the reason of the wait, and the remaining time."""
        wait = self.examine(self) if self.examine else self
        limit = f"at most {max(0.0, wait.allowed):.0f} s"
        if wait.remaining is not None and MIN_SHOWN <= wait.remaining < wait.allowed:
            limit = f"about {wait.remaining:.0f} s more, {limit}"
        else:
            limit = f"{limit} more"
        figures = "; ".join(filter(None, [wait.detail, f"{limit} ({wait.option})"]))
        return f"waiting because {wait.reason}{f' ({wait.call})' if wait.call else ''}: {figures}"


@dataclass(frozen=True)
class AnnouncementPolicy:
    """The seconds before the first announcement of a wait, and the minimum between two announcements."""

    first: float = 3.0
    interval: float = 10.0


@dataclass
class _Progress:
    """The duration of a wait so far, when that was updated, and the earliest time of the next announcement."""

    waited: float = 0.0
    seen: float = 0.0
    next: float = float("-inf")


class Announcer:
    """Announces the waits of one task.

    ``show`` receives the text; without it, nothing is announced.
    """

    def __init__(
        self,
        show: Callable[[str], None] | None = None,
        policy: AnnouncementPolicy = AnnouncementPolicy(),
        now: Callable[[], float] = elapsed,
    ) -> None:
        self._show = show
        self._policy = policy
        self._now = now
        self._waits: dict[tuple[str, str], _Progress] = {}

    def sleep(self, seconds: float, wait: Wait, sleep: Callable[[float], None] | None = None) -> None:
        """Sleep, as part of a wait; announce it when that is due. ``sleep`` replaces that of the task's runtime."""
        sleep = sleep or pause
        if self._show is None:
            sleep(seconds)
            return
        progress, left = self._resume(wait, self._now()), seconds
        while left > 0:
            # Before each part, and not after the last one: only a wait that goes on is announced.
            part = min(left, self._announce(progress, wait.after(seconds - left)))
            began = self._now()
            sleep(part)
            progress.seen = self._now()
            progress.waited += progress.seen - began
            left -= part

    def passed(self, seconds: float, wait: Wait) -> None:
        """Count the last seconds as part of a wait that goes on; announce it when that is due."""
        if self._show is not None:
            now = self._now()
            progress = self._resume(wait, now - seconds)
            progress.waited += seconds
            progress.seen = now
            self._announce(progress, wait)

    def _resume(self, wait: Wait, began: float) -> _Progress:
        """Return the progress of a wait; a new one if the last sleep for it ended more than an interval ago."""
        key = (wait.reason, wait.call)
        progress = self._waits.get(key)
        if progress is None or began - progress.seen > self._policy.interval:
            progress = self._waits[key] = _Progress()
        return progress

    def _announce(self, progress: _Progress, wait: Wait) -> float:
        """Announce a wait if that is due; return the seconds until it may be due."""
        now = self._now()
        due = max(self._policy.first - progress.waited, progress.next - now)
        if due <= 0 and self._show is not None:
            self._show(wait.describe())
            due = self._policy.interval
            progress.next = now + due
        return max(due, MIN_PART)


#: Announces nothing.
SILENT = Announcer()


@dataclass
class WaitBudget:
    """The maximum total time that a run may wait, in seconds: for rate limits and between attempts together.

    A sleep during which the machine was suspended counts with its actual duration. ``reasons`` are the parts of
    ``waited``, by reason.
    """

    max_wait: float
    sleep: Callable[[float], None] = pause
    waited: float = 0.0
    announcer: Announcer = SILENT
    elapsed: Callable[[], float] = elapsed
    reasons: dict[str, float] = field(default_factory=dict)

    def require(self, seconds: float, reason: str, endpoint: str) -> None:
        """Raise WaitBudgetExceeded if the budget does not cover this many more seconds."""
        if self.waited + seconds > self.max_wait:
            raise WaitBudgetExceeded(
                f"{endpoint}: {reason}, and waiting {seconds:.0f} more seconds would pass max_wait "
                f"({self.max_wait:g} seconds, {self.waited:.0f} of them used). Raise max_wait or run again later.",
                endpoint=endpoint,
            )

    def wait(
        self,
        seconds: float,
        reason: str,
        endpoint: str,
        *,
        remaining: float | None = None,
        examine: Callable[[], str] | None = None,
    ) -> None:
        """Sleep, or raise WaitBudgetExceeded without sleeping if the budget does not cover it.

        ``remaining`` is how long the whole wait will last, if that is known; ``examine`` returns a detail of it.
        """
        self.require(seconds, reason, endpoint)
        found = None if examine is None else lambda wait: replace(wait, detail=examine())
        wait = Wait(reason, self.max_wait - self.waited, endpoint, remaining=remaining, examine=found)
        began = self.elapsed()
        try:
            self.announcer.sleep(seconds, wait, self.sleep)
        finally:
            slept = self.elapsed() - began
            counted = slept if slept > seconds + MAX_OVERSLEEP else seconds
            self.waited += counted
            self.reasons[reason] = self.reasons.get(reason, 0.0) + counted


def backoff(attempt: int, retry_after: float | None = None) -> float:
    """Return the seconds to wait before attempt number ``attempt`` + 1.

    That is the time that the server asked for, or one that doubles from 1 to 30 seconds; both with jitter.
    """
    if retry_after is not None:
        return retry_after + current().random(0, 1)
    return current().random(0.5, 1) * min(30.0, float(2**attempt))
