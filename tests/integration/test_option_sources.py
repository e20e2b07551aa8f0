# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where modules, role, lookup, inventory and event source take their options from: one order for
all of them, and no misspelt name.

A user's own variable may begin with the same letters;
tests/unit/plugins/plugin_utils/test_variables.py has more names.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from integration.fleet import DETECT
from integration.module_tasks import IGNORE, play, play_cases
from integration.playground import ADD, QUERY, Playground
from qgnet_simulator.running import Simulator
from support import phrases
from support.invariants import assert_one_sentence
from support.plugin_runs import run_action

#: Each task is named after the source whose key the vendor must receive; a key is the name of its
#: source.
PLAYS = """
- name: The environment alone
  hosts: h1
  gather_facts: false
  vars: {egress_whitelist_ips: [203.0.113.1]}
  tasks:
    - {name: module ENVIRONMENT, qingguo.qgnet.qg_whitelist_info: {key: "{{ omit }}"}}
    - name: module ENVIRONMENT of an omitted variable
      qingguo.qgnet.qg_whitelist_info:
      vars: {qg_key: "{{ omit }}"}
    - {name: delegated ENVIRONMENT, qingguo.qgnet.qg_whitelist_info: , delegate_to: bastion}
    - {name: lookup ENVIRONMENT, ansible.builtin.debug: {msg: "{{ LOOKUP }}"}}
    - name: role ENVIRONMENT
      ansible.builtin.include_role: {name: qingguo.qgnet.egress_whitelist}

- name: A variable, which has precedence over the environment
  hosts: h1
  gather_facts: false
  vars: {qg_key: "{{ vault_qg_key }}", egress_whitelist_ips: [203.0.113.2]}
  tasks:
    - {name: module VARIABLE, qingguo.qgnet.qg_whitelist_info: }
    - {name: delegated VARIABLE, qingguo.qgnet.qg_whitelist_info: , delegate_to: bastion}
    - {name: lookup VARIABLE, ansible.builtin.debug: {msg: "{{ LOOKUP }}"}}
    - {name: role VARIABLE, ansible.builtin.include_role: {name: qingguo.qgnet.egress_whitelist}}

- name: Defaults of the action group, which have precedence over a variable
  hosts: h1
  gather_facts: false
  vars: {qg_key: VARIABLE, egress_whitelist_ips: [203.0.113.3]}
  module_defaults:
    group/qingguo.qgnet.qg: {key: DEFAULTS}
  tasks:
    - {name: module DEFAULTS, qingguo.qgnet.qg_whitelist_info: }
    - {name: lookup VARIABLE in spite of defaults, ansible.builtin.debug: {msg: "{{ LOOKUP }}"}}
    - {name: role DEFAULTS, ansible.builtin.include_role: {name: qingguo.qgnet.egress_whitelist}}

- name: The option, which has precedence over everything
  hosts: h1
  gather_facts: false
  vars: {qg_key: VARIABLE, egress_whitelist_ips: [203.0.113.4]}
  module_defaults:
    group/qingguo.qgnet.qg: {key: DEFAULTS}
  tasks:
    - {name: module OPTION, qingguo.qgnet.qg_whitelist_info: {key: OPTION}}
    - name: lookup OPTION
      ansible.builtin.debug: {msg: "{{ lookup('qingguo.qgnet.proxy', key='OPTION', at_least=0) }}"}
""".replace("LOOKUP", "lookup('qingguo.qgnet.proxy', at_least=0, max_age=0)")
INVENTORY = """
h1
bastion
[all:vars]
ansible_connection=local
"""
LEASES = "/query"
REGISTER = [QUERY, ADD, QUERY]


