# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How often a call is repeated after refusals for the rate: another client uses the key, and shares no count."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.key import KeyCaller
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse, Transport
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.whitelist import Whitelist
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import CallError, TransportError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import WaitBudget
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter
from support.stores import open_store

REFUSED, FINE = HttpResponse(200, '{"Code": -11}', {}), HttpResponse(200, '{"Code": 0, "Data": []}', {})


class Vendor(Transport):
    """Refuses so many calls, and counts them; time passes only while a run waits."""

    def __init__(self, refusals: int, refusal: HttpResponse = REFUSED) -> None:
        super().__init__(timeout=10)
        self.refusals = refusals
        self.refusal = refusal
        self.calls = 0
        self.now = 1000.0

    def send(self, method: str, url: str, parameters: Mapping[str, str], endpoint: str) -> HttpResponse:
        self.calls += 1
        return self.refusal if self.calls <= self.refusals else FINE

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def control_node(directory: Path, vendor: Vendor, max_wait: float) -> Whitelist:
    rate_limiter = RateLimiter(open_store(directory, now=lambda: vendor.now), minute=60)
    budget = WaitBudget(max_wait, sleep=vendor.sleep)
    return Whitelist(KeyCaller(vendor, rate_limiter, budget, url="https://api.example", key="KEY"))


@pytest.mark.parametrize("refusals", [1, 10])
def test_refusals_for_the_rate_end_with_max_wait_and_not_with_a_number_of_tries(tmp_path: Path, refusals: int) -> None:
    vendor = Vendor(refusals)
    api = control_node(tmp_path, vendor, 900)
    assert api.whitelist() == (frozenset(), ())
    assert (vendor.calls, api.caller.count["retries"]) == (refusals + 1, refusals)
    assert vendor.now - 1000 >= 60 * refusals


def test_a_run_without_time_left_says_why_it_had_to_wait(tmp_path: Path) -> None:
    vendor = Vendor(99)
    api = control_node(tmp_path, vendor, 300)
    with pytest.raises(CallError, match="too many requests") as caught:
        api.whitelist()
    assert caught.value.details["code"] == -11
    assert api.caller.budget.waited <= 300
    assert vendor.calls == 5


def test_a_server_that_asks_for_no_pause_is_not_flooded(tmp_path: Path) -> None:
    vendor = Vendor(99, HttpResponse(429, "", {"Retry-After": "0"}))
    with pytest.raises(TransportError, match="429"):
        control_node(tmp_path, vendor, 300).whitelist()
    assert vendor.calls == 6
