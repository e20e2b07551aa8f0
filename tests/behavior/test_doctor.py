# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module qg_doctor_info: what is wrong with a key, an option or the store, with its cause and
fix.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from behavior.gateway_fleet import Fleet, gateway
from behavior.paid_calls import MONOPOLY, PLANS
from support import phrases
from support.invariants import assert_no_secret, assert_one_sentence
from support.node import Node
from support.vendor import Answer, Call

EGRESS = "203.0.113.50"
#: Of proxy_gateway_exit_timeout, in seconds.
DEFAULT_TIMEOUT = 10
PASSWORD = "Hush4Hush"
#: The last part of the path of a call that only reads.
READS = ("query", "quota", "channels", "balance", "resources", "ip", "getBalance")
AGENT = {
    "app_id": "qgdemo01",
    "app_key": "0123456789abcdef0123",
    "account_url": "https://www.qg.net/api",
}


@dataclass(frozen=True)
class Illness:
    """What is wrong with a key or an option, the check that says so, and parts of its cause and its
    fix.
    """

    check: str
    parts: tuple[str, ...]
    key: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


ILLNESSES = {
    "wrong key": Illness(
        "product", (phrases.KEY_IS_WRONG, "set product"), options={"key": "NOSUCH01"}
    ),
    "wrong password": Illness(
        "product", ("code -14", phrases.SET_PASSWORD), key={"pwd": PASSWORD, "api_auth": True}
    ),
    "wrong product": Illness(
        "product",
        ("product=exclusive", "qg_product to share"),
        key={"plan": PLANS["share"]},
        options={"product": "exclusive"},
    ),
    "expired plan": Illness("product", (phrases.RENEW_PLAN,), key={"status": "expired"}),
    "echo service without a scheme": Illness(
        "options", ("sources, entry 1,", phrases.ONE_URL), options={"sources": ["d.qg.net/ip"]}
    ),
    "proxy with a login": Illness(
        "options", ("through_proxy",), options={"through_proxy": f"user:{PASSWORD}@192.0.2.1:3128"}
    ),
    "proxy without a port": Illness(
        "options", ("through_proxy has no port",), options={"through_proxy": "192.0.2.1"}
    ),
    "mistake in an option": Illness(
        "options", ("api_url", "https"), options={"api_url": "proxy.qg.net"}
    ),
    "cap of nothing": Illness("options", ("max_new_per_day=0",), options={"max_new_per_day": 0}),
    "app key without its ID": Illness(
        "account", ("app_id is missing",), options={"app_key": AGENT["app_key"]}
    ),
    "wrong app key": Illness(
        "account", (phrases.SIGNATURE_REFUSED,), options={**AGENT, "app_key": "x" * 20}
    ),
    "store that is a file": Illness(
        "store", (phrases.CANNOT_BE_USED, "QG_STORE"), options={"store": str(Path(__file__))}
    ),
}


@pytest.fixture
def node(new_node: Callable[..., Node]) -> Node:
    """A control node with a key on which everything works, and an echo service."""
    node = new_node(None)
    node.vendor.configure(whitelist=[EGRESS])
    node.vendor.around("/ip", lambda _call: (200, {"ip": EGRESS}))
    return node


def examine(node: Node, **options: Any) -> dict[str, dict[str, Any]]:
    """Return the checks of a run, which only reads, by name."""
    node.vendor.forget()
    result = node.ok("qg_doctor_info", **options)
    assert result["changed"] is False
    for call in node.requests:
        assert call[2].rpartition("/")[2] in READS
    assert result["healthy"] is all(check["ok"] for check in result["checks"])
    assert_no_secret([PASSWORD], result)
    return {check["name"]: check for check in result["checks"]}


def test_nothing_is_wrong(node: Node) -> None:
    node.vendor.hold(1)

    checks = examine(node, max_new_per_day=5)

    assert all(check["ok"] for check in checks.values())
    details = {name: check["detail"] for name, check in checks.items()}
    assert details["product"] == "classic"
    assert details["quota"].startswith("4 of 5")
    assert details["cap"].startswith("0 ")
    assert details["egress"].startswith(EGRESS)
    assert details["leases"].startswith("1 lease")


def test_the_credentials_of_an_account_are_tried(node: Node) -> None:
    assert "account" not in examine(node)

    check = examine(node, **AGENT)["account"]

    assert check["ok"] is True
    assert check["detail"].endswith(" yuan")


