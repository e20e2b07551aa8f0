# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role proxy_list: leases as files that other programs read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.playground import Playground, Run, calls

#: The password of the simulator's proxies.
PWD = "0123456789ab"
PLAY = """
- hosts: all
  gather_facts: false
  strategy: "{{ pace | default('linear') }}"
  roles: [qingguo.qgnet.proxy_list]
  handlers:
    - name: Note the change
      ansible.builtin.copy:
        content: changed
        dest: "{{ proxy_list_path }}.changed"
        mode: "0644"
      listen: proxy_list changed
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "proxies"


def write(
    sim: Simulator, playground: Playground, path: Path, play: str = PLAY, verbosity: str = "-v", **variables: Any
) -> Run:
    """Run the role for two hosts, which share a file here."""
    return playground.play(
        play,
        inventory="one ansible_connection=local\ntwo ansible_connection=local\n",
        variables={"proxy_list_path": str(path), "proxy_list_count": 2, "proxy_list_drain": 5, **variables},
        arguments=["--diff", verbosity],
        environment={"QG_KEY": sim.key, "QG_PASSWORD": PWD, "QG_API_URL": sim.api_url},
    )


def servers(sim: Simulator) -> list[str]:
    return sorted(lease["host"] for lease in sim.leases())


@pytest.mark.parametrize("pace", ["linear", "free"])
def test_a_file_of_servers_is_written_with_one_lease_call_for_all_hosts(
    sim: Simulator, playground: Playground, path: Path, pace: str
) -> None:
    run = write(sim, playground, path, pace=pace).ok()
    assert len(sim.leases()) == 2
    assert path.read_text().splitlines() == servers(sim)
    assert path.stat().st_mode & 0o777 == 0o644
    assert calls(sim, "/allocate") == ["/allocate"]
    assert "Note the change" in run.output
    again = write(sim, playground, path, "qingguo.qgnet.refresh_proxies", qg_refresh="list").ok()
    assert {task.result["changed"] for task in again.by_host("Write the list").values()} == {False}
    assert calls(sim, "/allocate") == ["/allocate"]


def test_leases_that_may_outlast_their_deadline_are_kept_without_naming_the_product(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    sim.configure(plan={"kind": "longterm", "lifetime": 30}, options={"lease_proxies": False})
    write(sim, playground, path, proxy_list_drain=1200).ok()
    held = servers(sim)
    sim.advance(900)
    # By their deadline, they have less than proxy_list_drain left.
    write(sim, playground, path, proxy_list_drain=1200).ok()
    assert path.read_text().splitlines() == held
    assert calls(sim, "/longterm/get") == ["/longterm/get"]


def test_each_format_has_the_leases(sim: Simulator, playground: Playground, path: Path) -> None:
    write(sim, playground, path, proxy_list_format="urls", proxy_list_scheme="socks5h").ok()
    assert path.read_text().splitlines() == [f"socks5h://{server}" for server in servers(sim)]
    write(sim, playground, path, proxy_list_format="json").ok()
    rows = json.loads(path.read_text())
    assert [row["server"] for row in rows] == servers(sim)
    assert {tuple(sorted(row)) for row in rows} == {("expires_at", "ip", "isp", "region", "server", "url")}
    assert all(row["expires_at"].endswith("+08:00") for row in rows)
    write(sim, playground, path, proxy_list_format="environment").ok()
    variables = dict(line.split("=", 1) for line in path.read_text().splitlines())
    assert variables["http_proxy"] == variables["HTTPS_PROXY"]
    assert variables["http_proxy"].removeprefix("http://") in servers(sim)
    own = playground.write("own.j2", "{% for lease in leases %}[{{ lease.ip }}]{% endfor %}")
    write(sim, playground, path, proxy_list_template=str(own)).ok()
    assert path.read_text() == "".join(
        f"[{lease['ip']}]" for lease in sorted(sim.leases(), key=lambda one: one["host"])
    )


def test_credentials_are_in_a_file_of_the_owner_and_in_no_output(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    secret = {"proxy_list_credentials": True, "proxy_list_format": "urls"}
    run = write(sim, playground, path, verbosity="-vvvv", **secret).ok()
    assert path.read_text().splitlines() == [f"http://{sim.key}:{PWD}@{server}" for server in servers(sim)]
    assert path.stat().st_mode & 0o777 == 0o600
    assert PWD not in run.output
    refused = write(sim, playground, path, verbosity="-vvvv", **secret, proxy_list_owner="no such user")
    assert [task.status for task in refused.by_host("Write the list").values()] == ["failed", "failed"]
    assert PWD not in refused.output


@pytest.mark.measured
def test_an_existing_file_is_kept_while_the_vendor_fails_and_each_run_fails(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    write(sim, playground, path).ok()
    kept = path.read_text()
    sim.fault(path="/query", kind="code", code=-13, times=-1)
    for play in (PLAY, "qingguo.qgnet.refresh_proxies"):
        run = write(sim, playground, path, play, qg_refresh="list")
        assert run.rc == 2
        assert f"{path} of one: " in " ".join(run.output.split())
    assert path.read_text() == kept


@pytest.mark.measured
def test_what_can_be_had_is_written_and_the_run_fails(sim: Simulator, playground: Playground, path: Path) -> None:
    sim.configure(plan={"channels": 2})
    run = write(sim, playground, path, proxy_list_count=3)
    assert run.rc == 2
    assert "proxy_list_count=3" in run.output
    assert path.read_text().splitlines() == servers(sim)
    assert len(servers(sim)) == 2


def test_a_list_is_removed(sim: Simulator, playground: Playground, path: Path) -> None:
    write(sim, playground, path).ok()
    write(sim, playground, path, proxy_list_state="absent").ok()
    assert not path.exists()
    assert len(sim.leases()) == 2
