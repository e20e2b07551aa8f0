# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report: what a person reads in the morning, and what is left of it if something cannot be
read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from behavior.gateway_fleet import Fleet, gateway
from behavior.paid_calls import ALLOCATE, MONOPOLY
from support import phrases
from support.invariants import Result, assert_one_sentence
from support.node import Node

REPORT = "qg_report_info"
DAY = 86400
SECTIONS = ["WHAT IS WRONG", "HOSTS", "LEASES", "SPENDING", "GATEWAYS AND LISTS"]


def read(node: Node, **options: Any) -> Result:
    """Return a report, whose page has all sections, and whose problems are sentences on it."""
    report = node.ok(REPORT, **options)
    page: list[str] = report["page"]
    assert [line for line in page if line.isupper() and not line.startswith(" ")] == SECTIONS
    for problem in report["problems"]:
        assert_one_sentence(problem)
        assert f"  * {problem}" in page
    assert max(len(line) for line in page if not line.startswith("  * ")) <= 160
    return report


def section(report: Result, name: str) -> list[str]:
    page: list[str] = report["page"]
    rest = page[page.index(name) + 1 :]
    return rest[: rest.index("")] if "" in rest else rest


def test_a_morning(new_node: Callable[..., Node]) -> None:
    node = new_node("exclusive", channels=12, lifetime=60)
    fleet = Fleet(node, gateway("exclusive", count=3, drain=300, interval=120))
    fleet.install()
    for _day in range(3):
        fleet.run_for(7200, 120)
        node.vendor.advance(DAY - 7200)
    fleet.run()
    node.vendor.forget()

    report = read(node, max_new_per_day=100)

    assert report["product"] == "exclusive"
    assert [len(report["leases"]), report["foreign"]] == [3, 0]
    assert [lease["bought_here"] for lease in report["leases"]] == [True] * 3
    assert [day["received"] for day in report["spending"]][:3] == [9, 9, 9]
    assert report["bought"] == 9 + 3
    assert "12 bought in 24 hours of at most 100" in " ".join(section(report, "SPENDING"))
    assert phrases.NEEDS in report["forecast"]
    assert f"  {report['forecast']}" in section(report, "SPENDING")
    bars = [line.rpartition(" ")[2] for line in section(report, "SPENDING")[3:]]
    assert bars[0] == "=" * 4 + "." * 36
    (installed,) = report["installations"]
    assert installed["host"] == "web1"
    # Nobody has recorded how its refreshes ended, in this world without Ansible.
    assert [problem.partition(" was ")[0] for problem in report["problems"]] == [
        "The gateway qg-proxy-gateway of web1"
    ]
    assert node.vendor.calls("/exclusive/get") == []


def test_that_a_plan_of_reserved_lines_has_no_list_of_leases_is_no_problem(
    new_node: Callable[..., Node],
) -> None:
    node = new_node(None, kind="exclusive_occupancy")
    node.ok(MONOPOLY, count=2)

    report = read(node)

    assert report["problems"] == []
    assert report["leases"] == []
    assert report["quota"]["used"] == 2


def test_that_the_key_of_a_tunnel_has_no_list_of_leases_is_no_problem(
    new_node: Callable[..., Node],
) -> None:
    node = new_node(None, kind="tunnel")

    report = read(node)
    wrong = read(node, key="NOSUCH01")

    assert report["problems"] == []
    assert report["leases"] == []
    assert phrases.TUNNEL_KEY in section(report, "LEASES")[0]
    assert wrong["leases"] is None
    assert any(phrases.KEY_IS_WRONG in problem for problem in wrong["problems"])


def test_a_list_that_another_product_refuses_is_a_problem(new_node: Callable[..., Node]) -> None:
    node = new_node("share", channels=3)

    report = read(node, product="classic")

    assert report["leases"] is None
    assert len([each for each in report["problems"] if "The list of leases" in each]) == 1


def test_a_second_buyer_is_a_problem_unless_the_key_is_shared(node: Node) -> None:
    node.ok(ALLOCATE, count=1)
    node.vendor.hold(2)

    report = read(node)
    shared = read(node, shared_key=True)

    assert [report["foreign"], shared["foreign"]] == [2, 2]
    assert [phrases.SOMEBODY_ELSE in problem for problem in report["problems"]] == [True]
    assert shared["problems"] == []
    assert len([line for line in section(shared, "LEASES") if "somebody else" in line]) == 2


def test_a_cap_that_is_reached_is_a_problem_until_a_purchase_is_a_day_old(node: Node) -> None:
    node.ok(ALLOCATE, count=2)
    node.vendor.advance(2 * 3600)
    node.ok(ALLOCATE, count=4)

    assert read(node, max_new_per_day=node.vendor.paid + 1)["problems"] == []
    (problem,) = read(node, max_new_per_day=node.vendor.paid)["problems"]
    (exceeded,) = read(node, max_new_per_day=1)["problems"]

    assert f"cap of {node.vendor.paid} {phrases.CAP_IS_REACHED} for 22.0 hours" in problem
    assert f"cap of 1 {phrases.CAP_IS_REACHED} for 24.0 hours" in exceeded
    assert "QG_MAX_NEW_PER_DAY" in problem


