# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role on fleets: every host registered, whatever the strategy, and no more calls than needed."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from simulator.fixture import Simulator
from support.fleet import DETECT, OTHER_KEY, REGISTER, Fleet, changed, play, public, registered, reports, summaries
from support.inventory_hosts import forging_path, reached_by_ssh
from support.parameters import spread
from support.playbooks import ADD, DEL, QUERY, Playground, Run, assert_one_sentence, calls, numeric

STRATEGIES = [
    pytest.param("", 1, id="linear"),
    pytest.param("serial: 2", 3, id="serial"),
    pytest.param("strategy: free", 6, id="free"),
    pytest.param("strategy: host_pinned", 6, id="host_pinned"),
]


@pytest.mark.parametrize(("header", "batches", "forks"), spread(STRATEGIES, [1, 20]))
def test_every_strategy_registers_every_host(fleet: Fleet, header: str, batches: int, forks: int) -> None:
    others = "198.51.100.77"
    fleet.sim.configure(whitelist=[others])
    arguments = ["--forks", str(forks), "--diff"]
    first = fleet.run(play(header), arguments=arguments).ok()
    assert registered(first) == {f"h{n}": [public(n)] for n in fleet.numbers}
    assert changed(first) == set(fleet.hosts)
    assert set(fleet.sim.whitelist()) == {others, *fleet.all_addresses}
    # A batch of hosts costs no more than a read, a write and a read.
    assert len(calls(fleet.sim, ADD)) <= batches
    assert len(calls(fleet.sim)) <= 3 * batches
    assert sum(len(call["ips"]) for call in fleet.sim.journal(ADD)) == fleet.size
    assert numeric(ip for report in reports(first) for ip in report["added"]) == fleet.all_addresses
    if header in ("", "serial: 2"):
        assert calls(fleet.sim) == [QUERY, ADD, QUERY] * batches
        assert len(reports(first)) == batches
        assert first.stdout.count("+++ after") == batches

    second = fleet.run(play(header), arguments=arguments).ok()
    assert changed(second) == set()
    assert registered(second) == registered(first)
    assert set(calls(fleet.sim)) == {QUERY}
    assert len(calls(fleet.sim)) <= batches
    assert "changed=1" not in second.stdout


@pytest.mark.newest_core
def test_fifty_new_hosts_cost_three_calls(sim: Simulator, playground: Playground) -> None:
    fleet = Fleet(sim, playground, size=50)
    one_source = f"['{sim.api_url}/ip']"
    first = fleet.run(arguments=["--forks", "20"], egress_whitelist_sources=one_source).ok()
    assert calls(sim) == [QUERY, ADD, QUERY]
    assert numeric(sim.whitelist()) == numeric(fleet.all_addresses)
    assert len(changed(first)) == 50
    at_rest = fleet.run(arguments=["--forks", "20"], egress_whitelist_sources=one_source).ok()
    assert calls(sim) == [QUERY]
    assert changed(at_rest) == set()


def api_calls(run: Run) -> int:
    """The calls that the hosts that tell of all say were made."""
    return sum(report["api"]["calls"] for report in reports(run))


def test_one_host_reports_for_all_of_a_fleet_in_sync(fleet: Fleet) -> None:
    fleet.put_in_sync()
    # Once more at the end: no mode has changed what the next run finds.
    for mode in ([], ["--check"], ["--diff"], []):
        run = fleet.run(arguments=mode).ok()
        assert registered(run) == {f"h{n}": [public(n)] for n in fleet.numbers}, mode
        assert {host: task.result["registered"] for host, task in run.by_host(DETECT).items()} == registered(run), mode
        assert calls(fleet.sim) == [QUERY], mode
        assert len(run.by_host(REGISTER)) == 1, mode
        (report,) = reports(run)
        assert report == {
            "added": [],
            "removed": [],
            "refused": [],
            "count": fleet.size,
            "api": {"calls": 1, "retries": 0, "waited_seconds": 0.0},
        }, mode
        assert "run_once" not in run.output, mode


@pytest.mark.newest_core
def test_one_host_speaks_for_all_keys_of_a_run_at_rest(fleet: Fleet) -> None:
    fleet.sim.configure(OTHER_KEY)
    for number in (2, 4):
        fleet.lines[f"h{number}"] += f" egress_whitelist_key={OTHER_KEY}"
    fleet.run().ok()
    run = fleet.run().ok()
    assert calls(fleet.sim) == [QUERY] * 2
    assert len(run.by_host(REGISTER)) == 1
    assert [(report["count"], report["api"]["calls"]) for report in reports(run)] == [(4, 2)]
    assert registered(run) == {f"h{n}": [public(n)] for n in fleet.numbers}


@pytest.mark.newest_core
def test_batches_at_rest_read_once_for_as_long_as_a_reading_is_fresh(fleet: Fleet) -> None:
    fleet.put_in_sync()
    run = fleet.run(play("serial: 2")).ok()
    assert calls(fleet.sim) == [QUERY]
    assert api_calls(run) == 1
    assert len(registered(run)) == fleet.size
    # One host of each batch summarizes, for the batches so far.
    assert [summary["in_sync"] for summary in summaries(run)] == [2, 4, 6]


@pytest.mark.newest_core
def test_as_soon_as_one_host_needs_a_write_each_is_reported_by_the_second_task(fleet: Fleet) -> None:
    """One change after the other of a fleet in sync."""
    fleet.run(arguments=["--limit", "all,!h6"]).ok()
    addresses = dict(zip(fleet.hosts, fleet.all_addresses, strict=True))
    assert numeric(fleet.sim.whitelist()) == fleet.all_addresses[:5]

    def assert_one_write(what: str, host: str, header: str = "") -> None:
        wanted = numeric(addresses.values())
        run = fleet.run(play(header)).ok()
        assert numeric(fleet.sim.whitelist()) == wanted, what
        assert changed(run) == {host}, what
        assert numeric(ip for ips in registered(run).values() for ip in ips) == wanted, what
        # One reading more than the write itself needs, for those that came before it was seen to be needed.
        batches = 2 if header else 1
        assert len(calls(fleet.sim, ADD)) == 1, what
        assert len(calls(fleet.sim, QUERY)) <= 2 + batches, what
        assert api_calls(run) == len(calls(fleet.sim)), what
        assert [ip for report in reports(run) for ip in report["added"]] == [addresses[host]], what
        if not header:
            assert set(run.by_host(REGISTER)) == set(fleet.hosts), what
        again = fleet.run(play(header)).ok()
        assert (changed(again), calls(fleet.sim)) == (set(), [QUERY]), what

    assert_one_write("the last host is new", "h6")
    for number, (host, header) in enumerate([("h1", ""), ("h6", ""), ("h6", "serial: 3")], 1):
        addresses[host] = f"198.51.100.{number}"
        fleet.move(**{host: addresses[host]})
        assert_one_write(f"{host} has moved, {header or 'one batch'}", host, header)
    fleet.sim.configure(whitelist=[ip for host, ip in addresses.items() if host != "h1"])
    assert_one_write("another client has removed the first host", "h1")


@pytest.mark.newest_core
def test_what_is_taken_away_within_a_run_is_seen_when_the_role_comes_again(fleet: Fleet) -> None:
    fleet.put_in_sync()
    between = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: another client removes an address
      ansible.builtin.uri:
        url: "{{ address }}"
