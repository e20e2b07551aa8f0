# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long leases last is a setting of the plan: it is learned from what QG.net says of what was
bought, and until then nothing is refused for it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from behavior.gateway_fleet import Fleet, gateway
from behavior.worlds import WRONG_ENDS, World, rows, when_opened
from support import phrases
from support.node import Node
from support.vendor import PATHS

ALLOCATE = "qg_proxy_allocate"
GET = "/allocate"
MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0
Make = Callable[..., Node]


def fleet_of(node: Node, **options: Any) -> Fleet:
    return Fleet(node, gateway(node.options["product"], **options))


# Leases.


def test_a_lease_that_ends_while_a_run_waits_does_not_count(new_node: Make) -> None:
    node = new_node("share", channels=9, lifetime=1)
    node.ok(ALLOCATE, count=1)
    paths = PATHS["share"]
    assert paths.quota
    # The list has shown the first lease, which has a second left then.
    node.vendor.advance(59 - node.vendor.clock.now() % 1)
    node.vendor.before(paths.quota, lambda: node.vendor.advance(5))
    node.vendor.forget()

    result = node.ok(ALLOCATE, count=2)

    assert len(result["allocated"]) == 2
    assert [sent["num"] for sent in node.sent(paths.get)] == ["2"]
    assert node.vendor.paid == 3


@pytest.mark.parametrize(
    ("product", "minutes", "fits", "longest"),
    [
        ("share", 1, "54s", "54 seconds"),
        ("share", 2, "108s", "108 seconds"),
        ("share", 3, "162s", "162 seconds"),
        ("share", 5, "270s", "270 seconds"),
        ("exclusive", 10, "540s", "9 minutes"),
        ("overseas", 60, "54m", "54 minutes"),
    ],
)
def test_a_minimum_fits_if_the_plan_is_set_so(
    new_node: Make, product: str, minutes: int, fits: str, longest: str
) -> None:
    node = new_node(product, channels=9, lifetime=minutes)
    whole_life = f"{minutes * 60}s"

    refused = node.failed(ALLOCATE, count=4, min_remaining=whole_life)
    again = node.failed(ALLOCATE, count=4, min_remaining=whole_life)

    assert f"set it to at most {longest}" in refused["msg"]
    assert len(refused["allocated"]) == 1
    assert f"set it to at most {longest}" in again["msg"]
    assert node.vendor.paid == 1
    assert len(node.ok(ALLOCATE, count=4, min_remaining=fits)["leases"]) == 4
    assert node.vendor.paid == 4


@pytest.mark.parametrize("count", [1, 3])
def test_what_fits_is_bought_by_the_first_run(new_node: Make, count: int) -> None:
    node = new_node("share", channels=9, lifetime=5)

    result = node.ok(ALLOCATE, count=count, min_remaining=4)

    assert len(result["allocated"]) == count
    assert node.vendor.paid == count


def test_check_mode_refuses_what_is_known_and_nothing_else(new_node: Make) -> None:
    node = new_node("share", channels=9, lifetime=1)
    options = {"count": 3, "min_remaining": 4}

    unknown = node.ok(ALLOCATE, check=True, **options)
    node.ok(ALLOCATE, count=1)
    known = node.failed(ALLOCATE, check=True, **options)

    assert unknown["missing"] == 3
    assert phrases.CANNOT_BE_MET in known["msg"]
    assert node.vendor.paid == 1


def test_a_lease_that_only_the_list_shows_tells_how_long_others_last(node: Node) -> None:
    node.vendor.configure(plan={"kind": "dynamic_shared"})
    node.vendor.fault(GET, "reset_after")

    result = node.failed(ALLOCATE, count=2, min_remaining=30)

    assert f"min_remaining=30 minutes {phrases.CANNOT_BE_MET}" in result["msg"]
    assert node.vendor.paid == 1


def test_the_shortest_of_several_lives_counts(new_node: Make) -> None:
    node = new_node("share", channels=9, lifetime=5)
    opened = []

    def shorten(lease: Any) -> None:
        opened.append(lease)
        if len(opened) == 2:
            lease.ends -= 3 * MINUTE

    when_opened(node.vendor, shorten)
    node.ok(ALLOCATE, count=3)

    result = node.failed(ALLOCATE, count=4, min_remaining=2)

    assert "set it to at most 108 seconds" in result["msg"]
    assert node.vendor.paid == 3


