# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exclusive-occupancy resources: the vendor's rules of release and redial, and which resources
count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from behavior.paid_calls import MONOPOLY, OCCUPANCY, dialed_resources, two_resources
from support import phrases
from support.node import Node
from support.vendor import Answer, Call, books

HOURS = 3600
APPLY = "POST /monopolies"
RELEASE = "DELETE /monopolies"
REDIAL = "PUT /monopolies/ips"
LIST = "GET /monopolies"
IDLE = "GET /monopolies/idle"
QUOTA = "GET /info/quota"
QUANZHOU = "350500"
GUANGZHOU = "440100"
HUAIAN = "320800"


@pytest.fixture
def node(new_node: Callable[..., Node]) -> Node:
    node = new_node(None, **OCCUPANCY)
    two_resources(node)
    return node


def uuids_of(resources: list[dict[str, Any]]) -> list[str]:
    return [resource["uuid"] for resource in resources]


def test_a_young_resource_stays_and_is_named_without_a_call(node: Node) -> None:
    old = node.ok(MONOPOLY, count=2)["applied"]
    node.vendor.advance(11 * HOURS)
    (young,) = node.ok(MONOPOLY, count=3)["applied"]
    early = node.failed(MONOPOLY, state="absent", all=True)
    assert len(early["refused"]) == 3
    assert node.sent(RELEASE) == []
    node.vendor.advance(2 * HOURS)
    result = node.failed(MONOPOLY, state="absent", all=True)
    assert result["changed"] is True
    assert result["released"] == old
    (refused,) = result["refused"]
    assert refused["uuid"] == young
    assert refused["possible_from"] in result["msg"]
    assert node.vendor.uuids == [young]
    node.vendor.advance(12 * HOURS)
    assert node.ok(MONOPOLY, state="absent", uuids=[young, old[0]])["released"] == [young]
    assert node.ok(MONOPOLY, state="absent", uuids=[young])["changed"] is False


def test_a_redial_waits_for_the_new_address_and_for_the_vendors_ten_seconds(node: Node) -> None:
    uuids = node.ok(MONOPOLY, count=2)["applied"]
    first = node.ok(MONOPOLY, state="redialed", all=True)
    assert uuids_of(first["redialed"]) == uuids
    for redialed in first["redialed"]:
        assert redialed["server_before"] != redialed["server_after"]
    began = node.vendor.clock.now()
    node.ok(MONOPOLY, state="redialed", uuids=uuids[:1])
    assert node.vendor.clock.now() - began >= 4
    assert len(node.sent(REDIAL)) == 2
    assert node.failed(MONOPOLY, state="redialed", uuids=["unknown"])["changed"] is False


def test_resources_of_another_area_or_provider_do_not_count(node: Node) -> None:
    first = node.ok(MONOPOLY, count=2, area="440100", isp="mobile")
    for resource in first["monopolies"]:
        assert {
            "area_code": GUANGZHOU,
            "isp": "mobile",
            "state": "online",
        }.items() <= resource.items()
    assert node.sent(APPLY) == [{"Num": "2", "AreaCode": "440100", "Operator": "2"}]
    assert node.ok(MONOPOLY, count=2, area="440100", isp="mobile")["changed"] is False
    assert len(node.ok(MONOPOLY, count=1, area="350500")["applied"]) == 1
    assert node.ok(MONOPOLY, count=3)["changed"] is False
    assert len(node.vendor.uuids) == 3


def test_offline_resources_count_since_they_are_paid_for(node: Node) -> None:
    uuids = node.ok(MONOPOLY, count=2)["applied"]
    node.vendor.configure(offline=uuids[:1])
    result = node.ok(MONOPOLY, count=2)
    assert result["changed"] is False
    assert result["offline"] == uuids[:1]
    assert len(node.ok(MONOPOLY, count=3)["applied"]) == 1
    assert node.ok(MONOPOLY, count=1)["changed"] is False, "a surplus stays"
    (redialed,) = node.ok(MONOPOLY, state="redialed", uuids=uuids[:1])["redialed"]
    assert redialed["server_before"] is None
    assert redialed["server_after"]


def test_what_is_not_online_in_time_is_paid_for_and_reported(node: Node) -> None:
    node.vendor.configure(options={"dial_seconds": 500})
    result = node.failed(MONOPOLY, count=2, max_wait=30)
    assert result["applied"] == node.vendor.uuids
    assert result["changed"] is True
    assert "max_wait" in result["msg"]
    again = node.ok(MONOPOLY, count=2, wait=False)
    assert again["changed"] is False
    assert again["already_present"] == node.vendor.uuids
    assert len(node.sent(APPLY)) == 1


