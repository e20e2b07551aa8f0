# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hold, release and redial reserved lines."""

from __future__ import annotations

import contextlib
import datetime
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from .._api import calls
from .._api.monopolies import Monopolies, Monopoly
from .._core.errors import CallError, QgError, UncertainOutcomeError, WaitBudgetExceeded
from .._core.runtime import module_command
from .._core.text import format_sample
from .._paid.ensure import Ensuring
from .._paid.holdings import Holdings
from .._paid.matching import Desired
from .._paid.reconciling import (
    POLL,
    locked_holdings,
    look,
    look_without_lock,
    make_certain,
    settle,
)
from .._paid.release import release
from .._paid.result import Result
from .._paid.uncertainty import explaining
from .api import BATCH_SIZE, MonopolyApi

#: The time after its application within which QG.net does not release a reserved line.
MIN_HOLD_TIME = datetime.timedelta(hours=12)
#: Seconds between two dials of a reserved line: QG.net's ten, and one because the list shows
#: whole seconds.
MIN_REDIAL_INTERVAL = 11.0
#: Seconds between reads of the list while reserved lines come online: the first, the growth, and
#: the maximum.
FIRST_INTERVAL = 1.0
INTERVAL_GROWTH = 1.5
MAX_INTERVAL = 5.0
#: States in which a reserved line gets a new address without a call.
TRANSITIONAL_STATES = ("queued", "redialing")
REDIAL = calls.MONOPOLIES_REDIAL.name


@dataclass(frozen=True)
class Refused:
    """A reserved line that QG.net does not release or redial, why, and until when, if known."""

    uuid: str
    reason: str
    possible_from: datetime.datetime | None = None


@dataclass
class MonopolyResult(Result[Monopoly]):
    """The result of a run. ``missing`` is the number of reserved lines to apply for.

    ``redialed`` are names; ``pending`` reserved lines were not redialed because they are about to
    get a new address.
    """

    redialed: list[str] = field(default_factory=list)
    pending: list[Monopoly] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    undetermined: Collection[str] = ()

    @property
    def changed(self) -> bool:
        """Whether the run changed anything."""
        return bool(
            self.holdings.effects.is_accepted or self.allocated or self.released or self.redialed
        )

    def note_redialed(self) -> None:
        """Note what the list shows to be redialed, although its call has failed."""
        done = redialed_since(self.before, self.holdings.held.values())
        self.redialed += [refused.uuid for refused in self.refused if refused.uuid in done]
        self.refused = [refused for refused in self.refused if refused.uuid not in done]


def hold(
    client: Monopolies,
    desired: Desired,
    *,
    wait: bool,
    check: bool,
    cap: int | None,
    ignore_quota: bool,
) -> MonopolyResult:
    """Apply for missing reserved lines, and wait until they are online.

    Surplus reserved lines stay. An error before the first list is raised; a later one is part of
    the result.
    """
    with locked_holdings(
        MonopolyApi(client), cap=cap, ignore_quota=ignore_quota, await_releases=not check
    ) as holdings:
        run = Ensuring(holdings, desired)
        result = MonopolyResult(holdings)
        with result.completed():
            run.prepare(check=check)
            if not check:
                run.buy()
        result.missing = run.first.needed
        result.undetermined = run.first.unclear
    if wait and not check and not result.error:
        with result.completed():
            advice = (
                "They are held and paid for: run the task again to wait longer, or raise max_wait."
            )
            _wait_online(result, _coming(run, result.allocated), advice)
    # A failure must not hide what was paid for.
    with contextlib.suppress(QgError):
        result.before = [holdings.held[uuid] for uuid in run.first.keep if uuid in holdings.held]
        result.after = run.matching()
        run.warn()
    return result


def _coming(run: Ensuring[Monopoly], applied: Collection[Monopoly]) -> list[str]:
    """Return the new ones, and if too few are online, the others that are coming online."""
    matching = run.matching()
    coming = [*applied]
    online = [monopoly for monopoly in matching if monopoly.state == "online"]
    if len(online) < run.desired.count:
        coming += [monopoly for monopoly in matching if monopoly.state in TRANSITIONAL_STATES]
    return [*dict.fromkeys(uuids_of(coming))]


