# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""product=auto: reads show the product of a key, once, and before any call that pays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._doctor.operations import DOCTOR_INFO
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.lookup import find_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.operations import MONOPOLY, MONOPOLY_INFO
from support.lease_modules import LeaseScenario, scenario_fixture
from support.operation_process import at_once
from support.playbooks import Playground, assert_failed, assert_says, calls, operate
from support.product_leases import PLANS, PRODUCTS, ProductKey, product_key_fixture
from support.vendor_faults import brief

__all__ = ["product_key_fixture", "scenario_fixture"]

LISTS = ("/query", *(f"/{product}/query" for product in PRODUCTS))
PAYING = (
    "/allocate",
    "/replace",
    *(f"/{product}/{call}" for product in PRODUCTS for call in ("get", "replace", "pool")),
)
CHOICES = "set product (variable qg_product, environment QG_PRODUCT) to classic, share, longterm, exclusive or overseas"


@pytest.fixture
def key(account: ProductKey) -> ProductKey:
    """A key whose product the task does not name; that of the classic API at first."""
    return automatic(account)


def automatic(account: ProductKey) -> ProductKey:
    account.options.pop("product", None)
    account.begin()
    return account


def use(key: ProductKey, product: str) -> ProductKey:
    return automatic(key.use(product)) if product in PRODUCTS else key


@pytest.mark.parametrize("product", brief(("classic", *PRODUCTS), "share", "overseas"))
def test_reads_show_the_product_before_anything_is_paid_for_and_only_once(key: ProductKey, product: str) -> None:
    use(key, product)
    reads = ("classic", *PRODUCTS).index(product) + 1
    done = key.ok("allocate", count=2)
    made = calls(key.sim)
    assert (done["product"], made[:reads], done["api"]["calls"]) == (product, [*LISTS[:reads]], len(made))
    assert reads <= 5
    # All that follows goes to this API, as with an explicit product.
    assert {path for path in made[reads:] if path in LISTS} == {LISTS[reads - 1]}
    assert len([path for path in made if path in PAYING]) == 1
    assert len(key.books().paid) == 2
    key.begin()
    assert key.ok("info")["product"] == product
    assert calls(key.sim) == [LISTS[reads - 1]]
    key.begin()
    later = [key.ok("allocate", count=2), calls(key.sim)]
    key.begin()
    assert [key.ok("allocate", count=2, product=product)["changed"], calls(key.sim)] == [later[0]["changed"], later[1]]
    assert later[0]["changed"] is False


def test_an_explicit_product_needs_no_read_and_is_never_replaced(key: ProductKey) -> None:
    use(key, "share")
    key.ok("info", product="share")
    assert calls(key.sim) == ["/share/query"]
    assert_failed(key("info", product="classic"), "another product than classic", code=-15)
    assert_failed(key("info", product="exclusive"), "/query of product=exclusive was refused", code="ACCESS_DENY")


@pytest.mark.parametrize(("before", "now"), [("share", "exclusive"), ("exclusive", "classic"), ("classic", "share")])
def test_a_product_that_is_no_longer_right_is_found_out_anew_by_the_next_task(
    key: ProductKey, before: str, now: str
) -> None:
    use(key, before).ok("info")
    key.sim.configure(plan=PLANS.get(now, {"kind": "dynamic_dedicated"}))
    assert_says(key("allocate", count=1), "run the task again, so that it is found out anew")
    assert key.ok("allocate", count=1)["product"] == now


def test_a_classic_call_names_the_product_that_is_known(key: ProductKey) -> None:
    use(key, "share").ok("info")
    assert_says(key("pool", count=1), "The key is one of product=share, which has no such call.")
    for operation, given in ((MONOPOLY, {"count": 1}), (MONOPOLY_INFO, {})):
        result = operate(operation, {**key.options, **given})
        assert_says(result, "The key is one of product=share, which has no such call.")


@pytest.mark.parametrize("name", ["allocate", "info", "areas", "quota"])
def test_check_mode_finds_the_product_too_and_changes_nothing(key: ProductKey, name: str) -> None:
    use(key, "longterm")
    assert key.ok(name, check=True)["product"] == "longterm"
    assert calls(key.sim)[:3] == [*LISTS[:3]]
    key.assert_untouched()


