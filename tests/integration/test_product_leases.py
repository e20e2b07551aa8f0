# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases of the product hosts: each module, each shape of a response, each refusal, and each mistake."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.codes import CODES
from support.lease_modules import scenario_fixture
from support.playbooks import assert_one_sentence
from support.product_leases import PRODUCTS, RELEASING, ProductKey, product_key_fixture, servers
from support.vendor_faults import Faults, brief

__all__ = ["product_key_fixture", "scenario_fixture"]

PASSWORD = "Hush4Hush"
#: The first product on each change; the others say the same by the same code.
few = pytest.mark.parametrize("each", brief(PRODUCTS, "share"), indirect=True)


@pytest.fixture(params=PRODUCTS)
def each(request: pytest.FixtureRequest, account: ProductKey) -> ProductKey:
    return account.use(request.param)


@pytest.fixture(params=RELEASING)
def releasing(request: pytest.FixtureRequest, account: ProductKey) -> ProductKey:
    return account.use(request.param)


# What each product does


def test_only_what_is_missing_is_leased(each: ProductKey) -> None:
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


def test_info_has_the_fields_of_the_product(each: ProductKey) -> None:
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


def test_a_release_is_confirmed_and_final(releasing: ProductKey) -> None:
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


def test_a_task_and_then_all_leases_are_released(account: ProductKey) -> None:
    account.use("exclusive").ok("allocate", count=1)
    task = account.sim.leases()[0]["task_id"]
    account.ok("allocate", count=4)
    assert len(account.ok("release", task_ids=[task])["released"]) == 1
    assert len(account.ok("release", all=True)["released"]) == 3
    assert account.sim.leases() == []
    account.begin()
    assert account.ok("release", all=True)["changed"] is False
    assert account.writes() == []


def test_exact_releases_a_surplus(account: ProductKey) -> None:
    account.use("exclusive").ok("allocate", count=3)
    done = account.ok("allocate", count=2, exact=True)
    assert (len(done["released"]), done["count"]) == (1, 2)
    account.begin()
    assert account.ok("allocate", count=2, exact=True)["changed"] is False
    assert account.writes() == []


def test_the_vendor_replaces_a_number(account: ProductKey) -> None:
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


def test_named_leases_are_released_and_allocated_anew(releasing: ProductKey) -> None:
    releasing.ok("allocate", count=2)
    ip = releasing.sim.leases()[0]["ip"]
    releasing.sim.advance(RELEASING[releasing.product])
    releasing.begin()
    done = releasing.ok("replace", ips=[ip])
    assert done["method"] == "release_and_allocate"
    assert releasing.writes() == [releasing.path("delete"), releasing.path("get")]
    assert len(releasing.books().paid - releasing.start.paid) == 1
    assert ip not in {lease["ip"] for lease in releasing.sim.leases()}


