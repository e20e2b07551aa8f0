# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vendor's rules of release, by plan: how many a minute, a day and a week, and what a run does
about them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from behavior.paid_calls import ALLOCATE, RELEASE, REPLACE
from support import phrases
from support.node import Node
from support.vendor import Answer, Call, ips

GIVE_BACK = "/release"
LIST = "/query"
A_DAY = 86401
A_WEEK = 7 * 86400 + 1


def several(node: Node, channels: int, *numbers: int) -> None:
    """A plan that holds more than it may release in a minute: it had more channels when they were
    leased.
    """
    node.vendor.configure(channels=sum(numbers))
    node.vendor.hold(*numbers)
    node.vendor.configure(channels=channels)


def sizes(node: Node) -> list[tuple[int, int | str | None]]:
    """How many addresses each release named, and the code of its response."""
    return [
        (len(record.ips), record.code) for record in node.vendor.journal if record.path == GIVE_BACK
    ]


def code(result: dict[str, Any]) -> Any:
    return result["error"]["code"]


def assert_named(result: dict[str, Any], leases: list[Any]) -> None:
    """Assert that the message names these leases."""
    for lease in leases:
        assert lease.ip in result["msg"]


def test_twice_its_channels_a_minute(node: Node) -> None:
    several(node, 2, 3, 4)
    began = node.vendor.clock.now()
    result = node.ok(RELEASE, all=True)
    assert len(result["released"]) == 7
    assert result["held"] == 0
    # The second call waited for its minute instead of being refused.
    assert sizes(node) == [(4, 0), (3, 0)]
    assert 60 <= node.vendor.clock.now() - began < 65


def test_without_time_to_wait_the_rest_is_named(node: Node) -> None:
    several(node, 2, 3, 4)
    result = node.failed(RELEASE, max_wait=0, all=True)
    assert result["changed"] is True
    assert len(result["released"]) == 4
    assert result["held"] == 3
    assert "max_wait" in result["msg"]
    assert_named(result, node.vendor.leases)
    assert sizes(node) == [(4, 0)]
    node.ok(RELEASE, all=True)
    assert node.vendor.leases == []


def test_releases_of_another_client_count_too(node: Node) -> None:
    several(node, 2, 7)
    for lease in node.vendor.leases[:3]:
        assert node.vendor.call(GIVE_BACK, IP=lease.ip)["Code"] == 0
    node.ok(RELEASE, all=True)
    assert node.vendor.leases == []


def test_what_ends_meanwhile_is_not_released_and_hides_no_result(node: Node) -> None:
    """The first of two calls has no response, and the list that is read then shows nothing."""
    several(node, 2, 3, 4)
    for lease in node.vendor.leases:
        lease.ends = node.vendor.clock.now() + 20

    def lose(call: Call) -> Answer:
        call.carry_out()
        node.vendor.advance(30)
        return 502, None

    node.vendor.once(GIVE_BACK, lose)
    result = node.ok(RELEASE, all=True)
    assert len(result["released"]) == 4
    assert result["held"] == 0
    assert len(sizes(node)) == 1


def test_a_limit_that_stays_fails(node: Node) -> None:
    node.vendor.hold(3)
    node.vendor.fault(GIVE_BACK, "code", code=-105, times=-1)
    result = node.failed(RELEASE, all=True)
    assert code(result) == -105
    assert result["changed"] is False
    assert_named(result, node.vendor.leases)
    assert len(node.sent(GIVE_BACK)) <= 6


def test_five_calls_a_minute_for_each_channel(node: Node) -> None:
    node.vendor.configure(channels=2)
    node.vendor.hold(1, 1)
    for _call in range(10):
        node.vendor.call(GIVE_BACK, IP="203.0.113.200")
    stopped = node.failed(RELEASE, all=True, max_wait=0)
    assert "max_wait" in stopped["msg"]
    assert len(node.vendor.leases) == 2
    node.ok(RELEASE, all=True)
    assert node.vendor.leases == []


