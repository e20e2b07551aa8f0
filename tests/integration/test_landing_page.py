# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the first page of the documentation, one after the other, against the simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.playbooks import Playground

import examples

PAGE = Path("docs/site/index.en.rst")
HOSTS = "[crawlers]\nh1 ansible_connection=local\nh2 ansible_connection=local\n"
ALLOWED = ["203.0.113.77", "203.0.113.78"]
ACCOUNT_PAGE = "/api/cloud-business/getDetail"


def play_of(hosts: str, tasks: str) -> str:
    """A play with the tasks of an example; the addresses of the simulator are those of documents."""
    indented = "".join(f"    {line}\n" for line in tasks.splitlines())
    defaults = "  module_defaults: {qingguo.qgnet.qg_whitelist: {allow_non_global: true}}\n"
    return f"- name: {hosts}\n  hosts: {hosts}\n  gather_facts: false\n{defaults}  tasks:\n{indented}"


@pytest.mark.newest_core
def test_the_cards_do_what_they_say(sim: Simulator, playground: Playground) -> None:
    register, lease, use, exact, inventory = [one.text for one in examples.examples_of(PAGE)]
    sim.configure(plan={"kind": "dynamic_dedicated", "channels": 8})
    sim.agent(instances=[{"Suid": "104000001", "Ip": "198.51.100.1", "Run_status": "1", "Order_status": "1"}])
    use = use.replace("/opt/crawler/run", "printenv http_proxy")
    plays = [
        register,
        play_of("crawlers", lease + use),
        play_of("localhost", exact),
        play_of("qg_status_running", "- name: Show the server\n  ansible.builtin.debug:\n    var: qg_ip\n"),
    ]
    variables: dict[str, Any] = {
        "allowed_ips": ALLOWED,
        "egress_whitelist_allow_non_global": True,
        "egress_whitelist_sources": [f"{sim.api_url}/ip", f"{sim.api_url}/json"],
    }
    environment = {
        "QG_KEY": sim.key,
        "QG_API_URL": sim.api_url,
        "QG_APP_ID": sim.app_id,
        "QG_APP_KEY": sim.app_key,
        "QG_ACCOUNT_URL": sim.account_url,
    }
    servers = playground.write("site.qg_cloud.yml", f"{inventory}allow_non_global: true\n")
    run = playground.play(
        "---\n" + "\n".join(plays),
        inventory=HOSTS,
        variables=variables,
        arguments=("-i", str(servers)),
        environment=environment,
    ).ok()
    held = {lease["server"] for lease in run.of("Ensure five live proxies", "h1").result["leases"]}
    assert len(held) == len(sim.leases()) == 5
    used = [task.result["stdout"] for task in run.by_host("Crawl through a leased proxy").values()]
    assert len(used) == 2
    assert set(used) <= {f"http://{server}" for server in held}
    assert sim.whitelist() == ALLOWED
    assert run.of("Show the server", "104000001").result["qg_ip"] == "198.51.100.1"
    assert len(sim.journal(ACCOUNT_PAGE)) == 1
    assert [call["params"]["IP"] for call in sim.journal("/whitelist/add")][1:] == [",".join(ALLOWED)]