def test_the_terms_are_sent_as_the_product_calls_them(account: ProductKey) -> None:
    account.use("share")
    account.ok(
        "allocate",
        areas=["440100", "350500"],
        exclude_areas=["320800"],
        isp="mobile",
        keep_alive=30,
        pool="enterprise",
        password=PASSWORD,
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


@few
def test_leases_of_the_requested_area_count(each: ProductKey) -> None:
    wanted, other = ("990100", "990200") if each.product == "overseas" else ("440100", "350500")
    each.ok("allocate", areas=[wanted])
    each.begin()
    assert each.ok("allocate", areas=[wanted])["changed"] is False
    assert each.writes() == []
    assert each.ok("allocate", areas=[other])["changed"] is True


def test_an_area_in_another_spelling_is_not_leased_again(account: ProductKey) -> None:
    """The request says US, and the list 990100: no more is paid for until the user says what that means."""
    account.use("overseas").ok("allocate", areas=["US"])
    account.begin()
    assert account.ok("allocate", areas=["US"])["changed"] is False
    assert account.writes() == []


@few
def test_areas(each: ProductKey) -> None:
    found = each.ok("areas")
    assert found["count"] == len(found["areas"]) == 9
    area = found["areas"][0]
    assert (area["area_code"], area["available"]) == ("990100" if each.product == "overseas" else "350500", True)
    assert {one["isp"] for one in each.ok("areas", isp="mobile")["areas"]} == {"mobile"}
    assert each.ok("areas", available=False)["areas"] == []


# The forms of a response


@pytest.mark.parametrize("name", ["release", "replace"])
def test_what_has_no_address_is_never_released(account: ProductKey, name: str) -> None:
    """A call without an address might release everything."""
    account.use("longterm").sim.configure(options={"get_shape": "entries", "query_shape": "entries"})
    account.ok("allocate", count=2)
    account.sim.advance(RELEASING["longterm"])
    account.begin()
    options: dict[str, Any] = {"all": True} if name == "release" else {"ips": sorted(account.held())}
    for check in (True, False):
        result = account(name, check=check, **options)
        assert "does not name the exit address" in result["msg"]
        assert_one_sentence(result["msg"])
    assert account.writes() == []


# Refusals


@pytest.mark.parametrize(
    "code",
    brief(
        [code for code in CODES if isinstance(code, str)], "UNAVAILABLE_KEY", "INTERNAL_ERROR", "REQUEST_LIMIT_EXCEEDED"
    ),
)
def test_every_code_is_explained(account: ProductKey, code: str) -> None:
    account.use("share").sim.fault(path="/share/get", kind="code", code=code, times=-1)
    result = account("allocate", max_wait=0 if code == "REQUEST_LIMIT_EXCEEDED" else 60)
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    if code == "REQUEST_LIMIT_EXCEEDED":
        assert "max_wait" in result["msg"]
        return
    known = CODES[code]
    error = result["error"]
    assert (error["code"], error["meaning"], error["endpoint"]) == (code, known.meaning, "/get")
    assert result["error"]["request_id"].count("-") == 4
    for part in (code, known.meaning, known.fix, result["error"]["request_id"]):
        assert part in result["msg"]
    assert result["changed"] is False
    # Only after these it is possible that the call was carried out; it is sent again once the list excludes that.
    assert len(account.writes()) == (3 if code in ("INTERNAL_ERROR", "FAILED_OPERATION") else 1)
    account.assert_untouched()


@pytest.mark.parametrize("status", brief([200, 400, 429], "400"))
def test_too_many_calls_are_waited_for(account: ProductKey, status: int) -> None:
    account.use("share").sim.fault(path="/share/get", kind="code", code="REQUEST_LIMIT_EXCEEDED", http_status=status)
    done = account.ok("allocate")
    assert done["api"]["waited_seconds"] > 0
    assert len(account.books().paid) == 1


def test_no_free_channel(each: ProductKey) -> None:
    each.sim.configure(used=7)
    result = each("allocate", count=2)
    if each.product == "overseas":
        assert result["error"]["code"] == "NO_AVAILABLE_CHANNEL"
    else:
        assert "channels" in result["msg"]
        assert each.writes() == []
    assert_one_sentence(result["msg"])
    each.assert_untouched()


def test_a_used_up_volume(account: ProductKey) -> None:
    result = account.use("exclusive", billing="volume", balance=1)("allocate", count=2)
    assert result["error"]["code"] == "BALANCE_INSUFFICIENT"
    account.assert_untouched()
    # This product shows its balance, so nothing is requested.
    result = account.use("share", billing="volume", balance=1)("allocate", count=2)
    assert "only 1 more can be leased within the plan's volume" in result["msg"]
    account.assert_untouched()


def test_a_dynamic_address_of_longterm(account: ProductKey) -> None:
    account.use("longterm", static=False).ok("allocate", count=1)
    account.begin()
    result = account("release", all=True)
    assert result["error"]["code"] == "ACCESS_DENY"
    assert "a dynamic one never" in result["msg"]
    account.assert_untouched()


# What is lost is not paid for twice

LOSSES: Faults = {
    "reset_after": {"kind": "reset_after"},
    "hang_after": {"kind": "hang_after", "seconds": 3},
    "truncate": {"kind": "truncate"},
    "garbage": {"kind": "garbage"},
    "data_null": {"kind": "data_null"},
    "data_absent": {"kind": "data_absent"},
    "502": {"kind": "status", "http_status": 502, "executed": True},
}


@pytest.mark.parametrize("loss", brief(LOSSES, "reset_after", "data_null"))
@pytest.mark.parametrize("billing", ["time", "volume"])
def test_a_lost_response_is_not_paid_twice(account: ProductKey, billing: str, loss: str) -> None:
    account.use("share", billing=billing)
    account.sim.fault(path="/share/get", **LOSSES[loss])
    done = account.ok("allocate", count=2, timeout=1.0)
    assert servers(done["allocated"]) == account.held()
    assert len(account.books().paid) == 2
    assert account.ok("allocate", count=2)["changed"] is False


def test_a_lost_replacement_is_not_paid_twice(account: ProductKey) -> None:
    account.use("exclusive").ok("allocate", count=3)
    account.begin()
    account.sim.fault(path="/exclusive/replace", kind="reset_after")
    done = account.ok("replace", count=2)
    assert len(done["allocated"]) == 2
    assert len(account.books().paid - account.start.paid) == 2
    assert len(account.sim.leases()) == 3


def test_a_lost_release_is_not_repeated(account: ProductKey) -> None:
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
    "two areas": ("classic", "allocate", {"areas": ["350500", "440100"]}, "areas contains 2 areas"),
    "exclude": ("overseas", "allocate", {"exclude_areas": ["990100"]}, "exclude_areas is not an option"),
    "pool": ("longterm", "allocate", {"pool": "normal"}, "pool is not an option of product=longterm"),
    "bgp": ("exclusive", "allocate", {"isp": "bgp"}, "isp=bgp is not a provider of product=exclusive"),
    "two areas in one": ("share", "allocate", {"areas": ["350500,440100"]}, "one whole name in each entry"),
    "quota of overseas": ("overseas", "quota", {}, "product=overseas has no quota"),
    "pool of share": ("share", "pool", {}, "product=share has no pool that can be read without a lease"),
    "a product that is none": ("shared", "info", {}, "value of product must be one of"),
}


