# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change of the whitelist, made in turn with all others of the control node, and for those who wait.

This file is private to the collection. It serves the tasks of qg_whitelist and the hosts of qg_egress_whitelist alike:
whoever of them has the turn writes for both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .._api.classic.client import ProxyApi, WhitelistReading
from .._api.classic.errors import RATE_LIMITED
from .._api.transport import service_of
from .._core.addresses import numeric_order
from .._core.errors import OptionError, QgError, TransportError, WaitBudgetExceeded
from .._core.text import one_line
from .._store.directory import StateError
from .._store.state import State
from .._store.write_queue import Board, Entry, Verdict, Work
from .._task.operation import Mode, redact
from .._task.options import PROXY_API_OPTIONS, proxy_api
from .hosts import (
    HostWish,
    Memory,
    fleet_plan,
    host_memory,
    host_verdict,
)
from .plan import (
    Outcome,
    Plan,
    Wish,
    bring_about,
    company,
    joined,
    shares,
)

#: What a task cost that had nothing to call.
NOTHING = {"calls": 0, "retries": 0, "waited_seconds": 0.0}


def result_of(outcome: Outcome, cost: Mapping[str, Any], *, diff: bool) -> dict[str, Any]:
    """An outcome as a task's result; ``changed`` is true when anything changed, also where the task fails."""
    result: dict[str, Any] = {
        "changed": bool(outcome.added or outcome.removed),
        "added": outcome.added,
        "removed": outcome.removed,
        "already_present": [] if outcome.wish.state == "absent" else list(outcome.first.settled),
        "refused": [
            {"ip": ip, "code": outcome.refused[ip].details.get("code"), "reason": outcome.refused[ip].message}
            for ip in numeric_order(outcome.refused)
        ],
        "whitelist": numeric_order(outcome.after),
        "count": len(outcome.after),
        "api": dict(cost),
    }
    if diff:
        result["diff"] = {
            "before_header": "whitelist",
            "before": _lines(outcome.before),
            "after_header": "whitelist",
            "after": _lines(outcome.after),
        }
    if outcome.error:
        result = {"failed": True, **result, **outcome.error.as_result()}
    return result


def fleet_result(outcome: Outcome, cost: Mapping[str, Any], *, diff: bool) -> dict[str, Any]:
    """What one host tells for all hosts of its run."""
    whole = result_of(outcome, cost, diff=diff)
    return {name: whole[name] for name in ("added", "removed", "refused", "count", "api", "diff") if name in whole}


def _lines(ips: Collection[str]) -> str:
    return "".join(f"{one_line(ip)}\n" for ip in numeric_order(ips))


def forget_missing(memory: Memory, reading: WhitelistReading | None) -> None:
    """Forget what is no longer on the whitelist, as far as a reading can show that."""
    if reading is not None and reading.complete:
        memory.forget_missing(reading.listed | reading.ips)


def board_for(params: Mapping[str, Any], state: State, *, check: bool) -> Board:
    """The board of all who name the same key and would reach the vendor in the same way."""
    key = state.digest("fleet", service_of(params["api_url"]), params["key"])
    ways = (params["pwd"] or "", str(params["validate_certs"]), params["ca_path"] or "")
    return Board(state, key, state.digest("terms", *ways), check=check)


@dataclass(frozen=True)
class _Part:
    """Entries that are decided together, one task or the hosts of a run, and what they want of the whitelist."""

    entries: list[Entry]
    wish: Wish
    remembered: Mapping[str, set[str]]

    def concerns(self, entry: Entry) -> set[str]:
        """All addresses that matter to one of the entries."""
        return {*entry.wish.ips, *self.remembered.get(entry.host, ())}

    def clashes(self, other: _Part) -> bool:
        """Whether what is remembered of the hosts of one depends on what becomes of those of the other."""
        mine, its = self.entries[0].fleet, other.entries[0].fleet
        if not (mine and its):
            return False
        # What two fleets share is removed with the second of them only.
        return self.wish.state == "absent" or (mine == its and not self.remembered.keys().isdisjoint(other.remembered))