def test_a_plan_of_exclusive_occupancy_has_no_list_but_a_quota(key: ProductKey) -> None:
    key.sim.configure(plan={"kind": "exclusive_occupancy"})
    assert key.ok("quota")["product"] == "classic"
    assert calls(key.sim)[:6] == [*LISTS, "/info/quota"]
    key.begin()
    key.ok("quota")
    assert calls(key.sim) == ["/info/quota"]


def test_a_lookup_and_the_pool_find_the_product_or_need_none(key: ProductKey) -> None:
    key.sim.configure(plan={"kind": "dynamic_shared"})
    key.ok("pool")
    assert calls(key.sim) == ["/extract"]
    use(key, "share").ok("allocate")
    key.begin()
    selected = {"at_least": 1, "limit": None, "min_remaining": "0", "max_age": 0, "on_uncertain": "ignore"}
    other = {
        "areas": None,
        "isp": None,
        "exclude_ips": None,
        "form": "server",
        "seed": None,
        "password": None,
    }
    assert find_leases({**DEFAULTS, **key.options, **selected, **other})[0]["server"] in key.held()
    assert calls(key.sim) == ["/share/query"]


#: The options of a lookup that Ansible would add.
DEFAULTS: dict[str, Any] = {"product": "auto", "max_wait": 60.0}


@pytest.mark.parametrize("product", ["share", "overseas"])
def test_processes_that_run_first_at_the_same_time_read_once(
    key: ProductKey, minute: float, tmp_path: Path, product: str
) -> None:
    use(key, product)
    jobs: list[tuple[str, dict[str, Any]]] = [("allocate", {**key.options, "count": 1})] * 2
    results = at_once(jobs, minute, tmp_path / "together")
    assert [result.get("product") for result in results] == [product] * 2, results
    foreign = [path for path in calls(key.sim) if path in LISTS and not path.startswith(f"/{product}/")]
    assert foreign == [*LISTS[: ("classic", *PRODUCTS).index(product)]]
    assert len(key.books().paid) == 1


# Keys that no read can tell the product of


def refused(key: ProductKey, *parts: str, name: str = "allocate", **fields: Any) -> list[str]:
    """The calls of a task that fails with these parts in its message, and pays for nothing."""
    assert_failed(key(name), *parts, **fields)
    key.assert_untouched()
    made = calls(key.sim)
    assert not set(made) & set(PAYING)
    return made


def test_a_wrong_key_is_named_with_what_each_api_said(key: ProductKey) -> None:
    key.options["key"] = "NOSUCH01"
    classic = "(classic: code -100, plan missing or expired; "
    others = "share, longterm, exclusive, overseas: code INVALID_KEY, key unknown or expired)"
    assert refused(key, "The key is wrong", classic + others, CHOICES, code=-100) == [*LISTS]


@pytest.mark.parametrize("product", ["classic", "exclusive"])
def test_an_expired_plan_is_named(key: ProductKey, product: str) -> None:
    use(key, product).sim.configure(status="expired")
    made = refused(key, "The key has expired or is blocked", "renew its plan", CHOICES, code="UNAVAILABLE_KEY")
    assert made == [*LISTS]


@pytest.mark.parametrize(
    ("status", "parts"),
    [
        ("blocked", ("code -12 (key blocked", "Ask the vendor")),
        ("unauthorised", ("code -13", "address of this control")),
    ],
)
def test_a_refusal_that_is_not_about_the_product_ends_the_search(
    key: ProductKey, status: str, parts: tuple[str, ...]
) -> None:
    use(key, "share").sim.configure(status=status)
    assert refused(key, *parts, CHOICES) == ["/query"]


def test_a_vendor_that_does_not_respond_ends_the_search(key: ProductKey) -> None:
    use(key, "share").sim.fault(path="/query", kind="reset_before", times=-1)
    key.options["max_wait"] = 0
    assert refused(key, "no usable response", CHOICES) == ["/query"]
    # A named product does not need it.
    assert key.ok("allocate", product="share")["changed"] is True