@pytest.mark.parametrize("product", ["classic", *PRODUCTS])
def test_a_mistake_is_found_before_any_call(account: ProductKey, product: str) -> None:
    account.use(product if product in PRODUCTS else "share")
    for mistake, (of, name, options, sentence) in MISTAKES.items():
        if of == product or (product, of) == ("share", "shared"):
            result = account(name, **{"product": of, **options})
            assert result["failed"] is True, mistake
            assert sentence in result["msg"]
            assert_one_sentence(result["msg"])
            assert result["changed"] is False
    assert account.sim.journal() == []


PRODUCT_OF_KEY = "set it to the one that the key was bought for (classic, share, longterm, exclusive or overseas)"


@pytest.mark.parametrize(("product", "code"), [("share", "ACCESS_DENY"), ("classic", -15)])
def test_a_refused_call_is_explained_by_the_product_of_the_key(account: ProductKey, product: str, code: Any) -> None:
    account.use("share")
    account.sim.fault(path="/share/get" if product == "share" else "/allocate", kind="code", code=code)
    result = account("allocate", product=product)
    assert (result["error"]["code"], result["changed"]) == (code, False)
    assert PRODUCT_OF_KEY in result["msg"]
    assert "another key" not in result["msg"]
    assert (f"product={product}" if product == "share" else "another product than classic") in result["msg"]


def test_a_key_of_a_product_host_is_recognised_on_the_classic_one(account: ProductKey) -> None:
    result = account.use("share")("allocate", product="classic")
    assert result["error"]["code"] == -15
    assert PRODUCT_OF_KEY in result["msg"]


def test_the_release_rule_of_a_product_is_the_first_thing_that_a_refusal_says(account: ProductKey) -> None:
    account.use("longterm").ok("allocate", count=1)
    result = account("release", all=True)
    assert result["error"]["code"] == "STATIC_DELETE_TIME_LIMIT"
    assert len(account.sim.leases()) == 1
    assert result["msg"].startswith("A static address can be released 24 hours after it was leased, 2 times a week")
    assert "1 lease is still held: " in result["msg"]


# The environment and secrets


def test_the_environment_names_the_product(account: ProductKey, monkeypatch: pytest.MonkeyPatch) -> None:
    account.use("share")
    monkeypatch.setenv("QG_PRODUCT", account.options.pop("product"))
    account.ok("allocate")
    assert account.writes() == ["/share/get"]


@pytest.mark.parametrize("url", ["", "/"], ids=["plain", "with a slash"])
def test_a_product_is_called_where_the_api_is(account: ProductKey, url: str) -> None:
    account.use("share")
    account.options["api_url"] += url
    account.ok("allocate")
    assert account.writes() == ["/share/get"]


@few
def test_no_result_contains_a_secret(each: ProductKey) -> None:
    each.sim.configure(pwd=PASSWORD, api_auth=True)
    results = []
    for name in ("allocate", "info", "areas", *(["quota"] if each.product != "overseas" else [])):
        results += [each.ok(name, password=PASSWORD), each(name, password="wrong")]
        assert results[-1]["error"]["code"] == "API_AUTH_DENY", name
    each.sim.fault(path=each.path("query"), kind="code", code="INVALID_PARAMETER", msg=f"{each.sim.key} {PASSWORD}")
    results.append(each("info", password=PASSWORD))
    text = str(results)
    assert each.sim.key not in text
    assert PASSWORD not in text
