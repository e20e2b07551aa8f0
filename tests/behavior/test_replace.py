# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replacements: with the terms of the old leases, once, and to be continued after an
interruption.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from behavior.outcomes import FAULTS
from behavior.paid_calls import ALLOCATE, REPLACE
from behavior.worlds import old_lists_show_what_has_ended, when_opened
from support import phrases
from support.node import Node
from support.vendor import CLASSIC, PATHS, ips

QUANZHOU = "350500"
HUAIAN = "320800"
NAMES = {"num": "Num", "area": "AreaId", "keep_alive": "KeepAlive", "isp": "Isp"}
#: The products that release leases at once.
AT_ONCE = pytest.mark.parametrize("product", [CLASSIC, "exclusive"])
#: A list that omits every lease.
EMPTY: dict[str, Any] = {"Code": 0, "TaskList": [], "TaskNum": 0, "TotalNum": 0}
#: A lease that the vendor does not have.
NEVER_HELD = {
    "IP": "203.0.113.9",
    "port": "1",
    "host": "203.0.113.9:1",
    "deadline": "2099-01-01 00:00:00",
}


def sent(node: Node, call: str, *names: str) -> list[tuple[str | None, ...]]:
    """The parameters of calls, by the names of the product hosts."""
    if call in PATHS[CLASSIC].writing:
        names = tuple(NAMES[name] for name in names)
    return [tuple(map(parameters.get, names)) for parameters in node.sent(call)]


@pytest.mark.parametrize("chosen", [{"all": True}, {"count": 1}, {"ips": []}], ids=str)
def test_what_an_old_list_shows_after_its_end_gets_no_successor(
    node: Node, chosen: dict[str, Any]
) -> None:
    node.vendor.configure(options={"list_lag": 30})
    old_lists_show_what_has_ended(node.vendor, CLASSIC)
    node.ok(ALLOCATE, count=2, keep_alive=1)
    (lasting,) = node.ok(ALLOCATE, count=3, keep_alive=60)["allocated"]
    node.vendor.advance(70)
    if "ips" in chosen:
        chosen = {"ips": [lasting["ip"]]}

    result = node.ok(REPLACE, **chosen)

    assert len(result["allocated"]) == len(result["released"]) == 1
    assert node.vendor.paid == 4
    assert len(node.vendor.leases) == 1


@AT_ONCE
def test_successors_are_requested_as_their_leases_were(
    new_node: Callable[..., Node], product: str
) -> None:
    node = new_node(product, channels=8)
    get = PATHS[product].get
    old = node.ok(ALLOCATE, count=2, areas=[QUANZHOU], keep_alive=60, isp="telecom")["leases"]
    node.vendor.forget()
    result = node.ok(REPLACE, ips=[*sorted(ips(old)), "192.0.2.254"])
    assert len(result["allocated"]) == len(result["released"]) == 2
    assert result["not_held"] == ["192.0.2.254"]
    assert "192.0.2.254" in str(result["warnings"])
    # One first, so that the other is kept if there is no successor.
    assert sent(node, get, "num", "area", "keep_alive", "isp") == [("1", QUANZHOU, "60", "1")] * 2
    assert node.vendor.paid == 4
    # The successors are as well known as their predecessors were.
    node.vendor.forget()
    node.ok(REPLACE, ips=[result["allocated"][0]["ip"]], keep_alive=30)
    assert sent(node, get, "num", "area", "keep_alive", "isp") == [("1", QUANZHOU, "30", "1")]


@AT_ONCE
@pytest.mark.parametrize("by_vendor", [False, True])
def test_leases_of_different_terms_are_not_replaced_together(
    new_node: Callable[..., Node], product: str, by_vendor: bool
) -> None:
    node = new_node(product, channels=8)
    paths = PATHS[product]
    assert paths.replace
    first = node.ok(ALLOCATE, count=1, areas=[QUANZHOU], keep_alive=60)["leases"][0]
    if by_vendor:
        node.ok(REPLACE, count=1)
        assert sent(node, paths.replace, "num", "area", "keep_alive") == [("1", QUANZHOU, "60")]
        (first,) = node.ok("qg_proxy_info")["leases"]
    second = node.ok(ALLOCATE, count=1, areas=[HUAIAN], keep_alive=60)["leases"][0]
    node.vendor.forget()
    call = paths.get
    choice: dict[str, Any] = {"ips": [first["ip"], second["server"]]}
    if by_vendor:
        call = paths.replace
        choice = {"all": True}
    for check in (True, False):
        result = node.failed(REPLACE, **choice, check=check)
        assert result["changed"] is False
        assert phrases.DIFFERENT_TERMS in result["msg"]
    assert node.vendor.calls(*paths.writing) == []
    node.ok(REPLACE, **choice, areas=[QUANZHOU])
    assert set(sent(node, call, "area")) == {(QUANZHOU,)}


