# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases of the product hosts: each module, each shape of a response, each refusal, and each mistake."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import requests
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.product.errors import VENDOR_CODES
from simulator.fixture import Simulator
from support.lease_modules import LeaseScenario, scenario_fixture
from support.playbooks import Playground, Result, assert_one_sentence, calls

__all__ = ["scenario_fixture"]

PASSWORD = "Hush4Hush"
#: The plan of the key, by product.
PLANS: dict[str, dict[str, Any]] = {
    "share": {"kind": "share", "channels": 8, "lifetime": 60},
    "longterm": {"kind": "longterm", "channels": 8, "static": True},
    "exclusive": {"kind": "exclusive", "channels": 8},
    "overseas": {"kind": "overseas", "channels": 8},
}
PRODUCTS = tuple(PLANS)
#: The products that release leases, and seconds after which they do.
RELEASING = {"exclusive": 0, "longterm": 90000}
WRITES = ("get", "replace", "delete", "pool")
DAY = 86400


class Account(LeaseScenario):
    """A key of one product."""

    product = ""

    def use(self, product: str, **plan: Any) -> Account:
        self.product = product
        self.sim.configure(plan={**PLANS[product], **plan}, options={"lease_proxies": False})
        self.options |= {"product": product, "product_url": self.sim.api_url + "/{product}"}
        self.begin()
        return self

    def path(self, call: str) -> str:
        return f"/{self.product}/{call}"

    def writes(self) -> list[str]:
        return calls(self.sim, *(self.path(call) for call in WRITES))

    def ok(self, name: str, **options: Any) -> Result:
        result = self(name, **options)
        assert "failed" not in result, result["msg"]
        return result

    def held(self) -> set[str]:
        """The servers of the leases, as the vendor knows them."""
        return {lease["host"] for lease in self.sim.leases()}


@pytest.fixture
def account(scenario: LeaseScenario) -> Account:
    return Account(scenario.sim, scenario.options)


@pytest.fixture(params=PRODUCTS)
def each(request: pytest.FixtureRequest, account: Account) -> Account:
    return account.use(request.param)


@pytest.fixture(params=RELEASING)
def releasing(request: pytest.FixtureRequest, account: Account) -> Account:
    return account.use(request.param)


def servers(leases: list[dict[str, Any]]) -> set[str]:
    return {lease["server"] for lease in leases}


# What each product does


def test_only_what_is_missing_is_leased(each: Account) -> None:
    predicted = each.ok("allocate", count=2, check=True, diff=True)
    assert (predicted["changed"], predicted["missing"]) == (True, 2)
    assert predicted["diff"]["after"] == "to be leased\n" * 2
    assert each.writes() == []

    done = each.ok("allocate", count=2)
    assert (done["changed"], done["count"], done["missing"], done["held"]) == (True, 2, 0, 2)
    assert servers(done["leases"]) == servers(done["allocated"]) == each.held()
    assert each.writes() == [each.path("get")]

    each.begin()
    again = each.ok("allocate", count=2)
    assert (again["changed"], again["allocated"]) == (False, [])
    assert servers(again["leases"]) == each.held()
    assert each.writes() == []

    more = each.ok("allocate", count=3)
    assert len(more["allocated"]) == 1
    assert each.sim.journal(each.path("get"))[0]["params"]["num"] == "1"
    assert len(each.books().paid) == 3


def test_info_has_the_fields_of_the_product(each: Account) -> None:
    each.ok("allocate", count=2)
    found = each.ok("info")
    assert (found["changed"], found["count"]) == (False, 2)
    for lease, held in zip(found["leases"], sorted(each.sim.leases(), key=lambda one: one["ends"]), strict=True):
        by_server = {one["host"]: one for one in each.sim.leases()}
        own = by_server[lease["server"]]
        assert (lease["ip"], lease["port"], lease["deadline"]) == (own["ip"], int(own["port"]), own["deadline"])
        assert lease["expires_at"].endswith("+08:00")
        assert lease["remaining_seconds"] <= held["ends"]
        assert lease["region"] == own["area"]
        assert lease["isp"] == (None if each.product == "overseas" else ["telecom", "mobile", "unicom"][own["isp"] - 1])
        assert lease["task_id"] == (own["task_id"] if each.product in RELEASING else None)
        assert lease["area_code"] == (None if each.product == "share" else str(own["area_id"]))
        assert lease["vendor"]["server"] == own["host"]


