# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role egress_whitelist under each strategy of Ansible: every host registered, and no more calls than needed."""

from __future__ import annotations

import json

import pytest
from support.fleet import DETECT, OTHER_KEY, REGISTER, Fleet, play, public
from support.playbooks import ADD, DEL, QUERY, assert_task_failed, calls, numeric
from support.thorough import one_more_case, thorough

OFFICE = "198.51.100.77"
#: The header of the play, the batches of hosts that it makes at most, and forks.
STRATEGIES = [
    pytest.param("", 1, 1, id="linear"),
    pytest.param("serial: 2", 3, 20, id="serial", marks=pytest.mark.thorough),
    pytest.param("strategy: free", 6, 1, id="free"),
    pytest.param("strategy: host_pinned", 6, 20, id="host_pinned", marks=pytest.mark.thorough),
]


@pytest.mark.parametrize(("header", "batches", "forks"), STRATEGIES)
def test_every_strategy_registers_every_host(fleet: Fleet, header: str, batches: int, forks: int) -> None:
    fleet.sim.configure(whitelist=[OFFICE])
    arguments = ["--forks", str(forks), "--diff"]
    first = fleet.run(play(header), arguments=arguments).ok()
    assert first.registered == {f"h{n}": [public(n)] for n in fleet.numbers}
    assert first.changed == set(fleet.hosts)
    assert set(fleet.sim.whitelist()) == {OFFICE, *fleet.all_addresses}
    # A batch of hosts costs no more than a read, a write and a read.
    assert len(calls(fleet.sim, ADD)) <= batches
    assert len(calls(fleet.sim)) <= 3 * batches
    assert sum(len(call["ips"]) for call in fleet.sim.journal(ADD)) == fleet.size
    assert numeric(ip for report in first.reports for ip in report["added"]) == fleet.all_addresses
    if header in ("", "serial: 2"):
        assert calls(fleet.sim) == [QUERY, ADD, QUERY] * batches
        assert len(first.reports) == batches
        assert first.stdout.count("+++ after") == batches

    second = fleet.run(play(header), arguments=arguments).ok()
    assert second.changed == set()
    assert second.registered == first.registered
    assert set(calls(fleet.sim)) == {QUERY}
    assert len(calls(fleet.sim)) <= batches
    assert "changed=1" not in second.stdout


def test_one_host_reports_for_all_of_a_fleet_in_sync(fleet: Fleet) -> None:
    fleet.put_in_sync()
    # Once more at the end: no mode has changed what the next run finds.
    for mode in (["--check"], ["--diff"], []):
        run = fleet.run(arguments=mode).ok()
        assert run.registered == {f"h{n}": [public(n)] for n in fleet.numbers}, mode
        assert {host: task.result["registered"] for host, task in run.by_host(DETECT).items()} == run.registered, mode
        assert calls(fleet.sim) == [QUERY], mode
        assert len(run.by_host(REGISTER)) == 1, mode
        usage = {"calls": 1, "retries": 0, "waited_seconds": 0.0}
        assert run.reports == [{"added": [], "removed": [], "refused": [], "count": fleet.size, "api": usage}], mode
        assert "run_once" not in run.output, mode


@one_more_case
def test_one_host_speaks_for_all_keys_of_a_run_at_rest(fleet: Fleet) -> None:
    fleet.sim.configure(OTHER_KEY)
    fleet.add_to("h2", "h4", key=OTHER_KEY)
    fleet.run().ok()
    run = fleet.run().ok()
    assert calls(fleet.sim) == [QUERY] * 2
    assert len(run.by_host(REGISTER)) == 1
    # The first host of each key reads, and reports that; the hosts end in any order.
    assert sorted((report["count"], report["api"]["calls"]) for report in run.reports) == [(2, 1), (4, 1)]
    assert [summary["api"]["calls"] for summary in run.summaries] == [2]
    assert run.registered == {f"h{n}": [public(n)] for n in fleet.numbers}


@pytest.mark.newest_core
def test_batches_at_rest_read_once_for_as_long_as_a_reading_is_fresh(fleet: Fleet) -> None:
    fleet.put_in_sync()
    run = fleet.run(play("serial: 2")).ok()
    assert calls(fleet.sim) == [QUERY]
    assert run.api_calls == 1
    assert len(run.registered) == fleet.size
    # One host of each batch summarizes, for the batches so far.
    assert [summary["in_sync"] for summary in run.summaries] == [2, 4, 6]


