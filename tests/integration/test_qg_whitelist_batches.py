# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_whitelist in many tasks at once: a leader writes for all that wait, and each task gets a result of its own."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.turns import Decision
from simulator.fixture import Simulator, running_simulator
from support.fleet import Fleet, RoleRun, play, public
from support.playbooks import ADD, DEL, QUERY, Operate, Playground, Result, assert_failed, block, calls, numeric
from support.stores import open_store, state_options
from support.whitelist_processes import MOMENTS, add_one, fresh_processes, lead, mortal, parse_options

OTHER_KEY = "QGOTHER1"
#: When a leader has sent the addresses, and nothing shows that but the list.
SENT = "before the round is summed up"


@dataclass
class Crowd:
    """Tasks that all come while another process leads; then the first of them becomes the leader."""

    directory: Path
    options: dict[str, Any]
    tasks: list[Callable[[], Result]] = field(default_factory=list)

    def state(self) -> Any:
        return open_store(self.directory)

    @contextlib.contextmanager
    def holding(self, expected: int) -> Iterator[None]:
        """Lead until this number of requests is waiting."""
        options = parse_options(**{**state_options(self.directory), **self.options})
        held = threading.Event()

        def work(_claims: Sequence[Any]) -> Decision:
            held.set()
            # Predictions wait only for each other.
            query = "SELECT count(*) FROM claims WHERE renewed_at IS NOT NULL AND access LIKE '% False'"
            wait_for(lambda: self.state().rows(query)[0][0] >= expected)
            return Decision({}, [])

        holder = threading.Thread(target=lambda: lead(options, self.state(), work))
        holder.start()
        assert held.wait(20)
        yield
        holder.join()

    def run(self, expected: int | None = None) -> list[Result]:
        """Run all tasks; the first leads when the expected number of them (default: all) is waiting."""
        with (
            ThreadPoolExecutor(len(self.tasks)) as pool,
            self.holding(len(self.tasks) if expected is None else expected),
        ):
            results = [pool.submit(task) for task in self.tasks]
        return [result.result() for result in results]


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.fixture
def crowd(common: dict[str, Any], tmp_path: Path) -> Crowd:
    return Crowd(tmp_path / "state", {**common, "timeout": 10.0})


def left_over(crowd: Crowd) -> int:
    """Count what is kept for requests that wait."""
    return int(crowd.state().rows("SELECT count(*) FROM claims")[0][0])


def assert_diff(result: Result) -> None:
    before, after = (set(result["diff"][side].split()) for side in ("before", "after"))
    assert (after - before, before - after) == (set(result["added"]), set(result["removed"]))
    assert after == set(result["whitelist"])


@pytest.mark.usefixtures("every_store")
def test_forty_waiting_tasks_cost_one_round(whitelist: Operate, sim: Simulator, crowd: Crowd) -> None:
    ips = block(40)
    sim.configure(whitelist=["198.51.100.77", *ips[:10]])
    crowd.tasks = [partial(whitelist, [ip], diff=ip in ips[5:15]) for ip in ips]
    results = crowd.run()
    assert calls(sim) == [QUERY, ADD, QUERY]
    assert [result["added"] for result in results] == [[]] * 10 + [[ip] for ip in ips[10:]]
    assert [result["already_present"] for result in results] == [[ip] for ip in ips[:10]] + [[]] * 30
    assert [result["changed"] for result in results] == [False] * 10 + [True] * 30
    assert sum(result["api"]["calls"] for result in results) == 3, "each call is reported once"
    for ip, result in zip(ips, results, strict=True):
        assert "failed" not in result
        assert result["whitelist"] == numeric(["198.51.100.77", *ips])
        assert ("diff" in result) == (ip in ips[5:15])
        if "diff" in result:
            assert_diff(result)
    assert left_over(crowd) == 0
    # One address for many tasks is added by one of them.
    sim.control("DELETE", "/journal")
    crowd.tasks = [partial(whitelist, ["203.0.113.1"])] * 12
    results = crowd.run()
    assert calls(sim) == [QUERY, ADD, QUERY]
    assert sorted(result["changed"] for result in results) == [False] * 11 + [True]
    assert sorted(len(result["already_present"]) for result in results) == [0] + [1] * 11