"""
    address = f"{fleet.sim.api_url}{DEL}?Key={fleet.sim.key}&IP={public(2)}"
    run = fleet.run(play() + between + play(), variables={"address": address}).ok()
    assert calls(fleet.sim) == [QUERY, DEL, QUERY, QUERY, ADD, QUERY]
    assert "h2" in changed(run)
    assert numeric(fleet.sim.whitelist()) == fleet.all_addresses


@pytest.mark.newest_core
def test_where_the_reading_for_all_fails_it_is_not_repeated_for_each(fleet: Fleet) -> None:
    fleet.put_in_sync()
    fleet.sim.fault(path=QUERY, kind="status", http_status=502, times=1)
    run = fleet.run(arguments=["--forks", "6"]).ok()
    assert calls(fleet.sim) == [QUERY, QUERY]
    assert set(run.by_host(REGISTER)) == set(fleet.hosts)
    assert changed(run) == set()


@pytest.mark.newest_core
def test_trouble_at_rest_is_reported_to_every_host(fleet: Fleet) -> None:
    fleet.put_in_sync()
    fleet.sim.configure(status="expired")
    run = fleet.run(arguments=["--forks", "6"])
    tasks = run.by_host(REGISTER)
    assert {host: (task.status, task.result["code"]) for host, task in tasks.items()} == dict.fromkeys(
        fleet.hosts, ("failed", -100)
    )
    assert calls(fleet.sim) == [QUERY, QUERY]


@pytest.mark.newest_core
def test_a_host_that_has_failed_is_named_at_rest_as_well(fleet: Fleet) -> None:
    fleet.put_in_sync()
    fail = "{name: trouble, ansible.builtin.fail: {msg: broken}, when: inventory_hostname == 'h1'}"
    run = fleet.run(play(before=fail))
    assert run.rc == 2
    assert calls(fleet.sim) == [QUERY]
    assert [summary["unreached_hosts"] for summary in summaries(run)] == [["h1"]]
    assert "were unreachable or ended before: h1" in " ".join(run.output.split())
    assert len(run.by_host(REGISTER)) == 1


@pytest.mark.newest_core
@pytest.mark.parametrize("state_dir", ["{{ playbook_dir }}/own", "{{ omit }}"])
def test_at_rest_wherever_the_state_is_kept(fleet: Fleet, state_dir: str) -> None:
    variables = {"egress_whitelist_state_dir": state_dir}
    fleet.run(variables=variables).ok()
    run = fleet.run(variables=variables).ok()
    assert calls(fleet.sim) == [QUERY]
    assert len(run.by_host(REGISTER)) == 1
    assert len(registered(run)) == fleet.size
    own = fleet.playground.root / "play" / "own"
    assert own.is_dir() == (state_dir == "{{ playbook_dir }}/own")
    assert [path.name for path in (fleet.playground.root / "play").iterdir() if path.is_dir() and path != own] == []


@pytest.mark.newest_core
def test_where_the_lookup_cannot_find_the_state_all_is_right_but_slower(fleet: Fleet) -> None:
    defaults = {"group/qingguo.qgnet.qg": {"state_dir": str(fleet.playground.root / "elsewhere")}}
    header = f"module_defaults: {json.dumps(defaults)}"
    fleet.run(play(header)).ok()
    run = fleet.run(play(header)).ok()
    assert calls(fleet.sim) == [QUERY]
    assert set(run.by_host(REGISTER)) == set(fleet.hosts)
    assert len(reports(run)) == 1
    assert api_calls(run) == 1


@pytest.mark.parametrize("imported", ["role", "tasks"])
def test_a_batch_in_sync_does_not_speak_for_those_after_it(fleet: Fleet, imported: str) -> None:
    # Ansible uses the tasks of a static import again for each batch.
    fleet.put_in_sync()
    fleet.move(h6="198.51.100.6")
    task = "import_role: {name: qingguo.qgnet.egress_whitelist}"
    if imported == "tasks":
        fleet.playground.write("tasks.yml", f"- {task}\n")
        task = "import_tasks: tasks.yml"
    run = fleet.run(f"- hosts: all\n  gather_facts: false\n  serial: 2\n  tasks:\n    - {task}\n").ok()
    assert numeric(fleet.sim.whitelist()) == ["198.51.100.6", *fleet.all_addresses[:5]]
    assert changed(run) == {"h6"}
    assert len(registered(run)) == fleet.size


def test_hosts_in_sync_do_not_speak_for_those_of_another_state(fleet: Fleet) -> None:
    for host in fleet.hosts:
        part = "a" if host in ("h1", "h2", "h3") else "b"
        fleet.lines[host] += f" egress_whitelist_state_dir={fleet.playground.root}/{part}"
    fleet.run(arguments=["--limit", "h1,h2,h3"]).ok()
    run = fleet.run().ok()
    assert numeric(fleet.sim.whitelist()) == fleet.all_addresses
    assert changed(run) == {"h4", "h5", "h6"}
    again = fleet.run().ok()
    assert (changed(again), len(registered(again))) == (set(), fleet.size)


@pytest.mark.newest_core
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
            assert_one_sentence(run.of("register").result["msg"])
            assert "qingguo.qgnet.egress_in_sync" in run.of("register").result["msg"]
            fleet.run().ok()


ONCE = """
- hosts: all
  gather_facts: false
  %s
  tasks:
    - ansible.builtin.import_role: {name: qingguo.qgnet.egress_whitelist}
      run_once: true
