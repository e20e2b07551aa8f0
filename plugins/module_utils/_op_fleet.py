# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Floor 5: the operation of qg_egress_whitelist, step register.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._fleet import Board, HostWish, Memory, Verdict, fleet_plan
from ansible_collections.qingguo.qgnet.plugins.module_utils._http import service_of
from ansible_collections.qingguo.qgnet.plugins.module_utils._models import numeric_order
from ansible_collections.qingguo.qgnet.plugins.module_utils._op_whitelist import change
from ansible_collections.qingguo.qgnet.plugins.module_utils._operation import Mode, redact
from ansible_collections.qingguo.qgnet.plugins.module_utils._options import PROXY_API_OPTIONS, proxy_api
from ansible_collections.qingguo.qgnet.plugins.module_utils._state import State
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist import Outcome, Wish


def board_for(params: Mapping[str, Any], run: str) -> tuple[Board, Memory]:
    """The board and the memory that belong to a task's options."""
    state = State(params["state_dir"])
    key = state.digest("fleet", service_of(params["api_url"]), params["key"])
    return (
        Board(state, run, key, params["fleet"], params["state"]),
        Memory(state, key, params["fleet"]),
    )


def register(board: Board, memory: Memory, host: str, params: Mapping[str, Any], mode: Mode) -> tuple[Verdict, bool]:
    """Bring the whitelist in line for all hosts on the board; this host's verdict, and whether this call wrote."""

    def write(wishes: list[HostWish]) -> dict[str, Verdict]:
        try:
            return _write(wishes, memory, host, params, mode)
        except QgError as problem:
            # Nobody tries again for the same reason: each of the hosts gets the same verdict.
            failure = redact({"failed": True, "changed": False, **problem.as_result()}, params, PROXY_API_OPTIONS)
            return {wish.host: failure for wish in wishes}

    return board.settle(host, write, longest=params["max_wait"] + 60 + 10 * params["timeout"])


def _write(
    wishes: list[HostWish], memory: Memory, writer: str, params: Mapping[str, Any], mode: Mode
) -> dict[str, Verdict]:
    state = params["state"]
    remembered, used_by_others = memory.recall({wish.host for wish in wishes})
    plan = fleet_plan(state, wishes, remembered, used_by_others)
    wish = Wish("absent", plan.obsolete) if state == "absent" else Wish("present", plan.ips, replaces=plan.obsolete)
    api = proxy_api(params)
    outcome, whole = change(api, wish, mode)
    verdicts = {item.host: _verdict(item, outcome, remembered[item.host], state, params["fail"]) for item in wishes}
    if not mode.check:
        # What stands on the whitelist for a host, be it wanted or not, is what a later run may have to remove.
        memory.note((item.host, verdicts[item.host]["registered"] + verdicts[item.host]["stale"]) for item in wishes)
    # The host that wrote shows what was done for all: the diff and the cost stand once in the output.
    shown = {name: whole[name] for name in ("added", "removed", "refused", "count", "api", "diff") if name in whole}
    verdicts[writer] = {**verdicts[writer], "changed": whole["changed"], "fleet": shown}
    if outcome.error and not any("failed" in verdict for verdict in verdicts.values()):
        verdicts[writer].update({**outcome.error.as_result(), "failed": True})
    return {host: redact(verdict, params, PROXY_API_OPTIONS) for host, verdict in verdicts.items()}


def _verdict(item: HostWish, outcome: Outcome, former: set[str], state: str, fail: bool) -> Verdict:
    """One host's part of an outcome; ``unregistered`` and ``stale`` hold what is not as it should be."""
    own = set(item.ips)
    wanted, unwanted = (set(), own | former) if state == "absent" else (own, former - own)
    unwanted &= {*outcome.wish.replaces, *(outcome.wish.ips if state == "absent" else ())}
    missing, stale = wanted - outcome.after, unwanted & outcome.after
    verdict: Verdict = {
        "changed": bool(wanted & set(outcome.added) or unwanted & set(outcome.removed)),
        "ips": list(item.ips),
        "registered": numeric_order(wanted & outcome.after),
        "unregistered": numeric_order(missing),
        "stale": numeric_order(stale),
    }
    # Former addresses also stay while another host's address is refused: that is no fault of this one.
    if missing or (stale and not outcome.refused):
        wrong = numeric_order(missing or stale)
        reason = next((outcome.refused[ip] for ip in wrong if ip in outcome.refused), outcome.error)
        reason = reason or QgError("the whitelist does not show the change.")
        text = f"{', '.join(wrong)} could not be {'registered' if missing else 'removed'}: {reason.message}"
        verdict.update({**reason.as_result(), "msg": text, "failed": fail})
    return verdict
