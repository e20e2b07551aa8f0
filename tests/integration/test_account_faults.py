# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever goes wrong between the modules for accounts and the vendor: the right result, or one clear error."""

from __future__ import annotations

from typing import Any

import pytest
from support.account_modules import OPERATIONS, Account, account_fixture
from support.parameters import spread
from support.playbooks import assert_one_sentence, calls

__all__ = ["account_fixture"]

NAMES = sorted(OPERATIONS)
ORDER = OPERATIONS["price"].options
#: What is reported of a refusal that is about the credentials, or may be.
CREDENTIALS = "check app_id, app_key and domain"


def path(name: str) -> str:
    return OPERATIONS[name].path


# --- refusals


WRONG_CREDENTIALS = [
    pytest.param({"app_key": "another"}, "wrong_sign", "签名错误", id="app_key"),
    pytest.param({"app_id": "nobody"}, "unknown_appid", "appid不存在", id="app_id"),
]


@pytest.mark.parametrize(("changes", "kind", "said", "name"), spread(WRONG_CREDENTIALS, NAMES))
def test_wrong_credentials(account: Account, name: str, changes: dict[str, str], kind: str, said: str) -> None:
    result = account.refused(name, **changes)
    (call,) = account.sim.journal()
    assert call["refusal"] == kind
    assert result["error"]["meaning"] == said
    assert f'"{said}"' in result["msg"]
    assert result["msg"].startswith(f"{path(name)} was refused")
    assert CREDENTIALS in result["msg"]
    assert result["error"]["endpoint"] == path(name)
    assert result["error"]["http_status"] == 200
    assert result.get("error", {}).get("request_id") == (None if name == "balance" else call["request_id"])
    assert "another" not in str(result)


UNKNOWN: list[tuple[str, dict[str, Any], str, str]] = [
    *(
        (name, {"product_id": 4}, "unknown_product", "productId=4")
        for name in ("packages", "lines", "instances", "plan")
    ),
    ("packages", {"line_no": "ap-beijing", "area_no": "ap-x-1"}, "area_not_in_line", "area_no=ap-x-1"),
    ("instances", {"suid": "77"}, "unknown_suid", "suid=77"),
    ("price", {"package_no": "77"}, "unknown_package", "package_no=77"),
    ("price", {"duration": "5w"}, "bad_duration", "duration=5w"),
    ("plan", {"resource_no": "77"}, "unknown_resource", "resource_no=77"),
    ("packages", {**ORDER, "package_no": "77"}, "unknown_package", "package_no=77, system_no=1, duration=1m"),
]


def test_what_does_not_exist_is_named(account: Account) -> None:
    for name, changes, kind, named in UNKNOWN:
        result = account.refused(name, **changes)
        assert account.sim.journal()[-1]["refusal"] == kind
        assert result["error"]["code"] in ("400", "404")
        assert named in result["msg"]
        assert result["error"]["meaning"] in result["msg"]
    # A refusal is final: nothing was tried twice. The last one reads the packages before the price.
    assert len(account.sim.journal()) == len(UNKNOWN) + 1


def test_a_brand_that_the_vendor_wants_to_know(account: Account) -> None:
    account.sim.agent(options={"brand": "required"})
    result = account.refused("instances", product_id=None)
    assert account.sim.journal()[0]["refusal"] == "missing_parameter"
    assert "productId" in result["error"]["meaning"]


@pytest.mark.parametrize("shape", ["null", "absent", "object", "list"])
def test_a_refusal_is_one_whatever_data_it_has(account: Account, shape: str) -> None:
    account.sim.agent(options={"failure_data": shape, "balance_envelope": "common"})
    for name in NAMES:
        assert account.refused(name, app_key="wrong")["error"]["meaning"] == "签名错误"


# --- clocks


def test_a_vendor_whose_clock_is_ahead(account: Account) -> None:
    account.sim.advance(3600)
    result = account.refused("lines")
    assert account.sim.journal()[0]["refusal"] == "stale_time"
    assert "seconds behind the vendor's" in result["msg"]


def test_calls_that_wait_are_signed_anew(account: Account) -> None:
    account.sim.agent(tolerance=4)
    account.fault("lines", kind="status", http_status=503, headers={"Retry-After": "5"})
    assert account.good("lines")["count"] == 1
    first, second = account.sim.journal()
    assert int(second["params"]["time"]) - int(first["params"]["time"]) >= 5
    assert first["params"]["sign"] != second["params"]["sign"]


# --- failures that stay; the unit tests of the client have more


