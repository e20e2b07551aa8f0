# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module qg_doctor_info and the playbook doctor: what only the network and an inventory
show.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from integration.module_tasks import play_cases
from integration.playground import Playground, Run, calls, lease_elsewhere
from qgnet_simulator.running import Simulator
from support import phrases
from support.invariants import Result, assert_one_sentence
from support.plugin_runs import run_action

EGRESS, EXIT = "203.0.113.50", "198.51.100.200"
STRANGER = "203.0.113.9"
PASSWORD = "Hush4Hush"
#: A port of this machine on which no process listens.
DEAD = "127.0.0.1:1"
REGISTER = "qingguo.qgnet.register"
#: The last part of the path of a call that only reads.
#: What Ansible says of an inventory without hosts.
ALONE: dict[str, Any] = {"groups": {"all": []}, "hostvars": {}}
READS = ("query", "quota", "channels", "balance", "resources")


#: Keys with a proxy, and their whitelists.
LISTS = {"HEALTHY1": [EGRESS], "REFUSED1": [STRANGER], "STRANGER": []}
HEALTHY = {"key": "HEALTHY1", "through_proxy": "{{ proxies.HEALTHY1 }}"}
#: What is wrong, by the options; the check that says so, and parts of its cause and its fix.
ILLNESSES: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "proxy refuses": (
        {"key": "REFUSED1", "through_proxy": "{{ proxies.REFUSED1 }}"},
        "proxy",
        (phrases.NOT_ON_THE_LIST, REGISTER),
    ),
    "proxy of another key": (
        {"key": "HEALTHY1", "through_proxy": "{{ proxies.STRANGER }}"},
        "proxy",
        (phrases.ALTHOUGH_LISTED,),
    ),
    "dead proxy": (
        {"key": "HEALTHY1", "through_proxy": DEAD},
        "proxy",
        (DEAD, phrases.DOES_NOT_WORK, phrases.REFUSED),
    ),
    "no network": (
        {**HEALTHY, "api_url": f"http://{DEAD}"},
        "product",
        (phrases.NO_USABLE_RESPONSE, DEAD, "api_url"),
    ),
    "no such name": (
        {**HEALTHY, "api_url": "http://no-such-host.invalid"},
        "product",
        (phrases.NO_USABLE_RESPONSE, "no-such-host.invalid", phrases.NO_NAME, "api_url"),
    ),
    "no such echo service": (
        {**HEALTHY, "sources": [f"http://{DEAD}/ip", "http://127.0.0.1:2/ip"]},
        "egress",
        (phrases.NO_EGRESS, "2", f"http://{DEAD}/ip", phrases.REFUSED, "sources"),
    ),
    "lease without a password": ({"key": "LEASED01"}, "proxy", (phrases.NOT_ON_THE_LIST,)),
}
#: With the password of a lease, the whitelist is not needed.
WELL = {"healthy": HEALTHY, "lease": {"key": "LEASED01", "password": PASSWORD}}


@pytest.fixture
def echo(sim: Simulator) -> str:
    """An echo service that says that this machine has the address EGRESS."""
    sim.control("PATCH", "/map", {"127.0.0.1": EGRESS})
    return f"{sim.api_url}/ip"


@pytest.fixture
def environment(sim: Simulator, echo: str) -> dict[str, str]:
    """The environment of a control node with the key, whose address is not on the whitelist."""
    return {"QG_KEY": sim.key, "QG_API_URL": sim.api_url, "QG_SOURCES": echo}


def details(result: Result, *, ok: bool) -> dict[str, str]:
    """The details of the checks that are ok, or of those that are not."""
    return {check["name"]: check["detail"] for check in result["checks"] if check["ok"] is ok}


def books(sim: Simulator) -> dict[str, Any]:
    """What the vendor has recorded of all keys."""
    keys = sim.state()["keys"]
    return {key: [keys[key][name] for name in ("whitelist", "paid")] for key in keys}


def test_each_check_of_the_network_has_cause_and_fix(
    sim: Simulator, playground: Playground, echo: str
) -> None:
    proxies = {}
    for key, whitelist in LISTS.items():
        account = sim.configure(key, whitelist=whitelist, exit=EXIT, proxy=True)
        proxies[key] = account["proxy_url"].removeprefix("http://")
    sim.configure("LEASED01", pwd=PASSWORD)
    [lease] = lease_elsewhere(sim, "LEASED01")
    before = books(sim)
    sim.control("DELETE", "/journal")
    given = {name: options for name, (options, _check, _parts) in ILLNESSES.items()} | WELL
    cases = {}
    for name, options in given.items():
        whole = {"sources": [echo], "product": "classic", **options}
        cases[name] = {"qingguo.qgnet.qg_doctor_info": whole}

    run = play_cases(playground, cases, variables={"proxies": proxies}).ok()

    for name, (_options, check, parts) in ILLNESSES.items():
        wrong = details(run.of(name).result, ok=False)
        assert_one_sentence(wrong[check])
        for part in parts:
            assert part in wrong[check], name
    assert lease["host"] in details(run.of("lease without a password").result, ok=False)["proxy"]
    leads = {}
    for name in WELL:
        assert details(run.of(name).result, ok=False) == {}
        leads[name] = details(run.of(name).result, ok=True)["proxy"]
    assert leads["healthy"] == f"{proxies['HEALTHY1']} {phrases.LEADS_TO} {EXIT}"
    assert leads["lease"] == f"{lease['host']} {phrases.LEADS_TO} {lease['ip']}"
    for name in given:
        assert run.of(name).result["changed"] is False
        assert run.of(name).result["healthy"] is (name in WELL)
    assert PASSWORD not in run.output
    assert books(sim) == before
    assert {path.rpartition("/")[2] for path in calls(sim)} <= set(READS)