@pytest.mark.parametrize(
    ("product", "plan"),
    [
        (CLASSIC, {"channels": 8}),
        pytest.param(CLASSIC, {"channels": 3}, id="no free channel"),
        pytest.param(CLASSIC, {"billing": "volume", "balance": 9}, id="volume"),
        ("exclusive", {"channels": 8}),
    ],
)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_replacement_by_the_vendor_is_paid_for_once(
    new_node: Callable[..., Node], product: str, plan: dict[str, Any], fault: str
) -> None:
    node = new_node(product, **plan)
    node.ok(ALLOCATE, count=3)
    before = node.vendor.ips
    call = PATHS[product].replace
    assert call
    FAULTS[fault].happens_to(node, call)
    first = node.run(REPLACE, count=2)
    node.vendor.faults.clear()
    if first.get("failed"):
        # Whoever runs it again within ten minutes continues it.
        node.ok(REPLACE, count=2)
    assert len(node.vendor.leases) == 3
    assert node.vendor.paid == 5
    assert len(node.vendor.ips & before) == 1


@AT_ONCE
def test_what_was_just_leased_is_replaced_without_a_wait(
    new_node: Callable[..., Node], product: str
) -> None:
    """A list may lack what is a minute old, but one that shows a later lease does not."""
    node = new_node(product, channels=8)
    paths = PATHS[product]
    node.ok(ALLOCATE, count=3)
    node.vendor.forget()
    began = node.vendor.clock.now()
    result = node.ok(REPLACE, count=1)
    assert node.vendor.calls() == [paths.query, paths.replace, paths.query]
    assert len(result["released"]) == 1
    assert node.vendor.clock.now() == began
    assert node.ok(ALLOCATE, count=3)["changed"] is False


def test_list_and_quota_are_read_once_where_nothing_contradicts_them(node: Node) -> None:
    node.vendor.hold(2)

    node.ok(REPLACE, ips=[node.vendor.leases[0].ip])

    assert node.vendor.calls() == ["/query", "/info/quota", "/release", "/allocate"]
    assert node.vendor.paid == 3


@pytest.mark.parametrize("carried_out", [False, True])
@pytest.mark.parametrize("options", [{"all": True}, {"count": 2}], ids=str)
def test_a_replacement_of_a_killed_run_is_continued(
    node: Node, options: dict[str, Any], carried_out: bool
) -> None:
    node.ok(ALLOCATE, count=3)
    node.vendor.kill("/replace", carried_out=carried_out)
    assert node.attempt(REPLACE, **options) is None
    result = node.ok(REPLACE, **options)
    number = options.get("count", 3)
    assert len(node.vendor.leases) == 3
    assert node.vendor.paid == 3 + number
    assert ips(result["leases"]) == node.vendor.ips
    # It is over then: the same task replaces again.
    assert node.ok(REPLACE, **options)["changed"] is True
    assert node.vendor.paid == 3 + 2 * number


def test_a_late_replacement_of_a_killed_run_is_waited_for(node: Node) -> None:
    node.ok(ALLOCATE, count=3)
    node.vendor.late = ("/replace", 14)
    node.at_step(0, node.die, ("response",))
    # The run dies at the first response, which is that of the list.
    assert node.attempt(REPLACE, all=True) is None
    node.ok(REPLACE, all=True)
    assert len(node.vendor.leases) == 3
    assert node.vendor.paid == 6


def test_a_replacement_of_which_the_list_shows_nothing_is_not_repeated(node: Node) -> None:
    """The vendor reports success and names new leases, but its list stays what it was."""
    node.vendor.hold(2, 1)
    body = {"Code": 0, "TaskID": "NeverListed", "Num": 1, "Data": [NEVER_HELD]}
    node.vendor.fault("/replace", "replace", body=body, times=-1)
    node.is_alone = False
    node.failed(REPLACE, count=1)
    assert len(node.sent("/replace")) <= 3
    assert node.vendor.paid == 3
    assert len(node.vendor.leases) == 3


