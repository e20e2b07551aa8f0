# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wherever a run ends, it has released what it leased, removed what it added, and bought no more than allowed."""

from __future__ import annotations

import contextlib
import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fuzz.foreign import HOSTILE_TEXTS
from live.caller import StopSignals
from live.comparison import compare, report
from live.exchange import Call, Reply
from live.probes import Probes, Wanted
from live.recording import record
from live.transports import Simulated, Situation
from simulator.keys.plans import DEDICATED, EXCLUSIVE

pytestmark = pytest.mark.thorough

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


def test_what_no_list_shows_at_first_stays() -> None:
    """The lists are refused until an allocation has no response, and is not executed either."""
    wanted = Wanted(SITUATIONS[DEDICATED], write=True, paid=1)
    vendor = Simulated(wanted.situation, {})
    key = vendor.core.keys[vendor.key]
    key.whitelist.append(wanted.addresses[0])
    before = (list[object](key.holdings.leases), list(key.whitelist))

    class Closed(Breaking):
        def send(self, call: Call) -> Reply:
            if call.path == "/allocate":
                self.rest = 0
                return _drop(self._vendor, call)
            closed = self.rest > 0 and call.path in ("/query", "/whitelist/query")
            return Reply(200, '{"Code": -10}') if closed else self._vendor.send(call)

    findings = Probes(Closed(vendor, 1, _drop), wanted).run()
    assert_undone(vendor, before, 1)
    assert "no list has shown the leases" in " ".join(findings.left)


def test_an_allocated_address_that_the_key_held_before_is_not_released() -> None:
    vendor = Simulated(SITUATIONS[DEDICATED], {})
    (own,) = vendor.core.keys[vendor.key].holdings.leases

    class Repeating(Breaking):
        def send(self, call: Call) -> Reply:
            reply = self._vendor.send(call)
            new = re.search(r'"IP": "([\d.]+)"', reply.text) if call.path == "/allocate" else None
            return replace(reply, text=reply.text.replace(new[1], own.ip)) if new else reply

    findings = Probes(Repeating(vendor, 0, _drop), Wanted(SITUATIONS[DEDICATED], paid=1)).run()
    assert own in vendor.core.keys[vendor.key].holdings.leases
    assert findings.left == [f"An allocation returned {own.ip}, which the key held before. It is not released."]


@pytest.mark.parametrize("seed", range(8))
def test_responses_of_any_shape_end_in_a_table(seed: int) -> None:
    chance = random.Random(seed)
    values = [*HOSTILE_TEXTS, None, True, -1, 10**12, 1.5, [], {}, [None], ["a"], {"a": None}]

    def bent(value: Any) -> Any:
        if chance.random() < 0.15:
            return chance.choice(values)
        if isinstance(value, dict):
            return {name: bent(item) for name, item in value.items()}
        return [bent(item) for item in value] if isinstance(value, list) else value

    class Bending(Breaking):
        def send(self, call: Call) -> Reply:
            reply = self._vendor.send(call)
            what = chance.random()
            text = json.dumps(bent(reply.body)) if what < 0.3 else "[" * 10_000 if what < 0.32 else reply.text
            return replace(reply, text=text)

    wanted = Wanted(SITUATIONS[list(SITUATIONS)[seed % 2]], write=True, paid=2, account=True)
    vendor = Simulated(wanted.situation, {})
    key = vendor.core.keys[vendor.key]
    key.whitelist.append(ENTRY)
    probes = Probes(Bending(vendor, 0, _drop), wanted)
    rows, settings = compare(wanted, probes.run(), {})
    assert "\n".join(report(rows, probes.found, settings)).replace("\n", "").isprintable()
    assert json.dumps(record(wanted, {}, probes.caller.exchanges, []), ensure_ascii=False).encode()
    assert ENTRY in key.whitelist
    assert probes.caller.bought <= 2


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
