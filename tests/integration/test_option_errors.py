# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mistakes in options: each gets one sentence with the option and the fix, before any call."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import requests
from simulator.fixture import Simulator
from support.playground import Playground, Run, assert_one_sentence, assert_task_failed
from support.task_cases import LOCAL, play_cases

Options = dict[str, Any]
IPS = {"ips": ["203.0.113.5"]}
#: The module, its options, the option that the message names first, and the value, the cause or the fix in it.
MODULES: list[tuple[str, Options, str, str]] = [
    # the whitelist
    ("qg_whitelist", {"ip": "203.0.113.5"}, "ip", "Supported parameters include: "),
    ("qg_whitelist", {}, "ips", "missing required arguments"),
    ("qg_whitelist", {"ips": "203.0.113.5 203.0.113.6"}, "ips", "each in an entry of its own"),
    ("qg_whitelist", {"ips": {"web1": "203.0.113.5"}}, "ips", "unable to convert to list"),
    ("qg_whitelist", {"ips": ["203.0.113.5:8080"]}, "ips", "'203.0.113.5:8080': give single IPv4"),
    ("qg_whitelist", {"ips": ["203.0.113.0/24"]}, "ips", "'203.0.113.0/24': give single IPv4 addresses"),
    ("qg_whitelist", {"ips": ["192.168.1.20"]}, "ips", "not an address of the public internet"),
    ("qg_whitelist", {**IPS, "state": "Present"}, "state", "must be one of: present, absent, exact, got: Present"),
    ("qg_whitelist", {**IPS, "state": "exact", "ips": []}, "ips", "state=exact would remove every address"),
    ("qg_whitelist", {**IPS, "state": "exact", "max_removals": -1}, "max_removals", "-1 is out of range"),
    # the transport
    ("qg_whitelist", {**IPS, "timeout": "10s"}, "timeout", "unable to convert to float"),
    ("qg_whitelist", {**IPS, "max_wait": -1}, "max_wait", "-1 is out of range: give a number from 0"),
    ("qg_whitelist", {**IPS, "store": "/etc/passwd"}, "store", "/etc/passwd cannot be used"),
    (
        "qg_whitelist_info",
        {"key": "{{ omit }}", "timeout": "{{ lookup('env', 'QG_KEY') }}"},
        "timeout",
        "unable to convert to float",
    ),
    # the key and the URL
    ("qg_whitelist_info", {"key": "  "}, "key", "is empty"),
    ("qg_whitelist_info", {"key": "<my key>"}, "key", "contains a blank, a line break, quotes"),
    ("qg_whitelist_info", {"key": "'QGDEMO01'"}, "key", "give only the Authkey of the user centre"),
    ("qg_whitelist_info", {"key": "QG_KEY=QGDEMO01"}, "key", "an equals sign, angle brackets"),
    (
        "qg_proxy_allocate",
        {"count": 1, "state": "present"},
        "state",
        "Supported parameters include: ",
    ),
    ("qg_proxy_info", {"state": "present"}, "state", "Supported parameters include: "),
    ("qg_whitelist_info", {"key": "\ufeffHUSH01"}, "key", "an invisible character, such as a byte order mark"),
    ("qg_whitelist_info", {"api_url": "proxy.qg.net"}, "api_url", "give one URL with scheme and host"),
    ("qg_whitelist_info", {"api_url": "https://proxy.qg.net/?Key=HUSH"}, "api_url", "only scheme, host and path"),
    ("qg_whitelist_info", {"api_url": "https://me:HUSH@proxy.qg.net"}, "api_url", "contains a user name"),
    # leases
    ("qg_proxy_allocate", {"count": 1, "Num": 3}, "Num", "Supported parameters include: "),
    ("qg_proxy_allocate", {}, "count", "missing required arguments: count"),
    ("qg_proxy_allocate", {"count": 0}, "count", "count=0 is out of range: give a number from 1"),
    ("qg_proxy_allocate", {"count": "three"}, "count", "unable to convert to int"),
    ("qg_proxy_allocate", {"count": 1, "pools": {"a": {"pools": [{"name": "b", "count": "x"}]}}}, "count", "to int"),
    ("qg_proxy_allocate", {"count": 1, "product": "Share"}, "product", "must be one of: auto, classic, share"),
    ("qg_proxy_allocate", {"count": 1, "area_id": 350500}, "area_id", "areas,"),
    (
        "qg_proxy_allocate",
        {"count": 1, "isp": "chinanet"},
        "isp",
        "must be one of: telecom, mobile, unicom, bgp, got: chinanet",
    ),
    (
        "qg_proxy_allocate",
        {"count": 1, "keep_alive": 10, "min_remaining": 10},
        "keep_alive",
        "must be more than min_remaining=10",
    ),
    ("qg_proxy_release", {}, "ips", "No lease is selected: give ips or task_ids, or set all=true"),
    ("qg_proxy_release", {"ips": ["all"]}, "ips", "set all=true"),
    ("qg_proxy_release", {"ips": ["203.0.113.5"], "product": "share"}, "product", "they end at their deadline"),
    ("qg_quota_info", {"product": "overseas"}, "product", "has no quota that can be read"),
    ("qg_monopoly", {}, "count", "is missing: state=present needs the number"),
    # the egress address and proxies
    (
        "qg_egress_ip_info",
        {"sources": "http://a.example http://b.example"},
        "sources",
        "give one URL with scheme and host",
    ),
    ("qg_egress_ip_info", {"sources": ["ip.example"]}, "sources", "such as https://api.ipify.org"),
    ("qg_egress_ip_info", {"quorum": 4}, "quorum", "cannot be met by 3 sources: give a number from 1 to 3"),
    ("qg_egress_ip_info", {"quorum": 0}, "quorum", "give a number from 1 to 3"),
]
#: Variables of the role, and the same.
ROLE: list[tuple[Options, str, str]] = [
    ({"state": "registered"}, "state", "must be one of: present, absent"),
]
#: Options of the lookup, and what it says.
LOOKUP = [
    ("count=2", "Unsupported parameters: count."),
    ("store='/etc/passwd'", "store /etc/passwd cannot be used"),
]
INVENTORY: list[tuple[Options, str]] = [
    ({"api_url": "https://www.qg.net/api"}, "Unsupported parameters: api_url."),
    ({"connect_with": "private"}, "Unsupported parameters: connect_with."),
]
NOTHING = {"app_id": "nothing", "app_key": "nothing"}


