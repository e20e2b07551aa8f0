# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module qg_doctor_info and the playbook doctor: the cause first, the next command, and nothing changed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from ansible.module_utils import ansible_release
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import SILENT
from ansible_collections.qingguo.qgnet.plugins.module_utils._doctor import operations as doctor
from ansible_collections.qingguo.qgnet.plugins.module_utils._task import operation
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import PROXY_API_OPTIONS, proxy_api
from simulator.fixture import Simulator
from support.lease_modules import named
from support.playbooks import Operate, Playground, Result, assert_one_sentence, calls, operate
from support.product_leases import PLANS
from support.registrations import register

EGRESS, EXIT, STRANGER = "203.0.113.50", "198.51.100.200", "203.0.113.9"
AGAIN = "ansible-playbook qingguo.qgnet.doctor"
PIP = f"{sys.executable} -m pip install --upgrade"


@dataclass
class Patient:
    """A control node with a key, on which everything works until a test spoils it."""

    sim: Simulator
    options: dict[str, Any]
    whitelist: Operate
    patch: pytest.MonkeyPatch

    def examine(self) -> Result:
        """Run the doctor; the vendor's books must be as they were."""
        before = self.books()
        self.sim.control("DELETE", "/journal")
        result = operate(doctor.DOCTOR_INFO, self.options)
        assert "failed" not in result, result["msg"]
        assert result["changed"] is False
        assert self.books() == before
        assert self.sim.key not in json.dumps(result)
        assert [call for call in calls(self.sim) if call.rpartition("/")[2] not in READS] == []
        return result

    def books(self) -> Any:
        """What the vendor has recorded of all keys."""
        keys = self.sim.state()["keys"]
        return {key: (state["whitelist"], named(state["leases"]), named(state["paid"])) for key, state in keys.items()}

    def lease(self) -> None:
        """Let the key hold a lease."""
        answer = self.sim_call("/allocate", Num=1)
        assert answer["Code"] == 0

    def sim_call(self, path: str, **parameters: Any) -> Any:
        return requests.get(self.sim.api_url + path, params={"Key": self.sim.key, **parameters}, timeout=5).json()


#: The last part of the path of a call that only reads.
READS = ("query", "quota", "channels", "balance", "resources")


@pytest.fixture
def patient(sim: Simulator, common: dict[str, Any], whitelist: Operate, monkeypatch: pytest.MonkeyPatch) -> Patient:
    sim.control("PATCH", "/map", {"127.0.0.1": EGRESS})
    proxy = sim.configure(whitelist=[EGRESS], exit=EXIT, options={"lease_proxies": False})["proxy_url"]
    echo = f"{sim.api_url}/ip"
    options = {**common, "sources": [echo], "url": echo, "through_proxy": proxy.removeprefix("http://")}
    return Patient(sim, options, whitelist, monkeypatch)


def test_nothing_is_wrong(patient: Patient) -> None:
    result = patient.examine()
    assert (result["healthy"], result["cause"], result["findings"]) == (True, None, [])
    assert result["report"][:2] == [
        "cause      Nothing is wrong.",
        "next       ansible-playbook qingguo.qgnet.ensure_leases",
    ]
    assert (result["product"], result["quota"]["available"], result["leases_count"]) == ("classic", 5, 0)
    assert (result["egress_ip"], result["egress_is_listed"]) == (EGRESS, True)
    assert result["proxy"] == {"server": patient.options["through_proxy"], "ok": True, "exit_ip": EXIT, "error": None}
    assert result["api"]["calls"] == len(calls(patient.sim))


def use_other_product(patient: Patient) -> None:
    patient.sim.configure(plan=PLANS["share"])
    patient.options["product"] = "exclusive"


def use_wrong_key(patient: Patient) -> None:
    patient.options["key"] = "NOSUCH01"


def fill_whitelist(patient: Patient) -> None:
    patient.sim.configure(capacity=2, whitelist=[EGRESS, STRANGER])
    assert patient.whitelist(["203.0.113.77"])["error"]["code"] == -202


def break_state(patient: Patient) -> None:
    path = Path(patient.options["store"])
    path.write_text("not a directory", encoding="utf-8")


