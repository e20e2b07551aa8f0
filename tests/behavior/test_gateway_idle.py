# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs buy for pools that nobody uses, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest
from behavior.gateway_fleet import FAILS, REJECTS, REPORTED, WORKS, Fleet, NewNode, gateway
from support.node import Node
from support.vendor import PATHS

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0
IDLE = 300
#: Leases of a test last for so long, from which on the last minute is for their successors.
LIFE = 10 * MINUTE


def fleet_of(node: Node, names: tuple[str, ...] = ("web1",), **options: Any) -> Fleet:
    options = {"count": 4, "idle": IDLE, **options}
    return Fleet(node, gateway(node.options["product"], **options), names)


@pytest.fixture
def node(new_node: NewNode) -> Node:
    return new_node("share", channels=40, lifetime=10)


@pytest.fixture
def fleet(node: Node) -> Fleet:
    """A host whose gateway has just been installed, and that nobody uses."""
    fleet = fleet_of(node)
    leave(fleet)
    assert fleet.run() == 4
    return fleet


def leave(fleet: Fleet) -> None:
    """Let nobody use the gateways from now on."""
    for host in fleet.hosts.values():
        host.leave(fleet.vendor.clock.now())


def use(fleet: Fleet, name: str = "web1") -> None:
    """Let a request come to a host now, and others later."""
    fleet.hosts[name].used_at = {}


def test_leases_that_end_while_nobody_uses_them_are_not_replaced(fleet: Fleet) -> None:
    assert fleet.run_for(HOUR) == 0

    assert fleet.problem == ""
    assert fleet.host.servers == []
    assert fleet.sleeps["web1"]["qg"]["not_bought"] == pytest.approx(4 * 55 / 9.5, rel=0.1)


def test_the_refresh_after_the_first_request_leases_again(fleet: Fleet) -> None:
    fleet.run_for(HOUR)
    use(fleet)
    fleet.vendor.advance(10)

    assert fleet.run() == 4

    assert fleet.problem == ""
    assert fleet.late["web1"] == []
    assert len(fleet.host.exits) == 4
    assert fleet.sleeps["web1"] == {}
    assert fleet.run_for(LIFE) == 4


def test_a_pool_serves_its_leases_until_they_end_although_it_sleeps(fleet: Fleet) -> None:
    """They are paid, and the next request may come in a second."""
    fleet.run_for(LIFE - 2 * MINUTE)

    assert fleet.sleeps["web1"]
    assert len(fleet.host.exits) == 4
    use(fleet)
    fleet.vendor.advance(10)
    assert fleet.run() == 0


def test_a_pool_without_the_option_never_sleeps(node: Node) -> None:
    fleet = fleet_of(node, idle=0)
    leave(fleet)
    fleet.run()

    assert fleet.run_for(HOUR) > 20
    assert fleet.sleeps["web1"] == {}


@pytest.mark.parametrize("hides", [{"answers": False}, {"untold": ("qg",)}])
def test_a_host_that_does_not_say_whether_it_is_used_is_used(
    fleet: Fleet, hides: dict[str, Any]
) -> None:
    """A process that hangs, or one whose counters cannot be read, may serve requests."""
    fleet.run_for(HOUR)
    for name, value in hides.items():
        setattr(fleet.host, name, value)
    fleet.vendor.advance(10)

    assert fleet.run() == 4


@pytest.mark.parametrize("used", ["web1", "web2"])
def test_one_host_that_is_used_keeps_the_leases_of_all(node: Node, used: str) -> None:
    fleet = fleet_of(node, ("web1", "web2"))
    leave(fleet)
    use(fleet, used)
    fleet.run()

    assert fleet.run_for(HOUR) > 20

    assert fleet.sleeps == {"web1": {}, "web2": {}}
    assert len(fleet.hosts["web1"].exits) == len(fleet.hosts["web2"].exits) == 4


@pytest.mark.parametrize("used", ["web1", "web2"])
def test_two_control_nodes_agree_whether_a_set_sleeps(node: Node, used: str) -> None:
    """Each refreshes one of the hosts."""
    fleet = fleet_of(node, ("web1", "web2"))
    leave(fleet)
    use(fleet, used)
    sold = 0
    for _ in range(360):
        for name in fleet.hosts:
            sold += fleet.run(only=[name])
            assert fleet.sleeps[name] == {}
        fleet.vendor.advance(10)
    assert sold > 20

    leave(fleet)
    sold = 0
    for number in range(360):
        for name in fleet.hosts:
            sold += fleet.run(only=[name])
            if number > (IDLE + 30) / 10:
                assert fleet.sleeps[name]
        fleet.vendor.advance(10)

    assert sold <= 4
    use(fleet, used)
    bought = [fleet.run(only=[name]) for name in (used, *fleet.hosts)]
    assert sum(bought) == 4
    assert len(fleet.hosts["web1"].exits) == len(fleet.hosts["web2"].exits) == 4


