# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs of a gateway buy, from what hosts report to what QG.net sold, in virtual time."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from behavior.gateway_fleet import (
    FAILS,
    IS_SILENT,
    REFUSES,
    REJECTS,
    REPORTED,
    UNCHECKED,
    WORKS,
    Fleet,
    NewNode,
    State,
    exit_at,
    gateway,
    printed,
    row,
)
from behavior.worlds import UNUSABLE, World, rows
from qgnet_simulator.proxies.ports import UnboundPorts
from support import phrases
from support.invariants import assert_one_sentence
from support.node import Node
from support.vendor import KEY, PATHS

MINUTE = 60.0
HOUR = 3600.0
PRODUCTS = ("classic", "share", "longterm", "exclusive", "overseas")
BAD: list[State] = [REJECTS, REFUSES, IS_SILENT, FAILS]
LABELS_AND_SLOTS: list[dict[str, Any]] = [{}, {"slots": True, "sticky": "none"}]


def fleet_of(node: Node, names: tuple[str, ...] = ("web1",), **options: Any) -> Fleet:
    return Fleet(node, gateway(node.options["product"], **options), names)


@pytest.fixture
def fleet(new_node: NewNode) -> Fleet:
    """A host with a gateway of four exits that last for ten minutes."""
    return fleet_of(new_node("share", channels=20, lifetime=10), count=4)


@pytest.fixture
def pair(new_node: NewNode) -> Fleet:
    """Two hosts with such gateways."""
    return fleet_of(new_node("share", channels=20, lifetime=10), ("web1", "web2"), count=4)


# Ordinary runs.


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_first_installation_buys_the_count_at_once(new_node: NewNode, product: str) -> None:
    fleet = fleet_of(new_node(product, channels=20), count=4)

    assert fleet.run() == 4

    assert fleet.problem == ""
    assert len(fleet.host.exits) == 4
    assert fleet.run() == 0


def test_check_mode_buys_nothing_and_says_what_would_be_bought(fleet: Fleet) -> None:
    assert fleet.run(check=True) == 0

    assert fleet.bought == 4
    assert fleet.host.servers == []
    assert fleet.run() == 4


def test_a_hundred_hosts_share_one_set_of_leases(new_node: NewNode) -> None:
    names = tuple(f"web{number}" for number in range(100))
    fleet = fleet_of(new_node("share", channels=20), names, count=4)
    path = PATHS["share"].get

    assert fleet.run() == 4

    # One more, since the first lease shows how long leases last.
    assert fleet.vendor.calls(path) == [path] * 2
    assert {tuple(host.exits) for host in fleet.hosts.values()} == {tuple(fleet.host.exits)}
    fleet.vendor.forget()
    fleet.run()
    assert len(fleet.vendor.calls()) == 1


@pytest.mark.parametrize("ahead", [90, -90])
def test_a_host_with_a_wrong_clock_gets_deadlines_of_that_clock(fleet: Fleet, ahead: int) -> None:
    """Its HAProxy would take leases out that live, and each run would pay for others."""
    fleet.run()
    end = fleet.vendor.clock.now() + 10 * MINUTE
    fleet.host.clock_ahead = ahead

    assert fleet.run_for(MINUTE) == 0

    deadlines = [server.until for server in fleet.host.servers]
    assert deadlines == [pytest.approx(end + ahead, abs=4)] * 4
    assert fleet.run_for(9 * MINUTE) == 4
    assert len(fleet.host.exits) == 4


def test_a_lease_is_replaced_before_it_ends_and_drained_until_then(fleet: Fleet) -> None:
    fleet.run()
    first = fleet.host.exits

    fleet.vendor.advance(10 * MINUTE - 40)
    assert fleet.run_for(20) == 0
    assert fleet.run_for(10) == 4

    assert not set(first) & set(fleet.host.exits)
    assert len(fleet.host.servers) == 8
    fleet.run_for(20)
    assert len(fleet.host.servers) == 4


def test_fifty_pools_of_a_key_cost_one_list_of_each_run(new_node: NewNode) -> None:
    """A list for each pool would use up the limit of a minute, and each refresh would wait."""
    node = new_node("share", channels=60, lifetime=60)
    row = node.vendor.stock[0]
    codes = [str(350500 + number) for number in range(1, 51)]
    node.vendor.stock[:] = [dataclasses.replace(row, area_id=int(code)) for code in codes]
    pools = []
    for number, code in enumerate(codes):
        pools.append({"name": f"p{number}", "port": 4000 + number, "areas": [code]})
    fleet = fleet_of(node, pools=pools)
    while len(fleet.host.servers) < 50:
        fleet.run()
        node.vendor.advance(60)
    node.vendor.forget()
    paths = PATHS["share"]

    assert fleet.run() == 0
    assert node.vendor.calls(paths.query, paths.get) == [paths.query]

    # A purchase rests on a list of its own.
    gone = fleet.host.exits[7]
    fleet.let(IS_SILENT, gone)
    node.vendor.advance(10)
    node.vendor.forget()

    sold = fleet.run()
    node.vendor.advance(10)
    sold += fleet.run()

    assert sold == 1
    assert node.vendor.calls(paths.get) == [paths.get]
    assert len(node.vendor.calls(paths.query)) == 3
    assert len(fleet.host.exits) == 50


def test_two_gateways_of_a_host_with_different_terms_have_leases_of_their_own(
    new_node: NewNode,
) -> None:
    """Their pools have the same name and the same key."""
    node = new_node("share", channels=20)
    areas = sorted({str(row.area_id) for row in node.vendor.stock})[:2]
    fleet = fleet_of(node, count=3, areas=[areas[0]])
    fleet.more = [gateway("share", name="second", port=3129, count=2, areas=[areas[1]])]

    assert fleet.run() == 3 + 2

    first = set(fleet.host.exits)
    second = set(fleet.more_leases[0])
    assert len(first) == 3
    assert len(second) == 2
    assert not first & second


def test_a_pool_of_more_exits_than_another_with_the_same_terms_serves_both(
    new_node: NewNode,
) -> None:
    pools = [{"name": "a", "port": 3129, "count": 2}, {"name": "b", "port": 3130, "count": 3}]
    fleet = fleet_of(new_node("share", channels=20), pools=pools)

    assert fleet.run() == 3
    assert fleet.run() == 0


# Exits that let nobody through.


def test_nothing_is_bought_while_an_exit_lives_that_answers_407(fleet: Fleet) -> None:
    fleet.run()
    fleet.vendor.advance(10)
    fleet.let_all(REJECTS)

    assert fleet.run_for(9 * MINUTE + 30, step=30) == 0

    assert len(fleet.vendor.leases) == 4
    assert phrases.ANSWERED_407 in fleet.problem
    assert phrases.NOTHING_WHILE_ONE_LIVES in fleet.problem
    assert len(fleet.host.exits) == 4


