# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures: what a run has shown, what would come of one that takes too long, and by which formula."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

#: The vendor's limits, calls per key and minute.
ADDS, QUERIES = 20, 60
MINUTE = 60.0
REFUSED = -11
#: The size of the fleet that the landing page shows; every way is run with it, however long that takes.
SHOWN_HOSTS = 200
_RECAP = re.compile(r"^(\S+)\s+: ok=\d+ .*unreachable=(\d+) +failed=(\d+)", re.MULTILINE)


@dataclass
class Figures:
    """One row: a way, with so many hosts.

    ``unnoticed`` are hosts that are not registered though their run did not fail. Where ``computed`` is set, nothing
    was run: ``seconds`` follow from a smaller run, ``calls`` and ``registered`` are the most that there can be.
    """

    way: str
    hosts: int
    seconds: float
    runs: int = 1
    calls: int = 0
    queries: int = 0
    adds: int = 0
    registered: int | None = None
    refused: int | None = None
    unnoticed: int | None = None
    computed: bool = False

    def row(self) -> dict[str, Any]:
        """For the file of results."""
        return {**asdict(self), "seconds": round(self.seconds, 2)}


def failed_hosts(output: str) -> set[str]:
    """The hosts that a playbook's recap says were lost."""
    return {host for host, unreachable, failed in _RECAP.findall(output) if int(unreachable) or int(failed)}


def counted(journal: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """What the vendor got."""
    return {
        "calls": len(journal),
        "queries": sum(call["path"] == "/whitelist/query" for call in journal),
        "adds": sum(call["path"] == "/whitelist/add" for call in journal),
        "refused": sum(call["code"] == REFUSED for call in journal),
    }


def middle(rows: Sequence[Figures]) -> Figures:
    """Of several runs of one thing: the median of the seconds, and the counts of the run that is in the middle."""
    ordered = sorted(rows, key=lambda row: row.seconds)
    row = ordered[(len(ordered) - 1) // 2]
    return Figures(**{**asdict(row), "seconds": statistics.median(one.seconds for one in rows), "runs": len(rows)})


def scaled(known: Figures, hosts: int) -> Figures:
    """A run that would take too long, from a smaller one: ``seconds = known seconds * hosts / known hosts``.

    The time of such a play is that of its modules, one for each host and task, whatever the number of forks. In so many
    seconds, the vendor opens its minutes anew ``seconds // 60`` times, and lets in 20 adds in each.
    """
    seconds = known.seconds * hosts / known.hosts
    most = min(hosts, ADDS * (int(seconds // MINUTE) + 1))
    row = Figures(known.way, hosts, seconds, runs=0, computed=True)
    if known.registered is not None:
        # A query and an add for each host, at most.
        row.calls, row.registered = 2 * hosts, most
    return row


def seconds_by_the_limit(hosts: int) -> float:
    """How long one add for each host takes by the vendor's limit: 20 a minute, the first at once."""
    return (math.ceil(hosts / ADDS) - 1) * MINUTE


def ratio(rows: Sequence[Mapping[str, Any]], way: str, other: str, hosts: int) -> float | None:
    """One way's seconds by another's, where both were measured over so many hosts."""
    found = {row["way"]: row["seconds"] for row in rows if row["hosts"] == hosts and not row["computed"]}
    return found[way] / found[other] if way in found and other in found else None


def words_of(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    if minutes < 120:
        return f"{minutes:.1f} min" if minutes < 10 and minutes % 1 > 0.05 else f"{minutes:.0f} min"
    return f"{minutes / 60:.1f} h"
