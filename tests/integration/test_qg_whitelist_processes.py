# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_whitelist in many processes at once: each address is there in the end, with few calls, and none is refused."""

from __future__ import annotations

import json
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
from simulator.fixture import Simulator, running_simulator
from support.playbooks import ADD, QUERY, Result, block, calls, numeric
from support.whitelist_processes import add_one, fresh_processes, process

#: Longest that all of them together may take before the test gives up.
PATIENCE = 300.0


@pytest.fixture(scope="module")
def context() -> ForkServerContext:
    return fresh_processes()


def all_at_once(
    context: ForkServerContext, sim: Simulator, store: Path, ips: list[str], minute: float, **changes: Any
) -> list[Result]:
    """As many processes as addresses, each fresh, so that none shares a connection or a lock with another."""
    options = {"key": sim.key, "api_url": sim.api_url, "store": str(store), "timeout": 30.0, **changes}
    answers = [store.with_name(f"{ip}.json") for ip in ips]
    workers = [
        context.Process(target=process, args=(options, ip, minute, str(answer)))
        for ip, answer in zip(ips, answers, strict=True)
    ]
    for worker in workers:
        worker.start()
    give_up = time.monotonic() + PATIENCE
    for worker in workers:
        worker.join(max(0.1, give_up - time.monotonic()))
    late = [worker for worker in workers if worker.exitcode is None]
    for worker in late:
        worker.kill()
    assert [worker.exitcode for worker in workers] == [0] * len(workers)
    return [json.loads(answer.read_text(encoding="utf-8")) for answer in answers]


def assert_all_there(sim: Simulator, ips: list[str], results: list[Result]) -> None:
    failed = [result["msg"] for result in results if "failed" in result]
    assert failed == []
    assert numeric(sim.whitelist()) == numeric(ips)
    assert [result["added"] for result in results] == [[ip] for ip in ips]
    assert {call["code"] for call in sim.journal()} == {0}
    sent = [ip for call in sim.journal(ADD) for ip in call["ips"]]
    assert numeric(sent) == numeric(ips)
    assert len(sent) == len(ips), "each address is sent once"
    # Those who wait are written for at once: each round has a query, an add, and a query that reads back.
    rounds = len(calls(sim, ADD))
    assert calls(sim) == [QUERY, ADD, QUERY] * rounds
    assert rounds <= len(ips) / 2


def test_forty_processes_with_the_vendors_own_minute(context: ForkServerContext, tmp_path: Path) -> None:
    ips = block(40)
    with running_simulator(["--minute", "60"]) as sim:
        results = all_at_once(context, sim, tmp_path / "state", ips, 60)
        assert_all_there(sim, ips, results)


@pytest.mark.newest_core
@pytest.mark.nightly
def test_forty_processes_with_a_short_minute_and_a_slow_vendor(context: ForkServerContext, tmp_path: Path) -> None:
    ips = block(40)
    with running_simulator(["--minute", "2"]) as sim:
        # The vendor counts a call at some moment between its sending and its answer.
        for number in range(0, 40, 5):
            sim.fault(path=ADD, kind="hang_after" if number % 2 else "delay", seconds=0.7, skip=number, times=1)
        results = all_at_once(context, sim, tmp_path / "state", ips, 2)
        assert_all_there(sim, ips, results)


def test_a_process_that_dies_gives_its_place_back(
    context: ForkServerContext, tmp_path: Path, sim: Simulator, minute: float
) -> None:
    """Places of processes that were killed in the middle of a call are free again after a while."""
    options = {"key": sim.key, "api_url": sim.api_url, "store": str(tmp_path / "state"), "timeout": 1.0}
    sim.fault(path=ADD, kind="delay", seconds=0.9, times=20)
    workers = [context.Process(target=add_one, args=({**options, "max_wait": 60}, ip, minute)) for ip in block(20)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(0.05)
        worker.kill()
        worker.join()
    result = add_one(options, "203.0.113.1", minute)
    assert "failed" not in result, result["msg"]
    assert "203.0.113.1" in sim.whitelist()
    assert -11 not in {call["code"] for call in sim.journal()}
