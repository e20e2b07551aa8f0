# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules for accounts over HTTP: as tasks on both sides, examples, filters, prices, pages, and every shape."""

from __future__ import annotations

import importlib
import time
from typing import Any

import pytest
import yaml
from simulator.fixture import Simulator
from support import vendor_pages as pages
from support.account_modules import (
    INSTANCE,
    OPERATIONS,
    PACKAGES,
    PRICE,
    RATES,
    Account,
    account_fixture,
    credentials,
    plain,
    signature,
)
from support.module_tasks import CHECK, IGNORE, NO_PYTHON, SPYING, THERE, from_variables, play, task
from support.playbooks import Playground, calls

__all__ = ["account_fixture"]

slow = pytest.mark.slow
DEFAULTS = from_variables("app_id", "app_key", "account_url")
WITHOUT_RATES = {**pages.PACKAGE, **dict.fromkeys(RATES)}
ORDER = {"package_no": "1", "system_no": "1", "duration": "1m"}
PATHS = [f"/api{reader.path}" for reader in OPERATIONS.values()]


def tasks(**keywords: Any) -> list[dict[str, Any]]:
    """A task for each module."""
    return [task(name, reader.module, reader.options, **keywords) for name, reader in OPERATIONS.items()]


@pytest.fixture
def variables(sim: Simulator) -> dict[str, Any]:
    return credentials(sim)


#: Every module is delegated at night; on each change, those that tell secrets are (test_account_secrets.py).
PLACES = [
    pytest.param({}, id="here"),
    pytest.param(THERE, id="delegated", marks=slow),
]


# --- as tasks


@pytest.mark.parametrize("where", PLACES)
def test_each_module_as_a_task(
    sim: Simulator, playground: Playground, variables: dict[str, Any], where: dict[str, Any]
) -> None:
    before = int(time.time())
    checked = [{**each, **CHECK, "name": f"{each['name']} in check mode"} for each in tasks(**where)]
    text = play(*tasks(**where), *checked, defaults=DEFAULTS)
    # No Python is needed where nothing is sent.
    python = {} if where else NO_PYTHON
    run = playground.play(text, inventory=SPYING, variables={**variables, **python}).ok()
    for mode in ("", " in check mode"):
        results = {name: run.of(f"{name}{mode}").result for name in OPERATIONS}
        for result in results.values():
            assert result["changed"] is False
            assert result["api"] == {"calls": 1, "retries": 0, "waited_seconds": 0.0}
        assert (results["balance"]["balance"], results["balance"]["amount"]) == ("12.34", 12.34)
        assert results["plan"]["plan"] == pages.PLAN
        assert plain(results["packages"]["packages"][0]) == plain(WITHOUT_RATES)
        assert results["price"]["price"] == {**pages.PRICE, **ORDER}
        assert results["lines"]["lines"] == [pages.LINE]
        assert results["instances"]["instances"][0] == INSTANCE
    # The same is read in check mode, there is nothing to predict.
    assert calls(sim) == PATHS * 2
    for call in sim.journal():
        assert (call["method"], call["key"], call["refusal"]) == ("GET", sim.app_id, None)
        assert call["user_agent"].startswith("ansible-qingguo.qgnet/")
        assert before <= int(call["params"]["time"]) <= time.time()
        assert call["params"]["sign"] == signature(sim, call["params"]["time"])
    assert sim.app_key not in str(sim.journal())
    # Here, nothing at all is sent to the host; delegated, the module is.
    assert bool(run.spied) is bool(where)


