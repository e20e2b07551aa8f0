# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many leases a pool should hold, by what its exits do and what it bought before.

Leases that end are replaced without a bound, while an exit works or nothing is known against any.
What is bought beyond that has one bound: at most as many purchases within the lifetime of a lease
as the count of the pool says. While some exits are down, others are not checked yet, and none
works, nothing is bought at all. While all are down, the pool is paused: it buys nothing but a
probe, one at a time and at growing intervals, and goes on by itself as soon as an exit works. An
exit that a client reports beyond the bound is replaced by the one that was reported first. Times
are state time and durations are in seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any

from .._core.text import counted, format_sample

#: How long a pool that is paused waits for its first and, after doublings, for later probes: at
#: most as long as a lease lasts, which may be less than the outage.
FIRST_DELAY = 60.0
LONGEST_DELAY = 3600.0
#: An exit is replaced when it has been down for this part of the lifetime of a lease,
PATIENCE = 1 / 120
#: but for at least and at most so many seconds.
MIN_PATIENCE = 5.0
MAX_PATIENCE = 300.0


class Cause(Enum):
    """Why an exit lets nobody through, or should not."""

    #: It answers 407: the whitelist of the key lacks the host, or the credentials are wrong.
    REJECTED = "rejected"
    #: It refuses the connection.
    REFUSED = "refused"
    #: It accepts the connection and answers nothing in time.
    SILENT = "silent"
    #: It gives another response, or resets the connection.
    FAILING = "failing"
    #: A client says that a site has banned it.
    REPORTED = "reported"


@dataclass(frozen=True)
class Exit:
    """What all hosts together know of the exit at a server (host:port) whose lease lives.

    ``works`` is None as long as no check has reached it. It is down for the seconds since it was
    last seen to work, or since it was first checked. If its lease ends soon, it does not count as
    held any more, and its successor is bought anyway. A report of it came after ``reports_since``.
    """

    server: str
    works: bool | None
    cause: Cause | None = None
    down_for: float = 0.0
    ends_soon: bool = False
    reports_since: int = 0

    def without_old_report(self, since: Mapping[str, int]) -> Exit:
        """Return what is known of the exit if reports before these times, by servers, are
        forgotten.
        """
        if _is_reported(self) and self.reports_since < since.get(self.server, 0):
            return Exit(self.server, works=None, ends_soon=self.ends_soon)
        return self


@dataclass(frozen=True)
class Pause:
    """Why a pool is paused, since when, and its probes."""

    cause: Cause
    since: float
    probes: int
    next_probe_at: float
    last_probe_at: float | None


@dataclass(frozen=True)
class BadExit:
    """Why an exit serves nobody for the lifetime of a lease, and since when.

    That holds for its address, unless the pool itself leases this address again.
    """

    cause: Cause
    since: float


