# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of what a key holds: QG.net's list, corrected by the journal as :mod:`.evidence`
decides.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from .._api.leases import Quota, Terms
from .._core.errors import CallError, WaitBudgetExceeded
from .._core.text import counted, format_sample
from . import evidence
from .journal import Journal
from .matching import Traits, codes_by_name
from .paid_api import Item, PaidApi
from .snapshot import Snapshot, has_ended

R = TypeVar("R")


@dataclass(frozen=True)
class ListRead(Generic[R]):
    """A list of what a key holds, and the state time at which it was requested."""

    resources: Mapping[str, R]
    read_at: float


@dataclass
class Effects(Generic[R]):
    """What calls of a run have done."""

    #: What they have paid for.
    bought: dict[str, R] = field(default_factory=dict)
    #: What they may have released.
    dropped: dict[str, R] = field(default_factory=dict)
    #: Those that pay and of which the run does not know what they did, by their numbers.
    unanswered: dict[int, str] = field(default_factory=dict)
    #: Whether QG.net has reported a purchase as a success, whatever the response names.
    is_accepted: bool = False


class Holdings(Generic[R]):
    """What a key holds, as it was looked at last: its lists, its journal and its quota.

    ``held`` is what counts as held by name, ``first`` is what was held at first, and ``snapshot``
    all that is known. Without ``has_own_list``, the list is one that the run has read before.
    Within the lock of the key, :mod:`.reconciling` looks, and :mod:`.paying` pays and releases.
    """

    def __init__(
        self, api: PaidApi[R], *, cap: int | None = None, ignore_quota: bool = False
    ) -> None:
        self.api = api
        self.cap = cap
        self.ignore_quota = ignore_quota
        self.journal = Journal(api.caller.store, api.caller.key_digest, api.kind, api.product)
        self.snapshot = Snapshot()
        self.quota: Quota | None = None
        self.held: dict[str, R] = {}
        self.first: dict[str, R] | None = None
        self.effects = Effects[R]()
        self.warnings: list[str] = []
        self.has_own_list = False
        #: Whether list and quota have agreed, and all calls since have reported their whole effect.
        self.is_clear = False
        self._has_warned = False
        self._listed: dict[str, R] = {}
        self._listed_before: dict[str, R] = {}

    @property
    def certain(self) -> dict[str, R]:
        """What is held for certain: the list shows it, or may not show it yet."""
        names = set(evidence.held(self.snapshot))
        return {name: resource for name, resource in self.held.items() if name in names}

    @property
    def missing(self) -> list[str]:
        """The names that the list should show and lacks: they count as held."""
        names = self.certain
        return [name for name in self.held if name not in names]

    @property
    def released(self) -> dict[str, R]:
        """What calls of this run have released."""
        dropped = self.effects.dropped
        return {name: resource for name, resource in dropped.items() if name not in self.held}

    def is_lost(self, name: str, item: Item) -> bool:
        """Whether what was held is gone before it would have ended by itself."""
        if name in self.held or has_ended(self.api.span(item).ends, self.snapshot.now):
            return False
        record = self.snapshot.last().get(name)
        return name in self.effects.dropped or (record is not None and record.gone_at is not None)

    def now(self) -> float:
        """Return the state time."""
        return self.journal.store.now()

    @property
    def last_list(self) -> ListRead[R]:
        """The last list of QG.net."""
        return ListRead(self._listed, self.snapshot.read_at)

    def read(self, earlier: ListRead[R] | None = None) -> None:
        """Read what is held, or use what the run has read lately."""
        # Nobody else ends a call within the lock. Without it, what was recorded meanwhile corrects
        # the list. They are open, even if the list cannot be read.
        self.snapshot = dataclasses.replace(self.snapshot, calls=self.journal.open())
        self.has_own_list = earlier is None
        if earlier is None:
            earlier = self._read_list()
        self.use_list(earlier.resources, earlier.read_at)

    def _read_list(self) -> ListRead[R]:
        read_at = self.now()
        listed = self.api.read()
        if listed is None:
            # Many servers write an empty list as none, but a fault may be the reason as well.
            listed = self.api.read()
        return ListRead(listed or {}, read_at)

    def see(self, **facts: Any) -> None:
        """Add these facts, and QG.net's time, to what is known."""
        clock = self.api.caller.vendor_clock
        self.snapshot = dataclasses.replace(
            self.snapshot, now=clock.now(), latest=clock.latest(), **facts
        )

    def use_list(self, listed: Mapping[str, R], read_at: float) -> None:
        """Use a list that was requested at this state time, and what the journal says about it."""
        earlier = None
        if self.first is not None:
            earlier = dataclasses.replace(self.snapshot, earlier=None)
        self._listed_before = self._listed
        self._listed = dict(listed)
        self.snapshot = Snapshot(
            listed={name: self.api.ends(resource) for name, resource in listed.items()},
            read_at=read_at,
            calls=self.snapshot.calls,
            earlier=earlier,
        )
        self.use_records()
        if self.first is None:
            self.first = dict(self.held)

    def use_records(self) -> None:
        """Correct the list by what the journal says now."""
        records = self.journal.records(self.api.span)
        self.see(records=records)
        resources = dict(self._listed_before)
        for record in records:
            if record.gone_at is None:
                resources[record.name] = self.api.from_item(record.data)
        resources.update(self._listed)
        self.held = {name: resources[name] for name in evidence.counted(self.snapshot)}

    def traits(self) -> dict[str, Traits]:
        """Return what decides whether held resources match, without those that have ended since."""
        self.see()
        ends = self.snapshot.ends()
        over = self.snapshot.over()
        terms = self.terms()
        traits = {}
        for name, resource in self.held.items():
            if name in over:
                continue
            shown = self.api.traits(resource, terms.get(name, Terms()))
            if ends.get(name) is None and shown.remaining is not None and shown.remaining <= 0:
                # Clocks differ, or the end is of another time zone: it may be any.
                shown = shown._replace(remaining=None)
            traits[name] = shown
        return traits

    def areas(self) -> dict[str, str]:
        """Return the codes of areas by name; none if they cannot be read."""
        try:
            return codes_by_name(self.api.named_areas())
        except (CallError, WaitBudgetExceeded):
            return {}

    def sample(self, resources: Iterable[R]) -> str:
        """Return the first resources as a list for a message."""
        return format_sample([self.api.label(resource) for resource in resources])

    def items(self, resources: Mapping[str, R]) -> dict[str, Item]:
        """Return resources by name as the journal contains them."""
        return {name: self.api.to_item(resource) for name, resource in resources.items()}

    def terms(self) -> dict[str, Terms]:
        """Return what held resources were requested with, by name, as far as that is recorded."""
        terms = {}
        for record in self.snapshot.records:
            is_over = has_ended(record.ends, self.snapshot.now)
            if record.is_bought and record.name in self.held and not is_over:
                terms[record.name] = record.terms
        return terms

    def warn_of_missing(self) -> None:
        """Warn once of what the list lacks and this store has bought."""
        last = self.snapshot.last()
        lacked = [self.held[name] for name in self.missing if name in last]
        if lacked and not self._has_warned:
            self._has_warned = True
            self.warnings.append(
                f"{self.api.listing.capitalize()} lacks what this store has bought and what has "
                f"not ended: {self.sample(lacked)}. It counts as held, and is not bought again, "
                "until readings that are a minute apart have lacked it."
            )

    def payments(self) -> str:
        """Return what this run has paid for, or may have paid for, in whole sentences."""
        sentences = []
        bought = self.effects.bought
        if bought:
            number = counted(len(bought), self.api.noun, "were")
            sentences.append(f"{number} bought by this run: {self.sample(bought.values())}.")
        if self.effects.unanswered:
            calls = " and ".join(dict.fromkeys(self.effects.unanswered.values()))
            sentences.append(f"What {calls} did is not known for sure.")
        return " ".join(sentences) or "This run has paid for nothing."

    def wait(
        self, seconds: float, reason: str, call: str, examine: Callable[[], str] | None = None
    ) -> None:
        """Wait, at most for the remaining max_wait, so that the last look is at its end."""
        budget = self.api.caller.budget
        rest = budget.max_wait - budget.waited
        if rest > 0:
            seconds = min(seconds, rest)
        budget.wait(seconds, reason, call, examine=examine)