"""


def test_the_role_is_not_run_once_for_several_hosts(fleet: Fleet) -> None:
    for _run in range(2):
        run = fleet.run(ONCE % "")
        assert (run.rc, calls(fleet.sim), run.by_host(REGISTER)) == (2, [], {})
        assert_one_sentence(run.of(DETECT).result["msg"])
        assert "limit the play to one host" in run.of(DETECT).result["msg"]
    # Of a single host, nothing is left out; and these strategies ignore it.
    fleet.run(ONCE % "", arguments=["--limit", "h1"]).ok()
    assert fleet.sim.whitelist() == [public(1)]
    fleet.run(ONCE % "strategy: free").ok()
    assert numeric(fleet.sim.whitelist()) == fleet.all_addresses


@pytest.mark.newest_core
@pytest.mark.parametrize("header", ["strategy: free", "strategy: host_pinned"])
def test_without_steps_each_host_speaks_for_itself(fleet: Fleet, header: str) -> None:
    fleet.put_in_sync()
    run = fleet.run(play() + play(header)).ok()
    second = [task.host for task in run.tasks if task.name == REGISTER]
    assert sorted(second) == sorted(["h1", *fleet.hosts])
    assert "run_once" not in run.output
    assert changed(run) == set()


@pytest.mark.newest_core
def test_two_runs_at_once_share_the_memory_and_the_limits(fleet: Fleet, tmp_path: Path) -> None:
    fleet.sim.configure(whitelist=["198.51.100.77"])
    folders = [Playground(tmp_path / name, fleet.playground.minute) for name in ("a", "b")]
    for folder in folders:
        folder.environment |= {"QG_STATE_DIR": str(fleet.playground.state_dir), "TMPDIR": str(fleet.playground.root)}
    inventory = fleet.inventory(egress_whitelist_inventory_id="ours")

    def together(**variables: Any) -> list[Run]:
        fleet.sim.control("DELETE", "/journal")
        with ThreadPoolExecutor() as pool:
            runs = [
                pool.submit(folder.play, play(), inventory=inventory, arguments=["--limit", limit], variables=variables)
                for folder, limit in zip(folders, ("h1,h2,h3,h4", "h3,h4,h5,h6"), strict=True)
            ]
            return [run.result().ok() for run in runs]

    together()
    assert numeric(fleet.sim.whitelist()) == numeric(["198.51.100.77", *fleet.all_addresses])
    assert {call["code"] for call in fleet.sim.journal()} == {0}
    fleet.move(h1="198.51.100.1", h4="198.51.100.4")
    together()
    expected = {"198.51.100.77", "198.51.100.1", "198.51.100.4", *fleet.all_addresses} - {public(1), public(4)}
    assert set(fleet.sim.whitelist()) == expected
    together(egress_whitelist_state="absent")
    assert fleet.sim.whitelist() == ["198.51.100.77"]


@pytest.mark.newest_core
def test_the_diff_is_shown_whichever_host_has_moved(fleet: Fleet) -> None:
    fleet.run(arguments=["--limit", "h1,h2"]).ok()
    fleet.move(h2="198.51.100.1")
    # h1 writes for both, and is itself unchanged: of such a host, Ansible shows no diff.
    run = fleet.run(arguments=["--limit", "h1,h2", "--forks", "1", "--diff"]).ok()
    assert changed(run) == {"h2"}
    assert f"-{public(2)}" in run.stdout
    assert "+198.51.100.1" in run.stdout


@pytest.mark.newest_core
def test_limit_touches_no_other_host(fleet: Fleet) -> None:
    fleet.run(arguments=["--limit", "h2,h4"]).ok()
    assert sorted(fleet.sim.whitelist()) == [public(2), public(4)]
    fleet.run(arguments=["--limit", "h3"]).ok()
    assert sorted(fleet.sim.whitelist()) == [public(2), public(3), public(4)]
    fleet.run(arguments=["--limit", "h4"], variables={"egress_whitelist_state": "absent"}).ok()
    assert sorted(fleet.sim.whitelist()) == [public(2), public(3)]


@pytest.mark.measured
def test_check_mode_writes_nothing_and_remembers_nothing(fleet: Fleet) -> None:
    fleet.run(arguments=["--limit", "h1"]).ok()
    fleet.move(h1="198.51.100.1")
    predicted = fleet.run(arguments=["--check", "--diff"]).ok()
    assert calls(fleet.sim) == [QUERY]
    assert fleet.sim.whitelist() == [public(1)]
    done = fleet.run(arguments=["--diff"]).ok()
    assert changed(predicted) == changed(done) == set(fleet.hosts)
    assert reports(predicted)[0]["added"] == reports(done)[0]["added"]
    # The former address is removed in the end, so the prediction has not replaced what was remembered.
    assert reports(predicted)[0]["removed"] == reports(done)[0]["removed"] == [public(1)]
    diffs = [task.result["diff"] for run in (predicted, done) for task in run.tasks if "diff" in task.result]
    assert len(diffs) == 2
    assert diffs[0] == diffs[1]
    assert diffs[0]["before"] == f"{public(1)}\n"
    assert numeric(diffs[0]["after"].split()) == numeric(["198.51.100.1", *fleet.all_addresses[1:]])
    again = fleet.run(arguments=["--check"]).ok()
    assert changed(again) == set()


def headers(*, both: str, newest: list[str]) -> list[Any]:
    """The headers of a play: one for both cores, and those whose differences other tests see on both."""
    return [both, *(pytest.param(header, marks=pytest.mark.newest_core) for header in newest)]


@pytest.mark.parametrize("header", headers(both="", newest=["serial: 2", "strategy: free", "strategy: host_pinned"]))
def test_a_first_host_that_has_failed_is_named_and_is_no_hindrance(fleet: Fleet, header: str) -> None:
    fail = "{name: trouble, ansible.builtin.fail: {msg: broken}, when: inventory_hostname == 'h1'}"
    run = fleet.run(play(header, before=fail))
    assert run.rc == 2
    assert registered(run) == {f"h{n}": [public(n)] for n in fleet.numbers if n != 1}
    assert numeric(fleet.sim.whitelist()) == fleet.all_addresses[1:]
    assert {host for summary in summaries(run) for host in summary["unreached_hosts"]} == {"h1"}
    assert "were unreachable or ended before: h1" in " ".join(run.output.split())
    if header == "":
        assert calls(fleet.sim) == [QUERY, ADD, QUERY]


@pytest.mark.newest_core
@pytest.mark.parametrize("header", ["", "strategy: free"])
def test_a_first_host_that_is_skipped_is_no_hindrance(fleet: Fleet, header: str) -> None:
    run = fleet.run(play(header, role="when: inventory_hostname != 'h1'")).ok()
    assert numeric(fleet.sim.whitelist()) == fleet.all_addresses[1:]
    # It was not wanted, so it is not missed.
    assert {host for summary in summaries(run) for host in summary["unreached_hosts"]} == set()


@pytest.mark.parametrize("header", headers(both="", newest=["serial: 2", "strategy: free"]))
def test_an_unreachable_first_host_is_named_and_is_no_hindrance(fleet: Fleet, header: str, closed_port: int) -> None:
    fleet.lines["h1"] = f"ansible_connection=ssh ansible_host=127.0.0.1 ansible_port={closed_port}"
    run = fleet.run(play(header))
    assert run.rc == 4
    assert run.of(DETECT, "h1").status == "unreachable"
    assert numeric(fleet.sim.whitelist()) == fleet.all_addresses[1:]
    assert {host for summary in summaries(run) for host in summary["unreached_hosts"]} <= {"h1"}
    if header == "":
        assert calls(fleet.sim) == [QUERY, ADD, QUERY]
        assert [summary["unreached_hosts"] for summary in summaries(run)] == [["h1"]]


@pytest.mark.newest_core
def test_a_host_whose_address_is_uncertain_fails_alone(fleet: Fleet) -> None:
    fleet.lines["h2"] += f" egress_whitelist_sources=\"['{fleet.sim.api_url}/echo/odd']\""
    fleet.sim.control("PUT", "/echo/odd", {"answer": "<html>log in first</html>"})
    run = fleet.run()
    assert run.rc == 2
    assert run.of(DETECT, "h2").status == "failed"
    assert_one_sentence(run.of(DETECT, "h2").result["msg"])
    assert numeric(fleet.sim.whitelist()) == [ip for ip in fleet.all_addresses if ip != public(2)]
    assert list(summaries(run)[0]["unregistered_hosts"]) == ["h2"]


@pytest.mark.newest_core
def test_a_host_whose_address_is_uncertain_may_be_left_out(fleet: Fleet) -> None:
    odd = f"{fleet.sim.api_url}/echo/odd"
    fleet.lines["h1"] += f" egress_whitelist_sources=\"['{odd}']\" egress_whitelist_fail=false"
    fleet.sim.control("PUT", "/echo/odd", {"answer": "<html>log in first</html>"})
    run = fleet.run().ok()
    found = run.of(DETECT, "h1").result
    assert (found["ips"], found["registered"]) == ([], [])
    assert [answer["source"] for answer in found["source_replies"]] == [odd]
    assert_one_sentence(found["warnings"][0])
    assert "No egress address of h1 is known" in run.of(REGISTER, "h1").result["warnings"][0]
    assert numeric(fleet.sim.whitelist()) == [ip for ip in fleet.all_addresses if ip != public(1)]
    assert [list(summary["unregistered_hosts"]) for summary in summaries(run)] == [["h1"]]
    # The fleet is in sync without it, and it reports for all.
    again = fleet.run().ok()
    assert calls(fleet.sim) == [QUERY]
    assert (list(again.by_host(REGISTER)), api_calls(again)) == (["h1"], 1)
    assert [summary["api"]["calls"] for summary in summaries(again)] == [1]
    assert [report["count"] for report in reports(again)] == [fleet.size - 1]


@pytest.mark.measured
@pytest.mark.newest_core
def test_hosts_behind_one_address_share_it(fleet: Fleet) -> None:
    fleet.move(h2=public(1))
    both = ["--limit", "h1,h2"]
    run = fleet.run(arguments=both).ok()
    assert [call["ips"] for call in fleet.sim.journal(ADD)] == [[public(1)]]
    assert registered(run) == {"h1": [public(1)], "h2": [public(1)]}
    assert changed(run) == {"h1", "h2"}

    gone = {"egress_whitelist_state": "absent"}
    fleet.run(arguments=["--limit", "h1"], variables=gone).ok()
    assert fleet.sim.whitelist() == [public(1)]
    fleet.run(arguments=["--limit", "h2"], variables=gone).ok()
    assert fleet.sim.whitelist() == []

    fleet.run(arguments=both).ok()
    fleet.run(arguments=both, variables=gone).ok()
    assert fleet.sim.whitelist() == []


@pytest.mark.newest_core
def test_two_groups_with_a_key_each(fleet: Fleet) -> None:
    fleet.sim.configure(OTHER_KEY)
    for host in ("h4", "h5", "h6"):
        fleet.lines[host] += f" egress_whitelist_key={OTHER_KEY}"
    run = fleet.run(arguments=["--forks", "20"]).ok()
    assert numeric(fleet.sim.whitelist()) == fleet.all_addresses[:3]
    assert numeric(fleet.sim.whitelist(OTHER_KEY)) == fleet.all_addresses[3:]
    for key in (fleet.sim.key, OTHER_KEY):
        assert [call["path"] for call in fleet.sim.journal() if call["key"] == key] == [QUERY, ADD, QUERY]
    assert len(reports(run)) == 2
    again = fleet.run(arguments=["--forks", "20"]).ok()
    assert changed(again) == set()
    assert calls(fleet.sim) == [QUERY, QUERY]


@pytest.mark.newest_core
def test_the_key_of_a_host_wins_over_the_defaults_of_the_group(fleet: Fleet) -> None:
    fleet.sim.configure(OTHER_KEY)
    for host in ("h4", "h5", "h6"):
        fleet.lines[host] += f" egress_whitelist_key={OTHER_KEY}"
    defaults = {
        "group/qingguo.qgnet.qg": {"key": "{{ common }}", "app_id": "unused", "timeout": 9},
        "qingguo.qgnet.qg_egress_whitelist": {"timeout": 8},
        "ansible.builtin.uri": {"key": "unused"},
    }
    header = f"module_defaults: {json.dumps(defaults)}"
    # The other half has but the defaults.
    fleet.run(play(header), variables={"common": fleet.sim.key}, egress_whitelist_key=None).ok()
    assert numeric(fleet.sim.whitelist()) == fleet.all_addresses[:3]
    assert numeric(fleet.sim.whitelist(OTHER_KEY)) == fleet.all_addresses[3:]


@pytest.mark.newest_core
@pytest.mark.parametrize("header", ["", "strategy: free"])
def test_the_role_twice_in_one_run_with_two_keys(fleet: Fleet, header: str) -> None:
    fleet.sim.configure(OTHER_KEY)
    second = play(header, role=f"vars: {{egress_whitelist_key: {OTHER_KEY}, egress_whitelist_ips: [198.51.100.9]}}")
    fleet.run(play(header) + second.lstrip("\n")).ok()
    assert numeric(fleet.sim.whitelist()) == fleet.all_addresses
    assert fleet.sim.whitelist(OTHER_KEY) == ["198.51.100.9"]


@pytest.mark.newest_core
def test_registering_and_deregistering_in_one_run(fleet: Fleet) -> None:
    absent = play(role="vars: {egress_whitelist_state: absent}")
    fleet.run(play() + absent.lstrip("\n")).ok()
    assert fleet.sim.whitelist() == []
    assert calls(fleet.sim) == [QUERY, ADD, QUERY, QUERY, DEL, QUERY]


@pytest.mark.newest_core
@pytest.mark.parametrize(("moved", "queries"), [((1, 2), [QUERY]), ((5, 6), [QUERY, QUERY])], ids=["first", "last"])
def test_a_former_address_is_removed(fleet: Fleet, moved: tuple[int, int], queries: list[str]) -> None:
    fleet.put_in_sync()
    fresh = {f"h{n}": f"198.51.100.{n}" for n in moved}
    fleet.move(**fresh)
    # In their order: a host for which nothing is to be done reads the list, unless one before it needs a writer.
    run = fleet.run(arguments=["--forks", "1"]).ok()
    assert calls(fleet.sim) == [*queries, ADD, DEL, QUERY]
    stayed = [public(n) for n in fleet.numbers if n not in moved]
    assert numeric(fleet.sim.whitelist()) == numeric([*fresh.values(), *stayed])
    assert changed(run) == set(fresh)
    assert reports(run)[0]["removed"] == [public(n) for n in moved]


@pytest.mark.newest_core
def test_a_former_address_stays_while_another_host_uses_it(fleet: Fleet) -> None:
    fleet.move(h2=public(1))
    fleet.run().ok()
    fleet.move(h1="198.51.100.1")
    # The other host is not even part of this run.
    fleet.run(arguments=["--limit", "h1"]).ok()
    assert public(1) in fleet.sim.whitelist()
    assert "198.51.100.1" in fleet.sim.whitelist()
    fleet.move(h2="198.51.100.2")
    fleet.run().ok()
    assert public(1) not in fleet.sim.whitelist()


@pytest.mark.newest_core
def test_two_hosts_swap_their_addresses(fleet: Fleet) -> None:
    fleet.put_in_sync()
    fleet.move(h1=public(2), h2=public(1))
    run = fleet.run(arguments=["--forks", "1"]).ok()
    assert calls(fleet.sim) == [QUERY]
    assert changed(run) == set()
    assert numeric(fleet.sim.whitelist()) == fleet.all_addresses


@pytest.mark.newest_core
def test_a_former_address_stays_until_the_new_one_is_there(fleet: Fleet) -> None:
    fleet.put_in_sync()
    fleet.move(h1="198.51.100.1")
    fleet.sim.configure(OTHER_KEY, whitelist=["198.51.100.1"])
    run = fleet.run()
    assert run.rc == 2
    assert numeric(fleet.sim.whitelist()) == fleet.all_addresses
    assert {host for host, task in run.by_host(REGISTER).items() if task.status == "failed"} == {"h1"}
    # What was put off is done as soon as it can be.
    fleet.sim.configure(OTHER_KEY, whitelist=[])
    fleet.run().ok()
    assert numeric(fleet.sim.whitelist()) == ["198.51.100.1", *fleet.all_addresses[1:]]


@pytest.mark.newest_core
def test_a_list_without_data_does_not_wipe_the_memory(fleet: Fleet) -> None:
    fleet.put_in_sync()
    for kind, moved in (("data_null", "198.51.100.1"), ("data_absent", "198.51.100.2")):
        fleet.sim.fault(path=QUERY, kind=kind, times=2)
        fleet.run().ok()
        fleet.move(h1=moved)
        fleet.run().ok()
        assert numeric(fleet.sim.whitelist()) == [moved, *fleet.all_addresses[1:]], kind


@pytest.mark.newest_core
def test_a_lost_memory_cuts_no_host_off(fleet: Fleet) -> None:
    fleet.put_in_sync()
    for path in fleet.playground.state_dir.iterdir():
        path.unlink()
    fleet.move(h1="198.51.100.1")
    fleet.run().ok()
    assert numeric(fleet.sim.whitelist()) == ["198.51.100.1", *fleet.all_addresses]


@pytest.mark.newest_core
def test_an_inventory_of_another_name_is_another_fleet(fleet: Fleet) -> None:
    fleet.run(arguments=["--limit", "h1"], egress_whitelist_inventory_id="blue").ok()
    fleet.move(h1="198.51.100.1")
    fleet.run(arguments=["--limit", "h1"], egress_whitelist_inventory_id="green").ok()
    assert numeric(fleet.sim.whitelist()) == ["198.51.100.1", public(1)]
    fleet.run(arguments=["--limit", "h1"], egress_whitelist_inventory_id="blue").ok()
    assert numeric(fleet.sim.whitelist()) == ["198.51.100.1"]


@pytest.mark.measured
@pytest.mark.newest_core
def test_deregistering(fleet: Fleet) -> None:
    others = "198.51.100.77"
    fleet.put_in_sync()
    fleet.sim.configure(whitelist=[others, *fleet.all_addresses])
    gone = {"egress_whitelist_state": "absent"}
    predicted = fleet.run(arguments=["--check"], variables=gone).ok()
    assert calls(fleet.sim) == [QUERY]
    run = fleet.run(variables=gone).ok()
    assert calls(fleet.sim) == [QUERY, DEL, QUERY]
    assert fleet.sim.whitelist() == [others]
    assert changed(predicted) == changed(run) == set(fleet.hosts)
    again = fleet.run(variables=gone).ok()
    assert calls(fleet.sim) == [QUERY]
    assert changed(again) == set()


@pytest.mark.newest_core
def test_deregistering_hosts_that_no_longer_exist(fleet: Fleet, closed_port: int) -> None:
    fleet.put_in_sync()
    fleet.lines = dict.fromkeys(
        fleet.hosts, f"ansible_connection=ssh ansible_host=127.0.0.1 ansible_port={closed_port}"
    )
    memory_alone = {"egress_whitelist_state": "absent", "egress_whitelist_detect": False}
    run = fleet.run(variables=memory_alone).ok()
    assert fleet.sim.whitelist() == []
    assert changed(run) == set(fleet.hosts)
    assert calls(fleet.sim) == [QUERY, DEL, QUERY]


# --- what a compromised host can do


ABSENT = {"egress_whitelist_state": "absent"}
OFFICE = "198.51.100.77"


def compromise(fleet: Fleet, folder: Path, host: str, body: str) -> None:
    """From now on, the curl of this host says what it likes."""
    fleet.lines[host] = reached_by_ssh(folder, path=forging_path(folder, body))


@pytest.mark.newest_core
def test_a_compromised_host_cannot_fill_the_whitelist(fleet: Fleet, tmp_path: Path) -> None:
    fleet.sim.configure(capacity=20)
    forged = "i=1; while [ $i -le 255 ]; do record 0 curl 192.0.2.$i; record 1 curl 192.0.2.$i; i=$((i+1)); done"
    compromise(fleet, tmp_path, "h6", forged)
    run = fleet.run()
    assert run.rc == 2
    assert {host for host, task in run.by_host(DETECT).items() if task.status == "failed"} == {"h6"}
    assert "samples=1" in run.by_host(DETECT)["h6"].result["msg"]
    assert numeric(fleet.sim.whitelist()) == fleet.all_addresses[:5]


@pytest.mark.newest_core
@pytest.mark.parametrize("other", ["in the same inventory", "in another inventory"])
def test_a_compromised_host_does_not_remove_what_another_host_is_remembered_with(
    fleet: Fleet, tmp_path: Path, other: str
) -> None:
    fleet.run(egress_whitelist_inventory_id="blue").ok()
    compromise(fleet, tmp_path, "h6", f"answer() {{ echo {public(1)}; }}")
    name = "blue" if other == "in the same inventory" else "green"
    run = fleet.run(variables=ABSENT, arguments=["--limit", "h6"], egress_whitelist_inventory_id=name).ok()
    left = fleet.all_addresses[:5] if name == "blue" else fleet.all_addresses
    assert numeric(fleet.sim.whitelist()) == left
    assert changed(run) == ({"h6"} if name == "blue" else set())


@pytest.mark.newest_core
def test_hosts_remove_no_more_than_max_removals_that_is_not_remembered_for_them(fleet: Fleet) -> None:
    fleet.sim.configure(whitelist=fleet.all_addresses[3:])
    fleet.run(arguments=["--limit", "h1,h2,h3"]).ok()
    two = {**ABSENT, "egress_whitelist_max_removals": 2}
    for arguments in (["--check"], [], []):
        run = fleet.run(variables=two, arguments=arguments)
        assert run.rc == 2
        failed = {host: task.result for host, task in run.by_host(REGISTER).items() if task.status == "failed"}
        assert set(failed) == {"h4", "h5", "h6"}
        for host, result in failed.items():
            assert_one_sentence(result["msg"])
            assert "3 addresses" in result["msg"]
            assert "max_removals=2" in result["msg"]
            assert result["obsolete"] == [public(int(host[1:]))]
        # What is remembered for the others goes all the same, however much it is.
        assert numeric(fleet.sim.whitelist()) == fleet.all_addresses[0 if arguments else 3 :]
    fleet.run(variables={**ABSENT, "egress_whitelist_max_removals": 3}).ok()
    assert fleet.sim.whitelist() == []
    # Of what is not on the whitelist nothing has to be removed.
    fleet.run(variables={**ABSENT, "egress_whitelist_max_removals": 0}).ok()


@pytest.mark.newest_core
def test_max_removals_does_not_limit_what_is_remembered_or_named(fleet: Fleet) -> None:
    none = {**ABSENT, "egress_whitelist_max_removals": 0}
    fleet.run(arguments=["--limit", "h1,h2,h3"]).ok()
    fleet.run(variables=none, arguments=["--limit", "h1,h2,h3"]).ok()
    assert fleet.sim.whitelist() == []
    fleet.sim.configure(whitelist=[OFFICE])
    fleet.run(variables={**none, "egress_whitelist_ips": [OFFICE]}, arguments=["--limit", "h1"]).ok()
    assert fleet.sim.whitelist() == []


@pytest.mark.newest_core
def test_a_host_that_could_not_remove_an_address_is_not_remembered_with_it(fleet: Fleet, tmp_path: Path) -> None:
    fleet.sim.configure(whitelist=[OFFICE])
    fleet.sim.fault(path=DEL, kind="code", code=-999, times=-1)
    compromise(fleet, tmp_path, "h6", f"answer() {{ echo {OFFICE}; }}")
    run = fleet.run(variables=ABSENT, arguments=["--limit", "h6"])
    assert run.of(REGISTER).status == "failed"
    fleet.sim.control("DELETE", "/faults")
    memory_alone = {**ABSENT, "egress_whitelist_detect": False}
    fleet.run(variables=memory_alone, arguments=["--limit", "h6"]).ok()
    assert fleet.sim.whitelist() == [OFFICE]


@pytest.mark.newest_core
def test_max_removals_bounds_what_a_compromised_host_claimed_while_it_was_registered(
    fleet: Fleet, tmp_path: Path
) -> None:
    fleet.sim.configure(whitelist=[OFFICE])
    honest = fleet.lines["h6"]
    compromise(fleet, tmp_path, "h6", f"answer() {{ echo {OFFICE}; }}")
    fleet.run(arguments=["--limit", "h5,h6"]).ok()
    fleet.lines["h6"] = honest
    fleet.move(h5="198.51.100.5")
    none = {"egress_whitelist_max_removals": 0}
    run = fleet.run(variables=none, arguments=["--limit", "h5,h6"])
    failed = {host: task.result for host, task in run.by_host(REGISTER).items() if task.status == "failed"}
    assert set(failed) == {"h6"}
    assert_one_sentence(failed["h6"]["msg"])
    assert "max_removals=0" in failed["h6"]["msg"]
    assert (failed["h6"]["registered"], failed["h6"]["obsolete"]) == ([public(6)], [OFFICE])
    assert set(fleet.sim.whitelist()) == {OFFICE, "198.51.100.5", public(6)}, "what was added for h5 was replaced"
    memory_alone = {**ABSENT, "egress_whitelist_detect": False}
    run = fleet.run(variables={**memory_alone, **none}, arguments=["--limit", "h5,h6"])
    assert {host for host, task in run.by_host(REGISTER).items() if task.status == "failed"} == {"h6"}
    assert fleet.sim.whitelist() == [OFFICE]
    one = {"egress_whitelist_max_removals": 1}
    fleet.run(variables={**memory_alone, **one}, arguments=["--limit", "h5,h6"]).ok()
    assert fleet.sim.whitelist() == []


@pytest.mark.newest_core
def test_hosts_found_after_a_lost_memory_are_deregistered_up_to_max_removals_or_once_given(fleet: Fleet) -> None:
    fleet.sim.configure(whitelist=fleet.all_addresses)
    fleet.run().ok()
    run = fleet.run(variables={**ABSENT, "egress_whitelist_max_removals": 5})
    failed = {host: task.result["msg"] for host, task in run.by_host(REGISTER).items() if task.status == "failed"}
    assert set(failed) == set(fleet.hosts)
    assert all("raise max_removals or give the addresses in ips" in text for text in failed.values())
    assert numeric(fleet.sim.whitelist()) == fleet.all_addresses
    fleet.run(variables={"egress_whitelist_ips": [public(1), public(2)]}, arguments=["--limit", "h1"]).ok()
    fleet.run(variables={**ABSENT, "egress_whitelist_max_removals": 4}).ok()
    assert fleet.sim.whitelist() == []


@pytest.mark.newest_core
@pytest.mark.parametrize("first", ["present", "absent"])
def test_hosts_of_one_run_that_are_registered_and_hosts_that_are_deregistered(fleet: Fleet, first: str) -> None:
    fleet.run(arguments=["--limit", "h3,h4"]).ok()
    fleet.move(h5=public(3))
    wanted = {"h1": first, "h3": "absent", "h4": "absent", "h5": "present", "h6": "present"}
    if first == "absent":
        fleet.sim.configure(whitelist=[public(1), public(3), public(4)])
    for host, state in wanted.items():
        fleet.lines[host] += f" egress_whitelist_state={state}"
    run = fleet.run(arguments=["--limit", ",".join(wanted)]).ok()
    here = [public(1)] if first == "present" else []
    assert numeric(fleet.sim.whitelist()) == [*here, public(3), public(6)]
    assert registered(run)["h6"] == [public(6)]
    assert registered(run)["h3"] == []
    removed = {ip for call in fleet.sim.journal(DEL) for ip in call["ips"]}
    assert public(3) not in removed, "h5 has it from h3, without a gap"


def test_a_network_device_is_not_registered_with_the_address_of_the_control_node(fleet: Fleet) -> None:
    fleet.lines["h4"] = fleet.lines["h4"].replace("connection=local", "connection=qg_network")
    run = fleet.run()
    assert run.rc == 2
    task = run.of(DETECT, "h4")
    assert task.result["msg"] == (
        "The host has no POSIX shell, because it is a network device, so its egress address cannot be detected: "
        "give the address."
    )
    assert numeric(fleet.sim.whitelist()) == [ip for ip in fleet.all_addresses if ip != public(4)]
    fleet.lines["h4"] += f" egress_whitelist_ips=\"['{public(4)}']\""
    fleet.run().ok()
    assert numeric(fleet.sim.whitelist()) == fleet.all_addresses


@pytest.mark.newest_core
def test_known_addresses_are_not_asked_for(fleet: Fleet) -> None:
    known = {f"h{n}": public(n + 50) for n in fleet.numbers}
    fleet.lines = {host: f"egress_whitelist_ips=\"['{ip}']\"" for host, ip in known.items()}
    fleet.run().ok()
    assert numeric(fleet.sim.whitelist()) == [public(n + 50) for n in fleet.numbers]
    assert fleet.sim.control("GET", "/echo/ip")["calls"] == 0


@pytest.mark.newest_core
def test_without_addresses_and_detection_there_is_nothing_to_register(fleet: Fleet) -> None:
    run = fleet.run(variables={"egress_whitelist_detect": False}, arguments=["--limit", "h1"])
    assert run.of(DETECT).status == "failed"
    assert_one_sentence(run.of(DETECT).result["msg"])
    assert calls(fleet.sim) == []


@pytest.mark.newest_core
@pytest.mark.parametrize("fail", [True, False])
def test_one_address_bound_to_another_key_is_one_hosts_trouble(fleet: Fleet, fail: bool) -> None:
    fleet.sim.configure(OTHER_KEY, whitelist=[public(1)])
    # In their order: the host whose address is refused writes for all.
    run = fleet.run(variables={"egress_whitelist_fail": fail}, arguments=["--forks", "1"])
    assert run.rc == (2 if fail else 0)
    tasks = run.by_host(REGISTER)
    assert {host for host, task in tasks.items() if task.status == "failed"} == ({"h1"} if fail else set())
    assert tasks["h1"].result["unregistered"] == [public(1)]
    assert tasks["h1"].result["code"] == -206
    assert changed(run) == set(fleet.hosts) - {"h1"}
    assert numeric(fleet.sim.whitelist()) == [ip for ip in fleet.all_addresses if ip != public(1)]
    text = tasks["h1"].result["msg"] if fail else " ".join(tasks["h1"].result["warnings"])
    assert public(1) in text
    assert "-206" in text
    assert " ".join(text.split())[:60] in " ".join(run.output.split())


@pytest.mark.newest_core
@pytest.mark.parametrize("fail", [True, False])
def test_a_list_too_short_for_the_fleet_is_reported_to_each_host(fleet: Fleet, fail: bool) -> None:
    fleet.sim.configure(capacity=4)
    run = fleet.run(variables={"egress_whitelist_fail": fail})
    tasks = run.by_host(REGISTER)
    assert run.rc == (2 if fail else 0)
    missing = {host for host, task in tasks.items() if task.result["unregistered"]}
    assert missing == {f"h{n}" for n in fleet.numbers if public(n) not in fleet.sim.whitelist()}
    assert missing
    assert {host for host, task in tasks.items() if task.status == "failed"} == (missing if fail else set())
    for host in missing:
        assert tasks[host].result["code"] == -202


@pytest.mark.newest_core
@pytest.mark.parametrize(
    ("path", "code"),
    [
        pytest.param(QUERY, -100, id="the key is refused"),
        pytest.param(ADD, None, id="the write is not answered"),
        pytest.param(ADD, -1, id="the write always fails"),
    ],
)
def test_an_error_of_the_api_fails_every_host_whatever_fail_is(fleet: Fleet, path: str, code: int | None) -> None:
    if code == -100:
        fleet.sim.configure(status="expired")
    else:
        fault = {"kind": "code", "code": code} if code else {"kind": "status", "http_status": 502}
        fleet.sim.fault(path=path, times=-1, **fault)
    run = fleet.run(egress_whitelist_fail="false", egress_whitelist_max_wait=1)
    assert (run.rc, path in calls(fleet.sim)) == (2, True)
    tasks = run.by_host(REGISTER)
    assert {host: task.status for host, task in tasks.items()} == dict.fromkeys(fleet.hosts, "failed")
    assert {task.result.get("code") for task in tasks.values()} == {code}


@pytest.mark.newest_core
@pytest.mark.parametrize("header", ["", "strategy: free"])
def test_a_refused_key_is_reported_to_all_with_few_calls(fleet: Fleet, header: str) -> None:
    fleet.sim.configure(status="expired")
    run = fleet.run(play(header))
    tasks = run.by_host(REGISTER)
    assert {task.status for task in tasks.values()} == {"failed"}
    assert set(tasks) == set(fleet.hosts)
    for task in tasks.values():
        assert task.result["code"] == -100
        assert_one_sentence(task.result["msg"])
    assert len(calls(fleet.sim)) <= (1 if header == "" else fleet.size)
    assert set(calls(fleet.sim)) == {QUERY}


@pytest.mark.newest_core
def test_a_broken_vendor_is_reported_to_all_with_few_calls(fleet: Fleet) -> None:
    fleet.sim.fault(path=QUERY, kind="status", http_status=502, times=-1)
    run = fleet.run(egress_whitelist_max_wait=3)
    tasks = run.by_host(REGISTER)
    assert {task.status for task in tasks.values()} == {"failed"}
    assert set(tasks) == set(fleet.hosts)
    for task in tasks.values():
        assert "502" in task.result["msg"]
    assert len(calls(fleet.sim)) <= 6


@pytest.mark.newest_core
def test_a_dead_vendor_is_reported_to_all(fleet: Fleet, closed_port: int) -> None:
    run = fleet.run(egress_whitelist_api_url=f"http://127.0.0.1:{closed_port}", egress_whitelist_max_wait=1)
    tasks = run.by_host(REGISTER)
    assert {task.status for task in tasks.values()} == {"failed"}
    for task in tasks.values():
        assert_one_sentence(task.result["msg"])
        assert "connection refused" in task.result["msg"]


@pytest.mark.newest_core
def test_a_lost_answer_is_no_trouble_of_the_fleet(fleet: Fleet) -> None:
    fleet.sim.fault(path=ADD, kind="reset_after")
    run = fleet.run().ok()
    assert changed(run) == set(fleet.hosts)
    assert calls(fleet.sim) == [QUERY, ADD, QUERY]


PROBE = """
- hosts: all
  gather_facts: false
  tasks:
    - name: before
      qingguo.qgnet.qg_egress_ip_info:
        through_proxy: "{{ proxy }}"
        sources: ["{{ echo }}"]
        source_address: "{{ egress_whitelist_source_address }}"
        allow_non_global: true
      ignore_errors: true
