# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The callback summary: what a run changed, as one table at its end."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.fleet import Fleet
from support.fleet import play as role
from support.module_tasks import CHECK, IGNORE, play, task
from support.playbooks import Playground, Run

ENABLED = {"ANSIBLE_CALLBACKS_ENABLED": "qg_record,qingguo.qgnet.summary"}
TITLE, PREDICTED = "QG.NET", "QG.NET, PREDICTED IN CHECK MODE"


def run(sim: Simulator, playground: Playground, *plays: str, arguments: tuple[str, ...] = (), **more: str) -> Run:
    text = json.dumps([each for text in plays for each in json.loads(text)], indent=1)
    environment = {**ENABLED, "QG_KEY": sim.key, "QG_API_URL": sim.api_url, **more}
    return playground.play(text, environment=environment, arguments=arguments)


def table(output: str, title: str = TITLE) -> dict[str, Any]:
    """The rows of the only table with this title; empty if there is none."""
    found = re.findall(rf"^{title} \*+\n((?:.+\n)+)", output, re.M)
    assert len(found) <= 1, output
    rows = [re.split(r"  +", line.strip(), maxsplit=1) for line in found[0].splitlines()] if found else []
    return dict(rows)


def counted(**rows: object) -> dict[str, str]:
    """The rows that are always there, but for calls and waits, with their values; others are 0."""
    always = ("whitelist entries added", "whitelist entries removed", "leases allocated", "leases released", "paid for")
    return dict.fromkeys(always, "0") | {name.replace("_", " "): str(value) for name, value in rows.items()}


def changes(rows: dict[str, Any]) -> dict[str, str]:
    """Return the rows before those of calls and waits, which a busy machine has more of."""
    return dict(itertools.takewhile(lambda row: row[0] != "calls", rows.items()))


def lease(count: int, **keywords: Any) -> dict[str, Any]:
    return task(f"Lease {count}", "qg_proxy_allocate", {"count": count}, **keywords)


@pytest.mark.measured
def test_a_table_counts_the_plays_loops_repetitions_and_failures_of_a_run(
    sim: Simulator, playground: Playground
) -> None:
    entry = {"ips": "{{ item }}", "allow_non_global": True}
    first = play(
        task("Add", "qg_whitelist", entry, loop=[["203.0.113.5", "203.0.113.6"], ["203.0.113.7"], ["203.0.113.7"]]),
        task("Remove", "qg_whitelist", {"ips": ["203.0.113.5"], "state": "absent"}),
        lease(2),
        # Each attempt replaces a lease, and only the last one is in the result of the task.
        task("Replace", "qg_proxy_replace", {"count": 1}, register="it", until="it.attempts == 2", retries=2, delay=0),
        hosts="localhost",
    )
    second = play(
        task("Hidden", "qg_proxy_info", no_log=True),
        task("Release", "qg_proxy_release", {"ips": ["{{ query('qingguo.qgnet.proxy') | first }}"]}),
        task("Refused", "qg_proxy_allocate", {"count": 0}, **IGNORE),
        task("Too many", "qg_proxy_allocate", {"count": 99}),
        hosts="localhost",
    )
    done = run(sim, playground, first, second)
    assert done.rc == 2
    rows = table(done.stdout)
    assert len(sim.leases()) == 1, done.output
    assert changes(rows) == counted(
        whitelist_entries_added=3,
        whitelist_entries_removed=1,
        leases_allocated=4,
        leases_released=3,
        paid_for=4,
        failed_tasks=2,
        hidden_results=1,
    )
    assert sim.key not in done.output
    seen = sum(task.result["api"]["calls"] for task in done.tasks if "api" in task.result)
    assert int(rows["calls"]) >= seen > 0


@pytest.mark.measured
def test_waits_have_their_reasons(sim: Simulator, playground: Playground) -> None:
    sim.fault(path="/query", kind="status", http_status=503, times=1)
    done = run(sim, playground, play(task("Look", "qg_proxy_info"), hosts="localhost")).ok()
    rows = table(done.stdout)
    assert rows["calls"].endswith(", 1 of them repeated")
    assert rows["the last attempt failed"] == rows["waited"]
    assert float(rows["waited"].removesuffix(" s")) >= 0.5


@pytest.mark.measured
def test_a_table_counts_the_hosts_of_the_role(fleet: Fleet) -> None:
    fleet.playground.environment |= ENABLED
    for added in (6, 0):
        done = fleet.run(role()).ok()
        assert changes(table(done.stdout)) == counted(hosts_in_sync="6 of 6", whitelist_entries_added=added)


@pytest.mark.measured
def test_predictions_have_a_table_of_their_own(sim: Simulator, playground: Playground) -> None:
    tasks = [lease(2), lease(5, **CHECK)]
    done = run(sim, playground, play(*tasks, hosts="localhost")).ok()
    assert changes(table(done.stdout)) == counted(leases_allocated=2, paid_for=2)
    assert changes(table(done.stdout, PREDICTED)) == counted(leases_allocated=3, paid_for=3)
    checked = run(sim, playground, play(*tasks, hosts="localhost"), arguments=("--check",)).ok()
    assert table(checked.stdout) == {}
    assert len(sim.leases()) == 2


@pytest.mark.measured
def test_a_run_without_tasks_of_the_collection_prints_nothing(sim: Simulator, playground: Playground) -> None:
    other = {"name": "Other", "ansible.builtin.debug": {"msg": "nothing"}}
    assert TITLE not in run(sim, playground, play(other, hosts="localhost")).ok().output


@pytest.mark.newest_core
def test_the_table_leaves_the_output_of_another_callback_valid_json(sim: Simulator, playground: Playground) -> None:
    done = run(sim, playground, play(lease(1), hosts="localhost"), ANSIBLE_STDOUT_CALLBACK="qg_json").ok()
    assert json.loads(done.stdout)["localhost"]["ok"] == 1
    assert table(done.stderr)["leases allocated"] == "1"
