# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mistakes in options of qg_egress_whitelist: both steps find all of them before they do anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.playbooks import Playground, assert_one_sentence

pytestmark = pytest.mark.measured

INVENTORY = "h1 ansible_connection=qg_spy\n"
PLAY = """
- hosts: h1
  gather_facts: false
  tasks:
"""
IPS = ["203.0.113.5"]
#: Options with a mistake, the option that the message names first, and what it says.
MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"verify_proxy": "192.0.2.1:3128"}, "verify_proxy", "cannot be used"),
    ({"verify_proxy": "http://user:hush@192.0.2.1:3128"}, "verify_proxy", "user name"),
    ({"verify_proxy": "http://192.0.2.1:3128", "ips": IPS, "timeout": 0.5}, "timeout", "from 1 to 300"),
    ({"verify_proxy": "http://192.0.2.1:3128", "ips": IPS, "sources": []}, "sources", "empty"),
    ({"verify_url": "ip.example"}, "verify_url", "cannot be used"),
    ({"verify_wait": 601}, "verify_wait", "out of range"),
    ({"max_wait": -1}, "max_wait", "out of range"),
    ({"ca_path": "/nonexistent/ca.pem"}, "ca_path", "cannot be used"),
    ({"api_url": "http://192.0.2.1/?x=1"}, "api_url", "only scheme, host and path"),
    ({"ips": ["not-an-address"]}, "ips", "IPv4"),
    ({"quorum": 9}, "quorum", "cannot be met"),
    ({"detect": False}, "ips", "detect"),
]


@pytest.mark.parametrize("step", ["detect", "register"])
def test_a_step_finds_each_mistake_before_it_asks_the_host_or_the_vendor(
    sim: Simulator, playground: Playground, tmp_path: Path, step: str
) -> None:
    common = {"step": step, "key": sim.key, "api_url": sim.api_url, "allow_non_global": True}
    tasks = [
        {"name": f"case {number}", "qingguo.qgnet.qg_egress_whitelist": {**common, **options}, "ignore_errors": True}
        for number, (options, _option, _part) in enumerate(MISTAKES)
    ]
    run = playground.play(PLAY + "".join(f"    - {json.dumps(task)}\n" for task in tasks), inventory=INVENTORY)
    for number, (options, option, part) in enumerate(MISTAKES):
        task = run.of(f"case {number}")
        assert task.status == "failed", (options, task.result)
        assert_one_sentence(task.result["msg"])
        assert task.result["msg"].startswith(option), task.result["msg"]
        assert part in task.result["msg"], task.result["msg"]
    assert "hush" not in run.output
    assert run.spied == b""
    assert sim.journal() == []
