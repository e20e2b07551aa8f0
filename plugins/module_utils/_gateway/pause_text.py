# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run says of a pool that is paused."""

from __future__ import annotations

from .._paid.lifetime import seconds
from .policy import Cause, Problem

#: What exits with a cause did, in the words of a message.
_DOING = {
    Cause.REFUSED: "refused connections",
    Cause.SILENT: "answered nothing in time",
    Cause.FAILING: "answered with errors or closed connections",
    Cause.REPORTED: "were reported as banned",
}


def why_paused(problem: Problem, now: float) -> str:
    """Return why nothing is bought at this state time, and what to do, as a sentence."""
    exits = "the only exit" if len(problem.live) == 1 else "all exits"
    if problem.unchecked:
        exits = "no exit is known to work, and some"
    elif problem.is_mixed:
        exits = "no exit works, and some"
    if problem.pause.cause is Cause.REJECTED:
        text = (
            f"{exits} answered 407: the host is not on the whitelist of the key, or the "
            "credentials are wrong. Run qingguo.qgnet.register for the host, or correct "
            "qg_password."
        )
    elif problem.pause.cause is Cause.REPORTED:
        text = (
            f"{exits} {_DOING[problem.pause.cause]}. Check which of your programs report them, and "
            "why."
        )
    else:
        text = (
            f"{exits} {_DOING[problem.pause.cause]}. Check that the host reaches the ports of the "
            "leases, and whether other hosts do."
        )
    if problem.unchecked:
        return (
            f"{text} Not all exits have been checked yet. The pool goes on by itself when one "
            "works."
        )
    if problem.next_probe_at is None:
        return (
            f"{text} Nothing is bought while one of them lives. The pool goes on by itself when "
            "one works."
        )
    wait = seconds(max(1.0, problem.next_probe_at - now))
    return (
        f"{text} Nothing is bought but one lease at a time, to try it. The next one is bought in "
        f"{wait} at the earliest. The pool goes on by itself when one works."
    )