def test_a_correction_of_what_made_exits_fail_is_no_failure(fleet: Fleet) -> None:
    """The exits have not been checked since, so that nothing is known against them."""
    fleet.run()
    fleet.vendor.advance(10)
    fleet.let_all(REJECTS)
    fleet.run()
    assert phrases.ANSWERED_407 in fleet.problem

    fleet.let_all(UNCHECKED)
    fleet.host.is_reconfigured = True
    assert fleet.run() == 0

    assert fleet.problem == ""
    fleet.host.is_reconfigured = False
    assert fleet.run() == 0
    assert fleet.problem == ""

    # It was no correction.
    fleet.let_all(REJECTS)
    assert fleet.run() == 0
    assert phrases.ANSWERED_407 in fleet.problem


def test_a_pool_with_a_key_of_its_own_is_told_which_password_it_has(new_node: NewNode) -> None:
    pools = [{"name": "own", "port": 3129, "key": KEY, "count": 2, "credentials": True}]
    fleet = fleet_of(new_node("share", channels=20), pools=pools)
    fleet.run()
    fleet.vendor.advance(10)
    fleet.let_all(REJECTS)

    fleet.run()

    assert phrases.OWN_PASSWORD in fleet.problem


def test_a_key_or_an_area_that_cannot_be_right_is_found_before_anything_is_bought(
    new_node: NewNode,
) -> None:
    node = new_node("share", channels=20)
    good = fleet_of(node, count=2)
    assert good.check() == ""

    wrong_key = fleet_of(node, pools=[{"name": "own", "port": 3129, "count": 2}])
    wrong_key.host.keys["own"] = "NOSUCH01"
    said = wrong_key.check()
    assert said.startswith("Pool own of web1: ")
    assert_one_sentence(said)
    assert fleet_of(node, areas=["Atlantis"]).check().startswith("Pool qg of web1: ")

    # It is known to be right, and is not read again.
    node.requests.clear()
    assert good.check() == ""
    assert node.requests == []
    assert node.vendor.paid == 0


def test_an_outage_of_the_vendor_is_no_mistake(fleet: Fleet) -> None:
    """An existing gateway can be configured meanwhile."""
    fleet.vendor.around("/share/query", lambda _call: (503, None))

    assert fleet.check() == ""


def test_a_wrong_password_is_found_before_anything_is_bought(new_node: NewNode) -> None:
    node = new_node("share", channels=20)
    node.vendor.configure(pwd="Hush4Hush", api_auth=True)

    assert phrases.SET_PASSWORD in fleet_of(node, count=2).check()
    own = fleet_of(node, pools=[{"name": "own", "port": 3129, "count": 2}])
    assert phrases.OWN_PASSWORD in own.check()


@pytest.mark.parametrize(
    ("state", "lifetime", "expected"),
    [
        # Leases of a minute are gone before the next probe.
        *((state, 1, [10, *range(70, 1090, 60)]) for state in (REFUSES, IS_SILENT, FAILS)),
        (REJECTS, 1, [*range(70, 1090, 60)]),
        (IS_SILENT, 5, [10, 70, 190, 430, 730, 1030]),
        (IS_SILENT, 60, [10, 70, 190, 430, 910]),
    ],
)
def test_a_pool_without_an_exit_that_works_probes_after_1_2_4_minutes_up_to_a_life(
    new_node: NewNode, state: State, lifetime: int, expected: list[int]
) -> None:
    fleet = fleet_of(new_node("share", channels=20, lifetime=lifetime), count=9)
    fleet.run()
    fleet.vendor.advance(20)
    fleet.let_all(state)

    assert probe_times(fleet, 0.3 * HOUR) == expected


@pytest.mark.parametrize("state", [REJECTS, IS_SILENT])
def test_leases_of_a_minute_are_back_a_minute_after_an_outage_of_an_hour(
    new_node: NewNode, state: State
) -> None:
    fleet = fleet_of(new_node("share", channels=20), count=4)
    fleet.run()
    fleet.vendor.advance(10)
    fleet.let_all(state)
    fleet.run_for(HOUR)
    assert fleet.problem
    fleet.let_all(WORKS)

    fleet.run_for(MINUTE + 30)

    assert fleet.problem == ""
    assert len(fleet.host.exits) == 4


def test_what_ends_soon_while_a_run_probes_is_not_bought_too(fleet: Fleet) -> None:
    """All four leases are to be replaced between the decision for one probe and its purchase."""
    fleet.run()
    fleet.vendor.advance(10 * MINUTE - fleet.host.gateway.pools[0].drain - 1)
    fleet.let_all(IS_SILENT)
    fleet.vendor.before("/share/channels", lambda: fleet.vendor.advance(2))

    assert fleet.run() == 1

    assert phrases.ONE_AT_A_TIME in fleet.problem


def test_what_another_run_has_just_bought_is_checked_before_a_pool_is_paused(
    new_node: NewNode,
) -> None:
    """Of two exits, one has ended, and another host has just got its successor. The other fails."""
    node = new_node("share", channels=20, lifetime=10)
    fleet = fleet_of(node, ("web1", "web2"), count=1)
    fleet.run()
    node.vendor.advance(5 * MINUTE)
    for host in fleet.hosts.values():
        host.gateway = gateway("share", count=2)
    fleet.run()
    second = node.vendor.leases[1].host
    node.vendor.advance(5 * MINUTE - 10)
    fleet.let(FAILS, second)
    assert fleet.run(only=["web1"]) == 1
    node.vendor.advance(11)

    assert fleet.run(only=["web2"]) == 0

    assert fleet.problems["web2"] == ""
    node.vendor.advance(10)
    assert fleet.run() == 1
    assert len(fleet.hosts["web2"].exits) == 2


def probe_times(fleet: Fleet, seconds: float, step: float = 30.0) -> list[float]:
    """Let runs lease after 10 seconds and then at intervals, each fail, and buy one lease at most.

    Return when they bought.
    """
    began = fleet.vendor.clock.now()
    times = []
    fleet.vendor.advance(10)
    while fleet.vendor.clock.now() <= began + seconds:
        sold = fleet.run()
        assert sold <= 1
        assert fleet.problem
        if sold:
            times.append(float(round(fleet.vendor.clock.now() - began)))
        fleet.vendor.advance(step)
    return times


@pytest.mark.parametrize(
    ("state", "phrase"),
    [
        (REFUSES, phrases.REFUSED_CONNECTIONS),
        (IS_SILENT, phrases.ANSWERED_NOTHING),
        (FAILS, phrases.ANSWERED_WITH_ERRORS),
    ],
)
def test_exits_that_all_fail_are_told_by_their_cause_and_one_is_probed_at_once(
    fleet: Fleet, state: State, phrase: str
) -> None:
    fleet.run()
    fleet.vendor.advance(10)
    fleet.let_all(state)

    assert fleet.run() == 1
    assert phrase in fleet.problem
    assert phrases.ONE_AT_A_TIME in fleet.problem
    # The probe is waited for.
    fleet.vendor.advance(1)
    assert fleet.run() == 0
    assert phrases.NOT_ALL_CHECKED in fleet.problem
    fleet.vendor.advance(9)
    assert fleet.run() == 0
    assert phrase in fleet.problem