def test_an_address_of_another_key_fails_only_its_own_task(whitelist: Operate, sim: Simulator, crowd: Crowd) -> None:
    ips = block(20)
    sim.configure(OTHER_KEY, whitelist=[ips[7]])
    crowd.tasks = [partial(whitelist, [ip]) for ip in ips]
    results = crowd.run()
    assert [ip for ip, result in zip(ips, results, strict=True) if "failed" in result] == [ips[7]]
    assert_failed(results[7], ips[7], code=-206, changed=False)
    assert [refusal["ip"] for refusal in results[7]["refused"]] == [ips[7]]
    assert [result["added"] for n, result in enumerate(results) if n != 7] == [[ip] for ip in ips if ip != ips[7]]
    assert all(result["refused"] == [] for n, result in enumerate(results) if n != 7)
    assert len(calls(sim, ADD)) <= 10


def test_a_full_list_takes_as_many_addresses_as_fit(whitelist: Operate, sim: Simulator, crowd: Crowd) -> None:
    ips = block(16)
    sim.configure(capacity=9, whitelist=ips[:3])
    crowd.tasks = [partial(whitelist, [ip]) for ip in ips]
    results = crowd.run()
    there = set(sim.whitelist())
    assert len(there) == 9
    for ip, result in zip(ips, results, strict=True):
        assert ("failed" in result) == (ip not in there)
        assert result["added"] == ([ip] if ip in there and ip not in ips[:3] else [])
        if ip not in there:
            assert_failed(result, f"needs 1 more slots for {ip}", code=-202)
    assert len(calls(sim, ADD)) <= 12


def test_predictions_are_never_mixed_with_writes(whitelist: Operate, sim: Simulator, crowd: Crowd) -> None:
    ips = block(12)
    crowd.tasks = [partial(whitelist, [ip], check=ip in ips[6:], diff=True) for ip in ips]
    results = crowd.run(expected=6)
    assert sim.whitelist() == sim.journal(ADD)[0]["ips"]
    assert numeric(sim.whitelist()) == ips[:6]
    assert len(calls(sim, ADD)) == 1
    assert [result["added"] for result in results] == [[ip] for ip in ips]
    for ip, result in zip(ips[6:], results[6:], strict=True):
        assert ip in result["whitelist"]
        assert not set(result["whitelist"]) & set(ips[6:]) - {ip}, "it contains no other prediction"
        assert_diff(result)


def test_present_and_absent_are_batches_of_their_own(whitelist: Operate, sim: Simulator, crowd: Crowd) -> None:
    ips = block(20)
    sim.configure(whitelist=ips[10:])
    crowd.tasks = [partial(whitelist, [ip]) for ip in ips[:10]]
    crowd.tasks += [partial(whitelist, [ip], state="absent") for ip in ips[10:]]
    results = crowd.run()
    assert numeric(sim.whitelist()) == ips[:10]
    assert sorted(calls(sim, ADD, DEL)) == [ADD, DEL]
    assert [result["added"] + result["removed"] for result in results] == [[ip] for ip in ips]
    assert all(result["changed"] for result in results)
    assert left_over(crowd) == 0


def test_requests_for_the_whole_list_are_batches_of_their_own(whitelist: Operate, sim: Simulator, crowd: Crowd) -> None:
    sim.configure(whitelist=["198.51.100.1", "198.51.100.2"])
    crowd.tasks = [
        partial(whitelist, ["203.0.113.1"], capacity=9),
        partial(whitelist, ["203.0.113.2"], replaces=["198.51.100.1"]),
        partial(whitelist, ["203.0.113.3"], capacity=1),
        *[partial(whitelist, [f"203.0.113.{n}"]) for n in (4, 5, 6)],
    ]
    results = crowd.run(expected=3)
    assert numeric(sim.whitelist()) == ["198.51.100.2", *(f"203.0.113.{n}" for n in (1, 2, 4, 5, 6))]
    assert ["failed" in result for result in results] == [False, False, True, False, False, False]
    assert results[1]["removed"] == ["198.51.100.1"]
    assert results[2]["code"] == -202
    assert sorted(len(call["ips"]) for call in sim.journal(ADD)) == [1, 1, 3]
    crowd.tasks = [partial(whitelist, ["203.0.113.9"], state="exact") for _again in range(3)]
    assert sorted(result["changed"] for result in crowd.run(expected=0)) == [False, False, True]
    assert sim.whitelist() == ["203.0.113.9"]


