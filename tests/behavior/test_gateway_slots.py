# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Slots: which lease hosts serve at which port of a pool, and what that costs, in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from behavior.gateway_fleet import IS_SILENT, REPORTED, WORKS, Fleet, NewNode, gateway
from behavior.worlds import World
from support import phrases
from support.node import Node
from support.vendor import PATHS

MINUTE = 60.0
HOSTS = ("web1", "web2")


def fleet_of(node: Node, count: int = 3, names: Sequence[str] = HOSTS, drain: int = 15) -> Fleet:
    """Return hosts whose runs are apart unless a test lets them run together."""
    declared = gateway(node.options["product"], count=count, slots=True, drain=drain)
    return Fleet(node, declared, names)


@pytest.fixture
def fleet(new_node: NewNode) -> Fleet:
    """Two hosts with three slots each, and leases that last for ten minutes."""
    return fleet_of(new_node("share", channels=20, lifetime=10))


def slots(fleet: Fleet, host: str = "web1", *, waiting: bool = False) -> dict[int, str]:
    """Return the exit of each slot of a host, or the one that waits there."""
    return {each.slot: each.server for each in fleet.hosts[host].servers if each.waits == waiting}


def test_two_hosts_that_run_one_after_the_other_have_the_same_exits_at_their_slots(
    fleet: Fleet,
) -> None:
    assert fleet.run(only=["web1"]) == 3

    assert fleet.run(only=["web2"]) == 0

    assert slots(fleet).keys() == {1, 2, 3}
    assert slots(fleet, "web2") == slots(fleet)
    assert slots(fleet, waiting=True) == {}


def test_check_mode_records_nothing(fleet: Fleet) -> None:
    """Of leases that have no slot yet."""
    fleet.hosts["web1"].gateway = gateway("share", count=3)
    fleet.run(only=["web1"])

    assert fleet.run(only=["web2"], check=True) == 0

    assert fleet.remembered_sets() == 0
    fleet.run(only=["web2"])
    assert slots(fleet, "web2").keys() == {1, 2, 3}
    assert fleet.remembered_sets() == 1


def test_slots_whose_leases_would_be_bought_are_no_problem(fleet: Fleet) -> None:
    assert fleet.run(check=True) == 0

    assert fleet.problem == ""
    assert fleet.bought == 3
    fleet.run(cap=2)
    fleet.run(check=True)
    assert fleet.problem == ""
    assert fleet.run() == 1


def test_a_successor_waits_at_the_slot_of_the_lease_that_ends(fleet: Fleet) -> None:
    fleet.run()
    first = slots(fleet)
    fleet.vendor.advance(10 * MINUTE - 10)

    assert fleet.run() == 3

    assert slots(fleet) == first
    successors = slots(fleet, waiting=True)
    assert successors.keys() == first.keys()
    assert fleet.run_for(20) == 0
    assert slots(fleet) == successors
    assert slots(fleet, waiting=True) == {}


def test_leases_that_were_released_leave_their_slots(new_node: NewNode) -> None:
    node = new_node("classic", channels=6, lifetime=1440)
    fleet = fleet_of(node, count=2, names=("web1",))
    released: set[str] = set()
    fleet.state_of = lambda server: IS_SILENT if server in released else WORKS
    fleet.run()
    for _time in range(3):
        # Those that serve, and those that wait for their end.
        released.update(slots(fleet).values())
        node.ok("qg_proxy_release", all=True)
        node.vendor.advance(10)
        assert fleet.run() == 2
        assert fleet.problem == ""

    fleet.run_for(2 * MINUTE)

    live = {f"{lease.ip}:{lease.port}" for lease in node.vendor.leases}
    assert set(slots(fleet).values()) == live
    assert slots(fleet, waiting=True) == {}
    assert node.vendor.paid == 2 + 3 * 2


