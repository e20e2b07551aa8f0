# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Redial resources: each gets a new address, which the list shows."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.monopolies import Monopoly
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import UncertainOutcomeError
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.change import was_redialed
from support.in_process import books
from support.monopoly_calls import LIST, REDIAL, START, lost
from support.monopoly_runs import MonopolyNode, message, succeeded

LATER = datetime.datetime.fromtimestamp(START, datetime.timezone.utc)


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ({}, {}, False),
        ({}, {"state": "offline", "server": None}, False),
        ({}, {"state": "redialling", "server": None}, True),
        ({}, {"state": "queued", "server": None}, True),
        ({}, {"dialled": LATER}, True),
        ({}, {"server": "192.0.2.2:1"}, True),
        ({"state": "offline", "server": None}, {"server": None}, True),
        ({"dialled": LATER}, {"state": "offline", "server": None}, False),
    ],
)
def test_which_changes_of_the_list_show_a_redial(before: dict[str, Any], after: dict[str, Any], moved: bool) -> None:
    online = Monopoly("a:ppp1", "福建省泉州市", "telecom", "online", "192.0.2.1:1", None, None, {})
    assert was_redialed(replace(online, **before), replace(online, **after)) is moved


def test_redial_returns_old_and_new_addresses_every_time(node: MonopolyNode) -> None:
    uuids = node.ready()
    progress: list[str] = []
    first = succeeded(node.redial(on_wait=progress.append))
    assert [one.uuid for one in first.redialed] == uuids
    for one in first.redialed:
        assert one.before
        assert one.after
        assert one.before != one.after
    assert progress[0].endswith("0 of 2 online, 2 redialling")
    second = succeeded(node.redial(uuids[:1]))
    assert second.redialed[0].before == first.redialed[0].after
    assert ([one.uuid for one in second.after], node.writes()) == (uuids[:1], ["PUT", "PUT"])


def test_the_interval_after_a_dial_is_waited_for(node: MonopolyNode) -> None:
    node.ready()
    node.redial(wait=False)
    node.core.clock.advance(5)
    started = node.core.clock.now()
    outcome = succeeded(node.redial(wait=False))
    assert outcome.changed
    assert 5 <= node.core.clock.now() - started <= 7
    assert [call["http_status"] for call in node.sent(REDIAL)] == [200, 200]
    node.core.clock.advance(5)
    late = node.redial(max_wait=1)
    assert "the vendor requires 10 seconds between two dials" in message(late)
    assert (late.changed, node.writes()) == (False, ["PUT", "PUT"])


def test_without_waiting_a_new_address_is_not_known_yet(node: MonopolyNode) -> None:
    node.ready()
    outcome = succeeded(node.redial(wait=False))
    assert [one.after for one in outcome.redialed] == [None, None]
    assert [one.state for one in outcome.after] == ["redialling", "redialling"]


def test_queued_and_redialling_resources_are_not_redialed(node: MonopolyNode) -> None:
    first = node.ready(1)
    node.hold(2, wait=False)
    node.core.journal.clear()
    outcome = succeeded(node.redial())
    assert [one.uuid for one in outcome.redialed] == first
    assert [one.uuid for one in outcome.pending] == node.uuids[1:]
    assert {one.state for one in outcome.after} == {"online"}
    assert node.sent(REDIAL)[0]["params"]["UUIDs"] == first[0]


def test_nothing_is_sent_if_all_resources_are_pending(node: MonopolyNode) -> None:
    node.hold(2, wait=False)
    outcome = succeeded(node.redial())
    assert (outcome.changed, {one.state for one in outcome.after}) == (False, {"online"})
    assert (node.writes(), succeeded(node.redial([])).changed) == (["POST"], False)


def test_an_offline_resource_is_redialed(node: MonopolyNode) -> None:
    uuids = node.ready()
    node.offline(uuids[1])
    outcome = succeeded(node.redial())
    assert [one.before for one in outcome.redialed][1] is None
    assert outcome.redialed[1].after
    assert {one.state for one in outcome.after} == {"online"}


@lost
def test_a_lost_response_to_a_redial(node: MonopolyNode, done: bool, fields: dict[str, Any]) -> None:
    uuids = node.ready()
    node.core.fault(REDIAL, **fields)
    outcome = succeeded(node.redial())
    assert [one.uuid for one in outcome.redialed] == uuids
    assert all(one.after and one.after != one.before for one in outcome.redialed)
    assert node.writes() == ["PUT"] * (1 if done else 2)


def test_a_redial_without_effect_is_reported(node: MonopolyNode) -> None:
    uuids = node.ready()
    node.core.fault(REDIAL, "reset_before", times=-1)
    outcome = node.redial()
    assert message(outcome).startswith(f"2 of 2 resources could not be redialed: {', '.join(uuids)}.")
    assert ([one.uuid for one in outcome.refused], outcome.changed) == (uuids, False)
    assert node.writes() == ["PUT"] * 3


def test_a_redial_counts_only_if_the_list_shows_it(node: MonopolyNode) -> None:
    uuids = node.ready()
    node.core.fault(REDIAL, "partial", drop=1)
    outcome = node.redial(max_wait=20)
    text = f"1 of 2 online, 1 not redialed yet, and max_wait (20 seconds) is used up; not ready: {uuids[1]}."
    assert text in message(outcome)
    assert outcome.redialed[0].after
    assert outcome.redialed[1].after is None


def test_a_lost_redial_and_then_no_list(node: MonopolyNode) -> None:
    node.ready()
    node.core.fault(LIST, "status", http_status=503, skip=1, times=-1)
    node.core.fault(REDIAL, "reset_after")
    assert isinstance(node.redial().error, UncertainOutcomeError)


def test_resources_that_vanish_during_a_redial_are_reported(node: MonopolyNode) -> None:
    node.ready()

    def take_away(_text: str) -> None:
        books(node.core).monopolies[1:] = []

    assert "The list no longer contains: " in message(node.redial(on_wait=take_away))


def test_check_mode_redials_nothing(node: MonopolyNode) -> None:
    uuids = node.ready()
    outcome = succeeded(node.redial(check=True))
    assert [one.uuid for one in outcome.redialed] == uuids
    assert ([one.after for one in outcome.redialed], node.writes()) == ([None, None], [])
