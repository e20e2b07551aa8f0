# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules that read an account: what they are refused, which faults they repeat, and what they
do not show.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from qgnet_simulator.account.agents import Agent
from support import phrases
from support.account_modules import READERS
from support.invariants import Result, assert_no_secret
from support.node import Node

APP_ID = "agent01"
APP_KEY = "0123456789abcdef0123"
#: Not the agent's key, and no secret either: the vendor refuses it.
WRONG_KEY = "another1234567890"


@pytest.fixture
def node(new_node: Callable[..., Node]) -> Node:
    """A control node with the credentials of an agent."""
    node = new_node()
    node.vendor.agents.by_appid[APP_ID] = Agent.with_examples(APP_KEY)
    node.options.update(app_id=APP_ID, app_key=APP_KEY)
    return node


def read(node: Node, name: str, **changes: Any) -> Result:
    """Read with options that succeed but for the changes; the result shows no key and no
    signature.
    """
    reader = READERS[name]
    options = {**reader.options, **changes}
    result = node.run(reader.module, diff=True, **options)
    assert result["changed"] is False
    signatures = [call.params["sign"] for call in node.vendor.journal if "sign" in call.params]
    assert_no_secret([APP_KEY, WRONG_KEY, *signatures], result, node.store)
    return result


def succeed(node: Node, name: str, **changes: Any) -> Result:
    """Read what can be read."""
    result = read(node, name, **changes)
    assert "failed" not in result, result["msg"]
    return result


def be_refused(node: Node, name: str, **changes: Any) -> Result:
    """Read what cannot be read."""
    result = read(node, name, **changes)
    assert result["failed"] is True
    return result


def test_packages_are_facts_alone_the_cheapest_first(node: Node) -> None:
    prices = {"p1": "30", "p2": "9.5", "p3": "", "p4": "100"}
    packages = [{"Package_no": name, "User_price": price} for name, price in prices.items()]
    listed = {str(number): package for number, package in enumerate(packages)}
    node.vendor.fault(READERS["packages"].path, "replace", body={"Code": 0, "Data": listed})

    result = succeed(node, "packages", load_rate=True, line_no="ap-x")

    assert result.keys() == {"changed", "ansible_facts"}
    found = result["ansible_facts"]["qg_cloud_packages"]
    assert [package["package_no"] for package in found] == ["p2", "p1", "p4", "p3"]
    [sent] = node.sent(READERS["packages"].path)
    assert {"productId": "104", "line_no": "ap-x", "load_rate": "1"}.items() <= sent.items()
    refusal = be_refused(node, "packages", app_key=WRONG_KEY)
    assert refusal.keys() == {"failed", "changed", "msg", "error"}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("credentials", "meaning"),
    [({"app_key": WRONG_KEY}, "签名错误"), ({"app_id": "nobody"}, "appid不存在")],
    ids=["key", "application"],
)
def test_wrong_credentials_are_named(
    node: Node, name: str, credentials: dict[str, str], meaning: str
) -> None:
    result = be_refused(node, name, **credentials)

    assert result["error"]["meaning"] == meaning
    assert result["error"]["endpoint"] == READERS[name].call
    assert phrases.CHECK_ACCOUNT in result["msg"]
    assert len(node.vendor.calls()) == 1


@pytest.mark.parametrize(
    ("name", "changes", "named"),
    [
        ("lines", {"product_id": 4}, "productId=4"),
        ("instances", {"product_id": 4}, "productId=4"),
        ("plan", {"product_id": 4}, "productId=4"),
        ("packages", {"product_id": 4}, "productId=4"),
        ("packages", {"line_no": "ap-beijing", "area_no": "ap-x-1"}, "area_no=ap-x-1"),
        ("instances", {"suid": "77"}, "suid=77"),
        ("price", {"package_no": "77"}, "package_no=77"),
        ("price", {"duration": "5w"}, "duration=5w"),
        ("plan", {"resource_no": "77"}, "resource_no=77"),
    ],
)
def test_what_does_not_exist_is_named(
    node: Node, name: str, changes: dict[str, Any], named: str
) -> None:
    result = be_refused(node, name, **changes)

    assert named in result["msg"]
    # A refusal is final: nothing is tried twice.
    assert len(node.vendor.calls()) == 1


def test_transient_faults_are_repeated_and_others_not(node: Node) -> None:
    balance = READERS["balance"]
    node.vendor.fault(balance.path, "status", http_status=502, times=2)
    result = succeed(node, "balance")
    assert result["api"]["retries"] == 2
    assert len(node.vendor.calls()) == 3

    node.vendor.fault(balance.path, "garbage", times=9)
    result = be_refused(node, "balance", max_wait=0)
    assert result["error"]["endpoint"] == balance.call
    assert len(node.vendor.calls()) == 4


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("price", {"duration": "3h"}, [phrases.HOURS_ARE_S]),
        ("price", {"duration": "0m"}, ["duration='0m'", phrases.NO_DURATION]),
        ("plan", {"product_id": 0}, ["product_id=0", phrases.OUT_OF_RANGE]),
        ("instances", {"suid": ""}, ["suid=''", phrases.ONE_WORD]),
        ("balance", {"app_id": " "}, ["app_id", phrases.IS_EMPTY]),
        ("balance", {"timeout": 0}, ["timeout=0"]),
        ("balance", {"account_url": "ftp://www.qg.net"}, ["account_url"]),
    ],
)
def test_a_mistake_is_refused_before_any_call(
    node: Node, name: str, changes: dict[str, Any], words: list[str]
) -> None:
    result = be_refused(node, name, **changes)

    for part in words:
        assert part in result["msg"]
    assert node.vendor.calls() == []


def test_the_site_of_the_signature_is_the_host_of_the_url(node: Node) -> None:
    succeed(node, "balance", account_url="https://qg.net/api")
    succeed(node, "balance", account_url="http://192.0.2.1:8080/api")
    be_refused(node, "balance", account_url="https://agent.example.com/api")

    sites = [sent["domain"] for sent in node.sent(READERS["balance"].path)]
    assert sites == ["www.qg.net", "www.qg.net", "agent.example.com"]


@pytest.mark.parametrize("include_secrets", [True, False])
@pytest.mark.parametrize("name", ["instances", "plan"])
def test_the_key_is_removed_from_what_the_vendor_says(
    node: Node, name: str, include_secrets: bool
) -> None:
    """A vendor who answers with the key itself: it is no secret of a machine, and is taken out."""
    node.vendor.agents.put(
        APP_ID,
        {
            "instances": [{"Suid": "1", "Host_name": APP_KEY}],
            "proxy_plans": {"demo0001": {"Number": 1, "Tunnel_url": f"x{APP_KEY}"}},
        },
    )

    result = succeed(node, name, include_secrets=include_secrets)

    assert phrases.HIDDEN in str(result)
