# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""store: control nodes that share a database, and what becomes of a run whose database fails on the way."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.fleet import Fleet, numeric, public
from support.invariants import assert_one_sentence
from support.parameters import slow_cases
from support.playground import ADD, Playground, Result, assert_failed, assert_task_failed, operate
from support.postgres import PostgresServer
from support.processes import process_until_killed, wait_for

pytestmark = pytest.mark.newest

TASKS = """
- hosts: all
  gather_facts: false
  tasks:
    - name: allocate
      qingguo.qgnet.qg_proxy_allocate: {count: 3}
    - name: lookup
      ansible.builtin.debug:
        msg: "{{ query('qingguo.qgnet.proxy') | length }}"
    - name: wrong
      qingguo.qgnet.qg_proxy_info:
        store: "{{ lookup('env', 'QG_STORE') }}_none"
      ignore_errors: true
"""


@pytest.fixture
def nodes(playground: Playground, database_url: str) -> list[Playground]:
    """Two control nodes, which share nothing but a database."""
    environment = {**playground.environment, "QG_STORE": database_url}
    return [Playground(playground.root / name, playground.minute, environment=environment) for name in ("one", "other")]


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that the test may stop."""
    with PostgresServer() as server:
        yield server


@pytest.mark.slow
def test_an_address_that_another_control_node_has_registered_is_removed_when_the_host_has_moved(
    sim: Simulator, nodes: list[Playground]
) -> None:
    one, other = (Fleet(sim, node, size=2) for node in nodes)
    one.run(inventory_id="fleet").ok()
    assert numeric(sim.whitelist()) == [public(1), public(2)]
    other.move(h1=public(9))
    run = other.run(inventory_id="fleet").ok()
    assert numeric(sim.whitelist()) == [public(2), public(9)]
    assert run.of("Update the whitelist", "h1").result["changed"] is True
    # At rest, whichever node looks.
    in_sync = one.run(inventory_id="fleet").ok()
    assert [task.name for task in in_sync.tasks if task.result.get("changed")] == []
    for node in nodes:
        assert not node.store.exists(), "no state is left on a control node"
        assert [path for path in node.left_behind() if path.suffix == ".sqlite3"] == []


def test_every_kind_of_plugin_uses_the_database_and_no_output_shows_its_password(
    sim: Simulator, nodes: list[Playground], database_url: str
) -> None:
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    first = nodes[0].play(TASKS, environment=environment, arguments=["-vvv"]).ok()
    again = nodes[1].play(TASKS, environment=environment).ok()
    assert (first.of("allocate").result["changed"], again.of("allocate").result["changed"]) == (True, False)
    assert len(sim.leases()) == 3
    assert [run.of("lookup").result["msg"] for run in (first, again)] in ([3, 3], ["3", "3"])
    assert_task_failed(first.of("wrong"), "does not exist. Check the URL")
    password = database_url.partition("@")[0].rpartition(":")[2]
    for run in (first, again):
        assert password not in run.output


@pytest.fixture
def run(common: dict[str, Any], own_server: PostgresServer) -> Callable[..., Result]:
    """Runs a module with the server's database as its store."""
    return lambda module, **options: operate(module, {**common, "store": own_server.url, "max_wait": 60, **options})


def test_a_run_without_its_database_fails_before_the_first_call(
    own_server: PostgresServer, run: Callable[..., Result], sim: Simulator
) -> None:
    own_server.stop()
    for result in (run("qg_proxy_allocate", count=1), run("qg_whitelist", ips=["203.0.113.1"])):
        assert_failed(result, "Connection refused. Check the URL, and that the server runs and can be reached")
    assert sim.journal() == []


def fail_during(sim: Simulator, path: str, run: Callable[[], Result], fail: Callable[[], None]) -> Result:
    """Run an operation whose database fails while the first call to this path is under way."""
    sim.fault(path=path, kind="delay", seconds=0.5)
    sim.control("DELETE", "/journal")
    with ThreadPoolExecutor(1) as pool:
        task = pool.submit(run)
        deadline = time.monotonic() + 20
        while not sim.journal(path):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        fail()
        return task.result()


def restart(server: PostgresServer) -> None:
    server.crash()
    server.start()


@pytest.mark.parametrize("kind", ["directory", "database"])
def test_a_run_that_is_stopped_is_named_and_when_it_is_killed_its_purchase_is_found(
    kind: str, database_url: str, common: dict[str, Any], sim: Simulator
) -> None:
    options = {**common, "product": "classic", "count": 2, "max_wait": 60}
    if kind == "database":
        options["store"] = database_url
    operate("qg_quota_info", {**common, "store": options["store"], "product": "classic"})
    sim.fault(path="/allocate", kind="delay", seconds=0.5)
    with process_until_killed(operate, "qg_proxy_allocate", options) as process:
        wait_for(lambda: bool(sim.journal("/allocate")))
        os.kill(process.pid or 0, signal.SIGSTOP)
        result = operate("qg_proxy_allocate", {**options, "max_wait": 1})
        assert_failed(result, f"another run is changing what this key holds (process {process.pid}", "max_wait")
    again = operate("qg_proxy_allocate", options)
    assert "failed" not in again, again
    assert len(sim.state()["keys"][sim.key]["paid"]) == 2, "nothing was paid for twice"
    assert {lease["ip"] for lease in again["leases"]} == {lease["ip"] for lease in sim.leases()}


@pytest.mark.parametrize(
    "fail",
    [PostgresServer.terminate_backends, *slow_cases(restart, PostgresServer.crash)],
    ids=["killed", "again", "off"],
)
def test_a_session_that_is_lost_in_the_middle_of_a_paid_call_costs_nothing_twice(
    own_server: PostgresServer, run: Callable[..., Result], sim: Simulator, fail: Callable[[PostgresServer], None]
) -> None:
    run("qg_quota_info", product="classic")
    leases = {"module": "qg_proxy_allocate", "count": 2, "product": "classic"}
    result = fail_during(sim, "/allocate", lambda: run(**leases), lambda: fail(own_server))
    held = {lease["ip"] for lease in sim.leases()}
    assert len(held) == 2
    assert_failed(result, "cannot be used")
    assert_one_sentence(result["msg"])
    # What is known is said.
    assert {lease["ip"] for lease in result["allocated"]} == held, result
    if not own_server.is_running():
        own_server.start()
    again = run(**leases)
    assert "failed" not in again, again
    assert {lease["ip"] for lease in again["leases"]} == held
    assert len(sim.state()["keys"][sim.key]["paid"]) == 2, "nothing was paid for twice"


def test_a_session_that_is_lost_while_the_whitelist_is_written_loses_no_address(
    own_server: PostgresServer, run: Callable[..., Result], sim: Simulator
) -> None:
    assert run("qg_whitelist", ips=["203.0.113.1"])["changed"]
    fail_during(sim, ADD, lambda: run("qg_whitelist", ips=["203.0.113.2"]), own_server.terminate_backends)
    assert run("qg_whitelist", ips=["203.0.113.2"]).get("failed") is None
    assert numeric(sim.whitelist()) == ["203.0.113.1", "203.0.113.2"]
