# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of the product hosts: its requests, what it makes of responses, and how it recognises a lease."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams, Lease, is_same
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.product.client import ProductApi
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.product.endpoints import PRODUCTS
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.product.errors import VENDOR_CODES, ProductError
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse, Transport
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import CallError, Effect, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import WaitBudget
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.ensure import ensure_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.plan import DesiredLeases, Origin, classify
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.replace import replace_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.state import State
from ansible_collections.qingguo.qgnet.plugins.module_utils._watch.events import Rules, Snapshot, WatchState, step
from simulator.clock import Clock
from simulator.core import Core
from simulator.product.codes import MESSAGES
from support.in_process import KEY, InProcess, Killed, books, configure, fault, lease_client

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


class Script(Transport):
    """A transport that plays back responses and keeps what was sent."""

    def __init__(self, *script: HttpResponse) -> None:
        super().__init__(timeout=10)
        self.script = list(script)
        self.sent: list[str] = []

    def _exchange(self, method: str, url: str, form: str | None, endpoint: str) -> HttpResponse:
        assert (method, form) == ("GET", None)
        self.sent.append(url)
        return self.script.pop(0)


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


# Requests


@pytest.mark.parametrize("product", PRODUCTS)
def test_key_and_password_are_in_the_query(client: Client, product: str) -> None:
    api, transport = client(response([]), product=product)
    api.leases()
    assert transport.sent == [f"https://{product}.example/query?key={KEY}&pwd=s3cr3t%2Bpass"]


def test_several_areas_are_one_parameter(client: Client) -> None:
    api, transport = client(response([FULL]))
    api.get(1, AllocationParams(areas=("110100", "130227"), exclude_areas=("440100",), keep_alive=60, isp="unicom"))
    sent = transport.sent[0].partition(PWD.replace("+", "%2B"))[2]
    assert sent == "&num=1&area=110100,130227&area_ex=440100&isp=3&keep_alive=60"


def test_a_replacement_has_the_terms_of_an_extraction(client: Client) -> None:
    api, transport = client(response([FULL]))
    terms = AllocationParams(areas=("110100",), exclude_areas=("440100",), keep_alive=60, isp="mobile", distinct=True)
    api.replace(2, terms)
    path, _password, sent = transport.sent[0].partition(PWD.replace("+", "%2B"))
    assert path.startswith("https://exclusive.example/replace?")
    assert sent == "&num=2&area=110100&area_ex=440100&isp=2&distinct=true&keep_alive=60"


def test_a_release_by_task_names_the_task_alone(client: Client) -> None:
    api, transport = client(response([FULL]), response(1))
    leases = api.leases()
    assert api.release(leases, by_task=True) == leases
    assert transport.sent[1].endswith(f"&task={leases[0].task_id}")
    assert "&ip=" not in transport.sent[1]


@pytest.mark.parametrize("product", PRODUCTS)
def test_addresses_are_distinct_where_no_task_distinguishes_them(client: Client, product: str) -> None:
    api, transport = client(response([FULL]), product=product)
    api.get(1, AllocationParams())
    assert ("distinct=true" in transport.sent[0]) is (not PRODUCTS[product].has_tasks)


# Responses


def test_every_code_of_the_vendor_has_a_meaning() -> None:
    assert set(VENDOR_CODES) == set(MESSAGES)


@pytest.mark.parametrize("status", [200, 400, 403, 500])
@pytest.mark.parametrize("code", ["NO_RESOURCE_FOUND", "INVALID_KEY", "NEW_CODE"])
def test_the_code_counts_whatever_the_status(client: Client, code: str, status: int) -> None:
    api, _transport = client(refusal(code, status))
    with pytest.raises(ProductError) as caught:
        api.get(1, AllocationParams())
    error = caught.value
    # A gateway may have sent a code that the vendor does not document.
    assert (error.code, error.effect) == (code, Effect.UNKNOWN if code == "NEW_CODE" else Effect.REJECTED)
    assert error.details["request_id"] == NUMBER
    assert f"The vendor's number of this request is {NUMBER}." in error.message
    assert "说明" in error.message