def defaults(sim: Simulator, **options: str) -> dict[str, dict[str, str]]:
    """The action group with this simulator."""
    return {"group/qingguo.qgnet.qg": {"key": sim.key, "api_url": sim.api_url, **options}}


def lookup(options: str) -> dict[str, Any]:
    """A task with the lookup."""
    template = f"{{{{ query('qingguo.qgnet.proxy', key=key, api_url=api_url, {options}) }}}}"
    return {"ansible.builtin.debug": {"msg": template}}


def cases_of_mistakes() -> dict[str, dict[str, Any]]:
    """All tasks of the playbook by name."""
    found: dict[str, dict[str, Any]] = {}
    for number, (module, options, _option, _part) in enumerate(MODULES):
        found[f"module {number}"] = {f"qingguo.qgnet.{module}": options}
    for number, (variables, _option, _part) in enumerate(ROLE):
        prefixed = {f"egress_whitelist_{name}": value for name, value in variables.items()}
        step = {"step": "detect", "vars_prefix": "egress_whitelist_"}
        found[f"role {number}"] = {"qingguo.qgnet.qg_egress_whitelist": step, "vars": prefixed}
    for number, (text, _sentence) in enumerate(LOOKUP):
        found[f"lookup {number}"] = lookup(text)
    return found


@pytest.mark.measured
def test_each_first_mistake_is_one_sentence_with_the_option_and_the_fix(sim: Simulator, playground: Playground) -> None:
    files = [
        playground.write(f"{number}.qg_cloud.yml", json.dumps({"plugin": "qingguo.qgnet.qg_cloud", **options}))
        for number, (options, _sentence) in enumerate(INVENTORY)
    ]
    run = play_cases(
        playground,
        cases_of_mistakes(),
        inventory=LOCAL,
        variables={"key": sim.key, "api_url": sim.api_url},
        arguments=["-v", *(word for file in files for word in ("-i", str(file)))],
        environment={"QG_KEY": "HUSH0123", "QG_APP_ID": "nothing", "QG_APP_KEY": "nothing"},
        hosts="app",
        module_defaults=defaults(sim, **NOTHING),
    ).ok()
    wrong = []
    for kind, table in (("module", [case[1:] for case in MODULES]), ("role", ROLE)):
        for number, (options, option, part) in enumerate(table):
            task = run.of(f"{kind} {number}")
            message = str(task.result.get("msg"))
            name = re.compile(rf"\b{option}\b")
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


# --- paths

EMPTY = "cannot be used: it is empty"
PATHS = [
    ("store", "", EMPTY),
    ("store", " ", EMPTY),
    ("store", "state", "store=state is a relative path"),
]


