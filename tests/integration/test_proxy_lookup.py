# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup of leased proxies, in playbooks and templates."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import pytest
import requests
from simulator.fixture import Simulator
from support.module_tasks import IGNORE, play, task
from support.playground import Playground, Run, calls

pytestmark = pytest.mark.measured


def lease(sim: Simulator, number: int, **parameters: Any) -> list[dict[str, Any]]:
    """Lease some proxies, as another client does; all that the key holds then."""
    query = {"Key": sim.key, "Num": number, **parameters}
    answer = requests.get(sim.api_url + "/allocate", params=query, timeout=10).json()
    assert answer["Code"] == 0, answer
    sim.control("DELETE", "/journal")
    return sim.leases()


def look(options: str, name: str = "it", **keywords: Any) -> dict[str, Any]:
    """A task that evaluates the lookup with these options."""
    found = f"{{{{ query('qingguo.qgnet.proxy', {options}) }}}}"
    return {"name": name, "ansible.builtin.set_fact": {"found": found}, **keywords}


def run(sim: Simulator, playground: Playground, *tasks: dict[str, Any], hosts: int = 1) -> Run:
    inventory = "".join(f"host{number} ansible_connection=local\n" for number in range(hosts))
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    return playground.play(play(*tasks, hosts="all"), inventory=inventory, environment=environment).ok()


def found(run: Run, name: str, host: str = "host0") -> Any:
    return run.of(name, host).result["ansible_facts"]["found"]


def test_it_gives_what_matches_oldest_deadline_first_and_leases_nothing(sim: Simulator, playground: Playground) -> None:
    lease(sim, 1, AreaId=350500, Isp=1, KeepAlive=60)
    lease(sim, 1, AreaId=440100, Isp=2, KeepAlive=60)
    held = lease(sim, 1, AreaId=440100, Isp=1, KeepAlive=10)
    by_place = {(entry["area_id"], entry["isp"]): entry for entry in held}
    played = run(
        sim,
        playground,
        look("limit=10", "all"),
        look("areas='广东省广州市', isp='mobile'", "area and isp"),
        look("isp='telecom', min_remaining=20", "min_remaining"),
        look("isp='bgp', at_least=0", "none"),
    )
    in_order = sorted(held, key=lambda entry: (entry["ends"], entry["task_id"], entry["ip"]))
    assert found(played, "all") == [entry["host"] for entry in in_order]
    assert found(played, "area and isp") == [by_place[440100, 2]["host"]]
    assert found(played, "min_remaining") == [by_place[350500, 1]["host"]]
    assert found(played, "none") == []
    assert set(calls(sim)) <= {"/query", "/resources"}
    assert len(sim.leases()) == 3


def test_hosts_share_one_reading_of_the_list(sim: Simulator, playground: Playground) -> None:
    lease(sim, 3)
    played = run(sim, playground, look("max_age=60"), hosts=4)
    assert {tuple(found(played, "it", f"host{number}")) for number in range(4)} == {tuple(found(played, "it"))}
    # The first one shows the product of the key.
    assert calls(sim) == ["/query"] * 2


def test_without_age_each_reads_for_itself(sim: Simulator, playground: Playground) -> None:
    lease(sim, 1)
    run(sim, playground, look("max_age=0"), hosts=2)
    # The first one shows the product of the key.
    assert calls(sim) == ["/query"] * 3


@pytest.mark.slow
def test_spread_gives_each_host_a_proxy_that_it_keeps(sim: Simulator, playground: Playground) -> None:
    sim.configure(plan={"channels": 20})
    lease(sim, 5)
    chosen = look("seed=inventory_hostname, limit=1, max_age=0")
    hosts = [f"host{number}" for number in range(8)]
    played = run(sim, playground, chosen, hosts=8)
    first = {host: found(played, "it", host) for host in hosts}
    assert len({tuple(proxies) for proxies in first.values()}) > 1
    before = {entry["host"] for entry in sim.leases()}
    new = {entry["host"] for entry in lease(sim, 1)} - before
    played = run(sim, playground, chosen, hosts=8)
    second = {host: found(played, "it", host) for host in hosts}
    assert all(second[host] == first[host] or set(second[host]) == new for host in hosts)


def test_the_whole_lease_and_its_url(sim: Simulator, playground: Playground) -> None:
    entry = lease(sim, 1)[0]
    # ansible-core 2.22 masks the key in what it shows of a result, which base64 gets past.
    urls = "{{ query('qingguo.qgnet.proxy', form='url', password='p@ss') | map('b64encode') }}"
    url = {"name": "url", "ansible.builtin.set_fact": {"found": urls}}
    played = run(sim, playground, look("form='lease'", "lease"), url)
    (whole,) = found(played, "lease")
    assert (whole["ip"], whole["server"], whole["deadline"]) == (entry["ip"], entry["host"], entry["deadline"])
    assert whole["expires_at"].endswith("+08:00")
    decoded = [base64.b64decode(url).decode() for url in found(played, "url")]
    assert decoded == [f"http://{sim.key}:p%40ss@{entry['host']}"]


MISTAKES = [
    ("at_least=3", "The key holds 1 matching lease, fewer than at_least=3."),
    ("at_least=101", "at_least=101 is out of range"),
    ("limit=0", "limit=0 is out of range"),
    ("areas=0", "areas contains '0', which qg_area_info does not list"),
    ("min_remaining=-1", "min_remaining=-1 is out of range"),
    ("max_age=-1", "max_age=-1 is out of range"),
    ("form='url'", "form=url needs password"),
    ("'something'", "takes no terms"),
    ("isp='train'", "train"),
]


def test_a_mistake_is_reported_in_a_sentence(sim: Simulator, playground: Playground) -> None:
    lease(sim, 1)
    played = run(sim, playground, *(look(options, options, **IGNORE) for options, _sentence in MISTAKES))
    for options, sentence in MISTAKES:
        failed = played.of(options)
        assert failed.status == "failed", options
        assert sentence in str(failed.result["msg"]), options
    assert sim.key not in played.output


def test_after_a_change_the_list_is_not_the_old_one(sim: Simulator, playground: Playground) -> None:
    # Another client's, which the first list shows and no record does.
    lease(sim, 2)
    changes = {"qg_proxy_allocate": {"count": 3}, "qg_proxy_replace": {"count": 1}, "qg_proxy_release": {"all": True}}
    cached = "at_least=0, limit=9, max_age=600"
    tasks = [(task(name, name, options), look(cached, f"after {name}")) for name, options in changes.items()]
    played = run(sim, playground, look(cached, "before"), *itertools.chain(*tasks))
    assert len(found(played, "before")) == 2
    for name, held in zip(changes, (3, 3, 0), strict=True):
        assert len(found(played, f"after {name}")) == held
    replaced = played.of("qg_proxy_replace").result["leases"]
    assert set(found(played, "after qg_proxy_replace")) == {each["server"] for each in replaced}
