# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two steps of qg_egress_whitelist: a host puts down its wish, and hears what came of it.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .._core.errors import QgError
from .._store.directory import StateError
from .._store.write_queue import (
    Board,
    Entry,
    Verdict,
    added,
    is_at_rest,
    is_busy,
)
from .._task.operation import Mode
from .._task.options import proxy_api
from .batch import Turn, fleet_result, forget_missing
from .hosts import Memory, host_verdict
from .plan import Outcome, Wish, plan


def host_entry(
    params: Mapping[str, Any], run: str, host: str, ips: tuple[str, ...], *, detected: bool = False
) -> Entry:
    """What a host puts down: it has one entry in a run. ``detected`` says that it reported its addresses itself."""
    return Entry(
        Wish(params["state"], ips, max_removals=params["max_removals"]),
        params["max_wait"],
        params["timeout"],
        id=f"{run}/{host}",
        run=run,
        host=host,
        fleet=params["inventory_id"],
        detected=detected,
    )


def put_down(board: Board, entry: Entry, params: Mapping[str, Any], mode: Mode, task: str | None) -> list[str]:
    """Put a host's wish on the board. Returns its addresses where nothing is left to be done for it.

    That is so where an earlier run has registered it with just these addresses, and they stand on the whitelist as
    ``task`` has read it: the first host of the task reads for all. Without a ``task``, all is left to :func:`register`.
    """
    memory = Memory(board.state, board.key, entry.fleet)
    known = entry.wish.state == "present" and memory.is_registered(entry.host, entry.wish.ips, given=not entry.detected)
    if not (task and known and not params["verify_proxy"]):
        board.post(entry)
        return []
    whitelist = board.reading(task)
    # As soon as there is something to be written, whoever writes reads for all.
    if whitelist is None and not is_busy(board.state, entry.run):
        # The wait is for another process's call, which has its own timeout.
        longest = params["max_wait"] + params["timeout"]
        with board.reader(longest, lambda: _is_known(board, entry.run, task)) as quiet:
            whitelist = board.reading(task)
            if whitelist is None and quiet and not is_busy(board.state, entry.run):
                whitelist = _read(board, entry.run, params, mode, task)
                # While no other host can get here: where reading failed, it is not tried again for each of them.
                return _post(board, entry, whitelist)
    return _post(board, entry, whitelist)


def _is_known(board: Board, run: str, task: str) -> bool:
    """Whether nobody has to read for this task any more."""
    return board.reading(task) is not None or is_busy(board.state, run)


def _read(board: Board, run: str, params: Mapping[str, Any], mode: Mode, task: str) -> list[str] | None:
    """The whitelist, read without a wait; None where that fails, which the second step then tells."""
    try:
        api = proxy_api({**params, "max_wait": 0.0}, board.state)
        memory = Memory(board.state, board.key, "", api.rate_limiter.now)
        api.expects_addresses = memory.expects_addresses
        reading = api.read_whitelist()
        # What an earlier call may still remove does not count: the second step waits until that is settled.
        leaving = [write.ips for write in api.unresolved_writes() if not write.present]
    except QgError:
        return None
    whitelist = sorted(reading.ips.difference(*leaving))
    board.keep_reading(run, task, whitelist, api.usage())
    if not mode.check:
        forget_missing(memory, reading)
    board.tidy_up()
    return whitelist


def _post(board: Board, entry: Entry, whitelist: Collection[str] | None) -> list[str]:
    verdict = host_verdict(entry.wish.ips, (), _unchanged(entry.wish, whitelist or ()))
    if whitelist is None or verdict["unregistered"]:
        board.post(entry)
        return []
    board.post(entry, verdict=verdict)
    registered: list[str] = verdict["registered"]
    return registered


def _unchanged(wish: Wish, whitelist: Collection[str]) -> Outcome:
    found = frozenset(whitelist)
    return Outcome(wish, found, found, plan(found, wish))


def register(board: Board, entry: Entry, params: Mapping[str, Any], mode: Mode) -> Verdict:
    """Bring the whitelist in line for all whose turn it is, and tell a host what came of its wish.

    The verdict has ``fleet`` where it is this host that tells what was done for all hosts of the run.
    """
    turn = Turn(board, entry, params, mode)
    told: Verdict | None = None
    verdict: Verdict = {}
    try:
        with board.settle(entry, turn.write, turn.patience) as told:
            verdict = {"summary": {}, **turn.verdict} if told is None else told
        if told is None or is_at_rest(board.state, entry.run):
            readings = board.take_readings(entry.run)
            if readings and told is not None:
                verdict["summary"] = fleet_result(_unchanged(entry.wish, readings[0]), readings[1], diff=False)
            elif readings and "api" in verdict["summary"]:
                verdict["summary"]["api"] = added(verdict["summary"]["api"], readings[1])
    except StateError as problem:
        # What was done to the whitelist is reported all the same.
        verdict = verdict or {"summary": {}, **turn.verdict}
        if not (told or turn.verdict):
            raise
        turn.unsaved = turn.unsaved or problem
    if turn.unsaved and "error" not in verdict and not verdict.get("failed"):
        verdict.update({**turn.unsaved.as_result(), "failed": True})
        verdict.pop("lacks", None)
    if verdict.pop("lacks", False):
        verdict["failed"] = params["fail"]
    if not mode.diff:
        verdict.get("summary", {}).pop("diff", None)
    return verdict