def test_an_exit_that_is_down_is_replaced_at_its_slot_and_nowhere_else(fleet: Fleet) -> None:
    fleet.run()
    first = slots(fleet)
    fleet.let(IS_SILENT, first[2])

    assert fleet.run_for(MINUTE) == 1

    after = slots(fleet)
    assert (after[1], after[3]) == (first[1], first[3])
    assert after[2] not in first.values()
    assert slots(fleet, "web2") == after


def test_a_successor_that_is_down_is_replaced_before_it_serves(new_node: NewNode) -> None:
    fleet = fleet_of(new_node("share", channels=20), count=1, drain=30)
    fleet.run()
    first = slots(fleet)
    fleet.vendor.advance(35)
    fleet.run()
    successor = slots(fleet, waiting=True)[1]
    fleet.let(IS_SILENT, successor)

    assert fleet.run_for(15, step=5) == 1

    assert slots(fleet) == first
    assert slots(fleet, waiting=True)[1] not in (first[1], successor)


def test_a_vendor_that_cannot_be_reached_changes_no_slot(fleet: Fleet) -> None:
    fleet.run()
    fleet.vendor.advance(10 * MINUTE - 10)
    fleet.run()
    before = fleet.hosts["web1"].servers
    fleet.vendor.around(PATHS["share"].query, lambda _call: (503, None))

    assert fleet.run() == 0

    assert "503" in fleet.problem
    assert fleet.hosts["web1"].servers == before


def test_a_slot_without_a_lease_is_a_problem(fleet: Fleet) -> None:
    assert fleet.run(cap=2) == 2

    assert slots(fleet).keys() == {1, 2}
    assert "max_new_per_day=2" in fleet.problem


# Hosts with different counts.


def with_count(fleet: Fleet, host: str, count: int) -> None:
    """Let the role give a host another number of slots."""
    fleet.hosts[host].gateway = gateway(fleet.node.options["product"], count=count, slots=True)


def test_more_slots_keep_the_first_ones_and_buy_the_others(fleet: Fleet) -> None:
    fleet.run()
    first = slots(fleet)
    with_count(fleet, "web2", 5)

    assert fleet.run(only=["web2"]) == 2

    after = slots(fleet, "web2")
    assert after.keys() == {1, 2, 3, 4, 5}
    assert {slot: after[slot] for slot in first} == first


@pytest.mark.parametrize(("more", "fewer"), [(5, 2), (3, 2)])
def test_a_host_with_fewer_slots_takes_no_lease_from_the_slots_of_others(
    new_node: NewNode, more: int, fewer: int
) -> None:
    """It buys what its slots lack although the key holds more leases than it needs, and no more
    than that.
    """
    fleet = fleet_of(new_node("share", channels=20, lifetime=10), count=more)
    fleet.run(only=["web2"])
    first = slots(fleet, "web2")
    with_count(fleet, "web1", fewer)
    fleet.run(only=["web1"])
    assert slots(fleet) == {slot: first[slot] for slot in range(1, fewer + 1)}
    fleet.vendor.advance(10)
    fleet.let(IS_SILENT, first[1])
    fleet.run(only=["web1"])
    fleet.vendor.advance(10)

    assert fleet.run(only=["web1"]) == 1

    assert slots(fleet)[1] not in first.values()
    assert fleet.run(only=["web2"]) == 0
    assert slots(fleet, "web2") == {**first, 1: slots(fleet)[1]}


def test_with_fewer_slots_the_leases_of_the_others_end_by_themselves(fleet: Fleet) -> None:
    fleet.run()
    first = slots(fleet)
    for host in HOSTS:
        with_count(fleet, host, 1)

    assert fleet.run() == 0

    assert slots(fleet) == slots(fleet, "web2") == {1: first[1]}
    assert fleet.run_for(20 * MINUTE) == 2