def test_a_release_is_confirmed_and_final(releasing: Account) -> None:
    releasing.ok("allocate", count=3)
    gone, *rest = (lease["ip"] for lease in releasing.sim.leases())
    releasing.sim.advance(RELEASING[releasing.product])
    releasing.begin()
    assert len(releasing.ok("release", ips=[gone], check=True)["released"]) == 1
    assert releasing.writes() == []
    done = releasing.ok("release", ips=[gone])
    assert [lease["ip"] for lease in done["released"]] == [gone]
    assert {lease["ip"] for lease in releasing.sim.leases()} == set(rest)
    releasing.begin()
    again = releasing.ok("release", ips=[gone])
    assert (again["changed"], again["released"]) == (False, [])
    assert releasing.writes() == []


def test_all_leases_are_released(account: Account) -> None:
    account.use("exclusive").ok("allocate", count=3)
    assert len(account.ok("release", all=True)["released"]) == 3
    assert account.sim.leases() == []
    account.begin()
    assert account.ok("release", all=True)["changed"] is False
    assert account.writes() == []


def test_a_task_is_released(account: Account) -> None:
    account.use("exclusive").ok("allocate", count=1)
    task = account.sim.leases()[0]["task_id"]
    account.ok("allocate", count=3)
    assert len(account.ok("release", task_ids=[task])["released"]) == 1
    assert len(account.sim.leases()) == 2


def test_exact_releases_a_surplus(account: Account) -> None:
    account.use("exclusive").ok("allocate", count=3)
    done = account.ok("allocate", count=2, exact=True)
    assert (len(done["released"]), done["count"]) == (1, 2)
    account.begin()
    assert account.ok("allocate", count=2, exact=True)["changed"] is False
    assert account.writes() == []


def test_the_vendor_replaces_a_number(account: Account) -> None:
    account.use("exclusive").ok("allocate", count=3)
    before = account.held()
    account.begin()
    assert account.ok("replace", count=2, check=True)["changed"] is True
    assert account.writes() == []
    done = account.ok("replace", count=2)
    assert (done["method"], len(done["allocated"]), len(done["released"])) == ("replace", 2, 2)
    assert account.writes() == [account.path("replace")]
    assert len(account.held()) == 3
    assert len(account.held() - before) == 2


def test_named_leases_are_released_and_allocated_anew(releasing: Account) -> None:
    releasing.ok("allocate", count=2)
    ip = releasing.sim.leases()[0]["ip"]
    releasing.sim.advance(RELEASING[releasing.product])
    releasing.begin()
    done = releasing.ok("replace", ips=[ip])
    assert done["method"] == "release_and_allocate"
    assert releasing.writes() == [releasing.path("delete"), releasing.path("get")]
    assert len(releasing.books().paid - releasing.start.paid) == 1
    assert ip not in {lease["ip"] for lease in releasing.sim.leases()}


def test_the_terms_are_sent_as_the_product_calls_them(account: Account) -> None:
    account.use("share")
    account.ok(
        "allocate",
        areas=["440100", "350500"],
        exclude_areas=["320800"],
        isp="mobile",
        keep_alive=30,
        pool="enterprise",
        pwd=PASSWORD,
    )
    assert account.sim.journal("/share/get")[0]["params"] == {
        "num": "1",
        "area": "350500,440100",
        "area_ex": "320800",
        "isp": "2",
        "distinct": "true",
        "keep_alive": "30",
        "pool": "2",
        "pwd": PASSWORD,
    }


def test_leases_of_the_requested_area_count(each: Account) -> None:
    wanted, other = ("990100", "990200") if each.product == "overseas" else ("440100", "350500")
    each.ok("allocate", areas=[wanted])
    each.begin()
    assert each.ok("allocate", areas=[wanted])["changed"] is False
    assert each.writes() == []
    assert each.ok("allocate", areas=[other])["changed"] is True


def test_an_area_in_another_spelling_is_not_leased_again(account: Account) -> None:
    """The request says US, and the list 990100: no more is paid for until the user says what that means."""
    account.use("overseas").ok("allocate", areas=["US"])
    account.begin()
    result = account("allocate", areas=["US"])
    assert "Set undetermined=match" in result["msg"]
    assert account.ok("allocate", areas=["US"], undetermined="match")["changed"] is False
    assert account.writes() == []


