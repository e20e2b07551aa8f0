# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mistakes in options: each gets one sentence with the option and the fix, before any call.

Those that a module finds as well without Ansible are in tests/behavior/test_mistakes.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from integration.module_tasks import THERE, Cases, play_cases
from integration.playground import Playground, assert_task_failed, lease_elsewhere
from qgnet_simulator.running import Simulator
from support import phrases
from support.invariants import Result, assert_one_sentence
from support.plugin_runs import run_action

Options = dict[str, Any]
#: A task, and parts of its sentence.
Mistake = tuple[dict[str, Any], tuple[str, ...]]
IPS = {"ips": ["203.0.113.5"]}
RELATIVE = {"qg_store": "./state"}


def task(module: str, options: Options | None, *words: str, **keywords: Any) -> Mistake:
    """A mistake in a task with a module."""
    return {f"qingguo.qgnet.{module}": options, **keywords}, words


def lookup(options: str, *words: str, **keywords: Any) -> Mistake:
    """A mistake in a task with the lookup, which may have another key."""
    key = "" if options.startswith("key=") else "key=key, "
    template = f"{{{{ query('qingguo.qgnet.proxy', {key}api_url=api_url, {options}) }}}}"
    parts = (phrases.LOOKUP_FAILED, *words)
    return {"ansible.builtin.debug": {"msg": template}, **keywords}, parts


def paying(variables: Options, *words: str) -> Mistake:
    """A mistake in a variable of a task that would pay: no empty key makes another one pay."""
    options: Options = {"count": 1}
    if "qg_key" in variables:
        options["key"] = "{{ omit }}"
    return task("qg_proxy_allocate", options, *words, vars=variables)


def role(variables: Options, *words: str) -> Mistake:
    """A mistake in a variable of the role egress_whitelist."""
    step = {"step": "detect", "vars_prefix": "egress_whitelist_"}
    prefixed = {f"egress_whitelist_{name}": value for name, value in variables.items()}
    return task("qg_egress_whitelist", step, *words, vars=prefixed)


def relative(module: str, **options: Any) -> Mistake:
    """A relative store from a variable."""
    words = ("store=./state", phrases.RELATIVE_PATH, "store comes from qg_store.")
    return task(module, options, *words, vars=RELATIVE)