def test_what_cannot_be_bought_is_not_advised(node: Node) -> None:
    assert "qg_lease_count" in examine(node)["leases"]["detail"]
    quota = {"Code": 0, "Total": 5, "Available": 0, "Used": 5}
    node.vendor.around("/info/quota", lambda _call: (200, quota))

    checks = examine(node)

    assert "qg_lease_count" not in checks["leases"]["detail"]
    assert checks["quota"]["detail"].startswith("0 of 5")


def test_a_volume_that_is_used_up_is_an_illness(new_node: Callable[..., Node]) -> None:
    node = new_node("share", billing="volume", balance=0)

    checks = examine(node, sources=["http://192.0.2.1/ip"])

    assert "qg_lease_count" not in checks["leases"]["detail"]
    assert checks["quota"]["ok"] is False
    assert phrases.NO_ADDRESSES_LEFT in checks["quota"]["detail"]


def test_a_quota_that_counts_more_than_the_list_names_the_way_out(node: Node) -> None:
    node.vendor.configure(plan={"billing": "volume", "balance": 9})
    node.vendor.hold(1)
    assert "ignore_quota" not in examine(node)["quota"]["detail"]
    for lease in node.vendor.leases:
        node.vendor.advance(lease.ends - node.vendor.clock.now() + 1)

    quota = examine(node)["quota"]

    assert quota["ok"] is True
    assert "it counts 1 more in use" in quota["detail"]
    assert "ignore_quota: true" in quota["detail"]


@pytest.mark.parametrize("name", ILLNESSES)
def test_the_check_that_fails_has_cause_and_fix(node: Node, name: str) -> None:
    illness = ILLNESSES[name]
    node.vendor.configure(**illness.key)

    check = examine(node, **illness.options)[illness.check]

    assert check["ok"] is False
    assert_one_sentence(check["detail"])
    for part in illness.parts:
        assert part in check["detail"]


def test_without_a_key_it_says_where_to_get_one(node: Node) -> None:
    del node.options["key"]

    check = examine(node)["options"]

    assert check["ok"] is False
    assert phrases.NO_KEY_SET in check["detail"]
    assert "export QG_KEY=AUTHKEY" in check["detail"]


def test_the_key_of_a_tunnel_is_not_wrong(node: Node) -> None:
    node.vendor.configure(plan={"kind": "tunnel"})

    check = examine(node)["product"]

    assert check["ok"] is True
    assert phrases.TUNNEL_KEY in check["detail"]


def test_a_given_proxy_is_tested_also_with_the_key_of_a_tunnel(node: Node) -> None:
    node.vendor.configure(plan={"kind": "tunnel"})
    assert "proxy" not in examine(node)

    check = examine(node, through_proxy="tunnel.qg.net:19702")["proxy"]

    assert check["ok"] is True
    assert check["detail"] == f"tunnel.qg.net:19702 leads to {EGRESS}"


def let_exits_take(node: Node, *seconds: float) -> list[float]:
    """Let the requests through exits take so long; returns the seconds that were not needed."""
    left = list(seconds)
    # The first one goes directly.
    node.vendor.once("/ip", lambda _call: (200, {"ip": EGRESS}))
    direct = node.vendor.hooks[-1]

    def answer(_call: Call) -> Answer:
        node.vendor.advance(left.pop(0))
        return 200, {"ip": EGRESS}

    node.vendor.hooks.insert(node.vendor.hooks.index(direct), ("/ip", answer))
    return left


@pytest.mark.parametrize(
    ("seconds", "proposed"),
    [
        ((0.2, 0.3, 0.1, 0.2, 0.2), 2),
        ((0.5, 1.4, 0.8, 0.6, 0.5), 3),
        ((3.0, 5.0, 4.0, 3.5, 4.5), 10),
        ((3.0, 9.5, 4.0, 8.0, 6.0), 19),
    ],
)
def test_it_measures_exits_that_are_held_and_proposes_a_timeout(
    node: Node, seconds: tuple[float, ...], proposed: int
) -> None:
    """A gateway must not take an exit that is slow for one that does not work."""
    node.vendor.configure(plan={"channels": 9})
    node.vendor.hold(4, 4)
    paid = node.vendor.paid
    left = let_exits_take(node, *seconds)

    check = examine(node)["exits"]

    assert check["ok"] is True
    assert left == []
    assert node.vendor.paid == paid
    assert check["detail"].startswith(f"5 exits of 8 leases: all answered, within {max(seconds):g}")
    named = re.findall(r"proxy_gateway_exit_timeout=(\d+)", check["detail"])
    assert named == [] if proposed == DEFAULT_TIMEOUT else named == [str(proposed)]