def test_a_late_release_does_not_take_the_successor(node: Node) -> None:
    """A release that is carried out late must not hit a new lease that the vendor gave the same
    address.
    """
    node.vendor.configure(options={"address_reuse": "first"})
    held = node.ok(ALLOCATE, count=3)["leases"]
    node.vendor.late = ("/release", 14)
    result = node.ok(REPLACE, ips=[held[0]["ip"]])
    assert result["missing"] == 0
    assert ips(result["leases"]) == node.vendor.ips
    assert len(node.vendor.leases) == 3
    assert node.vendor.paid == 4


@pytest.mark.parametrize("code", [-103, -104])
def test_a_replacement_that_is_refused_when_the_old_leases_are_gone(node: Node, code: int) -> None:
    """The vendor gives up the old leases, and then has nothing new: their channels are filled, or
    it is reported.
    """
    node.vendor.hold(2)
    node.vendor.configure(options={"replace_failure": "drop"})
    stock = [{"area_id": 350500, "area": "福建省泉州市", "isp": 1, "available": 0}]
    node.vendor.configure(plan={"stock": {"areas": stock}})
    if code == -104:
        # The vendor's own code comes late; what it did shows all the same.
        node.vendor.fault("/replace", "replace", body={"Code": code}, executed=True)
    result = node.failed(REPLACE, all=True)
    assert result["error"]["code"] == -103
    assert result["error"]["endpoint"] == "/allocate"
    assert result["missing"] == len(result["released"]) == 2
    assert result["changed"] is True


@pytest.mark.parametrize("order", ["oldest", "random"])
def test_a_replacement_of_fewer_pays_for_no_more_than_requested(node: Node, order: str) -> None:
    """The vendor releases three and leases two.

    Its choice for the third may be a lease that was just paid for.
    """
    node.vendor.configure(options={"replace_order": order, "list_lag": 3})
    for number in range(1, 5):
        node.ok(ALLOCATE, count=number)
    node.vendor.fault("/replace", "partial", drop=1)
    node.ok(REPLACE, count=3)
    assert len(node.vendor.leases) == 4
    assert node.vendor.paid == 4 + 3


def test_more_than_are_held_cannot_be_replaced(node: Node) -> None:
    node.vendor.hold(1)
    assert f"{phrases.KEY_HOLDS} 1" in node.failed(REPLACE, count=2)["msg"]
    assert node.sent("/replace") == []


def test_named_leases_are_replaced_as_far_as_they_can_be_released(
    new_node: Callable[..., Node],
) -> None:
    """Two a week of a static plan, and none that is younger than a day."""
    node = new_node(kind="static_dedicated", channels=9)
    node.vendor.configure(options={"static_releases": "addresses"})
    for young, count in ((0, 4), (1, 2)):
        node.ok(ALLOCATE, count=count)
        node.vendor.advance(8 * 86400)
        if young:
            node.ok(ALLOCATE, count=count + young)
            # The vendor promises no order.
            node.vendor.leases.reverse()
        before = len(node.vendor.leases)
        result = node.failed(REPLACE, ips=sorted(node.vendor.ips))
        assert phrases.STILL_HELD in result["msg"]
        assert len(result["released"]) == 2
        assert len(result["allocated"]) == 2
        assert len(node.vendor.leases) == before


@pytest.mark.parametrize(
    ("left", "swapped", "missing"), [(0, 0, 1), (1, 1, 0), (4, 1, 0), (5, 5, 0)]
)
def test_a_volume_limits_a_replacement_of_named_leases(
    node: Node, left: int, swapped: int, missing: int
) -> None:
    node.vendor.configure(plan={"billing": "volume", "balance": 5 + left})
    node.ok(ALLOCATE, count=5)
    result = node.run(REPLACE, ips=sorted(node.vendor.ips))
    # Never is more lost than the one that was tried.
    assert len(result["allocated"]) == swapped
    assert result["missing"] == missing
    assert len(node.vendor.leases) == 5 - missing
    assert result.get("failed", False) is (left < 5)
    if left in (1, 4):
        assert f"the other 4 {phrases.OTHERS_WERE_KEPT}" in result["msg"]
        assert result["quota"]["available"] == left