"""


@pytest.mark.measured
@pytest.mark.newest_core
def test_the_proxy_lets_the_hosts_in_when_they_are_registered(fleet: Fleet) -> None:
    proxy = fleet.sim.configure(exit="198.51.100.200")["proxy_url"]
    echo = f"{fleet.sim.api_url}/ip"
    variables = {"proxy": proxy, "echo": echo, "egress_whitelist_verify_proxy": proxy}
    run = fleet.run(PROBE + play().lstrip("\n"), variables=variables).ok()
    for task in run.by_host("before").values():
        assert task.status == "failed"
        assert_one_sentence(task.result["msg"])
    for task in run.by_host(REGISTER).values():
        assert task.result["exit_ips"] == ["198.51.100.200"]
    after = fleet.run(PROBE, variables=variables).ok()
    for task in after.by_host("before").values():
        assert task.result["ips"] == ["198.51.100.200"]
    # Deregistering proves nothing, and shuts the door.
    fleet.run(variables={**variables, "egress_whitelist_state": "absent"}).ok()
    assert {task.status for task in fleet.run(PROBE, variables=variables).by_host("before").values()} == {"failed"}


@pytest.mark.newest_core
def test_the_proxy_may_have_an_exit_of_either_family(fleet: Fleet) -> None:
    proxy = fleet.sim.configure(exit="2001:db8::7")["proxy_url"]
    run = fleet.run(arguments=["--limit", "h1"], egress_whitelist_verify_proxy=proxy, egress_whitelist_verify_wait=1)
    assert run.of(REGISTER).result["exit_ips"] == ["2001:db8::7"]


@pytest.mark.newest_core
def test_a_proxy_that_does_not_let_the_host_in_is_reported(fleet: Fleet) -> None:
    proxy = fleet.sim.configure(OTHER_KEY, proxy=True)["proxy_url"]
    run = fleet.run(
        arguments=["--limit", "h1"],
        egress_whitelist_verify_proxy=proxy,
        egress_whitelist_verify_wait=1.5,
        # It concerns detection and refused addresses only.
        egress_whitelist_fail="false",
    )
    task = run.of(REGISTER)
    assert task.status == "failed"
    wait = f"qg_egress_whitelist: waiting because {proxy} does not let the host through yet: at most 1 s more (verify"
    assert wait in run.stderr
    assert_one_sentence(task.result["msg"])
    assert proxy in task.result["msg"]
    assert fleet.sim.whitelist() == [public(1)]
    # The whitelist was changed all the same.
    assert task.result["changed"] is True


@pytest.mark.newest_core
def test_a_proxy_is_not_verified_from_a_network_device(fleet: Fleet) -> None:
    fleet.lines["h1"] = f"ansible_connection=qg_network egress_whitelist_ips=\"['{public(1)}']\""
    run = fleet.run(arguments=["--limit", "h1"], egress_whitelist_verify_proxy="http://127.0.0.1:1")
    task = run.of(REGISTER)
    assert (task.status, task.result["added"]) == ("failed", [public(1)])
    assert task.result["msg"] == (
        "The host has no POSIX shell, because it is a network device, so the proxy cannot be verified from it: "
        "leave verify_proxy out."
    )
    assert task.result["reasons"] == [task.result["msg"]]
    assert "waiting because" not in run.stderr


@pytest.mark.newest_core
def test_a_host_that_is_lost_during_its_verification_keeps_what_it_did(fleet: Fleet) -> None:
    proxy = fleet.sim.configure(proxy=True)["proxy_url"]
    # In their order: the host that is lost has written for all.
    fleet.lines["h1"] = fleet.lines["h1"].replace("connection=local", "connection=qg_lost")
    fleet.playground.environment["QG_TEST_LOST_AT"] = proxy
    run = fleet.run(arguments=["--forks", "1", "--diff"], egress_whitelist_verify_proxy=proxy)
    task = run.of(REGISTER, "h1")
    assert (run.rc, task.status, task.result["changed"]) == (4, "unreachable", True)
    assert (task.result["added"], task.result["summary"]["added"]) == ([public(1)], fleet.all_addresses)
    assert public(1) in task.result["diff"]["after"]
    assert task.result["msg"] == f"The host became unreachable before {proxy} was verified: the host is gone"
    assert task.result["reasons"] == [task.result["msg"]]
    (summary,) = summaries(run)
    assert (summary["added"], summary["api"]["calls"]) == (fleet.all_addresses, 3)
    assert (list(summary["changed_hosts"]), summary["unreached_hosts"]) == (fleet.hosts, ["h1"])


@pytest.mark.newest_core
def test_the_proof_is_left_out_in_check_mode(fleet: Fleet) -> None:
    fleet.run(arguments=["--check"], egress_whitelist_verify_proxy="http://127.0.0.1:1").ok()


@pytest.mark.measured
def test_the_playbooks_of_the_collection(fleet: Fleet) -> None:
    fleet.run("qingguo.qgnet.register", variables={"qg_hosts": "h1:h2"}).ok()
    assert numeric(fleet.sim.whitelist()) == [public(1), public(2)]
    names = ("register", "report")
    fleet.playground.environment |= {"QG_KEY": fleet.sim.key, "QG_API_URL": fleet.sim.api_url}
    run = fleet.run("".join(f"- ansible.builtin.import_playbook: qingguo.qgnet.{name}\n" for name in names)).ok()
    assert numeric(fleet.sim.whitelist()) == fleet.all_addresses
    table = run.of("Show the whitelist").result["msg"]
    assert [line.split()[:2] for line in table[1:-1]] == [[public(n), f"h{n}"] for n in fleet.numbers]
    assert not any(" -" in line for line in table), "each registration has a time"
    fleet.run("qingguo.qgnet.deregister", variables={"qg_hosts": "h3"}).ok()
    assert public(3) not in fleet.sim.whitelist()
    fleet.run("qingguo.qgnet.deregister").ok()
    assert fleet.sim.whitelist() == []


@pytest.mark.newest_core
def test_the_playbooks_of_the_collection_within_another_one(fleet: Fleet) -> None:
    for name, listed in (("register", fleet.all_addresses), ("deregister", [])):
        fleet.run(f"- ansible.builtin.import_playbook: qingguo.qgnet.{name}\n").ok()
        assert numeric(fleet.sim.whitelist()) == listed


def test_the_role_sets_nothing_that_its_tasks_alone_lack() -> None:
    # The playbooks of the collection import the tasks, not the role.
    role = Path(__file__).resolve().parents[2] / "roles" / "egress_whitelist"
    assert sorted(path.name for path in role.iterdir() if path.is_dir()) == ["defaults", "meta", "tasks"]
    assert yaml.safe_load((role / "defaults" / "main.yml").read_text(encoding="utf-8")) == {
        "egress_whitelist_state": "present"
    }


def test_the_task_cannot_be_delegated(fleet: Fleet) -> None:
    text = """