def test_only_tasks_with_the_same_password_share_a_batch_and_a_refused_key_is_used_once(
    whitelist: Operate, sim: Simulator, crowd: Crowd
) -> None:
    ips = block(6)
    sim.configure(pwd="right", api_auth=True)
    crowd.tasks = [partial(whitelist, [ip], password="right" if n % 2 else "wrong") for n, ip in enumerate(ips)]
    results = crowd.run()
    assert [result.get("code") for result in results] == [-14, None] * 3
    assert numeric(sim.whitelist()) == ips[1::2]
    assert len(calls(sim, ADD)) == 1
    sim.configure(status="expired")
    sim.control("DELETE", "/journal")
    crowd.tasks = [partial(whitelist, [ip], password="right") for ip in block(10)]
    for result in crowd.run():
        assert_failed(result, code=-100)
    assert calls(sim) == [QUERY]


def test_a_leader_without_max_wait_does_not_fail_tasks_with_more(
    whitelist: Operate, sim: Simulator, crowd: Crowd, minute: float
) -> None:
    used = partial(whitelist, max_wait=0)
    for ip in block(20):
        assert "failed" not in used([ip])
    crowd.tasks = [partial(whitelist, [f"203.0.113.{n}"], max_wait=0 if n % 2 else 60) for n in range(1, 11)]
    results = crowd.run()
    late = [result for n, result in enumerate(results, 1) if n % 2 == 0]
    assert all("failed" not in result for result in late)
    assert [result["added"] for result in late] == [[f"203.0.113.{n}"] for n in range(2, 11, 2)]
    for n, result in enumerate(results, 1):
        # A task without max_wait fails if it leads. If another task leads, that one writes for it.
        if "failed" in result:
            assert "max_wait" in result["msg"]
        else:
            assert f"203.0.113.{n}" in sim.whitelist()
    assert len(calls(sim, ADD)) - 20 <= 2
    assert -11 not in {call["code"] for call in sim.journal()}


def test_a_task_that_is_stopped_while_it_reads_keeps_no_other_waiting_for_longer_than_max_wait(
    whitelist: Operate, sim: Simulator, crowd: Crowd, minute: float
) -> None:
    sim.fault(path=QUERY, kind="delay", seconds=30)
    options = {**crowd.options, "timeout": 60.0}
    first = multiprocessing.get_context("fork").Process(target=add_one, args=(options, "203.0.113.1", minute))
    first.start()
    assert first.pid is not None
    try:
        wait_for(lambda: calls(sim) == [QUERY])
        os.kill(first.pid, signal.SIGSTOP)
        began = time.monotonic()
        result = whitelist(["203.0.113.2"], max_wait=1, timeout=60.0)
        assert time.monotonic() - began < 30
        assert_failed(result, f"process {first.pid}, which writes to it, is stopped")
        assert calls(sim) == [QUERY]
    finally:
        first.kill()
        first.join(20)
    assert whitelist(["203.0.113.2"])["added"] == ["203.0.113.2"], "the lock of a dead process is free"