def test_turns_of_leasing_and_releasing_are_never_refused(node: Node) -> None:
    node.vendor.configure(channels=1)
    for _turn in range(4):
        leased = node.ok(ALLOCATE, count=1)
        node.ok(RELEASE, ips=[leased["leases"][0]["server"]])
    for record in node.vendor.journal:
        assert record.code == 0
    assert node.vendor.leases == []


def test_a_shared_plan_never_releases(new_node: Callable[..., Node]) -> None:
    node = new_node(kind="dynamic_shared")
    node.vendor.hold(2, 1)
    assert code(node.failed(RELEASE, all=True)) == -15
    # A surplus stays and is reported; what is wanted is there, all the same.
    surplus = node.failed(ALLOCATE, count=1, exact=True)
    assert code(surplus) == -15
    assert surplus["missing"] == 0
    assert len(node.vendor.leases) == 3


@pytest.mark.parametrize(("kind", "refusal"), [("dynamic_shared", -15), ("static_dedicated", -105)])
def test_only_dynamic_dedicated_plans_replace(
    new_node: Callable[..., Node], kind: str, refusal: int
) -> None:
    """Nothing new is paid for as long as nothing was given up."""
    node = new_node(kind=kind)
    held = node.vendor.hold(2)
    assert code(node.failed(REPLACE, all=True)) == -15
    assert code(node.failed(REPLACE, ips=[held[0].ip], max_wait=5)) == refusal
    assert node.sent("/allocate") == []


def test_a_static_lease_younger_than_a_day_stays(new_node: Callable[..., Node]) -> None:
    node = new_node(kind="static_dedicated")
    (held,) = node.vendor.hold(1)
    # Without time to wait, it stops at once.
    stopped = node.failed(RELEASE, all=True, max_wait=0)
    assert code(stopped) == -105
    assert stopped["msg"].startswith(phrases.LIMITS_RELEASES)
    assert len(node.sent(GIVE_BACK)) == 1
    result = node.failed(RELEASE, all=True)
    assert code(result) == -105
    assert held.ip in result["msg"]
    assert node.vendor.leases == [held]


def test_two_static_leases_a_week(new_node: Callable[..., Node]) -> None:
    node = new_node(kind="static_dedicated")
    node.vendor.configure(options={"static_releases": "addresses"})
    node.vendor.hold(3)
    node.ok("qg_quota_info")
    node.vendor.advance(A_DAY)
    result = node.failed(RELEASE, all=True, max_wait=0)
    assert code(result) == -105
    assert len(result["released"]) == 2
    assert result["held"] == 1
    node.vendor.advance(A_WEEK)
    node.ok(RELEASE, all=True)
    assert node.vendor.leases == []


@pytest.mark.parametrize("young_first", [False, True], ids=["young last", "young first"])
def test_a_young_static_lease_does_not_keep_an_old_one(
    new_node: Callable[..., Node], young_first: bool
) -> None:
    """The vendor refuses a call that names one young lease; the old one is released whatever the
    order of the list.
    """
    node = new_node(kind="static_dedicated")
    (old,) = node.vendor.hold(1)
    node.vendor.advance(A_DAY)
    node.vendor.hold(1)
    if young_first:
        node.vendor.alter(LIST, lambda body: {**body, "TaskList": body["TaskList"][::-1]})
    node.ok("qg_quota_info")
    result = node.failed(RELEASE, all=True, max_wait=0)
    assert code(result) == -105
    assert ips(result["released"]) == {old.ip}


@pytest.mark.parametrize(
    ("module", "options"),
    [(ALLOCATE, {"count": 1}), (RELEASE, {"all": True}), (REPLACE, {"all": True})],
)
def test_exclusive_occupancy_has_no_leases(
    new_node: Callable[..., Node], module: str, options: dict[str, Any]
) -> None:
    node = new_node(kind="exclusive_occupancy")
    assert code(node.failed(module, **options)) == -15
    assert node.vendor.calls() == [LIST]