def release_held(
    client: Monopolies, uuids: Collection[str] | None, *, check: bool
) -> MonopolyResult:
    """Release these reserved lines, or all; one that is not held counts as released."""
    with locked_holdings(MonopolyApi(client)) as holdings:
        if not check:
            _find(holdings, uuids)
        result = MonopolyResult(holdings)
        selected = _selected(holdings, uuids)
        # The list shows whole seconds, so the application may be up to one second later.
        latest = client.caller.vendor_clock.now() - 1
        old = []
        for monopoly in selected:
            when = releasable_from(monopoly)
            if when is None or when.timestamp() <= latest:
                old.append(monopoly)
            else:
                reason = (
                    "QG.net does not release a reserved line within 12 hours of its application."
                )
                result.refused.append(Refused(monopoly.uuid, reason, when))
        with result.completed():
            if not check:
                _release(result, uuids_of(old))
            _check_refused(
                result,
                f"{len(selected)} reserved lines cannot be released",
                calls.MONOPOLIES_RELEASE.name,
            )
        if check:
            result.released = old
        result.after = [monopoly for monopoly in result.after if monopoly not in result.released]
    return result


def _find(holdings: Holdings[Monopoly], uuids: Collection[str] | None) -> None:
    """Make certain which of these are held; of all, what calls without a result have done, too."""
    if uuids is None:
        settle(holdings)
        make_certain(holdings, lambda _monopoly: True, lambda _monopolies: False)
    else:
        make_certain(
            holdings,
            lambda monopoly: monopoly.uuid in uuids,
            lambda monopolies: set(uuids) <= set(uuids_of(monopolies)),
        )


def _selected(holdings: Holdings[Monopoly], uuids: Collection[str] | None) -> list[Monopoly]:
    return [
        monopoly for uuid, monopoly in holdings.certain.items() if uuids is None or uuid in uuids
    ]


def uuids_of(monopolies: Iterable[Monopoly | Refused]) -> list[str]:
    """Return the names of reserved lines."""
    return [monopoly.uuid for monopoly in monopolies]


def _release(result: MonopolyResult, uuids: list[str]) -> None:
    holdings = result.holdings
    try:
        release(holdings, uuids)
    except UncertainOutcomeError:
        raise
    except QgError as error:
        result.refused += [Refused(uuid, error.message) for uuid in uuids if uuid in holdings.held]


def redial(
    client: Monopolies, uuids: Collection[str] | None, *, wait: bool, check: bool
) -> MonopolyResult:
    """Redial these reserved lines, or all, except those that are being redialed or queued already.

    A redial costs nothing, and may be repeated.
    """
    with locked_holdings(MonopolyApi(client)) as holdings:
        if not check:
            _find(holdings, uuids)
        if unknown := [uuid for uuid in uuids or () if uuid not in holdings.held]:
            command = module_command("qg_monopoly_info")
            raise QgError(
                f"uuids contains reserved lines that this key does not hold: {sample(unknown)}. "
                f"Nothing was redialed. Remove them, or check with `{command}`."
            )
        result = MonopolyResult(holdings)
        result.before = _selected(holdings, uuids)
        names = []
        for monopoly in result.before:
            if monopoly.state in TRANSITIONAL_STATES:
                result.pending.append(monopoly)
            else:
                names.append(monopoly.uuid)
        with result.completed():
            if check:
                result.redialed = names
            else:
                _await_interval(client, result.before)
                for first in range(0, len(names), BATCH_SIZE):
                    _redial_batch(client, result, names[first : first + BATCH_SIZE])
                result.note_redialed()
    if not check and not result.error:
        with result.completed():
            if result.redialed:
                look_without_lock(holdings)
            if wait:
                try:
                    _wait_online(
                        result,
                        result.redialed + uuids_of(result.pending),
                        "Check them again later, or raise max_wait.",
                    )
                finally:
                    # Meanwhile, a redial without a response may have been carried out.
                    result.note_redialed()
            _check_refused(
                result, f"{len(result.before)} reserved lines cannot be redialed now", REDIAL
            )
    selected = uuids_of(result.before)
    result.after = [monopoly for monopoly in result.after if monopoly.uuid in selected]
    return result