@pytest.mark.parametrize("code", ["INTERNAL_ERROR", "FAILED_OPERATION"])
def test_some_refusals_do_not_exclude_an_effect(client: Client, code: str) -> None:
    api, transport = client(refusal(code))
    with pytest.raises(ProductError) as caught:
        api.get(1, AllocationParams())
    assert caught.value.effect is Effect.UNKNOWN
    assert len(transport.sent) == 1, "a paid call is not simply repeated"


@pytest.mark.parametrize(
    "unusable",
    [
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
    ],
    ids=lambda entry: f"{entry.status} {entry.text[:40]}",
)
def test_an_unusable_response_to_a_paid_call_leaves_its_effect_open(client: Client, unusable: HttpResponse) -> None:
    api, transport = client(unusable)
    with pytest.raises(CallError) as caught:
        api.get(1, AllocationParams())
    assert caught.value.may_have_effect
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
    assert api.channels() is None
    assert api.balance() is None


def test_other_refusals_of_the_quota_are_errors(client: Client) -> None:
    api, _transport = client(refusal("KEY_BLOCK"), refusal("KEY_BLOCK"), product="share")
    for read in (api.channels, api.balance):
        with pytest.raises(ProductError, match="key banned"):
            read()


def test_a_list_of_nothing_is_read_again(client: Client) -> None:
    """What a fault hides would be leased, and paid for, again."""
    api, _transport = client(response(None), response([FULL]), response(None), response(None), response([]))
    assert len(api.leases()) == 1
    assert api.leases() == []
    assert api.leases() == []


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


# One lease, in the words of several responses

#: What a list may say of the lease that an extraction described in full.
LISTED: dict[str, dict[str, Any]] = {
    "all": FULL,
    "no task": {name: value for name, value in FULL.items() if name != "task_id"},
    "no task, another form of the deadline": {**FULL, "task_id": None, "deadline": "2030-03-03T21:38:38"},
    "no deadline": {name: value for name, value in FULL.items() if name != "deadline"},
    "no exit": {name: value for name, value in FULL.items() if name != "proxy_ip"},
    "only the server": BARE,
}


@pytest.mark.parametrize("listed", LISTED)
def test_the_list_may_say_less_than_the_extraction(client: Client, listed: str) -> None:
    api, _transport = client(response([FULL]), response([LISTED[listed]]), response([LISTED[listed]]), response([]))
    new = api.get(1, AllocationParams())
    for _reading in range(2):
        assert names(api.leases()) == names(new)
    assert [lease.ip for lease in new] == ["192.0.2.30"]


@pytest.mark.parametrize("listed", LISTED)
def test_a_later_process_counts_the_lease_once(client: Client, listed: str) -> None:
    api, _transport = client(response([FULL]))
    api.get(1, AllocationParams())
    later, _transport = client(response([]), response([LISTED[listed]]), response([LISTED[listed]]))
    late = later.leases()
    assert names(late) == names(later.leases()) == names(later.leases()), "and keeps its name, however late it is shown"
    last, _transport = client(*[response([LISTED[listed]])] * 2)
    assert len(last.leases()) == len(last.leases()) == 1


@pytest.mark.parametrize("listed", LISTED)
def test_a_watcher_reports_a_lease_once_however_the_list_names_it(client: Client, listed: str) -> None:
    """Each poll of a watcher has a client of its own; the first sees the lease before the list shows it."""
    rules, state, kinds = Rules(leases=True, expires_within=10), WatchState(), []
    held = client(response([]), response([]))[0].leases()
    state, _events = step(state, rules, Snapshot(leases=held), 0)
    client(response([FULL]))[0].get(1, AllocationParams())
    end = Lease.from_item(FULL, "").expires
    assert end
    for shown in (response([]), response([LISTED[listed]]), response([LISTED[listed]])):
        poll, _transport = client(shown, shown)
        state, events = step(state, rules, Snapshot(leases=poll.leases()), end.timestamp() - 60)
        kinds += [event["type"] for event in events]
    assert kinds == ["lease_new", "lease_expiring"]