def test_a_slot_whose_exits_are_reported_beyond_the_bound_gets_them_again_in_turn(
    new_node: NewNode,
) -> None:
    node = new_node("share", channels=20, lifetime=60)
    declared = gateway("share", count=2, slots=True, reports=True)
    fleet = Fleet(node, declared, ("web1",))
    fleet.run()
    good = slots(fleet)[2]
    fleet.state_of = lambda server: WORKS if server == good else REPORTED

    assert fleet.run_for(5 * MINUTE) == 2

    had = set()
    for _refresh in range(6):
        fleet.vendor.advance(10)
        assert fleet.run() == 0
        had.add(slots(fleet)[1])
        assert slots(fleet)[2] == good
        assert fleet.problem == ""
        assert phrases.REPORTED_FIRST in " ".join(fleet.warnings)
    assert len(had) == 3
    fleet.let_all(WORKS)
    last = slots(fleet)
    assert fleet.run_for(30 * MINUTE, step=60) == 0
    assert slots(fleet) == last


def test_a_pool_without_slots_shares_the_leases_of_one_with_slots(fleet: Fleet) -> None:
    fleet.hosts["web1"].gateway = gateway("share", count=5)

    assert fleet.run() == 5

    assert slots(fleet, "web2").keys() == {1, 2, 3}
    assert len(fleet.hosts["web1"].exits) == 5
    assert fleet.run() == 0


def test_a_pool_that_gets_slots_and_loses_them_serves_the_same_leases(fleet: Fleet) -> None:
    fleet.hosts["web1"].gateway = gateway("share", count=3)
    fleet.run(only=["web1"])
    exits = fleet.hosts["web1"].exits
    with_count(fleet, "web1", 3)

    assert fleet.run(only=["web1"]) == 0

    assert sorted(slots(fleet).values()) == exits
    fleet.hosts["web1"].gateway = gateway("share", count=3)
    assert fleet.run(only=["web1"]) == 0
    assert fleet.hosts["web1"].exits == exits
    assert {each.slot for each in fleet.hosts["web1"].servers} == {0}


# For hours.


@pytest.mark.parametrize(
    ("drain", "steps"), [(40, 40), pytest.param(15, 360, marks=pytest.mark.slow)]
)
def test_no_slot_has_the_exit_of_another_one(new_node: NewNode, drain: int, steps: int) -> None:
    """Leases of a minute, two hosts whose runs alternate, and now and then an exit that is down."""
    count = 4
    fleet = fleet_of(new_node("share", channels=40), count=count, drain=drain)
    slot_of: dict[str, int] = {}
    down: set[str] = set()
    fleet.state_of = lambda server: IS_SILENT if server in down else WORKS
    for step in range(steps):
        fleet.run(only=[HOSTS[step % 2]])
        fleet.run(only=[HOSTS[(step + 1) % 2]])
        for host in HOSTS:
            for each in fleet.hosts[host].servers:
                assert slot_of.setdefault(each.server, each.slot) == each.slot
            assert slots(fleet, host).keys() == set(range(1, count + 1))
        assert slots(fleet, HOSTS[0]) == slots(fleet, HOSTS[1])
        if step % 20 == 10:
            down = {slots(fleet)[step // 20 % count + 1]}
        fleet.vendor.advance(10)
    assert len(slot_of) > steps / 2
    # A lease is replaced when it has less than the drain left.
    assert fleet.vendor.paid <= count * (1 + steps * 10 / (60 - drain)) + 6


@pytest.mark.parametrize("irregularity", ["exits share addresses", "addresses are reused"])
def test_addresses_that_are_shared_or_come_again_cost_nothing(
    tmp_path: Path, irregularity: str
) -> None:
    world = World("classic", {"channels": 20, "lifetime": 1}, (irregularity,))
    fleet = fleet_of(world.node(tmp_path))
    fleet.run()

    # Each lease is replaced after 50 seconds.
    assert fleet.run_for(5 * MINUTE) == 6 * 3

    assert slots(fleet).keys() == {1, 2, 3}
    assert slots(fleet, "web2") == slots(fleet)