def test_redirects_are_not_followed(account: Account) -> None:
    headers = {"Location": f"{account.sim.account_url}/moved"}
    for name in ("balance", "instances"):
        account.fault(name, kind="status", http_status=302, body='{"Code":0,"Data":[],"result":true}', headers=headers)
        message = account.refused(name)["msg"]
        assert f"{path(name)}: HTTP 302, a redirect, which is not followed with a key; check account_url" in message
    assert calls(account.sim) == [f"/api{path(name)}" for name in ("balance", "instances")]


# --- no server


def test_a_name_that_does_not_exist(account: Account) -> None:
    result = account.refused("lines", account_url="http://nowhere.invalid/api", max_wait=0)
    assert "nowhere.invalid" in result["msg"]


# --- mistakes in the options


MISTAKES: list[tuple[str, dict[str, Any], str]] = [
    ("packages", {"product_id": 0}, "product_id=0 is out of range: give a number from 1 to 1000000000."),
    ("packages", {"product_id": -1}, "product_id=-1 is out of range"),
    ("lines", {"product_id": 10**12}, "product_id=1000000000000 is out of range: give a number from 1 to 1000000000."),
    ("instances", {"product_id": 0}, "product_id=0 is out of range"),
    ("plan", {"product_id": 0}, "product_id=0 is out of range"),
    ("price", {"product_id": 0}, "product_id=0 is out of range"),
    ("lines", {"product_id": "cloud"}, "product_id"),
    ("packages", {"line_no": ""}, "line_no='' cannot be used: give one whole name, as the vendor writes it."),
    ("packages", {"line_no": "ap-x, ap-y"}, "line_no='ap-x, ap-y' cannot be used"),
    ("packages", {"area_no": "a\nb"}, "area_no='a\uff3cnb' cannot be used"),
    ("packages", {"min_cpu": -1}, "min_cpu=-1 is out of range: give a number from 0 to 1000000000."),
    ("packages", {"min_memory": -0.5}, "min_memory=-0.5 is out of range"),
    ("packages", {"min_memory": "nan"}, "min_memory=nan is out of range"),
    ("packages", {"min_system_disk": -1}, "min_system_disk=-1 is out of range"),
    ("packages", {"min_data_disk": -1}, "min_data_disk=-1 is out of range"),
    ("packages", {"min_bandwidth": -1}, "min_bandwidth=-1 is out of range"),
    ("packages", {"max_price": -0.01}, "max_price=-0.01 is out of range"),
    ("packages", {"max_price": "cheap"}, "max_price"),
    ("packages", {"buyable": "maybe"}, "buyable"),
    ("packages", {"load_rate": "maybe"}, "load_rate"),
    ("packages", {"package_no": "1"}, "required together: package_no, system_no, duration"),
    ("packages", {"system_no": "1", "duration": "1m"}, "required together: package_no, system_no, duration"),
    ("packages", {"brand": "tencent"}, "'brand': duration"),
    (
        "packages",
        {"package_no": "1", "system_no": "1", "duration": "1 month"},
        "duration='1 month' is not a duration: give a number and s (hours), d (days), w (weeks) or m (months)",
    ),
    (
        "packages",
        {"package_no": "1", "system_no": "1", "duration": "10m", "brand": "alibaba"},
        "duration=10m is not sold by brand=alibaba: give one of 1m, 2m, 3m, 4m, 5m, 6m, 7m, 8m, 9m, 12m, 24m, 36m.",
    ),
    ("price", {"duration": "1h"}, "duration='1h' is not a duration: give a number and s (hours)"),
    ("price", {"duration": "1w", "brand": "huawei"}, "duration=1w is not sold by brand=huawei"),
    ("price", {"package_no": "1,2"}, "package_no='1,2' cannot be used: give one whole name"),
    ("price", {"system_no": " "}, "system_no=' ' cannot be used"),
    ("price", {"brand": "nobody"}, "value of brand must be one of: tencent, alibaba"),
    ("instances", {"suid": "*"}, "suid='*' cannot be used: give one whole name, as the vendor writes it."),
    ("instances", {"suid": ""}, "suid='' cannot be used"),
    ("instances", {"include_secrets": "perhaps"}, "include_secrets"),
    ("plan", {"resource_no": "a b"}, "resource_no='a b' cannot be used"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_mistake_in_an_option_is_one_sentence_and_no_call(account: Account, name: str) -> None:
    for changes, words in [(changes, words) for module, changes, words in MISTAKES if module == name]:
        result = account(name, **changes)
        assert (result["failed"], result["changed"]) == (True, False), changes
        assert words in result["msg"]
        assert_one_sentence(result["msg"])
        assert account.sim.app_key not in str(result)
    assert account.sim.journal() == []
