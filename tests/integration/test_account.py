# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules for accounts over HTTP: as tasks on both sides, what they are refused, and mistakes in their options."""

from __future__ import annotations

import time
from typing import Any

import pytest
from simulator.fixture import Simulator
from support import vendor_pages as pages
from support.account_modules import (
    INSTANCE,
    OPERATIONS,
    Account,
    account_fixture,
    credentials,
    signature,
)
from support.module_tasks import CHECK, NO_PYTHON, SPYING, THERE, from_variables, play, task
from support.playground import Playground, calls

pytestmark = pytest.mark.newest

__all__ = ["account_fixture"]

DEFAULTS = from_variables("app_id", "app_key", "account_url")
ORDER = {"package_no": "1", "system_no": "1", "duration": "1m"}
PATHS = [f"/api{reader.path}" for reader in OPERATIONS.values()]
FACTS = "packages"


@pytest.mark.parametrize("where", [{}, pytest.param(THERE, marks=pytest.mark.slow)], ids=["here", "delegated"])
def test_each_module_as_a_task(sim: Simulator, playground: Playground, where: dict[str, Any]) -> None:
    before = int(time.time())
    tasks = [task(name, reader.module, reader.options, **where) for name, reader in OPERATIONS.items()]
    checked = [{**each, **CHECK, "name": f"{each['name']} in check mode"} for each in tasks]
    # No Python is needed where nothing is sent.
    variables = {**credentials(sim), **({} if where else NO_PYTHON)}
    run = playground.play(play(*tasks, *checked, defaults=DEFAULTS), inventory=SPYING, variables=variables).ok()
    for mode in ("", " in check mode"):
        results = {name: run.of(f"{name}{mode}").result for name in OPERATIONS}
        assert {result["changed"] for result in results.values()} == {False}
        for name in OPERATIONS.keys() - {FACTS}:
            assert results[name]["api"] == {"calls": 1, "retries": 0, "waited_seconds": 0.0}
        assert (results["balance"]["balance"], results["balance"]["amount"]) == ("12.34", 12.34)
        assert results["plan"]["plan"] == pages.PLAN
        (package, *_others) = results[FACTS]["ansible_facts"]["qg_cloud_packages"]
        assert (package["package_no"], package["day_rate"]) == (pages.PACKAGE["package_no"], None)
        assert results["price"]["price"] == {**pages.PRICE, **ORDER}
        assert results["lines"]["lines"] == [pages.LINE]
        assert results["instances"]["instances"][0] == INSTANCE
    # The same is read in check mode, there is nothing to predict.
    assert calls(sim) == PATHS * 2
    for call in sim.journal():
        assert (call["method"], call["key"], call["refusal"]) == ("GET", sim.app_id, None)
        assert before <= int(call["params"]["time"]) <= time.time()
        assert call["params"]["sign"] == signature(sim, call["params"]["time"])
    assert sim.app_key not in str(sim.journal())
    # Here, nothing at all is sent to the host; delegated, the module is.
    assert bool(run.spied) is bool(where)


def test_packages_are_facts_alone_the_cheapest_first(account: Account) -> None:
    prices = [("p1", "30"), ("p2", "9.5"), ("p3", ""), ("p4", "100")]
    packages = [{"Package_no": name, "User_price": price} for name, price in prices]
    account.fault(FACTS, kind="replace", body={"Code": 0, "Data": {str(n): p for n, p in enumerate(packages)}})
    result = account.good(FACTS, load_rate=True, line_no="ap-x")
    assert result.keys() == {"changed", "ansible_facts"}
    found = result["ansible_facts"]["qg_cloud_packages"]
    assert [package["package_no"] for package in found] == ["p2", "p1", "p4", "p3"]
    assert account.asked() == [{"productId": "104", "line_no": "ap-x", "load_rate": "1"}]
    assert account.refused(FACTS, app_key="wrong").keys() == {"failed", "changed", "msg", "error"}


WRONG_CREDENTIALS = [({"app_key": "another"}, "签名错误"), ({"app_id": "nobody"}, "appid不存在")]


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != FACTS])
def test_wrong_credentials(account: Account, name: str) -> None:
    for changes, said in WRONG_CREDENTIALS:
        result = account.refused(name, **changes)
        assert (result["error"]["meaning"], result["error"]["endpoint"]) == (said, OPERATIONS[name].path)
        assert "check app_id, app_key and account_url" in result["msg"]
        assert "another" not in str(result)
    assert len(account.sim.journal()) == len(WRONG_CREDENTIALS)


UNKNOWN: list[tuple[str, dict[str, Any], str]] = [
    *((name, {"product_id": 4}, "productId=4") for name in ("lines", "instances", "plan", FACTS)),
    (FACTS, {"line_no": "ap-beijing", "area_no": "ap-x-1"}, "area_no=ap-x-1"),
    ("instances", {"suid": "77"}, "suid=77"),
    ("price", {"package_no": "77"}, "package_no=77"),
    ("price", {"duration": "5w"}, "duration=5w"),
    ("plan", {"resource_no": "77"}, "resource_no=77"),
]


def test_what_does_not_exist_is_named(account: Account) -> None:
    for name, changes, named in UNKNOWN:
        assert named in account.refused(name, **changes)["msg"]
    # A refusal is final: nothing was tried twice.
    assert len(account.sim.journal()) == len(UNKNOWN)


def test_transient_faults_are_repeated_and_others_not(account: Account) -> None:
    account.fault("balance", kind="status", http_status=502, times=2)
    assert account.good("balance")["api"]["retries"] == 2
    account.fault("balance", kind="garbage", times=9)
    result = account.refused("balance", max_wait=0)
    assert result["error"]["endpoint"] == "/merchant/getBalance"


MISTAKES: list[tuple[str, dict[str, Any], str]] = [
    ("price", {"duration": "3h"}, "QG.net writes hours with s."),
    ("price", {"duration": "0m"}, "duration='0m' is not a duration"),
    ("plan", {"product_id": 0}, "product_id=0 is out of range"),
    ("instances", {"suid": ""}, "suid='' cannot be used: give one word"),
    ("balance", {"app_id": " "}, "app_id is empty"),
    ("balance", {"timeout": 0}, "timeout=0"),
    ("balance", {"account_url": "ftp://www.qg.net"}, "account_url"),
]


@pytest.mark.parametrize(("name", "changes", "sentence"), MISTAKES)
def test_a_mistake_is_refused_before_any_call(
    account: Account, name: str, changes: dict[str, Any], sentence: str
) -> None:
    assert sentence in account.refused(name, **changes)["msg"]
    assert account.sim.journal() == []


def test_the_site_of_the_signature_is_the_host_of_the_url(account: Account) -> None:
    account.good("balance")
    assert {call["params"]["domain"] for call in account.sim.journal()} == {"www.qg.net"}
