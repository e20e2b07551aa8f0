# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Floor 5: the operation of qg_egress_whitelist, step register.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._op_turns import Turn
from ansible_collections.qingguo.qgnet.plugins.module_utils._operation import Mode
from ansible_collections.qingguo.qgnet.plugins.module_utils._turns import Board, Entry, Verdict
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist import Wish


def host_entry(params: Mapping[str, Any], run: str, host: str, ips: tuple[str, ...]) -> Entry:
    """What a host puts down: it has one entry in a run."""
    return Entry(
        Wish(params["state"], ips),
        params["max_wait"],
        params["timeout"],
        id=f"{run}/{host}",
        run=run,
        host=host,
        fleet=params["fleet"],
    )


def register(board: Board, entry: Entry, params: Mapping[str, Any], mode: Mode) -> Verdict:
    """Bring the whitelist in line for all whose turn it is, and tell a host what came of its wish.

    The verdict has ``fleet`` where it is this host that tells what was done for all hosts of the run.
    """
    turn = Turn(board, entry, params, mode)
    with board.settle(entry, turn.write, turn.patience) as told:
        verdict = {"fleet": {}, **turn.verdict} if told is None else told
    if verdict.pop("lacks", False):
        verdict["failed"] = params["fail"]
    if not mode.diff:
        verdict.get("fleet", {}).pop("diff", None)
    return verdict
