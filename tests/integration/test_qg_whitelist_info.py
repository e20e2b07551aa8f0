# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_whitelist_info with owners: the whitelist joined with the registrations of this control node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.playbooks import QUERY, Operate, calls
from support.registrations import FORMER, FOUND, INVENTORY, LOST, SHARED, STRANGER, remember


def owner(host: str, inventory: str = INVENTORY, since: str = "09:30:00", **flags: bool) -> Any:
    times = {"registered_since": f"2026-05-04T{since}+08:00"}
    return {"host": host, "inventory_id": inventory, **times, "former": False, "there_before": False, **flags}


def test_each_entry_names_its_hosts_and_those_without_one_are_listed(
    whitelist_info: Operate, common: dict[str, Any], sim: Simulator
) -> None:
    remember(sim.key, sim.api_url, Path(common["store"]))
    sim.configure(whitelist=[STRANGER, FOUND, FORMER, SHARED])
    result = whitelist_info(owners=True)
    assert result["entries"] == [
        {"ip": SHARED, "owners": [owner("web1", "awx", "10:30:00"), owner("web1")]},
        {"ip": FORMER, "owners": [owner("web1", former=True)]},
        {"ip": FOUND, "owners": [owner("web2", there_before=True)]},
        {"ip": STRANGER, "owners": []},
    ]
    assert result["unowned"] == [STRANGER]
    # The former address that is gone is as it should be.
    assert result["unlisted"] == [{"ip": LOST, "owners": [owner("web1")]}]
    assert result["whitelist"] == [entry["ip"] for entry in result["entries"]]
    assert (result["changed"], calls(sim)) == (False, [QUERY])
    assert whitelist_info(owners=True)["entries"] == result["entries"], "reading has forgotten nothing"
    assert result["repeated_hosts"] == {"web1": sorted([INVENTORY, "awx"])}
    assert whitelist_info().keys() == result.keys() - {"entries", "unowned", "unlisted", "repeated_hosts"}


def test_owners_are_those_of_the_same_key(whitelist_info: Operate, common: dict[str, Any], sim: Simulator) -> None:
    remember("another-key", sim.api_url, Path(common["store"]))
    sim.configure(whitelist=[SHARED])
    result = whitelist_info(owners=True)
    assert (result["unowned"], result["unlisted"]) == ([SHARED], [])


@pytest.mark.parametrize("stored", [True, False])
def test_an_empty_list_is_read_again_before_all_entries_count_as_missing(
    whitelist_info: Operate, common: dict[str, Any], sim: Simulator, stored: bool
) -> None:
    if stored:
        remember(sim.key, sim.api_url, Path(common["store"]))
    assert whitelist_info(owners=True)["count"] == 0
    assert calls(sim) == [QUERY] * (1 + stored)
