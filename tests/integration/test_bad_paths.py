# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths in options that name no file, in tasks, lookups and inventories: one sentence, before any call."""

from __future__ import annotations

import json
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.playbooks import Playground, assert_one_sentence

INVENTORY = "app ansible_connection=local\nbastion ansible_connection=local\n"
PLAY = """
- hosts: app
  gather_facts: false
  tasks:
"""
MODULES: list[dict[str, Any]] = [
    {"qingguo.qgnet.qg_whitelist_info": {}},
    {"qingguo.qgnet.qg_whitelist_info": {}, "delegate_to": "bastion"},
    {"qingguo.qgnet.qg_egress_whitelist": {"step": "detect"}},
]
EMPTY, NUL = "it is empty", "it contains a NUL character"
BAD = [("state_dir", "", EMPTY), ("state_dir", "a\0b", NUL), ("ca_path", "a\0b", NUL)]


@pytest.mark.newest_core
@pytest.mark.parametrize(("option", "value", "reason"), BAD, ids=["no state_dir", "NUL in state_dir", "NUL in ca_path"])
def test_a_path_that_names_no_file_is_refused_in_one_sentence(
    sim: Simulator, playground: Playground, option: str, value: str, reason: str
) -> None:
    arguments = {"key": sim.key, "api_url": sim.api_url, option: value}
    tasks: list[dict[str, Any]] = []
    for module in MODULES:
        (name, own), *rest = module.items()
        tasks.append({"name": f"case {len(tasks)}", name: {**own, **arguments}, **dict(rest), "ignore_errors": True})
    options = ", ".join(f"{argument}=arguments.{argument}" for argument in arguments)
    look = {"msg": "{{ query('qingguo.qgnet.proxy', OPTIONS) }}".replace("OPTIONS", options)}
    tasks.append({"name": "lookup", "ansible.builtin.debug": look, "ignore_errors": True})
    before = {path.name for path in (playground.root / "play").iterdir()}
    text = PLAY + "".join(f"    - {json.dumps(task)}\n" for task in tasks)
    run = playground.play(text, inventory=INVENTORY, variables={"arguments": arguments})
    for task in tasks:
        result = run.of(task["name"])
        assert result.status == "failed", result
        for part in (option, f"cannot be used: {reason}"):
            assert part in result.result["msg"], result.result["msg"]
        if task["name"] != "lookup":
            assert_one_sentence(result.result["msg"])
    assert "Traceback" not in run.output
    assert sim.journal() == []
    made = {path.name for path in (playground.root / "play").iterdir()} - before
    assert {name for name in made if "state" in name or "salt" in name} == set()


@pytest.mark.newest_core
def test_an_empty_environment_variable_counts_as_unset_and_does_not_mean_the_current_directory(
    sim: Simulator, playground: Playground
) -> None:
    options = f"key='{sim.key}', api_url='{sim.api_url}', at_least=0"
    text = (
        PLAY
        + f"""
    - name: lookup
      ansible.builtin.debug:
        msg: "{{{{ query('qingguo.qgnet.proxy', {options}) }}}}"
"""
    )
    run = playground.play(text, inventory=INVENTORY, environment={"QG_STATE_DIR": ""})
    assert run.of("lookup").status == "ok"
    assert (playground.home / ".ansible" / "qgnet" / "state.sqlite3").exists()
    assert not (playground.root / "play" / "state.sqlite3").exists()
