# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host reports about its gateway: what the host has, whether it serves, and what its exits
do.

A host can print anything. It never decides how many leases are bought: reports only count for
servers that the key holds, and within the bound of their pool.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .policy import Cause, Exit
from .servers import Server, read_servers

#: What HAProxy writes for the last check of an exit, and what that means. Others are failures of
#: another kind.
_CAUSES = {
    "L4CON": Cause.REFUSED,
    "L4TOUT": Cause.SILENT,
    "L6TOUT": Cause.SILENT,
    "L7TOUT": Cause.SILENT,
}
#: The words of a line of ``show exits``: of the last check, the seconds since the status has
#: changed, the responses that passed while all checks have failed, and the seconds since then.
_WORDS = ("pool", "name", "server", "status", "check", "code", "changed", "passed", "last_passed")
#: The time on the clock of the host, in seconds since 1970.
_TIME = re.compile(r"(?m)^time ([0-9]{1,12})$")
#: Seconds by which two clocks may differ, since to ask takes time.
CLOCKS_AGREE = 3.0
#: The status that ``exits.lua`` shows for an exit that a client has reported as banned.
_REPORTED = "REPORTED"
#: What follows the report of a process that serves its files as they are.
_SERVES = "serves"
#: The status of a proxy that demands credentials, or does not know the host.
_REJECTED = "407"
#: Seconds since the last answer of a site through an exit within which it passes traffic.
_PASSES_WITHIN = 60
_NUMBER = re.compile("[0-9]{1,8}")


@dataclass
class Look:
    """What a host has.

    ``identifier`` is that of the installation there, ``servers`` are those of its configuration,
    and ``exits`` says by the names of these what they do: two pools may have the same exit, and
    different credentials. Its clock is ``clock_ahead`` seconds ahead of that of the control node.
    """

    flags: frozenset[str]
    identifier: str = ""
    servers: Sequence[Server] = ()
    exits: dict[str, Exit] = field(default_factory=dict)
    clock_ahead: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the look as a part of a variable."""
        exits = {}
        for name, known in self.exits.items():
            cause = known.cause.value if known.cause else None
            exits[name] = {**asdict(known), "cause": cause}
        return {
            "flags": sorted(self.flags),
            "identifier": self.identifier,
            "servers": [asdict(server) for server in self.servers],
            "exits": exits,
            "clock_ahead": self.clock_ahead,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Look:
        """Return the look in a variable."""
        exits = {}
        for name, known in data["exits"].items():
            cause = Cause(known["cause"]) if known["cause"] else None
            exits[name] = Exit(**{**known, "cause": cause})
        servers = tuple(Server(**server) for server in data["servers"])
        return cls(
            frozenset(data["flags"]), data["identifier"], servers, exits, data["clock_ahead"]
        )

    def forget_exits(self) -> None:
        """Take exits for ones that no check has reached: what HAProxy does with them has changed
        since.

        What clients have reported still holds.
        """
        for name, known in self.exits.items():
            if known.cause is not Cause.REPORTED:
                self.exits[name] = Exit(known.server, works=None)

    def exits_of(self, pool: str) -> dict[str, Exit]:
        """Return what the host reports of the exits of a pool, by ``host:port``."""
        exits = {}
        for server in self.servers:
            if server.pool == pool and server.name in self.exits:
                exits[server.server] = self.exits[server.name]
        return exits


def read_look(output: str, now: float, *, has_reports: bool = False) -> Look:
    """Return what the script of a look has printed; ``now`` is the Unix time of the control node.

    ``has_reports`` says whether clients of the gateway may report exits; otherwise nothing that
    says so is believed.
    """
    head, _mark, rest = output.replace("\r", "").partition("--- exits\n")
    reported, _mark, text = rest.partition("--- file\n")
    identifier, servers = read_servers(text)
    flags = set(head.split())
    if _SERVES in reported.split():
        flags.add(_SERVES)
    clock_ahead = 0.0
    time = _TIME.search(reported)
    if time and abs(int(time[1]) - now) >= CLOCKS_AGREE:
        clock_ahead = int(time[1]) - now
    exits = _exits(reported, servers)
    if not has_reports:
        exits = {name: known for name, known in exits.items() if known.cause is not Cause.REPORTED}
    return Look(frozenset(flags), identifier, tuple(servers), exits, clock_ahead)


def _exits(reported: str, servers: Sequence[Server]) -> dict[str, Exit]:
    """Return what HAProxy reports of each server that is not drained, by its name."""
    rows = {}
    for line in reported.splitlines():
        words = line.split(" ")
        if len(words) == len(_WORDS):
            row = dict(zip(_WORDS, words, strict=True))
            rows[row["pool"], row["server"]] = row
    exits = {}
    for server in servers:
        if not server.drained:
            exits[server.name] = _exit(server.server, rows.get((server.backend, server.server)))
    return exits


def _exit(server: str, row: Mapping[str, str] | None) -> Exit:
    """Return what HAProxy says of an exit: of its checks, and of the traffic that passes while all
    checks fail.
    """
    if row is None:
        return Exit(server, works=None)
    if row["status"] == _REPORTED:
        return Exit(server, works=False, cause=Cause.REPORTED)
    # While a check runs, there is an asterisk before the result of the last one.
    check = row["check"].removeprefix("*")
    # The successor at a slot is checked while it is drained.
    if check in ("-", "INI") or row["status"] not in ("UP", "DOWN", "DRAIN"):
        return Exit(server, works=None)
    passes = _number(row["passed"]) > 0 and 0 <= _number(row["last_passed"]) <= _PASSES_WITHIN
    if row["status"] != "DOWN" or (passes and check.startswith("L7")):
        return Exit(server, works=True)
    cause = _CAUSES.get(check, Cause.FAILING)
    if row["code"] == _REJECTED:
        cause = Cause.REJECTED
    return Exit(server, works=False, cause=cause, down_for=float(max(0, _number(row["changed"]))))


def _number(text: str) -> int:
    """Return a number of HAProxy, and -1 for none. More seconds than of three years are none."""
    match = _NUMBER.fullmatch(text)
    return int(match[0]) if match else -1


def merge(reports: Iterable[Mapping[str, Exit]]) -> dict[str, Exit]:
    """Return what all hosts together know of each exit: it works if it works for one of them.

    Sites ban an exit for all, so that a report on one host holds for the others.
    """
    merged: dict[str, Exit] = {}
    for report in reports:
        for server, exit_of_host in report.items():
            merged[server] = _better(merged.get(server), exit_of_host)
    return merged


def _better(first: Exit | None, second: Exit) -> Exit:
    """Return the one that says more in favor of an exit: it works, it is not known, it has been
    down for less.

    A report says more than both.
    """
    if first is None or second.cause is Cause.REPORTED:
        return second
    if first.cause is Cause.REPORTED:
        return first
    order = {True: 0, None: 1, False: 2}
    return min(first, second, key=lambda each: (order[each.works], each.down_for))