@pytest.mark.parametrize("state", BAD)
def test_a_pool_is_not_told_that_all_exits_do_what_only_some_do(fleet: Fleet, state: State) -> None:
    fleet.run()
    fleet.vendor.advance(10)
    first = fleet.host.exits[0]
    other = FAILS if state is REFUSES else REFUSES
    fleet.state_of = lambda server: state if server == first else other

    fleet.run()

    assert phrases.SOME_OF_NONE in fleet.problem
    assert (phrases.ANSWERED_407 in fleet.problem) is (state is REJECTS)


def test_a_pool_of_one_exit_is_told_that_the_next_one_is_bought_in_a_day(new_node: NewNode) -> None:
    fleet = fleet_of(new_node("exclusive", channels=20, lifetime=1440), count=1)
    fleet.run()
    fleet.vendor.advance(10)
    fleet.let_all(IS_SILENT)

    assert fleet.run() == 1

    assert phrases.NEXT_ONE.format("1440 minutes") in fleet.problem
    fleet.vendor.advance(3600)
    assert fleet.run() == 0
    assert phrases.NEXT_ONE.format("1380 minutes") in fleet.problem


@pytest.mark.parametrize("state", BAD)
def test_a_pool_goes_on_by_itself_when_its_exits_work_again(fleet: Fleet, state: State) -> None:
    fleet.run()
    fleet.vendor.advance(10)
    fleet.let_all(state)
    fleet.run_for(3 * MINUTE)
    assert fleet.problem
    fleet.let_all(WORKS)
    fleet.vendor.advance(10)

    assert fleet.run() <= 4

    assert fleet.problem == ""
    assert len(fleet.host.exits) >= 4


# Some exits that fail.


@pytest.mark.parametrize("state", BAD)
def test_one_exit_that_fails_is_replaced_and_serves_nobody_until_its_end(
    fleet: Fleet, state: State
) -> None:
    fleet.run()
    failed = fleet.host.exits[0]
    fleet.let(state, failed)

    assert fleet.run_for(MINUTE) == 1

    assert fleet.problem == ""
    assert failed not in [server.server for server in fleet.host.servers]
    fleet.let_all(WORKS)
    assert fleet.run_for(8 * MINUTE) == 0
    assert failed not in [server.server for server in fleet.host.servers]


# Exits that clients report.


@pytest.fixture
def reporting(new_node: NewNode) -> Fleet:
    """Two hosts with gateways of four exits that last for ten minutes, whose clients may report
    them.
    """
    return fleet_of(
        new_node("share", channels=20, lifetime=10), ("web1", "web2"), count=4, reports=True
    )


def test_an_exit_that_one_host_reports_is_replaced_at_once_for_all(reporting: Fleet) -> None:
    reporting.run()
    banned = reporting.host.exits[0]
    reporting.vendor.advance(10)
    reporting.let(REPORTED, banned, on="web2")

    assert reporting.run() == 1

    assert set(reporting.problems.values()) == {""}
    reporting.state_on = {}
    assert reporting.run_for(8 * MINUTE) == 0
    for host in reporting.hosts.values():
        assert len(host.exits) == 4
        assert banned not in [server.server for server in host.servers]


def test_nobody_is_believed_who_reports_to_a_gateway_without_reports(fleet: Fleet) -> None:
    fleet.run()
    fleet.let_all(REPORTED)

    assert fleet.run_for(5 * MINUTE) == 0


def test_a_program_that_reports_everything_buys_as_many_as_the_bound_says_and_is_served(
    reporting: Fleet,
) -> None:
    """At the bound, the exits take turns, so that programs that report nothing are served, too."""
    reporting.run()
    reporting.let_all(REPORTED)
    served: set[str] = set()

    paid = 0
    for _refresh in range(54):
        reporting.vendor.advance(10)
        paid += reporting.run()
        assert reporting.problem == ""
        assert [server.reported for server in reporting.host.servers] == [False] * 4
        served.update(reporting.host.exits)

    assert paid == 4
    assert len(served) == 8
    assert phrases.REPORTED_FIRST in " ".join(reporting.warnings)


def test_an_exit_that_is_reported_beyond_the_bound_is_replaced_by_the_one_reported_first(
    reporting: Fleet,
) -> None:
    reporting.run()
    reported = []
    for _exit in range(5):
        banned = next(server for server in reporting.host.exits if server not in reported)
        reported.append(banned)
        reporting.vendor.advance(10)
        reporting.let(REPORTED, reported[-1], on="web1")
        reporting.run()

    assert reporting.vendor.paid == 8
    for host in reporting.hosts.values():
        assert len(host.exits) == 4
        assert not set(host.exits).intersection(reported[1:])
        assert reported[0] in host.exits


def test_what_a_host_reported_before_reports_were_forgotten_does_not_count_later(
    reporting: Fleet,
) -> None:
    """Another host forgets them, while this one still has them in its table."""
    reporting.run()
    banned = reporting.host.exits
    reporting.vendor.advance(10)
    reporting.let(REPORTED, *banned, on="web2")
    assert reporting.run(only=["web2"]) == 4
    reporting.hosts["web2"].take(
        [exit_at(server, number) for number, server in enumerate(banned, 1)],
        reporting.vendor.clock.now(),
    )
    reporting.host.forgets_reports = True
    reporting.vendor.advance(10)
    assert reporting.run(only=["web1"]) == 0
    reporting.host.forgets_reports = False

    reporting.vendor.advance(10)
    assert reporting.run(only=["web2"]) == 0

    for host in reporting.hosts.values():
        assert set(banned) <= set(host.exits)
        assert not any(server.reported for server in host.servers)


@pytest.mark.parametrize("options", LABELS_AND_SLOTS)
def test_a_run_that_forgets_reports_lets_the_exits_serve_again_that_were_reported(
    new_node: NewNode, options: dict[str, Any]
) -> None:
    """The cap has let nothing take their places."""
    node = new_node("share", channels=20, lifetime=10)
    fleet = fleet_of(node, count=2, reports=True, **options)
    fleet.run()
    held = fleet.host.exits
    fleet.vendor.advance(10)
    fleet.let_all(REPORTED)
    assert fleet.run(cap=2) == 0
    assert "max_new_per_day=2" in fleet.problem
    assert not set(held).intersection(fleet.host.exits)
    fleet.let_all(WORKS)
    fleet.host.forgets_reports = True
    fleet.vendor.advance(10)

    assert fleet.run(cap=2) == 0

    assert fleet.problem == ""
    assert fleet.host.exits == held


def test_reports_of_exits_of_which_all_answer_407_buy_nothing(reporting: Fleet) -> None:
    """HAProxy takes no report of an exit that is down, but others may do what it does."""
    reporting.run()
    reporting.vendor.advance(10)
    reporting.let_all(REJECTS)
    assert reporting.run() == 0
    first = reporting.host.exits[0]
    reporting.state_of = lambda server: REJECTS if server == first else REPORTED

    assert reporting.run_for(5 * MINUTE) == 0
    assert phrases.ANSWERED_407 in reporting.problem