def test_the_search_keeps_to_the_rate_limits(key: ProductKey) -> None:
    use(key, "longterm").sim.fault(path="/share/query", kind="code", code="REQUEST_LIMIT_EXCEEDED")
    done = key.ok("allocate")
    assert (done["product"], done["api"]["waited_seconds"] > 0) == ("longterm", True)
    key.sim.fault(path="/query", kind="code", code=-11, times=-1)
    key.options["store"] += "-other"
    key.begin()
    key.options["max_wait"] = 0
    assert refused(key, "max_wait", CHOICES) == ["/query"]


def test_a_host_that_does_not_exist_is_passed_over(key: ProductKey) -> None:
    """A reseller may have only some of the products."""
    use(key, "exclusive").sim.fault(path="/longterm/query", kind="status", http_status=404)
    assert key.ok("info")["product"] == "exclusive"
    key.options |= {"key": "NOSUCH01"}
    key.sim.fault(path="/longterm/query", kind="status", http_status=404)
    refused(key, "longterm: HTTP status 404; exclusive, overseas: code INVALID_KEY")


# What is stored


def test_the_doctor_asks_anew_and_then_tasks_do_too(key: ProductKey) -> None:
    key.options["key"] = "NOSUCH01"
    assert_failed(key("info"), "The key is wrong")
    for reads in (5, 5):
        key.begin()
        assert operate(DOCTOR_INFO, key.options)["healthy"] is False
        assert len([path for path in calls(key.sim) if path in LISTS]) == reads
    key.sim.configure("NOSUCH01", plan=PLANS["share"])
    assert (
        "share" in {check["name"]: check["detail"] for check in operate(DOCTOR_INFO, key.options)["checks"]}["product"]
    )
    key.sim.configure("NOSUCH01", plan=PLANS["exclusive"])
    assert_failed(key("info"), "ACCESS_DENY")
    assert key.ok("info")["product"] == "exclusive"


def test_a_refused_list_contradicts_the_stored_product(key: ProductKey) -> None:
    use(key, "share").ok("info")
    key.sim.configure(plan=PLANS["exclusive"])
    assert_failed(key("info"), "/query of product=share was refused with code ACCESS_DENY")
    key.begin()
    assert key.ok("info")["product"] == "exclusive"
    assert calls(key.sim)[:4] == [*LISTS[:4]]


@pytest.mark.parametrize(
    ("product", "name", "options", "sentence"),
    [
        ("overseas", "allocate", {"pool": "normal"}, "pool is not an option of product=overseas"),
        ("classic", "allocate", {"areas": ["350500", "440100"]}, "product=classic leases in one"),
        ("overseas", "quota", {}, "product=overseas has no quota"),
        ("share", "release", {"all": True}, "product=share does not release leases"),
        ("share", "allocate", {"exact": True}, "exact needs a release"),
        ("longterm", "replace", {"count": 1}, "product=longterm does not replace leases"),
        ("overseas", "info", {"task_ids": ["T"]}, "task_ids select nothing with product=overseas"),
    ],
)
def test_what_the_product_does_not_support_is_refused_when_it_is_known(
    key: ProductKey, product: str, name: str, options: dict[str, Any], sentence: str
) -> None:
    use(key, product)
    for reads in (("classic", *PRODUCTS).index(product) + 1, 0):
        assert_failed(key(name, **options), sentence)
        assert calls(key.sim) == [*LISTS[:reads]]
        key.begin()


def test_a_mistake_that_needs_no_product_is_found_before_any_call(key: ProductKey) -> None:
    assert_failed(key("allocate", count=0), "count=0")
    assert calls(key.sim) == []


def test_a_playbook_needs_no_product(scenario: LeaseScenario, playground: Playground) -> None:
    scenario.sim.configure(plan=PLANS["share"], options={"lease_proxies": False})
    text = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: lease
      qingguo.qgnet.qg_proxy_allocate: {count: 1}
    - name: look
      ansible.builtin.set_fact:
        first: "{{ lookup('qingguo.qgnet.proxy', limit=1) }}"
"""
    environment = {"QG_KEY": scenario.sim.key, "QG_API_URL": scenario.sim.api_url}
    run = playground.play(text, environment=environment).ok()
    assert run.of("lease").result["product"] == "share"
    assert run.of("look").result["ansible_facts"]["first"] == run.of("lease").result["leases"][0]["server"]
    assert [path for path in calls(scenario.sim) if not path.startswith("/share/")] == ["/query"]