def test_a_path_that_names_no_file_is_refused_in_one_sentence(sim: Simulator, playground: Playground) -> None:
    cases: dict[str, dict[str, Any]] = {}
    for number, (option, value, _reason) in enumerate(PATHS):
        arguments = {option: value}
        cases |= {
            f"module {number}": {"qingguo.qgnet.qg_whitelist_info": arguments},
            f"delegated {number}": {"qingguo.qgnet.qg_whitelist_info": arguments, "delegate_to": "bastion"},
            f"lookup {number}": {**lookup(f"{option}=value"), "vars": {"value": value}},
        }
    before = {path.name for path in (playground.root / "play").iterdir()}
    variables = {"key": sim.key, "api_url": sim.api_url}
    run = play_cases(playground, cases, variables=variables, module_defaults=defaults(sim))
    for number, (option, _value, reason) in enumerate(PATHS):
        for kind in ("module", "delegated"):
            assert_task_failed(run.of(f"{kind} {number}"), option, reason)
        assert reason in run.of(f"lookup {number}").result["msg"]
    assert "Traceback" not in run.output
    assert sim.journal() == []
    made = {path.name for path in (playground.root / "play").iterdir()} - before
    assert {name for name in made if "state" in name or "salt" in name} == set()


@pytest.mark.parametrize("origin", ["qg_store", "QG_STORE"])
def test_a_relative_store_is_refused_with_what_has_set_it(sim: Simulator, playground: Playground, origin: str) -> None:
    cases = {
        "whitelist": {"qingguo.qgnet.qg_whitelist_info": {}},
        "leases": {"qingguo.qgnet.qg_proxy_allocate": {"count": 1}},
        "doctor": {"qingguo.qgnet.qg_doctor_info": {"sources": [f"{sim.api_url}/echo/ip"]}},
        "lookup": lookup("at_least=0"),
    }
    variables = {"key": sim.key, "api_url": sim.api_url}
    given = {origin: "./state"}
    if origin.isupper():
        run = play_cases(playground, cases, variables=variables, environment=given, module_defaults=defaults(sim))
    else:
        run = play_cases(playground, cases, variables={**variables, **given}, module_defaults=defaults(sim))
    for case in ("whitelist", "leases"):
        assert_task_failed(run.of(case), "store", "store=./state is a relative path")
        assert run.of(case).result["msg"].endswith(f"store comes from {origin}.")
    assert "store=./state is a relative path" in run.of("lookup").result["msg"]
    assert "store=./state is a relative path" in json.dumps(run.of("doctor").result)
    assert sim.journal() == []
    assert not (playground.root / "play" / "state").exists()


def test_an_empty_environment_variable_counts_as_unset_and_does_not_mean_the_current_directory(
    sim: Simulator, playground: Playground
) -> None:
    variables = {"key": sim.key, "api_url": sim.api_url}
    run = play_cases(playground, [lookup("at_least=0")], variables=variables, environment={"QG_STORE": ""})
    assert run.of("case 0").status == "ok"
    assert (playground.home / ".ansible" / "qgnet" / "state.sqlite3").exists()
    assert not (playground.root / "play" / "state.sqlite3").exists()


# --- an option that selects and is given as null or empty: only all=true means all

UNDEFINED = "{{ not_defined_anywhere | default(none) }}"
#: Module, options, and the option that is refused.
SELECTORS: list[tuple[str, dict[str, Any], str]] = [
    ("qg_proxy_release", {"ips": None}, "ips"),
    ("qg_proxy_release", {"ips": UNDEFINED}, "ips"),
    ("qg_proxy_release", {"ips": []}, "ips"),
    ("qg_proxy_release", {"ips": ""}, "ips"),
    ("qg_proxy_release", {"ips": [""]}, "ips"),
    ("qg_proxy_release", {"task_ids": None}, "task_ids"),
    ("qg_proxy_release", {"task_ids": "{{ [] }}"}, "task_ids"),
    ("qg_proxy_release", {"all": None}, "all"),
    ("qg_proxy_release", {"all": ""}, "all"),
    ("qg_proxy_release", {"ips": None, "all": True}, "ips"),
    ("qg_proxy_replace", {"ips": None}, "ips"),
    ("qg_proxy_replace", {"ips": []}, "ips"),
    ("qg_proxy_replace", {"task_ids": UNDEFINED}, "task_ids"),
    ("qg_proxy_replace", {"task_ids": ""}, "task_ids"),
    ("qg_proxy_replace", {"count": None}, "count"),
    ("qg_proxy_replace", {"count": ""}, "count"),
    ("qg_proxy_replace", {"all": None}, "all"),
    ("qg_proxy_allocate", {"count": 1, "areas": None, "exact": True}, "areas"),
    ("qg_proxy_allocate", {"count": 1, "isp": None, "exact": True}, "isp"),
    ("qg_proxy_info", {"task_ids": None}, "task_ids"),
    ("qg_proxy_info", {"task_ids": []}, "task_ids"),
    ("qg_monopoly", {"state": "absent", "uuids": None}, "uuids"),
    ("qg_monopoly", {"state": "absent", "uuids": []}, "uuids"),
    ("qg_monopoly", {"state": "redialed", "uuids": ""}, "uuids"),
    ("qg_monopoly", {"state": "absent", "all": None}, "all"),
    ("qg_monopoly_info", {"uuids": None}, "uuids"),
    ("qg_monopoly_info", {"uuids": []}, "uuids"),
    ("qg_egress_whitelist", {"step": "detect", "ips": None}, "ips"),
    ("qg_egress_whitelist", {"step": "detect", "state": "absent", "ips": []}, "ips"),
    ("qg_egress_whitelist", {"step": "update", "ips": ""}, "ips"),
]
#: What can be delegated: there the module looks at its options once more.
DELEGATED = [case for case in SELECTORS if case[0] != "qg_egress_whitelist" and UNDEFINED not in case[1].values()][::3]


