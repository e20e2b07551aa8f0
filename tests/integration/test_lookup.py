# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup of leased proxies, in playbooks and templates."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.playbooks import Playground, Run, calls

pytestmark = pytest.mark.measured

PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - name: it
      ansible.builtin.set_fact:
        found: "{{ query('qingguo.qgnet.proxy', OPTIONS) }}"
"""
Look = Callable[..., Run]


def lease(sim: Simulator, number: int, **parameters: Any) -> list[dict[str, Any]]:
    """Lease some proxies, as another client does; all that the key holds then."""
    query = {"Key": sim.key, "Num": number, **parameters}
    answer = sim._session.get(sim.api_url + "/allocate", params=query, timeout=10).json()
    assert answer["Code"] == 0, answer
    sim.control("DELETE", "/journal")
    return sim.leases()


@pytest.fixture
def look(sim: Simulator, playground: Playground) -> Look:
    """Evaluate the lookup with these options, by default for one host."""

    def run(options: str, hosts: int = 1, **environment: str) -> Run:
        inventory = "".join(f"host{number} ansible_connection=local\n" for number in range(hosts))
        named = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url, **environment}
        return playground.play(PLAY.replace("OPTIONS", options), inventory=inventory, environment=named)

    return run


def found(run: Run, host: str | None = None) -> Any:
    return run.ok().of("it", host).result["ansible_facts"]["found"]


def test_it_gives_the_servers_oldest_deadline_first_and_leases_nothing(sim: Simulator, look: Look) -> None:
    lease(sim, 1, KeepAlive=60)
    held = lease(sim, 2, KeepAlive=30)
    expected = [
        entry["host"] for entry in sorted(held, key=lambda entry: (entry["ends"], entry["task_id"], entry["ip"]))
    ]
    assert found(look("limit=10")) == expected
    assert calls(sim) == ["/query"]


@pytest.mark.newest_core
def test_hosts_share_one_reading_of_the_list(sim: Simulator, look: Look) -> None:
    lease(sim, 3)
    run = look("max_age=60", hosts=8)
    assert {tuple(found(run, f"host{number}")) for number in range(8)} == {tuple(found(run, "host0"))}
    assert calls(sim) == ["/query"]


@pytest.mark.newest_core
def test_without_age_each_reads_for_itself(sim: Simulator, look: Look) -> None:
    lease(sim, 1)
    look("max_age=0", hosts=2).ok()
    assert calls(sim) == ["/query", "/query"]


@pytest.mark.newest_core
def test_spread_gives_each_host_a_proxy_that_it_keeps(sim: Simulator, look: Look) -> None:
    sim.configure(plan={"channels": 20})
    lease(sim, 5)
    text = "seed=inventory_hostname, limit=1, max_age=0"
    first = {host: task.result["ansible_facts"]["found"] for host, task in look(text, 8).ok().by_host("it").items()}
    assert len({tuple(chosen) for chosen in first.values()}) > 1
    before = {entry["host"] for entry in sim.leases()}
    new = {entry["host"] for entry in lease(sim, 1)} - before
    second = {host: task.result["ansible_facts"]["found"] for host, task in look(text, 8).ok().by_host("it").items()}
    assert all(second[host] == first[host] or set(second[host]) == new for host in first)


def test_only_what_matches(sim: Simulator, look: Look) -> None:
    lease(sim, 1, AreaId=350500, Isp=1, KeepAlive=60)
    lease(sim, 1, AreaId=440100, Isp=2, KeepAlive=60)
    held = lease(sim, 1, AreaId=440100, Isp=1, KeepAlive=10)
    by_place = {(entry["area_id"], entry["isp"]): entry for entry in held}
    assert found(look("area_id=440100, isp='mobile'")) == [by_place[440100, 2]["host"]]
    assert found(look("isp='telecom', min_remaining=20")) == [by_place[350500, 1]["host"]]
    task = by_place[440100, 1]["task_id"]
    assert found(look(f"task_ids=['{task}'], undetermined='ignore'")) == [by_place[440100, 1]["host"]]


def test_the_whole_lease_and_its_url(sim: Simulator, look: Look) -> None:
    entry = lease(sim, 1)[0]
    whole = found(look("form='lease'"))[0]
    assert (whole["ip"], whole["server"], whole["deadline"]) == (entry["ip"], entry["host"], entry["deadline"])
    assert whole["expires_at"].endswith("+08:00")
    # ansible-core 2.22 masks the key in what it shows of a result, which base64 gets past.
    urls = found(look("form='url', pwd='p@ss') | map('b64encode'"))
    assert [base64.b64decode(url).decode() for url in urls] == [f"http://{sim.key}:p%40ss@{entry['host']}"]


MISTAKES = [
    ("at_least=3", "The key holds 1 matching lease, fewer than at_least=3."),
    ("at_least=101", "at_least=101 is out of range"),
    ("limit=0", "limit=0 is out of range"),
    ("area_id=0", "area_id=0 is out of range"),
    ("min_remaining=-1", "min_remaining=-1 is out of range"),
    ("max_age=-1", "max_age=-1 is out of range"),
    ("form='url'", "proxy_url needs pwd"),
    ("'something'", "takes no terms"),
    ("isp='train'", "train"),
]


def test_a_mistake_is_reported_in_a_sentence(sim: Simulator, playground: Playground) -> None:
    """Each mistake fails a task of its own."""
    lease(sim, 1)
    tasks = "".join(
        f"""
    - name: {json.dumps(options)}
      ansible.builtin.set_fact:
        found: "{{{{ query('qingguo.qgnet.proxy', {options}) }}}}"
      ignore_errors: true
"""
        for options, _sentence in MISTAKES
    )
    text = f"- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}"
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    run = playground.play(text, environment=environment).ok()
    for options, sentence in MISTAKES:
        task = run.of(options)
        assert task.status == "failed", options
        assert sentence in str(task.result["msg"]), options
    assert sim.key not in run.output


def test_an_empty_answer_can_be_asked_for(sim: Simulator, look: Look) -> None:
    assert found(look("at_least=0")) == []


@pytest.mark.newest_core
def test_after_an_allocation_the_list_is_not_the_old_one(sim: Simulator, playground: Playground) -> None:
    text = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: before
      ansible.builtin.set_fact:
        before: "{{ query('qingguo.qgnet.proxy', at_least=0, max_age=600) }}"
    - name: more
      qingguo.qgnet.qg_proxy_allocate: {count: 2}
    - name: after
      ansible.builtin.set_fact:
        after: "{{ query('qingguo.qgnet.proxy', at_least=2, max_age=600) }}"
"""
    run = playground.play(text, environment={"QG_KEY": sim.key, "QG_API_URL": sim.api_url}).ok()
    assert len(run.of("after").result["ansible_facts"]["after"]) == 2
