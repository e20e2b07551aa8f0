# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that are forgotten: which addresses the inventory has for them, and what a play can use of
their results.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
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


def forget(store: Path, hosts: HostVars, **options: Any) -> dict[str, Any]:
    """The result for all hosts of an inventory, which are forgotten."""
    names = list(hosts)
    options |= {
        "step": "update",
        "state": "absent",
        "forget": names,
        "store": str(store),
    }
    of_play = {
        "qg_key": "QGDEMO01",
        "ansible_play_batch": names,
        "ansible_play_hosts": names,
        "ansible_play_hosts_all": names,
        "groups": {"all": names},
        "hostvars": hosts,
    }
    return run_action("qg_egress_whitelist", options, variables=of_play)


def replace_update(patch: pytest.MonkeyPatch, update: Callable[..., Any]) -> None:
    """Let this update the whitelist of a key."""
    action = plugin("action", "qg_egress_whitelist")
    patch.setattr(action, "update", update)
    patch.setattr(action, "key_caller", lambda *_given: None)
    patch.setattr(action, "locked", lambda *_given: contextlib.nullcontext())


@pytest.mark.parametrize(
    ("prefix", "variables", "unwanted"),
    [
        (PREFIX, {f"{PREFIX}ips": [A, B]}, {A, B}),
        # As on the command line, or in a form.
        (PREFIX, {f"{PREFIX}ips": f"{A}, {B}"}, {A, B}),
        (PREFIX, {f"{PREFIX}ips": A}, {A}),
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

    replace_update(monkeypatch, update)

    result = forget(tmp_path, HostVars(web1=variables), vars_prefix=prefix)

    assert result["msg"] == "that is enough"
    assert forgotten == {"web1": Host(unwanted=frozenset(unwanted))}


def test_a_host_whose_key_fails_has_the_fields_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The playbook verify names what each host adds and removes."""

    def update(_api: Any, _inventory: str, _hosts: Any, **_named: Any) -> Any:
        raise QgError("The key has expired.")

    replace_update(monkeypatch, update)

    result = forget(tmp_path, HostVars(web1={"qg_key": "KEY1"}, web2={"qg_key": "KEY2"}))

    for own in result["hosts"].values():
        assert (own["failed"], own["msg"]) == (True, "The key has expired.")
        assert (own["added"], own["removed"], own["kept"]) == ([], [], [])
