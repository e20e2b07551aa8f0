# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A misspelt variable or environment variable is refused by name: that of a cap would cost money."""

from __future__ import annotations

import pytest
from simulator.fixture import Simulator
from support.module_tasks import IGNORE, play
from support.playground import Playground

pytestmark = pytest.mark.newest

#: What a user typed, and what was meant.
VARIABLES = {
    "qg_kye": "qg_key",
    "qg_keyy": "qg_key",
    "qg_api_key": "qg_app_key",
    "qg_pasword": "qg_password",
    "qg_pwd": "",
    "qg_produkt": "qg_product",
    "qg_max_new_per_days": "qg_max_new_per_day",
    "qg_max_per_day": "qg_max_new_per_day",
    "qg_maxwait": "qg_max_wait",
    "qg_time_out": "qg_timeout",
    "qg_apiurl": "qg_api_url",
    "qg_account_uri": "qg_account_url",
    "qg_appid": "qg_app_id",
    "qg_stores": "qg_store",
    "qg_count": "",
    "qg_area": "qg_areas",
    "qg_host": "qg_hosts",
    "qg_metrics_fil": "qg_metrics_file",
    "qg_metrics_key": "qg_metrics_keys",
    "egress_whitelist_ip": "egress_whitelist_ips",
    "egress_whitelist_sate": "egress_whitelist_state",
    "egress_whitelist_max_removal": "egress_whitelist_max_removals",
    "egress_whitelist_key": "",
    "proxy_gateway_counts": "proxy_gateway_count",
    "proxy_gateway_drains": "proxy_gateway_drain",
    "proxy_list_fil": "proxy_list_",
    "proxy_list_formats": "proxy_list_format",
}
ENVIRONMENT = {
    "QG_KYE": "QG_KEY",
    "QG_MAX_NEW_PER_DAYS": "QG_MAX_NEW_PER_DAY",
    "QG_MAX_PER_DAY": "QG_MAX_NEW_PER_DAY",
    "QG_PASSWRD": "QG_PASSWORD",
    "QG_PWD": "QG_PASSWORD",
    "QG_PRODUCTS": "QG_PRODUCT",
    "QG_APIURL": "QG_API_URL",
    "QG_STATE_DIR": "QG_STORE",
    "QG_SOURCE": "QG_SOURCES",
    "QG_APPKEY": "QG_APP_KEY",
    "QG_TIME_OUT": "QG_TIMEOUT",
}
BUY = {"qingguo.qgnet.qg_proxy_allocate": {"count": 1}}


def test_a_misspelt_variable_is_refused_by_name(sim: Simulator, playground: Playground) -> None:
    tasks = [{"name": name, "vars": {name: "1"}, **BUY, **IGNORE} for name in VARIABLES]
    known = {"qg_key": sim.key, "qg_api_url": sim.api_url}
    run = playground.play(play(*tasks, hosts="localhost"), variables=known).ok()
    said = {name: run.of(name).result["msg"] for name in VARIABLES}
    expected = {name: f"The variable {name} does not exist: did you mean {meant}" for name, meant in VARIABLES.items()}
    assert {name: text for name, text in said.items() if not text.startswith(expected[name])} == {}
    assert sim.journal() == []


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_misspelt_environment_variable_is_refused_by_name(sim: Simulator, playground: Playground, name: str) -> None:
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url, name: "1"}
    run = playground.play(play({"name": "buy", **BUY}, hosts="localhost"), environment=environment)
    assert f"The environment variable {name} does not exist: did you mean" in run.of("buy").result["msg"]
    assert ENVIRONMENT[name] in run.of("buy").result["msg"]
    assert sim.journal() == []


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
