# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors for calls of which nobody knows yet what they have done."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from .._core.errors import CallError, QgError, UncertainOutcomeError
from .paid_api import PaidApi


def unknown(api: PaidApi[Any], endpoint: str, reason: str) -> UncertainOutcomeError:
    """Return the error for a call of which it is unknown what it has done, for this reason."""
    text = f"What {endpoint} has done is unknown: {reason.rstrip('.')}. {api.advice}"
    return UncertainOutcomeError(text, endpoint=endpoint)


def unseen(api: PaidApi[Any], operation: str) -> UncertainOutcomeError:
    """Return the error for a call that was reported as a success and shows no effect."""
    reason = f"it was reported as a success, and {api.listing} shows nothing new"
    return unknown(api, api.calls[operation], reason)


@contextlib.contextmanager
def explaining(
    api: PaidApi[Any], endpoint: str, failure: CallError | None, otherwise: str = ""
) -> Iterator[None]:
    """Let an error of the body, which finds out what a call has done, name the call.

    It begins with the ``failure`` of the call, or ``otherwise`` with this sentence.
    """
    details: dict[str, Any] = {}
    if failure is not None:
        otherwise = failure.message
        details = failure.details
    try:
        yield
    except QgError as error:
        text = f"{otherwise} {error.message}".strip()
        uncertain = unknown(api, endpoint, text)
        if isinstance(error, UncertainOutcomeError):
            # It names the call already.
            uncertain = UncertainOutcomeError(text, **error.details)
        uncertain.details.update(details)
        raise uncertain from None
