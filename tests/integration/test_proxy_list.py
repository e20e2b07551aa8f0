# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role proxy_list: leases as files that other programs read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from simulator.fixture import Simulator
from support.playbooks import Playground, Run, calls

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
    return tmp_path / "proxies"


def write(sim: Simulator, playground: Playground, path: Path, **variables: Any) -> Run:
    """Run the role for two hosts, which share a file here."""
    return playground.play(
        PLAY,
        inventory="one ansible_connection=local\ntwo ansible_connection=local\n",
        variables={"proxy_list_path": str(path), "proxy_list_count": 2, "proxy_list_drain": 5, **variables},
        arguments=["--diff"],
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
    again = write(sim, playground, path).ok()
    assert "Note the change" not in again.output
    assert {task.result["changed"] for task in again.by_host("Write the list").values()} == {False}


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


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_urls_have_the_scheme(sim: Simulator, playground: Playground, path: Path, scheme: str) -> None:
    write(sim, playground, path, proxy_list_format="urls", proxy_list_scheme=scheme).ok()
    assert path.read_text().splitlines() == [f"{scheme}://{server}" for server in servers(sim)]


def test_json_has_the_deadline_of_each_lease(sim: Simulator, playground: Playground, path: Path) -> None:
    write(sim, playground, path, proxy_list_format="json").ok()
    rows = json.loads(path.read_text())
    assert [row["server"] for row in rows] == servers(sim)
    assert {tuple(sorted(row)) for row in rows} == {("expires_at", "ip", "isp", "region", "server", "url")}
    assert all(row["expires_at"].endswith("+08:00") for row in rows)


def test_an_environment_file_has_the_variables_of_one_lease(sim: Simulator, playground: Playground, path: Path) -> None:
    write(sim, playground, path, proxy_list_format="environment").ok()
    variables = dict(line.split("=", 1) for line in path.read_text().splitlines())
    assert variables["http_proxy"] == variables["HTTPS_PROXY"]
    assert variables["http_proxy"].removeprefix("http://") in servers(sim)


@pytest.mark.slow
def test_clash_playwright_and_scrapy_read_their_formats(sim: Simulator, playground: Playground, path: Path) -> None:
    pairs = {"username": sim.key, "password": PWD}
    write(
        sim, playground, path, proxy_list_format="clash", proxy_list_scheme="socks5h", proxy_list_credentials=True
    ).ok()
    addresses = [server.split(":") for server in servers(sim)]
    assert yaml.safe_load(path.read_text())["proxies"] == [
        {"name": f"{host}:{port}", "type": "socks5", "server": host, "port": int(port), **pairs}
        for host, port in addresses
    ]
    for scheme, credentials in (("socks5", {}), ("http", pairs)):
        options = {"proxy_list_scheme": scheme, "proxy_list_credentials": bool(credentials)}
        write(sim, playground, path, proxy_list_format="playwright", **options).ok()
        assert json.loads(path.read_text()) == [
            {"server": f"{scheme}://{server}", **credentials} for server in servers(sim)
        ]
    write(sim, playground, path, proxy_list_format="scrapy").ok()
    settings: dict[str, list[str]] = {}
    exec(path.read_text(), settings)
    assert settings["ROTATING_PROXY_LIST"] == [f"http://{server}" for server in servers(sim)]
    assert len(sim.leases()) == 2
    refused = write(sim, playground, path, proxy_list_format="scrapy", proxy_list_scheme="socks5")
    assert "Set proxy_list_scheme to http" in refused.output


def test_credentials_are_in_a_file_of_the_owner_and_in_no_output(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    options = {"proxy_list_credentials": True, "proxy_list_format": "urls"}
    run = write(sim, playground, path, **options).ok()
    assert path.read_text().splitlines() == [f"http://{sim.key}:{PWD}@{server}" for server in servers(sim)]
    assert path.stat().st_mode & 0o777 == 0o600
    assert PWD not in run.output
    refused = write(sim, playground, path, proxy_list_credentials=True)
    assert "give another proxy_list_format than lines" in refused.output


def test_an_existing_file_is_kept_while_the_vendor_fails_and_one_run_reports_it(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    write(sim, playground, path).ok()
    kept = path.read_text()
    sim.fault(path="/query", kind="code", code=-13, times=-1)
    reports = [write(sim, playground, path).ok().output.count("WARNING: The hosts keep") for _run in range(2)]
    assert path.read_text() == kept
    assert reports[0] >= 1
    assert reports[1] == 0


def test_without_a_file_a_failure_of_the_vendor_is_an_error(sim: Simulator, playground: Playground, path: Path) -> None:
    sim.fault(path="/query", kind="code", code=-13, times=-1)
    run = write(sim, playground, path)
    assert run.rc == 2
    assert not path.exists()
