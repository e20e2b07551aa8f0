# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the manager of leases needs of an API, and what the products behind it can do.

This file is private to the collection. The classic API fulfils :class:`LeaseBackend`; another API that does can be
managed in the same way. What is and what is not known of the classic calls: vendor docs 174 to 176 and 297.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from .._api.classic import endpoints
from .._api.classic.errors import (
    ALLOCATION_FAILED,
    COUNT_LIMIT,
    NO_FREE_CHANNEL,
    NO_PERMISSION,
    RESOURCES_SHORT,
    UNKNOWN,
)
from .._api.classic.models import AllocationParams, Area, Lease, Quota
from .._core.errors import CallError
from .._core.waiting import WaitBudget
from .._reconcile.retry_policy import RetryPolicy
from .._store.rate_limiter import RateLimiter
from .plan import MAX_PER_CALL

#: Entered around each request of a call, from the moment that it is sent.
Sending = Callable[[], contextlib.AbstractContextManager[None]]


class LeaseBackend(Protocol):
    """The calls for the leases of one key.

    What a response reported counts in :meth:`leases` for as long as the vendor's list may lag.
    """

    budget: WaitBudget
    rate_limiter: RateLimiter
    key_digest: str

    @property
    def timeout(self) -> float:
        """Seconds that one call may take."""

    def key_lock(self, work: str = "changing") -> contextlib.AbstractContextManager[None]:
        """Keep other runs of this control node from changing, or from reading, what the key holds."""

    def leases(self, task_ids: Sequence[str] = (), *, doubted: Collection[str] = ()) -> list[Lease]:
        """List what the key holds. For ``doubted`` leases, whose release was reported, the vendor's list decides."""

    def allocate(
        self, number: int, params: AllocationParams, *, sending: Sending = contextlib.nullcontext
    ) -> list[Lease]:
        """Get new leases."""

    def replace(
        self, number: int, params: AllocationParams, *, sending: Sending = contextlib.nullcontext
    ) -> list[Lease]:
        """Replace leases that the vendor chooses; returns the new ones."""

    def release(
        self, leases: Sequence[Lease], *, by_task: bool = False, sending: Sending = contextlib.nullcontext
    ) -> list[Lease]:
        """Release leases; returns those that the response reports as released."""

    def lease_quota(self) -> Quota | None:
        """Return the quota; None if the plan has none."""

    def areas(self, area_id: int | None = None, isp: str | None = None, available: bool | None = None) -> list[Area]:
        """List the vendor's areas."""

    def release_batch(self) -> int:
        """How many addresses may be released in one minute."""

    def released_recently(self) -> bool:
        """Whether a channel may be about to become free."""

    def forget_leases(self, names: Collection[str]) -> None:
        """Discard what was reported about leases."""

    def report_released(self, names: Collection[str]) -> None:
        """Record that leases are gone."""


@dataclass(frozen=True)
class LeaseFeatures:
    """What an API can do with leases: the names of its calls, and what its refusals mean for them.

    ``no_free_channel`` is transient if a released channel is about to become free. ``taken`` may be due to an earlier
    allocation whose response was lost, and ``failed`` excludes one. ``half_way`` may follow when a replacement has
    already released the old leases. ``too_many`` releases can succeed for fewer at a time, or after a minute;
    ``forbidden`` ones cannot.
    """

    allocate: str
    replace: str
    release: str
    listing: str
    max_per_call: int
    no_free_channel: frozenset[object]
    taken: frozenset[object]
    failed: frozenset[object]
    half_way: frozenset[object]
    too_many: frozenset[object]
    forbidden: frozenset[object]
    release_rules: str


CLASSIC = LeaseFeatures(
    allocate=endpoints.ALLOCATE.name,
    replace=endpoints.REPLACE.name,
    release=endpoints.RELEASE.name,
    listing=endpoints.QUERY.name,
    max_per_call=MAX_PER_CALL,
    no_free_channel=frozenset({NO_FREE_CHANNEL}),
    taken=frozenset({NO_FREE_CHANNEL, RESOURCES_SHORT, COUNT_LIMIT}),
    failed=frozenset({ALLOCATION_FAILED}),
    half_way=frozenset({UNKNOWN, NO_FREE_CHANNEL, RESOURCES_SHORT, ALLOCATION_FAILED, COUNT_LIMIT}),
    too_many=frozenset({COUNT_LIMIT}),
    forbidden=frozenset({NO_PERMISSION}),
    release_rules=(
        "A dynamic dedicated plan may release channels*2 addresses a minute; a static one 2 a week, each more than a "
        "day after it was leased; a shared one never releases."
    ),
)


def is_refused(error: BaseException | None, codes: Collection[object]) -> bool:
    """Whether a call was refused with one of these codes."""
    return isinstance(error, CallError) and error.details.get("code") in codes


@dataclass(frozen=True)
class LeasePolicy(RetryPolicy):
    """The same for leases.

    A released channel becomes free some time later: it is waited for up to ``channel_wait`` seconds, with
    ``channel_poll_interval`` between reads. Clients of the vendor saw 3 to 6 seconds after a release and 30 after a
    failed replacement.
    """

    channel_poll_interval: float = 3.0
    channel_wait: float = 45.0
