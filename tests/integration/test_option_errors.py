# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mistakes in options: each gets one sentence with the option and the fix, before any call."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from simulator.fixture import Simulator
from support.playground import Playground, Run, assert_one_sentence, assert_task_failed
from support.task_cases import LOCAL, play_cases

Options = dict[str, Any]
IPS = {"ips": ["203.0.113.5"]}
GOOD_POOL = {"name": "a", "count": 1}
#: The module, its options, and how the sentence begins. See tests/behavior/test_mistakes.py for the others.
MODULES: list[tuple[str, Options, str]] = [
    ("qg_whitelist", {"ip": "203.0.113.5"}, "ip is not an option: did you mean ips? The options are allow_partial, "),
    ("qg_whitelist", {}, "ips is missing: give it as option of the task or of module_defaults."),
    ("qg_whitelist", {"ips": "203.0.113.5 203.0.113.6"}, "ips contains '203.0.113.5 203.0.113.6': give single IPv4"),
    ("qg_whitelist", {**IPS, "state": "Present"}, "state='Present' is none of its values: give present, absent or "),
    ("qg_whitelist", {**IPS, "timeout": "10s"}, "timeout='10s' is not a number: give one, such as 10."),
    ("qg_whitelist", {**IPS, "timeout": "{{ 1 > 0 }}"}, "timeout="),
    # The key in the wrong option.
    (
        "qg_whitelist_info",
        {"key": "{{ omit }}", "timeout": "{{ lookup('env', 'QG_KEY') }}"},
        "timeout='********' is not a number",
    ),
    ("qg_whitelist_info", {"key": "\ufeffHUSH01"}, "key contains a blank, a line break, quotes"),
    ("qg_whitelist_info", {"api_url": "https://proxy.qg.net:8443/?Key=HUSH"}, "api_url must contain only scheme, host"),
    ("qg_proxy_allocate", {"count": "three"}, "count='three' is not a whole number: give one, such as 5."),
    ("qg_proxy_allocate", {"count": 1, "isp": "telecom "}, "isp='telecom ' is none of its values: give telecom, "),
    ("qg_proxy_allocate", {"count": 1, "exclude_ips": ["1.2.3"]}, "exclude_ips contains '1.2.3', which is no exit IP"),
    (
        "qg_proxy_allocate",
        {"count": 1, "product": "share", "areas": [350500], "exclude_areas": [350000]},
        "exclude_areas contains '350000', in which '350500' of areas lies: leave one of them out.",
    ),
    # What hosts need.
    ("qg_proxy_allocate", {"count": 1, "pools": "qg"}, "pools='qg' is not a dictionary"),
    ("qg_proxy_allocate", {"count": 1, "pools": {"web1": [{"name": "qg"}]}}, "web1 is a list, which is not a dict"),
    ("qg_proxy_allocate", {"count": 1, "pools": {"web1": {"pools": "qg"}}}, "In pools of web1, pools contains 'qg',"),
    *[
        ("qg_proxy_allocate", {"count": 1, "pools": {"web1": {"pools": [GOOD_POOL, pool]}}}, f"Pool {words}")
        for pool, words in (
            ({"name": "b", "count": "x"}, "b of web1: count='x' is not a whole number"),
            ({"name": "b", "key": ""}, "b of web1: key is empty (''), which never means another key"),
            ({"name": "b", "key": None}, "b of web1: key is null, which never means another key"),
            ({"name": "b", "drain": 0}, "b of web1: drain=0 is out of range: give a number from 1"),
            ({"name": "b", "isp": "bgp "}, "b of web1: isp='bgp ' is none of its values"),
            ({"name": "b", "keep_alive": "1w"}, "b of web1: keep_alive='1w' cannot be used: give a number of minutes"),
            ({"name": "b", "credentials": True}, "b of web1: credentials=true needs password"),
            ({"name": "b", "credentials": "maybe"}, "b of web1: credentials='maybe' is not a boolean"),
            ({"count": 1}, "number 2 of web1: name is missing"),
        )
    ],
    # the egress address and proxies
    ("qg_egress_ip_info", {"sources": "http://a.example http://b.example"}, "sources, entry 1, cannot be used: give "),
    ("qg_egress_ip_info", {"sources": ["ip.example"]}, "sources, entry 1, cannot be used: give one URL with scheme"),
    ("qg_egress_ip_info", {"sources": [None]}, "sources contains null, which is not text: give one text"),
    ("qg_egress_ip_info", {"quorum": 4}, "quorum=4 cannot be met by 3 sources: give a number from 1 to 3"),
    ("qg_egress_ip_info", {"quorum": 0}, "quorum=0 cannot be met by 3 sources: give a number from 1 to 3"),
    ("qg_egress_ip_info", {"samples": 0}, "samples=0 is out of range: give a number from 1"),
    ("qg_egress_ip_info", {"timeout": 0}, "timeout=0 is out of range: give a number from 1"),
    ("qg_egress_whitelist", {"step": "detect", "forget": ["web1"]}, "forget deregisters hosts: set state=absent"),
    ("qg_egress_whitelist", {"step": "detect", "max_removals": -1}, "max_removals=-1 is out of range: give a number"),
]
#: Variables of a task that would pay, and its sentence: no empty key makes another one pay.
VARIABLES: list[tuple[Options, str]] = [
    ({"qg_key": ""}, "key is empty (''), which never means another key"),
    ({"qg_key": None}, "key is null, which never means another key"),
    ({"qg_key": "{{ nothing | default('') }}"}, "key is empty (''), which never means another key"),
    ({"qg_max_new_per_day": "many"}, "max_new_per_day='many' is not a whole number: give one, such as 5. max_new_per_"),
    ({"qg_product": "share "}, "product='share ' is none of its values: give auto, classic, share, longterm, exclusi"),
]
#: Variables of the role, and the same.
ROLE: list[tuple[Options, str]] = [
    ({"state": "registered"}, "state='registered' is none of its values: give present or absent. state comes from egr"),
    ({"prune": "perhaps"}, "prune='perhaps' is not a boolean: give true or false. prune comes from egress_whitelist_p"),
    ({"max_removals": True}, "max_removals=true is not a whole number: give one, such as 5."),
]
#: Options of the lookup, and what it says.
LOOKUP = [
    ("count=2", "count is not an option: the options are api_url, areas, at_least,"),
    ("store='/etc/passwd'", "store /etc/passwd cannot be used"),
    ("at_least='two'", "at_least='two' is not a whole number: give one, such as 5."),
    ("at_least=101", "at_least=101 is out of range: give a number from 0 to 100."),
    ("limit=0", "limit=0 is out of range: give a number from 1"),
    ("max_age='nan'", "max_age=nan is out of range: give a number from 0"),
    ("form='urls'", "form='urls' is none of its values: give server, url or lease."),
    ("form='url'", "form=url needs password"),
    ("exclude_ips=['1.2.3']", "exclude_ips contains '1.2.3', which is no exit IP"),
    ("key=''", "key is empty (''), which never means another key"),
]
INVENTORY: list[tuple[Options, str]] = [
    ({"api_url": "https://www.qg.net/api"}, "api_url is not an option: see ansible-doc -t inventory"),
    ({"connect_with": "private"}, "connect_with is not an option: see ansible-doc -t inventory"),
    ({"timeout": "soon"}, "timeout"),
    ({"app_key": " "}, "app_key is empty: give the appkey of the page Agent"),
    ({"account_url": "qg.net"}, "account_url cannot be used: give one URL with scheme and host"),
    ({"max_wait": -1}, "max_wait=-1 is out of range: give a number from 0"),
    ({"product_ids": [104, "a"]}, "product_ids contains 'a', which is not a whole number: give one, such as 5."),
    ({"product_ids": [0]}, "product_ids=0 is out of range: give a number from 1"),
]
NOTHING = {"app_id": "nothing", "app_key": "nothing"}