def test_one_set_of_defaults_serves_both_apis(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    sim.control("PUT", "/map", {"127.0.0.1": "203.0.113.1"})
    more = {"key": sim.key, "api_url": sim.api_url, "store": str(playground.store)}
    text = play(
        task("balance", "qg_balance_info"),
        task("quota", "qg_quota_info"),
        task("egress", "qg_egress_ip_info", {"sources": [f"{sim.api_url}/ip"]}),
        defaults={**DEFAULTS, **from_variables(*more), "password": "unused"},
    )
    run = playground.play(text, inventory=SPYING, variables={**variables, **more}).ok()
    assert run.of("balance").result["balance"] == "12.34"
    assert run.of("quota").result["quota"]["total"] == 5


def test_the_facts_are_there_for_the_tasks_that_follow(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    options = {"product_id": 104, "min_cpu": 2, "package_no": "2222", "system_no": "1", "duration": "1m"}
    numbers = "{{ ansible_facts.qg_cloud_packages | map(attribute='package_no') }}"
    text = play(
        task("it", "qg_cloud_package_facts", options),
        task("info", "qg_cloud_package_info", options),
        {"name": "fact", "ansible.builtin.debug": {"msg": numbers}},
        defaults=DEFAULTS,
    )
    run = playground.play(text, inventory=SPYING, variables=variables).ok()
    result, info = run.of("it").result, run.of("info").result
    assert {name for name in result if not name.startswith("_")} == {"ansible_facts", "changed"}
    facts = {"qg_cloud_packages": info["packages"], "qg_cloud_order_price": info["order_price"]}
    assert result["ansible_facts"] == facts
    assert "ansible_facts" not in info
    assert run.of("fact").result["msg"] == ["2222"]


@pytest.mark.parametrize("where", PLACES)
def test_without_facts_only_a_message_is_returned(
    sim: Simulator, playground: Playground, variables: dict[str, Any], where: dict[str, Any]
) -> None:
    text = play(task("it", "qg_cloud_package_facts", {"product_id": 104}, **where), defaults=DEFAULTS)
    sim.agent(options={"codes": {"planned": 404}})
    sim.fault(path="/api/cloud-product/packageList", kind="code", code=404, msg="无此品牌")
    result = playground.play(text, inventory=SPYING, variables=variables).of("it").result
    # ansible-core adds "exception" to each failure of an action, and before 2.21 "invocation" to results of modules.
    assert {name for name in result if not name.startswith("_")} - {"exception", "invocation"} == {"msg", "changed"}
    (call,) = sim.journal()
    assert all(part in result["msg"] for part in ("404", "无此品牌", "/cloud-product/packageList", call["request_id"]))


def test_credentials_from_the_environment(sim: Simulator, playground: Playground) -> None:
    options = {**credentials(sim), "timeout": "7"}
    environment = {f"QG_{name.upper()}": value for name, value in options.items()}
    playground.play(play(*tasks()), inventory=SPYING, environment=environment).ok()
    assert calls(sim) == PATHS


def test_without_credentials_a_task_says_what_is_missing(sim: Simulator, playground: Playground) -> None:
    given = {"app_id": {"qg_app_key": sim.app_key}, "app_key": {"qg_app_id": sim.app_id}}
    named = {
        f"{missing} {each['name']}": each
        for missing, variables in given.items()
        for each in tasks(**IGNORE, vars=variables)
    }
    text = play(*({**each, "name": name} for name, each in named.items()))
    environment = {"QG_ACCOUNT_URL": sim.account_url}
    run = playground.play(text, inventory=SPYING, environment=environment).ok()
    for name in named:
        assert run.of(name).status == "failed"
        missing = name.partition(" ")[0]
        assert run.of(name).result["msg"].startswith(f"{missing} is missing: give it as option of the task or of ")
    assert sim.journal() == []


def test_the_examples_in_the_documentation_run(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    sim.agent(balance="500.00")
    plays, expected = [], []
    for reader in OPERATIONS.values():
        module = importlib.import_module(f"ansible_collections.qingguo.qgnet.plugins.modules.{reader.module}")
        listed = yaml.safe_load(module.EXAMPLES)
        plays += yaml.safe_load(play(*listed, defaults=from_variables("account_url", "api_url")))
        # A package of two processors and four gigabytes is none of the vendor's examples.
        expected += [
            each["name"]
            for each in listed
            if "ansible.builtin.fail" not in each and each["name"] != "Show the cheapest"
        ]
    vault = {"vault_qg_app_id": sim.app_id, "vault_qg_app_key": sim.app_key, "api_url": sim.api_url}
    run = playground.play(yaml.safe_dump(plays), inventory=SPYING, variables={**variables, **vault}).ok()
    assert [done.name for done in run.tasks if done.status == "ok"] == expected
    assert set(PATHS) <= set(calls(sim))


def test_a_refusal_and_an_unknown_option_are_one_clear_error(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    sim.agent(options={"codes": {"*": "E7"}, "statuses": {"*": 403}})
    text = play(
        *tasks(**IGNORE),
        task("unknown option", "qg_balance_info", {"nonsense": 1}, **IGNORE),
        defaults=DEFAULTS,
    )
    run = playground.play(text, inventory=SPYING, variables={**variables, "app_key": "wrong"}).ok()
    for name in OPERATIONS:
        failed = run.of(name)
        assert (failed.status, failed.result["changed"]) == ("failed", False)
        assert (failed.result["error"]["meaning"], failed.result["error"]["http_status"]) == ("签名错误", 403)
        assert failed.result.get("error", {}).get("code") == (None if name == "balance" else "E7")
        assert "check app_id, app_key and domain" in failed.result["msg"]
    message = run.of("unknown option").result["msg"]
    assert message.startswith("nonsense is not an option of qg_balance_info: use ")
    assert calls(sim) == PATHS
    assert "Traceback" not in run.output
    assert "wrong" not in run.output.replace("wrong_", "")


# --- the examples of the vendor's pages


# --- packages


def on_sale() -> list[dict[str, Any]]:
    places = {"a": ("ap-x", "ap-x-1"), "b": ("ap-x", "ap-x-2"), "c": ("ap-y", "ap-y-1")}
    rows = [
        ("p1", "a", "1", "1", "40", "0", "1", 1, "100.50", "90.00"),
        ("p2", "a", "2", "4", "40", "100", "5", 1, "300", ""),
        ("p3", "b", "2", "0.5", "20", "", "5", 0, "20", "9.90"),
        ("p4", "b", "8", "16", "100", "500", "100", 1, "2000", "1999.99"),
        ("p5", "c", "4", "8", "80", "200", "20", "", "", ""),
    ]
    names = ("Cpu", "Memory", "Systemdisk", "Datadisk", "Bandwidth", "Buy_status", "Basic_price", "User_price")
    return [
        {
            "Package_no": number,
            "Line_no": places[place][0],
            "Area_no": places[place][1],
            **dict(zip(names, values, strict=True)),
        }
        for number, place, *values in rows
    ]


WANTED: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["p3", "p1", "p2", "p4", "p5"]),
    ({"line_no": "ap-x", "area_no": "ap-x-1"}, ["p1", "p2"]),
    ({"line_no": " ap-y "}, ["p5"]),
    ({"min_memory": 1.5}, ["p2", "p4", "p5"]),
    ({"min_system_disk": 80, "min_bandwidth": 20}, ["p4", "p5"]),
    ({"min_data_disk": 200}, ["p4", "p5"]),
    ({"max_price": 89.99}, ["p3"]),
    ({"buyable": False}, ["p3", "p5"]),
    ({"line_no": "ap-x", "min_cpu": 2, "max_price": 500.0, "buyable": True}, ["p2"]),
    ({"min_cpu": 64}, []),
]


def test_the_packages_that_are_wanted(account: Account) -> None:
    account.sim.agent(packages=on_sale())
    for options, found in WANTED:
        result = account.good("packages", **options)
        assert [row["package_no"] for row in result["packages"]] == found, options
        assert result["count"] == len(found)
        # Lines and areas are the vendor's to choose; the rest is not.
        sent = {name: options[name].strip() for name in ("line_no", "area_no") if name in options}
        assert account.asked()[-1] == {"productId": "104", "load_rate": "0", **sent}, options
    assert calls(account.sim) == [f"/api{PACKAGES}"] * len(WANTED)


def test_rates_are_reported_where_they_are_asked_for(account: Account) -> None:
    for wanted, sent in ((True, "1"), (False, "0")):
        first = account.good("packages", load_rate=wanted)["packages"][0]
        assert plain(first) == plain(pages.PACKAGE if wanted else WITHOUT_RATES)
        assert account.asked()[-1]["load_rate"] == sent


def test_packages_of_another_brand(account: Account) -> None:
    account.sim.agent(packages=[{"productId": 113, "Package_no": "p9"}, {"Package_no": "p8"}])
    assert [row["package_no"] for row in account.good("packages", product_id=113)["packages"]] == ["p9"]


def test_the_price_of_an_order_beside_the_packages(account: Account) -> None:
    order = {"package_no": "1111", "system_no": "img-ubuntu22", "duration": "3m", "brand": "tencent"}
    result = account.good("packages", min_cpu=2, **order)
    assert [row["package_no"] for row in result["packages"]] == ["2222"]
    assert result["order_price"] == {
        "package_no": "1111",
        "system_no": "img-ubuntu22",
        "duration": "3m",
        "original_price": "180",
        "original_amount": 180.0,
        "total_price": "150",
        "total_amount": 150.0,
        "vendor": {"OriginalPrice": "180", "TotalPrice": "150"},
    }
    assert result["api"]["calls"] == 2
    assert calls(account.sim) == [f"/api{PACKAGES}", f"/api{PRICE}"]
    assert account.asked()[1] == {
        "productId": "104",
        "package_no": "1111",
        "system_no": "img-ubuntu22",
        "duration": "3m",
    }


@pytest.mark.parametrize("duration", ["1w", "2s"])
def test_a_brand_that_sells_other_durations(account: Account, duration: str) -> None:
    account.sim.agent(prices={"1": {duration: {"OriginalPrice": 7, "TotalPrice": "6.50"}}})
    price = account.good("price", duration=duration, brand="qingguo")["price"]
    assert (price["original_price"], price["total_price"], price["total_amount"]) == ("7", "6.50", 6.5)
    # The vendor's page asks for no brand.
    assert account.asked() == [{"package_no": "1", "system_no": "1", "duration": duration}]
    account.good("price", duration=duration, product_id=104)
    assert account.asked()[1]["productId"] == "104"


# --- balance and plans


@pytest.mark.parametrize("balance", ["12.34", "0.30", "-5.00", "100000000.01"])
def test_the_balance_is_text_and_a_number(account: Account, balance: str) -> None:
    account.sim.agent(balance=balance)
    result = account.good("balance")
    assert (result["balance"], result["amount"]) == (balance, float(balance))


def test_a_plan_of_which_the_vendor_does_not_tell_what_is_left(account: Account) -> None:
    account.sim.agent(proxy_plans={"x": {"Number": "10", "Resource_available": "", "Order_status": "-7"}})
    result = account.good("plan", resource_no="x")
    assert (result["plan"]["available"], result["plan"]["order_status"]) == (None, "locked")


# --- instances


def test_without_a_brand_the_vendor_decides(account: Account) -> None:
    account.sim.agent(instances={"104": 60, "113": 70})
    assert account.good("instances", product_id=None)["count"] == 130
    assert {"productId" in asked for asked in account.asked()} == {False}
    account.sim.control("DELETE", "/journal")
    assert account.good("instances", product_id=113)["count"] == 70
    assert {asked["productId"] for asked in account.asked()} == {"113"}


def test_one_instance(account: Account) -> None:
    account.sim.agent(instances=120)
    result = account.good("instances", product_id=None, suid=" 104000077 ")
    assert [row["suid"] for row in result["instances"]] == ["104000077"]
    assert account.asked() == [{"suid": "104000077", "offset": "0", "limit": "50"}]


def test_a_second_account(account: Account) -> None:
    account.sim.agent("other", appkey="another key of 20 c+", balance="99.00")
    result = account.good("balance", app_id="other", app_key="another key of 20 c+")
    assert result["balance"] == "99.00"


def test_check_mode_reads_the_same(account: Account) -> None:
    for name, reader in OPERATIONS.items():
        seen, predicted = account(name), account(name, check=True)
        assert seen == predicted, name
        assert "diff" not in predicted
        assert calls(account.sim, f"/api{reader.path}") == [f"/api{reader.path}"] * 2