def test_a_host_that_is_refreshed_no_more_keeps_no_set_awake(node: Node) -> None:
    """It may have been taken down while it was in use."""
    fleet = fleet_of(node, ("web1", "web2"))
    leave(fleet)
    use(fleet, "web2")
    fleet.run()
    sold = 0
    for _ in range(360):
        fleet.vendor.advance(10)
        sold += fleet.run(only=["web1"])

    assert sold == 0
    assert fleet.sleeps["web1"]


def test_a_host_whose_haproxy_has_just_started_is_used(fleet: Fleet) -> None:
    """Nobody knows what the process before it has counted."""
    fleet.run_for(HOUR)
    fleet.host.leave(fleet.vendor.clock.now())
    fleet.vendor.advance(10)

    assert fleet.run() == 4
    assert fleet.run_for(HOUR) == 0


@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
def test_a_step_of_the_clock_of_a_host_neither_wakes_nor_puts_to_sleep(
    fleet: Fleet, ahead: float
) -> None:
    fleet.run_for(HOUR)
    fleet.host.clock_ahead = ahead
    assert fleet.run_for(MINUTE) == 0
    use(fleet)
    fleet.vendor.advance(10)

    assert fleet.run() == 4

    fleet.host.clock_ahead = 0
    assert fleet.run_for(LIFE) == 4


def test_pools_of_one_set_with_and_without_the_option(node: Node) -> None:
    """The one that never sleeps keeps its leases, and the other one has these, too."""
    pools = [
        {"name": "a", "port": 3129, "count": 1, "idle": 0},
        {"name": "b", "port": 3130, "count": 4, "idle": IDLE},
    ]
    fleet = fleet_of(node, pools=pools)
    leave(fleet)
    fleet.run()

    sold = fleet.run_for(HOUR)

    assert sold == pytest.approx(6, abs=1)
    assert fleet.sleeps["web1"].keys() == {"b"}
    assert len(fleet.host.exits) == 2
    assert len(set(fleet.host.exits)) == 1
    del fleet.host.used_at["b"]
    fleet.vendor.advance(10)
    assert fleet.run() == 3
    assert fleet.problem == ""


def test_pools_of_different_sets_sleep_each_for_itself(node: Node) -> None:
    areas = sorted({str(row.area_id) for row in node.vendor.stock})
    pools = [
        {"name": "a", "port": 3129, "count": 2, "areas": [areas[0]]},
        {"name": "b", "port": 3130, "count": 2, "areas": [areas[1]]},
    ]
    fleet = fleet_of(node, pools=pools)
    leave(fleet)
    fleet.run()
    del fleet.host.used_at["b"]

    assert 12 <= fleet.run_for(HOUR) <= 14

    assert fleet.sleeps["web1"].keys() == {"a"}
    assert {server.pool for server in fleet.host.servers} == {"b"}


def test_slots_sleep_and_wake_in_their_order(node: Node) -> None:
    fleet = fleet_of(node, slots=True)
    leave(fleet)
    fleet.run()

    assert fleet.run_for(HOUR) == 0

    assert fleet.host.servers == []
    use(fleet)
    fleet.vendor.advance(10)
    assert fleet.run() == 4
    assert sorted(server.slot for server in fleet.host.servers) == [1, 2, 3, 4]


@pytest.mark.parametrize("state", [FAILS, REJECTS, REPORTED], ids=lambda state: state[0])
def test_exits_that_fail_while_nobody_uses_them_are_not_replaced(
    node: Node, state: tuple[str, str, str]
) -> None:
    """A pool that sleeps needs none, and what failed is not given to it when it wakes."""
    fleet = fleet_of(node, reports=True)
    leave(fleet)
    fleet.run()
    fleet.run_for(IDLE + 30)
    bad = fleet.host.exits[0]
    fleet.let(state, bad)

    assert fleet.run_for(2 * MINUTE) == 0

    assert fleet.problem == ""
    fleet.let_all(WORKS)
    fleet.run_for(HOUR)
    use(fleet)
    fleet.vendor.advance(10)
    assert fleet.run() == 4
    assert fleet.problem == ""


