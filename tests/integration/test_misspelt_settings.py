# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A misspelt variable or environment variable is refused by name: that of a cap would cost money.

A user's own variable may begin with the same letters; tests/unit/plugins/plugin_utils/test_variables.py has more names.
"""

from __future__ import annotations

import pytest
from simulator.fixture import Simulator
from support.module_tasks import IGNORE, play
from support.playground import Playground

pytestmark = pytest.mark.newest

#: What a user typed, and what was meant.
VARIABLES = {
    "qg_kye": "qg_key",
    "qg_api_key": "qg_app_key",
    "qg_produkt": "qg_product",
    "qg_max_new_per_days": "qg_max_new_per_day",
    "qg_max_per_day": "qg_max_new_per_day",
    "qg_stores": "qg_store",
    "qg_area": "qg_areas",
    "qg_host": "qg_hosts",
    "qg_metrics_fil": "qg_metrics_file",
    "egress_whitelist_ip": "egress_whitelist_ips",
    "egress_whitelist_key": "qg_key",
    "proxy_gateway_counts": "proxy_gateway_count",
    "proxy_gateway_max_new_per_day": "qg_max_new_per_day",
    "proxy_list_formats": "proxy_list_format",
}
#: What a user has for purposes of their own.
FOREIGN = ("qg_proxies", "qg_leases", "qg_team", "qg_hosts_file", "proxy_gateway_result", "proxy_list_result")
ENVIRONMENT = {"QG_KYE": "QG_KEY", "QG_MAX_PER_DAY": "QG_MAX_NEW_PER_DAY", "QG_APPKEY": "QG_APP_KEY"}
FOREIGN_ENVIRONMENT = ("QG_TEAM", "QG_HOME", "QG_ENV", "QG_DEBUG", "QG_STATE_DIR")
BUY = {"qingguo.qgnet.qg_proxy_allocate": {"count": 1}}


def test_a_misspelt_variable_is_refused_by_name(sim: Simulator, playground: Playground) -> None:
    tasks = [{"name": name, "vars": {name: "1"}, **BUY, **IGNORE} for name in VARIABLES]
    known = {"qg_key": sim.key, "qg_api_url": sim.api_url}
    run = playground.play(play(*tasks, hosts="localhost"), variables=known).ok()
    said = {name: run.of(name).result["msg"] for name in VARIABLES}
    expected = {name: f"The variable {name} does not exist: did you mean {meant}" for name, meant in VARIABLES.items()}
    assert {name: text for name, text in said.items() if not text.startswith(expected[name])} == {}
    assert sim.journal() == []


def test_a_variable_with_a_prefix_of_a_role_is_one_of_the_role(sim: Simulator, playground: Playground) -> None:
    known = {"qg_key": sim.key, "qg_api_url": sim.api_url, "proxy_gateway_colour": "red"}
    run = playground.play(play({"name": "buy", **BUY}, hosts="localhost"), variables=known)
    expected = "The variable proxy_gateway_colour does not exist. Names with proxy_gateway_ are those of the role"
    assert run.of("buy").result["msg"].startswith(expected)
    assert sim.journal() == []


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_misspelt_environment_variable_is_refused_by_name(sim: Simulator, playground: Playground, name: str) -> None:
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url, name: "1"}
    run = playground.play(play({"name": "buy", **BUY}, hosts="localhost"), environment=environment)
    expected = f"The environment variable {name} does not exist: did you mean {ENVIRONMENT[name]}?"
    assert run.of("buy").result["msg"].startswith(expected)
    assert sim.journal() == []


def test_names_of_a_user_are_not_refused(sim: Simulator, playground: Playground) -> None:
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url, **dict.fromkeys(FOREIGN_ENVIRONMENT, "1")}
    lease = {"name": "first", **BUY, "register": "qg_allocated"}
    tasks = [lease, {"name": "second", "vars": dict.fromkeys(FOREIGN, "1"), **BUY}]
    playground.play(play(*tasks, hosts="localhost"), environment=environment).ok()
    assert len(sim.leases()) == 1


def test_an_unknown_name_in_a_list_of_dictionaries_is_refused(sim: Simulator, playground: Playground) -> None:
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    for variable, playbook, entry in (
        ("qg_metrics_keys", "metrics", {"name": "one", "kye": "QGDEMO02"}),
        ("qg_metrics_keys", "metrics", {"name": "one", "max_new_per_days": 1}),
        ("qg_metrics_keys", "metrics", {"name": "one", "produkt": "share"}),
    ):
        variables = {variable: [entry], "qg_metrics_file": str(playground.root / "a.prom")}
        run = playground.play(f"qingguo.qgnet.{playbook}", environment=environment, variables=variables)
        assert run.rc == 2
        assert list(entry)[1] in run.output
    assert sim.journal() == []