@pytest.mark.parametrize("apply_data", ["uuids", "objects", "empty"])
def test_each_form_of_the_response_is_read(node: Node, apply_data: str) -> None:
    node.vendor.configure(options={"apply_data": apply_data})
    assert node.ok(MONOPOLY, count=2)["applied"] == node.vendor.uuids
    assert len(node.sent(APPLY)) == 1


@pytest.mark.parametrize("area", [GUANGZHOU, int(GUANGZHOU), f" 0{GUANGZHOU} ", "广东省广州市"])
def test_an_area_may_be_a_code_or_a_name(node: Node, area: object) -> None:
    node.ok(MONOPOLY, count=1, area=area, wait=False)
    assert node.sent(APPLY) == [{"Num": "1", "AreaCode": GUANGZHOU}]
    assert node.ok(MONOPOLY, count=1, area=GUANGZHOU, wait=False)["changed"] is False


def test_what_is_queued_is_waited_for_if_it_is_wanted(node: Node) -> None:
    node.ok(MONOPOLY, count=2)
    queued = node.ok(MONOPOLY, count=4, wait=False)
    for resource in queued["monopolies"][2:]:
        assert resource["state"] == "queued"
        assert resource["server"] is None
    began = node.vendor.clock.now()
    assert node.ok(MONOPOLY, count=2)["changed"] is False
    assert node.vendor.clock.now() == began
    result = node.ok(MONOPOLY, count=4)
    assert result["changed"] is False
    for resource in result["monopolies"]:
        assert resource["state"] == "online"


@pytest.mark.parametrize(
    ("options", "words"), [({"max_wait": 20}, "1 offline"), ({}, phrases.NO_LONGER_LISTED)], ids=str
)
def test_new_resources_that_do_not_come_online_are_named(
    node: Node, options: dict[str, Any], words: str
) -> None:
    def take_one() -> None:
        if options:
            node.vendor.configure(offline=node.vendor.uuids[:1])
        else:
            books(node.vendor).monopolies[1:] = []

    # Once the list shows what the response to the application names.
    node.vendor.after(LIST, lambda: node.vendor.after(LIST, take_one))
    node.is_alone = False
    result = node.failed(MONOPOLY, count=2, **options)
    assert words in result["msg"]
    assert len(result["applied"]) == 2
    assert (phrases.RUN_AGAIN in result["msg"]) is bool(options)


def test_the_idle_stock_shows_which_areas_do_not_match(node: Node) -> None:
    node.ok(MONOPOLY, count=2, isp="telecom")
    areas = [resource.area.area_id for resource in books(node.vendor).monopolies]
    assert len(node.ok(MONOPOLY, count=3, area=HUAIAN)["applied"]) == 3 - areas.count(int(HUAIAN))


def test_own_applications_are_known_without_the_idle_stock(node: Node) -> None:
    node.vendor.fault(IDLE, "replace", body={"data": []}, times=-1)
    node.ok(MONOPOLY, count=2, area=GUANGZHOU)
    node.ok(MONOPOLY, count=1, area=HUAIAN)
    assert len(node.ok(MONOPOLY, count=2, area=HUAIAN)["applied"]) == 1
    node.vendor.fault(LIST, "data_null", times=2)
    assert node.failed(MONOPOLY, state="absent", uuids=[])["changed"] is False
    assert node.ok(MONOPOLY, count=2, area=GUANGZHOU)["changed"] is False
    assert len(node.vendor.uuids) == 4
    assert node.sent(IDLE) == []


@pytest.mark.parametrize(
    ("wanted", "given", "warnings"),
    [
        # The list shows the name of an area, but not its code.
        ({"area": GUANGZHOU}, {"AreaCode": HUAIAN}, 0),
        ({"isp": "telecom"}, {"Operator": "2"}, 1),
    ],
    ids=str,
)
def test_resources_elsewhere_than_applied_for_are_not_paid_for_again(
    node: Node, wanted: dict[str, str], given: dict[str, str], warnings: int
) -> None:
    node.vendor.around(APPLY, lambda call: call.carry_out(**given))
    for _run in range(3):
        result = node.ok(MONOPOLY, count=2, **wanted)
        assert result["count"] == 2
        assert len(node.vendor.uuids) == 2
        assert len(result.get("warnings", [])) == warnings


