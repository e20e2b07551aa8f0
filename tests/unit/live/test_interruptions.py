# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wherever a run ends, it has released what it leased, removed what it added, and bought no more than allowed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from live.caller import StopSignals
from live.exchange import Call, Reply
from live.probes import Probes, Wanted
from live.transports import Simulated, Situation
from simulator.keys.plans import DEDICATED, EXCLUSIVE

ENTRY = "198.51.100.77"
SITUATIONS = {plan: Situation(plan, whitelisted=True, leased=True) for plan in (DEDICATED, EXCLUSIVE)}
SETTINGS = {
    "prompt": {},
    "lagging": {"options": {"list_lag": 30, "list_spread": 10, "quota_lag": 30}},
    "particular": {
        "options": {
            "whitelist_notation": "prefix",
            "del_takes": "listed",
            "absent_del": "error",
            "absent_release": "error",
        }
    },
}


class Breaking:
    """A vendor where something happens at one call."""

    def __init__(self, vendor: Simulated, number: int, event: Callable[[Simulated, Call], Reply]) -> None:
        self._vendor = vendor
        self._event = event
        self.rest = number

    def now(self) -> float:
        return self._vendor.now()

    def sleep(self, seconds: float) -> None:
        self._vendor.sleep(seconds)

    def send(self, call: Call) -> Reply:
        self.rest -= 1
        return self._event(self._vendor, call) if self.rest == 0 else self._vendor.send(call)


def _raise(vendor: Simulated, call: Call) -> Reply:
    raise RuntimeError("an error of the program")


def _raise_after(vendor: Simulated, call: Call) -> Reply:
    vendor.send(call)
    raise RuntimeError("an error of the program")


def _lose(vendor: Simulated, call: Call) -> Reply:
    vendor.send(call)
    return Reply(None, error="ConnectionError")


def _garble(vendor: Simulated, call: Call) -> Reply:
    vendor.send(call)
    return Reply(502, "<html>")


def _drop(vendor: Simulated, call: Call) -> Reply:
    return Reply(None, error="ConnectTimeout")


EVENTS = {"error": _raise, "error after": _raise_after, "lost": _lose, "garbled": _garble, "not sent": _drop}


def assert_undone(vendor: Simulated, before: tuple[list[object], list[str]], paid_before: int) -> None:
    key = vendor.core.keys[vendor.key]
    assert len(key.holdings.paid) - paid_before <= 2
    assert (list(key.holdings.leases), key.whitelist) == before


def run(plan: str, settings: str, event: Callable[[Simulated, Call], Reply], number: int) -> bool:
    """Run all probes with an event at one call, and return whether it has happened."""
    situation = SITUATIONS[plan]
    vendor = Simulated(situation, SETTINGS[settings])
    key = vendor.core.keys[vendor.key]
    key.whitelist.append(ENTRY)
    before, paid = (list[object](key.holdings.leases), list(key.whitelist)), len(key.holdings.paid)
    transport = Breaking(vendor, number, event)
    with contextlib.suppress(RuntimeError):
        Probes(transport, Wanted(situation, write=True, paid=2)).run()
    # What is released late is gone now.
    vendor.core.clock.advance(60)
    assert_undone(vendor, before, paid)
    return transport.rest <= 0


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("plan", [DEDICATED, EXCLUSIVE])
@pytest.mark.parametrize("event", EVENTS)
def test_whatever_happens_at_any_call(event: str, plan: str, settings: str) -> None:
    number = 1
    while run(plan, settings, EVENTS[event], number):
        number += 1
    assert number > 40, "not all probes have run"


class Stopping(Simulated):
    """A signal arrives during one call."""

    def __init__(self, situation: Situation, number: int, stop: StopSignals) -> None:
        super().__init__(situation, {})
        self._rest = number
        self._stop = stop

    def send(self, call: Call) -> Reply:
        reply = super().send(call)
        if hasattr(self, "_stop"):
            self._rest -= 1
            if self._rest == 0:
                self._stop.name = "SIGTERM"
        return reply


def test_a_signal_during_any_call() -> None:
    ended = []
    for number in range(1, 100):
        stop = StopSignals()
        vendor = Stopping(Situation(DEDICATED), number, stop)
        findings = Probes(vendor, Wanted(Situation(DEDICATED), write=True, paid=2), stop).run()
        assert_undone(vendor, ([], []), 0)
        assert findings.left == []
        if not stop.name:
            break
        ended.append(findings.ended)
    assert ended[0] == "Interrupted by SIGTERM."
    assert len(ended) >= 40


def test_leases_of_another_client_are_not_released() -> None:
    vendor = Simulated(Situation(DEDICATED), {})

    def lose_between_others(vendor: Simulated, call: Call) -> Reply:
        for _other in range(2):
            vendor.send(Call("GET", "/allocate"))
        return _lose(vendor, call)

    class Meanwhile(Breaking):
        def send(self, call: Call) -> Reply:
            return self._event(self._vendor, call) if call.path == "/allocate" else self._vendor.send(call)

    findings = Probes(Meanwhile(vendor, 0, lose_between_others), Wanted(Situation(DEDICATED), paid=1)).run()
    assert len(vendor.core.keys[vendor.key].holdings.leases) == 3
    assert "another client" in " ".join(findings.left)
