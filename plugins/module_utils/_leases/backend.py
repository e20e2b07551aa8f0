# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The APIs for leases, whose features ``classic.py`` and ``product.py`` describe."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from .._api.lease_client import Leases
from .._core.errors import CallError, Kind
from .._reconcile.held_leases import HeldLeases
from .._reconcile.retry_policy import RetryPolicy


@dataclass(frozen=True)
class LeaseFeatures:
    """The capabilities of an API: the names of its calls, and the meanings of its refusals for leases.

    ``replace`` or ``release`` is None if the product has no such call. The other fields are kinds of refusals:

    - ``no_free_channel`` is transient while a released channel is about to become free.
    - ``maybe_own_effect`` may be the effect of an earlier allocation whose response was lost; ``failed`` excludes that.
    - ``partial_replacement`` may mean that the vendor has released the old leases, but not allocated new ones.
    - ``too_many`` releases were requested: fewer at a time, or the same after a minute, may succeed.
    - ``forbidden`` releases can never succeed.

    ``lifetime`` are the seconds that a lease lasts without ``keep_alive``, if all plans of the product have the same.
    Without ``ends_at_deadline``, a lease may be held after its deadline, from which on it can be released.
    """

    list: str
    allocate: str
    replace: str | None
    release: str | None
    max_per_call: int
    no_free_channel: frozenset[Kind]
    maybe_own_effect: frozenset[Kind]
    failed: frozenset[Kind]
    partial_replacement: frozenset[Kind]
    too_many: frozenset[Kind]
    forbidden: frozenset[Kind]
    release_rules: str
    ends_at_deadline: bool = True
    lifetime: float | None = None


@dataclass
class LeaseBackend:
    """The ``client`` of an API for leases, the ``features`` of the API, and the leases that the key has ``held``."""

    client: Leases
    features: LeaseFeatures
    held: HeldLeases


def is_refused(error: BaseException | None, kinds: Collection[Kind]) -> bool:
    """Whether a call was refused for one of these reasons."""
    return isinstance(error, CallError) and error.kind in kinds


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