def test_an_exit_that_failed_in_the_sleep_is_replaced_after_it(fleet: Fleet) -> None:
    fleet.run_for(IDLE + 30)
    bad = fleet.host.exits[0]
    fleet.let(FAILS, bad)
    assert fleet.run_for(30) == 0
    use(fleet)

    assert fleet.run_for(30) == 1

    assert fleet.problem == ""
    assert bad not in fleet.host.exits


@pytest.mark.parametrize("after", [2, 6])
def test_a_change_of_the_count_in_the_sleep_holds_after_it(
    node: Node, fleet: Fleet, after: int
) -> None:
    fleet.run_for(HOUR)
    fleet.host.gateway = gateway("share", count=after, idle=IDLE)
    assert fleet.run_for(MINUTE) == 0
    use(fleet)
    fleet.vendor.advance(10)

    assert fleet.run() == after


def test_an_outage_of_the_vendor_fails_no_pool_that_sleeps(fleet: Fleet) -> None:
    fleet.run_for(HOUR)
    for path in (PATHS["share"].get, PATHS["share"].query):
        fleet.vendor.around(path, lambda _call: (503, None))

    fleet.vendor.advance(10)
    assert fleet.run() == 0

    assert fleet.problem == ""
    use(fleet)
    fleet.vendor.advance(10)
    assert fleet.run() == 0
    assert fleet.problem


def test_check_mode_buys_nothing_for_a_pool_that_sleeps(fleet: Fleet) -> None:
    fleet.run_for(HOUR)

    fleet.run(check=True)

    assert fleet.bought == 0
    use(fleet)
    fleet.vendor.advance(10)
    fleet.run(check=True)
    assert fleet.bought == 4


@pytest.mark.parametrize("stride", [9, pytest.param(1, marks=pytest.mark.nightly)])
def test_a_run_that_is_killed_when_a_pool_wakes_pays_once(new_node: NewNode, stride: int) -> None:
    """The next run has what the killed one has bought."""
    steps = 0
    was_killed = True
    while was_killed:
        node = new_node("share", channels=40, lifetime=10)
        node.begin_store(node.store.with_name(f"store{steps}"))
        fleet = fleet_of(node)
        leave(fleet)
        fleet.run()
        fleet.run_for(LIFE + MINUTE)
        use(fleet)
        fleet.vendor.advance(10)
        node.at_step(steps, node.die)

        was_killed = fleet.killed()
        node.event = None
        fleet.run_for(3 * MINUTE, step=30)

        assert fleet.vendor.paid == 8, steps
        assert len(fleet.host.exits) == 4, steps
        assert fleet.problem == "", steps
        steps += stride
    assert steps > 15


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("product", "minutes", "drain", "most", "otherwise"),
    [
        ("share", 1, 15, 4_900, 56_400),
        ("share", 5, 15, 820, 9_100),
        ("exclusive", 1440, 60, 30, 31),
    ],
    ids=["1 minute", "5 minutes", "1 day"],
)
def test_a_month_of_a_crawler_that_works_two_hours_a_day(
    new_node: NewNode,
    product: str,
    minutes: int,
    drain: int,
    most: int,
    otherwise: int,
) -> None:
    """What one exit costs: ``most`` leases, or ``otherwise`` about so many without the option."""
    bought = {}
    for idle in (IDLE, 0):
        node = new_node(product, channels=40, lifetime=minutes)
        node.begin_store(node.store.with_name(f"store{idle}"))
        fleet = fleet_of(node, count=1, idle=idle, drain=drain)
        # Without the option, each day is like the one before.
        days = 30 if idle or product == "exclusive" else 1
        began = fleet.vendor.clock.now()
        paid = fleet.vendor.paid
        while (now := fleet.vendor.clock.now()) < began + days * DAY:
            is_working = (now - began) % DAY < 2 * HOUR
            if is_working:
                use(fleet)
            elif not fleet.host.used_at:
                leave(fleet)
            fleet.run()
            assert fleet.problem == ""
            if is_working:
                assert len(fleet.host.exits) == 1
            fleet.vendor.advance(pause(fleet, drain, is_working=is_working))
        bought[idle] = (fleet.vendor.paid - paid) * 30 // days
    assert 0.9 * most <= bought[IDLE] <= most
    assert 0.9 * otherwise <= bought[0] <= 1.1 * otherwise


def pause(fleet: Fleet, drain: int, *, is_working: bool) -> float:
    """Return the seconds until a refresh has something to do: a lease is to be replaced, or the
    work begins or ends.
    """
    now = fleet.vendor.clock.now()
    longest = 10 * MINUTE if is_working else IDLE
    due: list[float] = [lease.ends - drain - now + 1 for lease in fleet.vendor.leases]
    return max(10.0, min([longest, *(seconds for seconds in due if seconds > 0)]))
