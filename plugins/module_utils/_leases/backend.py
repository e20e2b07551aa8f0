# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The interface of an API for leases: ``classic.py`` and ``product.py`` implement it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .._api.areas import NamedArea
from .._api.leases import AllocationParams, Lease, Quota
from .._core.errors import CallError
from .._reconcile.held_leases import HeldLeases
from .._reconcile.retry_policy import RetryPolicy
from .._reconcile.session import KeyApi
from .._store.facts import Facts

#: Entered around each request of a call, from the moment that it is sent.
Sending = Callable[[], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True)
class LeaseFeatures:
    """The capabilities of an API: the names of its calls, and the meanings of its refusals for leases.

    ``replace`` or ``release`` is None if the product has no such call. The other fields are the vendor's codes:

    - ``no_free_channel`` is transient while a released channel is about to become free.
    - ``no_stock`` is the lack of addresses in the requested areas.
    - ``maybe_own_effect`` may be the effect of an earlier allocation whose response was lost; ``failed`` excludes that.
    - ``partial_replacement`` may mean that the vendor has released the old leases, but not allocated new ones.
    - ``too_many`` releases were requested: fewer at a time, or the same after a minute, may succeed.
    - ``forbidden`` releases can never succeed.

    Without ``ends_at_deadline``, a lease may be held after its deadline, from which on it can be released.
    """

    list: str
    allocate: str
    replace: str | None
    release: str | None
    max_per_call: int
    no_free_channel: frozenset[object]
    no_stock: frozenset[object]
    maybe_own_effect: frozenset[object]
    failed: frozenset[object]
    partial_replacement: frozenset[object]
    too_many: frozenset[object]
    forbidden: frozenset[object]
    release_rules: str
    ends_at_deadline: bool = True


class LeaseBackend(KeyApi, Protocol):
    """The calls for the leases of one key, the leases that it holds, and what the state keeps of it."""

    held: HeldLeases
    facts: Facts

    @property
    def product(self) -> str:
        """The product whose API this is."""

    @property
    def features(self) -> LeaseFeatures:
        """The capabilities of the API."""

    def usage(self) -> Mapping[str, Any]:
        """Return the usage of the run: calls, retries, and seconds waited."""

    def key_lock(self, work: str = "changing") -> contextlib.AbstractContextManager[None]:
        """Hold a lock that keeps other runs from the same ``work`` on the key."""

    def allocate(self, number: int, params: AllocationParams, *, sending: Sending) -> Sequence[Lease]:
        """Allocate leases; returns them."""

    def replace(self, number: int, params: AllocationParams, *, sending: Sending) -> Sequence[Lease]:
        """Replace leases that the vendor chooses; returns the new ones."""

    def release(self, leases: Sequence[Lease], *, by_task: bool = False, sending: Sending) -> Sequence[Lease]:
        """Release leases; returns those that the response reports as released."""

    def quota(self) -> Quota | None:
        """Return the quota; None if the plan has none."""

    def named_areas(self, refresh: bool = False) -> Sequence[NamedArea]:
        """List the vendor's areas; without ``refresh``, the list may be an hour old."""

    def restore(self, vendor: Mapping[str, Any], task_id: str) -> Lease:
        """Return the lease with these fields of the vendor, which the state store kept."""

    def release_batch(self) -> int:
        """Return how many addresses may be released in one minute."""

    def released_recently(self) -> bool:
        """Whether a channel may be about to become free."""


def is_refused(error: BaseException | None, codes: Collection[object]) -> bool:
    """Whether a call was refused with one of these codes."""
    return isinstance(error, CallError) and error.details.get("code") in codes


@dataclass(frozen=True)
class LeasePolicy(RetryPolicy):
    """The retry policy for leases.

    A released channel becomes free some time later. A run waits for it up to ``channel_wait`` seconds, with
    ``channel_poll_interval`` between reads. Clients of the vendor have observed 3 to 6 seconds after a release, and 30
    after a failed replacement.
    """

    channel_poll_interval: float = 3.0
    channel_wait: float = 45.0


DEFAULT_POLICY = LeasePolicy()
