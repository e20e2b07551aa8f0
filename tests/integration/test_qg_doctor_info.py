# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module qg_doctor_info and the playbook doctor: each check with its cause and fix, and nothing changed."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from simulator.fixture import Simulator
from support.paid_calls import PLANS
from support.playground import Playground, Result, Run, assert_one_sentence, calls, operate
from support.plugin_runs import run_action

EGRESS, EXIT, STRANGER = "203.0.113.50", "198.51.100.200", "203.0.113.9"
REGISTER = "ansible-playbook qingguo.qgnet.register -e qg_hosts=localhost"


@dataclass
class Patient:
    """A control node with a key, on which everything works until a test spoils it."""

    sim: Simulator
    options: dict[str, Any]

    def examine(self) -> Result:
        """Run the doctor; the vendor's books must be as they were."""
        before = self.books()
        self.sim.control("DELETE", "/journal")
        result = operate("qg_doctor_info", self.options)
        assert "failed" not in result, result["msg"]
        assert result["changed"] is False
        assert self.books() == before
        assert self.sim.key not in json.dumps(result)
        assert [call for call in calls(self.sim) if call.rpartition("/")[2] not in READS] == []
        assert result["healthy"] is all(check["ok"] for check in result["checks"])
        return result

    def wrong(self) -> dict[str, str]:
        """The details of the checks that are not ok."""
        return {check["name"]: check["detail"] for check in self.examine()["checks"] if not check["ok"]}

    def books(self) -> Any:
        """What the vendor has recorded of all keys."""
        keys = self.sim.state()["keys"]
        return {key: [state["whitelist"], state["paid"], len(state["leases"])] for key, state in keys.items()}

    def lease(self) -> None:
        """Let the key hold a lease."""
        answer = self.sim_call("/allocate", Num=1)
        assert answer["Code"] == 0

    def sim_call(self, path: str, **parameters: Any) -> Any:
        return requests.get(self.sim.api_url + path, params={"Key": self.sim.key, **parameters}, timeout=5).json()


#: The last part of the path of a call that only reads.
READS = ("query", "quota", "channels", "balance", "resources")


@pytest.fixture
def patient(sim: Simulator, common: dict[str, Any]) -> Patient:
    sim.control("PATCH", "/map", {"127.0.0.1": EGRESS})
    proxy = sim.configure(whitelist=[EGRESS], exit=EXIT, options={"lease_proxies": False})["proxy_url"]
    echo = f"{sim.api_url}/ip"
    options = {**common, "sources": [echo], "through_proxy": proxy.removeprefix("http://")}
    return Patient(sim, options)


def details(result: Result) -> dict[str, str]:
    return {check["name"]: check["detail"] for check in result["checks"]}


def test_nothing_is_wrong(patient: Patient) -> None:
    patient.options["max_new_per_day"] = 5
    patient.lease()
    found = details(patient.examine())
    assert (found["product"], found["quota"], found["cap"]) == (
        "classic",
        "4 of 5 channels free",
        "0 bought in 24 hours of at most 5",
    )
    assert found["egress"].startswith(f"{EGRESS}, says ")
    assert found["proxy"] == f"{patient.options['through_proxy']} leads to {EXIT}"
    assert "1 lease" in found["leases"]


def use_other_product(patient: Patient) -> None:
    patient.sim.configure(plan=PLANS["share"])
    patient.options["product"] = "exclusive"


def break_store(patient: Patient) -> None:
    Path(patient.options["store"]).write_text("not a directory", encoding="utf-8")


def use_proxy_of_other_key(patient: Patient) -> None:
    proxy = patient.sim.configure("OTHER001", proxy=True)["proxy_url"].removeprefix("http://")
    patient.options["through_proxy"] = proxy