@pytest.mark.measured
def test_modules_role_and_lookup_take_the_key_from_the_first_source_that_has_it(
    sim: Simulator, playground: Playground
) -> None:
    # Each key is the name of its source, which is shown.
    playground.is_checked = False
    for key in ("OPTION", "DEFAULTS", "VARIABLE", "ENVIRONMENT"):
        sim.configure(key)
    environment = {"QG_KEY": "ENVIRONMENT", "QG_API_URL": sim.api_url, "QG_MAX_WAIT": ""}
    environment["QG_PRODUCT"] = "classic"
    secret = playground.write("password", "vault")
    command = [
        str(Path(sys.executable).parent / "ansible-vault"),
        "encrypt_string",
        "--vault-password-file",
    ]
    vaulted = subprocess.run(
        [*command, secret, "VARIABLE"], check=True, capture_output=True, text=True
    ).stdout
    playground.write("vault.yml", f"vault_qg_key: {vaulted}")
    arguments = ["-e", "@vault.yml", "--vault-password-file", str(secret)]
    playground.play(PLAYS, inventory=INVENTORY, arguments=arguments, environment=environment).ok()
    assert [(call["key"], call["path"]) for call in sim.journal()] == [
        *(("ENVIRONMENT", path) for path in (*[QUERY] * 3, LEASES, *REGISTER)),
        *(("VARIABLE", path) for path in (*[QUERY] * 2, LEASES, *REGISTER)),
        ("DEFAULTS", QUERY),
        ("VARIABLE", LEASES),
        *(("DEFAULTS", path) for path in REGISTER),
        *(("OPTION", path) for path in (QUERY, LEASES)),
    ]


@pytest.mark.slow
def test_the_inventory_takes_the_account_from_the_first_source_that_has_it(
    sim: Simulator, playground: Playground
) -> None:
    plugin = "plugin: qingguo.qgnet.qg_cloud\n"
    files = {"a": "", "b": "app_id: OPTION\n"}
    paths = [
        str(playground.write(f"{name}.qg_cloud.yml", plugin + text)) for name, text in files.items()
    ]
    environment = {
        "QG_APP_ID": "ENVIRONMENT",
        "QG_APP_KEY": sim.app_key,
        "QG_ACCOUNT_URL": sim.account_url,
    }
    environment |= {"QG_TIMEOUT": ""}
    for variables in (
        {},
        {"qg_app_id": "{{ site_app_id }}", "site_app_id": "VARIABLE", "qg_max_wait": ""},
    ):
        arguments = [word for path in paths for word in ("-i", path)]
        run = playground.play(
            "- hosts: nobody\n  tasks: []\n",
            variables=variables,
            arguments=arguments,
            environment=environment,
        )
        assert phrases.REFUSED_WITH in run.output
    assert [call["key"] for call in sim.journal()] == [
        "ENVIRONMENT",
        "OPTION",
        "VARIABLE",
        "OPTION",
    ]


