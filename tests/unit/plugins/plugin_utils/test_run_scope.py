# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which inventory a run has, since when it has it, and which part of it the run sees."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible import constants
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.plugin_utils import _run_scope
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._run_scope import (
    check_inventory,
    elapsed_seconds,
    inventory_hosts,
    inventory_id,
    run_age,
    why_partial,
)
from hypothesis import given
from hypothesis import strategies as st

HOSTS = [f"w{number}" for number in range(8)]


def variables(all_hosts: list[str], hosts: list[str], batch: list[str]) -> dict[str, list[str]]:
    return {"ansible_play_hosts_all": all_hosts, "ansible_play_hosts": hosts, "ansible_play_batch": batch}


@given(st.sets(st.sampled_from(HOSTS)), st.sets(st.sampled_from(HOSTS)))
def test_a_run_is_partial_exactly_if_a_host_is_missing(failed: set[str], later: set[str]) -> None:
    hosts = [host for host in HOSTS if host not in failed]
    batch = [host for host in hosts if host not in later]
    reason = why_partial(None, variables(HOSTS, hosts, batch))
    assert (reason is None) is (batch == HOSTS)


@pytest.mark.parametrize(
    ("limit", "play", "reason"),
    [
        *((limit, (HOSTS, HOSTS, HOSTS), None) for limit in ("all", " * ", "", None)),
        # The limit is named first.
        ("w1,w2", (["w1", "w2"], ["w2"], ["w2"]), "it is limited with --limit w1,w2"),
        (None, (HOSTS, [], []), "w0, w1, w2, w3, w4 and 3 more failed, were unreachable or ended before"),
        (None, (HOSTS, HOSTS[1:], HOSTS[1:]), "w0 failed, was unreachable or ended before"),
        (None, (HOSTS, HOSTS, HOSTS[:2]), "a serial batch has 2 of the play's 8 hosts"),
    ],
)
def test_why_a_run_is_partial(limit: str | None, play: tuple[list[str], ...], reason: str | None) -> None:
    assert why_partial(limit, variables(*play)) == reason


def test_a_task_outside_of_a_play_has_no_hosts_to_miss() -> None:
    assert why_partial(None, {}) is None


def test_an_inventory_that_may_be_incomplete_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    inventory = {"groups": {"all": ["w1", "w2"]}, "ansible_inventory_sources": ["/etc/hosts.yml"]}
    monkeypatch.setattr(constants, "INVENTORY_ANY_UNPARSED_IS_FAILED", False)
    with pytest.raises(OptionError, match=r"^prune is refused, .*any_unparsed_is_failed=true"):
        check_inventory("all", inventory)
    monkeypatch.setattr(constants, "INVENTORY_ANY_UNPARSED_IS_FAILED", True)
    with pytest.raises(OptionError, match=r"^prune is refused .*--limit w1"):
        check_inventory("w1", inventory)
    with pytest.raises(OptionError, match=r"^prune is refused .*list of hosts, w1,"):
        check_inventory(None, {**inventory, "ansible_inventory_sources": ["/etc/hosts.yml", "w1,"]})
    # A host that Ansible adds by itself is never gone.
    check_inventory("", inventory)
    assert inventory_hosts(inventory).hosts == {"w1", "w2", "localhost", "127.0.0.1", "::1"}


def test_all_hosts_must_report_before_prune_unless_groups_are_named() -> None:
    groups = {"all": ["w1", "w2", "db"], "workers": ["w1", "w2"], "idle": []}
    inventory = {"groups": groups, "ansible_play_hosts_all": ["w1", "localhost"]}
    assert inventory_hosts(inventory).expected == {"w1", "w2", "db", "localhost"}
    found = inventory_hosts(inventory, ["workers"])
    assert (found.expected, found.hosts >= {"db"}) == ({"w1", "w2"}, True)


@pytest.mark.parametrize(
    ("groups", "words"), [(["workers", "wrokers"], "'wrokers', which is not a group"), ([], "is empty")]
)
def test_prune_groups_without_hosts_are_refused(groups: list[str], words: str) -> None:
    with pytest.raises(OptionError, match=rf"^prune_groups .*{words}.*: name the groups whose hosts use the whitelist"):
        inventory_hosts({"groups": {"workers": ["w1"]}}, groups)


def test_the_localhost_of_each_control_node_that_shares_the_records_is_another_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sources = {"ansible_inventory_sources": ["/srv/hosts"]}
    local, other = ({**sources, "inventory_hostname": host} for host in ("localhost", "w1"))
    found = set()
    for node in ("node1", "node2"):
        monkeypatch.setattr(os, "uname", lambda node=node: SimpleNamespace(nodename=node))
        for given_id in (None, "fleet"):
            plain = given_id or "/srv/hosts"
            assert inventory_id(given_id, other, is_shared=True) == plain
            assert inventory_id(given_id, local, is_shared=False) == plain
            found.add(inventory_id(given_id, local, is_shared=True))
            assert inventory_id(given_id, local, is_shared=True) in found
    assert len(found) == 4


def test_a_run_is_as_old_as_its_process() -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        assert 0 <= run_age(child.pid) <= run_age(os.getpid())
        assert run_age(1) > run_age(os.getpid())
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize(("shown", "seconds"), [("   00:07\n", 7), ("01:02:03", 3723), ("2-00:00:01", 172801)])
def test_the_elapsed_time_of_ps_is_read(shown: str, seconds: float) -> None:
    assert elapsed_seconds(shown) == seconds


def test_a_system_without_proc_is_asked_by_ps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_run_scope, "process_start", lambda _process: "12-12")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_age(os.getpid()) == 0
    ps = tmp_path / "ps"
    ps.write_text(f'#!/bin/sh\n[ "$*" = "-o etime= -p {os.getpid()}" ] && echo " 02:05"\n', encoding="utf-8")
    ps.chmod(0o755)
    assert run_age(os.getpid()) == 125