def test_channels(account: Account) -> None:
    for product in ("share", "longterm", "exclusive"):
        account.use(product)
        found = account.ok("quota", at_least=9)
        quota = {name: found["quota"][name] for name in ("total", "available", "used", "balance")}
        assert quota == {"total": 8, "available": 8, "used": 0, "balance": None}
        assert found["sufficient"] is False


def test_a_balance(account: Account) -> None:
    found = account.use("share", billing="volume", balance=40).ok("quota", at_least=40)
    numbers = {name: found["quota"][name] for name in ("unit", "total", "available", "used", "balance")}
    assert numbers == {"unit": "addresses", "total": None, "available": 40, "used": None, "balance": 40}
    assert found["sufficient"] is True
    account.ok("allocate", count=3)
    assert account.ok("quota")["quota"]["balance"] == 37


def test_areas(each: Account) -> None:
    found = each.ok("areas")
    assert found["count"] == len(found["areas"]) == 9
    area = found["areas"][0]
    assert area["area_code"] == str(area["area_id"])
    assert (area["area_id"], area["available"]) == (990100 if each.product == "overseas" else 350500, True)
    assert {one["isp"] for one in each.ok("areas", isp="mobile")["areas"]} == {"mobile"}
    assert each.ok("areas", available=False)["areas"] == []


# The forms of a response

SHAPES = [
    ("share", "list", "list"),
    ("share", "single", "single"),
    ("longterm", "ips", "list"),
    ("longterm", "list", "list"),
    ("longterm", "ips", "tasks"),
    ("longterm", "list", "task_map"),
    ("longterm", "entries", "entries"),
    ("exclusive", "ips", "tasks"),
    ("exclusive", "ips", "task_map"),
    ("exclusive", "ips", "ips"),
    # The list omits what the extraction named.
    ("exclusive", "ips", "list"),
    ("exclusive", "ips", "entries"),
    ("longterm", "ips", "entries"),
    ("overseas", "list", "list"),
]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(("product", "get", "query"), SHAPES)
def test_every_shape(account: Account, product: str, get: str, query: str, count: int) -> None:
    account.use(product).sim.configure(options={"get_shape": get, "query_shape": query})
    assert len(account.ok("allocate", count=count)["allocated"]) == count
    account.begin()
    again = account.ok("allocate", count=count)
    assert (again["changed"], again["count"], again["held"]) == (False, count, count)
    assert servers(again["leases"]) == account.held()
    assert account.writes() == []
    assert servers(account.ok("info")["leases"]) == account.held()
    assert len(account.ok("allocate", count=count + 1)["allocated"]) == 1
    assert len(account.books().paid) == count + 1


@pytest.mark.parametrize("data", ["list", "null", "absent"])
def test_an_empty_list(each: Account, data: str) -> None:
    each.sim.configure(options={"empty_data": data, "query_shape": "list"})
    assert each.ok("info")["leases"] == []


def test_numbers_as_text(each: Account) -> None:
    each.sim.configure(options={"numbers": "string"})
    assert each.ok("allocate", count=2)["changed"] is True
    assert each.ok("allocate", count=2)["changed"] is False


@pytest.mark.parametrize("name", ["release", "replace"])
@pytest.mark.parametrize("check", [False, True])
def test_what_has_no_address_is_never_released(account: Account, name: str, check: bool) -> None:
    """A call without an address might release everything."""
    account.use("longterm").sim.configure(options={"get_shape": "entries", "query_shape": "entries"})
    account.ok("allocate", count=2)
    account.sim.advance(RELEASING["longterm"])
    account.begin()
    options: dict[str, Any] = {"all": True} if name == "release" else {"ips": sorted(account.held())}
    result = account(name, check=check, **options)
    assert "does not name the exit address" in result["msg"]
    assert_one_sentence(result["msg"])
    assert account.writes() == []


# Refusals


