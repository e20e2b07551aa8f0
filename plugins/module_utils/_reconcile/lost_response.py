# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paid calls: a lost response must not lead to a second payment.

A response can be lost after the vendor has carried out the call, and the vendor's list may show the effect late. So a
call is sent again only after the list, and the quota if there is one, have shown that it had no effect.
"""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .._core.errors import CallError, Effect, QgError, UncertainOutcomeError, WaitBudgetExceeded
from .converge import Change

#: The message for a call that succeeded without a visible effect.
ACCEPTED = "The vendor reports success."
#: The reasons why the effect of a call is unknown.
NOTHING_NEW = "{list} shows nothing new so far."
PARTIAL = "{list} shows only a part of it so far."
UNLISTED = "the quota has fewer free channels than {list} accounts for."
NO_TIME = "{list} does not show all of it so far, and max_wait leaves no time to read it again."
EARLIER_ATTEMPT = "an earlier attempt without a response may be the reason."


class Creation(Change[None]):
    """A paid call, and the verification of its effect.

    It is never sent again after a success, after a permanent error, while it is in flight, or while the quota counts
    more than the list shows.
    """

    #: The error of the last attempt, which may have had an effect nevertheless; None after a success.
    error: CallError | None = None
    _attempts_made = 0
    _is_known = _has_lost = False

    @abc.abstractmethod
    def pay(self) -> None:
        """Send the call once, recorded by :meth:`.session.Session.recorded`; raises CallError."""

    @abc.abstractmethod
    def is_verifiable(self, error: CallError) -> bool:
        """Whether to verify the effect of a failed call, and to send it again if it had none."""

    @abc.abstractmethod
    def find_new(self, error: CallError | None) -> bool:
        """Read the list, if necessary several times, and adopt new resources; returns whether the effect is known."""

    @abc.abstractmethod
    def adopt_new(self) -> bool:
        """Adopt new resources of the last reading of the list; returns whether there are any."""

    @abc.abstractmethod
    def has_unlisted(self, error: CallError) -> bool:
        """Whether the call may have had an effect that the list does not show, according to the quota or the time.

        Raises an error of :meth:`uncertain` if the list shows a part of the effect, and may later show more.
        """

    @abc.abstractmethod
    def uncertain(self, error: QgError | None, reason: str) -> UncertainOutcomeError:
        """Return the error for a call whose effect is unknown, with one of the reasons above or another one."""

    def is_lost(self, error: CallError) -> bool:
        """Whether this attempt may be the reason of the refusal of a later one."""
        return error.may_have_effect

    def may_follow_lost(self, error: CallError) -> bool:
        """Whether an earlier, lost attempt may be the reason of this refusal."""
        return True

    def exhausted(self, error: CallError, attempts: int) -> QgError:
        """Return the error if no attempt had a known effect."""
        return self.uncertain(error, NOTHING_NEW)

    def remaining(self) -> Sequence[None]:
        return () if self._is_known else (None,)

    def send(self, todo: Sequence[None]) -> None:
        self.pay()

    def verify(self, todo: Sequence[None], error: QgError | None) -> None:
        """Find out the effect of the attempt; raises an error if the call must not be sent again."""
        if not isinstance(error, CallError | None):
            # It was not sent.
            return
        self._attempts_made += 1
        self.error = error
        if error is not None and not self.is_verifiable(error):
            raise self.uncertain(error, EARLIER_ATTEMPT) if self._follows_lost(error) else error
        unlisted = False
        with verifying(error, self.uncertain):
            self._is_known = self.find_new(error)
            if not self._is_known:
                unlisted = error is not None and self.has_unlisted(error)
                # The list may have caught up while the quota was read.
                self._is_known = not unlisted and self.adopt_new()
        if unlisted:
            raise self.uncertain(error, UNLISTED)
        if self._is_known:
            return
        if error is None or error.effect is Effect.IN_FLIGHT:
            raise self.uncertain(error, NOTHING_NEW)
        self._has_lost = self._has_lost or self.is_lost(error)

    def _follows_lost(self, error: CallError) -> bool:
        return self._has_lost and self.may_follow_lost(error)

    def may_repeat(self, error: QgError | None) -> bool:
        return self.error is not None and self.error.retryable

    def failure(self, error: QgError | None, left: Sequence[None]) -> QgError:
        """Return the error after the last attempt, which is more useful than a lack of time for another one."""
        if self.error is None:
            return error or QgError(ACCEPTED)
        return self.exhausted(self.error, self._attempts_made)


@contextlib.contextmanager
def verifying(
    error: QgError | None, uncertain: Callable[[QgError | None, str], UncertainOutcomeError]
) -> Iterator[None]:
    """Raise an error of ``uncertain`` if the list cannot be read while the effect of a call is verified."""
    try:
        yield
    except UncertainOutcomeError:
        raise
    except WaitBudgetExceeded:
        raise uncertain(error, NO_TIME) from None
    except QgError as second:
        raise uncertain(
            error or QgError(ACCEPTED, **second.details), f"{{list}} cannot be read: {second.message}"
        ) from None


def uncertain_outcome(
    error: QgError | None, what: str, reason: str, *, listing: str, advice: str, **details: Any
) -> UncertainOutcomeError:
    """Return the error for a call whose effect is unknown.

    ``what`` is the possible effect ("3 addresses were leased"). In the ``reason``, ``{list}`` stands for ``listing``,
    the name of the vendor's list. ``advice`` says how to find out.
    """
    error = error or QgError(ACCEPTED, **details)
    return UncertainOutcomeError(
        f"{error.message} Whether {what} is unknown: {reason.replace('{list}', listing)} {advice}", **error.details
    )