MODULES = [
    task(
        "qg_whitelist", {"ip": "203.0.113.5"}, "ip", phrases.DID_YOU_MEAN, "ips?", "allow_partial, "
    ),
    task("qg_whitelist", {}, "ips", phrases.IS_MISSING),
    task("qg_whitelist", {"ips": None}, "ips"),
    task("qg_whitelist", {**IPS, "timeout": "{{ 1 > 0 }}"}, "timeout="),
    # The key in the wrong option.
    task(
        "qg_whitelist_info",
        {"key": "{{ omit }}", "timeout": "{{ lookup('env', 'QG_KEY') }}"},
        "timeout='********'",
        phrases.NO_NUMBER,
    ),
    task(
        "qg_whitelist_info",
        {"key": "{{ omit }}", "timeout": "{{ lookup('env', 'QG_KEY') }}"},
        "timeout='********'",
        phrases.NO_NUMBER,
        **THERE,
    ),
    task("qg_proxy_allocate", {"count": "three"}, "count='three'", phrases.NO_WHOLE_NUMBER),
    task(
        "qg_proxy_allocate",
        {"count": 1, "product": "share", "areas": [350500], "exclude_areas": [350000]},
        "exclude_areas contains '350000'",
        "'350500' of areas",
        phrases.LEAVE_ONE_OUT,
    ),
    # The egress address.
    task(
        "qg_egress_ip_info",
        {"sources": "http://a.example http://b.example"},
        "sources, entry 1,",
        phrases.ONE_URL,
    ),
    task(
        "qg_egress_ip_info",
        {"sources": "https://a.example，https://b.example"},
        "sources contains",
        "'，' (U+FF0C)",
    ),
    task("qg_egress_ip_info", {"sources": ["ip.example"]}, "sources, entry 1,", phrases.ONE_URL),
    task(
        "qg_egress_ip_info",
        {"sources": ["http://ip.example", "http://ip.example"]},
        "sources, entry 2,",
        "another echo service",
    ),
    task("qg_egress_ip_info", {"sources": [None]}, "sources contains null", phrases.NO_TEXT),
    task("qg_egress_ip_info", {"quorum": 4}, "quorum=4", "3 sources", "from 1 to 3"),
    task("qg_egress_ip_info", {"quorum": 0}, "quorum=0", "3 sources", "from 1 to 3"),
    task("qg_egress_ip_info", {"samples": 0}, "samples=0", phrases.OUT_OF_RANGE),
    task("qg_egress_ip_info", {"timeout": 0}, "timeout=0", phrases.OUT_OF_RANGE),
    task(
        "qg_egress_whitelist", {"step": "detect", "forget": ["web1"]}, phrases.FORGET_NEEDS_ABSENT
    ),
    task(
        "qg_egress_whitelist",
        {"step": "detect", "max_removals": -1},
        "max_removals=-1",
        phrases.OUT_OF_RANGE,
    ),
    # Variables.
    paying({"qg_key": ""}, phrases.KEY_IS_EMPTY),
    paying({"qg_key": None}, phrases.KEY_IS_NULL),
    paying({"qg_key": "{{ nothing | default('') }}"}, phrases.KEY_IS_EMPTY),
    paying({"qg_max_new_per_day": ""}, "max_new_per_day is empty ('')", "qg_max_new_per_day"),
    paying({"qg_max_new_per_day": None}, "max_new_per_day is null", "qg_max_new_per_day"),
    paying(
        {"qg_max_new_per_day": "many"},
        "max_new_per_day='many'",
        phrases.NO_WHOLE_NUMBER,
        "max_new_per_",
    ),
    paying({"qg_product": "share "}, "product='share '", phrases.NONE_OF_ITS_VALUES),
    role(
        {"state": "registered"},
        "state='registered'",
        phrases.PRESENT_OR_ABSENT,
        "comes from egress_whitelist_state",
    ),
    role(
        {"prune": "perhaps"},
        "prune='perhaps'",
        phrases.NO_BOOLEAN,
        "comes from egress_whitelist_prune",
    ),
    role({"max_removals": True}, "max_removals=true", phrases.NO_WHOLE_NUMBER),
    lookup("count=2", "count", phrases.NO_OPTION, "api_url, areas, at_least,"),
    lookup("store='/etc/passwd'", "store /etc/passwd", phrases.CANNOT_BE_USED),
    lookup("at_least='two'", "at_least='two'", phrases.NO_WHOLE_NUMBER),
    lookup("at_least=101", "at_least=101", phrases.OUT_OF_RANGE, "0 to 100"),
    lookup("limit=0", "limit=0", phrases.OUT_OF_RANGE),
    lookup("max_age='nan'", "max_age=nan", phrases.OUT_OF_RANGE),
    lookup("areas='350500，440100'", "areas contains", "'，' (U+FF0C)"),
    lookup("form='urls'", "form='urls'", phrases.NONE_OF_ITS_VALUES),
    lookup("form='url'", "form=url needs password"),
    lookup("exclude_ips=['1.2.3']", "exclude_ips contains '1.2.3'"),
    lookup("key=''", phrases.KEY_IS_EMPTY),
]
#: A path that names no file, for a module, one that is delegated, and the lookup.
PATHS = [
    task("qg_whitelist_info", {"store": ""}, "store", phrases.IS_EMPTY),
    task("qg_whitelist_info", {"store": " "}, "store", phrases.IS_EMPTY),
    task("qg_whitelist_info", {"store": "state"}, "store=state", phrases.RELATIVE_PATH),
    task("qg_whitelist_info", {"store": "state"}, "store=state", phrases.RELATIVE_PATH, **THERE),
    relative("qg_whitelist_info"),
    relative("qg_proxy_allocate", count=1),
    lookup("at_least=0", "store=./state", phrases.RELATIVE_PATH, vars=RELATIVE),
    lookup("store=''", f"store {phrases.IS_EMPTY}"),
    lookup("store='state'", "store=state", phrases.RELATIVE_PATH),
]
#: Options of an inventory, and parts of what it says.
INVENTORY: list[tuple[Options, tuple[str, ...]]] = [
    ({"api_url": "https://www.qg.net/api"}, ("api_url", phrases.SEE_INVENTORY)),
    ({"connect_with": "private"}, ("connect_with", phrases.SEE_INVENTORY)),
    ({"timeout": "soon"}, ("timeout",)),
    ({"app_id": "qgdemo01，"}, ("app_id contains", "'，' (U+FF0C)")),
    ({"app_key": " "}, ("app_key", phrases.IS_EMPTY)),
    ({"account_url": "qg.net"}, ("account_url", phrases.ONE_URL)),
    ({"max_wait": -1}, ("max_wait=-1", phrases.OUT_OF_RANGE)),
    ({"product_ids": [104, "a"]}, ("product_ids contains 'a'", phrases.NO_WHOLE_NUMBER)),
    ({"product_ids": [0]}, ("product_ids=0", phrases.OUT_OF_RANGE)),
]
SECRETS = {"app_id": "nothing", "app_key": "nothing"}