@pytest.mark.usefixtures("every_store")
@pytest.mark.nightly
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_leader_affects_only_its_own_request(sim: Simulator, crowd: Crowd, minute: float, moment: str) -> None:
    ips = block(4)
    context = fresh_processes()
    grave, answers = crowd.directory.with_name("grave"), [crowd.directory.with_name(ip) for ip in ips]
    with crowd.holding(len(ips)):
        workers = [
            context.Process(target=mortal, args=(crowd.options, ip, minute, str(answer), moment, str(grave)))
            for ip, answer in zip(ips, answers, strict=True)
        ]
        for worker in workers:
            worker.start()
    for worker in workers:
        worker.join(60)
    dead = grave.read_text(encoding="ascii")
    assert {ip: worker.exitcode for ip, worker in zip(ips, workers, strict=True)} == {**dict.fromkeys(ips, 0), dead: -9}
    sent = MOMENTS[moment][2] or moment == SENT
    assert (dead in sim.whitelist()) == sent, "no leader writes for a dead process"
    assert set(sim.whitelist()) >= set(ips) - {dead}
    for ip, answer in zip(ips, answers, strict=True):
        if ip != dead:
            result = json.loads(answer.read_text(encoding="utf-8"))
            assert (result["added"], result["already_present"], result["changed"]) == ([ip], [], True)
    assert calls(sim, ADD) == [ADD], "what the dead leader has sent is not sent again"
    crowd.tasks = [partial(add_one, crowd.options, ip, minute) for ip in ips]
    assert sum(result["changed"] for result in crowd.run()) == (not sent)
    assert left_over(crowd) <= 1, "the request of the dead process is kept for some minutes"


@pytest.mark.newest_core
@pytest.mark.nightly
def test_role_and_tasks_of_several_runs_share_a_batch(sim: Simulator, playground: Playground, tmp_path: Path) -> None:
    fleet = Fleet(sim, playground, size=4)
    crowd = Crowd(playground.store, {"key": sim.key, "api_url": sim.api_url})
    folders = [Playground(tmp_path / name, playground.minute) for name in ("a", "b", "c")]
    for folder in folders:
        folder.environment |= {"QG_STORE": str(playground.store), "TMPDIR": str(playground.root)}
    single = f"""
- hosts: h1
  gather_facts: false
  tasks:
    - name: it
      qingguo.qgnet.qg_whitelist:
        key: {sim.key}
        api_url: {sim.api_url}
        ips: [203.0.113.50]
        allow_non_global: true
"""
    inventory = fleet.inventory(inventory_id="ours")
    crowd.tasks = [
        partial(folders[0].play, play(), inventory=inventory, arguments=["--limit", "h1,h2", "--diff"]),
        partial(folders[1].play, play(), inventory=inventory, arguments=["--limit", "h3,h4", "--diff"]),
        partial(folders[2].play, single, inventory=inventory),
    ]
    # All five hosts and tasks wait: a run has more forks than hosts.
    first, second, third = (run.ok() for run in crowd.run(expected=5))
    assert calls(sim) == [QUERY, ADD, QUERY]
    assert numeric(sim.whitelist()) == [*fleet.all_addresses, "203.0.113.50"]
    assert third.of("it").result["added"] == ["203.0.113.50"]
    for run, hosts in ((first, [1, 2]), (second, [3, 4])):
        own = {f"h{n}": [public(n)] for n in hosts}
        of_role = RoleRun(**vars(run))
        assert of_role.registered == own
        added = [ip for ips in own.values() for ip in ips]
        assert [report["added"] for report in of_role.reports] == [added], "each run reports its changes once"
        assert run.stdout.count("+++ after") == 1
    sim.control("DELETE", "/journal")
    crowd.tasks = crowd.tasks[:2]
    crowd.tasks = [partial(task, variables={"egress_whitelist_state": "absent"}) for task in crowd.tasks]
    for run in crowd.run(expected=4):
        run.ok()
    assert sim.whitelist() == ["203.0.113.50"], "each run has its own registrations"


@pytest.mark.newest_core
@pytest.mark.nightly
def test_a_strategy_without_steps_costs_a_round_per_wave(playground: Playground) -> None:
    """With the vendor's own limits, 40 hosts and 20 forks."""
    with running_simulator(["--minute", "60"]) as sim:
        playground.environment["QG_MINUTE_SECONDS"] = "60"
        fleet = Fleet(sim, playground, size=40)
        fleet.run(play("strategy: free"), arguments=["--forks", "20"], sources=[f"{sim.api_url}/ip"]).ok()
        assert numeric(sim.whitelist()) == numeric(fleet.all_addresses)
        waves = len(calls(sim, ADD))
        assert calls(sim) == [QUERY, ADD, QUERY] * waves
        assert sum(len(call["ips"]) for call in sim.journal(ADD)) == 40
        assert waves <= 20, "no more than the vendor takes in a minute"
        assert {call["code"] for call in sim.journal()} == {0}
