# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hold, release and redial resources of exclusive occupancy."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from .._api import calls
from .._api.leases import AllocationParams
from .._api.monopolies import Monopolies, Monopoly
from .._api.parsing import BEIJING, parse_vendor_time
from .._core.errors import CallError, Kind, QgError, UncertainOutcomeError, WaitBudgetExceeded
from .._core.text import format_sample
from .._paid.books import POLL, Books
from .._paid.caps import Caps
from .._paid.change import ATTEMPTS, Purchase, release
from .._paid.matching import Desired, Plan, codes_by_name, plan
from .kind import CHECK_COMMAND, MonopolyKind, known_terms, monopoly_books, traits

#: The time after its application within which the vendor does not release a resource.
MIN_HOLD_TIME = datetime.timedelta(hours=12)
#: Seconds between two dials of a resource: the vendor's ten, and one because the list shows whole seconds.
MIN_REDIAL_INTERVAL = 11.0
#: Seconds between reads of the list while resources come online: the first, the growth, and the maximum.
FIRST_INTERVAL, INTERVAL_GROWTH, MAX_INTERVAL = 1.0, 1.5, 5.0
#: The maximum number of resources in one call, so that the query stays short, and of those in one application.
BATCH_SIZE, MAX_COUNT = 50, 100
#: States in which a resource gets a new address without a call.
TRANSITIONAL_STATES = ("queued", "redialling")
REDIAL = calls.MONOPOLIES_REDIAL.name


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
    """The resources before and after a run, and its changes. With an ``error``, the other fields are still correct.

    ``missing`` is the number of resources to apply for; ``accepted`` says that the vendor accepted an application.
    ``pending`` resources were not redialed because they are about to get a new address. ``terms`` are what resources
    were applied for with, as far as that is recorded.
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
    terms: Mapping[str, AllocationParams] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    error: QgError | None = None

    @property
    def changed(self) -> bool:
        """Whether the run changed anything."""
        return bool(self.accepted or self.applied or self.released or self.redialed)

    @contextlib.contextmanager
    def completed(self) -> Iterator[None]:
        """Keep the error of the body."""
        try:
            yield
        except QgError as error:
            self.error = error


def hold(
    client: Monopolies, desired: Desired, *, wait: bool = True, check: bool = False, caps: Caps | None = None
) -> MonopolyResult:
    """Ensure a number of resources: apply for the missing ones, and wait until they are online.

    Surplus resources stay. An error before the first list is raised; a later one is part of the result.
    """
    with contextlib.nullcontext() if check else client.caller.key_lock():
        kind, books = monopoly_books(client, caps)
        holding = _Holding(kind, books, desired)
        with holding.result.completed():
            if not check:
                books.settle(purchases=False)
            holding.apply(check)
        holding.note_purchases()
    result = holding.result
    if wait and not check and not result.error:
        with result.completed():
            holding.wait_online()
    # A failure must not hide what was paid for.
    with contextlib.suppress(QgError):
        holding.complete()
    return result


class _Holding:
    """A run that ensures a number of resources."""

    def __init__(self, kind: MonopolyKind, books: Books[Monopoly], desired: Desired) -> None:
        self.result = MonopolyResult(warnings=books.warnings)
        self._kind = kind
        self._books = books
        self._desired = desired

    def apply(self, check: bool) -> None:
        """Determine how many resources are missing, and apply for them."""
        books, result, ignored = self._books, self.result, self._desired.on_uncertain == "ignore"
        lenient = self._plan(dataclasses.replace(self._desired, on_uncertain="match"))
        result.undetermined = list(lenient.unclear)
        result.before = self._counted()
        result.missing = max(0, self._desired.count - len(result.before))
        result.missing = self._plan(self._desired).missing
        if not result.missing:
            return
        if check:
            books.quota = self._kind.quota()
            if books.excess() and not (books.held and ignored):
                books.look()
        else:
            books.confirm(ignore_quota=ignored)
        result.before = self._counted()
        result.missing = self._plan(self._desired).missing
        self._check_quota()
        books.journal.check_caps(result.missing)
        if check:
            return
        request = {"terms": self._desired.params.as_json()}
        attempts = min(ATTEMPTS, self._kind.client.caller.max_attempts)
        purchase = Purchase(books, self._desired.params, request, MAX_COUNT, attempts, ignored)
        try:
            purchase.buy_missing(self._missing, is_confirmed=True)
        except CallError as refusal:
            if refusal.kind is not Kind.REFUSED:
                raise
            advice = "Nothing was applied for. Ask for less, for another area or provider, or extend the plan."
            raise QgError(f"{refusal.message} {advice}", **refusal.details) from None

    def _missing(self) -> int:
        """Return how many are missing; what this run has bought is not bought again, even if a list lacks it."""
        found = self._plan(self._desired)
        return max(0, found.missing - len(self._books.bought.keys() - found.keep))

    def note_purchases(self) -> None:
        """Add what was applied for to the result."""
        self.result.accepted, self.result.applied = self._kind.is_accepted, list(self._books.bought)

    def _plan(self, desired: Desired) -> Plan:
        books, terms = self._books, known_terms(self._books)

        def areas() -> dict[str, str]:
            try:
                return codes_by_name(self._kind.client.leases.named_areas())
            except (CallError, WaitBudgetExceeded):
                # Without the names, the resources stay undetermined.
                return {}

        held = {uuid: traits(one, terms.get(uuid)) for uuid, one in books.held.items()}
        return plan(held, desired, areas, bought=books.bought)

    def _counted(self) -> list[Monopoly]:
        """Return the resources that count for the desired state."""
        match = self._desired.on_uncertain if self._desired.on_uncertain == "match" else "ignore"
        found = self._plan(dataclasses.replace(self._desired, on_uncertain=match))
        return [self._books.held[uuid] for uuid in found.keep]

    def _check_quota(self) -> None:
        """Fail if the plan has too few resources free."""
        quota, missing = self._books.quota, self.result.missing
        # The quota of a plan without channels counts something else.
        if quota and quota.total and missing > quota.available:
            raise QgError(
                f"{missing} more resources are needed to hold {self._desired.count}, and the plan has "
                f"{quota.available} of {quota.total} free. Ask for less, release some, or extend the plan."
            )

    def wait_online(self) -> None:
        """Wait until the new resources are online, and if there are too few, for others that are coming online."""
        count, applied = self._desired.count, self.result.applied

        def unready() -> list[str]:
            found = self._counted()
            waiting = [one for one in found if one.state != "online"]
            if len(found) - len(waiting) >= count:
                return []
            return [one.uuid for one in waiting if one.uuid in applied or one.state in TRANSITIONAL_STATES]

        def progress() -> str:
            found = self._counted()
            return summary((one.state for one in found), max(count, len(found)))

        if applied or unready():
            advice = (
                "They are held and paid for: run the task again to wait longer, raise max_wait, or set wait to false."
            )
            wait_until_ready(self._books, unready, progress, advice)
        if gone := set(applied) - set(self._books.held):
            raise QgError(f"The list no longer contains resources that were applied for: {sample(sorted(gone))}.")

    def complete(self) -> None:
        """Add what counts in the end."""
        self.result.after, self.result.terms = self._counted(), known_terms(self._books)
        found = self._plan(dataclasses.replace(self._desired, on_uncertain="ignore"))
        if found.elsewhere:
            self.result.warnings.append(
                f"QG.net lists {sample(found.elsewhere)} in another area or with another ISP than was applied for. "
                "They count for this request, since another resource would be paid for and be no better."
            )


def release_held(client: Monopolies, uuids: Collection[str] | None, *, check: bool = False) -> MonopolyResult:
    """Release these resources, or all. A resource that is not held counts as released."""
    with contextlib.nullcontext() if check else client.caller.key_lock():
        kind, books = monopoly_books(client)
        result = MonopolyResult(before=list(books.held.values()), terms=known_terms(books), warnings=books.warnings)
        with result.completed():
            _release(kind, books, uuids, result, check)
    result.after = [one for one in books.held.values() if one.uuid not in result.released]
    return result


def _release(
    kind: MonopolyKind, books: Books[Monopoly], uuids: Collection[str] | None, result: MonopolyResult, check: bool
) -> None:
    """Release the resources that the vendor may already release, and raise QgError if there are others."""
    now = vendor_time(kind.client, books)
    selected = [one for one in books.held.values() if uuids is None or one.uuid in uuids]
    releasable = []
    for one in selected:
        when = releasable_from(one)
        # The list shows whole seconds, so the application may be up to one second later.
        if when is None or when + datetime.timedelta(seconds=1) <= now:
            releasable.append(one.uuid)
        else:
            reason = "The vendor does not release a resource within 12 hours of its application."
            result.refused.append(Refused(one.uuid, reason, when))
    if check:
        result.released = releasable
    elif releasable:
        try:
            release(books, releasable, size=BATCH_SIZE)
        except UncertainOutcomeError:
            raise
        except QgError as error:
            result.refused += [Refused(uuid, error.message) for uuid in releasable if uuid in books.held]
        finally:
            result.released = [uuid for uuid in releasable if uuid in books.released]
    if result.refused:
        texts = [
            f"{one.uuid} (possible from {one.possible_from.isoformat()} on)" if one.possible_from else one.uuid
            for one in result.refused
        ]
        raise QgError(
            f"{len(texts)} of {len(selected)} resources cannot be released: {sample(texts)}. {_reasons(result)}",
            endpoint=calls.MONOPOLIES_RELEASE.name,
        )


def redial(
    client: Monopolies, uuids: Collection[str] | None, *, wait: bool = True, check: bool = False
) -> MonopolyResult:
    """Redial these resources, or all, except those that are being redialed or queued already."""
    with contextlib.nullcontext() if check else client.caller.key_lock():
        _kind, books = monopoly_books(client)
        dialing = _Redialing(client, books, uuids)
        result = dialing.result
        with result.completed():
            dialing.redial(check)
    if result.error is None and not check:
        with result.completed():
            dialing.wait_online(wait)
    dialing.complete()
    return result


class _Redialing:
    """A run that redials resources. That costs nothing, and may be repeated."""

    def __init__(self, client: Monopolies, books: Books[Monopoly], uuids: Collection[str] | None) -> None:
        if unknown := [uuid for uuid in uuids or () if uuid not in books.held]:
            raise QgError(
                f"uuids contains resources that this key does not hold: {sample(unknown)}. Nothing was redialed. "
                f'Remove them, or check with "{CHECK_COMMAND}".'
            )
        before = [one for one in books.held.values() if uuids is None or one.uuid in uuids]
        self.result = MonopolyResult(before=before, terms=known_terms(books))
        self.result.pending = [one for one in self.result.before if one.state in TRANSITIONAL_STATES]
        self._client = client
        self._books = books
        #: The resources as they were before, and the names of those that a list has shown to be redialed.
        self._selected = {one.uuid: one for one in self.result.before if one.state not in TRANSITIONAL_STATES}
        self._shown = set[str]()

    def redial(self, check: bool) -> None:
        """Redial the selected resources as soon as the vendor allows it for all of them."""
        if check:
            self._note(self._selected)
            return
        now = vendor_time(self._client, self._books)
        dialled = [one.dialled for one in self._selected.values() if one.dialled]
        delay = max((MIN_REDIAL_INTERVAL - (now - moment).total_seconds() for moment in dialled), default=0.0)
        if delay > 0:
            reason = "the vendor requires 10 seconds between two dials"
            self._client.caller.budget.wait(delay, reason, REDIAL)
        uuids = list(self._selected)
        for first in range(0, len(uuids), BATCH_SIZE):
            self._redial_batch(uuids[first : first + BATCH_SIZE])

    def _redial_batch(self, batch: Collection[str]) -> None:
        left, attempts = list(batch), 0
        while left:
            try:
                self._client.redial_monopolies(left)
                self._note(left)
                return
            except CallError as error:
                attempts += 1
                if error.may_have_effect:
                    self._await_redial(left, error)
                done = [uuid for uuid in left if uuid in self._shown]
                self._note(done)
                left = [uuid for uuid in left if uuid not in done]
                may_repeat = error.may_have_effect and error.retryable and attempts < ATTEMPTS
                if left and not may_repeat:
                    self.result.refused += [Refused(uuid, error.message) for uuid in left]
                    return

    def _await_redial(self, uuids: Collection[str], error: CallError) -> None:
        """After a lost response, read the list until it shows that these were redialed, twice at most."""
        try:
            for look in range(2):
                if look:
                    self._books.wait(POLL, f"{self._books.kind.listing} may lag", self._books.kind.list_call)
                self._books.look()
                if self._shown_redialed().issuperset(uuids):
                    return
        except QgError as second:
            raise UncertainOutcomeError(
                f"Whether the redial of {sample(uuids)} took effect is unknown: {error.message} {second.message} "
                "Run the task again.",
                endpoint=REDIAL,
            ) from None

    def _note(self, uuids: Iterable[str]) -> None:
        """Add resources to the result whose redial the vendor accepted, or the list shows."""
        self.result.redialed += [Redial(uuid, self._selected[uuid].server) for uuid in uuids]

    def _shown_redialed(self) -> set[str]:
        held = self._books.held
        self._shown |= {
            uuid for uuid, before in self._selected.items() if uuid in held and was_redialed(before, held[uuid])
        }
        return self._shown

    def wait_online(self, wait: bool) -> None:
        """Read the list, with ``wait`` until each resource is online with its new address; then report refusals."""
        books, result = self._books, self.result
        sent = [one.uuid for one in result.redialed]
        concerned = [*sent, *(one.uuid for one in result.pending)]

        def states() -> dict[str, str]:
            """Return the state of each resource, or that its redial is not visible yet."""
            waiting = set(sent) - self._shown_redialed()
            return {
                uuid: "not redialed yet" if uuid in waiting else one.state
                for uuid, one in books.held.items()
                if uuid in concerned
            }

        if sent:
            books.look()
        if wait and concerned:
            wait_until_ready(
                books,
                lambda: [uuid for uuid, state in states().items() if state != "online"],
                lambda: summary(states().values(), len(concerned)),
                "Check them again later, raise max_wait, or set wait to false.",
            )
        if gone := [uuid for uuid in concerned if uuid not in books.held]:
            raise QgError(f"The list no longer contains: {sample(gone)}.")
        if result.refused:
            raise QgError(
                f"{len(result.refused)} of {len(result.before)} resources could not be redialed: "
                f"{sample([one.uuid for one in result.refused])}. {_reasons(result)}",
                endpoint=REDIAL,
            )

    def complete(self) -> None:
        """Complete the result. An address counts as new only if the list shows the redial."""
        result, held = self.result, self._books.held
        now = {uuid: held[uuid].server for uuid in self._shown_redialed() if uuid in held}
        result.redialed = [Redial(one.uuid, one.before, now.get(one.uuid)) for one in result.redialed]
        selected = {one.uuid for one in result.before}
        result.after = [one for one in held.values() if one.uuid in selected]


def was_redialed(before: Monopoly, after: Monopoly) -> bool:
    """Whether a resource was redialed, or its redial began, between two lists."""
    if after.state in TRANSITIONAL_STATES or (before.state, after.state) == ("offline", "online"):
        return True
    dialled_again = after.dialled is not None and after.dialled != before.dialled
    return dialled_again or (after.server is not None and after.server != before.server)


def releasable_from(monopoly: Monopoly) -> datetime.datetime | None:
    """Return the time from which the vendor releases a resource; None if the list does not show its application."""
    return None if monopoly.since is None else monopoly.since + MIN_HOLD_TIME


def vendor_time(client: Monopolies, books: Books[Monopoly]) -> datetime.datetime:
    """Return the time of the vendor's clock, or the latest time in the list if that is later."""
    stamps = [
        stamp
        for one in books.held.values()
        for stamp in (one.since, one.dialled, parse_vendor_time(one.vendor.get("heartbeat")))
        if stamp
    ]
    now = datetime.datetime.fromtimestamp(client.caller.vendor_clock.now(), BEIJING)
    return max([now, *stamps])


