# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup of leased proxies, in playbooks and templates."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from integration.module_tasks import IGNORE, play, task
from integration.playground import Playground, Run, calls, lease_elsewhere
from qgnet_simulator.running import Simulator
from support import phrases

pytestmark = pytest.mark.measured


def look(options: str, name: str = "it", **keywords: Any) -> dict[str, Any]:
    """A task that evaluates the lookup with these options."""
    found = f"{{{{ query('qingguo.qgnet.proxy', {options}) }}}}"
    return {"name": name, "ansible.builtin.set_fact": {"found": found}, **keywords}


def run(sim: Simulator, playground: Playground, *tasks: dict[str, Any], hosts: int = 1) -> Run:
    inventory = "".join(f"host{number} ansible_connection=local\n" for number in range(hosts))
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    return playground.play(
        play(*tasks, hosts="all"), inventory=inventory, environment=environment
    ).ok()


def found(run: Run, name: str, host: str = "host0") -> Any:
    return run.of(name, host).result["ansible_facts"]["found"]


#: Options, and what is said of them.
MISTAKES = [
    ("at_least=4", f"{phrases.THREE_MATCH}at_least=4."),
    ("areas=0", f"areas contains '0', {phrases.NO_LISTED_AREA}"),
    ("min_remaining=-1", f"min_remaining=-1 {phrases.OUT_OF_RANGE}"),
    ("'something'", phrases.TAKES_NO_TERMS),
    ("isp='train'", "train"),
]


def test_it_gives_what_matches_oldest_deadline_first_and_leases_nothing(
    sim: Simulator, playground: Playground
) -> None:
    lease_elsewhere(sim, Num=1, AreaId=350500, Isp=1, KeepAlive=60)
    lease_elsewhere(sim, Num=1, AreaId=440100, Isp=2, KeepAlive=60)
    held = lease_elsewhere(sim, Num=1, AreaId=440100, Isp=1, KeepAlive=10)
    by_place = {(entry["area_id"], entry["isp"]): entry for entry in held}
    # ansible-core 2.22 masks the key in what it shows of a result, which base64 gets past.
    urls = (
        "{{ query('qingguo.qgnet.proxy', form='url', isp='mobile', password='p@ss') | "
        "map('b64encode') }}"
    )

    played = run(
        sim,
        playground,
        look("limit=10", "all"),
        look("areas='广东省广州市', isp='mobile'", "area and isp"),
        look("isp='telecom', min_remaining=20", "min_remaining"),
        look("isp='bgp', at_least=0", "none"),
        look("form='lease', isp='mobile'", "lease"),
        {"name": "url", "ansible.builtin.set_fact": {"found": urls}},
        *(look(options, options, **IGNORE) for options, _sentence in MISTAKES),
    )

    in_order = sorted(held, key=lambda entry: (entry["ends"], entry["task_id"], entry["ip"]))
    mobile = by_place[440100, 2]
    assert found(played, "all") == [entry["host"] for entry in in_order]
    assert found(played, "area and isp") == [mobile["host"]]
    assert found(played, "min_remaining") == [by_place[350500, 1]["host"]]
    assert found(played, "none") == []
    (whole,) = found(played, "lease")
    assert whole["ip"] == mobile["ip"]
    assert whole["server"] == mobile["host"]
    assert whole["deadline"] == mobile["deadline"]
    assert whole["expires_at"].endswith("+08:00")
    (encoded,) = found(played, "url")
    assert base64.b64decode(encoded).decode() == f"http://{sim.key}:p%40ss@{mobile['host']}"
    for options, sentence in MISTAKES:
        failed = played.of(options)
        assert failed.status == "failed", options
        assert sentence in str(failed.result["msg"]), options
    assert sim.key not in played.output
    assert set(calls(sim)) <= {"/query", "/resources"}
    assert len(sim.leases()) == 3


def test_hosts_share_one_reading_of_the_list(sim: Simulator, playground: Playground) -> None:
    lease_elsewhere(sim, Num=3)
    played = run(sim, playground, look("max_age=60"), hosts=4)
    for number in range(4):
        assert found(played, "it", f"host{number}") == found(played, "it")
    # The first one shows the product of the key.
    assert calls(sim) == ["/query"] * 2


def test_without_age_each_reads_for_itself(sim: Simulator, playground: Playground) -> None:
    lease_elsewhere(sim, Num=1)
    run(sim, playground, look("max_age=0"), hosts=2)
    # The first one shows the product of the key.
    assert calls(sim) == ["/query"] * 3


@pytest.mark.slow
def test_spread_gives_each_host_a_proxy_that_it_keeps(
    sim: Simulator, playground: Playground
) -> None:
    sim.configure(plan={"channels": 20})
    lease_elsewhere(sim, Num=5)
    chosen = look("seed=inventory_hostname, limit=1, max_age=0")
    hosts = [f"host{number}" for number in range(8)]
    played = run(sim, playground, chosen, hosts=8)
    first = {host: found(played, "it", host) for host in hosts}
    assert len(set(map(tuple, first.values()))) > 1
    new = lease_elsewhere(sim, Num=1)[-1]["host"]
    played = run(sim, playground, chosen, hosts=8)
    for host in hosts:
        assert found(played, "it", host) in (first[host], [new])


def test_after_a_change_the_list_is_not_the_old_one(sim: Simulator, playground: Playground) -> None:
    # Another client's, which the first list shows and no record does.
    lease_elsewhere(sim, Num=2)
    changes: dict[str, dict[str, Any]] = {
        "qg_proxy_allocate": {"count": 3},
        "qg_proxy_replace": {"count": 1},
        "qg_proxy_release": {"all": True},
    }
    cached = "at_least=0, limit=9, max_age=600"
    tasks = [look(cached, "before")]
    for name, options in changes.items():
        tasks += [task(name, name, options), look(cached, f"after {name}")]

    played = run(sim, playground, *tasks)

    assert len(found(played, "before")) == 2
    for name, held in zip(changes, (3, 3, 0), strict=True):
        assert len(found(played, f"after {name}")) == held
    replaced = played.of("qg_proxy_replace").result["leases"]
    assert set(found(played, "after qg_proxy_replace")) == {lease["server"] for lease in replaced}
