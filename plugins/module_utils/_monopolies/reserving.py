# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hold, release and redial resources of exclusive occupancy."""

from __future__ import annotations

import contextlib
import datetime
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from .._api import calls
from .._api.monopolies import Monopolies, Monopoly
from .._core.errors import CallError, QgError, UncertainOutcomeError, WaitBudgetExceeded
from .._core.text import format_sample
from .._paid.books import POLL, Books, locked_books
from .._paid.ensure import Ensuring
from .._paid.matching import Desired
from .._paid.release import release
from .._paid.result import Result
from .api import BATCH_SIZE, CHECK_COMMAND, MonopolyApi

#: The time after its application within which the vendor does not release a resource.
MIN_HOLD_TIME = datetime.timedelta(hours=12)
#: Seconds between two dials of a resource: the vendor's ten, and one because the list shows whole
#: seconds.
MIN_REDIAL_INTERVAL = 11.0
#: Seconds between reads of the list while resources come online: the first, the growth, and the
#: maximum.
FIRST_INTERVAL = 1.0
INTERVAL_GROWTH = 1.5
MAX_INTERVAL = 5.0
#: States in which a resource gets a new address without a call.
TRANSITIONAL_STATES = ("queued", "redialing")
REDIAL = calls.MONOPOLIES_REDIAL.name


@dataclass(frozen=True)
class Refused:
    """A resource that the vendor does not release or redial, the reason, and from when on it will,
    if known.
    """

    uuid: str
    reason: str
    possible_from: datetime.datetime | None = None


@dataclass
class MonopolyResult(Result[Monopoly]):
    """The result of a run. ``missing`` is the number of resources to apply for.

    ``redialed`` are names; ``pending`` resources were not redialed because they are about to get a
    new address.
    """

    redialed: list[str] = field(default_factory=list)
    pending: list[Monopoly] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    undetermined: Collection[str] = ()

    @property
    def changed(self) -> bool:
        """Whether the run changed anything."""
        return bool(self.books.is_accepted or self.allocated or self.released or self.redialed)


def hold(
    client: Monopolies,
    desired: Desired,
    *,
    wait: bool = True,
    check: bool = False,
    cap: int | None = None,
    ignore_quota: bool = False,
) -> MonopolyResult:
    """Ensure a number of resources: apply for the missing ones, and wait until they are online.

    Surplus resources stay. An error before the first list is raised; a later one is part of the
    result.
    """
    with locked_books(
        MonopolyApi(client), cap=cap, ignore_quota=ignore_quota, releases=not check
    ) as books:
        run = Ensuring(books, desired)
        result = MonopolyResult(books)
        with result.completed():
            run.prepare(check=check)
            if not check:
                run.buy()
        result.missing = run.first.missing
        result.undetermined = run.first.unclear
    if wait and not check and not result.error:
        with result.completed():
            advice = (
                "They are held and paid for: run the task again to wait longer, or raise max_wait."
            )
            _wait_online(result, _coming(run, result.allocated), advice)
    # A failure must not hide what was paid for.
    with contextlib.suppress(QgError):
        result.before = [books.held[uuid] for uuid in run.first.keep if uuid in books.held]
        result.after = run.matching()
        run.warn()
    return result


def _coming(run: Ensuring[Monopoly], applied: Collection[Monopoly]) -> list[str]:
    """Return the new resources, and if too few are online, the others that are coming online."""
    matching = run.matching()
    coming = [*applied]
    online = [resource for resource in matching if resource.state == "online"]
    if len(online) < run.desired.count:
        coming += [resource for resource in matching if resource.state in TRANSITIONAL_STATES]
    return [*dict.fromkeys(uuids_of(coming))]


def release_held(
    client: Monopolies, uuids: Collection[str] | None, *, check: bool = False
) -> MonopolyResult:
    """Release these resources, or all. A resource that is not held counts as released."""
    with locked_books(MonopolyApi(client)) as books:
        result = MonopolyResult(books)
        selected = _selected(books, uuids)
        # The list shows whole seconds, so the application may be up to one second later.
        latest = client.caller.vendor_clock.now() - 1
        old = []
        for resource in selected:
            when = releasable_from(resource)
            if when is None or when.timestamp() <= latest:
                old.append(resource)
            else:
                reason = "QG.net does not release a resource within 12 hours of its application."
                result.refused.append(Refused(resource.uuid, reason, when))
        with result.completed():
            _release(result, [] if check else uuids_of(old), len(selected))
        if check:
            result.released = old
        result.after = [resource for resource in result.after if resource not in result.released]
    return result


def _selected(books: Books[Monopoly], uuids: Collection[str] | None) -> list[Monopoly]:
    return [resource for uuid, resource in books.held.items() if uuids is None or uuid in uuids]


def uuids_of(resources: Iterable[Monopoly | Refused]) -> list[str]:
    """Return the names of resources."""
    return [resource.uuid for resource in resources]


def _release(result: MonopolyResult, uuids: list[str], number: int) -> None:
    books = result.books
    try:
        release(books, uuids)
    except UncertainOutcomeError:
        raise
    except QgError as error:
        result.refused += [Refused(uuid, error.message) for uuid in uuids if uuid in books.held]
    _check_refused(result, f"{number} resources cannot be released", calls.MONOPOLIES_RELEASE.name)


