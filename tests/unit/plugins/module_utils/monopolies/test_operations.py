# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations of qg_monopoly and qg_monopoly_info: their options and results."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies import operations
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.operations import MONOPOLY
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Mode, Operation, execute
from support.in_process import KEY
from support.monopoly_calls import APPLY, GUANGZHOU, HOURS
from support.monopoly_runs import MonopolyNode


def execute_with(
    node: MonopolyNode, operation: Operation = MONOPOLY, mode: Mode | None = None, **options: Any
) -> dict[str, Any]:
    """Run an operation on the control node, with validated options."""
    validation = ArgumentSpecValidator(operation.spec).validate({"key": KEY, **options})
    assert not validation.error_messages
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "key_caller", lambda params, _announcer: node.api(params["max_wait"]).caller)
        return execute(operation, validation.validated_parameters, mode or Mode())


ABSENT, REDIALLED = {"state": "absent", "all": True}, {"state": "redialed", "all": True}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "count is missing: state=present needs the number of resources to hold."),
        ({"count": 0}, "count=0 is out of range: give a number from 1 to 100."),
        ({"count": 101}, "count=101 is out of range: give a number from 1 to 100."),
        ({"count": 1, "uuids": ["a"]}, "uuids goes only with state=absent or state=redialed: leave it out."),
        ({"count": 1, "all": True}, "all goes only with state=absent or state=redialed: leave it out."),
        ({"state": "absent"}, "uuids is missing: state=absent needs the names of resources, or all=true."),
        ({"state": "redialed"}, "uuids is missing: state=redialed needs the names of resources, or all=true."),
        ({**ABSENT, "uuids": []}, "uuids and all=true exclude each other: leave one of them out."),
        ({**ABSENT, "isp": "mobile"}, "isp goes with state=present, not with state=absent: name resources in uuids."),
        (
            {**ABSENT, "all": False, "uuids": [" "]},
            "uuids holds ' ': give each name as an item, as qg_monopoly_info returns it.",
        ),
    ],
)
def test_an_invalid_option_is_reported_first(node: MonopolyNode, options: dict[str, Any], message: str) -> None:
    result = execute_with(node, **options)
    assert (result["failed"], result["changed"], result["msg"]) == (True, False, message)
    assert node.core.journal.select() == []


@pytest.mark.parametrize("area", [GUANGZHOU, int(GUANGZHOU), f" 0{GUANGZHOU} ", "广东省广州市"])
def test_an_area_may_be_a_code_as_text_or_as_a_number_or_a_name(node: MonopolyNode, area: object) -> None:
    result = execute_with(node, count=1, area=area, wait=False)
    assert [one["area_code"] for one in result["monopolies"]] == [GUANGZHOU]
    (call,) = node.sent(APPLY)
    assert call["params"] == {"Num": "1", "AreaCode": GUANGZHOU}
    assert not execute_with(node, count=1, area=GUANGZHOU, wait=False)["changed"]


@pytest.mark.parametrize("options", [{"count": 1}, ABSENT, REDIALLED])
def test_a_run_waits_for_another_that_changes_what_the_key_holds(node: MonopolyNode, options: dict[str, Any]) -> None:
    other = node.api()
    with other.caller.key_lock():
        result = execute_with(node, **options, max_wait=1)
        assert "another run is changing what this key holds" in result["msg"]
        assert node.core.journal.select() == []
        assert "failed" not in execute_with(node, mode=Mode(check=True), **options)
    assert "failed" not in execute_with(node, **options)


def test_a_redial_of_an_unknown_resource_is_an_error(node: MonopolyNode) -> None:
    uuids = node.ready()
    result = execute_with(node, state="redialed", uuids=[uuids[0], "nowhere:ppp1"])
    assert result["failed"]
    assert result["msg"].startswith(
        "uuids contains resources that this key does not hold: nowhere:ppp1. Nothing was redialed"
    )
    assert node.writes() == []


def test_the_result_of_a_failure_names_what_was_paid_for(node: MonopolyNode) -> None:
    result = execute_with(node, count=3, max_wait=3)
    assert (result["failed"], result["changed"], result["applied"]) == (True, True, node.uuids)
    assert result["error"]["endpoint"] == "/monopolies"
    refused = execute_with(node, **ABSENT)
    assert refused["failed"]
    assert [one["uuid"] for one in refused["refused"]] == node.uuids
    assert {one["possible_from"] for one in refused["refused"]} == {"2030-01-01T20:00:00+08:00"}
    assert refused["changed"] is False


def test_the_result_of_redialling(node: MonopolyNode) -> None:
    (uuid,) = node.ready(1)
    predicted = execute_with(node, mode=Mode(check=True, diff=True), **REDIALLED)
    assert predicted["changed"] is True
    assert predicted["diff"]["after"] == f"{uuid} (new)\n"
    result = execute_with(node, mode=Mode(diff=True), **REDIALLED)
    (one,) = result["redialed"]
    assert result["diff"]["before"] == f"{uuid} {one['server_before']}\n"
    assert result["diff"]["after"] == f"{uuid} {one['server_after']}\n"
    assert result["monopolies"][0]["server"] == one["server_after"]
    node.offline(uuid)
    assert execute_with(node, count=1)["offline"] == [uuid]


def test_the_result_of_releasing(node: MonopolyNode) -> None:
    one, two = node.ready()
    node.core.clock.advance(13 * HOURS)
    predicted = execute_with(node, mode=Mode(check=True, diff=True), state="absent", uuids=[one])
    result = execute_with(node, mode=Mode(diff=True), state="absent", uuids=[one])
    for each in (predicted, result):
        assert (each["changed"], each["released"], each["count"]) == (True, [one], 1)
        assert each["already_present"] == []
        assert each["diff"]["before"] == f"{one}\n{two}\n"
        assert each["diff"]["after"] == f"{two}\n"
    assert node.writes() == ["DELETE"]


@pytest.mark.parametrize("options", [{"count": 1}, ABSENT, REDIALLED])
def test_a_key_of_another_product_is_reported(node: MonopolyNode, options: dict[str, Any]) -> None:
    node.core.configure(plan={"kind": "dynamic_dedicated"})
    result = execute_with(node, **options)
    assert (result["failed"], result["changed"], result["error"]["code"]) == (True, False, 400)
    assert result["msg"].endswith("Check that the key's product is one of exclusive occupancy.")
