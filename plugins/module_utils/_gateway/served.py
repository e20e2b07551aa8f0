# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the programs of a host are served: how many leases of a pool they can use, and what is
wrong with the others.

What ends before the next refresh is no candidate: it may serve now, but a pool that only has such
leases is about to serve nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from .._core.text import counted, format_sample
from .policy import Cause, Exit


class State(Enum):
    """What a lease that lasts is for a program; the value completes a message."""

    USABLE = "can be used"
    NO_ADDRESS = "without an address for its name"
    UNLISTED = "not in QG.net's list any more"
    REPORTED = "reported as banned"
    DOWN = "down"


@dataclass(frozen=True)
class Candidate:
    """A lease that lasts, as a host sees it: ``exit`` is what its HAProxy says of it, if anything.

    Without ``is_listed``, it counts as held although QG.net's list lacks it.
    """

    server: str
    exit: Exit | None = None
    has_address: bool = True
    is_listed: bool = True
    is_reported: bool = False

    @property
    def state(self) -> State:
        """What the lease is for a program."""
        if not self.has_address:
            return State.NO_ADDRESS
        if not self.is_listed:
            return State.UNLISTED
        cause = self.exit.cause if self.exit else None
        if self.is_reported or cause is Cause.REPORTED:
            return State.REPORTED
        if self.exit is not None and self.exit.works is False:
            return State.DOWN
        return State.USABLE


def why_unserved(
    count: int, candidates: Iterable[Candidate], *, reason: str = "", is_out: bool = False
) -> str:
    """Return why a pool of ``count`` exits does not serve its programs; empty if it does.

    A ``reason``, such as a cap, says why no more can be leased. If the pool ``is_out``, it fails
    for this reason, whatever looks as if it could be used. Without one, exits that are down fail no
    run, since :mod:`.policy` replaces them as soon as they have been down for long enough.
    """
    servers: dict[State, list[str]] = {}
    for candidate in candidates:
        servers.setdefault(candidate.state, []).append(candidate.server)
    usable = len(servers.pop(State.USABLE, ()))
    if usable >= count and not is_out:
        return ""
    if reason:
        return reason
    if usable + len(servers.get(State.DOWN, ())) >= count:
        return ""
    text = f"programs can use {usable} of {counted(count, 'exit')}"
    for state in State:
        if state in servers:
            text += f"; {state.value}: {format_sample(servers[state])}"
    return f"{text}."
