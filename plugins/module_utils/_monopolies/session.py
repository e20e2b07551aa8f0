# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What allocation, release and redial share: the result, and how a run reads the list of resources.

This file is private to the collection. The vendor carries out an application and a redial some time after the response,
and neither response has a documented format. Therefore the list of resources before and after a call decides.
"""

from __future__ import annotations

import datetime
import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from .._api.classic import endpoints
from .._api.classic.client import ProxyApi
from .._api.classic.errors import StatusError
from .._api.classic.models import Monopoly
from .._api.parsing import BEIJING, parse_vendor_time
from .._core.errors import CallError, QgError, UncertainOutcomeError, WaitBudgetExceeded
from .._core.text import format_sample
from .._reconcile.lost_response import NO_TIME, uncertain_outcome
from .._store.monopoly_store import MonopolyStore
from .matching import ApplicationParams

#: How long the vendor does not release a resource, counted from its application.
MIN_HOLD_TIME = datetime.timedelta(hours=12)
#: How often a call is sent at most that seems to have had no effect.
MAX_ATTEMPTS = 3
#: Seconds before each read of the list after a call whose effect is unknown and that may be repeated.
VERIFY_DELAYS = (2.0, 3.0)
#: The same after an application: they are longer, because a resource that the list shows too late would be paid twice.
LAG_DELAYS = (2.0, 3.0, 5.0, 10.0)
#: Maximum seconds between two reads of a list that may lag.
MAX_POLL_INTERVAL = 10.0
#: Seconds between reads of the list while resources come online: the first interval, its growth, and the maximum.
FIRST_INTERVAL, INTERVAL_GROWTH, MAX_INTERVAL = 1.0, 1.5, 5.0
#: Resources named in one call, so that the query stays short.
BATCH_SIZE = 50
#: Resources named in a message.
MAX_NAMED = 20
#: States in which a resource gets a new address without a call.
TRANSITIONAL_STATES = ("queued", "redialling")
#: How a user finds out what the key holds.
CHECK_COMMAND = "ansible localhost -m qingguo.qgnet.qg_monopoly_info"
CHECK_FIRST = f'Check with "{CHECK_COMMAND}" before running the task again.'
#: The name of the list in messages.
LISTING = "the list of resources"

#: Called with a description of the progress.
OnProgress = Callable[[str], None]


@dataclass(frozen=True)
class Redial:
    """A resource that was redialled, with its address before and after, as far as they are known."""

    uuid: str
    before: str | None
    after: str | None = None


@dataclass(frozen=True)
class Refused:
    """A resource that the vendor does not release or redial, the reason, and when it will, if that is known."""

    uuid: str
    reason: str
    possible_from: datetime.datetime | None = None


@dataclass
class MonopolyResult:
    """What a run found and changed. With an ``error``, the desired state was not reached; the rest is true even then.

    ``before`` and ``after`` are the resources that the run concerns. ``missing`` is the number of resources to apply
    for, and ``accepted`` says that the vendor accepted the application. ``pending`` resources were not redialled
    because they are about to get a new address.
    """

    before: list[Monopoly] = field(default_factory=list)
    after: list[Monopoly] = field(default_factory=list)
    missing: int = 0
    accepted: bool = False
    applied: list[str] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    redialled: list[Redial] = field(default_factory=list)
    pending: list[Monopoly] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    undetermined: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: QgError | None = None

    @property
    def changed(self) -> bool:
        """Whether the run changed anything."""
        return bool(self.accepted or self.applied or self.released or self.redialled)


def summary(states: Iterable[str], total: int) -> str:
    """Describe the progress: ``3 of 5 online, 1 redialling, 1 queued``."""
    numbers = Counter(states)
    online = numbers.pop("online", 0)
    others = [f", {number} {state or 'in no known state'}" for state, number in numbers.most_common()]
    return f"{online} of {total} online" + "".join(others)


def sample(uuids: Collection[str]) -> str:
    """Return resources as a list for a message."""
    return format_sample(uuids, MAX_NAMED)


def releasable_from(monopoly: Monopoly) -> datetime.datetime | None:
    """When the vendor releases a resource, if the list shows when it was applied for."""
    return None if monopoly.since is None else monopoly.since + MIN_HOLD_TIME


def vendor_time(api: ProxyApi, held: Sequence[Monopoly]) -> datetime.datetime:
    """The local time, or the latest time in the vendor's list if the local clock is behind."""
    stamps = [
        stamp
        for one in held
        for stamp in (one.since, one.dialled, parse_vendor_time(one.vendor.get("heartbeat")))
        if stamp
    ]
    return max([datetime.datetime.fromtimestamp(api.rate_limiter.now(), BEIJING), *stamps])