@pytest.fixture
def held(sim: Simulator) -> list[dict[str, Any]]:
    """Leases that must not be touched."""
    answer = requests.get(sim.api_url + "/allocate", params={"Key": sim.key, "Num": 2}, timeout=5).json()
    assert answer["Code"] == 0, answer
    sim.configure(whitelist=["203.0.113.5", "203.0.113.6"])
    sim.control("DELETE", "/journal")
    return sim.leases()


def refused(sim: Simulator, playground: Playground, cases: list[tuple[str, dict[str, Any], str]], **extra: Any) -> Run:
    """Run each case, which fails with one sentence that names the option, its value and the fix."""
    tasks = [{f"qingguo.qgnet.{module}": options, **extra} for module, options, _option in cases]
    run = play_cases(playground, tasks, module_defaults=defaults(sim, password="secret"))
    for number, (_module, _options, option) in enumerate(cases):
        task = run.of(f"case {number}")
        assert_task_failed(task, "never means all", "default(omit)")
        assert task.result["msg"].startswith(f"{option} is "), task
    return run


def test_an_empty_selector_is_refused_before_any_call(
    sim: Simulator, playground: Playground, held: list[dict[str, Any]]
) -> None:
    refused(sim, playground, SELECTORS)
    assert sim.journal() == []
    assert sim.leases() == held
    assert sim.whitelist() == ["203.0.113.5", "203.0.113.6"]


def test_a_delegated_task_refuses_an_empty_selector_too(
    sim: Simulator, playground: Playground, held: list[dict[str, Any]]
) -> None:
    refused(sim, playground, DELEGATED, delegate_to="bastion")
    assert sim.journal() == []
    assert sim.leases() == held


def test_role_variables_and_options_of_the_lookup_that_select_nothing_are_refused(
    sim: Simulator, playground: Playground
) -> None:
    values = ("areas=none", "areas=[]", "areas=''", "isp=none")
    role = {"qingguo.qgnet.qg_egress_whitelist": {"step": "detect", "vars_prefix": "egress_whitelist_"}}
    cases: dict[str, dict[str, Any]] = {value: lookup(value) for value in values}
    cases |= {f"role {ips}": {**role, "vars": {"egress_whitelist_ips": ips}} for ips in (None, [])}
    variables = {"key": sim.key, "api_url": sim.api_url}
    run = play_cases(playground, cases, variables=variables, module_defaults=defaults(sim))
    for value in values:
        assert run.of(value).status == "failed", value
        for part in (f"{value.partition('=')[0]} is ", "never means all"):
            assert part in run.of(value).result["msg"]
    for ips in (None, []):
        assert_task_failed(run.of(f"role {ips}"))
        assert run.of(f"role {ips}").result["msg"].endswith("ips comes from egress_whitelist_ips.")
    assert sim.journal() == []


def test_a_required_list_that_is_null_is_refused(sim: Simulator, playground: Playground) -> None:
    module: dict[str, Any] = {"qingguo.qgnet.qg_whitelist": {"ips": None}}
    cases = {"here": module, "delegated": {**module, "delegate_to": "bastion"}}
    run = play_cases(playground, cases, module_defaults=defaults(sim))
    for name in cases:
        assert_task_failed(run.of(name), "ips")
    assert sim.journal() == []
