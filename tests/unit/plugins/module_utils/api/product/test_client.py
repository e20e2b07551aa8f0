# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of the product hosts: its requests, what it makes of responses, and how it recognises a lease."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams, Lease, is_same
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.product.client import ProductApi
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.product.endpoints import PRODUCTS
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.product.errors import VENDOR_CODES, ProductError
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse, Transport, encode
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import CallError, Effect, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import WaitBudget
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.state import State
from ansible_collections.qingguo.qgnet.plugins.module_utils._watch.events import Rules, Snapshot, WatchState, step
from simulator.product.codes import MESSAGES
from support.in_process import KEY

PWD = "s3cr3t+pass"
NUMBER = "00000000-1111-4222-8333-444444444444"
FULL: dict[str, Any] = {
    "proxy_ip": "192.0.2.30",
    "server": "192.0.2.30:22294",
    "task_id": "T",
    "area_code": 130227,
    "area": "河北省唐山市迁西县",
    "isp": "电信",
    "deadline": "2030-03-03 21:38:38",
}
BARE = {"server": "192.0.2.30:22294", "area": "130227", "distinct": False}
TERMS = AllocationParams()


class Script(Transport):
    """A transport that plays back responses and keeps what was sent."""

    def __init__(self, *script: HttpResponse) -> None:
        super().__init__(timeout=10)
        self.script = list(script)
        self.sent: list[str] = []

    def send(self, method: str, url: str, parameters: Mapping[str, str], endpoint: str) -> HttpResponse:
        assert method == "GET"
        self.sent.append(f"{url}?{encode(parameters)}")
        return self.script.pop(0)

    @property
    def parameters(self) -> str:
        """What the last request had beside key and password."""
        return self.sent[-1].partition("&pwd=s3cr3t%2Bpass")[2]


def response(data: Any, status: int = 200, **fields: Any) -> HttpResponse:
    body = {"code": "SUCCESS", "data": data, "request_id": NUMBER, **fields}
    return HttpResponse(status, json.dumps(body), {})


def refusal(code: str, status: int = 400, message: str = "说明") -> HttpResponse:
    return HttpResponse(status, json.dumps({"code": code, "message": message, "request_id": NUMBER}), {})


Client = Callable[..., tuple[ProductApi, Script]]


@pytest.fixture
def client(tmp_path: Path) -> Client:
    """Clients of one control node, with the responses that each receives."""

    def build(*script: HttpResponse, product: str = "exclusive") -> tuple[ProductApi, Script]:
        transport = Script(*script)
        limiter = RateLimiter(State(str(tmp_path)), minute=60.0)
        budget = WaitBudget(60.0, sleep=lambda _seconds: None)
        url = f"https://{product}.example/"
        return ProductApi(transport, limiter, budget, product=product, url=url, key=KEY, pwd=PWD), transport

    return build


def names(leases: list[Lease]) -> list[str]:
    return [lease.name for lease in leases]


@pytest.mark.parametrize("product", PRODUCTS)
def test_key_and_password_are_in_the_query(client: Client, product: str) -> None:
    api, transport = client(response([]), product=product)
    api.leases()
    assert transport.sent == [f"https://{product}.example/query?key={KEY}&pwd=s3cr3t%2Bpass"]


def test_several_areas_are_one_parameter(client: Client) -> None:
    api, transport = client(response([FULL]))
    api.allocate(
        1, AllocationParams(areas=("110100", "130227"), exclude_areas=("440100",), keep_alive=60, isp="unicom")
    )
    assert transport.parameters == "&num=1&area=110100,130227&area_ex=440100&isp=3&keep_alive=60"


def test_a_replacement_has_the_terms_of_an_extraction(client: Client) -> None:
    api, transport = client(response([FULL]))
    terms = AllocationParams(areas=("110100",), exclude_areas=("440100",), keep_alive=60, isp="mobile", distinct=True)
    api.replace(2, terms)
    assert transport.sent[0].startswith("https://exclusive.example/replace?")
    assert transport.parameters == "&num=2&area=110100&area_ex=440100&isp=2&distinct=true&keep_alive=60"


def test_a_release_by_task_names_the_task_alone(client: Client) -> None:
    api, transport = client(response([FULL]), response(1))
    leases = api.leases()
    assert api.release(leases, by_task=True) == leases
    assert transport.parameters == f"&task={leases[0].task_id}"


@pytest.mark.parametrize("product", PRODUCTS)
def test_addresses_are_distinct_where_no_task_distinguishes_them(client: Client, product: str) -> None:
    api, transport = client(response([FULL]), product=product)
    api.allocate(1, TERMS)
    assert ("distinct=true" in transport.parameters) is (not PRODUCTS[product].has_tasks)


def test_every_code_of_the_vendor_has_a_meaning() -> None:
    assert set(VENDOR_CODES) == set(MESSAGES)


@pytest.mark.parametrize("status", [200, 400, 403, 500])
@pytest.mark.parametrize("code", ["NO_RESOURCE_FOUND", "INVALID_KEY", "NEW_CODE"])
def test_the_code_counts_whatever_the_status(client: Client, code: str, status: int) -> None:
    api, _transport = client(refusal(code, status))
    with pytest.raises(ProductError) as caught:
        api.allocate(1, TERMS)
    error = caught.value
    # A gateway may have sent a code that the vendor does not document.
    assert (error.code, error.effect) == (code, Effect.UNKNOWN if code == "NEW_CODE" else Effect.REJECTED)
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
    with pytest.raises(ProductError) as caught:
        api.leases()
    assert KEY not in caught.value.message
    assert PWD not in caught.value.message