@pytest.mark.parametrize("listed", LISTED)
def test_a_released_lease_is_gone_under_each_name(client: Client, listed: str) -> None:
    shown = response([LISTED[listed]])
    api, _transport = client(response([FULL]), shown, response(1), shown)
    api.get(1, AllocationParams())
    api.release(api.leases())
    assert api.leases() == []
    later, _transport = client(shown, shown)
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
    api.get(1, AllocationParams())
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
    api.get(1, AllocationParams())
    api.release(api.leases())
    (new,) = api.get(1, AllocationParams())
    assert names(api.leases()) == [new.name]
    later, _transport = client(response([BARE]))
    assert len(later.leases()) == 1


# What matches

#: The code and the provider of a lease, the area and the provider that a task requests, and whether the lease matches.
KINDS: list[tuple[str | None, str | None, str | None, str | None, bool | None]] = [
    ("130227", None, "130227", None, True),
    ("130227", None, "130200", None, True),
    ("130227", None, "130000", None, True),
    ("130227", None, "140000", None, False),
    ("130000", None, "130227", None, None),
    ("990100", None, "US", None, None),
    ("US", None, "990100", None, None),
    ("US", None, "US", None, True),
    ("JP", None, "US", None, False),
    (None, "电信", None, "telecom", True),
    (None, "移动", None, "telecom", False),
    (None, "中国电信", None, "telecom", None),
    (None, "Example Networks", None, "telecom", None),
    (None, None, None, "telecom", None),
]


@pytest.mark.parametrize(("code", "provider", "area", "isp", "matches"), KINDS)
def test_what_cannot_be_compared_is_undetermined(
    code: str | None, provider: str | None, area: str | None, isp: str | None, matches: bool | None
) -> None:
    """What counts as no match is leased, and paid for, at each run."""
    lease = Lease.from_item({"server": "192.0.2.30:1", "area_code": code, "isp": provider}, "T")
    desired = DesiredLeases(1, AllocationParams(areas=(area,) if area else (), isp=isp))
    found = classify([lease], desired, 0.0, {}, {})
    assert bool(found.matching) is (matches is True)
    assert bool(found.undetermined) is (matches is None)


def test_the_provider_that_was_requested_counts_if_the_list_names_a_company() -> None:
    lease = Lease.from_item({"server": "192.0.2.30:1", "isp": "Example Networks"}, "T")
    desired = DesiredLeases(1, AllocationParams(isp="telecom"))
    assert classify([lease], desired, 0.0, {"T": Origin(isp="telecom")}, {}).matching == (lease,)


# What that is for

MISMATCHES = [("exclusive", "list"), ("exclusive", "entries"), ("longterm", "entries")]


@pytest.mark.parametrize(("product", "query"), MISMATCHES)
def test_no_paid_lease_is_a_surplus(tmp_path: Path, product: str, query: str) -> None:
    core = Core(clock=Clock(1_800_000_000.0), seed=1)
    configure(core, plan={"kind": product, "static": True}, options={"query_shape": query})
    desired = DesiredLeases(2, exact=True)
    for run in range(3):
        result = ensure_leases(lease_client(core, tmp_path, product=product), desired)
        assert result.error is None
        assert (len(result.allocated), result.released) == (2 if run == 0 else 0, ())
        core.clock.advance(20)
    assert len(books(core).paid) == len(books(core).leases) == 2


@pytest.mark.parametrize("kind", ["data_null", "data_absent"])
def test_the_channels_show_that_a_list_of_nothing_is_wrong(tmp_path: Path, kind: str) -> None:
    core = Core(clock=Clock(1_800_000_000.0), seed=1)
    configure(core, plan={"kind": "share", "lifetime": 60})
    ensure_leases(lease_client(core, tmp_path / "one", product="share"), DesiredLeases(2))
    fault(core, {"path": "/share/query", "kind": kind, "times": 2})
    found = ensure_leases(lease_client(core, tmp_path / "other", product="share"), DesiredLeases(2))
    assert (len(found.leases), found.allocated) == (2, ())
    assert len(books(core).paid) == 2