@pytest.mark.parametrize("product", ["exclusive", "longterm"])
def test_a_failed_exit_of_a_product_that_releases_is_released(
    new_node: NewNode, product: str
) -> None:
    fleet = fleet_of(new_node(product, channels=20, lifetime=1440), count=4)
    fleet.run()
    fleet.run_for(HOUR, step=600)
    failed = fleet.host.exits[0]
    fleet.let(IS_SILENT, failed)

    sold = fleet.run_for(20 * MINUTE, step=60)

    assert sold == 1
    assert len(fleet.host.exits) == 4
    assert failed not in fleet.host.exits
    # A lease of longterm can be released from its deadline on.
    assert (failed in servers_held(fleet.node)) is (product == "longterm")


def test_exits_that_fail_one_after_the_other_are_replaced_within_the_bound(fleet: Fleet) -> None:
    """One exit works: all others fail as soon as they serve."""
    fleet.run()
    good = fleet.host.exits[0]
    fleet.state_of = lambda server: WORKS if server == good else IS_SILENT

    sold = fleet.run_for(9 * MINUTE)

    assert sold == 4
    assert any(phrases.DOWN_AND_NOT_REPLACED in warning for warning in fleet.warnings)
    assert all(warning.startswith("Pool qg: ") for warning in fleet.warnings)
    assert good in fleet.host.exits


def servers_held(node: Node) -> set[str]:
    """The servers of the leases that QG.net's books have."""
    return {lease.host for lease in node.vendor.leases}


def port_of(_ports: UnboundPorts, _key: str, lease: Any) -> int:
    """Return the same port for each lease of an address."""
    return 20000 + int(lease.ip.rpartition(".")[2])


def test_an_address_that_is_leased_again_is_judged_anew_within_the_bound(
    new_node: NewNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UnboundPorts, "open", port_of)
    fleet = fleet_of(new_node("classic", channels=20, lifetime=1440), count=3)
    fleet.vendor.configure(options={"address_reuse": "first"})
    fleet.run()
    fleet.run_for(HOUR, step=600)
    good, *failed = fleet.host.exits
    fleet.state_of = lambda server: WORKS if server == good else IS_SILENT

    assert fleet.run_for(20 * MINUTE, step=60) == 3

    assert fleet.problem == ""
    assert set(fleet.host.exits) & set(failed)
    assert fleet.run_for(10 * HOUR, step=600) == 0
    fleet.let_all(WORKS)
    assert fleet.run_for(HOUR, step=600) == 0
    assert len(fleet.host.exits) == 3


@pytest.mark.parametrize("late", [4, 3])
def test_late_checks_of_exclusive_leases_stay_within_the_bound_for_a_day(
    new_node: NewNode, late: int
) -> None:
    """Of five exits, so many are down at any time."""
    fleet = fleet_of(new_node("exclusive", channels=40), count=5)
    fleet.run()

    def state_of(server: str) -> State:
        return WORKS if server in fleet.host.exits[: 5 - late] else IS_SILENT

    fleet.state_of = state_of
    sold = fleet.run_for(20 * HOUR, step=1800)

    assert 1 <= sold <= 5
    assert len(fleet.host.exits) >= 5
    assert any(phrases.DOWN_AND_NOT_REPLACED in warning for warning in fleet.warnings)


@pytest.mark.parametrize("product", ["classic", "share"])
def test_the_life_of_leases_is_known_long_after_they_were_bought(
    new_node: NewNode, product: str
) -> None:
    """Otherwise the documented life of the product would decide, or a day, and with it how long an
    exit may be down and for how long a purchase counts.
    """
    fleet = fleet_of(new_node(product, channels=20, lifetime=240), count=2)
    fleet.run()
    fleet.vendor.advance(90 * MINUTE)
    failed = fleet.host.exits[0]
    fleet.let(IS_SILENT, failed)

    # The patience is a hundred-and-twentieth part of four hours.
    assert fleet.run_for(110) == 0
    assert fleet.run_for(30) == 1


# What a host says.


@pytest.mark.parametrize(
    ("state", "phrase"),
    [(REJECTS, phrases.THIS_HOST_ALONE), (IS_SILENT, phrases.NO_EXIT_FOR_THIS_HOST)],
)
def test_a_host_that_is_alone_shut_out_fails_and_buys_nothing(
    pair: Fleet, state: State, phrase: str
) -> None:
    pair.run()
    pair.vendor.advance(10)
    pair.let_all(state, on="web2")

    assert pair.run() == 0

    assert pair.problems["web1"] == ""
    assert phrase in pair.problems["web2"]


@pytest.mark.parametrize("state", [REJECTS, IS_SILENT])
def test_a_host_that_is_shut_out_is_not_told_of_others_of_which_nothing_is_known(
    pair: Fleet, state: State
) -> None:
    pair.run()
    pair.vendor.advance(10)
    pair.state_on = {"web1": lambda _server: UNCHECKED, "web2": lambda _server: state}

    assert pair.run() == 0

    assert phrases.SHUT_OUT in pair.problems["web2"]
    assert "others" not in pair.problems["web2"]


def test_a_host_whose_haproxy_does_not_answer_hides_nothing_that_others_know(pair: Fleet) -> None:
    pair.run()
    pair.hosts["web2"].answers = False
    failed = pair.host.exits[0]
    pair.let(IS_SILENT, failed)

    assert pair.run_for(MINUTE) == 1
    assert failed not in pair.host.exits

    pair.let_all(IS_SILENT)
    # A probe, as if the first host were alone.
    pair.run_for(20)
    assert phrases.ANSWERED_NOTHING in pair.problem
    assert len(pair.vendor.leases) <= 6


def test_nothing_is_known_of_exits_while_no_haproxy_answers(fleet: Fleet) -> None:
    fleet.run()
    fleet.host.answers = False

    assert fleet.run_for(5 * MINUTE) == 0

    assert fleet.problem == ""


def test_exits_whose_leases_have_ended_say_nothing_of_the_host(fleet: Fleet) -> None:
    fleet.run()
    fleet.vendor.advance(11 * MINUTE)
    fleet.let_all(REFUSES)

    assert fleet.run() == 4

    assert fleet.problem == ""


def run_apart(fleet: Fleet, seconds: float) -> int:
    """Let a run of its own refresh each host, at intervals for a time; returns how many leases
    QG.net sold.
    """
    sold = 0
    for _time in range(int(seconds / 10)):
        fleet.vendor.advance(10)
        for name in fleet.hosts:
            sold += fleet.run(only=[name])
    return sold


@pytest.mark.parametrize("number", [1, 4])
@pytest.mark.parametrize("state", BAD)
def test_an_exit_that_works_for_a_host_of_another_run_is_not_replaced(
    pair: Fleet, state: State, number: int
) -> None:
    """As if one run refreshed both: one host may be what is shut out."""
    assert run_apart(pair, 10) == 4
    exits = pair.host.exits
    down = exits[:number]
    pair.let(state, *down, on="web2")

    assert run_apart(pair, 5 * MINUTE) == 0

    assert pair.problems["web1"] == ""
    assert bool(pair.problems["web2"]) == (number == 4)
    assert [host.exits for host in pair.hosts.values()] == [exits, exits]