def test_a_plan_by_volume_that_falls_by_itself_is_a_problem(new_node: Callable[..., Node]) -> None:
    node = new_node("share", billing="volume", balance=1000)
    read(node)
    node.ok(ALLOCATE, count=4, ignore_quota=True)
    assert read(node)["problems"] == []
    node.vendor.response("/share/get", num=7)
    node.vendor.advance(3600)

    report = read(node)

    (problem,) = report["problems"]
    assert "7 more used up" in problem
    assert node.ok("qg_quota_info")["quota"]["unexplained"] == 7


def test_a_report_each_day_finds_what_others_have_bought_since_the_last_one(
    new_node: Callable[..., Node],
) -> None:
    node = new_node("share", billing="volume", balance=1000)
    for late in (0, 60, 600):
        node.vendor.advance(86400 + late)
        read(node)
        node.ok(ALLOCATE, count=4, ignore_quota=True)
        node.vendor.advance(3600)
        node.vendor.response("/share/get", num=7)
        node.vendor.advance(-3600 + 86400 + late)

        (problem,) = read(node)["problems"]

        assert "7 more used up" in problem


def test_a_store_without_purchases_is_a_report_as_well(node: Node) -> None:
    node.vendor.hold(2)

    report = read(node)

    assert report["problems"] == []
    assert report["foreign"] is None
    assert report["spending"] == []
    assert "  no purchases in the last fortnight" in section(report, "SPENDING")
    assert "  none installed" in section(report, "GATEWAYS AND LISTS")


def test_a_clock_that_was_set_hides_no_purchase(node: Node) -> None:
    node.ok(ALLOCATE, count=2)
    node.machine.set_wall(10 * DAY)

    assert [day["received"] for day in read(node)["spending"]] == [2]


def test_a_key_without_a_quota_has_a_report(new_node: Callable[..., Node]) -> None:
    node = new_node("overseas")
    node.ok(ALLOCATE, count=2)

    report = read(node)

    assert report["problems"] == []
    assert report["quota"] is None
    assert len(report["leases"]) == 2


def damage(node: Node, statement: str) -> None:
    with sqlite3.connect(next(node.store.glob("*.sqlite*"))) as database:
        database.execute(statement)


@pytest.mark.parametrize(
    ("what", "missing", "statement"),
    [
        ("The ledger", "spending", "UPDATE journal SET wall_at = 'yesterday'"),
        ("The list of leases", "leases", "UPDATE resources SET item = 'no json'"),
        ("The gateways and lists", "installations", "UPDATE installations SET options = 'no json'"),
    ],
)
def test_what_is_damaged_is_one_sentence_and_the_rest_is_shown(
    new_node: Callable[..., Node], what: str, missing: str, statement: str
) -> None:
    node = new_node("exclusive", channels=12)
    fleet = Fleet(node, gateway("exclusive", count=3, drain=300, interval=120))
    fleet.install()
    fleet.run()
    damage(node, statement)

    report = read(node)

    assert report[missing] is None
    assert any(problem.startswith(f"{what} cannot be read: ") for problem in report["problems"])
    others = {"spending", "leases", "installations", "whitelist"} - {missing}
    assert all(report[name] is not None for name in others)


def test_the_ledger_can_be_read_although_the_record_of_a_gateway_is_damaged(
    new_node: Callable[..., Node],
) -> None:
    node = new_node("exclusive", channels=12)
    fleet = Fleet(node, gateway("exclusive", count=3, drain=300, interval=120))
    fleet.install()
    fleet.run()
    assert node.ok("qg_ledger_info")["needed_per_day"].keys() == {"least", "most"}
    damage(node, "UPDATE installations SET options = 'no json'")

    ledger = node.ok("qg_ledger_info")

    assert ledger["totals"][0]["received"] == 3
    assert ledger["needed_per_day"] is None


@pytest.mark.parametrize(
    ("path", "missing"),
    [("/query", "leases"), ("/whitelist/query", "whitelist"), ("/info/quota", "quota")],
)
def test_what_qg_net_refuses_is_one_sentence_and_the_rest_is_shown(
    node: Node, path: str, missing: str
) -> None:
    node.ok(ALLOCATE, count=1)
    node.vendor.fault(path, "code", code=-16, times=-1)

    report = read(node, max_wait=0)

    assert report[missing] is None
    assert len(report["problems"]) == 1
    assert report["spending"][0]["received"] == 1


def test_a_key_that_is_wrong_is_reported_with_what_the_store_has(node: Node) -> None:
    node.ok(ALLOCATE, count=1)
    node.vendor.fault("/query", "code", code=-100, times=-1)
    node.vendor.fault("/whitelist/query", "code", code=-100, times=-1)

    report = read(node, product="auto", max_wait=0)

    assert report["whitelist"] is None
    assert report["leases"] is None
    assert report["bought"] == 1
