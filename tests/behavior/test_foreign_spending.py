# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether somebody else spends with the key: a second buyer is named, and what this store has
bought never is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from behavior.paid_calls import ALLOCATE
from behavior.world_walks import Walk
from support.node import Node
from support.parameters import slow_cases
from support.vendor import CLASSIC, PATHS

INFO = "qg_proxy_info"
PRODUCTS = tuple(PATHS)
#: The seeds of walks: twenty, some that are slow, and more of them if QGNET_EXPLORE says so.
SEEDS = [*range(1, 21), *slow_cases(*range(21, 41 + 40 * int(os.environ.get("QGNET_EXPLORE", 0))))]


def buy_elsewhere(node: Node, number: int) -> None:
    """Let another program lease with the key."""
    product = node.options["product"]
    name = "Num" if product == CLASSIC else "num"
    held = len(node.vendor.leases)
    node.vendor.response(PATHS[product].get, **{name: number})
    assert len(node.vendor.leases) == held + number


def bought_here(result: dict[str, Any]) -> dict[str, bool | None]:
    return {lease["server"]: lease["bought_here"] for lease in result["leases"]}


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_second_buyer_is_named_within_one_reading(
    new_node: Callable[..., Node], product: str
) -> None:
    node = new_node(product, channels=9)
    ours = node.ok(ALLOCATE, count=2)["allocated"]
    buy_elsewhere(node, 3)

    read = node.ok(INFO)

    assert read["foreign"] == 3
    answers = bought_here(read)
    assert [answers.pop(lease["server"]) for lease in ours] == [True, True]
    assert list(answers.values()) == [False, False, False]


@pytest.mark.parametrize("product", PRODUCTS)
def test_of_leases_that_are_older_than_the_store_nobody_knows(
    new_node: Callable[..., Node], product: str
) -> None:
    node = new_node(product, channels=9)
    buy_elsewhere(node, 2)

    before = node.ok(INFO)
    node.ok(ALLOCATE, count=3)
    after = node.ok(INFO)
    buy_elsewhere(node, 1)
    later = node.ok(INFO)

    assert before["foreign"] is None
    assert list(bought_here(before).values()) == [None, None]
    assert after["foreign"] == 0
    assert sorted(map(str, bought_here(after).values())) == ["None", "None", "True"]
    assert later["foreign"] == 1


def test_a_lost_store_accuses_nobody(new_node: Callable[..., Node]) -> None:
    node = new_node()
    node.ok(ALLOCATE, count=3)
    node.lose_store()
    node.ok(ALLOCATE, count=4)

    read = node.ok(INFO)

    assert read["foreign"] == 0
    assert sorted(map(str, bought_here(read).values())) == ["None", "None", "None", "True"]


def test_a_call_without_a_result_leaves_as_many_in_doubt_as_it_asked_for(
    new_node: Callable[..., Node],
) -> None:
    node = new_node(channels=9)
    node.ok(ALLOCATE, count=1)
    node.vendor.kill("/allocate", carried_out=True)
    assert node.attempt(ALLOCATE, count=3) is None

    alone = node.ok(INFO)
    buy_elsewhere(node, 4)
    crowded = node.ok(INFO)

    assert alone["foreign"] == 0
    assert sorted(map(str, bought_here(alone).values())) == ["None", "None", "True"]
    assert crowded["foreign"] == 4, "the call has asked for two, and six are not known"
    assert False not in bought_here(crowded).values()


def test_what_was_bought_is_known_although_the_list_has_hidden_it_for_long(
    new_node: Callable[..., Node],
) -> None:
    """Its purchase has been ended by two readings, and the row of it is deleted an hour later."""
    node = new_node(channels=9)
    node.ok(ALLOCATE, count=1)
    node.vendor.alter("/query", lambda body: {**body, "TaskList": []})
    for _reading in range(3):
        node.attempt(ALLOCATE, count=1)
        node.vendor.advance(100)
    node.vendor.hooks.clear()
    node.vendor.advance(4000)
    held = len(node.vendor.leases)
    node.ok(ALLOCATE, count=held + 1, ignore_quota=True)

    assert set(bought_here(node.ok(INFO)).values()) == {True}
    assert node.ok(INFO)["foreign"] == 0


def test_a_later_lease_with_the_server_of_a_former_one_is_foreign(
    new_node: Callable[..., Node],
) -> None:
    node = new_node("share", channels=9)
    (ours,) = node.ok(ALLOCATE, count=1)["allocated"]
    node.vendor.advance(70)
    buy_elsewhere(node, 1)
    (foreign,) = node.vendor.leases
    foreign.host = ours["server"]
    foreign.port = ours["port"]

    assert bought_here(node.ok(INFO)) == {ours["server"]: False}


def judge(seed: int, folder: Path) -> int:
    """Read after each run of a walk; returns how many leases of others were named."""
    walk = Walk(seed, folder)
    named = 0
    for _run in walk.runs():
        read = walk.node.attempt(INFO)
        if read is None or read.get("failed"):
            continue
        others = [known for known in walk.leases if known.buyer is not walk.node]
        held = {lease.lease.host for lease in walk.held() if lease.buyer is not walk.node}
        accused = [server for server, answer in bought_here(read).items() if answer is False]
        history = "\n".join(map(str, walk.log))
        number = max(read["foreign"] or 0, len(accused))
        assert not number or others, f"foreign {read['foreign']}: {accused}\n{history}"
        listed = [known for known in others if known.lease.ends > walk.now - 500]
        assert number <= len(listed), (
            f"foreign {read['foreign']}: {accused}, true {held}\n{history}"
        )
        named += number
    return named


@pytest.mark.parametrize("seed", SEEDS)
def test_no_walk_raises_a_false_alarm(seed: int, folder: Path) -> None:
    judge(seed, folder)