def test_leases_that_only_go_together_are_replaced_together(node: Node) -> None:
    """Two of one call have one exit, so that no release names one of them alone."""
    when_opened(node.vendor, lambda lease: setattr(lease, "ip", "203.0.113.9"))
    node.ok(ALLOCATE, count=2)

    result = node.ok(REPLACE, ips=["203.0.113.9"])

    assert len(result["released"]) == len(result["allocated"]) == len(node.vendor.leases) == 2
    assert node.vendor.paid == 4


@pytest.mark.parametrize("calls", [[2, 2, 1], [2, 2]], ids=["one", "the two of one exit"])
def test_the_fewest_that_go_without_the_others_are_replaced_first(
    node: Node, calls: list[int]
) -> None:
    """The leases of each call have one exit. If the volume is used up then, the others stay."""
    first = min(calls)
    node.vendor.configure(plan={"billing": "volume", "balance": sum(calls) + first})
    leases = node.vendor.hold(*calls)
    exits = {lease.task_id: lease.ip for lease in leases}
    for lease in leases:
        lease.ip = exits[lease.task_id]

    result = node.failed(REPLACE, ips=sorted(exits.values()))

    assert len(result["released"]) == len(result["allocated"]) == first
    assert phrases.OTHERS_WERE_KEPT in result["msg"]
    assert node.vendor.paid == sum(calls) + first


def test_channels_that_are_freed_one_by_one_are_enough(new_node: Callable[..., Node]) -> None:
    """Two are free when three leases are to be replaced."""
    node = new_node(channels=5)
    node.vendor.hold(3)

    assert len(node.ok(REPLACE, ips=sorted(node.vendor.ips))["allocated"]) == 3

    assert len(node.vendor.leases) == 3
    assert node.vendor.paid == 6


@pytest.mark.slow
def test_more_than_a_hundred_are_replaced_in_calls_of_a_hundred(node: Node) -> None:
    node.vendor.configure(plan={"channels": 150})
    node.vendor.hold(100, 50)
    result = node.ok(REPLACE, ips=sorted(node.vendor.ips), max_wait=3600)
    assert len(result["released"]) == len(result["allocated"]) == len(node.vendor.leases) == 150
    assert sent(node, "/allocate", "num") == [("1",), ("100",), ("49",)]


@pytest.mark.parametrize("plan", [{"channels": 9}, {"billing": "volume", "balance": 9}], ids=str)
def test_a_replacement_that_is_never_listed_is_not_repeated(
    node: Node, plan: dict[str, Any]
) -> None:
    node.vendor.configure(plan=plan)
    node.ok(ALLOCATE, count=3)
    node.vendor.advance(600)
    node.vendor.fault("/replace", "reset_after")
    node.vendor.fault("/query", "replace", body=EMPTY, times=-1, skip=2)
    assert phrases.IS_UNKNOWN in node.failed(REPLACE, all=True)["msg"]
    node.run(REPLACE, all=True)
    assert node.vendor.paid == 6
    assert len(node.sent("/replace")) == 1


@pytest.mark.parametrize(
    ("plan", "missing", "paid"),
    [({"channels": 9}, 0, 6), ({"channels": 3}, 0, 6), ({"billing": "volume", "balance": 9}, 3, 3)],
    ids=str,
)
def test_a_replacement_that_stopped_after_its_release_is_completed(
    node: Node, plan: dict[str, Any], missing: int, paid: int
) -> None:
    """With free channels nothing has replaced the old leases; by volume the outcome is unknown."""
    node.vendor.configure(plan=plan)
    node.ok(ALLOCATE, count=3)
    node.vendor.before(
        "/replace", lambda: node.vendor.call("/release", IP=",".join(node.vendor.ips))
    )
    node.vendor.fault("/replace", "reset_before")
    result = node.run(REPLACE, all=True)
    assert (phrases.IS_UNKNOWN in result.get("msg", "")) is bool(missing)
    assert result["missing"] == missing
    assert node.vendor.paid == paid
    assert len(node.sent("/replace")) == 1


@pytest.mark.parametrize(
    ("options", "lost"), [({"count": 2}, ""), ({}, "/release")], ids=["of any", "of named"]
)
def test_what_a_list_omits_gets_no_successor(
    node: Node, options: dict[str, Any], lost: str
) -> None:
    node.ok(ALLOCATE, count=5)
    node.vendor.advance(61)
    node.vendor.fault("/query", "replace", body=EMPTY, times=2, skip=1)
    if lost:
        node.vendor.fault(lost, "reset_before")
    node.run(REPLACE, **(options or {"ips": [node.vendor.leases[0].ip]}))
    assert len(node.vendor.leases) == 5
    assert node.vendor.paid <= 5 + options.get("count", 1)


