# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The comparison of a list with the quota, before anything is paid for.

The vendor's list may lag or be wrong, and resources that it omits would be paid for again.
"""

from __future__ import annotations

from typing import Any

from .._api.leases import Quota
from .._core.errors import UncertainOutcomeError, WaitBudgetExceeded
from .session import Session


def confirm_list(session: Session[Any], quota: Quota | None, *, what: str, advice: str = "") -> Quota | None:
    """Read list and quota until they agree, and return the quota; raises UncertainOutcomeError if they do not.

    They have as long as the list may lag, but no longer than max_wait. ``what`` ("leases") and ``advice`` are for the
    message of the error.
    """
    delays = iter(session.policy.lag_delays)
    while excess := session.unlisted(quota):
        try:
            delay = next(delays)
            if delay:
                session.wait(delay, f"the quota counts more {what} than {session.listing}", session.list_call)
            session.refresh()
            if session.unlisted(quota):
                quota = session.quota()
        except StopIteration:
            limit = f"this has not changed for {sum(session.policy.lag_delays):.0f} seconds"
            raise _unknown(session, excess, what, limit, advice) from None
        except WaitBudgetExceeded:
            raise _unknown(session, excess, what, "max_wait ends before they must agree", advice) from None
    return quota


def _unknown(session: Session[Any], excess: int, what: str, limit: str, advice: str) -> UncertainOutcomeError:
    return UncertainOutcomeError(
        f"Whether the key holds {excess} more {what} than {session.listing} shows is unknown: the quota counts "
        f"{excess} more in use, and {limit}. Nothing was paid for. {advice}{session.advice}",
        endpoint=session.list_call,
    )
