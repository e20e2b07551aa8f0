# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A misspelt variable or environment variable is refused by name: that of a cap would cost money.

A user's own variable may begin with the same letters;
tests/unit/plugins/plugin_utils/test_variables.py has more names.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail
from integration.module_tasks import IGNORE, play
from integration.playground import Playground
from qgnet_simulator.running import Simulator
from support import phrases
from support.plugin_runs import run_action

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
FOREIGN = (
    "qg_proxies",
    "qg_leases",
    "qg_team",
    "qg_hosts_file",
    "proxy_gateway_result",
    "proxy_list_result",
)
ENVIRONMENT = {
    "QG_KYE": "QG_KEY",
    "QG_MAX_PER_DAY": "QG_MAX_NEW_PER_DAY",
    "QG_APPKEY": "QG_APP_KEY",
}
FOREIGN_ENVIRONMENT = ("QG_TEAM", "QG_HOME", "QG_ENV", "QG_DEBUG", "QG_STATE_DIR")
BUY = {"qingguo.qgnet.qg_proxy_allocate": {"count": 1}}


def test_a_misspelt_variable_is_refused_by_name(sim: Simulator, playground: Playground) -> None:
    tasks = [{"name": name, "vars": {name: "1"}, **BUY, **IGNORE} for name in VARIABLES]
    # With the prefix of a role, a variable is one of the role.
    tasks.append({"name": "of a role", "vars": {"proxy_gateway_color": "red"}, **BUY, **IGNORE})
    names = {"qg_key": sim.key, "qg_api_url": sim.api_url}
    run = playground.play(play(*tasks, hosts="localhost"), variables=names).ok()
    for name, meant in VARIABLES.items():
        expected = phrases.MISSPELT_VARIABLE.format(name, meant)
        assert run.of(name).result["msg"].startswith(expected)
    expected = phrases.NONE_OF_THE_ROLE.format("proxy_gateway_color", "proxy_gateway_")
    assert run.of("of a role").result["msg"].startswith(expected)
    assert sim.journal() == []


def test_a_misspelt_environment_variable_is_refused_by_name(
    sim: Simulator, playground: Playground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    playground.options["store"] = str(tmp_path / "store")
    for name, meant in ENVIRONMENT.items():
        with monkeypatch.context() as patch:
            patch.setenv(name, "1")
            with pytest.raises(AnsibleActionFail) as refusal:
                run_action("qg_proxy_allocate", {**playground.options, "count": 1})
        expected = phrases.MISSPELT_SETTING.format(name, meant)
        assert refusal.value.message.startswith(expected)
    assert sim.journal() == []


def test_names_of_a_user_are_not_refused(sim: Simulator, playground: Playground) -> None:
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    foreign = dict.fromkeys(FOREIGN_ENVIRONMENT, "1")
    lease = {"name": "first", **BUY, "register": "qg_allocated"}
    tasks = [lease, {"name": "second", "vars": dict.fromkeys(FOREIGN, "1"), **BUY}]
    playground.play(play(*tasks, hosts="localhost"), environment={**environment, **foreign}).ok()
    assert len(sim.leases()) == 1


def test_an_unknown_name_in_a_list_of_dictionaries_is_refused(
    sim: Simulator, playground: Playground
) -> None:
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    variables = {
        "qg_metrics_keys": [{"name": "one", "max_new_per_days": 1}],
        "qg_metrics_file": str(playground.root / "a.prom"),
    }
    run = playground.play("qingguo.qgnet.metrics", environment=environment, variables=variables)
    assert run.rc == 2
    assert "max_new_per_days" in run.output
    assert sim.journal() == []