- hosts: h1
  gather_facts: false
  tasks:
    - name: it
      qingguo.qgnet.qg_egress_whitelist: {step: detect, vars_prefix: egress_whitelist_}
      delegate_to: h2
"""
    run = fleet.run(text)
    assert run.of("it").status == "failed"
    assert_one_sentence(run.of("it").result["msg"])
    assert calls(fleet.sim) == []


@pytest.mark.newest_core
def test_registering_without_detecting_is_reported(fleet: Fleet) -> None:
    text = """
- hosts: h1
  gather_facts: false
  tasks:
    - name: it
      qingguo.qgnet.qg_egress_whitelist: {step: register, vars_prefix: egress_whitelist_}
"""
    run = fleet.run(text)
    assert run.of("it").status == "failed"
    assert_one_sentence(run.of("it").result["msg"])
    assert "h1" in run.of("it").result["msg"]
    assert "detect" in run.of("it").result["msg"]
    assert calls(fleet.sim) == []


#: How the task is named that Ansible adds to check a role's variables on each host.
VALIDATION = "Validating arguments against arg spec"


def test_ansible_checks_no_variables_in_a_task_of_its_own(fleet: Fleet) -> None:
    plays = {
        kind: f"- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.{kind}: "
        "{name: qingguo.qgnet.egress_whitelist}\n"
        for kind in ("import_role", "include_role")
    }
    for kind, text in {"roles": play(), **plays}.items():
        run = fleet.run(text).ok()
        assert not [task.name for task in run.tasks if VALIDATION in task.name], kind
        assert numeric(registered(run)[host][0] for host in fleet.hosts) == fleet.all_addresses, kind


def test_ansible_checks_the_variables_as_well_where_that_is_asked_for(fleet: Fleet) -> None:
    text = """
