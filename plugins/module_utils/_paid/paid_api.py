# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the gate needs to know of what a key pays for: leases, or reserved lines (the
API's monopolies).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from .._api.exchange import Sending
from .._api.key import KeyCaller
from .._api.leases import NamedArea, Quota, Terms
from .._core.errors import CallError, Effect, Reason
from .matching import Traits

R = TypeVar("R")
#: What calls do: pay, let QG.net replace resources of its choice, release.
BUY, SWAP, DROP = "buy", "swap", "drop"


class Item(NamedTuple):
    """A resource as the journal contains it: its end in QG.net's words, and its data (JSON)."""

    ends: str | None = None
    data: Any = None


class Span(NamedTuple):
    """When a resource ends (Unix time of QG.net), and its seconds left when it was recorded.

    Both are None if that is unknown. An end that was over then is None.
    """

    ends: float | None = None
    life: float | None = None


@dataclass(frozen=True)
class NewCall:
    """A call that is about to be sent, and how many resources it ``adds``.

    ``before`` are the names that are held before a purchase, and those that a release removes. It
    must not exceed the ``cap``, if there is one.
    """

    operation: str
    endpoint: str
    adds: int = 0
    before: Collection[str] = ()
    request: Mapping[str, Any] = field(default_factory=dict)
    cap: int | None = None


def leaves_open(operation: str, error: CallError) -> bool:
    """Whether nobody knows what a call has done that has failed with this error.

    QG.net may release what it then refuses to replace. With a refusal for its rate, it does
    nothing.
    """
    is_refused = error.effect is Effect.REJECTED and error.reason is not Reason.RATE
    return error.may_have_effect or (operation == SWAP and is_refused)


class PaidApi(Protocol[R]):
    """The calls for one kind of resources of a key, and its words in messages."""

    #: The kind in the journal.
    kind: str
    #: In the singular.
    noun: str
    listing: str
    #: What to do if the quota counts something else.
    ignoring: str
    #: What explains the refusal of a release.
    rules: str
    list_call: str
    #: Whether a resource ends when its end is reached.
    ends_by_itself: bool
    #: The maximum number of resources in a call that pays.
    max_per_call: int
    #: What sends the calls for the key.
    caller: KeyCaller
    #: QG.net's product, as the ledger names it.
    product: str
    #: QG.net's names of the calls that pay, replace and release.
    calls: Mapping[str, str]

    @property
    def advice(self) -> str:
        """How to find out what is held."""

    def read(self) -> dict[str, R] | None:
        """Return QG.net's list by name; None if the response contains none."""

    def quota(self) -> Quota | None:
        """Return the quota; None if the plan has none."""

    def named_areas(self) -> list[NamedArea]:
        """Return the areas that have a code."""

    def pay(self, operation: str, number: int, terms: Terms, sending: Sending) -> dict[str, R]:
        """Buy resources, or let QG.net replace as many of its choice.

        Returns those that the response names.
        """

    def release_size(self, number: int) -> int:
        """Return how many resources one call may release, if so many are to be released."""

    def check_release(self, going: Collection[R], staying: Collection[R]) -> None:
        """Raise QgError if no call releases the first and spares the others."""

    def drop(
        self, going: Collection[R], staying: Collection[R], sending: Sending
    ) -> Collection[str]:
        """Release resources without the others.

        Returns the names of those that the response reports as released.
        """

    def label(self, resource: R) -> str:
        """Return the name of a resource in messages."""

    def traits(self, resource: R, terms: Terms) -> Traits:
        """Return what decides whether a resource matches."""

    def ends(self, resource: R) -> float | None:
        """Return the end of a resource in QG.net's Unix time; None if it is unknown."""

    def to_item(self, resource: R) -> Item:
        """Return a resource as the journal contains it."""

    def from_item(self, item: Item) -> R:
        """Return a resource that the journal contains."""

    def span(self, item: Item) -> Span:
        """Return how long a resource that the journal contains lasts."""
