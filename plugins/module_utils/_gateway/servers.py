# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The servers of a gateway: those in its file of leases, and those that it should have.

HAProxy has a fixed number of servers for each pool, and ``exits.lua`` gives them the addresses in
this file. A line is ``POOL sNUMBER ADDRESS:PORT UNTIL STATE``; ``UNTIL`` is the deadline of the
lease in Unix time or ``-``. With the state ``drain``, only labels that have this exit already use
it, and with ``out``, nobody does. At a slot, ``POOL.SLOT`` stands for the pool, and a server with
the state ``next`` serves as soon as the other server of the slot does not. If reports of the exit
were forgotten, the time of that follows, and then ``NAME:PORT`` if the lease has a name instead of
an address.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

_LINE = re.compile(
    r"(?P<pool>\w{1,32})([.](?P<slot>\d{1,3}))? s(?P<number>\d{1,4}) "
    r"(?P<address>[\d.]{7,15}:\d{1,5}) "
    r"(?P<until>\d{1,12}|-) (?P<state>ready|drain|next|out)"
    r"( (?P<reports_since>\d{1,12}))?( (?P<name>[\w.-]{1,253}:\d{1,5}))?",
    re.ASCII,
)
#: Seconds by which two readings of a deadline may differ.
STEADY = 3
_HEAD = "installation "
#: The servers that the configuration has for a slot: its lease, and the successor.
SERVERS_OF_SLOT = 2


@dataclass(frozen=True)
class Server:
    """The exit of a lease of a pool. ``until`` is None for a lease whose end QG.net does not name.

    ``server`` is the HOST:PORT of the lease, and ``address`` that which HAProxy uses, if the host
    is a name. ``number`` is that of its server in the configuration, and 0 if it has none yet.
    ``slot`` is 0 in a pool without slots. The successor of the lease of a slot ``waits``. If a
    client has reported it after ``reports_since``, it serves nobody.
    """

    pool: str
    server: str
    until: int | None = None
    drained: bool = False
    number: int = 0
    slot: int = 0
    waits: bool = False
    reported: bool = False
    address: str = ""
    reports_since: int = 0

    @property
    def backend(self) -> str:
        """The name of its backend in the configuration."""
        return f"{self.pool}.{self.slot}" if self.slot else self.pool

    @property
    def target(self) -> str:
        """What HAProxy connects to."""
        return self.address or self.server

    @property
    def name(self) -> str:
        """What tells it apart among those of a host, whose pools may have the same leases."""
        return f"{self.backend} {self.server}"

    @property
    def line(self) -> str:
        """The line of the file."""
        until = "-" if self.until is None else self.until
        state = "drain" if self.drained else "ready"
        if self.waits:
            state = "next"
        if self.reported:
            state = "out"
        words = [self.backend, f"s{self.number}", self.target, str(until), state]
        if self.reports_since:
            words.append(str(self.reports_since))
        if self.address:
            words.append(self.server)
        return " ".join(words)


def number_of_servers(count: int) -> int:
    """Return how many servers the configuration has for a pool: enough for its leases, and for
    those of before that still serve.
    """
    return 2 * count + 2


def read_servers(text: str) -> tuple[str, list[Server]]:
    """Return the identifier of the installation and the servers in a file of leases."""
    identifier = ""
    servers = []
    for line in text.splitlines():
        if line.startswith(_HEAD):
            identifier = line.removeprefix(_HEAD).strip()
        match = _LINE.fullmatch(line.strip())
        if match:
            until = None if match["until"] == "-" else int(match["until"])
            servers.append(
                Server(
                    pool=match["pool"],
                    server=match["name"] or match["address"],
                    until=until,
                    drained=match["state"] == "drain",
                    number=int(match["number"]),
                    slot=int(match["slot"] or 0),
                    waits=match["state"] == "next",
                    reported=match["state"] == "out",
                    address=match["address"] if match["name"] else "",
                    reports_since=int(match["reports_since"] or 0),
                )
            )
    return identifier, servers


def file_text(identifier: str, servers: Iterable[Server]) -> str:
    """Return the text of a file of leases."""
    lines = [f"{_HEAD}{identifier}", *(server.line for server in servers)]
    return "".join(f"{line}\n" for line in lines)


def next_servers(
    leases: Iterable[Server],
    before: Sequence[Server],
    *,
    count: int,
    bad: Collection[str],
    now: float,
) -> list[Server]:
    """Return the servers that a pool should have: its leases, and those of before that still serve.

    A lease that is no longer among them serves until its deadline, and without one until there is
    another lease. It gets no new labels as soon as there are ``count`` leases. ``bad`` servers
    leave at once.
    """
    by_server = {old.server: old for old in before}
    serving = []
    for lease in sorted(leases, key=lambda server: server.server):
        serving.append(_steady(lease, by_server.get(lease.server)))
    names = {server.server for server in serving}
    kept = []
    for old in before:
        if old.server in names or old.server in bad:
            continue
        still_serves = not names
        if old.until is not None:
            still_serves = old.until > now
        if still_serves:
            is_drained = len(names) >= count or (old.drained and not names)
            kept.append(replace(old, drained=is_drained))
    servers = _numbered([*serving, *kept], before, number_of_servers(count))
    return sorted(servers, key=lambda server: server.number)


def seconds_without_exit(before: Iterable[Server], now: float) -> float:
    """Return for how many seconds no server of before has served, and 0 if one still does; of
    slots, for the one that had none for the longest.
    """
    ends: dict[str, float] = {}
    for server in before:
        if not server.reported:
            until = math.inf if server.until is None else server.until
            ends[server.backend] = max(until, ends.get(server.backend, until))
    return max([0.0, *(now - end for end in ends.values())])


def slot_servers(leases: Sequence[Server], before: Sequence[Server]) -> list[Server]:
    """Return the servers of one slot for the first two of its leases, which are in the order in
    which they serve.
    """
    by_server = {old.server: old for old in before}
    servers = []
    for position, lease in enumerate(leases[:SERVERS_OF_SLOT]):
        steady = _steady(lease, by_server.get(lease.server))
        servers.append(replace(steady, waits=position > 0))
    return _numbered(servers, before, SERVERS_OF_SLOT)


def _steady(lease: Server, old: Server | None) -> Server:
    """Return a lease with the deadline and the report that its server has already.

    Another lease at the same server has another deadline, of which two readings differ little.
    """
    if old is None:
        return lease
    is_same = lease.until == old.until
    if lease.until is not None and old.until is not None:
        is_same = abs(lease.until - old.until) <= STEADY
    if not is_same:
        return lease
    return replace(lease, until=old.until, reported=old.reported)


def _numbered(servers: Sequence[Server], before: Iterable[Server], size: int) -> list[Server]:
    """Give each the number of a server in the configuration: the one that it has, or a free one."""
    chosen = servers[:size]
    numbers: dict[str, int] = {}
    addresses = {server.server for server in chosen}
    for old in before:
        if (
            old.server in addresses
            and 1 <= old.number <= size
            and old.number not in numbers.values()
        ):
            numbers[old.server] = old.number
    free = [number for number in range(1, size + 1) if number not in numbers.values()]
    numbered = []
    for server in chosen:
        # A slot may have two leases with one address.
        number = numbers.pop(server.server, 0) or free.pop(0)
        numbered.append(replace(server, number=number))
    return numbered