def wait_until_ready(
    books: Books[Monopoly], unready: Callable[[], Collection[str]], progress: Callable[[], str], advice: str
) -> None:
    """Read the list until no resource is ``unready``, or until max_wait is used up."""
    interval = FIRST_INTERVAL
    while left := unready():
        try:
            books.wait(interval, "resources are not online yet", books.kind.list_call, progress)
            books.look()
        except WaitBudgetExceeded:
            raise QgError(
                f"{progress()}, and max_wait ({books.budget.max_wait:g} seconds) is used up; not ready: "
                f"{sample(left)}. {advice}",
                endpoint=books.kind.list_call,
            ) from None
        interval = min(interval * INTERVAL_GROWTH, MAX_INTERVAL)


def summary(states: Iterable[str], total: int) -> str:
    """Describe the progress: ``3 of 5 online, 1 redialling, 1 queued``."""
    numbers = Counter(states)
    online = numbers.pop("online", 0)
    others = [f", {number} {state or 'in no known state'}" for state, number in numbers.most_common()]
    return f"{online} of {total} online" + "".join(others)


def sample(uuids: Collection[str]) -> str:
    """Return resources as a list for a message."""
    return format_sample(uuids, 20)


def _reasons(result: MonopolyResult) -> str:
    """Return the distinct reasons of refusals as one text."""
    return " ".join(dict.fromkeys(one.reason for one in result.refused))