def test_an_exit_that_fails_for_hosts_of_separate_runs_is_replaced_once(pair: Fleet) -> None:
    run_apart(pair, 10)
    failed = pair.host.exits[0]
    pair.let(IS_SILENT, failed)

    assert run_apart(pair, MINUTE) == 1

    for host in pair.hosts.values():
        assert len(host.exits) == 4
        assert failed not in host.exits


def test_what_a_host_saw_that_is_refreshed_no_more_counts_for_three_intervals(pair: Fleet) -> None:
    run_apart(pair, 20)
    failed = pair.host.exits[0]
    pair.let(IS_SILENT, failed)
    del pair.hosts["web1"]

    assert run_apart(pair, 20) == 0
    assert run_apart(pair, 20) == 1


@pytest.mark.parametrize(
    "damaged",
    [
        "{",
        '{"here": [], "works": [], "until": 1e12}',
        '{"set": "a set", "here": 1, "works": [], "until": 1e12}',
        '{"set": "a set", "here": ["id of web3"], "works": [[]], "until": 1e12}',
        '{"set": "a set", "here": ["id of web3"], "works": [], "until": "soon"}',
    ],
)
def test_a_damaged_row_of_what_a_run_saw_is_one_sentence_with_its_name_and_the_fix(
    pair: Fleet, damaged: str
) -> None:
    run_apart(pair, 20)
    [(damaged_row,), _other_row] = pair.rows(
        "SELECT id FROM lease_sets WHERE state LIKE '%until%' ORDER BY id"
    )
    state = pair.node.store / "state.sqlite3"
    with contextlib.closing(sqlite3.connect(state)) as store, store:
        store.execute("UPDATE lease_sets SET state = ? WHERE id = ?", (damaged, damaged_row))

    assert run_apart(pair, 20) == 0

    for problem in pair.problems.values():
        assert phrases.ROW_OF_LEASE_SETS.format(damaged_row) in problem
        assert phrases.DELETE_THE_SET.format(damaged_row) in problem


def lie(fleet: Fleet, host: str, servers: list[str], state: State) -> None:
    """Let a host report of these servers, whatever it was told to serve."""
    known = [exit_at(address, number) for number, address in enumerate(servers, 1)]
    fleet.hosts[host].lies = printed([row(each, state, 9999.0) for each in known], known)


def test_reports_of_servers_that_the_key_does_not_hold_decide_nothing(pair: Fleet) -> None:
    pair.run()
    lie(pair, "web2", [f"192.0.2.{number}:2000" for number in range(1, 60)], IS_SILENT)

    assert pair.run_for(5 * MINUTE) == 0

    assert pair.problems["web1"] == ""
    assert pair.warnings == []


def test_a_host_that_lies_about_all_exits_does_not_take_them_from_others(pair: Fleet) -> None:
    pair.run()
    pair.vendor.advance(10)
    lie(pair, "web2", pair.host.exits, IS_SILENT)

    assert pair.run_for(5 * MINUTE) == 0
    assert pair.problems["web1"] == ""


def test_a_host_that_lies_alone_costs_no_more_than_the_bound(fleet: Fleet) -> None:
    """It says that what it was given fails, whenever it is asked, but that one exit works."""
    fleet.run()
    for _minute in range(55):
        fleet.vendor.advance(10)
        exits = fleet.host.exits
        known = [server for server in fleet.host.servers if server.server in exits]
        rows = [row(server, WORKS if server == known[0] else REFUSES, 9999.0) for server in known]
        fleet.host.lies = printed(rows, known)
        fleet.run()

    assert fleet.vendor.paid <= 4 + 4


@pytest.mark.parametrize("product", ["exclusive", "longterm"])
def test_a_host_that_lies_releases_no_lease_of_another_set(new_node: NewNode, product: str) -> None:
    """Its reports only count for leases of its own terms."""
    node = new_node(product, channels=40, lifetime=1440)
    areas = sorted({str(row.area_id) for row in node.vendor.stock})[:2]
    victim = fleet_of(node, ("web1",), count=2, areas=[areas[0]])
    liar = fleet_of(node, ("web2",), count=2, areas=[areas[1]])
    victim.run()
    liar.run()
    node.vendor.advance(2 * HOUR)
    works = exit_at(liar.host.exits[0], 9)
    known = [exit_at(address, number) for number, address in enumerate(victim.host.exits, 1)]
    rows = [*(row(each, IS_SILENT, 9999.0) for each in known), row(works, WORKS, 9999.0)]
    liar.host.lies = printed(rows, [*known, works])

    assert liar.run() == 0

    assert set(victim.host.exits) <= servers_held(node)
    assert victim.run() == 0


# Pools of one key with other terms, which share leases.


def two_pools(node: Node, **options: Any) -> tuple[Fleet, Fleet, str]:
    """Return a pool of any area and one of an area on two hosts, and an exit that both have."""
    of_area = fleet_of(node, ("web1",), count=2, areas=[str(node.vendor.stock[0].area_id)])
    anywhere = fleet_of(node, ("web2",), count=2, **options)
    assert of_area.run() == 2
    assert anywhere.run() == 0
    # A lease cannot be released in its first minutes.
    node.vendor.advance(2 * HOUR)
    return of_area, anywhere, anywhere.host.exits[0]


