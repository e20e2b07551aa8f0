# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords of services in a cache that was filled when they were requested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible_collections.qingguo.qgnet.plugins.inventory import qg_cloud
from support.documents import configured, with_fragments

ROW = {"product_id": None, "suid": "s1", "ip": "203.0.113.5", "login_password": "hush"}


@pytest.mark.parametrize("requested", [True, False])
def test_cached_passwords_are_variables_only_while_they_are_requested(
    requested: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = qg_cloud.InventoryModule.NAME
    path = tmp_path / "x.qg_cloud.yml"
    options = {"app_id": "agent", "app_key": "key-of-agent", "include_secrets": requested}
    path.write_text(yaml.safe_dump({"plugin": name, **options}), encoding="utf-8")
    documented = with_fragments(yaml.safe_load(qg_cloud.DOCUMENTATION))
    plugin = configured("inventory", qg_cloud.InventoryModule(), name, documented)
    monkeypatch.setattr(plugin, "_rows", lambda _key, _use_cache: [ROW])
    inventory = InventoryData()

    plugin.parse(inventory, DataLoader(), str(path))

    host: Any = inventory.get_host("s1")
    assert ("qg_login_password" in host.get_vars()) is requested
    assert host.get_vars()["qg_ip"] == ROW["ip"]