- hosts: h1
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: qingguo.qgnet.egress_whitelist, tasks_from: main.yml}
"""
    fleet.run(text).ok()
    assert fleet.sim.whitelist() == [public(1)]
    run = fleet.run(text, egress_whitelist_state="gone")
    assert [task.status for task in run.tasks if VALIDATION in task.name] == ["failed"]
    assert calls(fleet.sim) == []


def test_variables_are_converted_to_the_type_of_their_option(fleet: Fleet) -> None:
    sources = ",".join(f"{fleet.sim.api_url}/{path}" for path in ("ip", "json"))
    values = {"sources": sources, "quorum": "2", "detect": "yes", "allow_non_global": "true", "verify_wait": "1.5"}
    extra = [argument for name, value in values.items() for argument in ("-e", f"egress_whitelist_{name}={value}")]
    fleet.run(arguments=extra).ok()
    assert numeric(fleet.sim.whitelist()) == fleet.all_addresses


BAD_VARIABLES: list[tuple[str, object]] = [
    ("key", " "),
    ("quorum", "many"),
    ("detect", "perhaps"),
    ("state_dir", "/proc/nowhere"),
    ("api_url", "proxy.qg.example"),
    ("verify_proxy", "not-a-url"),
    ("verify_wait", -1),
    ("quorum", 9),
    ("state", "gone"),
    ("ips", "['nonsense']"),
    ("timeout", 0),
    ("max_wait", -1),
    ("max_removals", -1),
]


@pytest.mark.measured
def test_a_bad_variable_is_reported_before_any_call(sim: Simulator, playground: Playground) -> None:
    """Each is the variable of a host of its own, beside hosts with another one."""
    fleet = Fleet(sim, playground, size=len(BAD_VARIABLES))
    common = {
        "ansible_connection": "local",
        "egress_whitelist_key": sim.key,
        "egress_whitelist_api_url": sim.api_url,
        "egress_whitelist_sources": [f"{sim.api_url}/ip", f"{sim.api_url}/json"],
        "egress_whitelist_allow_non_global": True,
    }
    hosts = {
        f"h{n}": {"egress_whitelist_source_address": fleet.source(n), f"egress_whitelist_{option}": value}
        for n, (option, value) in enumerate(BAD_VARIABLES, 1)
    }
    # Of a file in YAML the values have the types that they have here.
    run = fleet.run(inventory=json.dumps({"all": {"vars": common, "hosts": hosts}}))
    for host, (option, value) in zip(hosts, BAD_VARIABLES, strict=True):
        failed = [task for task in run.tasks if task.host == host and task.status == "failed"]
        assert len(failed) == 1, (option, value, run.output)
        assert failed[0].result["msg"].startswith(f"egress_whitelist_{option}: "), (option, value, failed[0].result)
    assert "Traceback" not in run.output
    assert calls(sim) == []