#: What is spoilt, the check that says so, and parts of its cause and its fix.
ILLNESSES: dict[str, tuple[Callable[[Patient], object], str, tuple[str, ...]]] = {
    "no key": (lambda patient: patient.options.pop("key"), "options", ("No key is set", "export QG_KEY=AUTHKEY")),
    "wrong key": (
        lambda patient: patient.options.update(key="NOSUCH01"),
        "product",
        ("The key is wrong", "share, longterm"),
    ),
    "wrong password": (
        lambda patient: patient.sim.configure(pwd="Hush4Hush", api_auth=True),
        "product",
        ("code -14", "Set password"),
    ),
    "wrong product": (use_other_product, "product", ("product=exclusive is wrong", "set qg_product to share")),
    "expired plan": (lambda patient: patient.sim.configure(status="expired"), "product", ("renew its plan",)),
    "proxy refuses": (
        lambda patient: patient.sim.configure(whitelist=[STRANGER]),
        "proxy",
        ("not on the whitelist", REGISTER),
    ),
    "proxy of another key": (use_proxy_of_other_key, "proxy", ("although its address is on the whitelist",)),
    "dead proxy": (
        lambda patient: patient.options.update(through_proxy="127.0.0.1:1"),
        "proxy",
        ("The proxy 127.0.0.1:1 does not work", "connection refused"),
    ),
    "no network": (
        lambda patient: patient.options.update(api_url="http://127.0.0.1:1"),
        "product",
        ("no usable response from 127.0.0.1:1", "api_url"),
    ),
    "no such name": (
        lambda patient: patient.options.update(api_url="http://no-such-host.invalid"),
        "product",
        (
            "no usable response from no-such-host.invalid: its name cannot be resolved. Check the DNS server of this",
            "machine, and api_url.",
        ),
    ),
    "no such echo service": (
        lambda patient: patient.options.update(sources=["http://127.0.0.1:1/ip", "http://127.0.0.1:2/ip"]),
        "egress",
        (
            "No source reports the egress address of this machine. The first of 2 says: http://127.0.0.1:1/ip: no",
            "connection refused. Check sources.",
        ),
    ),
    "no echo service": (
        lambda patient: patient.options.update(sources=[]),
        "options",
        ("sources is empty: name at least one echo service.",),
    ),
    "echo service without a scheme": (
        lambda patient: patient.options.update(sources=["d.qg.net/ip"]),
        "options",
        ("sources, entry 1, cannot be used: give one URL",),
    ),
    "store not writable": (break_store, "store", ("cannot be used", "QG_STORE")),
    "proxy with a login": (
        lambda patient: patient.options.update(through_proxy="user:Hush4Hush@192.0.2.1:3128"),
        "options",
        ("through_proxy",),
    ),
    "proxy without a port": (
        lambda patient: patient.options.update(through_proxy="192.0.2.1"),
        "options",
        ("through_proxy has no port", "HOST:PORT"),
    ),
    "mistake in an option": (
        lambda patient: patient.options.update(api_url="proxy.qg.net"),
        "options",
        ("api_url", "https"),
    ),
}


@pytest.mark.parametrize("illness", ILLNESSES)
def test_the_check_that_fails_has_cause_and_fix(patient: Patient, illness: str) -> None:
    spoil, name, parts = ILLNESSES[illness]
    spoil(patient)
    wrong = patient.wrong()
    for part in parts:
        assert part in wrong[name], wrong
    assert_one_sentence(wrong[name])
    assert "Hush4Hush" not in json.dumps(wrong)