def test_a_setting_of_the_environment_that_is_wrong_is_named(
    sim: Simulator, echo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"key": sim.key, "sources": [echo], "store": str(tmp_path)}
    monkeypatch.setenv("QG_API_URL", f"http://{DEAD}")
    wrong = details(run_action("qg_doctor_info", options, variables=ALONE), ok=False)
    assert f"{phrases.REFUSED}. Check api_url. api_url comes from QG_API_URL." in wrong["whitelist"]

    monkeypatch.setenv("HTTP_PROXY", f"http://me:{PASSWORD}@{DEAD}")
    monkeypatch.setenv("QG_API_URL", sim.api_url)
    wrong = details(run_action("qg_doctor_info", options, variables=ALONE), ok=False)
    assert wrong.keys() == {"product", "whitelist"}
    for detail in wrong.values():
        for part in (
            phrases.NO_USABLE_RESPONSE,
            DEAD,
            phrases.REFUSED,
            phrases.CORRECT_PROXY,
            "127.0.0.1",
        ):
            assert part in detail
        assert PASSWORD not in detail


#: The inventory of the README.
README = """
crawlers:
  hosts:
    crawler1:
      ansible_connection: local
"""


def shown(run: Run) -> dict[str, str]:
    """What the playbook doctor shows."""
    checks: dict[str, str] = run.of("Show the checks").result["msg"]
    return checks


def advice(run: Run) -> list[str]:
    """The words of the command with which to register this machine."""
    return shlex.split(shown(run)["whitelist"].partition(" type: ")[2])


@pytest.mark.measured
def test_what_the_playbook_says_works_as_typed(
    sim: Simulator, playground: Playground, environment: dict[str, str]
) -> None:
    def play(playbook: str, *arguments: str, **variables: str) -> Run:
        how: dict[str, Any] = {"inventory": README, "environment": environment}
        return playground.play(playbook, variables=variables, arguments=arguments, **how)

    wrong = playground.play(
        "qingguo.qgnet.doctor", environment={**environment, "QG_PRODUCT": "share"}
    )
    assert wrong.rc == 2
    assert "unset QG_PRODUCT" in shown(wrong)["product"]

    doctor = play("qingguo.qgnet.doctor").ok()
    program, _i, inventory, playbook, _e, setting = advice(doctor)
    assert program == "ansible-playbook"
    assert Path(inventory).read_text() == README
    assert playbook == REGISTER
    assert setting == "qg_hosts=crawler1"
    play(playbook, qg_hosts="crawler1").ok()
    assert sim.whitelist() == [EGRESS]
    buying = re.search(
        r"ansible-playbook -i (\S+) (\S+) -e qg_lease_count=1$", shown(doctor)["leases"]
    )
    assert buying is not None
    assert buying[1] == inventory
    play(buying[2], qg_lease_count="1").ok()
    assert len(sim.leases()) == 1

    mended = shown(play("qingguo.qgnet.doctor").ok())
    assert phrases.LEADS_TO in mended["proxy"]
    assert sim.key not in json.dumps(mended)
    report = play("qingguo.qgnet.report")
    page = report.of("Show the report").result["msg"]
    _head, *rows, _total = page[page.index("HOSTS") + 1 : page.index("LEASES") - 1]
    assert [row.split()[:2] for row in rows] == [[EGRESS, "crawler1"]]
    # As the README has it, and the guide to the whitelist.
    play("qingguo.qgnet.deregister", "--limit", "crawler1").ok()
    assert sim.whitelist() == []


#: Hosts that are not this machine with this key: each before a host that is, in the order of names.
OTHERS = """
a ansible_host=192.0.2.1
b ansible_connection=local qg_key=QGOTHER1
c ansible_connection=local egress_whitelist_ips=192.0.2.7
d ansible_connection='{{ undefined_variable }}'
"""
#: A connection from a template, and the same key from the inventory.
THIS = "e ansible_connection='{{ how }}' how=local\n[all:vars]\nqg_key={KEY}\n"


@pytest.mark.measured
@pytest.mark.parametrize(
    ("inventory", "variables", "host"),
    [
        pytest.param(OTHERS, {}, "localhost", id="others alone"),
        pytest.param(OTHERS + THIS, {}, "e", id="this one after others"),
        pytest.param(
            "a ansible_connection=local\nb ansible_connection=local\n",
            {"qg_hosts": "b"},
            "b",
            id="given",
        ),
    ],
)
def test_the_advice_fits_the_inventory(
    sim: Simulator,
    playground: Playground,
    environment: dict[str, str],
    inventory: str,
    variables: dict[str, str],
    host: str,
) -> None:
    inventory = inventory.replace("{KEY}", sim.key)
    run = playground.play(
        "qingguo.qgnet.doctor", inventory=inventory, environment=environment, variables=variables
    )
    assert advice(run.ok())[-1] == f"qg_hosts={host}"


@pytest.mark.newest
def test_a_misspelt_variable_of_other_hosts_is_an_illness(
    playground: Playground, environment: dict[str, str]
) -> None:
    """It would be the cap of a gateway, which the doctor of this machine does not use."""
    inventory = "[crawlers]\na\nb\n[crawlers:vars]\nqg_max_new_per_days=5\n"

    run = playground.play("qingguo.qgnet.doctor", inventory=inventory, environment=environment)

    assert run.rc == 2
    said = shown(run)["variables"]
    assert phrases.MISSPELT_VARIABLE.format("qg_max_new_per_days", "qg_max_new_per_day") in said
    assert said.endswith(" crawlers.")
