# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes that Ansible Automation Platform counts: its queries, run by jq on results of modules."""

from __future__ import annotations

from typing import Any

import jq
import pytest
import workspace
import yaml
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account import models
from support.vendor_pages import INSTANCES

QUERIES = yaml.safe_load((workspace.ROOT / "extensions" / "audit" / "event_query.yml").read_text(encoding="utf-8"))
INSTANCE_INFO = "qingguo.qgnet.qg_cloud_instance_info"


def nodes(result: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = jq.compile(QUERIES[INSTANCE_INFO]["query"]).input_value(result).all()
    return found


def instance(**changes: str) -> dict[str, Any]:
    (found,) = models.instances({"1": {**INSTANCES["1"], **changes}})
    return found


def test_every_query_is_of_a_module() -> None:
    modules = {f"qingguo.qgnet.{path.stem}" for path in (workspace.ROOT / "plugins" / "modules").glob("qg_*.py")}
    assert set(QUERIES) <= modules
    assert {tuple(entry) for entry in QUERIES.values()} == {("query",)}


def test_an_instance_is_one_node_whatever_changes_of_it() -> None:
    moved = instance(Ip="", Run_status="-1")
    first, second = nodes({"instances": [instance(), moved], "count": 2})
    assert first == {
        "name": "12154545",
        "canonical_facts": {"suid": "12154545"},
        "facts": {
            "infra_type": "PublicCloud",
            "infra_bucket": "Compute",
            "device_type": "Virtual Machine",
            "ip": "192.168.1.1",
        },
    }
    assert (second["name"], second["canonical_facts"]) == (first["name"], first["canonical_facts"])


def test_what_was_not_delivered_or_has_ended_is_no_node() -> None:
    ended = [instance(Order_status=status) for status in ("-3", "3")]
    assert [entry["order_status"] for entry in ended] == ["failed", "expired"]
    assert nodes({"instances": ended}) == []


@pytest.mark.parametrize("result", [{"instances": []}, {"censored": "hidden"}, {"failed": True, "msg": "no key"}])
def test_a_result_without_instances_adds_no_node(result: dict[str, Any]) -> None:
    assert nodes(result) == []
