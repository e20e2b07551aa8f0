# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose entry is this? The whitelist joined with the registrations of this control node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.registrations import (
    HostRegistration,
    RegistrationStore,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.state import State
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import PROXY_API_OPTIONS, ProxyApiOptions
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.batch import whitelist_key
from simulator.fixture import Simulator
from support.playbooks import QUERY, Operate, Playground, calls

pytestmark = pytest.mark.measured

SHARED, FORMER, FOUND, STRANGER, LOST, OVER = (f"203.0.113.{n}" for n in (1, 2, 3, 9, 10, 11))
#: 2026-05-04 09:30 in Beijing.
MAY = 1777858200.0


def remember(key: str, api_url: str, state_dir: Path) -> None:
    """Registrations as runs of the role in two inventories leave them."""
    defaults = {name: option.get("default") for name, option in PROXY_API_OPTIONS.items()}
    options = ProxyApiOptions.parse({**defaults, "key": key, "api_url": api_url, "state_dir": str(state_dir)})
    state = State(str(state_dir))
    digest = whitelist_key(options, state)
    here, there = (RegistrationStore(state, digest, name) for name in ("{{ 7 * 7 }}\n/etc/hosts", "awx"))
    state.now = lambda: MAY
    here.replace(
        [
            HostRegistration("web1", frozenset({SHARED, LOST}), frozenset({FORMER, OVER})),
            HostRegistration("web2", frozenset({FOUND}), found=frozenset({FOUND})),
        ]
    )
    state.now = lambda: MAY + 3600
    there.replace([HostRegistration("web1", frozenset({SHARED}))])
    state.close()


def owner(host: str, inventory: str = "{{ 7 * 7 }}\n/etc/hosts", since: str = "09:30:00", **flags: bool) -> Any:
    times = {"registered_since": f"2026-05-04T{since}+08:00"}
    return {"host": host, "inventory_id": inventory, **times, "former": False, "there_before": False, **flags}


@pytest.mark.newest_core
def test_each_entry_names_its_hosts_and_those_without_one_are_listed(
    whitelist_info: Operate, common: dict[str, Any], sim: Simulator
) -> None:
    remember(sim.key, sim.api_url, Path(common["state_dir"]))
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
    assert whitelist_info().keys() == result.keys() - {"entries", "unowned", "unlisted"}


@pytest.mark.newest_core
def test_owners_are_those_of_the_same_key(whitelist_info: Operate, common: dict[str, Any], sim: Simulator) -> None:
    remember("another-key", sim.api_url, Path(common["state_dir"]))
    sim.configure(whitelist=[SHARED])
    result = whitelist_info(owners=True)
    assert (result["unowned"], result["unlisted"]) == ([SHARED], [])


@pytest.mark.newest_core
@pytest.mark.parametrize("stored", [True, False])
def test_an_empty_list_is_read_again_before_all_entries_count_as_missing(
    whitelist_info: Operate, common: dict[str, Any], sim: Simulator, stored: bool
) -> None:
    if stored:
        remember(sim.key, sim.api_url, Path(common["state_dir"]))
    assert whitelist_info(owners=True)["count"] == 0
    assert calls(sim) == [QUERY] * (1 + stored)


@pytest.mark.newest_core
def test_the_report_is_a_table_for_a_terminal(playground: Playground, sim: Simulator) -> None:
    remember(sim.key, sim.api_url, playground.state_dir)
    sim.configure(whitelist=[STRANGER, FOUND, FORMER, SHARED, "203.0.113.0/24", "{{ 7 * 7 }}"])
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url, "QG_STATE_DIR": str(playground.state_dir)}
    run = playground.play("qingguo.qgnet.report", environment=environment).ok()
    assert run.of("Show the whitelist").result["msg"] == [
        "address          host  since (UTC+08:00)  note            inventory",
        "203.0.113.1      web1  2026-05-04 10:30                   awx",
        "203.0.113.1      web1  2026-05-04 09:30                   {{ 7 * 7 }}, /etc/hosts",
        "203.0.113.2      web1  2026-05-04 09:30   former          {{ 7 * 7 }}, /etc/hosts",
        "203.0.113.3      web2  2026-05-04 09:30   there before    {{ 7 * 7 }}, /etc/hosts",
        "203.0.113.9      -     -                  no owner",
        "203.0.113.10     web1  2026-05-04 09:30   not listed      {{ 7 * 7 }}, /etc/hosts",
        "4 on the whitelist, 1 of them without an owner; 1 registered but not on the whitelist",
        "entries that are not one IPv4 address: 203.0.113.0/24, {{ 7 * 7 }}",
    ]
    assert '        "203.0.113.9      -     -                  no owner",\n' in run.stdout
    assert calls(sim) == [QUERY]
    assert sim.key not in run.output