def test_the_error_for_a_missing_key_names_all_places(
    sim: Simulator, playground: Playground
) -> None:
    tasks: dict[str, tuple[str, dict[str, Any]]] = {
        "module": ("qg_whitelist_info", {}),
        "delegated": ("qg_whitelist_info", {"delegate_to": "bastion"}),
        "account": ("qg_balance_info", {}),
        "late": ("qg_whitelist_info", {"vars": {"qg_key": "QGDEMO08", "qg_timeout": 1000}}),
        "of another type": (
            "qg_whitelist_info",
            {"vars": {"qg_key": "QGDEMO08", "qg_timeout": "soon"}},
        ),
        "undefined": ("qg_whitelist_info", {"vars": {"qg_key": "{{ vault_qg_key }}"}}),
        "later": ("qg_whitelist_info", {"vars": {"qg_key": "QGDEMO08"}}),
    }
    cases: list[dict[str, Any]] = []
    for name, (module, fields) in tasks.items():
        cases.append({"name": name, f"qingguo.qgnet.{module}": None, **fields})
    cases.append({"name": "lookup", "debug": {"msg": "{{ lookup('qingguo.qgnet.proxy') }}"}})
    cases.append({"name": "role", "include_role": {"name": "qingguo.qgnet.egress_whitelist"}})
    environment = {"QG_KEY": "", "QG_API_URL": sim.api_url, "QG_MAX_WAIT": "-1"}
    text = play(*cases, hosts="h1", ignore_errors=True)
    run = playground.play(text, inventory=INVENTORY, environment=environment)
    places = f"as variable qg_key, {phrases.OR_AS} QG_KEY {phrases.IN_THE_ENVIRONMENT}."
    expected = {
        "module": (f"key {phrases.IS_MISSING}", "module_defaults", places),
        "delegated": (places,),
        "account": (f"app_id {phrases.IS_MISSING}", "qg_app_id", "QG_APP_ID"),
        "late": ("timeout=1000", phrases.OUT_OF_RANGE, "timeout comes from qg_timeout."),
        "of another type": ("timeout='soon'", phrases.NO_NUMBER, "timeout comes from qg_timeout."),
        "undefined": ("qg_key", phrases.NOT_EVALUATED, "'vault_qg_key' is undefined"),
        "later": ("max_wait=-1", phrases.OUT_OF_RANGE, "max_wait comes from QG_MAX_WAIT."),
        "lookup": ("key", "option of the lookup", places),
        DETECT: (f"key {phrases.IS_MISSING}", places),
    }
    for name, words in expected.items():
        message = run.of(name).result["msg"]
        for part in words:
            assert part in message, name
        assert_one_sentence(message)
    assert sim.journal() == []


def test_defaults_of_the_group_reach_only_modules_that_use_them_and_a_task_is_refused_others(
    playground: Playground,
) -> None:
    cases: dict[str, dict[str, Any]] = {
        "detect": {"qingguo.qgnet.qg_egress_ip_info": {"sources": []}},
        "own option": {"qingguo.qgnet.qg_egress_ip_info": {"nonsense": 1}},
    }
    run = play_cases(playground, cases, defaults={"password": "", "app_id": "x"})
    assert f"sources {phrases.IS_EMPTY}" in run.of("detect").result["msg"]
    assert f"nonsense {phrases.NO_OPTION}" in run.of("own option").result["msg"]