def test_a_plan_that_is_set_to_longer_leases(new_node: Make) -> None:
    """What the leases of before lasted is forgotten after three purchases, or an hour."""
    node = new_node("share", channels=9, lifetime=1)
    options = {"count": 1, "min_remaining": 4}
    node.ok(ALLOCATE, count=1)
    node.vendor.advance(2 * MINUTE)
    node.vendor.configure(plan={"lifetime": 5})

    node.failed(ALLOCATE, **options)
    paid = node.vendor.paid
    node.vendor.advance(HOUR)

    assert paid == 1
    assert len(node.ok(ALLOCATE, **options)["allocated"]) == 1
    node.vendor.configure(plan={"lifetime": 1})
    node.vendor.advance(6 * MINUTE)
    node.ok(ALLOCATE, count=1)
    node.vendor.configure(plan={"lifetime": 5})
    for _purchase in range(3):
        node.vendor.advance(6 * MINUTE)
        node.ok(ALLOCATE, count=1)
    node.vendor.advance(2 * MINUTE)
    assert len(node.ok(ALLOCATE, **options)["allocated"]) == 1


def test_a_plan_that_is_set_to_shorter_leases_is_noticed_at_the_first_response(
    new_node: Make,
) -> None:
    node = new_node("share", channels=9, lifetime=5)
    node.ok(ALLOCATE, count=1)
    node.vendor.advance(6 * MINUTE)
    node.vendor.configure(plan={"lifetime": 1})

    first = node.failed(ALLOCATE, count=2, min_remaining=4)
    again = node.failed(ALLOCATE, count=2, min_remaining=4)

    assert len(first["allocated"]) == 2
    assert "set it to at most 54 seconds" in first["msg"]
    assert phrases.CANNOT_BE_MET in again["msg"]
    assert node.vendor.paid == 3


def test_a_lease_of_a_day_shows_its_plan_as_long_as_it_lives(new_node: Make) -> None:
    node = new_node("exclusive", channels=9, lifetime=1440)
    node.ok(ALLOCATE, count=1)
    node.vendor.advance(20 * HOUR)

    result = node.failed(ALLOCATE, count=2, min_remaining="23h")

    assert phrases.CANNOT_BE_MET in result["msg"]
    assert node.vendor.paid == 1


def test_a_lease_that_ends_while_the_run_waits_is_named(new_node: Make) -> None:
    """How long leases last is no reason then, so that the next run may try again."""
    node = new_node("share", channels=9, lifetime=1)
    node.ok(ALLOCATE, count=1)
    node.vendor.advance(2 * MINUTE)
    first = node.vendor.clock.now()

    def wait(call: Any) -> Any:
        answer = call.carry_out()
        node.vendor.advance(45)
        return answer

    node.vendor.once(PATHS["share"].get, wait)
    result = node.run(ALLOCATE, count=1, min_remaining="30s")

    assert node.vendor.clock.now() - first >= 45
    assert result.get("failed") is True
    assert len(result["allocated"]) == 1
    assert node.vendor.paid == 2


def test_a_plan_that_ignores_keep_alive_is_paid_for_one_lease_an_hour(
    new_node: Make,
) -> None:
    """What was requested does not show how long a lease lasts, only what was bought lately does."""

    node = new_node(lifetime=5, channels=20)
    node.vendor.around(GET, lambda call: call.carry_out(KeepAlive="5"))
    for hour in range(1, 5):
        result = node.failed(ALLOCATE, count=10, keep_alive=60, min_remaining="30m")

        assert phrases.CANNOT_BE_MET in result["msg"]
        assert node.vendor.paid == hour
        node.vendor.advance(3700)


def test_a_response_that_repeats_what_was_held_says_nothing_of_new_leases(new_node: Make) -> None:
    """A lease of before has less left."""
    node = new_node("exclusive", channels=9, lifetime=60)
    node.ok(ALLOCATE, count=1)
    held = next(rows(node.vendor.call(PATHS["exclusive"].query)))
    node.vendor.advance(50 * MINUTE)

    def add(call: Any) -> Any:
        status, body = call.carry_out()
        body["data"]["ips"].append(held)
        return status, body

    node.vendor.once(PATHS["exclusive"].get, add)
    first = node.failed(ALLOCATE, count=2)
    node.vendor.advance(3 * MINUTE)

    assert [lease["server"] for lease in first["allocated"]] == [node.vendor.leases[-1].host]
    assert len(node.ok(ALLOCATE, count=2, min_remaining=30)["allocated"]) == 1
    assert node.vendor.paid == 3


# Gateways.


@pytest.mark.parametrize("count", [1, 4])
def test_a_drain_that_does_not_fit_buys_one_lease(new_node: Make, count: int) -> None:
    fleet = fleet_of(new_node("share", channels=20, lifetime=1), count=count, drain=240)

    first = fleet.run()
    problem = fleet.problem
    again = fleet.run_for(HOUR / 2)

    assert first == 1
    assert again == 0
    for text in (problem, fleet.problem):
        assert "proxy_gateway_drain=240 is too long for leases that last 60 seconds" in text
        assert "at most 54 fits" in text
        assert "min_remaining" not in text