@pytest.mark.parametrize("lag", [0, 3, 50])
def test_what_a_refused_replacement_gave_up_is_leased_again(node: Node, lag: int) -> None:
    """What it gave up is the only stock. Where it gave up nothing, the next run is not delayed."""
    node.ok(ALLOCATE, count=2)
    node.vendor.fault("/replace", "code", code=-103)
    node.failed(REPLACE, all=True)
    began = node.vendor.clock.now()
    assert node.ok(ALLOCATE, count=2)["changed"] is False
    assert node.vendor.clock.now() == began
    node.vendor.advance(120)
    node.vendor.configure(options={"replace_failure": "drop", "list_lag": lag})
    for area in node.vendor.stock:
        area.available = 0
    node.ok(REPLACE, all=True)
    assert node.ok(ALLOCATE, count=2)["changed"] is False
    assert len(node.vendor.leases) == 2
    assert node.vendor.paid == 4


def test_what_ended_before_a_replacement_gets_no_successor(new_node: Callable[..., Node]) -> None:
    """The first list is an old one, and still shows a lease that has just ended."""
    node = new_node("exclusive", channels=8)
    node.ok(ALLOCATE, count=1, keep_alive=5)
    node.vendor.advance(60)
    node.ok(ALLOCATE, count=2, keep_alive=5)
    node.vendor.advance(239)
    old = node.vendor.response("/exclusive/query")
    node.vendor.advance(2)
    assert len(node.vendor.leases) == 1
    node.vendor.once("/exclusive/query", lambda _call: old)

    node.ok(REPLACE, count=1, keep_alive=5)

    assert node.vendor.paid == 3
    assert len(node.vendor.leases) == 1


@AT_ONCE
@pytest.mark.parametrize("is_dated", [True, False])
@pytest.mark.parametrize("is_named", [True, False])
def test_what_is_replaced_gets_a_successor_by_any_clock(
    new_node: Callable[..., Node], product: str, is_dated: bool, is_named: bool
) -> None:
    """By a clock that is an hour ahead, each lease seems to be over."""
    node = new_node(product, channels=8)
    node.ok(ALLOCATE, count=2, keep_alive=5)
    node.is_dated = is_dated
    node.machine.set_wall(3600)
    before = node.vendor.ips

    result = node.ok(REPLACE, **({"ips": sorted(before)[:1]} if is_named else {"count": 1}))

    assert ips(result["released"]) == before - node.vendor.ips
    assert node.vendor.paid == 3
    assert len(node.vendor.leases) == 2


@pytest.mark.parametrize("skip", range(6))
def test_a_list_that_lacks_a_lease_once_after_a_refusal_costs_nothing(
    node: Node, skip: int
) -> None:
    """QG.net has kept all of them, whatever a single list shows."""
    node.ok(ALLOCATE, count=3)
    node.vendor.advance(300)
    node.vendor.fault("/replace", "code", code=-103)
    node.vendor.fault("/query", "partial", drop=1, skip=skip)

    node.failed(REPLACE, count=1)

    assert len(node.ok(ALLOCATE, count=3)["leases"]) == 3
    assert node.vendor.paid == 3


def test_what_a_refused_replacement_gave_up_is_missing_until_it_is_leased_again(
    node: Node,
) -> None:
    node.ok(ALLOCATE, count=2)
    node.vendor.advance(300)
    node.vendor.configure(options={"replace_failure": "drop"})
    stock = [{"area_id": 350500, "area": "福建省泉州市", "isp": 1, "available": 0}]
    node.vendor.configure(plan={"stock": {"areas": stock}})
    result = node.failed(REPLACE, all=True)
    assert result["missing"] == 2
    assert len(result["released"]) == 2
    node.vendor.advance(20)
    node.vendor.stock[0].available = 9

    again = node.ok(REPLACE, all=True)

    assert again["missing"] == 0
    assert len(node.vendor.leases) == 2
    assert node.vendor.paid == 4


def an_interrupted_replacement(new_node: Callable[..., Node]) -> tuple[Node, list[str]]:
    """A key of exclusive that is not told its product, and two of three leases whose replacement
    has died after their release.
    """
    node = new_node("exclusive", channels=8)
    del node.options["product"]
    node.ok(ALLOCATE, count=3)
    named = sorted(node.vendor.ips)[:2]
    node.vendor.kill("/exclusive/delete", carried_out=True)
    assert node.attempt(REPLACE, ips=named) is None
    return node, named


