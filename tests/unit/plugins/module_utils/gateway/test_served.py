# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether programs are served: a row for each case."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.policy import Cause, Exit
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.served import (
    Candidate,
    State,
    why_unserved,
)

SERVER = "198.51.100.2:20000"
WORKS = Candidate(SERVER, Exit(SERVER, works=True))
UNCHECKED = Candidate(SERVER, Exit(SERVER, works=None))
UNKNOWN = Candidate(SERVER)
NAMED = "exits.vendor.example:80"
NO_ADDRESS = Candidate(NAMED, has_address=False)
UNLISTED = Candidate(SERVER, Exit(SERVER, works=True), is_listed=False)
OUT = Candidate(SERVER, Exit(SERVER, works=True), is_reported=True)
REPORTED = Candidate(SERVER, Exit(SERVER, works=False, cause=Cause.REPORTED))
REJECTS = Candidate(SERVER, Exit(SERVER, works=False, cause=Cause.REJECTED))
SILENT = Candidate(SERVER, Exit(SERVER, works=False, cause=Cause.SILENT))


@pytest.mark.parametrize(
    ("candidate", "state"),
    [
        (WORKS, State.USABLE),
        (UNCHECKED, State.USABLE),
        (UNKNOWN, State.USABLE),
        (NO_ADDRESS, State.NO_ADDRESS),
        (UNLISTED, State.UNLISTED),
        (OUT, State.REPORTED),
        (REPORTED, State.REPORTED),
        (REJECTS, State.DOWN),
        (SILENT, State.DOWN),
    ],
)
def test_what_a_lease_is_for_a_program(candidate: Candidate, state: State) -> None:
    assert candidate.state is state


@pytest.mark.parametrize(
    ("candidates", "reason", "is_out", "problem"),
    [
        # Enough, whatever else there is.
        ([WORKS, WORKS], "", False, ""),
        ([WORKS, UNCHECKED], "the cap", False, ""),
        ([WORKS, UNKNOWN, NO_ADDRESS, UNLISTED, REPORTED, SILENT], "the cap", False, ""),
        # Too few, for a reason that is known.
        ([WORKS], "the cap", False, "the cap"),
        ([], "the cap", False, "the cap"),
        ([WORKS, SILENT], "the cap", False, "the cap"),
        ([WORKS, UNLISTED], "the cap", False, "the cap"),
        # What is down is replaced in time, and all else is named.
        ([WORKS, SILENT], "", False, ""),
        ([REJECTS, SILENT], "", False, ""),
        ([WORKS], "", False, "programs can use 1 of 2 exits."),
        ([SILENT], "", False, f"programs can use 0 of 2 exits; down: {SERVER}."),
        (
            [WORKS, UNLISTED],
            "",
            False,
            f"programs can use 1 of 2 exits; not in QG.net's list any more: {SERVER}.",
        ),
        (
            [WORKS, NO_ADDRESS],
            "",
            False,
            f"programs can use 1 of 2 exits; without an address for its name: {NAMED}.",
        ),
        # A pause, or a host that is shut out.
        ([WORKS, WORKS], "paused", True, "paused"),
        ([SILENT, SILENT], "paused", True, "paused"),
    ],
)
def test_a_pool_of_two_exits(
    candidates: Sequence[Candidate], reason: str, is_out: bool, problem: str
) -> None:
    assert why_unserved(2, candidates, reason=reason, is_out=is_out) == problem


def test_what_check_mode_would_buy_is_not_missing() -> None:
    assert why_unserved(0, []) == ""