class Turn:
    """What a task does when its turn has come, for its own entry and for others.

    ``outcome`` is its own, and ``problem`` what kept it from any; ``verdict`` is what a host gets. ``unsaved`` is set
    if the state directory failed after the vendor was called.
    """

    def __init__(
        self, board: Board, entry: Entry, params: Mapping[str, Any], mode: Mode, api: ProxyApi | None = None
    ) -> None:
        self.outcome: Outcome | None = None
        self.problem: QgError | None = None
        self.verdict: Verdict = {}
        self.unsaved: StateError | None = None
        self._board = board
        self._entry = entry
        self._params = params
        self._mode = mode
        self._api = api
        self._charged = 0.0

    @property
    def cost(self) -> dict[str, Any]:
        """What was called by this task, and how long it waited, for a writer's turn as well."""
        report, waited = NOTHING, self._board.waited
        if self._api is not None:
            report, waited = self._api.usage(), waited + self._api.budget.waited - self._charged
        return {**report, "waited_seconds": round(waited, 1)}

    def patience(self) -> float:
        """Seconds for which to let others come before a change, so that the vendor's limit lasts for all of them."""
        if self._mode.check:
            return 0.0
        self._api = self._api or proxy_api(self._params, self._board.state)
        longest: float = self._params["max_wait"]
        return min(self._api.whitelist_batch_delay(), longest)

    def write(self, entries: list[Entry]) -> Work:
        """Bring the whitelist in line for the first entry, and for all of the others that may go with it."""
        parts = self._together(entries)
        wishes = [part.wish for part in parts]
        try:
            outcome = bring_about(
                self._prepared(),
                joined(wishes),
                check=self._mode.check,
                announce=lambda found: self._announce(found, parts),
            )
        except QgError as problem:
            self.problem = problem
            return self._failure(problem, parts)
        seen = [{ip for entry in part.entries for ip in entry.seen} for part in parts]
        outcomes = shares(outcome, wishes, seen, check=self._mode.check)
        self.outcome = outcomes[0]
        verdicts: dict[str, Verdict] = {}
        for part, own in zip(parts, outcomes, strict=True):
            fleet = part.entries[0].fleet
            told = self._tell_hosts(part, own) if fleet else {part.entries[0].id: encoded(own)}
            for entry in part.entries:
                left = own.error and _wants(told[entry.id]) and self._gives_up_before(entry, own.error)
                if not left:
                    verdicts[entry.id] = told[entry.id]
        if not self._mode.check:
            self._save(lambda: forget_missing(self._memory(""), outcome.reading))
        verdicts = {name: redact(verdict, self._params, PROXY_API_OPTIONS) for name, verdict in verdicts.items()}
        self.verdict = verdicts[self._entry.id]
        return Work(verdicts, sorted(outcome.before if self._mode.check else outcome.after))

    def _prepared(self) -> ProxyApi:
        board, api = self._board, self._api or proxy_api(self._params, self._board.state)
        sleep = api.budget.sleep
        api.budget.sleep = lambda seconds: board.rest(seconds, sleep)
        # Had this task not waited for another one that rested, it would have rested itself.
        self._charged = board.rested
        api.budget.waited += self._charged
        self._api = api
        api.expects_addresses = self._memory("").expects_addresses
        return api

    def _together(self, entries: list[Entry]) -> list[_Part]:
        # Hosts of one run may be registered and others deregistered.
        groups: dict[tuple[str, str, str], list[Entry]] = {}
        for entry in entries:
            groups.setdefault((entry.run or entry.id, entry.fleet, entry.wish.state), []).append(entry)
        parts = [self._hosts(group) if group[0].fleet else _Part(group, group[0].wish, {}) for group in groups.values()]
        together: list[_Part] = []
        for n in company([part.wish for part in parts]):
            if not any(parts[n].clashes(part) for part in together):
                together.append(parts[n])
        return together

    def _hosts(self, entries: list[Entry]) -> _Part:
        state = entries[0].wish.state
        limit = min((entry.wish.max_removals for entry in entries if entry.wish.max_removals is not None), default=None)
        wishes = [HostWish(entry.host, entry.wish.ips, entry.detected) for entry in entries]
        memory = self._memory(entries[0].fleet)
        remembered, used_by_others = memory.recall({wish.host for wish in wishes})
        plan = fleet_plan(state, wishes, remembered, used_by_others, memory.found())
        ips, replaces = (plan.obsolete, ()) if state == "absent" else (plan.ips, plan.obsolete)
        wish = Wish(state, ips, replaces=replaces, max_removals=limit, unconfirmed=plan.unconfirmed)
        return _Part(entries, wish, remembered)

    def _memory(self, fleet: str) -> Memory:
        now = time.time if self._api is None else self._api.rate_limiter.now
        return Memory(self._board.state, self._board.key, fleet, now)

    def _save(self, work: Callable[[], None]) -> None:
        """Keep something in the state directory after the vendor was called: that it fails must not hide the rest."""
        try:
            work()
        except StateError as problem:
            self.unsaved = self.unsaved or problem

    def _announce(self, found: Outcome, parts: list[_Part]) -> None:
        self._board.drop_readings()
        for part in parts:
            if part.entries[0].fleet and part.wish.state == "present":
                new = [(entry.host, set(entry.wish.ips).intersection(found.first.add)) for entry in part.entries]
                self._memory(part.entries[0].fleet).anticipate(new)
        changes = {*found.first.add, *found.first.remove}
        entries = [(part, entry) for part in parts for entry in part.entries]
        if len(entries) > 1:
            self._board.announce(
                {entry.id: {*entry.seen, *changes.intersection(part.concerns(entry))} for part, entry in entries}
            )

    def _tell_hosts(self, part: _Part, outcome: Outcome) -> dict[str, Verdict]:
        verdicts = {
            entry.id: host_verdict(entry.wish.ips, part.remembered[entry.host], outcome) for entry in part.entries
        }
        if not self._mode.check:
            kept = [
                host_memory(entry.host, entry.wish.ips, part.remembered[entry.host], outcome, detected=entry.detected)
                for entry in part.entries
            ]
            self._save(lambda: self._memory(part.entries[0].fleet).note(kept))
        # One host of each run shows what was done for all: the diff and the cost stand once in the output.
        speaker = part.entries[0].id
        own = speaker == self._entry.id
        shown = fleet_result(outcome, self.cost if own else NOTHING, diff=self._mode.diff or not own)
        changed = bool(outcome.added or outcome.removed)
        verdicts[speaker] = {**verdicts[speaker], "changed": changed, "summary": shown}
        if outcome.error and not any(map(_wants, verdicts.values())):
            verdicts[speaker].update({**outcome.error.as_result(), "failed": True})
        return verdicts

    def _failure(self, problem: QgError, parts: list[_Part]) -> Work:
        """Nobody tries again for the same reason, unless he has more patience."""
        failure = {"failed": True, "changed": False, **problem.as_result()}
        self.verdict = redact(failure, self._params, PROXY_API_OPTIONS)
        entries = [entry for part in parts for entry in part.entries if not self._gives_up_before(entry, problem)]
        return Work({entry.id: self.verdict for entry in [self._entry, *entries]})

    def _gives_up_before(self, entry: Entry, problem: QgError) -> bool:
        """Whether another one may well get further than this task, for which there was a problem."""
        if entry.id == self._entry.id:
            return False
        if isinstance(problem, OptionError):
            return True
        impatient = (
            isinstance(problem, (TransportError, WaitBudgetExceeded)) or problem.details.get("code") == RATE_LIMITED
        )
        more = entry.max_wait > self._params["max_wait"] or entry.timeout > self._params["timeout"]
        return impatient and more