def test_a_replacement_is_continued_however_the_product_is_given(
    new_node: Callable[..., Node],
) -> None:
    node, named = an_interrupted_replacement(new_node)

    node.ok(REPLACE, ips=named, product="exclusive")

    assert len(node.vendor.leases) == 3
    assert node.vendor.paid == 5


def test_what_is_released_during_a_replacement_is_not_bought_again(
    new_node: Callable[..., Node],
) -> None:
    node, named = an_interrupted_replacement(new_node)
    node.vendor.advance(120)
    node.ok("qg_proxy_release", all=True, product="exclusive")

    node.run(REPLACE, ips=named)

    assert node.vendor.leases == []
    assert node.vendor.paid == 3


def test_a_continued_replacement_releases_nothing_more_without_a_successor(node: Node) -> None:
    """The run that released the first of three has died."""
    node.ok(ALLOCATE, count=3)
    named = sorted(node.vendor.ips)
    node.vendor.kill("/release", carried_out=True)
    assert node.attempt(REPLACE, ips=named) is None
    node.vendor.fault("/allocate", "code", code=-103, times=-1)

    assert node.failed(REPLACE, ips=named)["missing"] == 1

    assert len(node.vendor.leases) == 2


@pytest.mark.parametrize("is_before", [True, False])
def test_a_lease_that_is_taken_back_does_not_count_as_replaced(node: Node, is_before: bool) -> None:
    """If it is gone before, that is certain when lists have lacked it for a minute."""
    node.ok(ALLOCATE, count=3)
    node.vendor.advance(120)
    node.is_alone = False

    def take_back() -> None:
        node.vendor.leases[1].ends = node.vendor.clock.now()

    if is_before:
        take_back()
        assert phrases.IS_UNKNOWN in node.failed(REPLACE, count=1, max_wait=0)["msg"]
        assert node.vendor.paid == 3
    else:
        node.vendor.after("/replace", take_back)

    result = node.ok(REPLACE, count=1)

    assert len(result["allocated"]) == 1
    assert node.vendor.paid == 4
    assert len(node.vendor.leases) == 2


def test_a_continued_replacement_releases_nothing_whose_successor_the_cap_forbids(
    node: Node,
) -> None:
    node.vendor.configure(plan={"channels": 20})
    node.ok(ALLOCATE, count=7)
    named = sorted(node.vendor.ips)[:3]
    node.vendor.kill("/allocate", carried_out=True)
    assert node.attempt(REPLACE, ips=named, max_new_per_day=10) is None

    result = node.failed(REPLACE, ips=named, max_new_per_day=9)

    assert "max_new_per_day=9 " in result["msg"]
    assert len(node.vendor.leases) == 7
    assert node.vendor.paid == 8


@pytest.mark.parametrize("lag", [0, 3, 50])
@pytest.mark.parametrize("options", [{"all": True}, {"count": 2}], ids=str)
def test_what_a_refusal_gave_up_is_known_however_the_list_lags(
    node: Node, options: dict[str, Any], lag: int
) -> None:
    """Successors are bought, or the next run says that they are missing."""
    node.ok(ALLOCATE, count=3)
    node.vendor.advance(120)
    node.vendor.configure(options={"replace_failure": "drop", "list_lag": lag})
    node.vendor.once("/replace", lambda call: call.carry_out(AreaId="659099"))

    result = node.failed(REPLACE, **options)

    number = options.get("count", 3)
    assert result["error"]["endpoint"] == "/replace"
    assert result["changed"] is True
    assert len(result["released"]) == len(result["allocated"]) == number
    assert len(node.vendor.leases) == 3
    assert node.vendor.paid == 3 + number


def test_that_it_cannot_be_found_out_does_not_hide_the_refusal(node: Node) -> None:
    node.ok(ALLOCATE, count=2)
    node.vendor.advance(120)
    node.vendor.fault("/replace", "code", code=-103)
    node.vendor.fault("/query", "status", http_status=403, times=-1, skip=2)

    result = node.failed(REPLACE, all=True)

    assert result["error"]["code"] == -103
    assert result["error"]["endpoint"] == "/replace"
    assert phrases.IS_UNKNOWN in result["msg"]