@pytest.mark.parametrize("minutes", [2, 3, 5])
def test_a_drain_that_fits_the_plan_is_accepted(new_node: Make, minutes: int) -> None:
    drain = int(0.9 * minutes * MINUTE)
    fleet = fleet_of(new_node("share", channels=20, lifetime=minutes), count=4, drain=drain)

    assert fleet.run() == 4

    assert fleet.problem == ""


def test_a_drain_that_does_not_fit_is_refused_where_nothing_has_to_be_bought(
    new_node: Make,
) -> None:
    node = new_node("exclusive", channels=20, lifetime=1440)
    fleet_of(node, count=2, drain=60).run()
    node.vendor.advance(3 * HOUR)

    fleet = fleet_of(node, count=2, drain=80000)

    assert fleet.run() == 0
    assert "proxy_gateway_drain=80000 is too long for leases that last 1440 minutes" in (
        fleet.problem
    )
    assert "at most 77760 fits" in fleet.problem


@pytest.mark.parametrize(("minutes", "drain"), [(1, 15), (2, 15), (3, 60), (5, 60)])
def test_a_day_of_a_gateway_costs_what_is_foretold(
    new_node: Make, minutes: int, drain: int
) -> None:
    """The doctor, the ledger and the report show it after the first purchase, and not before."""
    fleet = fleet_of(
        new_node("share", channels=20, lifetime=minutes), count=2, drain=drain, interval=10
    )
    fleet.install()
    node = fleet.node
    assert phrases.UNKNOWN_LIFE in str(node.ok("qg_doctor_info")["checks"])
    fleet.run()

    doctor = str(node.ok("qg_doctor_info")["checks"])
    report = str(node.ok("qg_report_info"))
    forecast = node.ok("qg_ledger_info")["needed_per_day"]
    sold = fleet.run_for(HOUR)

    lasting = minutes * MINUTE - drain
    most = 2 * DAY / lasting
    least = 2 * DAY / (lasting + 10)
    assert forecast["least"] == pytest.approx(least, rel=0.01)
    assert forecast["most"] == pytest.approx(most, rel=0.01)
    assert f"{most:,.0f} a day" in doctor
    assert f"{most:,.0f} a day" in report
    assert 0.9 * least <= 24 * sold <= 1.1 * most


@pytest.mark.parametrize("minutes", [30, 1440])
def test_longterm_is_foretold_by_the_last_purchases(new_node: Make, minutes: int) -> None:
    """A lease that was bought when the plan was set otherwise says nothing of the next ones."""
    other = {30: 1440, 1440: 30}[minutes]
    fleet = fleet_of(new_node("longterm", channels=20, lifetime=other), count=3)
    fleet.install()
    fleet.run()
    fleet.vendor.configure(plan={"lifetime": minutes})
    for lease in fleet.vendor.leases:
        lease.ends = fleet.vendor.clock.now()
    fleet.run_for(20 * MINUTE, MINUTE)

    forecast = fleet.node.ok("qg_ledger_info")["needed_per_day"]

    assert forecast["most"] == pytest.approx(3 * DAY / (minutes * MINUTE), rel=0.1)


# Ends that are not true.

#: Those that are later than the true ones.
LATE_ENDS = ("ends are of Tokyo", "ends are next year")


@pytest.mark.parametrize("product", ["classic", "share", "exclusive", "longterm"])
@pytest.mark.parametrize("ends", WRONG_ENDS)
def test_an_end_that_is_wrong_is_no_reason_to_buy(folder: Path, product: str, ends: str) -> None:
    """A task without a minimum counts what is listed. With one, it says what it cannot know."""
    world = World(product, {"channels": 20, "lifetime": 5}, (ends,))
    node = world.node(folder)

    assert len(node.ok(ALLOCATE, count=2)["allocated"]) == 2
    for min_remaining in (0, 1, 0, 1):
        node.vendor.advance(20)
        result = node.run(ALLOCATE, count=2, min_remaining=min_remaining)
        is_known = product == "longterm" or ends in LATE_ENDS
        assert result.get("failed", False) is (min_remaining == 1 and not is_known)
        assert result.get("failed") is None or phrases.NO_TRUE_DEADLINE in result["msg"]
    assert node.vendor.paid == 2


@pytest.mark.parametrize("product", ["classic", "share", "exclusive"])
@pytest.mark.parametrize("ends", WRONG_ENDS)
def test_a_gateway_buys_no_more_for_ends_that_are_wrong(
    folder: Path, product: str, ends: str
) -> None:
    """It serves what it has bought until QG.net's list lacks it, and then the next ones."""
    world = World(product, {"channels": 20, "lifetime": 5}, (ends,))
    fleet = Fleet(world.node(folder), gateway(product, count=2, drain=30))

    assert fleet.run() == 2
    sold = fleet.run_for(20 * MINUTE)

    assert 2 * 3 <= sold <= 2 * 4
    assert len(fleet.host.exits) == 2