def is_refused(error: QgError | None) -> bool:
    """Whether the vendor refused the resources of a call. It refuses all of them if it refuses one."""
    return isinstance(error, StatusError) and not error.may_have_effect


def batches(uuids: Sequence[str]) -> list[list[str]]:
    """Split resources into calls."""
    return [list(uuids[start : start + BATCH_SIZE]) for start in range(0, len(uuids), BATCH_SIZE)]


def monopoly_store(api: ProxyApi) -> MonopolyStore:
    """The store for the resources of the key."""
    return MonopolyStore(api.rate_limiter.state, api.key_digest, api.rate_limiter.now)


def application_params(api: ProxyApi) -> dict[str, ApplicationParams]:
    """The parameters of the applications for the resources of the key, as far as this control node sent them."""
    return {uuid: ApplicationParams(*row) for uuid, row in monopoly_store(api).origins().items()}


class Session:
    """One run for one key. ``held`` contains the resources of the last list."""

    verify_delays = VERIFY_DELAYS
    lag_delays = LAG_DELAYS
    first_interval = FIRST_INTERVAL

    def __init__(self, api: ProxyApi, on_progress: OnProgress | None = None) -> None:
        self.api = api
        self.result = MonopolyResult()
        self.held: list[Monopoly] = []
        self.store = monopoly_store(api)
        self._on_progress = on_progress

    def load_initial(self) -> None:
        """Read the list for the first time. A key of another product is refused here."""
        try:
            self.refresh()
        except StatusError as error:
            raise QgError(
                f"{error.message} Check that the key's product is one of exclusive occupancy.", **error.details
            ) from None

    def refresh(self) -> None:
        """Read the list. An empty one is read once more if resources should be on it."""
        held = self.api.monopolies()
        self.held = held or (self.api.monopolies() if self.expects_resources() else held)

    def expects_resources(self) -> bool:
        """Whether the key probably holds resources."""
        return bool(self.held or self.store.origins())

    @property
    def by_uuid(self) -> dict[str, Monopoly]:
        """The resources of the last list by name."""
        return {monopoly.uuid: monopoly for monopoly in self.held}

    def poll_until(
        self, is_shown: Callable[[], bool], seconds: float, endpoint: str, read: Callable[[], None] | None = None
    ) -> QgError | None:
        """Read the list until ``is_shown``, for at most this time; returns the error if it cannot be read."""
        budget, left, read = self.api.budget, seconds, read or self.refresh
        try:
            read()
            for interval in itertools.chain(self.lag_delays, itertools.repeat(MAX_POLL_INTERVAL)):
                if is_shown() or left <= 0:
                    return None
                # The last read comes when max_wait is used up, and not one interval before.
                remaining = budget.max_wait - budget.waited
                pause = min(interval, left, remaining) if remaining > 0 else min(interval, left)
                budget.wait(pause, "the list may lag behind", endpoint)
                left -= pause
                read()
        except (CallError, WaitBudgetExceeded) as error:
            return None if is_shown() else error
        return None

    def wait_until_ready(
        self, unready: Callable[[], Collection[str]], progress: Callable[[], str], advice: str
    ) -> None:
        """Read the list until no resource is ``unready``, or until max_wait is used up."""
        interval, budget = self.first_interval, self.api.budget
        while True:
            left = unready()
            if self._on_progress:
                self._on_progress(progress())
            if not left:
                return
            remaining = budget.max_wait - budget.waited
            try:
                # The last read comes when max_wait is used up, and not one interval before.
                pause = min(interval, remaining) if remaining > 0 else interval
                budget.wait(pause, "resources are not online yet", endpoints.MONOPOLIES.name)
                self.refresh()
            except WaitBudgetExceeded:
                raise QgError(
                    f"{progress()}, and max_wait ({budget.max_wait:g} seconds) is used up; not ready: {sample(left)}. "
                    f"{advice}",
                    endpoint=endpoints.MONOPOLIES.name,
                ) from None
            interval = min(interval * INTERVAL_GROWTH, MAX_INTERVAL)


def unverified(error: QgError | None, what: str, reading_error: QgError) -> UncertainOutcomeError:
    """The error for a call whose effect is unknown because the list cannot be read."""
    late = isinstance(reading_error, WaitBudgetExceeded)
    reason = NO_TIME if late else f"{{list}} cannot be read: {reading_error.message}"
    return uncertain_outcome(error, what, reason, listing=LISTING, advice=CHECK_FIRST, **reading_error.details)
