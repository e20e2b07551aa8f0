# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The witnesses before a payment, each in each world: what happens, and what it costs at most.

Three leases are held. In the row of a world, the same run for three leases begins at once and,
after the pause, again. What was paid for counts the three, and not what others have bought.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from behavior.paid_calls import ALLOCATE
from support import phrases
from support.node import Node
from support.vendor import CLASSIC, PATHS

#: Classic plans have a quota that counts channels; plans of overseas have none.
QUOTA, NO_QUOTA = CLASSIC, "overseas"
LISTS: dict[str, Any] = {
    CLASSIC: {"Code": 0, "TaskList": [], "TotalNum": 0},
    NO_QUOTA: {"code": "SUCCESS", "data": []},
}


def nothing(_node: Node) -> None:
    """Nothing happens."""


def lists_are_empty(times: int) -> Callable[[Node], None]:
    """Let so many lists be empty, or all of them."""

    def happens(node: Node) -> None:
        product = node.options["product"]
        node.vendor.fault(PATHS[product].query, "replace", body=LISTS[product], times=times)

    return happens


def lists_are_wrong_again_and_again(node: Node) -> None:
    """Let one run miss the leases and the next one too, which then sees them again."""
    for _run in range(2):
        lists_are_empty(1)(node)
        node.ok(ALLOCATE, count=3)
        node.vendor.advance(70)
    lists_are_empty(2)(node)


def one_is_taken_back(node: Node) -> None:
    node.vendor.leases[0].ends = node.vendor.clock.now()


def another_buys(node: Node) -> None:
    parameters = {"num": 2} if node.options["product"] == NO_QUOTA else {"Num": 2}
    node.vendor.call(PATHS[node.options["product"]].get, **parameters)


def all_end(node: Node) -> None:
    node.vendor.advance(2 * 3600)


def all_end_and_the_next_call_is_lost(node: Node) -> None:
    all_end(node)
    node.vendor.fault(PATHS[node.options["product"]].get, "reset_after")


@dataclass(frozen=True)
class Row:
    """A world: what happens, whether each run succeeds, and how many leases this node has paid for
    then.
    """

    product: str
    happens: Callable[[Node], None]
    first: tuple[bool, int]
    second: tuple[bool, int]
    plan: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    #: Seconds between the runs.
    pause: int = 70


VOLUME = {"billing": "volume", "balance": 20}
IGNORING = {"ignore_quota": True}
ROWS: dict[str, Row] = {
    "the list lags": Row(QUOTA, nothing, (True, 3), (True, 3), {"list_lag": 50}, pause=5),
    "the list lags, no quota": Row(
        NO_QUOTA, nothing, (True, 3), (True, 3), {"list_lag": 50}, pause=5
    ),
    "one wrong list": Row(QUOTA, lists_are_empty(1), (True, 3), (True, 3)),
    "one wrong list, no quota": Row(NO_QUOTA, lists_are_empty(1), (True, 3), (True, 3)),
    # What was seen again has its minute again.
    "lists that are wrong again and again, no quota": Row(
        NO_QUOTA, lists_are_wrong_again_and_again, (True, 3), (True, 3)
    ),
    # The quota contradicts, for as long as the list is wrong.
    "a list that stays wrong": Row(QUOTA, lists_are_empty(-1), (True, 3), (False, 3)),
    # The journal alone gives it a minute. Then it costs what it hides.
    "a list that stays wrong, no quota": Row(NO_QUOTA, lists_are_empty(-1), (True, 3), (True, 6)),
    "the quota is ignored": Row(QUOTA, lists_are_empty(-1), (True, 3), (True, 6), options=IGNORING),
    # A minute later, it is bought again, once.
    "an early end": Row(QUOTA, one_is_taken_back, (True, 3), (True, 4)),
    "an early end, no quota": Row(NO_QUOTA, one_is_taken_back, (True, 3), (True, 4)),
    "another buyer": Row(QUOTA, another_buys, (True, 3), (True, 3)),
    "another buyer, no quota": Row(NO_QUOTA, another_buys, (True, 3), (True, 3)),
    # What was ever leased is no proof that something is held, and nothing tells the two apart.
    "a plan by volume": Row(QUOTA, all_end, (False, 3), (False, 3), VOLUME),
    "a plan by volume that is named": Row(QUOTA, all_end, (True, 6), (True, 6), VOLUME, IGNORING),
    "a lost call": Row(QUOTA, all_end_and_the_next_call_is_lost, (True, 6), (True, 6)),
    "a lost call, no quota": Row(NO_QUOTA, all_end_and_the_next_call_is_lost, (True, 6), (True, 6)),
}


def paid_by_node(node: Node, row: Row) -> int:
    others = 2 if row.happens is another_buys else 0
    return node.vendor.paid - others


@pytest.mark.parametrize("name", ROWS)
def test_what_a_world_costs(name: str, new_node: Callable[..., Node]) -> None:
    row = ROWS[name]
    plan = dict(row.plan)
    lag = plan.pop("list_lag", 0)
    node = new_node(row.product, channels=9, lifetime=60, **plan)
    node.vendor.configure(options={"list_lag": lag})
    node.ok(ALLOCATE, count=3)
    node.vendor.advance(0 if lag else 120)
    row.happens(node)
    node.is_alone = False

    for is_ok, paid in (row.first, row.second):
        result = node.run(ALLOCATE, count=3, **row.options)
        assert result.get("failed", False) is not is_ok, result.get("msg")
        assert paid_by_node(node, row) == paid
        if not is_ok:
            assert phrases.IS_UNKNOWN in result["msg"]
        node.vendor.advance(row.pause)


@pytest.mark.parametrize("is_ours", [True, False])
def test_what_an_old_list_shows_hides_nothing_that_the_quota_counts(
    new_node: Callable[..., Node], is_ours: bool
) -> None:
    """The first list is an old one: it shows a lease that has just ended, and lacks one that
    another node has bought since.
    """
    node = new_node("exclusive", channels=8)
    buyer = node if is_ours else node.other()
    buyer.ok(ALLOCATE, count=1, keep_alive=5)
    node.vendor.advance(299)
    old = node.vendor.response("/exclusive/query")
    node.vendor.advance(2)
    node.other().ok(ALLOCATE, count=1, keep_alive=5)
    node.vendor.once("/exclusive/query", lambda _call: old)

    node.ok(ALLOCATE, count=1, min_remaining=1)

    assert node.vendor.paid == 2