@pytest.mark.parametrize("code", VENDOR_CODES)
def test_every_code_is_explained(account: Account, code: str) -> None:
    account.use("share").sim.fault(path="/share/get", kind="code", code=code, times=-1)
    result = account("allocate", max_wait=0 if code == "REQUEST_LIMIT_EXCEEDED" else 60)
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    if code == "REQUEST_LIMIT_EXCEEDED":
        assert "max_wait" in result["msg"]
        return
    known = VENDOR_CODES[code]
    assert (result["code"], result["meaning"], result["endpoint"]) == (code, known.meaning, "/get")
    assert result["request_id"].count("-") == 4
    for part in (code, known.meaning, known.fix, result["request_id"]):
        assert part in result["msg"]
    assert result["changed"] is False
    # Only after these it is possible that the call was carried out; it is sent again once the list excludes that.
    assert len(account.writes()) == (3 if code in ("INTERNAL_ERROR", "FAILED_OPERATION") else 1)
    account.assert_untouched()


@pytest.mark.parametrize("status", [200, 400, 429])
def test_a_refusal_with_any_status(each: Account, status: int) -> None:
    each.sim.configure(status="expired", options={"refusal_status": status})
    result = each("allocate", max_wait=3)
    assert_one_sentence(result["msg"])
    if status != 429:
        assert (result["code"], result["http_status"]) == ("UNAVAILABLE_KEY", status)
    assert result["changed"] is False
    assert each.writes() == []


@pytest.mark.parametrize("status", [200, 400, 429])
def test_too_many_calls_are_waited_for(account: Account, status: int) -> None:
    account.use("share").sim.fault(path="/share/get", kind="code", code="REQUEST_LIMIT_EXCEEDED", http_status=status)
    done = account.ok("allocate")
    assert done["api"]["waited_seconds"] > 0
    assert len(account.books().paid) == 1


def test_no_free_channel(each: Account) -> None:
    each.sim.configure(used=7)
    result = each("allocate", count=2)
    if each.product == "overseas":
        assert result["code"] == "NO_AVAILABLE_CHANNEL"
    else:
        assert "channels" in result["msg"]
        assert each.writes() == []
    assert_one_sentence(result["msg"])
    each.assert_untouched()


def test_a_used_up_volume(account: Account) -> None:
    result = account.use("exclusive", billing="volume", balance=1)("allocate", count=2)
    assert result["code"] == "BALANCE_INSUFFICIENT"
    account.assert_untouched()
    # This product shows its balance, so nothing is requested.
    result = account.use("share", billing="volume", balance=1)("allocate", count=2)
    assert "only 1 more can be leased within the plan's volume" in result["msg"]
    account.assert_untouched()


def test_a_young_static_address(account: Account) -> None:
    account.use("longterm").ok("allocate", count=1)
    account.begin()
    result = account("release", all=True)
    assert result["code"] == "STATIC_DELETE_TIME_LIMIT"
    assert "24 hours" in result["msg"]
    account.assert_untouched()


def test_a_dynamic_address_of_longterm(account: Account) -> None:
    account.use("longterm", static=False).ok("allocate", count=1)
    account.begin()
    result = account("release", all=True)
    assert result["code"] == "ACCESS_DENY"
    assert "a dynamic one never" in result["msg"]
    account.assert_untouched()


# What is lost is not paid for twice

