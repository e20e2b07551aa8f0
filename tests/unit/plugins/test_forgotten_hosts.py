# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The addresses that the inventory has for a host which is forgotten."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.fleet import Host
from support.documents import plugin
from support.plugin_runs import run_action

A = "203.0.113.1"
B = "203.0.113.2"
PREFIX = "egress_whitelist_"


class HostVars(dict[str, Any]):
    """The variables of all hosts, as Ansible has them."""

    def raw_get(self, name: str) -> Any:
        return self[name]


@pytest.mark.parametrize(
    ("prefix", "variables", "unwanted"),
    [
        (PREFIX, {f"{PREFIX}ips": [A, B]}, {A, B}),
        # As on the command line, or in a form.
        (PREFIX, {f"{PREFIX}ips": f"{A}, {B}"}, {A, B}),
        (PREFIX, {f"{PREFIX}ips": A}, {A}),
        (PREFIX, {f"{PREFIX}ips": ""}, set()),
        # Without a prefix, it is a variable of the user that means something else.
        (None, {"ips": [A, B]}, set()),
    ],
)
def test_a_host_that_is_forgotten_has_its_addresses_from_the_inventory(
    prefix: str | None,
    variables: dict[str, Any],
    unwanted: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forgotten: dict[str, Host] = {}

    def update(_api: Any, _inventory: str, hosts: Mapping[str, Host], **_named: Any) -> Any:
        forgotten.update(hosts)
        raise QgError("that is enough")

    action = plugin("action", "qg_egress_whitelist")
    monkeypatch.setattr(action, "update", update)
    monkeypatch.setattr(action, "key_caller", lambda *_given: None)
    monkeypatch.setattr(action, "locked", lambda *_given: contextlib.nullcontext())
    options = {
        "step": "update",
        "state": "absent",
        "forget": ["web1"],
        "vars_prefix": prefix,
        "key": "QGDEMO01",
        "store": str(tmp_path),
    }
    of_play = {
        "ansible_play_batch": ["web1"],
        "ansible_play_hosts": ["web1"],
        "ansible_play_hosts_all": ["web1"],
        "groups": {"all": ["web1"]},
        "hostvars": HostVars(web1=variables),
    }

    result = run_action("qg_egress_whitelist", options, variables=of_play)

    assert result["msg"] == "that is enough"
    assert forgotten == {"web1": Host(unwanted=frozenset(unwanted))}
