# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tunnels: exits that labels choose, and the module that changes the exit, against the simulator's
tunnel.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from integration.module_tasks import from_variables, play, task
from integration.playground import Playground
from qgnet_simulator.running import Simulator, running_simulator

pytestmark = pytest.mark.newest

PASSWORD = "0123456789ab"
#: Calls through the tunnel, each for three labels: the first and the last are the same.
LABELS = ["a", "b", "a"]
HOSTS = ["web-1.example.com", "web-2.example.com", "web-1.example.com"]
BY_USER = "proxy_tunnel(item, area='jp', key=key, password=password)"


def call(name: str, labels: list[str], label: str | None = None) -> dict[str, Any]:
    """Call the page with a label in the credentials, or else in a header."""
    if label:
        proxy = (
            f"{{{{ tunnel | qingguo.qgnet.{label} | qingguo.qgnet.proxy_environment(no_proxy=[]) "
            f"}}}}"
        )
        task = {
            "ansible.builtin.command": {"argv": ["curl", "--silent", "--fail", "{{ page }}"]},
            "environment": proxy,
        }
    else:
        header = (
            "Proxy-TunnelID: {{ (tunnel | qingguo.qgnet.proxy_tunnel(item, "
            "form='headers'))['Proxy-TunnelID'] }}"
        )
        argv = [
            "curl",
            "--silent",
            "--fail",
            "--proxy",
            "http://{{ tunnel }}",
            "--proxy-header",
            header,
            "{{ page }}",
        ]
        task = {"ansible.builtin.command": {"argv": argv}}
    return {"name": name, "loop": labels, "changed_when": False, **task}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    # An address of its own, since the control port of a tunnel is always the same.
    address = f"127.{random.randint(64, 254)}.{random.randint(0, 254)}.{random.randint(1, 254)}"
    with running_simulator(
        ["--host", address, "--tunnel-port", "0", "--tunnel-control-port", "9090"]
    ) as running:
        yield running


def changes(sim: Simulator) -> list[dict[str, Any]]:
    return [call for call in sim.journal() if call["path"] == "/proxyip"]


def test_labels_choose_exits_and_the_module_changes_the_exit(
    sim: Simulator, playground: Playground
) -> None:
    sim.configure(whitelist=["127.0.0.1"])
    variables = {
        "tunnel": str(sim.tunnel_url).removeprefix("http://").rstrip("/"),
        "key": sim.key,
        "password": PASSWORD,
        "page": "http://d.qg.net/ip",
    }
    options = from_variables("tunnel", "key") | {"password": "{{ password }}"}
    text = play(
        call("by user", LABELS, BY_USER),
        call("by header", HOSTS),
        task("Change in check mode", "qg_tunnel_exit", options, check_mode=True),
        task("Change", "qg_tunnel_exit", options),
        hosts="localhost",
    )
    run = playground.play(text, variables=variables).ok()
    exits = {
        done.name: [item["stdout"] for item in done.result["results"]] for done in run.tasks[:2]
    }
    for first, second, again in exits.values():
        assert first == again
        assert first != second
    labels = [
        (item["label"], item["area"]) for item in sim.state()["keys"][sim.key]["tunnel"]["in_use"]
    ]
    assert {(name, "JP") for name in LABELS} <= set(labels)
    assert {(name, None) for name in HOSTS} <= set(labels)
    assert run.of("Change in check mode").result["exit"] is None
    assert run.of("Change").result["changed"] is True
    assert run.of("Change").result["exit"]["ip"].count(".") == 3
    assert len(changes(sim)) == 1
    assert PASSWORD not in run.output