LOSSES: dict[str, dict[str, Any]] = {
    "reset_after": {"kind": "reset_after"},
    "hang_after": {"kind": "hang_after", "seconds": 3},
    "truncate": {"kind": "truncate"},
    "garbage": {"kind": "garbage"},
    "data_null": {"kind": "data_null"},
    "data_absent": {"kind": "data_absent"},
    "502": {"kind": "status", "http_status": 502, "executed": True},
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("billing", ["time", "volume"])
def test_a_lost_response_is_not_paid_twice(account: Account, billing: str, loss: str) -> None:
    account.use("share", billing=billing)
    account.sim.fault(path="/share/get", **LOSSES[loss])
    done = account.ok("allocate", count=2, timeout=1.0)
    assert servers(done["allocated"]) == account.held()
    assert len(account.books().paid) == 2
    assert account.ok("allocate", count=2)["changed"] is False


@pytest.mark.parametrize("product", [product for product in PRODUCTS if product != "share"])
def test_nor_with_another_product(account: Account, product: str) -> None:
    account.use(product).sim.fault(path=account.path("get"), kind="reset_after")
    done = account.ok("allocate", count=2)
    assert servers(done["allocated"]) == account.held()
    assert len(account.books().paid) == 2


def test_a_lost_replacement_is_not_paid_twice(account: Account) -> None:
    account.use("exclusive").ok("allocate", count=3)
    account.begin()
    account.sim.fault(path="/exclusive/replace", kind="reset_after")
    done = account.ok("replace", count=2)
    assert len(done["allocated"]) == 2
    assert len(account.books().paid - account.start.paid) == 2
    assert len(account.sim.leases()) == 3


def test_a_lost_release_is_not_repeated(account: Account) -> None:
    account.use("exclusive").ok("allocate", count=2)
    account.begin()
    account.sim.fault(path="/exclusive/delete", kind="reset_after")
    assert len(account.ok("release", all=True)["released"]) == 2
    assert account.writes() == ["/exclusive/delete"]


# Mistakes, before any call

MISTAKES: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "release of share": ("share", "release", {"all": True}, "product=share does not release leases"),
    "release of overseas": ("overseas", "release", {"all": True}, "product=overseas does not release leases"),
    "exact with share": ("share", "allocate", {"exact": True}, "exact needs a release"),
    "replace of share": ("share", "replace", {"count": 1}, "product=share does not replace leases"),
    "replace of longterm": ("longterm", "replace", {"count": 1}, "product=longterm does not replace leases"),
    "replace of overseas": ("overseas", "replace", {"all": True}, "product=overseas does not replace leases"),
    "named replace of share": ("share", "replace", {"ips": ["192.0.2.1"]}, "ips needs a release"),
    "tasks of share": ("share", "info", {"task_ids": ["T"]}, "task_ids select nothing with product=share"),
    "allocation by task": ("overseas", "allocate", {"task_ids": ["T"]}, "task_ids select nothing"),
    "area_id": ("share", "allocate", {"area_id": 350500}, "area_id is not an option of product=share: give area codes"),
    "area_id of areas": ("share", "areas", {"area_id": 350500}, "area_id is not an option of product=share"),
    "areas": ("classic", "allocate", {"areas": ["350500"]}, "areas is not an option of product=classic"),
    "exclude": ("overseas", "allocate", {"exclude_areas": ["990100"]}, "exclude_areas is not an option"),
    "pool": ("longterm", "allocate", {"pool": "normal"}, "pool is not an option of product=longterm"),
    "bgp": ("exclusive", "allocate", {"isp": "bgp"}, "isp=bgp is not a provider of product=exclusive"),
    "two areas in one": ("share", "allocate", {"areas": ["350500,440100"]}, "one whole name in each entry"),
    "quota of overseas": ("overseas", "quota", {}, "product=overseas has no quota"),
    "pool of share": ("share", "pool", {}, "product=share has no pool that can be read without a lease"),
    "no URL": ("share", "info", {"product_url": ""}, "product_url"),
    "no scheme": ("share", "info", {"product_url": "share.proxy.qg.net"}, "product_url"),
    "a product that is none": ("shared", "info", {}, "value of product must be one of"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_before_any_call(account: Account, mistake: str) -> None:
    product, name, options, sentence = MISTAKES[mistake]
    account.use(product if product in PRODUCTS else "share")
    result = account(name, **{"product": product, **options})
    assert result["failed"] is True
    assert sentence in result["msg"]
    assert_one_sentence(result["msg"])
    assert result["changed"] is False
    assert account.sim.journal() == []


PRODUCT_OF_KEY = "check that product names the one that it was bought for (classic, share, longterm, exclusive or "


def test_a_key_of_a_product_host_is_recognised_on_the_classic_one(account: Account) -> None:
    account.use("share")
    result = account("allocate", product="classic")
    assert result["code"] == -15
    assert PRODUCT_OF_KEY in result["msg"]


@pytest.mark.parametrize(("product", "code"), [("share", "ACCESS_DENY"), ("classic", -15)])
def test_a_refused_call_is_explained_by_the_product_of_the_key(account: Account, product: str, code: Any) -> None:
    account.use("share")
    account.sim.fault(path="/share/get" if product == "share" else "/allocate", kind="code", code=code)
    result = account("allocate", product=product)
    assert (result["code"], result["changed"]) == (code, False)
    assert PRODUCT_OF_KEY in result["msg"]
    assert "another key" not in result["msg"]


def test_the_release_rule_of_a_product_is_the_first_thing_that_a_refusal_says(account: Account) -> None:
    account.use("longterm").ok("allocate", count=1)
    result = account("release", all=True)
    assert result["code"] == "STATIC_DELETE_TIME_LIMIT"
    assert result["msg"].startswith("A static address can be released 24 hours after it was leased, 2 times a week")
    assert "1 lease is still held: " in result["msg"]


# The environment, secrets, playbooks


def test_the_environment_names_the_product(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.use("share")
    monkeypatch.setenv("QG_PRODUCT", account.options.pop("product"))
    monkeypatch.setenv("QG_PRODUCT_URL", account.options.pop("product_url"))
    account.ok("allocate")
    assert account.writes() == ["/share/get"]


@pytest.mark.parametrize("url", ["", "/"], ids=["plain", "with a slash"])
def test_a_product_is_called_where_the_api_is(account: Account, url: str) -> None:
    account.use("share")
    del account.options["product_url"]
    account.options["api_url"] += url
    account.ok("allocate")
    assert account.writes() == ["/share/get"]


@pytest.mark.parametrize("name", ["allocate", "info", "quota", "areas"])
def test_no_result_contains_a_secret(each: Account, name: str) -> None:
    if (each.product, name) == ("overseas", "quota"):
        return
    each.sim.configure(pwd=PASSWORD, api_auth=True)
    results = [each.ok(name, pwd=PASSWORD), each(name, pwd="wrong")]
    assert results[1]["code"] == "API_AUTH_DENY"
    each.sim.fault(path=each.path("query"), kind="code", code="INVALID_PARAMETER", msg=f"{each.sim.key} {PASSWORD}")
    results.append(each("info", pwd=PASSWORD))
    text = str(results)
    assert each.sim.key not in text
    assert PASSWORD not in text


PLAY = """
- hosts: localhost
  gather_facts: false
  module_defaults:
    group/qingguo.qgnet.qg:
      key: "{{ key }}"
      api_url: "{{ api_url }}"
      product: exclusive
      product_url: "{{ api_url }}/{product}"
  tasks:
    - name: Whitelist
      qingguo.qgnet.qg_whitelist_info:
    - name: Quota
      qingguo.qgnet.qg_quota_info:
    - name: Areas
      qingguo.qgnet.qg_area_info:
    - name: Prediction
      qingguo.qgnet.qg_proxy_allocate: {count: 2}
      check_mode: true
    - name: Lease
      qingguo.qgnet.qg_proxy_allocate: {count: 2}
    - name: Again
      qingguo.qgnet.qg_proxy_allocate: {count: 2}
    - name: Look
      qingguo.qgnet.qg_proxy_info:
    - name: Lookup
      ansible.builtin.set_fact:
        found: "{{ query('qingguo.qgnet.proxy', key=key, api_url=api_url, product='exclusive',
                         product_url=api_url + '/{product}', limit=9, max_age=0) }}"
    - name: Replace
      qingguo.qgnet.qg_proxy_replace: {count: 1}
    - name: Release
      qingguo.qgnet.qg_proxy_release: {all: true}
"""


def test_module_defaults_choose_the_product_for_all_modules(sim: Simulator, playground: Playground) -> None:
    sim.configure(plan=PLANS["exclusive"], whitelist=["203.0.113.9"])
    run = playground.play(PLAY, variables={"key": sim.key, "api_url": sim.api_url}).ok()
    # The whitelist stays on the classic host, for keys of every product.
    assert run.of("Whitelist").result["whitelist"] == ["203.0.113.9"]
    assert run.of("Quota").result["quota"]["total"] == 8
    assert run.of("Areas").result["count"] == 9
    assert run.of("Prediction").result["missing"] == 2
    leases = run.of("Lease").result["leases"]
    assert len(leases) == 2
    assert run.of("Again").result["changed"] is False
    assert servers(run.of("Look").result["leases"]) == servers(leases)
    assert set(run.of("Lookup").result["ansible_facts"]["found"]) == servers(leases)
    assert len(run.of("Replace").result["allocated"]) == 1
    assert len(run.of("Release").result["released"]) == 2
    assert sim.leases() == []
    paths = [call["path"] for call in sim.journal()]
    assert paths[0] == "/whitelist/query"
    assert {path.split("/")[1] for path in paths[1:]} == {"exclusive"}
    assert paths.count("/exclusive/get") == paths.count("/exclusive/replace") == paths.count("/exclusive/delete") == 1


@pytest.mark.parametrize(
    ("areas", "sent"), [(["440100", "350500"], "350500,440100"), ("", None)], ids=["areas", "empty"]
)
def test_the_playbook_leases_in_areas(account: Account, playground: Playground, areas: object, sent: object) -> None:
    account.use("share")
    settings = {name: account.options[name] for name in ("key", "product", "product_url")}
    environment = {f"QG_{name.upper()}": value for name, value in settings.items()}
    # A rulebook passes empty text for variables that it does not have.
    variables = {"qg_lease_count": 2, "qg_areas": areas, "qg_area_id": "", "qg_isp": "", "qg_undetermined": ""}
    playground.play("qingguo.qgnet.ensure_leases", variables=variables, environment=environment).ok()
    assert [call["params"].get("area") for call in account.sim.journal("/share/get")] == [sent]
    assert len(account.sim.leases()) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("qg_lease_count", "count=0 is out of range: give a number from 1 to 100."),
        ("qg_keep_alive", "keep_alive=0 is out of range"),
        ("qg_area_id", "area_id=0 is out of range"),
    ],
)
def test_the_playbook_does_not_take_0_for_empty(
    sim: Simulator, playground: Playground, name: str, message: str
) -> None:
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    run = playground.play("qingguo.qgnet.ensure_leases", variables={name: 0}, environment=environment)
    assert message in run.of("Lease what is missing").result["msg"]
    assert sim.journal() == []


@pytest.mark.parametrize("empty", ["", None], ids=["empty", "null"])
def test_the_playbook_leases_one_if_its_variables_are_empty(
    sim: Simulator, playground: Playground, empty: object
) -> None:
    names = ("lease_count", "min_remaining", "keep_alive", "area_id", "areas", "isp", "undetermined")
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    variables = {f"qg_{name}": empty for name in names}
    playground.play("qingguo.qgnet.ensure_leases", variables=variables, environment=environment).ok()
    assert len(sim.leases()) == 1


def test_the_playbook_counts_undetermined_leases_with_match(account: Account, playground: Playground) -> None:
    account.use("longterm").ok("allocate", count=1)
    url = f"{account.sim.api_url}/longterm/query"
    listed = requests.get(url, params={"key": account.options["key"]}, timeout=5).text
    past, changed = re.subn(r"20\d\d-\d\d-\d\d", "2026-01-01", listed)
    assert changed
    account.sim.fault(path="/longterm/query", kind="garbage", body=past, times=-1)
    account.begin()
    settings = {name: account.options[name] for name in ("key", "product", "product_url")}
    environment = {f"QG_{name.upper()}": value for name, value in settings.items()}
    variables = {"qg_lease_count": 1, "qg_min_remaining": 10}
    run = playground.play("qingguo.qgnet.ensure_leases", variables=variables, environment=environment)
    assert "Set undetermined=match" in run.of("Lease what is missing").result["msg"]
    variables = {**variables, "qg_undetermined": "match"}
    playground.play("qingguo.qgnet.ensure_leases", variables=variables, environment=environment).ok()
    assert account.writes() == []


LOOKUPS: dict[str, Callable[[Simulator], str]] = {
    "options": lambda sim: f"product='share', product_url='{sim.api_url}/{{product}}', ",
    "environment": lambda _sim: "",
    "the API's host": lambda _sim: "product='share', ",
}


@pytest.mark.newest_core
@pytest.mark.parametrize("way", LOOKUPS)
def test_the_lookup(account: Account, playground: Playground, way: str) -> None:
    account.use("share").ok("allocate", count=2)
    account.begin()
    environment = {"QG_KEY": account.sim.key, "QG_API_URL": account.sim.api_url}
    if way == "environment":
        environment |= {"QG_PRODUCT": "share", "QG_PRODUCT_URL": account.sim.api_url + "/{product}"}
    text = f"""
- hosts: localhost
  gather_facts: false
  tasks:
    - name: it
      ansible.builtin.set_fact:
        found: "{{{{ query('qingguo.qgnet.proxy', {LOOKUPS[way](account.sim)}limit=9) }}}}"
    - name: mistake
      ansible.builtin.set_fact:
        found: "{{{{ query('qingguo.qgnet.proxy', {LOOKUPS[way](account.sim)}area_id=350500) }}}}"
      ignore_errors: true
"""
    run = playground.play(text, environment=environment).ok()
    assert set(run.of("it").result["ansible_facts"]["found"]) == account.held()
    assert "area_id is not an option of product=share" in run.output
    assert calls(account.sim) == ["/share/query"]