@pytest.mark.newest_core
@pytest.mark.parametrize("header", ["", *thorough("serial: 3")])
def test_as_soon_as_one_host_needs_a_write_each_is_reported_by_the_second_task(fleet: Fleet, header: str) -> None:
    fleet.put_in_sync()
    fleet.move(h6="198.51.100.1")
    wanted = ["198.51.100.1", *fleet.all_addresses[:5]]
    run = fleet.run(play(header)).ok()
    assert fleet.listed() == wanted
    assert run.changed == {"h6"}
    assert numeric(ip for ips in run.registered.values() for ip in ips) == wanted
    # One reading more than the write itself needs, for those that came before it was seen to be needed.
    assert len(calls(fleet.sim, ADD)) == 1
    assert len(calls(fleet.sim, QUERY)) <= (4 if header else 3)
    assert run.api_calls == len(calls(fleet.sim))
    assert [ip for report in run.reports for ip in report["added"]] == ["198.51.100.1"]
    assert header or set(run.by_host(REGISTER)) == set(fleet.hosts)
    again = fleet.run(play(header)).ok()
    assert (again.changed, calls(fleet.sim)) == (set(), [QUERY])


@one_more_case
def test_what_is_taken_away_within_a_run_is_seen_when_the_role_comes_again(fleet: Fleet) -> None:
    fleet.put_in_sync()
    between = """
- hosts: localhost
  gather_facts: false
  tasks:
    - {name: another client removes an address, ansible.builtin.uri: {url: "{{ address }}"}}
"""
    address = f"{fleet.sim.api_url}{DEL}?Key={fleet.sim.key}&IP={public(2)}"
    run = fleet.run(play() + between + play(), variables={"address": address}).ok()
    assert calls(fleet.sim) == [QUERY, DEL, QUERY, QUERY, ADD, QUERY]
    assert "h2" in run.changed
    assert fleet.listed() == fleet.all_addresses


@one_more_case
def test_where_the_lookup_cannot_find_the_state_all_is_right_but_slower(fleet: Fleet) -> None:
    defaults = {"group/qingguo.qgnet.qg": {"store": str(fleet.playground.root / "elsewhere")}}
    header = f"module_defaults: {json.dumps(defaults)}"
    fleet.run(play(header)).ok()
    run = fleet.run(play(header)).ok()
    assert calls(fleet.sim) == [QUERY]
    assert set(run.by_host(REGISTER)) == set(fleet.hosts)
    assert (len(run.reports), run.api_calls) == (1, 1)


@pytest.mark.parametrize("imported", ["role", pytest.param("tasks", marks=pytest.mark.thorough)])
def test_a_batch_in_sync_does_not_speak_for_those_after_it(fleet: Fleet, imported: str) -> None:
    # Ansible uses the tasks of a static import again for each batch.
    fleet.put_in_sync()
    fleet.move(h6="198.51.100.6")
    task = "import_role: {name: qingguo.qgnet.egress_whitelist}"
    if imported == "tasks":
        fleet.playground.write("tasks.yml", f"- {task}\n")
        task = "import_tasks: tasks.yml"
    run = fleet.run(f"- hosts: all\n  gather_facts: false\n  serial: 2\n  tasks:\n    - {task}\n").ok()
    assert fleet.listed() == ["198.51.100.6", *fleet.all_addresses[:5]]
    assert run.changed == {"h6"}
    assert len(run.registered) == fleet.size


@pytest.mark.thorough
def test_hosts_in_sync_do_not_speak_for_those_of_another_state(fleet: Fleet) -> None:
    for part, hosts in (("a", fleet.hosts[:3]), ("b", fleet.hosts[3:])):
        fleet.add_to(*hosts, store=f"{fleet.playground.root}/{part}")
    fleet.run(limit="h1,h2,h3").ok()
    run = fleet.run().ok()
    assert fleet.listed() == fleet.all_addresses
    assert run.changed == {"h4", "h5", "h6"}
    again = fleet.run().ok()
    assert (again.changed, len(again.registered)) == (set(), fleet.size)


