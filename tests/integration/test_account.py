# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules that read an account, as tasks here and on another host: no output and no file has
their secrets.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from integration.module_tasks import (
    CHECK,
    IGNORE,
    LOCAL,
    NO_PYTHON,
    THERE,
    from_variables,
    play_tasks,
    printed,
    task,
)
from integration.playground import Playground, Run, callers, calls
from qgnet_simulator.running import Simulator
from support import phrases
from support import vendor_pages as pages


@dataclass(frozen=True)
class Reader:
    """What reads one thing of an account: a module, the call that it makes, and options that
    succeed.
    """

    module: str
    call: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The path of the call, as the journal of the vendor has it."""
        return f"/api{self.call}"


#: By what the tests call them.
READERS = {
    "balance": Reader("qg_balance_info", "/merchant/getBalance"),
    "plan": Reader(
        "qg_proxy_plan_info",
        "/proxyip/resourceView",
        {"resource_no": "demo0001", "product_id": 117},
    ),
    "packages": Reader("qg_cloud_package_facts", "/cloud-product/packageList", {"product_id": 104}),
    "price": Reader(
        "qg_cloud_price_info",
        "/cloud-business/packageOrderPrice",
        {"package_no": "1", "system_no": "1", "duration": "1m"},
    ),
    "lines": Reader("qg_cloud_line_info", "/physical-product/lineList", {"product_id": 115}),
    "instances": Reader("qg_cloud_instance_info", "/cloud-business/getDetail", {"product_id": 104}),
}

PATHS = [reader.path for reader in READERS.values()]
ORDER = {"package_no": "1", "system_no": "1", "duration": "1m"}
#: The simulator shows other addresses than the vendor's page does.
INSTANCE: dict[str, Any] = {
    **pages.INSTANCE,
    "ip": "192.0.2.255",
    "local_ip": "198.19.255.1",
    "vendor": {**pages.INSTANCE["vendor"], "Ip": "192.0.2.255", "Local_ip": "198.19.255.1"},
}
#: What is reported of each, without what the account has beside it.
EXPECTED: dict[str, dict[str, Any]] = {
    "balance": {"balance": "12.34", "amount": 12.34},
    "plan": {"plan": pages.PLAN},
    "price": {"price": {**pages.PRICE, **ORDER}},
    "lines": {"lines": [pages.LINE]},
}


def signature(sim: Simulator, moment: str) -> str:
    """The signature that the vendor's page asks for."""
    text = f"{sim.app_id}www.qg.net{moment}{sim.app_key}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@pytest.mark.newest
@pytest.mark.parametrize(
    "where", [{}, pytest.param(THERE, marks=pytest.mark.slow)], ids=["here", "delegated"]
)
def test_each_module_as_a_task(
    sim: Simulator, playground: Playground, where: dict[str, Any]
) -> None:
    before = int(time.time())
    credentials = {"app_id": sim.app_id, "app_key": sim.app_key, "account_url": sim.account_url}
    tasks = [task(name, reader.module, reader.options, **where) for name, reader in READERS.items()]
    checked = [{**each, **CHECK, "name": f"{each['name']} in check mode"} for each in tasks]
    # No Python is needed where nothing is sent.
    variables = credentials if where else {**credentials, **NO_PYTHON}
    defaults = from_variables(*credentials)

    run = play_tasks(playground, *tasks, *checked, defaults=defaults, variables=variables).ok()

    for mode in ("", " in check mode"):
        results = {name: run.of(f"{name}{mode}").result for name in READERS}
        assert not any(result["changed"] for result in results.values())
        for name, expected in EXPECTED.items():
            assert results[name].items() >= expected.items()
            assert results[name]["api"] == {"calls": 1, "retries": 0, "waited_seconds": 0.0}
        assert results["instances"]["instances"][0] == INSTANCE
        package = results["packages"]["ansible_facts"]["qg_cloud_packages"][0]
        assert package["package_no"] == pages.PACKAGE["package_no"]
        assert package["day_rate"] is None
    # The same is read in check mode, there is nothing to predict.
    assert calls(sim) == PATHS * 2
    for call in sim.journal():
        assert call["method"] == "GET"
        assert call["key"] == sim.app_id
        assert call["refusal"] is None
        assert before <= int(call["params"]["time"]) <= time.time()
        assert call["params"]["sign"] == signature(sim, call["params"]["time"])
    assert sim.app_key not in str(sim.journal())
    # Here, nothing at all is sent to the host; delegated, the module is.
    assert bool(run.spied) is bool(where)