def lose_requests(patient: Patient) -> None:
    for module in (operation, doctor):
        patient.patch.setattr(module, "REQUESTS_IMPORT_ERROR", "Traceback")


#: What is spoilt, the beginning of the cause, a part of it, and the next command.
ILLNESSES: dict[str, tuple[Callable[[Patient], object], str, str, str]] = {
    "no key": (lambda patient: patient.options.pop("key"), "No key is set", "QG_KEY", "export QG_KEY=AUTHKEY"),
    "wrong key": (use_wrong_key, "The key is wrong", "share, longterm", "export QG_KEY=AUTHKEY"),
    "wrong password": (
        lambda patient: patient.sim.configure(pwd="Hush4Hush", api_auth=True),
        "/query was refused with code -14",
        "Set password",
        "export QG_PASSWORD=API_PASSWORD",
    ),
    "wrong product": (
        use_other_product,
        "product=exclusive is wrong",
        "the key is one of product=share",
        f"{AGAIN} -e qg_product=share",
    ),
    "expired plan": (
        lambda patient: patient.sim.configure(status="expired"),
        "The key has expired or is blocked",
        "renew its plan",
        AGAIN,
    ),
    "full whitelist": (
        fill_whitelist,
        "The whitelist is full with 2 entries",
        f"No host is registered with {STRANGER}.",
        "ansible-playbook qingguo.qgnet.report",
    ),
    "proxy refuses": (
        lambda patient: patient.sim.configure(whitelist=[STRANGER]),
        "The proxy 127.0.0.1:",
        f"(HTTP status 407), whose egress address {EGRESS} is not on the whitelist",
        "ansible-playbook qingguo.qgnet.register -e qg_hosts=localhost",
    ),
    "proxy of another key": (
        lambda patient: patient.options.update(
            through_proxy=patient.sim.configure("OTHER001", proxy=True)["proxy_url"].removeprefix("http://")
        ),
        "The proxy 127.0.0.1:",
        f"although {EGRESS} is on the whitelist",
        "ansible localhost -m qingguo.qgnet.qg_proxy_info",
    ),
    "dead proxy": (
        lambda patient: patient.options.update(through_proxy="127.0.0.1:1"),
        "The proxy 127.0.0.1:1 does not work",
        "connection refused",
        "ansible localhost -m qingguo.qgnet.qg_proxy_info",
    ),
    "no network": (
        lambda patient: patient.options.update(api_url="http://127.0.0.1:1"),
        "/query: no usable response from 127.0.0.1:1",
        "connection refused",
        "curl -sS -o /dev/null http://127.0.0.1:1",
    ),
    "old ansible-core": (
        lambda patient: patient.patch.setattr(ansible_release, "__version__", "2.15.13"),
        "ansible-core 2.15.13 is older than 2.16",
        sys.executable,
        f"{PIP} 'ansible-core>=2.16'",
    ),
    "state not writable": (break_state, "store ", "cannot be used", f"{AGAIN} -e qg_store='~/qgnet-state'"),
    "requests missing": (lose_requests, "The Python library requests is missing", "", f"{PIP} 'requests>=2.28'"),
    "mistake in an option of its own": (
        lambda patient: patient.options.update(through_proxy="user:Hush4Hush@192.0.2.1:3128"),
        "through_proxy ",
        "",
        "ansible-doc qingguo.qgnet.qg_doctor_info",
    ),
    "proxy without a port": (
        lambda patient: patient.options.update(through_proxy="192.0.2.1"),
        "through_proxy '192.0.2.1' has no port",
        "HOST:PORT",
        "ansible-doc qingguo.qgnet.qg_doctor_info",
    ),
    "mistake in an option": (
        lambda patient: patient.options.update(api_url="proxy.qg.net"),
        "api_url",
        "http",
        "ansible-doc qingguo.qgnet.qg_doctor_info",
    ),
}