def defaults(sim: Simulator, **options: str) -> dict[str, dict[str, str]]:
    """The action group with this simulator."""
    return {"group/qingguo.qgnet.qg": {"key": sim.key, "api_url": sim.api_url, **options}}


def lookup(options: str) -> dict[str, Any]:
    """A task with the lookup, which may have another key."""
    key = "" if options.startswith("key=") else "key=key, "
    template = f"{{{{ query('qingguo.qgnet.proxy', {key}api_url=api_url, {options}) }}}}"
    return {"ansible.builtin.debug": {"msg": template}}


def cases_of_mistakes() -> dict[str, tuple[dict[str, Any], str]]:
    """All tasks of the playbook by name, each with its sentence."""
    found: dict[str, tuple[dict[str, Any], str]] = {}
    for number, (module, options, sentence) in enumerate(MODULES):
        found[f"module {number}"] = ({f"qingguo.qgnet.{module}": options}, sentence)
    for number, (module, options, sentence) in enumerate(MODULES[:13]):
        found[f"delegated {number}"] = ({f"qingguo.qgnet.{module}": options, "delegate_to": "bastion"}, sentence)
    for number, (variables, sentence) in enumerate(VARIABLES):
        options = {"count": 1, "key": "{{ omit }}"} if "qg_key" in variables else {"count": 1}
        found[f"variable {number}"] = ({"qingguo.qgnet.qg_proxy_allocate": options, "vars": variables}, sentence)
    for number, (variables, sentence) in enumerate(ROLE):
        prefixed = {f"egress_whitelist_{name}": value for name, value in variables.items()}
        step = {"step": "detect", "vars_prefix": "egress_whitelist_"}
        found[f"role {number}"] = ({"qingguo.qgnet.qg_egress_whitelist": step, "vars": prefixed}, sentence)
    for number, (text, sentence) in enumerate(LOOKUP):
        found[f"lookup {number}"] = (lookup(text), f"The lookup qingguo.qgnet.proxy failed: {sentence}")
    return found


@pytest.mark.measured
def test_each_first_mistake_is_one_sentence_with_the_option_and_the_fix(sim: Simulator, playground: Playground) -> None:
    cases = cases_of_mistakes()
    files = [
        playground.write(f"{number}.qg_cloud.yml", json.dumps({"plugin": "qingguo.qgnet.qg_cloud", **options}))
        for number, (options, _sentence) in enumerate(INVENTORY)
    ]
    run = play_cases(
        playground,
        {name: task for name, (task, _sentence) in cases.items()},
        inventory=LOCAL,
        variables={"key": sim.key, "api_url": sim.api_url},
        arguments=["-v", *(word for file in files for word in ("-i", str(file)))],
        environment={
            "QG_KEY": "HUSH0123",
            "QG_APP_ID": "nothing",
            "QG_APP_KEY": "nothing",
            "QG_ACCOUNT_URL": f"{sim.api_url}/account",
        },
        hosts="app",
        module_defaults=defaults(sim, **NOTHING),
    ).ok()
    wrong = []
    for name, (task, sentence) in cases.items():
        result = run.of(name)
        message = str(result.result.get("msg"))
        if result.status != "failed" or sentence not in message:
            wrong.append((task, result.status, message))
        else:
            assert_one_sentence(message)
    output = " ".join(run.output.split())
    wrong += [(options, "", sentence) for options, sentence in INVENTORY if sentence not in output]
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
