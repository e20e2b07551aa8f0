# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Release resources. That may be repeated without harm: only a purchase has to wait."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from .._core.errors import CallError, QgError, Reason, WaitBudgetExceeded
from .._core.text import counted
from .holdings import Holdings
from .paid_api import DROP
from .paying import check_drop, drop
from .reconciling import POLL, look, settle

#: The attempts of a call that fails transiently.
ATTEMPTS = 3
#: The refusals of a release that may concern only some of the resources.
_SEPARABLE = (Reason.COUNT, Reason.TOO_EARLY)


def release(holdings: Holdings[Any], names: Sequence[str]) -> None:
    """Release resources, the oldest first, since QG.net may keep young ones; spare all others."""
    error: QgError | None = None
    still_held = _held(holdings, names)
    try:
        for attempt in range(ATTEMPTS):
            if attempt:
                reason = f"{holdings.api.listing} still shows what was released"
                holdings.wait(POLL, reason, holdings.api.calls[DROP])
                look(holdings)
                still_held = _held(holdings, still_held)
            size = holdings.api.release_size(len(still_held))
            error = _release_in_batches(holdings, still_held, size, still_held) or error
            still_held = _held(holdings, still_held)
            if not still_held or (isinstance(error, CallError) and not error.retryable):
                break
    except WaitBudgetExceeded as stopped:
        error = error or stopped
    except CallError as refusal:
        error = refusal
    if holdings.snapshot.calls and still_held:
        # An earlier attempt without a response may be the reason of a refusal.
        settle(holdings)
    labels = [holdings.api.label(holdings.held[name]) for name in _held(holdings, names)]
    if labels:
        raise _still_held(holdings, error, labels)


def fewest_first(holdings: Holdings[Any], names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the fewest of the names that a call releases without the others: one, those of one
    address, or all; and the others.
    """
    by_address = defaultdict[str, list[str]](list)
    for name, traits in holdings.traits().items():
        if name in names:
            for address in traits.addresses:
                by_address[address].append(name)
    for group in [*([name] for name in names), *by_address.values()]:
        with contextlib.suppress(QgError):
            check_drop(holdings, group)
            return group, [name for name in names if name not in group]
    return [*names], []


def _held(holdings: Holdings[Any], names: Sequence[str]) -> list[str]:
    """Return those of the names that are held for certain: what the list lacks may be gone."""
    certain = holdings.certain
    return [name for name in names if name in certain]


def _release_in_batches(
    holdings: Holdings[Any], names: Sequence[str], size: int, going: Collection[str]
) -> CallError | None:
    """Release these in batches; returns the last error of a call that may have been carried out.

    ``going`` are all that are to be released. A batch that is refused because of a part of it is
    released piece by piece.
    """
    error = None
    for first in range(0, len(names), size):
        # A batch without a response is followed by a look, and what has ended by then is gone.
        batch = [name for name in names[first : first + size] if name in holdings.held]
        if not batch:
            continue
        try:
            failure = drop(holdings, batch, going)
        except CallError as refusal:
            if refusal.reason not in _SEPARABLE or len(batch) == 1:
                raise
            failure = _release_in_batches(holdings, batch, 1, going)
        error = failure or error
    return error


def _still_held(holdings: Holdings[Any], error: QgError | None, labels: Collection[str]) -> QgError:
    message = "QG.net reports success, but its list still shows them."
    details: dict[str, Any] = {"endpoint": holdings.api.calls[DROP]}
    rule = ""
    if error is not None:
        message = error.message
        details = error.details
    if isinstance(error, CallError) and error.reason in (*_SEPARABLE, Reason.PERMISSION):
        # The rule explains the refusal better than QG.net's code.
        rule = holdings.api.rules
    held = f"{counted(len(labels), holdings.api.noun, 'are')} still held: {', '.join(labels)}."
    return QgError(f"{rule} {message} {held}".lstrip(), **details)
