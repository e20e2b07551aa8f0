# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a gateway needs in a day, as the doctor foretells it, and what simulated days come to."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from behavior.gateway_fleet import Fleet, gateway
from support import phrases
from support.node import Node

HOUR = 3600.0
DAY = 24 * HOUR
#: By product: the plan, the options of the gateway, and for how many seconds it is simulated: ten
#: lives of a lease, or more.
PLANS: dict[str, tuple[dict[str, Any], dict[str, Any], float]] = {
    "classic": ({"lifetime": 30}, {"drain": 120, "interval": 60}, 5 * HOUR),
    "share": ({"lifetime": 1}, {"drain": 15, "interval": 10}, HOUR / 6),
    "exclusive": ({"lifetime": 60}, {"drain": 300, "interval": 120}, 10 * HOUR),
    "overseas": ({"lifetime": 10}, {"drain": 60, "interval": 30}, 5 * HOUR / 3),
    "longterm": ({"lifetime": 30}, {"drain": 300, "interval": 120}, 5 * HOUR),
}


def detail(node: Node, **options: Any) -> str:
    """What the doctor says about the cap."""
    checks = node.ok("qg_doctor_info", **options)["checks"]
    return next(str(check["detail"]) for check in checks if check["name"] == "cap")


def foretold(text: str) -> tuple[float, float]:
    """The leases that are needed in a day, at least and at most."""
    found = re.search(rf"{phrases.NEEDS} ([0-9,]+)(?: to ([0-9,]+))? a day", text)
    assert found, text
    least = float(found[1].replace(",", ""))
    return least, float(found[2].replace(",", "")) if found[2] else least


def fleet_of(new_node: Callable[..., Node], product: str) -> Fleet:
    plan, options, _seconds = PLANS[product]
    node = new_node(product, channels=12, **plan)
    return Fleet(node, gateway(product, count=4, **options))


@pytest.mark.parametrize("product", PLANS)
def test_what_is_bought_is_as_foretold(new_node: Callable[..., Node], product: str) -> None:
    fleet = fleet_of(new_node, product)
    _plan, options, seconds = PLANS[product]
    fleet.install()
    assert fleet.run() == 4

    least, most = foretold(detail(fleet.node))
    sold = fleet.run_for(seconds, options["interval"])

    a_day = sold * DAY / seconds
    assert 0.9 * least <= a_day <= 1.1 * most
    assert abs(a_day - (least + most) / 2) <= 0.1 * a_day


def test_the_cap_is_reached_when_it_was_foretold(new_node: Callable[..., Node]) -> None:
    fleet = fleet_of(new_node, "share")
    fleet.install()
    cap = 120
    fleet.run(cap=cap)

    text = detail(fleet.node, max_new_per_day=cap)
    began = fleet.vendor.clock.now()
    while not fleet.problem:
        fleet.vendor.advance(10)
        fleet.run(cap=cap)

    found = re.search(rf"{phrases.IS_REACHED_AFTER} ([0-9.]+) hours", text)
    assert found, text
    hours = (fleet.vendor.clock.now() - began) / HOUR
    assert abs(hours - float(found[1])) <= 0.1 * hours


def test_the_doctor_says_what_is_left(new_node: Callable[..., Node]) -> None:
    fleet = fleet_of(new_node, "exclusive")
    assert phrases.NEEDS not in detail(fleet.node, max_new_per_day=500)

    fleet.install()
    unknown = detail(fleet.node, max_new_per_day=500)
    fleet.run()
    text = detail(fleet.node, max_new_per_day=500)

    assert phrases.UNKNOWN_LIFE in unknown
    least, most = foretold(text)
    assert least < most
    assert f"cap of 500 {phrases.IS_NOT_REACHED} {500 - most:.0f}" in text
    assert phrases.EIGHT_CHANNELS_FREE in text


def test_a_plan_by_volume_lasts_as_long_as_foretold(new_node: Callable[..., Node]) -> None:
    fleet = Fleet(
        new_node("share", lifetime=1, billing="volume", balance=3000), gateway("share", count=4)
    )
    fleet.install()
    fleet.run()
    fleet.vendor.configure(plan={"balance": 3000})

    text = detail(fleet.node)

    least, most = foretold(text)
    found = re.search(r"3,000 addresses that the plan has left last about ([0-9.]+) hours", text)
    assert found, text
    assert abs(float(found[1]) - 6000 * 24 / (least + most)) < 0.1