@pytest.mark.parametrize("deadline", ["release", "expiry"])
@pytest.mark.parametrize("steps", range(2, 9))
def test_an_interrupted_replacement_of_a_static_address_is_continued(tmp_path: Path, steps: int, deadline: str) -> None:
    """Its deadline may be the time from which it can be released, and has passed then."""
    core = Core(clock=Clock(1_800_000_000.0), seed=1)
    configure(core, plan={"kind": "longterm", "static": True}, options={"static_deadline": deadline})
    ensure_leases(lease_client(core, tmp_path, product="longterm"), DesiredLeases(2))
    core.clock.advance(90000)
    ip, wire = books(core).leases[0].ip, InProcess(core)

    def replace() -> None:
        api = lease_client(core, tmp_path, transport=wire, product="longterm")
        replace_leases(api, lambda lease: lease.ip == ip, None, AllocationParams())

    wire.killed_in = steps
    with contextlib.suppress(Killed):
        replace()
    wire.killed_in = None
    replace()
    assert (len(books(core).leases), len(books(core).paid)) == (2, 3)
    assert ip not in {lease.ip for lease in books(core).leases}


def test_a_lease_that_is_held_after_its_deadline_is_not_replaced_for_min_remaining(tmp_path: Path) -> None:
    """The deadline of a static address may be the time from which it can be released: each run would pay again."""
    core = Core(clock=Clock(1_800_000_000.0), seed=1)
    configure(core, plan={"kind": "longterm", "static": True}, options={"static_deadline": "release"})
    desired = DesiredLeases(1, min_remaining=60)
    ensure_leases(lease_client(core, tmp_path, product="longterm"), desired)
    core.clock.advance(90000)
    with pytest.raises(QgError, match="1 held leases may match"):
        ensure_leases(lease_client(core, tmp_path, product="longterm"), desired)
    assert len(books(core).paid) == 1


# A plan by volume


def volume(balance: int) -> Core:
    core = Core(clock=Clock(1_800_000_000.0), seed=1)
    configure(core, plan={"kind": "share", "billing": "volume", "balance": balance, "lifetime": 60})
    return core


@pytest.mark.parametrize("shown", [True, False])
def test_the_balance_shows_that_a_lost_call_was_carried_out(tmp_path: Path, shown: bool) -> None:
    core = volume(20)
    fault(core, {"path": "/share/get", "kind": "reset_after"})
    fault(core, {"path": "/share/query", "kind": "data_null", "skip": 1, "times": 4 if shown else 200})
    found = ensure_leases(lease_client(core, tmp_path, product="share"), DesiredLeases(3))
    assert len(books(core).paid) == 3
    if shown:
        assert (found.error, len(found.allocated)) == (None, 3)
    else:
        assert found.error is not None
        assert "the quota has fewer free channels" in found.error.message


def test_a_second_batch_compares_with_the_balance_after_the_first(tmp_path: Path) -> None:
    core = volume(200)
    core.keys[KEY].plan.stock[0].available = 500
    fault(core, {"path": "/share/get", "kind": "reset_before", "skip": 1})
    found = ensure_leases(lease_client(core, tmp_path, product="share"), DesiredLeases(110))
    assert (found.error, len(found.allocated), len(books(core).paid)) == (None, 110, 110)


def test_more_leases_than_a_balance_has_are_refused_before_any_is_paid_for(tmp_path: Path) -> None:
    core = volume(2)
    with pytest.raises(QgError, match="only 2 more can be leased within the plan's volume"):
        ensure_leases(lease_client(core, tmp_path, product="share"), DesiredLeases(3))
    assert not books(core).paid