@pytest.mark.parametrize("origin", ["QG_API_URL", "the task"])
def test_an_api_that_cannot_be_reached_is_named_with_what_has_set_its_url(
    origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    options: dict[str, Any] = {"key": "QGDEMO01", "store": str(tmp_path), "timeout": 1}
    if origin == "QG_API_URL":
        monkeypatch.setenv("QG_API_URL", f"http://{address}")
    else:
        options["api_url"] = f"http://{address}"
    message = run_action("qg_whitelist_info", options)["msg"]
    assert f"{phrases.NO_USABLE_RESPONSE} from {address}: {phrases.REFUSED}." in message
    assert f"api_url comes from {origin}." in message


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
    "proxy_gatewy_count": "proxy_gateway_count",
    "egress_whitelst_ips": "egress_whitelist_ips",
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


@pytest.mark.newest
def test_a_misspelt_variable_is_refused_by_name(sim: Simulator, playground: Playground) -> None:
    tasks = [{"name": name, "vars": {name: "1"}, **BUY, **IGNORE} for name in VARIABLES]
    # With the prefix of a role, a variable is one of the role.
    tasks.append({"name": "of a role", "vars": {"proxy_gateway_color": "red"}, **BUY, **IGNORE})
    names = {"qg_key": sim.key, "qg_api_url": sim.api_url}
    run = playground.play(play(*tasks, hosts="localhost"), variables=names).ok()
    for name, meant in VARIABLES.items():
        expected = phrases.MISSPELT_VARIABLE.format(name, meant)
        assert run.of(name).result["msg"].startswith(expected)
        assert phrases.TASK_OF_HOST.format("localhost") in run.of(name).result["msg"]
    expected = phrases.NONE_OF_THE_ROLE.format("proxy_gateway_color", "proxy_gateway_")
    assert run.of("of a role").result["msg"].startswith(expected)
    assert sim.journal() == []


@pytest.mark.newest
def test_a_misspelt_environment_variable_is_refused_by_name(
    sim: Simulator, playground: Playground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    playground.options["store"] = str(tmp_path)
    for name, meant in ENVIRONMENT.items():
        with monkeypatch.context() as patch:
            patch.setenv(name, "1")
            with pytest.raises(AnsibleActionFail) as refusal:
                run_action("qg_proxy_allocate", {**playground.options, "count": 1})
        expected = phrases.MISSPELT_SETTING.format(name, meant)
        assert refusal.value.message.startswith(expected)
    assert sim.journal() == []


#: Two hosts with a cap, of which one has a key of its own, and one host without a cap.
CAPPED = {
    "crawlers": {"hosts": {"h1": {}}, "vars": {"qg_max_new_per_day": 2}},
    "others": {
        "hosts": {"h2": {"qg_key": "QGOTHERS"}},
        "vars": {"qg_max_new_per_day": 2, "ansible_connection": "local"},
    },
    "free": {"hosts": {"h3": {}, "h4": {"qg_key": "QGFREE"}}},
}
ELSEWHERE = """
- name: Where somebody may have written a cap
  hosts: localhost
  gather_facts: false
  tasks:
    - name: variable
      qingguo.qgnet.qg_proxy_allocate: {count: 3}
      vars: {QG_MAX_NEW_PER_DAY: 2}
      ignore_errors: true
    - name: keyword
      qingguo.qgnet.qg_proxy_allocate: {count: 3}
      environment: {QG_MAX_NEW_PER_DAY: 2}
      ignore_errors: true
    - name: group
      qingguo.qgnet.qg_proxy_allocate: {count: 3}
      ignore_errors: true
    - name: reserved line
      qingguo.qgnet.qg_monopoly: {count: 3}
      ignore_errors: true
    - name: nothing bought
      qingguo.qgnet.qg_proxy_info:
    - name: own cap
      qingguo.qgnet.qg_proxy_allocate: {count: 1, max_new_per_day: 1}

- name: A host beside the others
  hosts: h3:h4
  gather_facts: false
  tasks:
    - name: another host
      qingguo.qgnet.qg_proxy_allocate: {count: 3}
      ignore_errors: true
"""


def test_a_cap_that_is_written_elsewhere_stops_a_purchase(
    sim: Simulator, playground: Playground
) -> None:
    for key in ("QGOTHERS", "QGFREE"):
        sim.configure(key)
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url, "QG_PRODUCT": "classic"}
    playground.is_checked = False

    run = playground.play(ELSEWHERE, inventory=json.dumps(CAPPED), environment=environment)

    expected = {
        "variable": "set the variable qg_max_new_per_day",
        "keyword": "set the variable qg_max_new_per_day",
        "group": "crawlers set qg_max_new_per_day",
        "reserved line": "group_vars/all",
        "another host": "crawlers set qg_max_new_per_day",
    }
    for name, words in expected.items():
        host = {"another host": "h3"}.get(name, "localhost")
        refused = run.of(name, host)
        assert refused.status == "failed"
        assert words in refused.result["msg"]
    assert run.of("nothing bought").status == "ok"
    assert run.of("own cap").status == "ok"
    assert len(sim.leases()) == 1
    # A key without a cap is that of no host that has one.
    assert run.of("another host", "h4").status == "ok"
    assert len(sim.leases("QGFREE")) == 3


@pytest.mark.newest
def test_names_of_a_user_are_not_refused(sim: Simulator, playground: Playground) -> None:
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    foreign = dict.fromkeys(FOREIGN_ENVIRONMENT, "1")
    lease = {"name": "first", **BUY, "register": "qg_allocated"}
    tasks = [lease, {"name": "second", "vars": dict.fromkeys(FOREIGN, "1"), **BUY}]
    playground.play(play(*tasks, hosts="localhost"), environment={**environment, **foreign}).ok()
    assert len(sim.leases()) == 1
