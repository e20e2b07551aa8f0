# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the role proxy_gateway: what it refuses before any change. Molecule runs it on hosts."""

from __future__ import annotations

from typing import Any

import pytest
from simulator.fixture import Simulator
from support.playbooks import Playground, calls

PLAY = """
- hosts: all
  gather_facts: false
  roles: [qingguo.qgnet.proxy_gateway]
"""
POOL = {"name": "one", "port": 3128}

REFUSED = [
    pytest.param({"proxy_gateway_bind": "0.0.0.0"}, "would be an open proxy", id="all addresses without a list"),
    pytest.param({"proxy_gateway_bind": "192.0.2.1"}, "would be an open proxy", id="an address without a list"),
    pytest.param({"proxy_gateway_metrics": "0.0.0.0:9101"}, "would be an open proxy", id="metrics without a list"),
    pytest.param(
        {"proxy_gateway_bind": "0.0.0.0", "proxy_gateway_allow": ["0.0.0.0/0"]},
        "without /0",
        id="a list of all addresses",
    ),
    pytest.param({"proxy_gateway_allow": ["192.0.2.0/24\nbind :1"]}, "cannot be used", id="a line break in the list"),
    pytest.param({"proxy_gateway_bind": "127.0.0.1:1 "}, "cannot be used", id="an address with a port"),
    pytest.param({"proxy_gateway_check_target": "d.qg.net"}, "cannot be used", id="a target without a port"),
    pytest.param({"proxy_gateway_pools": [POOL, {**POOL, "port": 3129}]}, "must be unique", id="one name twice"),
    pytest.param({"proxy_gateway_pools": [POOL, {**POOL, "name": "two"}]}, "must be unique", id="one port twice"),
    pytest.param(
        {"proxy_gateway_refresh": "timer", "proxy_gateway_drain": 35}, "at least 10 seconds", id="short drain"
    ),
    pytest.param({"proxy_gateway_count": 0}, "proxy_gateway_count is out of range", id="no leases"),
    pytest.param({"proxy_gateway_prot": 3128}, "Unknown variables: proxy_gateway_prot.", id="an unknown variable"),
    pytest.param({"proxy_gateway_check": "http"}, "proxy_gateway_check must be one of", id="another choice"),
    pytest.param({"proxy_gateway_pools": [{"name": "one"}]}, "port", id="a pool without a port"),
]


@pytest.mark.parametrize(("variables", "reason"), REFUSED)
def test_options_are_refused_before_any_change(
    sim: Simulator, playground: Playground, variables: dict[str, Any], reason: str
) -> None:
    run = playground.play(
        PLAY,
        variables={"proxy_gateway_configuration": str(playground.root / "gateway"), **variables},
        environment={"QG_KEY": sim.key, "QG_API_URL": sim.api_url},
    )
    assert run.rc == 2
    assert reason in " ".join(run.output.split())
    assert calls(sim) == []
    assert not (playground.root / "gateway").exists()