def test_a_proxy_of_the_environment_that_does_not_answer_is_named_with_its_variable(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://me:Hush4Hush@127.0.0.1:1")
    wrong = patient.wrong()
    assert wrong.keys() == {"product", "whitelist"}
    for detail in wrong.values():
        assert (
            "no usable response from the proxy 127.0.0.1:1 (environment variable HTTP_PROXY): connection refused. "
            "Correct or unset HTTP_PROXY, or name 127.0.0.1 in NO_PROXY for direct calls." in detail
        )
    assert "Hush4Hush" not in json.dumps(wrong)


def test_a_wrong_url_of_the_environment_is_named_with_its_variable(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QG_API_URL", "http://127.0.0.1:1")
    del patient.options["api_url"]
    found = details(run_action("qg_doctor_info", patient.options))
    assert "connection refused. Check api_url. api_url comes from QG_API_URL." in found["whitelist"]


def test_the_leases_of_the_key_are_the_proxies_to_try(patient: Patient) -> None:
    patient.sim.configure(options={"lease_proxies": True}, pwd="Hush4Hush", whitelist=[])
    patient.lease()
    del patient.options["through_proxy"]
    (lease,) = patient.sim.leases()
    assert lease["host"] in patient.wrong()["proxy"]
    # With the password, the whitelist is not needed.
    patient.options["password"] = "Hush4Hush"
    found = patient.examine()
    assert details(found)["proxy"] == f"{lease['host']} leads to {lease['ip']}"
    assert "Hush4Hush" not in json.dumps(found)


def test_the_key_of_a_tunnel_is_not_wrong(patient: Patient) -> None:
    patient.sim.configure(plan={"kind": "tunnel"})
    del patient.options["through_proxy"]
    assert "as with a tunnel's key" in details(patient.examine())["product"]


@pytest.mark.measured
def test_what_the_playbook_says_works_as_typed(patient: Patient, playground: Playground) -> None:
    sim = patient.sim
    sim.configure(whitelist=[], options={"lease_proxies": True})
    environment = {
        "QG_KEY": sim.key,
        "QG_API_URL": sim.api_url,
        "QG_SOURCES": patient.options["sources"][0],
        "QG_PRODUCT": "share",
    }
    run = playground.play("qingguo.qgnet.doctor", environment=environment)
    assert run.rc == 2
    assert "unset QG_PRODUCT" in run.of("Show the checks").result["msg"]["product"]
    del environment["QG_PRODUCT"]
    shown = playground.play("qingguo.qgnet.doctor", environment=environment).ok().of("Show the checks").result["msg"]
    buy, register = (re.search(r"ansible-playbook (.*)", shown[name]) for name in ("leases", "whitelist"))
    assert buy is not None
    assert register is not None
    assert "paid" in shown["leases"]
    for words in (buy[1].split(), register[1].split()):
        variables = dict(word.split("=") for word in words if "=" in word)
        (playbook,) = (word for word in words if word.startswith("qingguo.qgnet."))
        playground.play(playbook, environment=environment, variables=variables).ok()
    assert len(sim.leases()) == 1
    found = playground.play("qingguo.qgnet.doctor", environment=environment).ok().of("Show the checks").result["msg"]
    assert "leads to" in found["proxy"]
    assert sim.key not in json.dumps(found)


#: The inventory of the README.
README = """
crawlers:
  hosts:
    crawler1:
      ansible_connection: local
"""


def environment_of(patient: Patient) -> dict[str, str]:
    """The environment of a control node with the key, whose address is not on the whitelist."""
    patient.sim.configure(whitelist=[])
    source = patient.options["sources"][0]
    return {"QG_KEY": patient.sim.key, "QG_API_URL": patient.sim.api_url, "QG_SOURCES": source}


def advice(run: Run) -> list[str]:
    """The words of the command with which to register this machine."""
    return shlex.split(run.of("Show the checks").result["msg"]["whitelist"].partition(" type: ")[2])


def test_the_machine_is_registered_under_its_name_in_the_inventory(patient: Patient, playground: Playground) -> None:
    environment = environment_of(patient)
    doctor = playground.play("qingguo.qgnet.doctor", inventory=README, environment=environment).ok()
    program, _i, inventory, playbook, _e, setting = advice(doctor)
    assert (program, Path(inventory).read_text(), playbook) == ("ansible-playbook", README, "qingguo.qgnet.register")
    name, _equals, host = setting.partition("=")
    playground.play(playbook, inventory=README, environment=environment, variables={name: host}).ok()
    assert patient.sim.whitelist() == [EGRESS]
    report = playground.play("qingguo.qgnet.report", inventory=README, environment=environment)
    _head, *rows, _total = report.of("Show the whitelist").result["msg"]
    assert [row.split()[:2] for row in rows] == [[EGRESS, "crawler1"]]
    # As the README has it, and the guide to the whitelist.
    playground.play("qingguo.qgnet.register", inventory=README, environment=environment).ok()
    deregister = ["--limit", "crawler1"]
    playground.play("qingguo.qgnet.deregister", inventory=README, environment=environment, arguments=deregister).ok()
    assert patient.sim.whitelist() == []


@pytest.mark.parametrize(
    ("inventory", "variables", "host"),
    [
        pytest.param("", {}, "localhost", id="no hosts"),
        pytest.param("web1 ansible_host=192.0.2.1\n", {}, "localhost", id="other machines"),
        pytest.param("web1\nnode ansible_connection='{{ how }}' how=local\n", {}, "node", id="template"),
        pytest.param("localhost ansible_connection=local\n", {}, "localhost", id="localhost"),
        pytest.param("a ansible_connection=local\nb ansible_connection=local\n", {"qg_hosts": "b"}, "b", id="given"),
        pytest.param("a\nb ansible_connection=local\n", {"qg_hosts": "a"}, "b", id="given, another machine"),
        pytest.param("a ansible_connection=local qg_key=QGOTHER1\n", {}, "localhost", id="another key"),
        pytest.param(
            "a ansible_connection=local egress_whitelist_ips=192.0.2.7\n", {}, "localhost", id="another address"
        ),
        pytest.param("a ansible_connection=local\n[all:vars]\nqg_key={KEY}\n", {}, "a", id="the same key"),
    ],
)
def test_the_advice_fits_the_inventory(
    patient: Patient, playground: Playground, inventory: str, variables: dict[str, str], host: str
) -> None:
    environment = environment_of(patient)
    inventory = inventory.replace("{KEY}", patient.sim.key)
    run = playground.play("qingguo.qgnet.doctor", inventory=inventory, environment=environment, variables=variables)
    *_start, setting = advice(run.ok())
    assert setting == f"qg_hosts={host}"


def test_it_asks_for_the_product_anew(patient: Patient) -> None:
    patient.options["key"] = "NOSUCH01"
    for _time in range(2):
        assert "The key is wrong" in patient.wrong()["product"]
        assert len([path for path in calls(patient.sim) if path.endswith("/query")]) >= 5
    patient.sim.configure("NOSUCH01", plan=PLANS["share"])
    assert "share" in details(patient.examine())["product"]