APP_ID = "secretsagent"
#: With all that has to be written differently in a URL, in HTML or in JSON. The words in it survive
#: any of these.
APP_KEY = "k+y/SECRETKEY7Q&9= *,%<\u00fc>\"'\\x SECRETEND"
KEYS = ("SECRETKEY", "SECRETEND")
AUTHKEY = "AUTHSECRET5"
PASSWORDS = ("PASSADSL1", "PASSPANEL2", "PASSLOGIN3")
SUID = "104900001"
TELLING = ("instances", "plan")


@pytest.fixture
def variables(sim: Simulator) -> dict[str, Any]:
    instance = {
        "Suid": SUID,
        "Ip": "198.51.100.7",
        "Run_status": "1",
        "Adsl_name": "line7",
        "Adsl_password": PASSWORDS[0],
        "Business_password": PASSWORDS[1],
        "Login_password": PASSWORDS[2],
    }
    plan = {"Authkey": AUTHKEY, "Number": 10, "Resource_available": 9, "Order_status": 1}
    sim.agent(
        APP_ID, appkey=APP_KEY, instances=[instance], proxy_plans={"demo0001": plan}, balance="5.00"
    )
    return {"app_id": APP_ID, "app_key": APP_KEY, "account_url": sim.account_url, "max_wait": 300}


def read(name: str, place: str = "here", title: str = "", **options: Any) -> dict[str, Any]:
    """One module as a task of that place, which may be another host."""
    reader = READERS[name]
    keywords = THERE if place == "there" else {}
    return task(
        title or f"{name} {place}", reader.module, {**reader.options, **options}, **keywords
    )


#: Each module here, and those that tell secrets on another host.
SOME = [*(read(name) for name in READERS), *(read(name, "there") for name in TELLING)]


def run(
    playground: Playground,
    variables: dict[str, Any],
    tasks: list[dict[str, Any]],
    *arguments: str,
    **environment: str,
) -> Run:
    return play_tasks(
        playground,
        *tasks,
        defaults=from_variables("app_id", "app_key", "account_url", "max_wait"),
        inventory=LOCAL,
        variables=variables,
        arguments=["-vvvv", *arguments],
        environment={"ANSIBLE_LOG_PATH": str(playground.root / "ansible.log"), **environment},
        **IGNORE,
    )


def assert_silent(
    sim: Simulator, run: Run, playground: Playground, *, but: tuple[str, ...] = ()
) -> None:
    signs = {call["params"]["sign"] for call in sim.journal() if "sign" in call["params"]}
    playground.assert_nowhere((*KEYS, AUTHKEY, *PASSWORDS, *signs), run, but=but)


#: What is wrong with the options of a task.
MISTAKES: dict[str, dict[str, Any]] = {
    "wrong key": {"app_key": "{{ wrong_key }}"},
    "no number": {"max_wait": "soon"},
    # Not in the playbook itself, whose lines Ansible shows.
    "key in the address": {"account_url": "{{ address }}"},
    "no server": {"account_url": "http://127.0.0.1:1/api", "max_wait": 0},
}


SHOWN = f"GET /x?appid=a&sign={{sign}}&appkey={APP_KEY}"
#: What a server may answer that repeats what it was sent, or shows the secrets of an account.
FAULTS: dict[str, dict[str, Any]] = {
    "code": {"kind": "code", "code": 9, "msg": SHOWN},
    "key as code": {"kind": "code", "code": f"E {APP_KEY}", "msg": "no"},
    "status": {"kind": "status", "http_status": 500, "body": SHOWN},
    "redirect": {"kind": "redirect", "location": f"http://127.0.0.1:1/?{SHOWN}"},
    "replace": {
        "kind": "replace",
        "body": {"Code": 0, "result": True, "Data": {"1": {"Authkey": [AUTHKEY], "Suid": [SUID]}}},
    },
    "garbage": {
        "kind": "garbage",
        "body": f'{{"Code": 0, "Data": {{"1": {{"login_Password": "{PASSWORDS[2]}", "Suid": "1',
    },
}