# An option that selects and is given as null or empty: only all=true means all.

UNDEFINED = "{{ not_defined_anywhere | default(none) }}"


def selector(module: str, options: Options, option: str, **keywords: Any) -> Mistake:
    """A task with a selector that selects nothing, and the option that is refused."""
    return task(module, options, f"{option} is ", *phrases.NEVER_ALL, **keywords)


SELECTORS = [
    selector("qg_proxy_release", {"ips": None}, "ips"),
    selector("qg_proxy_release", {"ips": UNDEFINED}, "ips"),
    selector("qg_proxy_release", {"ips": []}, "ips"),
    selector("qg_proxy_release", {"task_ids": None}, "task_ids"),
    selector("qg_proxy_release", {"task_ids": "{{ [] }}"}, "task_ids"),
    selector("qg_proxy_release", {"all": None}, "all"),
    selector("qg_proxy_release", {"all": ""}, "all"),
    selector("qg_proxy_replace", {"ips": None}, "ips"),
    selector("qg_proxy_replace", {"task_ids": ""}, "task_ids"),
    selector("qg_proxy_replace", {"count": ""}, "count"),
    selector("qg_proxy_allocate", {"count": 1, "areas": None, "exact": True}, "areas"),
    selector("qg_proxy_allocate", {"count": 1, "isp": None, "exact": True}, "isp"),
    selector("qg_monopoly", {"state": "absent", "uuids": None}, "uuids"),
    selector("qg_monopoly", {"state": "absent", "all": None}, "all"),
    selector("qg_egress_whitelist", {"step": "detect", "ips": None}, "ips"),
    selector("qg_egress_whitelist", {"step": "detect", "state": "absent", "ips": []}, "ips"),
    role({"ips": None}, "comes from egress_whitelist_ips."),
    lookup("areas=none", "areas is ", phrases.NEVER_ALL[0]),
    lookup("areas=''", "areas is ", phrases.NEVER_ALL[0]),
    lookup("isp=none", "isp is ", phrases.NEVER_ALL[0]),
]


def is_plain(fields: Options) -> bool:
    """Whether a task needs nothing of Ansible but its action, which gets no option that is null
    here.
    """
    text = json.dumps(fields)
    return len(fields) == 1 and "{{" not in text and "null" not in text


PLAIN = [row for row in (*MODULES, *PATHS, *SELECTORS) if is_plain(row[0])]
OTHERS = [row for row in (*MODULES, *PATHS, *SELECTORS) if not is_plain(row[0])]


def refusal(module: str, options: Options) -> str:
    """What an action says, which Ansible shows as a failure of the task."""
    try:
        result = run_action(module, options)
    except AnsibleActionFail as error:
        return str(error.message)
    assert result["failed"] is True
    return str(result["msg"])