def run_both(first: Fleet, second: Fleet, seconds: float) -> int:
    """Run for both in turn every ten seconds; returns how many leases QG.net sold."""
    sold = 0
    for _run in range(int(seconds // 10)):
        first.vendor.advance(10)
        sold += first.run() + second.run()
    return sold


def test_an_exit_that_works_for_a_pool_with_other_terms_is_neither_replaced_nor_released(
    new_node: NewNode,
) -> None:
    node = new_node("exclusive", channels=20, lifetime=1440)
    of_area, anywhere, failed = two_pools(node)
    anywhere.let(IS_SILENT, failed)

    assert run_both(of_area, anywhere, 30 * MINUTE) == 0

    assert failed in servers_held(node)
    assert failed in of_area.host.exits


def test_a_banned_exit_is_not_released_while_a_pool_with_other_terms_uses_it(
    new_node: NewNode,
) -> None:
    node = new_node("exclusive", channels=20, lifetime=1440)
    of_area, anywhere, banned = two_pools(node, reports=True)
    anywhere.let(REPORTED, banned)

    assert run_both(of_area, anywhere, 30 * MINUTE) == 1

    assert banned not in anywhere.host.exits
    assert banned in servers_held(node)
    assert banned in of_area.host.exits


def test_a_banned_exit_is_released_although_it_has_worked_for_a_host_of_another_run(
    new_node: NewNode,
) -> None:
    node = new_node("exclusive", channels=20, lifetime=1440)
    first = fleet_of(node, ("web1",), count=2, reports=True)
    second = fleet_of(node, ("web2",), count=2, reports=True)
    assert first.run() == 2
    assert second.run() == 0
    node.vendor.advance(2 * HOUR)
    banned = second.host.exits[0]
    second.let(REPORTED, banned)

    assert run_both(first, second, MINUTE) == 1

    assert banned not in servers_held(node)


def test_an_exit_that_fails_for_two_pools_of_a_run_is_replaced_at_once(new_node: NewNode) -> None:
    """What the run before has seen of its hosts says nothing now."""
    node = new_node("share", channels=20, lifetime=10)
    area = str(node.vendor.stock[0].area_id)
    pools = [
        {"name": "a", "port": 3129, "count": 2},
        {"name": "b", "port": 3130, "count": 2, "areas": [area]},
    ]
    fleet = fleet_of(node, pools=pools)
    fleet.run()
    fleet.run_for(20)
    failed = next(server.server for server in fleet.host.servers if server.pool == "b")
    fleet.let(IS_SILENT, failed)
    fleet.run()
    node.vendor.advance(10)

    assert fleet.run() == 1


def give_exits_an_address(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let the name that leases share have these addresses in turn; none if there is none."""
    look_up = socket.getaddrinfo
    in_turn = itertools.cycle(addresses)

    def answer(name: Any, *rest: Any, **options: Any) -> list[Any]:
        if name != "exits.vendor.example":
            return look_up(name, *rest, **options)
        if not addresses:
            raise socket.gaierror(name)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(in_turn), 80))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.mark.parametrize(
    "irregularity", ["servers are unusable", "leases share a host name"], ids=["address", "name"]
)
def test_an_exit_in_the_network_of_the_host_serves_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, irregularity: str
) -> None:
    """Clients would get what the host may reach, such as the credentials of its cloud."""
    give_exits_an_address(monkeypatch, "169.254.169.254")
    count = len(UNUSABLE)
    world = World("exclusive", {"channels": 20, "lifetime": 1440}, (irregularity,))
    fleet = fleet_of(world.node(tmp_path), count=count)

    assert fleet.run() == count

    assert fleet.host.exits == []
    told = " ".join([fleet.problem, *fleet.warnings])
    for server in servers_held(fleet.node):
        assert server in told
    # They are paid for, and others would be no better.
    assert fleet.run_for(HOUR, step=600) == 0


def test_an_exit_that_has_a_name_is_replaced_as_others_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HAProxy knows its address, and QG.net its name."""
    give_exits_an_address(monkeypatch, "192.0.2.7")
    plan = {"channels": 20, "lifetime": 1440}
    world = World("exclusive", plan, ("leases share a host name",))
    fleet = fleet_of(world.node(tmp_path), count=3)
    fleet.run()
    fleet.run_for(2 * HOUR, step=600)
    assert all(server.startswith("192.0.2.7:") for server in fleet.host.exits)
    failed = fleet.host.exits[0]
    port = failed.rpartition(":")[2]
    fleet.let(IS_SILENT, failed)

    assert fleet.run_for(20 * MINUTE, step=60) == 1

    assert len(fleet.host.exits) == 3
    assert failed not in fleet.host.exits
    assert f"exits.vendor.example:{port}" not in servers_held(fleet.node)

    # While no exit works, the pool is paused as any other.
    fleet.let_all(REJECTS)
    fleet.run()
    node_paid = fleet.vendor.paid
    fleet.run_for(5 * MINUTE)
    assert fleet.vendor.paid == node_paid
    assert phrases.ANSWERED_407 in fleet.problem


@pytest.mark.parametrize("options", LABELS_AND_SLOTS)
def test_an_exit_whose_name_has_several_addresses_keeps_its_first_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    """Each lookup gives another one, and at last none."""
    give_exits_an_address(monkeypatch, "192.0.2.7", "192.0.2.8", "192.0.2.9")
    plan = {"channels": 20, "lifetime": 1440}
    world = World("exclusive", plan, ("leases share a host name",))
    fleet = fleet_of(world.node(tmp_path), count=2, **options)
    fleet.run()
    first = fleet.host.exits

    assert fleet.run_for(HOUR, step=600) == 0
    assert fleet.host.exits == first

    fleet.let(IS_SILENT, first[0])
    assert fleet.run_for(20 * MINUTE, step=60) == 1
    assert first[0] not in fleet.host.exits

    fleet.let_all(WORKS)
    last = fleet.host.exits
    assert len(last) == 2
    give_exits_an_address(monkeypatch)
    assert fleet.run_for(HOUR, step=600) == 0
    assert fleet.host.exits == last
    assert fleet.problem == ""


# QG.net and its limits.


def break_api(fleet: Fleet) -> None:
    """Let QG.net answer each call with an error of its server."""
    for path in (*PATHS["share"].writing, PATHS["share"].query, PATHS["share"].quota or ""):
        fleet.vendor.around(path, lambda _call: (503, None))


def mend_api(fleet: Fleet) -> None:
    fleet.vendor.hooks.clear()


def test_leases_of_before_serve_while_the_api_is_down_and_the_run_fails(fleet: Fleet) -> None:
    fleet.run()
    fleet.vendor.advance(10)
    before = fleet.host.servers
    break_api(fleet)

    assert fleet.run() == 0

    assert "503" in fleet.problem
    assert fleet.host.servers == before


def test_an_api_that_is_down_is_a_problem_once_leases_are_missing(fleet: Fleet) -> None:
    fleet.run()
    break_api(fleet)
    fleet.vendor.advance(11 * MINUTE)

    assert fleet.run() == 0

    assert "503" in fleet.problem
    mend_api(fleet)
    assert fleet.run_for(MINUTE) == 4
    assert fleet.problem == ""


def test_an_api_that_is_down_is_a_problem_while_no_exit_works(fleet: Fleet) -> None:
    fleet.run()
    fleet.vendor.advance(10)
    fleet.let_all(IS_SILENT)
    break_api(fleet)

    assert fleet.run() == 0

    assert fleet.problem


@pytest.mark.parametrize("product", ["classic", "share", "exclusive"])
def test_leases_are_served_while_channels_and_cap_are_short(
    new_node: NewNode, product: str
) -> None:
    """The cap is used up, and the plan has fewer channels than are missing."""
    node = new_node(product, channels=6, lifetime=10)
    fleet = Fleet(node, gateway(product, count=2), ("web1", "web2"))
    fleet.run(only=["web1"])
    node.vendor.configure(plan={"channels": 3})
    for host in fleet.hosts.values():
        host.gateway = gateway(product, count=4)

    assert fleet.run(cap=2, only=["web2"]) == 0

    assert len(fleet.hosts["web2"].exits) == 2
    assert "max_new_per_day=2" in fleet.problems["web2"]
    assert phrases.CAN_BE_HAD in fleet.problems["web2"]


@pytest.mark.parametrize("product", ["overseas", "share", "exclusive"])
def test_what_a_plan_without_a_quota_has_left_is_leased(new_node: NewNode, product: str) -> None:
    """It shrinks, and its quota is not shown."""
    node = new_node(product, channels=5, lifetime=10)
    fleet = Fleet(node, gateway(product, count=5), ("web1",))
    fleet.has_faults = True
    assert fleet.run() == 5
    node.vendor.configure(plan={"channels": 3})
    if quota := PATHS[product].quota:
        node.vendor.fault(quota, "replace", body={"code": "ACCESS_DENY", "message": ""}, times=-1)

    assert fleet.run_for(11 * MINUTE) == 3

    assert len(fleet.host.exits) == 3
    assert fleet.problem


def test_less_is_asked_for_until_a_plan_without_a_quota_has_it(new_node: NewNode) -> None:
    """Four are missing, and one can be had."""
    fleet = fleet_of(new_node("overseas", channels=3, lifetime=10), count=2)
    fleet.run()
    fleet.vendor.forget()
    fleet.host.gateway = gateway("overseas", count=6)

    assert fleet.run() == 1

    asked = fleet.node.sent(PATHS["overseas"].get)
    assert [parameters["num"] for parameters in asked] == ["4", "2", "1"]
    assert len(fleet.host.exits) == 3


def test_leases_whose_end_nobody_can_read_serve(fleet: Fleet) -> None:
    def without_a_deadline(body: Any) -> Any:
        for lease in rows(body):
            lease["deadline"] = "soon"
        return body

    fleet.vendor.alter(PATHS["share"].get, without_a_deadline)
    fleet.vendor.alter(PATHS["share"].query, without_a_deadline)

    assert fleet.run() == 4
    assert fleet.run() == 0

    assert len(fleet.host.exits) == 4


def test_an_option_that_only_the_product_refuses_is_named_as_in_the_role(new_node: NewNode) -> None:
    fleet = fleet_of(new_node("share", channels=20), areas=["Atlantis"])

    assert fleet.run() == 0

    assert ": proxy_gateway_areas contains " in fleet.problem


def test_only_the_first_purchase_remembers_what_was_held_before(fleet: Fleet) -> None:
    fleet.run()
    fleet.run_for(2 * HOUR)

    before = fleet.rows("SELECT before FROM journal WHERE buys > 0 ORDER BY id")

    assert len(before) > 1
    assert {text for (text,) in before[1:]} == {"[]"}


@pytest.mark.parametrize("options", LABELS_AND_SLOTS)
def test_a_cap_below_what_was_bought_hides_no_lease_from_a_new_host(
    new_node: NewNode, options: dict[str, Any]
) -> None:
    fleet = fleet_of(new_node("share", channels=20, lifetime=10), count=4, **options)
    fleet.run()
    fleet.run_for(2 * HOUR)
    other = Fleet(fleet.node, gateway("share", count=5, **options), ("web2",))

    assert other.run(cap=20) == 0

    assert "max_new_per_day=20" in other.problem
    assert len(other.host.exits) == 4


def test_what_the_cap_allows_is_bought_and_the_run_fails_with_its_sentence(fleet: Fleet) -> None:
    assert fleet.run(cap=3) == 3

    assert len(fleet.host.exits) == 3
    assert "max_new_per_day=3" in fleet.problem
    fleet.vendor.advance(10)
    assert fleet.run(cap=3) == 0
    assert "max_new_per_day=3" in fleet.problem
    assert len(fleet.host.exits) == 3
    assert fleet.run(cap=10) == 1
    assert fleet.problem == ""


def test_what_channels_allow_is_bought_and_the_run_fails_with_their_sentence(
    new_node: NewNode,
) -> None:
    fleet = fleet_of(new_node("share", channels=3, lifetime=10), count=4)

    assert fleet.run() == 3

    assert len(fleet.host.exits) == 3
    assert fleet.problem


def test_a_cap_that_is_reached_fails_the_run_while_the_leases_of_before_still_serve(
    fleet: Fleet,
) -> None:
    fleet.run()
    fleet.vendor.advance(10 * MINUTE - 10)

    assert fleet.run(cap=4) == 0

    assert "max_new_per_day=4" in fleet.problem
    assert len(fleet.host.exits) == 4


@pytest.mark.parametrize("options", LABELS_AND_SLOTS)
def test_leases_that_qg_net_has_taken_back_serve_nobody_and_fail_the_run(
    new_node: NewNode, options: dict[str, Any]
) -> None:
    """Until lists that lie far enough apart have lacked them, nothing is bought for them."""
    fleet = fleet_of(new_node("share", channels=20, lifetime=10), count=6, **options)
    fleet.run()
    fleet.vendor.advance(2 * MINUTE)
    taken = fleet.vendor.leases[:4]
    for lease in taken:
        lease.ends = fleet.vendor.clock.now()

    assert fleet.run() == 0

    assert phrases.CAN_USE.format(2, 6) in fleet.problem
    assert all(lease.host in fleet.problem for lease in taken)
    assert fleet.run_for(2 * MINUTE) == 4
    assert fleet.problem == ""


def test_a_lease_whose_name_has_no_address_serves_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_exits_an_address(monkeypatch)
    plan = {"channels": 20, "lifetime": 1440}
    world = World("exclusive", plan, ("leases share a host name",))
    fleet = fleet_of(world.node(tmp_path), count=2)

    assert fleet.run() == 2

    assert phrases.CAN_USE.format(0, 2) in fleet.problem
    assert fleet.run_for(MINUTE) == 0
    assert fleet.problem


def test_channels_that_are_free_are_used_when_they_are_too_few(new_node: NewNode) -> None:
    """The leases of before serve on beside the new ones."""
    fleet = fleet_of(new_node("classic", channels=8, lifetime=5), count=5, drain=60)
    assert fleet.run() == 5
    first = set(fleet.host.exits)
    fleet.vendor.advance(250)

    assert fleet.run() == 3

    assert len(fleet.host.exits) == 8
    assert first < set(fleet.host.exits)


def test_a_wrong_key_of_one_pool_stops_that_pool_alone(new_node: NewNode) -> None:
    pools = [{"name": "a", "port": 3129, "count": 2}, {"name": "b", "port": 3130, "count": 2}]
    fleet = fleet_of(new_node("share", channels=20), pools=pools)
    fleet.host.keys["a"] = "WRONGKEY"

    assert fleet.run() == 2

    assert fleet.problem.startswith("Pool a of web1: ")
    assert "Pool b" not in fleet.problem
    assert {server.pool for server in fleet.host.servers} == {"b"}


def test_a_pool_that_is_refused_keeps_its_leases_and_stops_no_other(new_node: NewNode) -> None:
    """Its key is not the one that it was installed with, for example."""
    pools = [
        {"name": "a", "port": 3129, "count": 2},
        {"name": "b", "port": 3130, "count": 2, "isp": "telecom"},
    ]
    fleet = fleet_of(new_node("share", channels=20, lifetime=10), pools=pools)
    fleet.run()
    before = [each for each in fleet.host.servers if each.pool == "a"]
    fleet.host.refused["a"] = "Its key is another one."
    fleet.vendor.advance(MINUTE)

    assert fleet.run() == 0

    assert fleet.problem == "Pool a of web1: Its key is another one."
    assert [each for each in fleet.host.servers if each.pool == "a"] == before
    fleet.vendor.advance(9 * MINUTE)
    assert fleet.run() == 2
    assert len([each for each in fleet.host.servers if each.pool == "b" and not each.drained]) == 2


def test_a_key_that_can_be_none_is_named_by_its_pool(new_node: NewNode) -> None:
    fleet = fleet_of(new_node("share", channels=20), pools=[{"name": "a", "port": 3129}])
    fleet.host.keys["a"] = "TWO KEYS"

    assert fleet.run() == 0

    assert fleet.problem.startswith("Pool a of web1: The key of pool a contains a blank")


def volume_node(new_node: NewNode) -> Node:
    """A key of the classic API whose plan is billed by volume: its quota counts what was ever
    leased.
    """
    return new_node("classic", billing="volume", balance=100)


def test_a_plan_by_volume_needs_the_option_to_ignore_the_quota_in_its_pool(
    new_node: NewNode,
) -> None:
    pools: list[dict[str, Any]] = [
        {"name": "a", "port": 3129, "count": 2, "ignore_quota": True},
    ]
    fleet = fleet_of(volume_node(new_node), pools=pools)

    assert fleet.run() == 2
    assert fleet.problem == ""
    sold = fleet.run_for(30 * MINUTE, step=20)
    assert sold % 2 == 0
    assert fleet.problem == ""


def test_what_a_neighbor_saw_before_an_exit_went_down_does_not_vouch_for_it(
    new_node: NewNode,
) -> None:
    """The neighbor is refreshed each hour."""
    fleet = fleet_of(new_node("exclusive", channels=20), ("quick", "slow"), count=2)
    fleet.hosts["slow"].gateway = dataclasses.replace(fleet.host.gateway, interval=3600)
    fleet.run()
    fleet.vendor.advance(10)
    fleet.run()
    failed = fleet.host.exits[0]
    fleet.let(IS_SILENT, failed)

    paid = fleet.vendor.paid
    for _run in range(40):
        fleet.vendor.advance(10)
        fleet.run(only=["quick"])

    # An exit of a day is replaced when it has been down for five minutes.
    assert fleet.vendor.paid == paid + 1
    assert failed not in fleet.host.exits


def test_an_exit_that_has_worked_for_a_neighbor_since_it_went_down_here_stays(
    new_node: NewNode,
) -> None:
    fleet = fleet_of(new_node("exclusive", channels=20), ("ill", "well"), count=2)
    fleet.run()
    fleet.vendor.advance(10)
    failed = fleet.host.exits[0]
    fleet.let(IS_SILENT, failed, on="ill")

    paid = fleet.vendor.paid
    for _run in range(80):
        fleet.vendor.advance(10)
        fleet.run(only=["ill"])
        fleet.run(only=["well"])

    assert fleet.vendor.paid == paid
    assert failed in fleet.host.exits


# Runs that come too late.


@pytest.mark.parametrize("options", LABELS_AND_SLOTS)
@pytest.mark.parametrize("ahead", [0.0, 90.0])
def test_a_refresh_that_comes_after_the_last_lease_has_ended_says_by_how_much(
    new_node: NewNode, options: dict[str, Any], ahead: float
) -> None:
    """It has put that right, so nothing is recorded as a problem."""
    fleet = fleet_of(new_node("share", channels=20), count=2, **options)
    fleet.host.clock_ahead = ahead
    fleet.run()
    assert fleet.late == {"web1": []}
    fleet.run_for(2 * MINUTE)
    assert fleet.late == {"web1": []}

    ends = [server.until for server in fleet.host.servers if server.until is not None]
    late = 70.0
    fleet.vendor.advance(max(ends) - ahead + late - fleet.vendor.clock.now())
    fleet.run()

    [sentence] = fleet.late["web1"]
    assert phrases.REFRESHED_TOO_LATE.format(late) in sentence
    assert "proxy_gateway_drain" in sentence
    assert_one_sentence(sentence)
    assert fleet.problem == ""
    fleet.vendor.advance(10)
    fleet.run()
    assert fleet.late == {"web1": []}


def test_a_refresh_after_one_that_failed_is_not_called_late(fleet: Fleet) -> None:
    fleet.run()
    break_api(fleet)
    fleet.vendor.advance(11 * MINUTE)
    fleet.run()
    assert fleet.problem != ""
    mend_api(fleet)
    fleet.vendor.advance(10)

    fleet.run()

    assert fleet.problem == ""
    assert fleet.late == {"web1": []}


def test_leases_that_were_reported_or_whose_end_is_unknown_are_not_called_late(
    fleet: Fleet,
) -> None:
    fleet.run()
    for changes in ({"reported": True}, {"until": None}):
        servers = [dataclasses.replace(server, **changes) for server in fleet.host.servers]
        fleet.host.servers = servers
        fleet.vendor.advance(11 * MINUTE)
        fleet.run()
        assert fleet.late == {"web1": []}


# Runs that are killed.


@pytest.mark.parametrize("carried_out", [False, True])
def test_a_run_that_is_killed_at_a_purchase_never_pays_twice(
    fleet: Fleet, carried_out: bool
) -> None:
    fleet.vendor.kill(PATHS["share"].get, carried_out=carried_out)
    assert fleet.killed()
    paid = fleet.vendor.paid

    fleet.run_for(5 * MINUTE, step=30)

    # The first one is bought alone, to show how long leases last.
    assert paid == (1 if carried_out else 0)
    assert fleet.vendor.paid == 4
    assert len(fleet.host.exits) == 4


@pytest.mark.parametrize("stride", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_at_any_step_while_it_replaces_an_exit_pays_once(
    new_node: NewNode, stride: int
) -> None:
    steps = 0
    was_killed = True
    while was_killed:
        node = new_node("share", channels=20, lifetime=10)
        node.begin_store(node.store.with_name(f"store{steps}"))
        fleet = fleet_of(node, count=4)
        fleet.run()
        failed = fleet.host.exits[0]
        fleet.let(IS_SILENT, failed)
        fleet.vendor.advance(10)
        fleet.run()
        fleet.vendor.advance(10)
        node.at_step(steps, node.die)

        was_killed = fleet.killed()
        node.event = None
        fleet.run_for(3 * MINUTE, step=30)

        assert fleet.vendor.paid == 5, steps
        assert len(fleet.host.exits) == 4, steps
        assert failed not in fleet.host.exits
        steps += stride
    assert steps > 20


@pytest.mark.parametrize("state", [IS_SILENT, REJECTS])
def test_a_run_that_is_killed_at_its_probe_probes_no_more_often(
    new_node: NewNode, state: State
) -> None:
    fleet = fleet_of(new_node("share", channels=20), count=4)
    fleet.run()
    fleet.vendor.advance(20)
    fleet.let_all(state)
    sold = 0
    for _time in range(5):
        fleet.vendor.kill(PATHS["share"].get, carried_out=True)
        for _run in range(20):
            fleet.vendor.advance(30)
            paid = fleet.vendor.paid
            fleet.killed()
            sold += fleet.vendor.paid - paid

    # One a minute, which is how long a lease lasts.
    assert sold <= 51


def test_a_host_is_not_told_that_no_exit_works_if_one_is_not_checked_yet(new_node: NewNode) -> None:
    """One of two leases is replaced at its end while the other one fails."""
    fleet = fleet_of(new_node("share", channels=20, lifetime=10), count=1)
    fleet.run()
    fleet.vendor.advance(5 * MINUTE)
    fleet.host.gateway = gateway("share", count=2)
    fleet.run()
    fleet.vendor.advance(5 * MINUTE - 12)
    failing = fleet.vendor.leases[1].host
    fleet.let(FAILS, failing)

    assert fleet.run() == 1

    assert fleet.problem == ""