def redial(
    client: Monopolies, uuids: Collection[str] | None, *, wait: bool = True, check: bool = False
) -> MonopolyResult:
    """Redial these resources, or all, except those that are being redialed or queued already.

    That costs nothing, and may be repeated.
    """
    with locked_books(MonopolyApi(client)) as books:
        if unknown := [uuid for uuid in uuids or () if uuid not in books.held]:
            raise QgError(
                f"uuids contains resources that this key does not hold: {sample(unknown)}. Nothing "
                "was redialed. "
                f'Remove them, or check with "{CHECK_COMMAND}".'
            )
        result = MonopolyResult(books)
        result.before = _selected(books, uuids)
        result.pending = [
            resource for resource in result.before if resource.state in TRANSITIONAL_STATES
        ]
        names = [resource.uuid for resource in result.before if resource not in result.pending]
        with result.completed():
            if check:
                result.redialed = names
            else:
                _await_interval(client, result.before)
                for first in range(0, len(names), BATCH_SIZE):
                    _redial_batch(client, result, names[first : first + BATCH_SIZE])
    if not check and not result.error:
        with result.completed():
            if result.redialed:
                books.look()
            if wait:
                _wait_online(
                    result,
                    result.redialed + uuids_of(result.pending),
                    "Check them again later, or raise max_wait.",
                )
            _check_refused(result, f"{len(result.before)} resources cannot be redialed now", REDIAL)
    selected = uuids_of(result.before)
    result.after = [resource for resource in result.after if resource.uuid in selected]
    return result


def _await_interval(client: Monopolies, resources: Collection[Monopoly]) -> None:
    """Wait until the vendor allows to redial all of these."""
    last = 0.0
    for resource in resources:
        if resource.dialed and resource.state not in TRANSITIONAL_STATES:
            last = max(last, resource.dialed.timestamp())
    delay = last + MIN_REDIAL_INTERVAL - client.caller.vendor_clock.now()
    if delay > 0:
        client.caller.budget.wait(delay, "the vendor requires 10 seconds between two dials", REDIAL)


def _redial_batch(client: Monopolies, result: MonopolyResult, batch: Sequence[str]) -> None:
    books = result.books
    try:
        client.redial_monopolies(batch)
        result.redialed += batch
    except CallError as error:
        if error.may_have_effect:
            with books.explaining(REDIAL, error):
                books.wait(POLL, f"{books.api.listing} may lag", books.api.list_call)
                books.look()
        done = redialed_since(result.before, books.held.values())
        result.redialed += [uuid for uuid in batch if uuid in done]
        result.refused += [Refused(uuid, error.message) for uuid in batch if uuid not in done]


def redialed_since(before: Iterable[Monopoly], after: Iterable[Monopoly]) -> set[str]:
    """Return the names of resources whose redial began, or was over, between two lists."""
    later = {resource.uuid: resource for resource in after}
    redialed = set()
    for resource in before:
        if resource.uuid in later and was_redialed(resource, later[resource.uuid]):
            redialed.add(resource.uuid)
    return redialed


def was_redialed(before: Monopoly, after: Monopoly) -> bool:
    """Whether a resource was redialed, or its redial began, between two lists."""
    if after.state in TRANSITIONAL_STATES or (before.state, after.state) == ("offline", "online"):
        return True
    dialed_again = after.dialed is not None and after.dialed != before.dialed
    return dialed_again or (after.server is not None and after.server != before.server)


def releasable_from(monopoly: Monopoly) -> datetime.datetime | None:
    """Return the time from which the vendor releases a resource.

    None if the list does not show its application.
    """
    return None if monopoly.since is None else monopoly.since + MIN_HOLD_TIME


def _wait_online(result: MonopolyResult, uuids: Collection[str], advice: str) -> None:
    """Read the list until these resources are online, redialed ones anew, or until max_wait is used
    up.
    """
    books = result.books

    def states() -> dict[str, str]:
        """Return the state of each resource, or that its redial is not visible yet."""
        late = set(result.redialed) - redialed_since(result.before, books.held.values())
        held = {uuid: books.held[uuid].state for uuid in uuids if uuid in books.held}
        return held | dict.fromkeys(held.keys() & late, "not redialed yet")

    def progress() -> str:
        numbers = Counter(states().values())
        online = numbers.pop("online", 0)
        others = [
            f", {number} {state or 'in no known state'}" for state, number in numbers.most_common()
        ]
        return f"{online} of {len(uuids)} online" + "".join(others)

    interval = FIRST_INTERVAL
    while left := [uuid for uuid, state in states().items() if state != "online"]:
        try:
            books.wait(interval, "resources are not online yet", books.api.list_call, progress)
            books.look()
        except WaitBudgetExceeded:
            raise QgError(
                f"{progress()}, and max_wait ({books.budget.max_wait:g} seconds) is used up; not "
                f"ready: {sample(left)}. {advice}",
                endpoint=books.api.list_call,
            ) from None
        interval = min(interval * INTERVAL_GROWTH, MAX_INTERVAL)
    if gone := sorted(set(uuids).difference(books.held)):
        raise QgError(f"The list no longer contains: {sample(gone)}.")


def sample(uuids: Collection[str]) -> str:
    """Return resources as a list for a message."""
    return format_sample(uuids, 20)


def _check_refused(result: MonopolyResult, problem: str, endpoint: str) -> None:
    """Raise QgError with the distinct reasons if the vendor refused to change resources."""
    if result.refused:
        texts = []
        for refused in result.refused:
            when = refused.possible_from
            texts.append(
                f"{refused.uuid} (possible from {when.isoformat()} on)" if when else refused.uuid
            )
        reasons = " ".join(dict.fromkeys(refused.reason for refused in result.refused))
        raise QgError(f"{len(texts)} of {problem}: {sample(texts)}. {reasons}", endpoint=endpoint)
