# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The release and the redial of resources in batches. Both are idempotent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .._core.chunks import chunks
from .._core.errors import CallError, Kind, QgError
from .._reconcile.converge import Change
from .session import MonopolyResult, MonopolySession, Refused

#: The maximum number of resources in one call, so that the query stays short.
BATCH_SIZE = 50


class Batch(Change[str]):
    """The change of some resources by calls that name all of them."""

    def __init__(self, session: MonopolySession, uuids: list[str]) -> None:
        self.session = session
        self.uuids = uuids


def change_in_batches(
    make: Callable[[list[str]], Batch], uuids: Sequence[str], result: MonopolyResult, max_repeats: int
) -> None:
    """Change resources in batches. Split a refused batch, since one resource may be the reason of its refusal."""
    queue = chunks(uuids, BATCH_SIZE)
    while queue:
        batch = make(queue.pop(0))
        try:
            batch.converge(max_repeats)
        except CallError as error:
            left = batch.remaining()
            if is_refused(error) and len(batch.uuids) > 1:
                queue += [[uuid] for uuid in left]
            elif is_refused(error) or error.may_have_effect:
                result.refused += [Refused(uuid, error.message) for uuid in left]
            else:
                raise


def is_refused(error: QgError | None) -> bool:
    """Whether the vendor refused the resources of a call."""
    return isinstance(error, CallError) and error.kind is Kind.REFUSED


def reasons(refused: Sequence[Refused]) -> str:
    """Return the distinct reasons as one text."""
    return " ".join(dict.fromkeys(one.reason for one in refused))
