# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a gateway buys for exits that work, and fail some of HAProxy's checks: for entries of
tunnels whose connections fail now and then, and for exits that are slow.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from behavior.gateway_fleet import FAILS, IS_SILENT, UNCHECKED, WORKS, Fleet, State, gateway
from support.node import Node

HOUR = 3600.0
#: Of the template of the role: seconds between two checks, the same after the first that fails, and
#: how many have to fail.
INTERVAL = 1.5
FAST_INTERVAL = 0.5
FALL = 2


#: The seconds until a check has a result, and the result.
Check = Callable[[], tuple[float, State]]


class Checks:
    """HAProxy's checks of an exit, one after the other."""

    def __init__(self, check: Check, at: float) -> None:
        self._check = check
        self._failed = 0
        self._seconds, self._result = check()
        self._began = at
        self.state: State = UNCHECKED

    def until(self, now: float) -> State:
        """Return the state of the exit now."""
        while self._began + self._seconds <= now:
            self._began += self._seconds + INTERVAL
            if self._result == WORKS:
                self._failed = 0
                self.state = WORKS
            else:
                self._failed += 1
            if self._failed >= FALL:
                self.state = self._result
            elif self._failed:
                self._began += FAST_INTERVAL - INTERVAL
            self._seconds, self._result = self._check()
        return self.state


def let_exits_behave(fleet: Fleet, check: Check) -> None:
    """Let the checks of each exit have these results."""
    checks: dict[str, Checks] = {}

    def state_of(server: str) -> State:
        now = fleet.vendor.clock.now()
        return checks.setdefault(server, Checks(check, now)).until(now)

    fleet.state_of = state_of


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each entry of a tunnel an address."""

    def addresses(_name: str, port: int, *_rest: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.7", port))]

    monkeypatch.setattr(socket, "getaddrinfo", addresses)


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize("failure", [FAILS, IS_SILENT], ids=["at once", "in silence"])
def test_nothing_is_bought_for_entries_that_fail_now_and_then(
    new_node: Callable[..., Node], failure: State
) -> None:
    """A fifth of all new connections through a tunnel fails, and the next one may work."""
    node = new_node("longterm", channels=20, lifetime=1440, forwarding=True)
    fleet = Fleet(node, gateway("longterm", count=4))
    timeout = fleet.host.gateway.exit_timeout
    chance = Random(1)

    def check() -> tuple[float, State]:
        if chance.random() > 0.2:
            return 0.5, WORKS
        return (timeout if failure == IS_SILENT else 0.5), failure

    let_exits_behave(fleet, check)

    assert fleet.run() == 4
    entries = fleet.host.exits
    for _refresh in range(360):
        node.vendor.advance(10)
        assert fleet.run() == 0
        assert fleet.problem == ""
    assert fleet.host.exits == entries


@pytest.mark.parametrize(("product", "minutes"), [("share", 5), ("exclusive", 1440)])
def test_an_exit_that_is_slow_and_works_is_not_replaced(
    new_node: Callable[..., Node], product: str, minutes: int
) -> None:
    """Good residential exits need 3 to 10 seconds."""
    node = new_node(product, channels=20, lifetime=minutes)
    fleet = Fleet(node, gateway(product, count=4, drain=30))
    timeout = fleet.host.gateway.exit_timeout
    chance = Random(1)

    def check() -> tuple[float, State]:
        seconds = chance.uniform(3, 10)
        if seconds <= timeout:
            return seconds, WORKS
        return timeout, IS_SILENT

    let_exits_behave(fleet, check)

    assert fleet.run() == 4
    sold = fleet.run_for(HOUR)

    # Each lease is replaced between a drain and an interval before its end, and never otherwise.
    life = minutes * 60
    assert 4 * int(HOUR // life) <= sold <= 4 * int(HOUR // (life - 30 - 10))
    assert fleet.problem == ""