def test_exits_that_do_not_answer_are_named_and_propose_nothing(node: Node) -> None:
    """A tunnel fails now and then: an exit is tried twice."""
    node.vendor.hold(3)
    servers = [lease.host for lease in node.vendor.leases]
    left = let_exits_take(node, 1.0, 30.0, 30.0, 30.0, 2.0)

    check = examine(node)["exits"]

    assert left == []
    assert check["ok"] is True
    assert "2 answered, within 2 seconds" in check["detail"]
    assert sum(server in check["detail"] for server in servers) == 1
    assert "proxy_gateway_exit_timeout=4" in check["detail"]


def test_nothing_is_measured_without_a_lease_or_through_another_proxy(node: Node) -> None:
    assert "exits" not in examine(node)
    node.vendor.hold(1)

    assert "exits" not in examine(node, through_proxy="192.0.2.1:3128")


def test_leases_without_a_deadline_have_no_last_time(new_node: Callable[..., Node]) -> None:
    node = new_node("longterm")
    row = {"server": "tunpool-demo1.qg.net:19702", "area": "110100", "distinct": False}
    body = {"code": "SUCCESS", "data": [row], "request_id": "1"}
    node.vendor.around("/longterm/query", lambda _call: (200, body))

    checks = examine(node, sources=["http://192.0.2.1/ip"])

    assert checks["leases"]["detail"] == "1 lease"


@pytest.mark.parametrize("answer", [(503, None), (200, {"Code": -11, "Msg": "busy"})])
def test_a_list_that_fails_does_not_make_it_the_key_of_a_tunnel(node: Node, answer: Answer) -> None:
    """That the whitelist can be read says nothing about a list that cannot be reached."""
    node.vendor.around("/query", lambda _call: answer)

    check = examine(node)["product"]

    assert check["ok"] is False
    assert "/query" in check["detail"]
    assert phrases.TUNNEL_KEY not in check["detail"]


def test_a_list_that_is_refused_for_its_rate_is_not_empty(node: Node) -> None:
    """The advice to buy one would cost money."""
    node.vendor.hold(1)

    def refuse_from_now_on() -> None:
        node.vendor.around("/query", lambda _call: (200, {"Code": -11, "Msg": "busy"}))

    # The first read finds out the product.
    node.vendor.after("/query", refuse_from_now_on)

    check = examine(node)["leases"]

    assert check["ok"] is False
    assert phrases.TOO_MANY_REQUESTS in check["detail"]


def test_a_plan_of_reserved_lines_has_no_list_of_leases(new_node: Callable[..., Node]) -> None:
    """Its quota counts the lines, so that no list of leases contradicts it."""
    node = new_node(None, kind="exclusive_occupancy")
    node.ok(MONOPOLY, count=2)
    node.requests.clear()

    checks = examine(node, sources=["http://192.0.2.1/ip"])

    assert checks["leases"]["ok"] is True
    assert "qg_monopoly_info" in checks["leases"]["detail"]
    assert checks["quota"]["detail"] == "3 of 5 channels free"


def test_a_damaged_record_of_a_gateway_is_a_check_that_fails(node: Node) -> None:
    Fleet(node, gateway("classic", count=1)).install()
    with sqlite3.connect(node.store / "state.sqlite3") as database:
        database.execute("UPDATE installations SET options = '['")

    checks = examine(node)

    assert checks["gateways"]["ok"] is False
    assert phrases.ROW_OF_INSTALLATIONS.format("id of web1") in checks["gateways"]["detail"]
    assert checks["quota"]["ok"] is True


def test_it_says_when_the_oldest_refresh_was(new_node: Callable[..., Node]) -> None:
    """A timer that has stopped shows only after three intervals, so the time stands there."""
    node = new_node("exclusive", channels=12, lifetime=60)
    Fleet(node, gateway("exclusive", count=1, drain=300, interval=120)).install()

    check = examine(node, sources=["http://192.0.2.1/ip"])["gateways"]

    assert check["ok"] is True
    assert check["detail"].startswith("1 installed; ")
    assert check["detail"].endswith("+08:00")


def test_it_asks_for_the_product_anew(node: Node) -> None:
    node.vendor.configure(status="expired")
    for _run in range(2):
        assert examine(node)["product"]["ok"] is False
    node.vendor.configure(status="ok", plan=PLANS["share"])

    check = examine(node)["product"]

    assert check["ok"] is True
    assert check["detail"] == "share"
