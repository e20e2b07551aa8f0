# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host reports about its gateway: the files and programs that it has, whether HAProxy serves
them, and what the exits do.

A host can print anything. So what it reports only counts for servers that the key holds, and never
makes a pool buy more than its bound allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .places import MARK
from .policy import Cause, Exit, as_plain, as_typed
from .servers import Server, read_servers

#: What HAProxy writes for the last check of an exit that has failed, and what that means. Anything
#: else is :attr:`Cause.FAILING`.
_CAUSES = {
    "L4CON": Cause.REFUSED,
    "L4TOUT": Cause.SILENT,
    "L6TOUT": Cause.SILENT,
    "L7TOUT": Cause.SILENT,
}
#: The words of a line of ``show exits``. ``changed`` are the seconds since the status has changed,
#: ``passed`` the responses that came through the exit while its checks failed, and ``last_passed``
#: the seconds since the last one.
_WORDS = ("pool", "name", "server", "status", "check", "code", "changed", "passed", "last_passed")
#: For how many seconds a port, by its pool and perhaps its slot, has had no request.
_UNUSED = re.compile(r"(?m)^unused ([A-Za-z0-9_]{1,32})(?:[.][0-9]{1,3})? ([0-9]{1,8})$")
#: The time on the clock of the host, in seconds since 1970.
_TIME = re.compile(r"(?m)^time ([0-9]{1,12})$")
#: Clocks that differ by fewer seconds may be equal, since asking for the time takes a while.
CLOCKS_AGREE = 3.0
#: The status that ``exits.lua`` shows for an exit that a client has reported as banned.
_REPORTED = "REPORTED"
#: The word after the exits if the process serves its files as they are now.
_SERVES = "serves"
#: The flag of a look to which HAProxy has answered: its answer has the time.
_ANSWERS = "answers"
#: The flag of a look with the digest of a file.
_SEEN = "seen="
#: The status of a proxy that demands credentials, or does not know the host.
_REJECTED = "407"
#: An exit passes traffic if a site has answered through it within so many seconds.
_PASSES_WITHIN = 60
_NUMBER = re.compile("[0-9]{1,8}")


@dataclass
class Look:
    """What a host has.

    ``identifier`` is that of the installation there, ``servers`` are those of its configuration,
    and ``exits`` says what they do, by the names of the servers, since two pools may have the same
    exit with different credentials. ``unused`` are the seconds since each pool has had a request,
    or since its process has started. The clock of the host is ``clock_ahead`` seconds ahead of that
    of the control node. With ``is_reconfigured``, HAProxy has been configured in another way since.
    If the run ``forgets_reports``, those of clients before it do not count any more.
    """

    flags: frozenset[str]
    identifier: str = ""
    servers: Sequence[Server] = ()
    exits: dict[str, Exit] = field(default_factory=dict)
    unused: dict[str, int] = field(default_factory=dict)
    clock_ahead: float = 0.0
    is_reconfigured: bool = False
    forgets_reports: bool = False

    @property
    def has_answer(self) -> bool:
        """Whether HAProxy has answered; otherwise the look says nothing about any exit."""
        return _ANSWERS in self.flags

    @property
    def seen(self) -> str:
        """The digest of the file of leases, or of the list."""
        return next((flag[len(_SEEN) :] for flag in self.flags if flag.startswith(_SEEN)), "")

    def as_json(self) -> dict[str, Any]:
        """Return the look as a part of a variable."""
        return {
            "flags": sorted(self.flags),
            "identifier": self.identifier,
            "servers": [asdict(server) for server in self.servers],
            "exits": {name: as_plain(exit_) for name, exit_ in self.exits.items()},
            "unused": self.unused,
            "clock_ahead": self.clock_ahead,
            "forgets_reports": self.forgets_reports,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Look:
        """Return the look in a variable."""
        exits = {name: Exit(**as_typed(fields)) for name, fields in data["exits"].items()}
        servers = tuple(Server(**server) for server in data["servers"])
        return cls(
            frozenset(data["flags"]),
            data["identifier"],
            servers,
            exits,
            data["unused"],
            data["clock_ahead"],
            forgets_reports=data["forgets_reports"],
        )

    def forget_exits(self) -> None:
        """Forget what checks have shown, since HAProxy has been configured in another way since.

        What clients have reported still holds.
        """
        self.is_reconfigured = True
        for name, exit_ in self.exits.items():
            if exit_.cause is not Cause.REPORTED:
                self.exits[name] = Exit(exit_.server, works=None)

    def exits_of(self, pool: str) -> dict[str, Exit]:
        """Return what the host reports of the exits of a pool, by the servers of their leases."""
        exits = {}
        for server in self.servers:
            if server.pool == pool and server.name in self.exits:
                exits[server.server] = self.exits[server.name]
        return exits


def read_look(output: str, now: float, *, has_reports: bool = False) -> Look:
    """Return what the script of a look has printed; ``now`` is the Unix time of the control node.

    Without ``has_reports``, clients of the gateway cannot report exits, and no such report counts.
    """
    head, _mark, rest = output.replace("\r", "").partition("--- exits\n")
    reported, _mark, text = rest.partition("--- file\n")
    identifier, servers = read_servers(text)
    flags = set(head.partition(MARK)[0].split())
    if _SERVES in reported.split():
        flags.add(_SERVES)
    clock_ahead = 0.0
    time = _TIME.search(reported)
    if time:
        flags.add(_ANSWERS)
        if abs(int(time[1]) - now) >= CLOCKS_AGREE:
            clock_ahead = int(time[1]) - now
    exits = {}
    for name, exit_ in _exits(reported, servers).items():
        if has_reports or exit_.cause is not Cause.REPORTED:
            exits[name] = exit_
    return Look(frozenset(flags), identifier, tuple(servers), exits, _unused(reported), clock_ahead)


def _unused(reported: str) -> dict[str, int]:
    """Return the seconds since each pool has had a request: at any of its slots."""
    unused: dict[str, int] = {}
    for pool, seconds in _UNUSED.findall(reported):
        unused[pool] = min(int(seconds), unused.get(pool, int(seconds)))
    return unused


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
            exits[server.name] = _exit(server, rows.get((server.backend, server.target)))
    return exits


def _exit(exit_: Server, row: Mapping[str, str] | None) -> Exit:
    """Return what HAProxy says of an exit: of its checks, and of the traffic that passes while all
    checks fail.
    """
    server = exit_.server
    if row is None:
        return Exit(server, works=None)
    if row["status"] == _REPORTED:
        since = exit_.reports_since
        return Exit(server, works=False, cause=Cause.REPORTED, reports_since=since)
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
    """Return a number that HAProxy prints; -1 for anything else, and for more than 8 digits."""
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
    """Return a report of a client, or else what is better for an exit: that it works, that this is
    unknown, or that it has been down for less time.
    """
    if first is None or second.cause is Cause.REPORTED:
        return second
    if first.cause is Cause.REPORTED:
        return first
    order = {True: 0, None: 1, False: 2}
    return min(first, second, key=lambda each: (order[each.works], each.down_for))