@pytest.mark.parametrize("illness", ILLNESSES)
def test_the_cause_comes_first_with_the_next_command(patient: Patient, illness: str) -> None:
    spoil, beginning, part, command = ILLNESSES[illness]
    spoil(patient)
    result = patient.examine()
    assert result["healthy"] is False
    assert result["cause"].startswith(beginning), result["report"]
    assert part in result["cause"], result["report"]
    assert result["next_command"] == command
    assert_one_sentence(result["cause"])
    assert "Hush4Hush" not in json.dumps(result)
    assert result["report"][:2] == [f"cause      {result['cause']}", f"next       {command}"]
    assert len(result["findings"]) == 1, result["findings"]


def test_the_whitelist_is_no_longer_full_after_a_removal(patient: Patient) -> None:
    fill_whitelist(patient)
    patient.whitelist([STRANGER], state="absent")
    assert patient.examine()["healthy"] is True


def test_several_findings_are_all_reported(patient: Patient) -> None:
    fill_whitelist(patient)
    patient.options["through_proxy"] = "127.0.0.1:1"
    patient.patch.setattr(ansible_release, "__version__", "2.15.13")
    report = patient.examine()["report"]
    assert [line.split()[0] for line in report[:4]] == ["cause", "next", "also", "also"]


def test_the_leases_of_the_key_are_the_proxies_to_try(patient: Patient) -> None:
    patient.sim.configure(options={"lease_proxies": True}, pwd="Hush4Hush", whitelist=[])
    patient.lease()
    # Without a URL, the request needs no authority of the simulator.
    del patient.options["through_proxy"], patient.options["url"]
    (lease,) = patient.sim.leases()
    found = patient.examine()
    assert (found["proxy"]["server"], found["proxy"]["ok"]) == (lease["host"], False)
    # With the password, the whitelist is not needed.
    patient.options["password"] = "Hush4Hush"
    found = patient.examine()
    assert (found["healthy"], found["proxy"]["exit_ip"]) == (True, lease["ip"])
    assert "Hush4Hush" not in json.dumps(found)


def test_registrations_of_other_inventories_are_named(patient: Patient) -> None:
    spec = {name: {**option, "required": False} for name, option in PROXY_API_OPTIONS.items()}
    given = {name: value for name, value in patient.options.items() if name in spec}
    api = proxy_api(ArgumentSpecValidator(spec).validate(given).validated_parameters, SILENT)
    for inventory, host in (("/etc/hosts", "web1"), ("hosts.old", "web1"), ("hosts.old", "web2")):
        register(api.rate_limiter.state, api.key_digest, host, EGRESS, inventory=inventory)
    api.rate_limiter.state.close()
    patient.options["inventory_id"] = "/etc/hosts"
    result = patient.examine()
    assert {one["inventory_id"]: (one["hosts"], one["own"]) for one in result["registrations"]} == {
        "/etc/hosts": (["web1"], True),
        "hosts.old": (["web1", "web2"], False),
    }
    assert "hosts      1 registered by this inventory; 2 by hosts.old: web1, web2" in result["report"]
    assert result["unowned"] == []


def test_the_playbook_shows_the_cause_first_and_where_options_come_from(
    patient: Patient, playground: Playground
) -> None:
    sim = patient.sim
    variables = {"qg_verify_url": patient.options["url"]}
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url, "QG_SOURCES": patient.options["sources"][0]}
    run = playground.play("qingguo.qgnet.doctor", environment=environment, variables=variables).ok()
    assert run.of("Show the cause, and the next command").result["msg"][0] == "cause      Nothing is wrong."
    result = run.of("Examine the control node and the key").result
    sources = {one["name"]: one["source"] for one in result["options"]}
    assert (sources["key"], sources["api_url"], sources["timeout"]) == ("QG_KEY", "QG_API_URL", "default")
    assert (sources["product"], sources["sources"]) == ("default", "QG_SOURCES")
    assert "    option     key: set (from QG_KEY)" in run.stdout.replace('    "', "    ").replace('",', "")
    variables |= {"qg_key": "NOSUCH01", "qg_product": "share"}
    run = playground.play("qingguo.qgnet.doctor", environment=environment, variables=variables)
    assert run.rc == 2
    shown = run.of("Show the cause, and the next command").result["msg"]
    assert shown[0].startswith("cause      The key is wrong")
    assert "option     key: set (from qg_key)" in shown
    assert not {"NOSUCH01", sim.key} & set(run.output.split())
    assert run.stdout.count("The key is wrong") == 1
