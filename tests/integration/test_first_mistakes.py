# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What new users type wrong on their first day: each gets one sentence with the option and the fix, before any call."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._watch.options import WatchOptions, read_options
from simulator.fixture import Simulator
from support.playbooks import Playground, Run, assert_one_sentence

Options = dict[str, Any]
IPS = {"ips": ["203.0.113.5"], "allow_non_global": True}
#: The module, its options, the option that the message names first, and the value, the cause or the fix in it.
MODULES: list[tuple[str, Options, str, str]] = [
    # the whitelist
    ("qg_whitelist", {"ip": "203.0.113.5"}, "ip", "is not an option of qg_whitelist: did you mean ips?"),
    ("qg_whitelist", {}, "ips", "missing required arguments"),
    ("qg_whitelist", {"ips": "203.0.113.5 203.0.113.6"}, "ips", "give each address in an entry of its own"),
    ("qg_whitelist", {"ips": {"web1": "203.0.113.5"}}, "ips", "is not a list: begin each entry with a hyphen"),
    ("qg_whitelist", {"ips": ["203.0.113.5:8080"]}, "ips", "'203.0.113.5:8080': leave out the port"),
    ("qg_whitelist", {"ips": ["203.0.113.0/24"]}, "ips", "'203.0.113.0/24': the whitelist takes single IPv4 addresses"),
    ("qg_whitelist", {"ips": ["192.168.1.20"]}, "ips", "not an address of the public internet"),
    ("qg_whitelist", {**IPS, "state": "Present"}, "state", "must be one of: present, absent, exact, got: Present"),
    ("qg_whitelist", {**IPS, "state": "exact", "ips": []}, "ips", "state=exact would remove every address"),
    ("qg_whitelist", {**IPS, "state": "exact", "max_removals": -1}, "max_removals", "-1 is out of range"),
    # the transport
    ("qg_whitelist", {**IPS, "timeout": "10s"}, "timeout", "'10s' is not a number: give digits without a unit"),
    ("qg_whitelist", {**IPS, "max_wait": -1}, "max_wait", "-1 is out of range: give a number from 0"),
    ("qg_whitelist", {**IPS, "validate_certs": "maybe"}, "validate_certs", "'maybe' is not true or false"),
    ("qg_whitelist", {**IPS, "ca_path": "/nonexistent/ca.pem"}, "ca_path", "/nonexistent/ca.pem cannot be used"),
    ("qg_whitelist", {**IPS, "state_dir": "/etc/passwd"}, "state_dir", "/etc/passwd cannot be used"),
    ("qg_whitelist_info", {"key": "{{ omit }}", "timeout": "{{ lookup('env', 'QG_KEY') }}"}, "timeout", "not a number"),
    # the key and the URL
    ("qg_whitelist_info", {"key": "  "}, "key", "is empty"),
    ("qg_whitelist_info", {"key": "<my key>"}, "key", "contains a blank, a line break or angle brackets"),
    ("qg_whitelist_info", {"key": "\ufeffHUSH01"}, "key", "contains an invisible character, such as a byte order mark"),
    ("qg_whitelist_info", {"pwd": "HUSH\u200bHUSH"}, "pwd", "contains an invisible character"),
    ("qg_balance_info", {"app_key": "HUSH01\u2060"}, "app_key", "contains an invisible character"),
    ("qg_whitelist_info", {"api_url": "proxy.qg.net"}, "api_url", "give scheme and host"),
    ("qg_whitelist_info", {"api_url": "https://proxy.qg.net/?Key=HUSH"}, "api_url", "only scheme, host and path"),
    ("qg_whitelist_info", {"api_url": "https://proxy.qg.net/whitelist/query"}, "api_url", "leave out /whitelist/query"),
    ("qg_whitelist_info", {"api_url": "https://www.qg.net/api"}, "api_url", "give it in account_url"),
    ("qg_whitelist_info", {"api_url": "https://me:HUSH@proxy.qg.net"}, "api_url", "contains a user name"),
    ("qg_balance_info", {"domain": "https://www.qg.net"}, "domain", "is not a host name: give the site"),
    # leases
    ("qg_proxy_allocate", {"Num": 3}, "Num", "is not an option of qg_proxy_allocate: did you mean count?"),
    ("qg_proxy_allocate", {"count": 0}, "count", "count=0 is out of range: give a number from 1"),
    ("qg_proxy_allocate", {"count": "three"}, "count", "'three' is not a whole number"),
    ("qg_proxy_allocate", {"product": "Share"}, "product", "must be one of: classic, share"),
    ("qg_proxy_allocate", {"area_id": "上海"}, "area_id", "'上海' is not a whole number: give the vendor's number of"),
    ("qg_proxy_allocate", {"isp": "chinanet"}, "isp", "must be one of: telecom, mobile, unicom, bgp, got: chinanet"),
    ("qg_proxy_allocate", {"keep_alive": 10, "min_remaining": 10}, "keep_alive", "must be more than min_remaining=10"),
    ("qg_proxy_release", {}, "ips", "No lease is selected: give ips or task_ids, or set all=true"),
    ("qg_proxy_release", {"ips": ["all"]}, "ips", "set all=true"),
    ("qg_proxy_release", {"ips": ["203.0.113.5"], "product": "share"}, "product", "they end at their deadline"),
    ("qg_quota_info", {"product": "overseas"}, "product", "has no quota that can be read"),
    ("qg_monopoly", {}, "count", "is missing: state=present needs the number"),
    # the egress address and proxies
    ("qg_egress_ip_info", {"sources": "http://a.example http://b.example"}, "sources", "contains several URLs"),
    ("qg_egress_ip_info", {"sources": ["ip.example"]}, "sources", "such as https://api.ipify.org"),
    ("qg_egress_ip_info", {"quorum": 4}, "quorum", "cannot be met by 3 sources: name more, or lower quorum"),
    ("qg_egress_ip_info", {"quorum": 0}, "quorum", "is out of range: give a number from 1 to 3"),
    ("qg_egress_ip_info", {"source_address": "eth0"}, "source_address", "'eth0' is not an ipv4 address"),
    ("qg_proxy_check", {"proxies": ["203.0.113.5"]}, "proxies", "give HOST:PORT"),
]
#: Variables of the role, and the same.
ROLE: list[tuple[Options, str, str]] = [
    ({"verify_proxy": "192.0.2.1:3128"}, "verify_proxy", "give scheme and host, such as http://192.0.2.1:3128"),
    ({"verify_proxy": "http://proxy.example"}, "verify_proxy", "has no port: give it"),
    ({"fail": "never"}, "fail", "'never' is not true or false"),
    ({"state": "registered"}, "state", "must be one of: present, absent"),
]
#: Options of the lookup, and what it says.
LOOKUP = [
    ("count=2", "count is not an option of the lookup: did you mean limit?"),
    ("state_dir='/etc/passwd'", "state_dir /etc/passwd cannot be used"),
]
INVENTORY: list[tuple[Options, str]] = [
    ({"api_url": "https://www.qg.net/api"}, "api_url is not an option of this plugin"),
    ({"connect_with": "private"}, "connect_with='private' cannot be used in the inventory file: give some of public"),
]
WATCH: list[tuple[Options, str]] = [
    ({"quota": 5}, "quota is not an option of qg_watch: did you mean quota_below?"),
    ({"interval": "1m", "leases": True}, "interval='1m' cannot be used: give a number"),
    ({}, "qg_watch has nothing to watch: set at least one of"),
]
HEADER = """
- hosts: localhost
  gather_facts: false
  module_defaults:
    group/qingguo.qgnet.qg: {key: "{{ key }}", api_url: "{{ api_url }}", app_id: nothing, app_key: nothing}
  tasks:
"""


