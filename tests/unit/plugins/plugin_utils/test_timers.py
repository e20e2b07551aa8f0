# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The timers of refreshes on this machine, and their removal with what they refresh."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.installations import (
    Installation,
    Installations,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import open_store
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._timers import (
    Timer,
    read_timers,
    remove_timer,
)
from support import phrases
from support.documents import plugin
from support.plugin_runs import run_action

MARK = (
    '# qingguo.qgnet.refresh_timer {"inventory": "/etc/hosts.yml", "hosts": ["one", "two"]}\n'
    "[Service]\n"
)
TIMER = Timer("qg-refresh-crawlers", "/etc/hosts.yml", ("one", "two"))


@pytest.fixture
def units(tmp_path: Path) -> Path:
    folder = tmp_path / "units"
    folder.mkdir()
    (folder / "qg-refresh-crawlers.service").write_text(MARK, encoding="utf-8")
    (folder / "qg-refresh-crawlers.timer").write_text("[Timer]\n", encoding="utf-8")
    (folder / "ssh.service").write_text("[Unit]\n", encoding="utf-8")
    (folder / "binary.service").write_bytes(b"\xff\xfe")
    (folder / "gone.service").symlink_to(tmp_path / "nowhere")
    (folder / "later.service").write_text("# qingguo.qgnet.refresh_timer [1]\n", encoding="utf-8")
    return folder


def test_only_units_of_the_playbook_are_timers(units: Path) -> None:
    assert list(read_timers(units)) == [TIMER]
    assert list(read_timers(units / "none")) == []


def test_a_timer_is_removed_with_its_files(
    units: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    key = tmp_path / "qg-refresh-crawlers.env"
    key.write_text("QG_KEY=QGDEMO01\n", encoding="utf-8")

    remove_timer(TIMER, units, tmp_path)

    assert not key.exists()
    assert sorted(path.name for path in units.iterdir()) == [
        "binary.service",
        "gone.service",
        "later.service",
        "ssh.service",
    ]
    calls = (tmp_path / "calls").read_text(encoding="utf-8")
    assert calls == "disable --now qg-refresh-crawlers.timer\ndaemon-reload\n"


def test_a_timer_that_this_user_may_not_remove_is_named(
    units: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path, missing_ok: bool = False) -> None:
        raise PermissionError

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(Path, "unlink", refuse)

    with pytest.raises(QgError, match="qg_timer_state=absent -e qg_timer_name=qg-refresh-crawlers"):
        remove_timer(TIMER, units, tmp_path)


def test_a_timer_goes_with_the_last_of_what_it_refreshes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = str(tmp_path)
    rows = []
    for host in TIMER.hosts:
        rows.append(
            Installation(host, "list", TIMER.inventory, host, "/etc/proxies", options={}, keys={})
        )
    with contextlib.closing(open_store(store, 5)) as opened:
        Installations(opened).declare(rows)
    elsewhere = Timer("qg-refresh-elsewhere", "other.yml", TIMER.hosts)
    removed: list[str] = []
    action = plugin("action", "qg_proxy_gateway")
    monkeypatch.setattr(action, "read_timers", lambda: [TIMER, elsewhere])
    monkeypatch.setattr(action, "remove_timer", lambda timer: removed.append(timer.name))

    def forget(host: str) -> list[str]:
        options = {
            "step": "remove",
            "forget": [host],
            "store": store,
            "inventory_id": TIMER.inventory,
        }
        timers: list[str] = run_action("qg_proxy_gateway", options)["timers"]
        return timers

    assert forget("one") == []
    assert forget("two") == [TIMER.name]
    assert removed == [TIMER.name]


@pytest.mark.parametrize(
    ("hosts", "inventory", "name", "is_taken"),
    [
        (["one"], TIMER.inventory, TIMER.name, False),
        # The group has other hosts now.
        (["one", "three"], TIMER.inventory, TIMER.name, False),
        (["three"], TIMER.inventory, TIMER.name, True),
        (["three"], TIMER.inventory, "qg-refresh-others", False),
        # A group of the same name in another inventory.
        (["one"], "staging.yml", TIMER.name, True),
    ],
)
def test_a_timer_does_not_take_the_name_of_one_that_refreshes_other_hosts(
    hosts: list[str],
    inventory: str,
    name: str,
    is_taken: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = str(tmp_path)
    rows = []
    for host in hosts:
        rows.append(Installation(host, "list", inventory, host, "/etc/proxies", {}, {}))
    with contextlib.closing(open_store(store, 5)) as opened:
        Installations(opened).declare(rows)
    monkeypatch.setattr(plugin("action", "qg_proxy_gateway"), "read_timers", lambda: [TIMER])
    options = {
        "step": "info",
        "kinds": ["list"],
        "hosts": hosts,
        "timer": name,
        "store": store,
        "inventory_id": inventory,
    }

    result = run_action("qg_proxy_gateway", options)

    assert result.get("failed", False) is is_taken
    if is_taken:
        assert phrases.TIMER_OF_OTHERS in result["msg"]
