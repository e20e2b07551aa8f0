# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of allocation, release and redial: the result, and the reading of the list of resources.

The vendor carries out an application or a redial some time after the response, and neither response has a documented
format. Therefore the lists of resources before and after a call decide.
"""

from __future__ import annotations

import contextlib
import datetime
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .._api import calls
from .._api.leases import Quota
from .._api.monopolies import Monopolies, Monopoly
from .._api.parsing import BEIJING, parse_vendor_time
from .._core.errors import CallError, QgError, WaitBudgetExceeded
from .._core.text import format_sample
from .._reconcile.retry_policy import LAG_DELAYS, RetryPolicy
from .._reconcile.session import Session
from .._reconcile.view import read_credibly, reported_gone
from .._store.facts import MONOPOLY_ORIGIN
from .._store.journal import Journal
from .._store.journal_rows import MONOPOLIES
from .._task.products import naming_product
from .matching import ApplicationParams

#: The operations in the journal.
APPLY, RELEASE, REDIAL = "apply", "release", "redial"
#: The time after its application within which the vendor does not release a resource.
MIN_HOLD_TIME = datetime.timedelta(hours=12)
#: Seconds between reads of the list while resources come online: the growth of the first interval, and the maximum.
INTERVAL_GROWTH, MAX_INTERVAL = 1.5, 5.0
#: The maximum number of resources in a message.
MAX_NAMED = 20
#: States in which a resource gets a new address without a call.
TRANSITIONAL_STATES = ("queued", "redialling")
#: The command that shows the resources of the key.
CHECK_COMMAND = "ansible localhost -m qingguo.qgnet.qg_monopoly_info"


@dataclass(frozen=True)
class MonopolyPolicy(RetryPolicy):
    """The retry policy for exclusive-occupancy resources.

    ``apply_delays`` come after an application. Their sum is the usual lag of the list, because a resource that the list
    shows later would be paid for twice. ``lag_delays`` begin with them, too. ``first_interval`` is the first interval
    between reads of the list while resources come online.
    """

    apply_delays: tuple[float, ...] = LAG_DELAYS[:5]
    first_interval: float = 1.0
    max_repeats: int = 2


DEFAULT_POLICY = MonopolyPolicy()


@dataclass(frozen=True)
class Redial:
    """A redialed resource, with its address before and after the redial, if known."""

    uuid: str
    before: str | None
    after: str | None = None


@dataclass(frozen=True)
class Refused:
    """A resource that the vendor does not release or redial, the reason, and from when on it will, if known."""

    uuid: str
    reason: str
    possible_from: datetime.datetime | None = None


@dataclass
class MonopolyResult:
    """The resources before and after a run, and its changes.

    With an ``error``, the desired state was not reached, and the other fields are still correct. ``missing`` is the
    number of resources to apply for; ``accepted`` says that the vendor accepted the application. ``pending`` resources
    were not redialed because they are about to get a new address.
    """

    before: list[Monopoly] = field(default_factory=list)
    after: list[Monopoly] = field(default_factory=list)
    missing: int = 0
    accepted: bool = False
    applied: list[str] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    redialed: list[Redial] = field(default_factory=list)
    pending: list[Monopoly] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    undetermined: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: QgError | None = None

    @property
    def changed(self) -> bool:
        """Whether the run changed anything."""
        return bool(self.accepted or self.applied or self.released or self.redialed)


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
    """Return the time from which the vendor releases a resource; None if the list does not show its application."""
    return None if monopoly.since is None else monopoly.since + MIN_HOLD_TIME


def application_params(api: Monopolies) -> Mapping[str, ApplicationParams]:
    """Return the parameters of the applications that this control node sent, by resource.

    The vendor's list names the area of a resource, but not its code.
    """
    rows = api.caller.facts.objects(MONOPOLY_ORIGIN).items()
    return {uuid: ApplicationParams(*api.caller.facts.store.decoded(text)) for uuid, (text, _at) in rows}


def journal_of(api: Monopolies) -> Journal:
    """Return the calls that change the resources of the key."""
    return Journal(api.caller.rate_limiter.state, api.caller.key_digest, MONOPOLIES)


@contextlib.contextmanager
def explaining_product(api: Monopolies) -> Iterator[None]:
    """Explain the refusal of the list to a key of another product."""
    try:
        yield
    except CallError as error:
        if error.kind is None:
            raise
        raise naming_product(error, api.caller, "Check that the key's product is one of exclusive occupancy.") from None


def held_monopolies(api: Monopolies, uuids: Sequence[str] = ()) -> list[Monopoly]:
    """Return the resources of the key, these or all: the vendor's list without those that it reported as released."""
    listed = read_credibly(lambda: api.monopolies(uuids), lambda reading: reading is None) or []
    rows = journal_of(api).rows()
    gone = reported_gone(rows, api.caller.rate_limiter.state.now()) if rows else frozenset()
    return [monopoly for monopoly in listed if monopoly.uuid not in gone]


class MonopolySession(Session[Monopoly]):
    """One run for one key. ``held`` contains the resources of the last list."""

    api: Monopolies
    policy: MonopolyPolicy
    listing = "the list of resources"
    advice = f'Check with "{CHECK_COMMAND}" before running the task again.'

    def __init__(self, api: Monopolies, policy: MonopolyPolicy) -> None:
        super().__init__(api, policy, calls.MONOPOLIES.name, journal_of(api))
        self.result = MonopolyResult()

    @property
    def monopolies(self) -> list[Monopoly]:
        """The resources of the last list."""
        return list(self.held.values())

    def load_initial(self) -> None:
        """Read the list for the first time; explains the refusal of a key of another product."""
        with explaining_product(self.api):
            self.refresh()

    def refresh(self) -> None:
        self.read_at = self.now()
        self.held = {monopoly.uuid: monopoly for monopoly in held_monopolies(self.api)}

    def quota(self) -> Quota | None:
        return self.api.quota()

    def balance(self, quota: Quota) -> int:
        """Return the number of listed resources minus the number that the quota counts as in use."""
        return len(self.held) - quota.used

    def vendor_time(self) -> datetime.datetime:
        """Return the time of the vendor's clock, or the latest time in the list if that is later."""
        stamps = [
            stamp
            for one in self.monopolies
            for stamp in (one.since, one.dialled, parse_vendor_time(one.vendor.get("heartbeat")))
            if stamp
        ]
        return max([datetime.datetime.fromtimestamp(self.api.caller.vendor_clock.now(), BEIJING), *stamps])

    def wait_until_ready(
        self, unready: Callable[[], Collection[str]], progress: Callable[[], str], advice: str
    ) -> None:
        """Read the list until no resource is ``unready``, or until max_wait is used up."""
        interval = self.policy.first_interval
        while True:
            left = unready()
            if not left:
                return
            try:
                self.wait(interval, "resources are not online yet", self.list_call, examine=progress)
                self.refresh()
            except WaitBudgetExceeded:
                raise QgError(
                    f"{progress()}, and max_wait ({self.api.caller.budget.max_wait:g} seconds) is used up; not ready: "
                    f"{sample(left)}. {advice}",
                    endpoint=self.list_call,
                ) from None
            interval = min(interval * INTERVAL_GROWTH, MAX_INTERVAL)
