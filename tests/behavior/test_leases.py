# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases of the classic API: what is sent and counted, plans, lists, and what a choice chooses.

For mistakes in options see test_mistakes.py.
"""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from behavior.paid_calls import ALLOCATE, RELEASE, REPLACE
from behavior.worlds import when_opened
from support import phrases
from support.node import Node
from support.vendor import CLASSIC, KEY, PATHS, ips

GET = "/allocate"
LIST = "/query"
QUOTA = "/info/quota"
GIVE_BACK = "/release"
AREAS = "/resources"
WRITES = PATHS[CLASSIC].writing
QUANZHOU = "350500"
HUAIAN = "320800"
ISPS = {"telecom": 1, "mobile": 2, "unicom": 3, "bgp": 4}
#: The longest that a list may lag, in seconds, before it counts.
LAG = 60


# What is sent


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        pytest.param({}, {}, id="none"),
        pytest.param({"keep_alive": 7}, {"KeepAlive": "7"}, id="KeepAlive"),
        pytest.param({"areas": ["江苏省淮安市"]}, {"AreaId": HUAIAN}, id="AreaId"),
        pytest.param({"distinct": True}, {"Distinct": "1"}, id="Distinct"),
        pytest.param({"isp": "telecom"}, {"Isp": "1"}, id="Isp telecom"),
        pytest.param({"isp": "mobile"}, {"Isp": "2"}, id="Isp mobile"),
        pytest.param({"isp": "unicom"}, {"Isp": "3"}, id="Isp unicom"),
        pytest.param({"isp": "bgp"}, {"Isp": "4"}, id="Isp bgp"),
    ],
)
def test_parameters_of_new_leases(
    node: Node, options: dict[str, Any], parameters: dict[str, str]
) -> None:
    row = {"area_id": int(HUAIAN), "area": "江苏省淮安市", "available": 20}
    node.vendor.configure(
        plan={"stock": {"areas": [{**row, "isp": number} for number in ISPS.values()]}}
    )
    node.ok(ALLOCATE, count=2, **options)
    assert node.sent(GET) == [{"Num": "2", "Detail": "1", **parameters}]


@pytest.mark.parametrize("module", [ALLOCATE, REPLACE])
@pytest.mark.parametrize("area", ["泉州", "350501"])
def test_an_unknown_area_is_refused_before_a_call_that_pays(
    node: Node, module: str, area: str
) -> None:
    node.vendor.hold(1)
    result = node.failed(module, count=1, areas=[area])
    assert result["changed"] is False
    assert "福建省泉州市 (350500)" in result["msg"]
    assert node.vendor.calls(*WRITES) == []


def test_distinct_leases_are_not_those_of_before(node: Node) -> None:
    node.vendor.configure(options={"address_reuse": "first"})
    old = ips(node.vendor.hold(2))
    node.ok(RELEASE, all=True)
    assert not ips(node.ok(ALLOCATE, count=2, distinct=True)["leases"]) & old


def test_a_hundred_are_one_call(node: Node) -> None:
    node.vendor.configure(channels=100)
    result = node.ok(ALLOCATE, count=100)
    assert node.vendor.calls() == [LIST, QUOTA, GET]
    assert result["count"] == len(node.vendor.leases) == 100
    assert node.ok(ALLOCATE, count=100)["changed"] is False
    node.ok(RELEASE, ips=sorted(ips(node.vendor.leases)))
    assert len(node.sent(GIVE_BACK)) == 2
    assert node.vendor.leases == []


# Which leases count


def test_the_clock_of_the_vendor_decides_how_long_a_lease_lasts(node: Node) -> None:
    """The clock of this control node is an hour behind, so that each lease seems to last an hour
    longer.
    """
    node.machine.set_wall(-3600)
    options = {"count": 1, "keep_alive": 60, "min_remaining": 30}
    (lease,) = node.ok(ALLOCATE, **options)["leases"]
    assert 3500 < lease["remaining_seconds"] <= 3600
    assert node.ok(ALLOCATE, **options)["changed"] is False
    node.vendor.advance(40 * 60)
    assert node.ok("qg_proxy_info")["leases"][0]["remaining_seconds"] <= 20 * 60
    assert len(node.ok(ALLOCATE, **options)["allocated"]) == 1, (
        "the first one has less than half an hour left"
    )


def test_without_a_date_the_clock_of_the_machine_decides(node: Node) -> None:
    node.is_dated = False
    node.ok(ALLOCATE, count=1, keep_alive=60)
    node.machine.set_wall(1200)

    (lease,) = node.ok("qg_proxy_info")["leases"]

    assert 2300 < lease["remaining_seconds"] <= 2400


def test_exact_releases_the_surplus_that_ends_first(node: Node) -> None:
    for minutes in (60, 10, 30):
        held = node.vendor.hold(1, KeepAlive=minutes)
    assert node.ok(ALLOCATE, count=1)["changed"] is False
    surplus = ips(held[1:])
    assert ips(node.ok(ALLOCATE, count=1, exact=True, check=True)["released"]) == surplus
    result = node.ok(ALLOCATE, count=1, exact=True)
    assert ips(result["released"]) == surplus
    assert ips(result["leases"]) == ips(held[:1])
    assert node.ok(ALLOCATE, count=1, exact=True)["changed"] is False
    assert node.vendor.calls(*WRITES) == [GIVE_BACK]


def test_exact_releases_what_ends_too_soon(node: Node) -> None:
    node.vendor.configure(channels=9)
    node.vendor.hold(1, KeepAlive=30)
    node.vendor.hold(2, KeepAlive=60)
    kept = ips(node.vendor.hold(2, KeepAlive=120)[3:])
    assert (
        ips(node.ok(ALLOCATE, count=2, min_remaining=45, exact=True)["leases"])
        == kept
        == node.vendor.ips
    )


def test_exact_releases_a_surplus_that_only_goes_together(node: Node) -> None:
    """No channel is free for what lasts longer, and no release names one of the two alone."""
    node.vendor.configure(plan={"channels": 2})
    when_opened(node.vendor, lambda lease: setattr(lease, "ip", "203.0.113.9"))
    node.ok(ALLOCATE, count=2, keep_alive=10)

    result = node.ok(ALLOCATE, count=2, keep_alive=60, min_remaining=30, exact=True)

    assert len(result["released"]) == len(result["allocated"]) == len(node.vendor.leases) == 2
    assert node.vendor.paid == 4


def test_a_volume_frees_no_channel_for_what_lasts_longer(node: Node) -> None:
    """Releasing more than one lease would cut off what nothing can replace."""
    node.vendor.configure(plan={"billing": "volume", "balance": 3})
    node.ok(ALLOCATE, count=3, keep_alive=10)
    result = node.failed(ALLOCATE, count=3, min_remaining=30, exact=True)
    assert phrases.NO_CHANNEL_CAME_FREE in result["msg"]
    assert len(result["released"]) == 1
    assert len(node.vendor.leases) == 2
    assert node.vendor.paid == 3


def test_exact_keeps_other_kinds(node: Node) -> None:
    node.vendor.configure(channels=10)
    other = ips(node.vendor.hold(2, AreaId=HUAIAN))
    node.vendor.hold(3, AreaId=QUANZHOU)
    assert len(node.ok(ALLOCATE, count=1, exact=True, areas=[QUANZHOU])["released"]) == 2
    assert other <= ips(node.vendor.leases)
    assert len(node.vendor.leases) == 3


def test_min_remaining_counts_only_leases_that_last(node: Node) -> None:
    node.vendor.hold(1, KeepAlive=5)
    node.vendor.hold(1, KeepAlive=120)
    options = {"count": 2, "min_remaining": 30, "keep_alive": 60}
    result = node.ok(ALLOCATE, **options)
    assert result["count"] == 2
    assert len(result["allocated"]) == 1
    assert min(lease["remaining_seconds"] for lease in result["leases"]) >= 1800
    assert node.ok(ALLOCATE, **options)["changed"] is False
    assert node.vendor.calls(*WRITES) == [GET]


@pytest.mark.parametrize("lost", [False, True], ids=["remembered", "store lost"])
def test_area_and_provider_come_from_the_store_or_the_region(node: Node, lost: bool) -> None:
    terms: dict[str, Any] = {"areas": [HUAIAN], "isp": "unicom"}
    node.vendor.configure(channels=10)
    first = node.ok(ALLOCATE, count=2, **terms)
    if lost:
        node.lose_store()
    node.vendor.forget()
    again = node.ok(ALLOCATE, count=2, **terms)
    assert again["changed"] is False
    assert ips(again["leases"]) == ips(first["leases"])
    assert (AREAS in node.vendor.calls()) is lost
    # Another kind is another desired state.
    assert len(node.ok(ALLOCATE, count=1, areas=["440100"], isp="telecom")["allocated"]) == 1


@pytest.mark.parametrize("what", ["areas", "isp"])
@pytest.mark.parametrize("product", PATHS)
def test_what_was_leased_elsewhere_is_not_leased_again(
    new_node: Callable[..., Node], product: str, what: str
) -> None:
    node = new_node(product, channels=30)
    wanted: dict[str, Any] = {"areas": ["990100"], "isp": "telecom"}
    given: dict[str, Any] = {"areas": ["990200"], "isp": "mobile"}
    codes = {"AreaId": "990200", "Isp": "2", "area": "990200", "isp": "2"}
    if product != "overseas":
        wanted["areas"] = [QUANZHOU]
        given["areas"] = [HUAIAN]
        codes |= {"AreaId": HUAIAN, "area": HUAIAN}
    names = {"areas": "area", "isp": "isp"}
    if product == CLASSIC:
        names = {"areas": "AreaId", "isp": "Isp"}
    parameter = names[what]
    # The lists of the classic API and of share show no code of an area, and those of overseas the
    # name of a company.
    is_shown = (product, what) not in ((CLASSIC, "areas"), ("share", "areas"), ("overseas", "isp"))
    node.vendor.around(
        PATHS[product].get, lambda call: call.carry_out(**{parameter: codes[parameter]})
    )
    for _run in range(3):
        result = node.ok(ALLOCATE, count=3, **{what: wanted[what]})
        assert len(result["leases"]) == 3
        assert node.vendor.paid == 3
        assert len(result.get("warnings", [])) == is_shown
    # They match what the list shows as well.
    if is_shown:
        node.ok(ALLOCATE, count=3, **{what: given[what]})
        assert node.vendor.paid == 3


def test_names_of_areas_are_read_once_an_hour(node: Node) -> None:
    node.vendor.hold(3, KeepAlive=600)
    for _run in range(3):
        node.ok(ALLOCATE, count=1, areas=[QUANZHOU], check=True, on_uncertain="match")
    assert node.sent(AREAS) == [{}]
    node.vendor.advance(3601)
    node.ok(ALLOCATE, count=1, areas=[QUANZHOU], check=True, on_uncertain="match")
    assert node.sent(AREAS) == [{}] * 2


@pytest.mark.parametrize("plan", [{"kind": "data_absent"}, {"kind": "data_null"}])
def test_an_empty_list_of_areas_is_not_remembered(node: Node, plan: dict[str, Any]) -> None:
    """Nothing would match by its name for an hour, and each run would have to ask the user."""
    node.vendor.hold(1, KeepAlive=600)
    node.vendor.fault(AREAS, **plan)
    node.run(ALLOCATE, count=1, areas=[QUANZHOU])
    paid = node.vendor.paid

    node.ok(ALLOCATE, count=1, areas=[QUANZHOU])

    assert node.sent(AREAS) == [{}] * 2
    assert node.vendor.paid == paid


@pytest.mark.parametrize(("undetermined", "paid"), [("fail", 2), ("ignore", 4), ("match", 2)])
def test_areas_that_cannot_be_read_leave_it_to_the_option(
    node: Node, undetermined: str, paid: int
) -> None:
    node.vendor.configure(channels=10)
    held = node.vendor.hold(2, AreaId=QUANZHOU)
    node.vendor.fault(AREAS, "code", code=-15, times=-1)
    result = node.run(ALLOCATE, count=2, areas=[QUANZHOU], on_uncertain=undetermined)
    assert result.get("failed", False) is (undetermined == "fail")
    if undetermined == "fail":
        assert "on_uncertain=match" in result["msg"]
        assert held[0].ip in result["msg"]
    assert node.vendor.paid == paid


@pytest.mark.parametrize("product", [CLASSIC, "share"])
def test_excluded_addresses_do_not_count(new_node: Callable[..., Node], product: str) -> None:
    node = new_node(product, channels=9, lifetime=60)
    node.ok(ALLOCATE, count=2)
    first, second = node.vendor.ips
    assert node.ok(ALLOCATE, count=1, exclude_ips=[first])["changed"] is False
    assert len(node.ok(ALLOCATE, count=2, exclude_ips=[first])["allocated"]) == 1
    assert "exclude_ips contains ''" in node.failed(ALLOCATE, count=1, exclude_ips=[""])["msg"]
    # A vendor that begins anew leases the same addresses again.
    shutil.rmtree(node.store)
    node = new_node(product)
    result = node.failed(ALLOCATE, count=2, exclude_ips=[second])
    assert len(result["allocated"]) == 2
    assert result["missing"] == 1
    assert node.vendor.paid == 2


def test_an_expired_lease_is_allocated_again(node: Node) -> None:
    node.vendor.hold(1, KeepAlive=1)
    node.vendor.hold(1, KeepAlive=600)
    assert node.ok(ALLOCATE, count=2)["changed"] is False
    node.vendor.advance(61)
    assert len(node.ok(ALLOCATE, count=2)["allocated"]) == 1


def test_a_lease_that_ends_while_the_task_waits_is_not_counted(node: Node) -> None:
    """The list shows it, and then the run waits for the end of the minute of a limit."""
    node.ok(ALLOCATE, count=1, keep_alive=2)
    node.vendor.advance(70)
    node.vendor.fault(GET, "code", code=-11)
    node.failed(ALLOCATE, count=2, max_wait=0)
    assert ips(node.ok(ALLOCATE, count=2)["leases"]) == node.vendor.ips
    assert node.vendor.paid == 3


@pytest.mark.parametrize(
    ("options", "bought"),
    [({}, 0), ({"min_remaining": 1}, None), ({"min_remaining": 1, "on_uncertain": "ignore"}, 1)],
    ids=["any", "it must last", "the user decides"],
)
def test_a_deadline_that_cannot_be_true_is_no_reason_to_pay(
    node: Node, options: dict[str, Any], bought: int | None
) -> None:
    """The vendor states no zone for its times."""
    node.vendor.hold(1)
    body = node.vendor.call(LIST)
    body["TaskList"][0]["Data"][0]["deadline"] = "2001-01-01 00:00:00"
    node.vendor.fault(LIST, "replace", body=body)
    if bought is None:
        assert phrases.NO_TRUE_DEADLINE in node.failed(ALLOCATE, count=1, **options)["msg"]
    else:
        result = node.ok(ALLOCATE, count=1, **options)
        assert len(result["allocated"]) == bought
        assert result["count"] == 1
    assert node.vendor.paid == 1 + (bought or 0)


# What a plan limits


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        pytest.param({"count": 6}, 4, id="over the quota"),
        pytest.param({"count": 5, "min_remaining": 60}, 5, id="stale ones do not count"),
    ],
)
def test_a_count_that_is_too_large_fails_before_a_write(
    node: Node, options: dict[str, Any], missing: int
) -> None:
    node.vendor.hold(2, KeepAlive=5)
    for check in (True, False):
        result = node.failed(ALLOCATE, check=check, **options)
        assert f"count={options['count']} " in result["msg"]
        assert result["missing"] == missing
        assert result["quota"] == {"unit": "channels", "total": 5, "available": 3, "used": 2}
    assert node.vendor.calls(*WRITES) == []


@pytest.mark.parametrize("wanted", [4, 9])
def test_more_than_a_plan_can_ever_give_is_not_waited_for(
    new_node: Callable[..., Node], wanted: int
) -> None:
    """The channels that were just released may still come free, but there are too few of them."""
    node = new_node(channels=3)
    node.ok(ALLOCATE, count=3)
    node.ok(RELEASE, all=True)
    node.vendor.forget()
    began = node.vendor.clock.now()
    assert node.failed(ALLOCATE, count=wanted)["quota"]["total"] == 3
    assert node.vendor.calls() == [LIST, QUOTA]
    assert node.vendor.clock.now() == began


def test_what_ends_before_the_rest_is_leased_is_not_paid_for_again(node: Node) -> None:
    """It lasts for a minute, in which the list may still show that the rest was leased."""
    node.vendor.fault(GET, "partial", drop=1)

    assert node.failed(ALLOCATE, count=2, keep_alive=1)["missing"] == 1

    assert node.vendor.paid == 2


def test_a_short_stock_is_leased_area_by_area(node: Node) -> None:
    node.vendor.configure(options={"short_stock": "partial"})
    for place, area in enumerate(node.vendor.stock):
        area.available = int(place < 4)
    assert len(node.ok(ALLOCATE, count=3)["allocated"]) == node.vendor.paid == 3
    result = node.failed(ALLOCATE, count=5)
    assert result["error"]["code"] == -103
    assert result["missing"] == 1
    assert node.vendor.paid == 4


@pytest.mark.parametrize(
    ("volume_quota", "calls", "error"),
    [("balance", [], {}), ("refuse", [GET], {"code": -105})],
    ids=str,
)
def test_a_plan_by_volume(
    node: Node, volume_quota: str, calls: list[str], error: dict[str, int]
) -> None:
    node.vendor.configure(
        plan={"billing": "volume", "balance": 3}, options={"volume_quota": volume_quota}
    )

    result = node.failed(ALLOCATE, count=4)

    assert node.vendor.calls(*WRITES) == calls
    assert error.items() <= result.get("error", {}).items()
    assert node.vendor.paid == 0

    node.ok(ALLOCATE, count=3)

    assert node.ok(ALLOCATE, count=3)["changed"] is False
    assert node.vendor.paid == 3


@pytest.mark.parametrize("code", [-10, -15])
def test_a_plan_without_a_quota_is_no_hindrance(node: Node, code: int) -> None:
    node.vendor.fault(QUOTA, "code", code=code, times=-1)
    assert len(node.ok(ALLOCATE, count=2)["allocated"]) == 2
    # Without a quota, a second list has to agree with the first one.
    assert node.vendor.calls() == [LIST, QUOTA, LIST, GET]


# What a list may get wrong


@pytest.mark.parametrize("shown", [False, True], ids=["never shown", "shown before"])
@pytest.mark.parametrize("lag", [3, 20, 50])
def test_a_list_that_lags_makes_no_run_pay_again(node: Node, lag: int, shown: bool) -> None:
    """The leases are released before the list has ever shown them, or while it still shows them."""
    node.vendor.configure(options={"list_lag": lag})
    assert node.vendor.paid == 0
    for _run in range(2):
        result = node.ok(ALLOCATE, count=3)
        assert ips(result["leases"]) == node.vendor.ips
        assert node.vendor.paid == 3
    first = node.vendor.ips
    if shown:
        node.vendor.advance(LAG)
    assert ips(node.ok(RELEASE, all=True)["released"]) == first
    result = node.ok(ALLOCATE, count=2)
    assert result["held"] == 2
    assert ips(result["leases"]) == node.vendor.ips
    assert node.vendor.paid == 5
    assert node.vendor.calls(*WRITES) == [GET, GIVE_BACK, GET]


def test_a_response_that_names_what_was_held_before_is_not_paid_for_again(node: Node) -> None:
    node.vendor.hold(1)
    (held,) = node.vendor.call(LIST)["TaskList"]
    node.vendor.alter(GET, lambda body: {**body, "TaskID": held["TaskID"], "Data": held["Data"]})
    node.is_alone = False

    assert phrases.IS_UNKNOWN in node.failed(ALLOCATE, count=2)["msg"]

    assert node.vendor.paid == 2


def test_a_lease_that_is_gone_is_not_counted_for_long(node: Node) -> None:
    """The list that is read first is that of a moment ago."""
    node.vendor.hold(2, 1)
    gone = {
        "IP": "203.0.113.9",
        "port": "1",
        "host": "203.0.113.9:1",
        "deadline": "2099-01-01 00:00:00",
    }
    stale = {
        "Code": 0,
        "TaskNum": 1,
        "TotalNum": 1,
        "TaskList": [{"TaskID": "Gone", "Num": 1, "Data": [gone]}],
    }
    node.vendor.fault(LIST, "replace", body=stale)
    node.ok(ALLOCATE, count=5)
    assert len(node.vendor.leases) <= 5


# What is read


def test_the_fields_of_a_lease_are_those_of_the_books(node: Node) -> None:
    held = {lease.ip: lease for lease in node.vendor.hold(2, 1)}
    leases = node.ok("qg_proxy_info")["leases"]
    deadlines = [lease["deadline"] for lease in leases]
    assert deadlines == sorted(deadlines)
    assert ips(leases) == set(held)
    for lease in leases:
        own = held[lease["ip"]]
        assert lease["server"] == own.host
        assert lease["port"] == own.port
        assert lease["task_id"] == own.task_id
        moment = datetime.datetime.fromisoformat(lease["expires_at"])
        assert moment.utcoffset() == datetime.timedelta(hours=8)
        assert moment.timestamp() == int(own.ends)
        assert 0 < lease["remaining_seconds"] <= own.ends
        assert lease["region"] == own.area.region
        assert ISPS[lease["isp"]] == own.area.isp
        assert lease["vendor"]["IP"] == own.ip
        assert "proxy_url" not in lease
    assert node.sent(LIST) == [{"Detail": "1"}]


def test_the_pool_is_read_without_a_lease(node: Node) -> None:
    node.vendor.configure(plan={"kind": "dynamic_shared"})
    options = {"count": 3, "isp": "unicom"}
    pool = node.ok("qg_proxy_pool_info", **options)
    assert pool["changed"] is False
    assert pool["count"] == 3
    assert len(pool["proxies"]) == 3
    assert {lease["isp"] for lease in pool["proxies"]} == {"unicom"}
    assert len({lease["task_id"] for lease in pool["proxies"]}) == 1
    assert node.sent("/extract") == [{"Num": "3", "ISP": "3", "Detail": "1"}]
    assert node.vendor.leases == []


def test_the_areas_of_a_plan(node: Node) -> None:
    stock = [
        {"area_id": int(QUANZHOU), "area": "福建省泉州市", "isp": 1, "available": 0},
        {"area_id": int(HUAIAN), "area": "江苏省淮安市", "isp": 2, "available": 9},
    ]
    quanzhou = {"area_code": QUANZHOU, "name": "福建省泉州市", "isp": "telecom", "available": False}
    huaian = {"area_code": HUAIAN, "name": "江苏省淮安市", "isp": "mobile", "available": True}
    node.vendor.configure(plan={"stock": {"areas": stock}})
    first, second = node.ok("qg_area_info")["areas"]
    assert quanzhou.items() <= first.items()
    assert huaian.items() <= second.items()


# Two runs at the same time


@pytest.mark.parametrize("max_wait", [0, 300])
def test_a_run_waits_for_another_no_longer_than_it_may(node: Node, max_wait: int) -> None:
    def another() -> None:
        with node.other_process():
            result = node.failed(ALLOCATE, count=3, max_wait=max_wait)
        assert phrases.ANOTHER_RUN in result["msg"]

    node.vendor.before(GET, another)
    node.ok(ALLOCATE, count=3, timeout=600)
    assert node.vendor.paid == 3


UNKNOWN = "203.0.113.250"


TERMS = {"isp": "telecom", "keep_alive": 90, "distinct": True}
SENT = {"KeepAlive": "90", "Isp": "1", "Detail": "1", "Distinct": "1"}


@pytest.mark.parametrize(
    ("choice", "replaced", "named"), [({"count": 2}, 2, 0), ({"all": True}, 3, 3)], ids=str
)
def test_leases_that_are_not_named_are_replaced_by_the_vendor(
    node: Node, choice: dict[str, Any], replaced: int, named: int
) -> None:
    """Which leases it gives up is its own choice, so that only a replacement of all can name them
    before.
    """
    node.vendor.hold(2, 1)

    predicted = node.ok(REPLACE, check=True, diff=True, **choice, **TERMS)

    assert predicted["changed"] is True
    assert predicted["missing"] == replaced
    assert len(predicted["released"]) == named

    done = node.ok(REPLACE, **choice, **TERMS)

    assert done["method"] == "replace"
    assert node.vendor.calls("/allocate", "/release") == []
    assert node.sent("/replace") == [{"Num": str(replaced), **SENT}]
    assert len(done["allocated"]) == replaced
    assert len(done["released"]) == replaced
    assert done["held"] == 3


@pytest.mark.parametrize("way", ["ips", "task_ids"])
def test_named_leases_are_released_and_allocated_one_first(node: Node, way: str) -> None:
    first, second, third = node.vendor.hold(2, 1)
    choice = [second.ip]
    gone = {second.ip}
    if way == "task_ids":
        choice = [first.task_id]
        gone = {first.ip, second.ip}

    predicted = node.ok(REPLACE, check=True, diff=True, **{way: choice}, **TERMS)

    assert predicted["missing"] == len(gone)
    assert len(predicted["released"]) == len(gone)

    done = node.ok(REPLACE, **{way: choice}, **TERMS)

    assert done["method"] == "release_and_allocate"
    assert node.vendor.calls("/allocate", "/release", "/replace") == [
        "/release",
        "/allocate",
    ] * len(gone)
    assert node.sent("/allocate") == [{"Num": "1", **SENT}] * len(gone)
    assert len(done["allocated"]) == len(gone)
    assert ips(done["released"]) == gone
    assert third.ip in node.vendor.ips
    assert done["held"] == 3


def test_a_release_names_what_is_not_held(node: Node) -> None:
    one, other = node.vendor.hold(2)
    first = node.ok(RELEASE, ips=[one.ip, UNKNOWN, other.host])
    assert len(first["released"]) == 2
    assert first["not_held"] == [UNKNOWN]
    assert UNKNOWN in first["warnings"][0]
    again = node.ok(RELEASE, task_ids=[one.task_id])
    assert again["changed"] is False
    assert again["not_held"] == [one.task_id]
    assert node.ok(RELEASE, all=True)["not_held"] == []


def test_a_replacement_of_leases_that_are_not_held_fails_unless_there_are_others(
    node: Node,
) -> None:
    held = node.vendor.hold(2)
    refused = node.failed(REPLACE, ips=[UNKNOWN])
    assert refused["changed"] is False
    assert refused["not_held"] == [UNKNOWN]
    done = node.ok(REPLACE, ips=[held[0].ip, UNKNOWN])
    assert len(done["allocated"]) == 1
    assert done["not_held"] == [UNKNOWN]
    assert len(done["warnings"]) == 1


@pytest.mark.parametrize("module", [RELEASE, REPLACE])
def test_an_empty_list_names_nothing(node: Node, module: str) -> None:
    """A playbook that computes the list may find nothing; that is not everything."""
    node.vendor.hold(2)
    for choice in ("ips", "task_ids"):
        assert node.failed(module, **{choice: []})["msg"].startswith(f"{choice} is empty ([])")
    assert len(node.vendor.leases) == 2


@pytest.mark.parametrize("module", [RELEASE, REPLACE])
def test_all_false_is_the_same_as_leaving_it_out(node: Node, module: str) -> None:
    """A playbook may compute it."""
    one, other = node.vendor.hold(2)
    result = node.ok(module, all=False, ips=[one.ip])
    assert ips(result["released"]) == {one.ip}
    assert other.ip in node.vendor.ips


def test_the_enterprise_pool_is_reached_by_another_host(node: Node) -> None:
    node.vendor.configure(plan={"enterprise_pool": True})
    result = node.ok(ALLOCATE, count=2)
    for lease in result["leases"]:
        assert lease["server"] == f"203.0.113.254:{lease['port']}"
        assert lease["ip"] != "203.0.113.254"
    assert node.ok(ALLOCATE, count=2)["changed"] is False
    released = node.ok(RELEASE, ips=[result["leases"][0]["server"]])["released"]
    assert ips(released) == {result["leases"][0]["ip"]}


def test_a_tunnel_gets_another_exit_each_time(node: Node) -> None:
    node.vendor.keys.create_tunnel(KEY)
    options = {"tunnel": "192.0.2.1", "password": "0123456789ab"}
    first = node.ok("qg_tunnel_exit", **options)
    second = node.ok("qg_tunnel_exit", **options)
    assert first["changed"] is second["changed"] is True
    assert first["exit"]["ip"] != second["exit"]["ip"]
    assert first["exit"]["server"].startswith(f"{first['exit']['ip']}:")
    assert first["exit"]["expires_at"].endswith("+08:00")
    for fault in ("reset_before", "reset_after", "truncate"):
        node.vendor.fault("PUT /proxyip", fault)
        result = node.ok("qg_tunnel_exit", **options)
        assert result["exit"]
        assert result["api"]["retries"] == 1
    refused = node.failed("qg_tunnel_exit", tunnel="192.0.2.1", password="Hush4Hush")
    assert refused["error"]["code"] == 400
    assert refused["error"]["http_status"] == 400
    assert "Hush4Hush" not in str(refused)