@one_more_case
def test_run_once_of_the_second_task_is_refused_if_something_is_pending(fleet: Fleet) -> None:
    fleet.put_in_sync()
    fleet.move(h6="198.51.100.6")
    action = "qingguo.qgnet.qg_egress_whitelist"
    tasks = "".join(
        f"    - {{name: {step}, {action}: {{step: {step}, vars_prefix: egress_whitelist_}}{once}}}\n"
        for step, once in (("detect", ""), ("register", ", run_once: true"))
    )
    for moved in (True, False):
        run = fleet.run(f"- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}")
        assert (run.rc, [task.host for task in run.tasks if task.name == "register"]) == (2 if moved else 0, ["h1"])
        if moved:
            assert_task_failed(run.of("register"), "qingguo.qgnet.egress_in_sync")
            fleet.run().ok()


ONCE = """
- hosts: all
  gather_facts: false
  %s
  tasks:
    - ansible.builtin.import_role: {name: qingguo.qgnet.egress_whitelist}
      run_once: true
"""


@pytest.mark.thorough
def test_the_role_is_not_run_once_for_several_hosts(fleet: Fleet) -> None:
    run = fleet.run(ONCE % "")
    assert (run.rc, calls(fleet.sim), run.by_host(REGISTER)) == (2, [], {})
    assert_task_failed(run.of(DETECT), "limit the play to one host")
    # Of a single host, nothing is left out; and these strategies ignore it.
    fleet.run(ONCE % "", limit="h1").ok()
    assert fleet.sim.whitelist() == [public(1)]
    fleet.run(ONCE % "strategy: free").ok()
    assert fleet.listed() == fleet.all_addresses


@one_more_case
def test_without_steps_each_host_speaks_for_itself(fleet: Fleet) -> None:
    fleet.put_in_sync()
    run = fleet.run(play() + play("strategy: free")).ok()
    second = [task.host for task in run.tasks if task.name == REGISTER]
    assert sorted(second) == sorted(["h1", *fleet.hosts])
    assert "run_once" not in run.output
    assert run.changed == set()


@pytest.mark.measured
def test_check_mode_writes_nothing_and_remembers_nothing(fleet: Fleet) -> None:
    fleet.run(limit="h1").ok()
    fleet.move(h1="198.51.100.1")
    predicted = fleet.run(arguments=["--check", "--diff"]).ok()
    assert calls(fleet.sim) == [QUERY]
    assert fleet.sim.whitelist() == [public(1)]
    done = fleet.run(arguments=["--diff"]).ok()
    assert predicted.changed == done.changed == set(fleet.hosts)
    assert predicted.reports[0]["added"] == done.reports[0]["added"]
    # The former address is removed in the end, so the prediction has not replaced what was remembered.
    assert predicted.reports[0]["removed"] == done.reports[0]["removed"] == [public(1)]
    diffs = [task.result["diff"] for run in (predicted, done) for task in run.tasks if "diff" in task.result]
    assert len(diffs) == 2
    assert diffs[0] == diffs[1]
    assert diffs[0]["before"] == f"{public(1)}\n"
    assert numeric(diffs[0]["after"].split()) == numeric(["198.51.100.1", *fleet.all_addresses[1:]])
    assert fleet.run(arguments=["--check"]).ok().changed == set()


@pytest.mark.thorough
def test_ansible_checks_no_variables_in_a_task_of_its_own_unless_that_is_asked_for(fleet: Fleet) -> None:
    use = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.{}: {{name: {}{}}}\n"
    role, validation = "qingguo.qgnet.egress_whitelist", "Validating arguments against arg spec"
    for kind in ("import_role", "include_role"):
        run = fleet.run(use.format(kind, role, "")).ok()
        assert not [task.name for task in run.tasks if validation in task.name], kind
        assert run.registered == {f"h{n}": [public(n)] for n in fleet.numbers}, kind
    checked = use.format("include_role", role, ", tasks_from: main.yml")
    for state, status in (("present", "ok"), ("gone", "failed")):
        run = fleet.run(checked, state=state, limit="h1")
        assert [task.status for task in run.tasks if validation in task.name] == [status]
        assert calls(fleet.sim) == ([QUERY] if state == "present" else [])