@dataclass(frozen=True)
class PoolState:
    """What the store remembers of a pool between runs.

    ``counted_at`` has the time of each purchase that the bound counts, the last one at the end. It
    is added before the payment, and ``owed`` says how many of the last ones have not been bought
    yet, for example since QG.net had no lease to sell. ``reports_since`` has the time at which the
    reports of a server were forgotten, in whole seconds: hosts tell by it which ones are newer.
    """

    counted_at: tuple[float, ...] = ()
    bad: Mapping[str, BadExit] = field(default_factory=dict)
    pause: Pause | None = None
    owed: int = 0
    reports_since: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the state as values of JSON."""
        bad = {server: as_plain(entry) for server, entry in self.bad.items()}
        pause = as_plain(self.pause) if self.pause else None
        return {
            "counted_at": list(self.counted_at),
            "bad": bad,
            "pause": pause,
            "owed": self.owed,
            "reports_since": dict(self.reports_since),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PoolState:
        """Return the state with the values of :meth:`as_json`; an empty mapping is a new pool."""
        bad = {server: BadExit(**as_typed(entry)) for server, entry in data.get("bad", {}).items()}
        pause = Pause(**as_typed(data["pause"])) if data.get("pause") else None
        return cls(
            tuple(data.get("counted_at", ())),
            bad,
            pause,
            data.get("owed", 0),
            data.get("reports_since", {}),
        )

    def as_of(self, now: float, lifetime: float) -> PoolState:
        """Return what still matters: a lease that lived a lifetime ago has ended.

        If state time has been set back, what was in the future is taken to have happened now.
        """
        counted_at = [min(time, now) for time in self.counted_at if now - time < lifetime]
        bad = {}
        for server, entry in self.bad.items():
            if now - entry.since < lifetime:
                bad[server] = replace(entry, since=min(entry.since, now))
        pause = self.pause
        if pause:
            latest = now + _longest_delay(lifetime)
            pause = replace(pause, next_probe_at=min(pause.next_probe_at, latest))
        since = {
            server: time for server, time in self.reports_since.items() if now - time < lifetime
        }
        return PoolState(tuple(counted_at), bad, pause, self.owed, since)

    def with_bad(self, servers: Collection[str]) -> PoolState:
        """Return the state in which no exits are bad but these servers."""
        bad = {server: entry for server, entry in self.bad.items() if server in servers}
        return replace(self, bad=bad)

    def forgetting(self, servers: Iterable[str], now: float) -> PoolState:
        """Return the state in which the reports of these servers are forgotten."""
        bad = dict(self.bad)
        since = dict(self.reports_since)
        for server in servers:
            if server in bad and bad[server].cause is Cause.REPORTED:
                del bad[server]
            since[server] = max(int(now), since.get(server, 0) + 1)
        return replace(self, bad=bad, reports_since=since)

    def with_purchases(self, number: int, failed: Sequence[Exit], now: float) -> PoolState:
        """Return the state that has to be stored before so many purchases replace failed exits.

        What has been owed is bought now, too.
        """
        bad = dict(self.bad)
        for failed_exit in failed:
            bad[failed_exit.server] = BadExit(_cause_of([failed_exit]), now)
        bought_before = self.counted_at[: max(0, len(self.counted_at) - self.owed)]
        counted_at = bought_before + (now,) * (self.owed + number)
        return replace(self, counted_at=counted_at, bad=bad, owed=0)


@dataclass(frozen=True)
class Problem:
    """Why a run has to fail: the pool is paused.

    ``live`` has the exits that could serve if they worked, ``unchecked`` those of them of which
    nothing is known yet. If the exits that are down do different things, ``is_mixed`` says so, and
    the cause of the pause is not that of all. ``next_probe_at`` respects the bound, too; it is None
    as long as an exit lives that answers 407.
    """

    pause: Pause
    live: tuple[str, ...]
    unchecked: tuple[str, ...]
    is_mixed: bool
    next_probe_at: float | None


@dataclass(frozen=True)
class Decision:
    """What a run does for a pool.

    - ``count``: ensure that so many leases are held that are not in ``exclude``, or buy nothing if
      it is None.
    - ``exclude``: servers that do not count as held. They are released where the product can.
    - ``state``: what is to be stored before anything is paid for.
    - ``problem``: why the run has to fail, although it may buy a probe.
    - ``warnings``: sentences about exits that are down and stay, without the name of the pool.
    - ``bounded``: how many of the purchases the bound counts.
    """

    count: int | None
    exclude: frozenset[str]
    state: PoolState
    problem: Problem | None = None
    warnings: tuple[str, ...] = ()
    bounded: int = 0


@dataclass(frozen=True)
class _Pool:
    """What a decision is about: how many exits a pool should have, the lifetime of its leases, and
    the time of this run.
    """

    count: int
    lifetime: float
    now: float

    def allowed_at(self, state: PoolState) -> float:
        """Return when the bound allows one more purchase."""
        if state.owed or len(state.counted_at) < self.count:
            return self.now
        return state.counted_at[-self.count] + self.lifetime


def decide(
    state: PoolState,
    exits: Sequence[Exit],
    *,
    count: int,
    lifetime: float,
    now: float,
) -> Decision:
    """Return how many leases a pool of ``count`` exits should hold, and which exits go."""
    pool = _Pool(count, lifetime, now)
    state = state.as_of(now, lifetime)
    live = []
    spare = []
    for exit_ in exits:
        if exit_.server not in state.bad:
            live.append(exit_.without_old_report(state.reports_since))
        elif state.bad[exit_.server].cause is Cause.REPORTED and not exit_.ends_soon:
            spare.append(exit_)
    spare.sort(key=lambda each: state.bad[each.server].since)
    # If no place in the pool is free, what was owed has been bought.
    state = replace(state, owed=min(state.owed, max(0, count - len(_lasting(live)))))
    # Reports do not mean that exits fail, and they do not end a pause.
    is_reported = state.pause is None and all(_is_reported(exit_) for exit_ in live)
    if is_reported or any(exit_.works for exit_ in live):
        return _replace_failed(replace(state, pause=None), live, spare, pool)
    if state.pause:
        return _keep_paused(state, state.pause, live, pool)
    down = _down(live)
    if not down:
        return _top_up(state, [], pool)
    if len(down) < len(live):
        warning = (
            "Nothing is bought before all exits are checked, since none is known to work and "
            f"{counted(len(down), 'exit', 'are')} down: {_names(down)}."
        )
        return Decision(None, frozenset(state.bad), state, warnings=(warning,))
    return _keep_paused(state, _new_pause(state, _cause_of(down), pool), live, pool)


def after_purchase(state: PoolState, decision: Decision, bought: int, now: float) -> PoolState:
    """Return what is to be stored after a run has bought so many leases.

    ``state`` is what :func:`decide` got. A probe that was not bought stays due.
    """
    if decision.count is None:
        return decision.state
    pause = decision.state.pause
    if pause and not bought:
        last_probe_at = state.pause.last_probe_at if state.pause else None
        pause = Pause(pause.cause, pause.since, pause.probes - 1, now, last_probe_at)
    return replace(decision.state, pause=pause, owed=max(0, decision.bounded - bought))


def _top_up(state: PoolState, failed: Sequence[Exit], pool: _Pool) -> Decision:
    """Replace these failed exits and all leases that have ended."""
    bounded = state.owed + len(failed)
    state = state.with_purchases(len(failed), failed, pool.now)
    return Decision(pool.count, frozenset(state.bad), state, bounded=bounded)


def _replace_failed(
    state: PoolState, live: Sequence[Exit], spare: Sequence[Exit], pool: _Pool
) -> Decision:
    """Replace reported exits, and those that have been down for long enough while others work, the
    longest first.

    ``spare`` exits were reported before, the first one first.
    """
    patience = min(max(pool.lifetime * PATIENCE, MIN_PATIENCE), MAX_PATIENCE)
    lasting = _lasting(live)
    down = _down(lasting)
    failed = [exit_ for exit_ in down if exit_.down_for >= patience or _is_reported(exit_)]
    # Exits beyond the count need no replacement.
    failed = failed[: max(0, pool.count - (len(lasting) - len(down)))]
    allowed = max(0, pool.count - len(state.counted_at))
    decision = _top_up(state, failed[:allowed], pool)
    reported = [exit_ for exit_ in failed[allowed:] if _is_reported(exit_)]
    staying = [exit_ for exit_ in failed[allowed:] if not _is_reported(exit_)]
    reason = (
        f"since the pool bought {counted(len(decision.state.counted_at), 'lease')} for failed "
        f"exits within the {pool.lifetime:g} seconds that a lease lasts"
    )
    warnings = []
    if staying:
        exits = counted(len(staying), "exit", "are")
        warnings.append(f"{exits} down and not replaced, {reason}: {_names(staying)}.")
    if reported:
        decision = _serve_again(decision, reported, spare, pool)
        exits = counted(len(reported), "exit", "were")
        warnings.append(
            f"{exits} reported as banned, and those that were reported first serve again, "
            f"{reason}. Check which of your programs report exits, and why: {_names(reported)}."
        )
    return replace(decision, warnings=tuple(warnings))


def _serve_again(
    decision: Decision, reported: Sequence[Exit], spare: Sequence[Exit], pool: _Pool
) -> Decision:
    """Let as many exits serve again as were reported beyond the bound: spare ones, and then those
    themselves.
    """
    bad = dict(decision.state.bad)
    for exit_ in reported:
        bad[exit_.server] = BadExit(Cause.REPORTED, pool.now)
    again = [exit_.server for exit_ in (*spare, *reported)][: len(reported)]
    state = replace(decision.state, bad=bad).forgetting(again, pool.now)
    return replace(decision, exclude=frozenset(state.bad), state=state)


def _keep_paused(state: PoolState, pause: Pause, live: Sequence[Exit], pool: _Pool) -> Decision:
    """Buy nothing but a probe, if it is time for one and a probe can tell something new."""
    down = _down(live)
    unchecked = tuple(exit_.server for exit_ in live if exit_.works is None)
    if down:
        pause = replace(pause, cause=_cause_of(down))
    is_rejected = any(exit_.cause is Cause.REJECTED for exit_ in down)
    decision = Decision(None, frozenset(state.bad), replace(state, pause=pause))
    next_probe_at = max(pause.next_probe_at, pool.allowed_at(state))
    if next_probe_at <= pool.now and not is_rejected and not unchecked:
        pause = _after_probe(pause, state, pool)
        decision = _probe(replace(state, pause=pause), _lasting(down), pool)
        next_probe_at = max(pause.next_probe_at, pool.allowed_at(decision.state))
    servers = tuple(exit_.server for exit_ in live)
    is_mixed = len({exit_.cause for exit_ in down}) > 1
    until = None if is_rejected else next_probe_at
    return replace(decision, problem=Problem(pause, servers, unchecked, is_mixed, until))


def _probe(state: PoolState, down: Sequence[Exit], pool: _Pool) -> Decision:
    """Buy one lease; the exit that has been down for longest makes room in a full pool."""
    failed = down[: 1 if len(down) >= pool.count else 0]
    # A probe that is owed has been counted before.
    state = state.with_purchases(0 if state.owed else 1, failed, pool.now)
    count = len(down) - len(failed) + 1
    return Decision(count, frozenset(state.bad), state, bounded=1)


def _after_probe(pause: Pause, state: PoolState, pool: _Pool) -> Pause:
    """Return the pause with one more probe.

    The last purchase that the bound allows is kept for the end of a longer outage.
    """
    delay = _delay(pause.cause, pause.probes + 1, pool.lifetime)
    bought = len(state.counted_at) + (0 if state.owed else 1)
    if bought == pool.count - 1:
        delay = _longest_delay(pool.lifetime)
    return Pause(pause.cause, pause.since, pause.probes + 1, pool.now + delay, pool.now)


def _new_pause(state: PoolState, cause: Cause, pool: _Pool) -> Pause:
    """Return the pause of a pool whose exits are all down.

    A probe is of no use while an exit answers 407. Otherwise the first one is bought at once,
    unless an exit has just been replaced: that was as good as a probe.
    """
    if cause is Cause.REJECTED:
        next_probe_at = pool.now + _delay(cause, 0, pool.lifetime)
    else:
        next_probe_at = max([pool.now, *(time + FIRST_DELAY for time in state.counted_at)])
    return Pause(cause, pool.now, 0, next_probe_at, None)


def _longest_delay(lifetime: float) -> float:
    """Return how long a pool waits between two probes at most."""
    return min(max(lifetime, FIRST_DELAY), LONGEST_DELAY)


def _delay(cause: Cause, probes: int, lifetime: float) -> float:
    """Return how long to wait after so many probes: a minute after none and after one, since the
    first is bought at once, and then twice as long each time.

    With 407, none is bought at once, so the time doubles from the first probe on.
    """
    doublings = probes if cause is Cause.REJECTED else max(0, probes - 1)
    return min(FIRST_DELAY * 2.0 ** min(doublings, 10), _longest_delay(lifetime))


def as_plain(entry: Exit | Pause | BadExit) -> dict[str, Any]:
    """Return the fields as values of JSON."""
    return {**asdict(entry), "cause": entry.cause and entry.cause.value}


def as_typed(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of which :func:`as_plain` has made values of JSON."""
    return {**entry, "cause": entry["cause"] and Cause(entry["cause"])}


def _is_reported(exit_: Exit) -> bool:
    return exit_.cause is Cause.REPORTED


def _lasting(live: Sequence[Exit]) -> list[Exit]:
    return [exit_ for exit_ in live if not exit_.ends_soon]


def _down(live: Sequence[Exit]) -> list[Exit]:
    """Return the exits that let nobody through, the longest down first."""
    down = [exit_ for exit_ in live if exit_.works is False]
    return sorted(down, key=lambda exit_: exit_.down_for, reverse=True)


def _cause_of(down: Sequence[Exit]) -> Cause:
    """Return why exits are down: 407 if one answers so, and otherwise what most of them do."""
    causes = [exit_.cause or Cause.FAILING for exit_ in down]
    if Cause.REJECTED in causes:
        return Cause.REJECTED
    return max(causes, key=causes.count)


def _names(exits: Sequence[Exit]) -> str:
    """Return the servers of exits with what they do."""
    return format_sample([f"{exit_.server} ({_cause_of([exit_]).value})" for exit_ in exits])
