# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of the product hosts: its requests, what it makes of responses, and how it recognises a lease."""

from __future__ import annotations

import json

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.calls import PRODUCTS
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.responses import CODES
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import CallError, Effect, QgError
from simulator.api.codes import PRODUCT_MESSAGES
from support.product_answers import BARE, FULL, NUMBER, PWD, TERMS, Client, client_fixture, response
from support.vendor import KEY

__all__ = ["client_fixture"]


HOSTS = [name for name in PRODUCTS if name != "classic"]


def refusal(code: str, status: int = 400, message: str = "说明") -> HttpResponse:
    return HttpResponse(status, json.dumps({"code": code, "message": message, "request_id": NUMBER}), {})


@pytest.mark.parametrize("product", HOSTS)
def test_key_and_password_are_in_the_query(client: Client, product: str) -> None:
    api, transport = client(response([]), product=product)
    api.leases()
    assert transport.sent == [f"https://{product}.example/query?key={KEY}&pwd=s3cr3t%2Bpass"]


def test_several_areas_are_one_parameter(client: Client) -> None:
    api, transport = client(response([FULL]))
    api.allocate(
        1, AllocationParams(areas=("110100", "130227"), exclude_areas=("440100",), keep_alive=60, isp="unicom")
    )
    assert transport.parameters == "&num=1&area=110100,130227&area_ex=440100&isp=3&distinct=true&keep_alive=60"


def test_a_replacement_has_the_terms_of_an_extraction(client: Client) -> None:
    api, transport = client(response([FULL]))
    terms = AllocationParams(areas=("110100",), exclude_areas=("440100",), keep_alive=60, isp="mobile", distinct=True)
    api.replace(2, terms)
    assert transport.sent[0].startswith("https://exclusive.example/replace?")
    assert transport.parameters == "&num=2&area=110100&area_ex=440100&isp=2&distinct=true&keep_alive=60"


def test_a_release_by_task_names_the_task_alone(client: Client) -> None:
    api, transport = client(response([FULL]), response(1))
    leases = api.leases() or []
    assert api.release(leases, by_task=True) == leases
    assert transport.parameters == f"&task={leases[0].task_id}"


@pytest.mark.parametrize("product", HOSTS)
def test_addresses_of_product_hosts_are_distinct(client: Client, product: str) -> None:
    api, transport = client(response([FULL]), product=product)
    api.allocate(1, TERMS)
    assert "distinct=true" in transport.parameters


def test_every_code_of_the_vendor_has_a_meaning() -> None:
    assert {code for code in CODES if isinstance(code, str)} == set(PRODUCT_MESSAGES)


@pytest.mark.parametrize("status", [200, 400, 403, 500])
@pytest.mark.parametrize("code", ["NO_RESOURCE_FOUND", "INVALID_KEY", "NEW_CODE"])
def test_the_code_counts_whatever_the_status(client: Client, code: str, status: int) -> None:
    api, _transport = client(refusal(code, status))
    with pytest.raises(CallError) as caught:
        api.allocate(1, TERMS)
    error = caught.value
    # A gateway may have sent a code that the vendor does not document.
    assert (error.details["code"], error.effect) == (code, Effect.UNKNOWN if code == "NEW_CODE" else Effect.REJECTED)
    assert error.details["request_id"] == NUMBER
    assert f"The vendor's number of this request is {NUMBER}." in error.message
    assert "说明" in error.message


UNUSABLE = [
    HttpResponse(200, "<html>", {}),
    HttpResponse(200, "[]", {}),
    HttpResponse(200, '{"Code": 0, "Data": []}', {}),
    HttpResponse(200, '{"code": 0, "data": []}', {}),
    HttpResponse(200, '{"code": "two words"}', {}),
    response([FULL], status=500),
    response([]),
    response(None),
    response({"task_id": "T", "num": 2, "ips": [FULL]}),
    response([{"proxy_ip": "192.0.2.30"}]),
]


@pytest.mark.parametrize(
    "answer",
    [*UNUSABLE, refusal("INTERNAL_ERROR"), refusal("FAILED_OPERATION")],
    ids=lambda answer: f"{answer.status} {answer.text[:40]}",
)
def test_a_paid_call_with_an_open_effect_is_not_simply_repeated(client: Client, answer: HttpResponse) -> None:
    api, transport = client(answer)
    with pytest.raises(CallError) as caught:
        api.allocate(1, TERMS)
    assert caught.value.effect is Effect.UNKNOWN
    assert len(transport.sent) == 1


def test_a_secret_in_a_refusal_is_hidden(client: Client) -> None:
    api, _transport = client(refusal("INVALID_KEY", message=f"{KEY} {PWD}"))
    with pytest.raises(CallError) as caught:
        api.leases()
    assert KEY not in caught.value.message
    assert PWD not in caught.value.message


@pytest.mark.parametrize("code", ["ACCESS_DENY", "INVALID_PARAMETER"])
def test_a_plan_without_channels_or_balance(client: Client, code: str) -> None:
    api, _transport = client(refusal(code), refusal(code), product="share")
    assert api.lease_quota() is None


def test_other_refusals_of_the_quota_are_errors(client: Client) -> None:
    api, _transport = client(refusal("KEY_BLOCK"), product="share")
    with pytest.raises(CallError, match="key banned"):
        api.lease_quota()


@pytest.mark.parametrize("by_task", [False, True])
def test_no_release_is_sent_without_a_name(client: Client, by_task: bool) -> None:
    """The vendor might release everything."""
    api, transport = client(response([BARE, FULL]))
    leases = api.leases() or []
    with pytest.raises(QgError, match="does not name"):
        api.release(leases, by_task=by_task)
    assert len(transport.sent) == 1


def test_a_release_reports_all_or_nothing(client: Client) -> None:
    second = {**FULL, "proxy_ip": "192.0.2.31", "server": "192.0.2.31:22294"}
    api, transport = client(response([FULL, second]), response(1), response(2), response(None))
    leases = api.leases() or []
    assert api.release(leases) == []
    assert api.release(leases) == api.release(leases) == leases
    assert "&ip=192.0.2.30,192.0.2.31" in transport.sent[1]