def test_what_is_held_keeps_its_terms_for_longer_than_the_ledger_is_kept(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QG_LEDGER_DAYS", "1")
    node.vendor.around(APPLY, lambda call: call.carry_out(AreaCode=HUAIAN))
    node.ok(MONOPOLY, count=1, area=GUANGZHOU)
    node.vendor.advance(25 * HOURS)
    assert len(node.ok(MONOPOLY, count=2)["applied"]) == 1
    assert node.ok(MONOPOLY, count=1, area=GUANGZHOU)["changed"] is False


def test_a_count_beyond_the_plan_fails_before_a_write(node: Node) -> None:
    node.ok(MONOPOLY, count=4)
    for check in (True, False):
        result = node.failed(MONOPOLY, count=12, check=check)
        assert result["missing"] == 8
        assert result["quota"]["available"] == 6
    node.vendor.fault(QUOTA, "code", code=-100)
    assert node.failed(MONOPOLY, count=5)["error"]["code"] == -100
    assert len(node.sent(APPLY)) == 1
    node.vendor.fault(QUOTA, "code", code=-15, times=-1)
    assert len(node.ok(MONOPOLY, count=5)["applied"]) == 1
    assert phrases.NOTHING_APPLIED_FOR in node.failed(MONOPOLY, count=16)["msg"]


@pytest.mark.parametrize("data", [[], None])
def test_an_empty_list_that_the_quota_contradicts_is_no_reason_to_apply(
    node: Node, data: Any
) -> None:
    held = node.ok(MONOPOLY, count=2)["applied"]
    node.vendor.fault(LIST, "replace", body={"data": data}, times=3)
    assert node.other().ok(MONOPOLY, count=2)["changed"] is False
    node.vendor.fault(LIST, "replace", body={"data": data}, times=-1)
    for max_wait in (300, 5):
        result = node.other().failed(MONOPOLY, count=2, max_wait=max_wait)
        assert f"holds 2 {phrases.MORE_THAN_LISTED}" in result["msg"]
    assert node.vendor.uuids == held
    node.other().run(MONOPOLY, count=2, wait=False, ignore_quota=True)
    assert len(node.vendor.uuids) == 4


@pytest.mark.parametrize("check", [False, True])
def test_one_empty_list_does_not_mean_that_nothing_is_held(node: Node, check: bool) -> None:
    held = node.ok(MONOPOLY, count=2)["applied"]
    node.vendor.advance(13 * HOURS)
    node.vendor.fault(LIST, "data_null")
    assert node.other().ok(MONOPOLY, state="absent", all=True, check=check)["released"] == held


@pytest.mark.parametrize(
    "options", [{"count": 1}, {"state": "absent", "all": True}, {"state": "redialed", "all": True}]
)
def test_a_run_waits_for_another(node: Node, options: dict[str, Any]) -> None:
    def another() -> None:
        with node.other_process():
            assert phrases.ANOTHER_RUN in node.failed(MONOPOLY, max_wait=1, **options)["msg"]

    node.ok(MONOPOLY, count=1)
    node.vendor.advance(13 * HOURS)
    node.vendor.before(APPLY, another)
    node.ok(MONOPOLY, count=2)


@pytest.mark.parametrize(
    "options", [{"count": 1}, {"state": "absent", "all": True}, {"state": "redialed", "all": True}]
)
def test_a_key_of_another_product_is_reported(
    new_node: Callable[..., Node], options: dict[str, Any]
) -> None:
    result = new_node(None).failed(MONOPOLY, **options)
    assert result["changed"] is False
    assert result["error"]["code"] == 400
    assert phrases.EXCLUSIVE_OCCUPANCY in result["msg"]


# Release and redial


def test_the_vendor_decides_if_a_time_cannot_be_read(node: Node) -> None:
    node.ok(MONOPOLY, count=1)
    node.vendor.alter(
        LIST, lambda body: {"data": [{**body["data"][0], "monopolize_time": "a while ago"}]}
    )
    (refused,) = node.failed(MONOPOLY, state="absent", all=True)["refused"]
    assert refused["possible_from"] is None
    assert "12小时" in refused["reason"]
    assert len(node.sent(RELEASE)) == 1


def test_what_is_still_held_is_released_again(node: Node) -> None:
    uuids = node.ok(MONOPOLY, count=3)["applied"]
    node.vendor.advance(13 * HOURS)
    node.vendor.fault(RELEASE, "partial", drop=1)
    assert sorted(node.ok(MONOPOLY, state="absent", all=True)["released"]) == sorted(uuids)
    first, second = node.sent(RELEASE)
    assert first["UUIDs"] == ",".join(uuids)
    assert second["UUIDs"] == uuids[2]


def test_many_are_released_in_calls_of_fifty(new_node: Callable[..., Node]) -> None:
    node = new_node(None, kind="exclusive_occupancy", channels=60)
    node.ok(MONOPOLY, count=60, wait=False)
    node.vendor.advance(13 * HOURS)
    assert len(node.ok(MONOPOLY, state="absent", all=True)["released"]) == 60
    first, second = node.sent(RELEASE)
    assert first["UUIDs"].count(",") == 49
    assert second["UUIDs"].count(",") == 9


def test_a_redial_keeps_the_interval_of_the_vendor(node: Node) -> None:
    dialed_resources(node)
    first = node.ok(MONOPOLY, state="redialed", all=True, wait=False)
    for redialed in first["redialed"]:
        assert redialed["server_after"] is None
    late = node.failed(MONOPOLY, state="redialed", all=True, max_wait=1)
    assert f"10 {phrases.BETWEEN_TWO_DIALS}" not in late["msg"]
    assert late["changed"] is False


def test_a_line_that_a_list_lacks_once_is_released(node: Node) -> None:
    held = node.ok(MONOPOLY, count=2)["applied"]
    node.vendor.advance(13 * HOURS)
    node.vendor.once(LIST, without(held[0]))

    result = node.ok(MONOPOLY, state="absent", uuids=[held[0]])

    assert result["released"] == [held[0]]
    assert node.vendor.uuids == [held[1]]


def test_a_line_that_lists_lack_is_not_taken_for_released(node: Node) -> None:
    """It counts as gone once lists have lacked it for a minute, and until then nothing is said."""
    held = node.ok(MONOPOLY, count=2)["applied"]
    node.vendor.advance(13 * HOURS)
    node.vendor.around(LIST, without(held[0]))

    impatient = node.failed(MONOPOLY, state="absent", all=True, max_wait=0)
    patient = node.ok(MONOPOLY, state="absent", all=True)

    assert phrases.IS_UNKNOWN in impatient["msg"]
    assert patient["released"] == [held[1]]
    assert patient["api"]["waited_seconds"] == 60
    assert node.ok(MONOPOLY, state="absent", all=True)["changed"] is False


@pytest.mark.parametrize("lacks_all", [True, False])
@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("state", ["absent", "redialed"])
def test_one_list_that_shows_less_is_no_reason_to_succeed(
    node: Node, state: str, is_named: bool, lacks_all: bool
) -> None:
    """Another client has applied for the lines, so that the journal does not know them."""
    node.vendor.response(APPLY, Num=2)
    node.vendor.advance(13 * HOURS)
    held = node.vendor.uuids
    options: dict[str, Any] = {"uuids": held} if is_named else {"all": True}
    hidden = held if lacks_all else held[:1]
    node.vendor.once(LIST, without(*hidden))

    result = node.ok(MONOPOLY, state=state, **options)

    if state == "absent":
        assert result["released"] == held
        assert node.vendor.uuids == []
    else:
        assert uuids_of(result["redialed"]) == held


def test_all_waits_for_an_application_that_is_under_way(node: Node) -> None:
    held = node.ok(MONOPOLY, count=1)["applied"]
    node.vendor.advance(60)
    node.vendor.late = (APPLY, 14)
    node.at_step(2, node.die, ("response",))
    assert node.attempt(MONOPOLY, count=2) is None
    assert node.vendor.under_way

    redialed = uuids_of(node.ok(MONOPOLY, state="redialed", all=True)["redialed"])

    assert len(node.vendor.uuids) == 2
    assert held[0] in redialed


def test_a_redial_that_was_carried_out_late_is_reported(node: Node) -> None:
    """While the run waits for a line that is queued."""
    uuids = node.ok(MONOPOLY, count=2)["applied"]
    node.vendor.advance(60)
    books(node.vendor).monopolies[1].dial(node.vendor.clock.now(), 60)
    books(node.vendor).monopolies[1].lease = None
    node.vendor.late = (REDIAL, 28)

    result = node.run(MONOPOLY, state="redialed", all=True)

    assert result["changed"] is True
    assert uuids_of(result["redialed"]) == uuids[:1]


def without(*uuids: str) -> Callable[[Call], Answer]:
    """A list that lacks some lines."""

    def handle(sent: Call) -> Answer:
        status, body = sent.carry_out()
        data = [line for line in body["data"] if line["uuid"] not in uuids]
        return status, {**body, "data": data}

    return handle