def _await_interval(client: Monopolies, monopolies: Collection[Monopoly]) -> None:
    """Wait until QG.net allows to redial all of these."""
    last = 0.0
    for monopoly in monopolies:
        if monopoly.dialed and monopoly.state not in TRANSITIONAL_STATES:
            last = max(last, monopoly.dialed.timestamp())
    delay = last + MIN_REDIAL_INTERVAL - client.caller.vendor_clock.now()
    if delay > 0:
        client.caller.budget.wait(delay, "QG.net requires 10 seconds between two dials", REDIAL)


def _redial_batch(client: Monopolies, result: MonopolyResult, batch: Sequence[str]) -> None:
    holdings = result.holdings
    try:
        client.redial_monopolies(batch)
        result.redialed += batch
    except CallError as error:
        if error.may_have_effect:
            with explaining(holdings.api, REDIAL, error):
                holdings.wait(POLL, f"{holdings.api.listing} may lag", holdings.api.list_call)
                look(holdings)
        result.refused += [Refused(uuid, error.message) for uuid in batch]


def redialed_since(before: Iterable[Monopoly], after: Iterable[Monopoly]) -> set[str]:
    """Return the names of reserved lines whose redial began, or was over, between two lists."""
    later = {monopoly.uuid: monopoly for monopoly in after}
    redialed = set()
    for monopoly in before:
        if monopoly.uuid in later and was_redialed(monopoly, later[monopoly.uuid]):
            redialed.add(monopoly.uuid)
    return redialed


def was_redialed(before: Monopoly, after: Monopoly) -> bool:
    """Whether a reserved line was redialed, or its redial began, between two lists."""
    if after.state in TRANSITIONAL_STATES or (before.state, after.state) == ("offline", "online"):
        return True
    dialed_again = after.dialed is not None and after.dialed != before.dialed
    return dialed_again or (after.server is not None and after.server != before.server)


def releasable_from(monopoly: Monopoly) -> datetime.datetime | None:
    """Return when QG.net may release a reserved line.

    None without the time of its application.
    """
    if monopoly.since is None:
        return None
    return monopoly.since + MIN_HOLD_TIME


def _wait_online(result: MonopolyResult, uuids: Collection[str], advice: str) -> None:
    """Read the list until these are online, redialed ones anew, or until max_wait is used up."""
    holdings = result.holdings

    def states() -> dict[str, str]:
        """Return the state of each reserved line, or that its redial is not visible yet."""
        late = set(result.redialed) - redialed_since(result.before, holdings.held.values())
        held = {uuid: holdings.held[uuid].state for uuid in uuids if uuid in holdings.held}
        return held | dict.fromkeys(held.keys() & late, "not redialed yet")

    def progress() -> str:
        numbers = Counter(states().values())
        parts = [f"{numbers.pop('online', 0)} of {len(uuids)} online"]
        for state, number in numbers.most_common():
            parts.append(f"{number} {state or 'in no known state'}")
        return ", ".join(parts)

    interval = FIRST_INTERVAL
    max_wait = holdings.api.caller.budget.max_wait
    while left := [uuid for uuid, state in states().items() if state != "online"]:
        try:
            holdings.wait(
                interval, "reserved lines are not online yet", holdings.api.list_call, progress
            )
            look_without_lock(holdings)
        except WaitBudgetExceeded:
            raise QgError(
                f"{progress()}, and max_wait ({max_wait:g} seconds) is used up; not ready: "
                f"{sample(left)}. {advice}",
                endpoint=holdings.api.list_call,
            ) from None
        interval = min(interval * INTERVAL_GROWTH, MAX_INTERVAL)
    if gone := sorted(set(uuids).difference(holdings.held)):
        raise QgError(f"The list no longer contains: {sample(gone)}.")


def sample(uuids: Collection[str]) -> str:
    """Return reserved lines as a list for a message."""
    return format_sample(uuids, 20)


def _check_refused(result: MonopolyResult, problem: str, endpoint: str) -> None:
    """Raise QgError with the distinct reasons if QG.net refused to change reserved lines."""
    if result.refused:
        texts = []
        for refused in result.refused:
            text = refused.uuid
            if refused.possible_from:
                text += f" (possible from {refused.possible_from.isoformat()} on)"
            texts.append(text)
        reasons = " ".join(dict.fromkeys(refused.reason for refused in result.refused))
        raise QgError(f"{len(texts)} of {problem}: {sample(texts)}. {reasons}", endpoint=endpoint)
