# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a kind of resources is to :class:`.books.Books`: leases, or resources of exclusive occupancy."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol, TypeVar

from .._api.caller import Sending
from .._api.key import KeyCaller
from .._api.leases import AllocationParams, NamedArea, Quota
from .journal import HELD, LIST_LAG, MAYBE_GONE, Item, Journal, ResourceEffect
from .matching import Traits

R = TypeVar("R")
#: What calls do: pay, let the vendor replace resources of its choice, release.
BUY, SWAP, DROP = "buy", "swap", "drop"


class ResourceKind(Protocol[R]):
    """A kind of resources of a key: its calls, and its words in messages."""

    #: In the singular.
    noun: str
    listing: str
    #: How to find out what is held, and what to do if the quota counts something else.
    advice: str
    ignoring: str
    #: What explains the refusal of a release.
    rules: str
    list_call: str
    #: The maximum number of resources in a call that pays.
    most: int
    journal: Journal

    #: What sends the calls for the key.
    caller: KeyCaller
    #: The vendor's names of the calls that pay, replace and release.
    calls: Mapping[str, str]

    def read(self) -> dict[str, R] | None:
        """Return the vendor's list by name; None if the response contains none."""

    def quota(self) -> Quota | None:
        """Return the quota; None if the plan has none."""

    def named_areas(self) -> list[NamedArea]:
        """Return the areas that have a code."""

    def in_use(self, held: Iterable[R]) -> int:
        """Return how many channels these resources use."""

    def counts_volume(self, quota: Quota, held: Collection[str]) -> bool:
        """Whether the quota turns out to count what was ever paid for, and no channels; :meth:`quota` then knows."""
        return False

    def paid(self, quota: Quota | None, number: int, held: Mapping[str, R]) -> None:
        """Note what the quota was before so many of the held resources were paid for."""
        return

    def check_new(self, least: float, terms: AllocationParams) -> None:
        """Refuse the minutes that new resources do not last: each run would pay for further ones."""
        return

    def pay(self, operation: str, number: int, terms: AllocationParams, sending: Sending) -> dict[str, R]:
        """Buy resources, or let the vendor replace as many of its choice; returns those that the response names."""

    def release_size(self, number: int) -> int:
        """Return how many resources one call may release, if so many are to be released."""

    def drop(self, resources: Collection[R], sending: Sending) -> Collection[str]:
        """Release resources; returns the names of those that the response reports as released."""

    def label(self, resource: R) -> str:
        """Return the name of a resource in messages."""

    def traits(self, resource: R, terms: AllocationParams | None) -> Traits | None:
        """Return what decides whether a resource matches; None if it has ended."""

    def to_item(self, resource: R) -> Item:
        """Return a resource as the journal contains it."""

    def from_item(self, item: Item, ago: float = 0.0) -> R | None:
        """Return a resource that was seen; None if it has ended since, by so many seconds ``ago``."""


def view(
    shown: Mapping[str, R], effects: Iterable[ResourceEffect], read_at: float, kind: ResourceKind[R]
) -> dict[str, R]:
    """Return what is held: the vendor's list of that time, corrected by what it may not show yet.

    The last report counts.
    """
    held = dict(shown)
    for one in effects:
        if one.effect == MAYBE_GONE or one.at <= read_at - LIST_LAG:
            continue
        resource = (shown.get(one.name) or kind.from_item(one.item)) if one.effect == HELD else None
        if resource is None:
            held.pop(one.name, None)
        else:
            held[one.name] = resource
    return held


def listed(kind: ResourceKind[R]) -> dict[str, R]:
    """Return the vendor's list. Many servers write an empty one as none, but a fault may be the reason as well."""
    found = kind.read()
    return (kind.read() or {}) if found is None else found