@pytest.mark.parametrize("code", ["ACCESS_DENY", "INVALID_PARAMETER"])
def test_a_plan_without_channels_or_balance(client: Client, code: str) -> None:
    api, _transport = client(refusal(code), refusal(code), product="share")
    assert (api.channels(), api.balance()) == (None, None)


def test_other_refusals_of_the_quota_are_errors(client: Client) -> None:
    api, _transport = client(refusal("KEY_BLOCK"), refusal("KEY_BLOCK"), product="share")
    for read in (api.channels, api.balance):
        with pytest.raises(ProductError, match="key banned"):
            read()


def test_a_list_of_nothing_is_read_again(client: Client) -> None:
    """What a fault hides would be leased, and paid for, again."""
    api, _transport = client(response(None), response([FULL]), response(None), response(None), response([]))
    assert len(api.leases()) == 1
    assert api.leases() == api.leases() == []


@pytest.mark.parametrize("by_task", [False, True])
def test_no_release_is_sent_without_a_name(client: Client, by_task: bool) -> None:
    """The vendor might release everything."""
    api, transport = client(response([BARE, FULL]))
    leases = api.leases()
    with pytest.raises(QgError, match="does not name"):
        api.release(leases, by_task=by_task)
    assert len(transport.sent) == 1


def test_a_release_reports_all_or_nothing(client: Client) -> None:
    second = {**FULL, "proxy_ip": "192.0.2.31", "server": "192.0.2.31:22294"}
    api, transport = client(response([FULL, second]), response(1), response(2), response(None))
    leases = api.leases()
    assert api.release(leases) == []
    assert api.release(leases) == api.release(leases) == leases
    assert "&ip=192.0.2.30,192.0.2.31" in transport.sent[1]


#: What a list may say of the lease that an extraction described in full.
LISTED: dict[str, dict[str, Any]] = {
    "all": FULL,
    "no task": {name: value for name, value in FULL.items() if name != "task_id"},
    "no task, another form of the deadline": {**FULL, "task_id": None, "deadline": "2030-03-03T21:38:38"},
    "no deadline": {name: value for name, value in FULL.items() if name != "deadline"},
    "no exit": {name: value for name, value in FULL.items() if name != "proxy_ip"},
    "only the server": BARE,
}
listed = pytest.mark.parametrize("listed", [response([entry]) for entry in LISTED.values()], ids=LISTED)


@listed
def test_the_list_may_say_less_than_the_extraction(client: Client, listed: HttpResponse) -> None:
    api, _transport = client(response([FULL]), listed, listed)
    new = api.allocate(1, TERMS)
    assert names(api.leases()) == names(api.leases()) == names(new)
    assert [lease.ip for lease in new] == ["192.0.2.30"]


@listed
def test_a_later_process_counts_the_lease_once(client: Client, listed: HttpResponse) -> None:
    client(response([FULL]))[0].allocate(1, TERMS)
    later, _transport = client(response([]), listed, listed)
    late = later.leases()
    assert names(late) == names(later.leases()) == names(later.leases()), "and keeps its name, however late it is shown"
    last, _transport = client(listed, listed)
    assert len(last.leases()) == len(last.leases()) == 1


@listed
def test_a_watcher_reports_a_lease_once_however_the_list_names_it(client: Client, listed: HttpResponse) -> None:
    """Each poll of a watcher has a client of its own; the first sees the lease before the list shows it."""
    rules, state, kinds = Rules(leases=True, expires_within=10), WatchState(), []
    held = client(response([]), response([]))[0].leases()
    state, _events = step(state, rules, Snapshot(leases=held), 0)
    client(response([FULL]))[0].allocate(1, TERMS)
    end = Lease.from_item(FULL, "").expires
    assert end
    for shown in (response([]), listed, listed):
        poll, _transport = client(shown, shown)
        state, events = step(state, rules, Snapshot(leases=poll.leases()), end.timestamp() - 60)
        kinds += [event["type"] for event in events]
    assert kinds == ["lease_new", "lease_expiring"]


@listed
def test_a_released_lease_is_gone_under_each_name(client: Client, listed: HttpResponse) -> None:
    api, _transport = client(response([FULL]), listed, response(1), listed)
    api.allocate(1, TERMS)
    api.release(api.leases())
    assert api.leases() == []
    later, _transport = client(listed, listed)
    assert later.leases() == [], "the list lags, for another process, too"


@pytest.mark.parametrize(
    "other",
    [
        {"server": "192.0.2.30:22295"},
        {"proxy_ip": "192.0.2.31"},
        {"task_id": "U"},
        {"task_id": None, "deadline": "2030-03-03 21:38:39"},
    ],
    ids=str,
)
def test_another_lease_is_another(client: Client, other: dict[str, Any]) -> None:
    entry = {**FULL, **other}
    api, _transport = client(response([FULL]), response([entry]))
    api.allocate(1, TERMS)
    assert len(api.leases()) == 2
    one, two = (Lease.from_item(item, item.get("task_id") or "") for item in (FULL, entry))
    assert not is_same(one, two)
    assert not is_same(two, one)


def test_a_new_lease_of_a_server_that_was_released_is_not_hidden(client: Client) -> None:
    """Else it would be leased, and paid for, again."""
    again = {**FULL, "task_id": "U", "deadline": "2030-03-04 21:38:38"}
    api, _transport = client(
        response([FULL]), response([BARE]), response(1), response([again]), response([BARE]), response([BARE])
    )
    api.allocate(1, TERMS)
    api.release(api.leases())
    (new,) = api.allocate(1, TERMS)
    assert names(api.leases()) == [new.name]
    later, _transport = client(response([BARE]))
    assert len(later.leases()) == 1