def assert_explains(message: str, words: Iterable[str]) -> None:
    """A message is one sentence with these parts, and no secret."""
    assert_one_sentence(message)
    assert "HUSH" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(("fields", "words"), PLAIN, ids=lambda value: json.dumps(value)[:60])
def test_an_action_refuses_a_mistake_in_an_option(
    fields: dict[str, Options],
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QG_KEY", "HUSH0123")
    monkeypatch.setenv("QG_API_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("QG_STORE", str(tmp_path))
    [(module, options)] = fields.items()

    message = refusal(module.rpartition(".")[2], options)

    assert_explains(message, words)
    # An operation that had begun would have opened the store.
    assert list(tmp_path.iterdir()) == []


@pytest.mark.measured
def test_each_first_mistake_is_one_sentence_with_the_option_and_the_fix(
    sim: Simulator, playground: Playground
) -> None:
    # What must not be touched.
    leases = lease_elsewhere(sim, Num=2)
    sim.configure(whitelist=["203.0.113.5", "203.0.113.6"])
    sim.control("DELETE", "/journal")
    arguments = ["-v"]
    for number, (options, _words) in enumerate(INVENTORY):
        text = json.dumps({"plugin": "qingguo.qgnet.qg_cloud", **options})
        arguments += ["-i", str(playground.write(f"{number}.qg_cloud.yml", text))]
    cases = {}
    for number, (fields, _words) in enumerate(OTHERS):
        cases[str(number)] = fields
    before = set((playground.root / "play").iterdir())

    run = play_cases(
        playground,
        cases,
        arguments=arguments,
        environment={
            "QG_KEY": "HUSH0123",
            "QG_APP_ID": "nothing",
            "QG_APP_KEY": "nothing",
            "QG_ACCOUNT_URL": f"{sim.api_url}/account",
        },
        defaults=SECRETS,
    ).ok()

    for number, (_fields, words) in enumerate(OTHERS):
        done = run.of(str(number))
        assert done.status == "failed"
        assert_explains(done.result["msg"], words)
    output = " ".join(run.output.split())
    for options, words in INVENTORY:
        for word in words:
            assert word in output, options
    assert "Traceback" not in run.output
    assert sim.journal() == []
    assert sim.leases() == leases
    assert sim.whitelist() == ["203.0.113.5", "203.0.113.6"]
    for path in set((playground.root / "play").iterdir()) - before:
        assert "state" not in path.name
        assert "salt" not in path.name


def test_a_relative_store_is_refused_with_what_has_set_it(
    sim: Simulator, playground: Playground
) -> None:
    cases: Cases = {
        "whitelist": {"qingguo.qgnet.qg_whitelist_info": {}},
        "leases": {"qingguo.qgnet.qg_proxy_allocate": {"count": 1}},
        "doctor": {"qingguo.qgnet.qg_doctor_info": {"sources": [f"{sim.api_url}/echo/ip"]}},
        "lookup": lookup("at_least=0")[0],
    }
    run = play_cases(playground, cases, environment={"QG_STORE": "./state"})

    refusal = f"store=./state {phrases.RELATIVE_PATH}"
    for case in ("whitelist", "leases"):
        assert_task_failed(run.of(case), refusal)
        assert run.of(case).result["msg"].endswith("store comes from QG_STORE.")
    assert refusal in run.of("lookup").result["msg"]
    assert refusal in checks_of(run.of("doctor").result)
    assert sim.journal() == []
    assert not (playground.root / "play" / "state").exists()


def checks_of(result: Result) -> str:
    """All that the doctor says."""
    return " ".join(check["detail"] for check in result["checks"])


def test_an_empty_environment_variable_counts_as_unset_and_does_not_mean_the_current_directory(
    sim: Simulator, playground: Playground
) -> None:
    cases = {"lookup": lookup("at_least=0")[0]}
    run = play_cases(playground, cases, environment={"QG_STORE": ""})
    assert run.of("lookup").status == "ok"
    assert (playground.home / ".ansible" / "qgnet" / "state.sqlite3").exists()
    assert not (playground.root / "play" / "state.sqlite3").exists()