def test_success_faults_refusals_and_bad_options(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    faults = []
    for number, (kind, fault) in enumerate(FAULTS.items()):
        name = TELLING[number % 2]
        sim.fault(path=READERS[name].path, **fault)
        faults.append(read(name, ("here", "there")[number // 2 % 2], kind, max_wait=0))
    bad = [read("balance", "here", mistake, **options) for mistake, options in MISTAKES.items()]
    for name in TELLING:
        bad.append(read(name, "here", f"{name} with a wrong key", **MISTAKES["wrong key"]))
    bad.append(read("instances", "there", "no server there", **MISTAKES["no server"]))
    texts = {
        "wrong_key": "SECRETKEY another SECRETEND",
        "address": f"http://127.0.0.1:1/api?appkey={APP_KEY}",
    }

    done = run(playground, {**variables, **texts}, [*faults, *SOME, *bad])

    expected = ["failed"] * len(faults) + ["ok"] * len(SOME) + ["failed"] * len(bad)
    assert list(done.statuses.values()) == expected, done.output
    assert callers(sim) == {APP_ID}
    assert len(calls(sim)) == len(faults) + len(SOME) + 1 + len(TELLING)
    # Not even where results are recorded, since no task asked for them.
    assert_silent(sim, done, playground)


# Secrets that are asked for


#: What a task that uses the registered secrets relies on.
USES = {
    "instances": [
        "it.instances[0].login_password == login",
        "it.instances[0].business_password == panel",
        "it.instances[0].adsl_password == adsl",
        "it.instances[0].vendor.Login_password == login",
    ],
    "plan": ["it.plan.authkey == auth", "it.plan.vendor.Authkey == auth"],
}


def test_secrets_that_are_asked_for_are_registered_and_not_shown(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    tasks = []
    for name in TELLING:
        for place, hidden in (("here", {}), ("there", {"no_log": True})):
            tasks += [{**read(name, place, include_secrets=True), "register": "it", **hidden}]
            use = {"ansible.builtin.assert": {"that": USES[name], "quiet": True}, "no_log": True}
            tasks += [{"name": f"use {name} {place}", **use}]
    for name in TELLING:
        looped = read(name, "here", f"loop {name}", include_secrets="yes")
        uses = []
        for number in (0, 1):
            uses += [text.replace("it.", f"them.results[{number}].") for text in USES[name]]
        checked = {"ansible.builtin.assert": {"that": uses, "quiet": True}, "no_log": True}
        tasks += [{**looped, "loop": [1, 2], "register": "them"}]
        tasks += [{"name": f"use loop {name}", **checked}]
    expected = {**dict(zip(("adsl", "panel", "login"), PASSWORDS, strict=True)), "auth": AUTHKEY}
    done = run(playground, {**variables, **expected}, tasks, "--diff").ok()
    assert list(done.statuses.values()) == ["ok"] * len(tasks), done.output
    assert len(calls(sim)) == 8
    assert_silent(sim, done, playground)


def test_secrets_over_a_connection_that_shows_them_are_refused(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    """A delegated task that wants none is shown, as any other, and so is the reason of a
    failure.
    """
    wanting = [True, "yes", "{{ wanted }}", "1"]
    refused = []
    for number, value in enumerate(wanting):
        name = TELLING[number % 2]
        refused.append(read(name, "there", f"refused {number}", include_secrets=value))
    shown = read("instances", "there", "shown", include_secrets="{{ not wanted }}")
    failing = [
        read("instances", "here", "reason", include_secrets=True, suid="77"),
        {
            **read("instances", "there", "reason there", include_secrets=True, suid="78"),
            "no_log": True,
        },
    ]

    done = run(playground, {**variables, "wanted": True}, [*refused, shown, *failing])

    for each in refused:
        assert done.of(each["name"]).result["msg"].startswith(phrases.NEEDS_NO_LOG)
    assert done.of("shown").status == "ok"
    assert done.of("shown").result["instances"][0]["suid"] == SUID
    assert SUID in printed(done.stdout, "shown")
    # With no_log, it is Ansible that decides, and its versions decide differently.
    assert done.of("reason").status == "failed"
    assert done.of("reason there").status == "failed"
    assert "业务不存在 77" in printed(done.output, "reason")
    assert len(sim.journal()) == 3
    assert_silent(sim, done, playground)