@pytest.mark.parametrize("release_answer", ["list", "code"])
def test_what_is_not_held_is_never_named(node: Node, release_answer: str) -> None:
    node.vendor.configure(options={"absent_release": "error", "release_answer": release_answer})
    first, second, third = node.vendor.hold(2, 1)
    result = node.ok(RELEASE, ips=[first.ip, "203.0.113.77"])
    assert result["not_held"] == ["203.0.113.77"]
    assert [sent["IP"] for sent in node.sent(GIVE_BACK)] == [first.ip]
    node.ok(RELEASE, task_ids=[third.task_id, "NoSuchTask"])
    assert node.vendor.leases == [second]


def test_an_address_that_another_lease_has_too_is_released_by_its_task(node: Node) -> None:
    """By the address, QG.net would release both."""
    first, second = node.vendor.hold(1, 1)
    second.ip = first.ip
    node.ok(RELEASE, ips=[first.host])
    assert node.sent(GIVE_BACK)[0]["TaskID"] == first.task_id
    assert node.vendor.leases == [second]


def test_a_release_that_would_hit_another_lease_is_refused(node: Node) -> None:
    """Two leases of one task have the same address, so nothing names the one alone."""
    first, second = node.vendor.hold(2)
    second.ip = first.ip
    for check in (True, False):
        result = node.failed(RELEASE, ips=[first.host], check=check)
        assert phrases.SAME_ADDRESS in result["msg"]
    assert node.sent(GIVE_BACK) == []


def test_a_channel_that_becomes_free_late_is_waited_for(new_node: Callable[..., Node]) -> None:
    """Release, then allocate, then replace by name, with a vendor whose channels become free a bit
    later.
    """
    node = new_node(channels=2, free_delay=5)
    node.vendor.hold(2)
    node.ok(RELEASE, all=True)
    allocated = node.ok(ALLOCATE, count=2)["leases"]
    result = node.ok(REPLACE, ips=[allocated[0]["ip"]])
    assert len(result["allocated"]) == 1
    assert len(node.vendor.leases) == 2


@pytest.mark.parametrize(("free_delay", "is_free"), [(12, True), (300, False)])
def test_a_channel_that_no_quota_shows_is_asked_for_every_five_seconds(
    new_node: Callable[..., Node], free_delay: int, is_free: bool
) -> None:
    """Its release was reported, and what asks for it is refused until it is free, but for 45
    seconds at most.
    """
    node = new_node(channels=2, free_delay=free_delay)
    node.vendor.hold(2)
    node.vendor.fault("/info/quota", "code", code=-15, times=-1)
    released_at = node.vendor.clock.now()

    result = node.run(REPLACE, ips=[node.vendor.leases[0].ip])

    assert len(result["allocated"]) == is_free
    assert node.vendor.paid == 2 + is_free
    sent_at = [time - released_at for time, _method, path in node.requests if path == "/allocate"]
    assert sent_at == list(range(0, 20 if is_free else 50, 5))


@pytest.mark.parametrize("lacks_all", [True, False])
@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("module", [RELEASE, REPLACE])
def test_one_list_that_shows_less_is_no_reason_to_succeed(
    node: Node, module: str, is_named: bool, lacks_all: bool
) -> None:
    """Another client has bought the leases, so that the journal does not know them."""
    held = node.vendor.hold(1, 1)
    node.vendor.advance(120)
    ips = [lease.ip for lease in held]
    options: dict[str, Any] = {"ips": ips} if is_named else {"all": True}
    shown = "none" if lacks_all else held[0].task_id
    node.vendor.once("/query", lambda call: call.carry_out(TaskID=shown))

    result = node.ok(module, **options)

    assert sorted(lease["ip"] for lease in result["released"]) == sorted(ips)
    assert node.vendor.ips.isdisjoint(ips)