@pytest.fixture(scope="module")
def cases() -> dict[str, dict[str, Any]]:
    """All tasks of the playbook by name."""
    found: dict[str, dict[str, Any]] = {}
    for number, (module, options, _option, _part) in enumerate(MODULES):
        found[f"module {number}"] = {f"qingguo.qgnet.{module}": options}
    for number, (variables, _option, _part) in enumerate(ROLE):
        prefixed = {f"egress_whitelist_{name}": value for name, value in variables.items()}
        step = {"step": "detect", "vars_prefix": "egress_whitelist_"}
        found[f"role {number}"] = {"qingguo.qgnet.qg_egress_whitelist": step, "vars": prefixed}
    for number, (options, _sentence) in enumerate(LOOKUP):
        template = f"{{{{ query('qingguo.qgnet.proxy', key=key, api_url=api_url, {options}) }}}}"
        found[f"lookup {number}"] = {"ansible.builtin.debug": {"msg": template}}
    return found


def play(sim: Simulator, playground: Playground, cases: dict[str, dict[str, Any]]) -> Run:
    lines = "".join(
        f"    - {json.dumps({'name': name, **task, 'ignore_errors': True})}\n" for name, task in cases.items()
    )
    files = [
        playground.write(f"{number}.qg_cloud.yml", json.dumps({"plugin": "qingguo.qgnet.qg_cloud", **options}))
        for number, (options, _sentence) in enumerate(INVENTORY)
    ]
    return playground.play(
        HEADER + lines,
        variables={"key": sim.key, "api_url": sim.api_url},
        arguments=["-v", *(word for file in files for word in ("-i", str(file)))],
        environment={"QG_KEY": "HUSH0123", "QG_APP_ID": "nothing", "QG_APP_KEY": "nothing"},
    ).ok()


@pytest.mark.newest_core
def test_each_first_mistake_is_one_sentence_with_the_option_and_the_fix(
    sim: Simulator, playground: Playground, cases: dict[str, dict[str, Any]]
) -> None:
    run = play(sim, playground, cases)
    wrong = []
    for kind, table in (("module", [case[1:] for case in MODULES]), ("role", ROLE)):
        for number, (options, option, part) in enumerate(table):
            task = run.of(f"{kind} {number}")
            message = str(task.result.get("msg"))
            name = re.compile(rf"\b{'egress_whitelist_' if kind == 'role' else ''}{option}\b")
            if task.status != "failed" or not name.search(message) or part not in message:
                wrong.append((options, task.status, message))
            else:
                assert_one_sentence(message)
    for number, (text, sentence) in enumerate(LOOKUP):
        message = str(run.of(f"lookup {number}").result.get("msg"))
        if sentence not in message:
            wrong.append(({"lookup": text}, "", message))
    output = " ".join(run.output.split())
    wrong += [(options, "", "") for options, sentence in INVENTORY if sentence not in output]
    assert wrong == []
    assert "Traceback" not in run.output
    assert "HUSH" not in "".join(str(task.result.get("msg")) for task in run.tasks)
    assert sim.journal() == []


@pytest.mark.newest_core
@pytest.mark.parametrize(("options", "sentence"), WATCH)
def test_a_first_mistake_in_a_rulebook_is_one_sentence(options: Options, sentence: str) -> None:
    with pytest.raises(OptionError) as refused:
        WatchOptions.parse(read_options({"key": "QGDEMO01", **options}))
    assert str(refused.value).startswith(sentence)
    assert_one_sentence(str(refused.value))