def _wants(verdict: Verdict) -> bool:
    """Whether a verdict says that something is not as it should be."""
    return "lacks" in verdict or "error" in verdict


def encoded(outcome: Outcome) -> Verdict:
    """The outcome for a task, as it is kept on the board, without the whole list."""
    return {
        "added": outcome.added,
        "removed": outcome.removed,
        "settled": list(outcome.first.settled),
        "refused": {ip: problem.as_result() for ip, problem in outcome.refused.items()},
        **({"error": outcome.error.as_result()} if outcome.error else {}),
    }


def decoded(verdict: Verdict, wish: Wish, whitelist: Collection[str], *, check: bool) -> Outcome:
    """The outcome again, with the whitelist as it was read last; raises what kept the writer from any."""
    if "added" not in verdict:
        raise _problem({name: value for name, value in verdict.items() if name not in ("failed", "changed")})
    added, removed, read = verdict["added"], verdict["removed"], frozenset(whitelist)
    return Outcome(
        wish,
        before=read if check else read.difference(added).union(removed),
        after=read.union(added).difference(removed) if check else read,
        first=Plan(tuple(added), tuple(removed), tuple(verdict["settled"]), len(read)),
        refused={ip: _problem(told) for ip, told in verdict["refused"].items()},
        error=_problem(verdict["error"]) if "error" in verdict else None,
    )


def _problem(told: Mapping[str, Any]) -> QgError:
    details = dict(told)
    return QgError(details.pop("msg"), **details)
