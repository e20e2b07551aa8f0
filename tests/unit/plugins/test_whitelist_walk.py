# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random walks of qg_whitelist against a vendor that loses or garbles 30 % of its responses."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import WHITELIST
from support.in_process import KEY, URL
from support.playbooks import numeric, operate
from support.stores import state_options
from support.whitelist import WhitelistTransport, new_core, use_transport

IPS = [f"203.0.113.{number}" for number in range(1, 9)]
#: Lost before and after the call was carried out, an error of a gateway, and responses that cannot be read.
FAULTS = [
    {"kind": "reset_before"},
    {"kind": "reset_after"},
    {"kind": "status", "http_status": 502, "executed": False},
    {"kind": "status", "http_status": 502, "executed": True},
    {"kind": "garbage"},
    {"kind": "truncate"},
]


class LossyTransport(WhitelistTransport):
    """Loses or garbles 30 % of the responses."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(new_core())
        self.chance = chance

    def send(self, method: str, url: str, parameters: Mapping[str, str], endpoint: str) -> HttpResponse:
        if self.chance.random() < 0.3:
            self.core.faults.append({"path": endpoint, **self.chance.choice(FAULTS)})
        return super().send(method, url, parameters, endpoint)


@pytest.mark.parametrize("seed", range(10))
def test_results_are_exact_while_responses_are_lost(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    wire = LossyTransport(chance)
    use_transport(monkeypatch, lambda: wire)
    common = {"key": KEY, "api_url": URL, "max_wait": 60, "max_removals": 100, **state_options(tmp_path / "state")}
    failed = 0
    for _change in range(20):
        state = chance.choice(["present", "present", "absent", "exact"])
        ips = set(chance.sample(IPS, chance.randint(1, 4)))
        before = set(wire.core.keys[KEY].whitelist)
        result = operate(WHITELIST, {**common, "state": state, "ips": sorted(ips)})
        after = set(wire.core.keys[KEY].whitelist)
        goal = {"present": before | ips, "absent": before - ips, "exact": ips}[state]
        assert after <= before | goal, "an address was added that nobody asked for"
        assert before & goal <= after, "an address was lost"
        if result.get("failed"):
            failed += 1
        else:
            assert after == goal
            assert result["whitelist"] == numeric(after)
        assert result.get("added", []) == numeric(after - before), result
        assert result.get("removed", []) == numeric(before - after), result
        assert result["changed"] == (before != after), result
        wire.advance(chance.uniform(0, 30))
    assert failed <= 4
