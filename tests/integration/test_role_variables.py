# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables that the role leaves on every host: what became of it, and of the run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.fleet import DETECT, OTHER_KEY, REGISTER, SUMMARIZE, Fleet, play, public
from support.playbooks import QUERY, Playground, Run, calls
from support.thorough import thorough

#: Reads the variables of all hosts in another play, as a report at the end of a playbook does.
LOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: look
      ansible.builtin.debug:
        msg: "{{ found | from_json }}"
      vars:
        found: >-
          {{ dict(groups.all | zip(groups.all | map('extract', hostvars) | map('dict2items')
             | map('selectattr', 'key', 'in', ['egress_whitelist_result', 'egress_whitelist_summary'])
             | map('items2dict'))) | to_json }}
"""
LISTS = ("ips", "registered", "unregistered", "obsolete", "added", "removed", "exit_ips")


def seen(run: Run) -> dict[str, dict[str, Any]]:
    """The variables of each host."""
    found: dict[str, dict[str, Any]] = run.of("look").result["msg"]
    return found


def reasons_of(variables: dict[str, Any]) -> list[str]:
    """Why a host is not as desired. Where its task failed, the message says it, and is not repeated."""
    result = variables.get("egress_whitelist_result", {"reasons": []})
    assert ("See msg." in result["reasons"]) <= bool(result.get("failed") or result.get("unreachable"))
    return [result["msg"]] if result["reasons"] == ["See msg."] else result["reasons"]


def status(variables: dict[str, Any]) -> str:
    """What the variable of a host says of it, in one word and the addresses."""
    result = variables.get("egress_whitelist_result")
    if result is None:
        return "no variable"
    assert set(LISTS) < set(result), result
    assert bool(result["reasons"]) == (not result["registered"]), result
    kind = "unreachable" if result.get("unreachable") else "failed" if result.get("failed") else "ok"
    addresses = {name: result[name] for name in LISTS if result[name]}
    changed = ", changed" if result["changed"] else ""
    return f"{kind}{changed}: {' '.join(f'{name}={ips[0]}' for name, ips in addresses.items())}"


def new(number: int) -> str:
    return f"ok, changed: ips={public(number)} registered={public(number)} added={public(number)}"


def in_sync(number: int) -> str:
    return f"ok: ips={public(number)} registered={public(number)}"


@pytest.fixture
def troubled(sim: Simulator, playground: Playground, closed_port: int) -> Fleet:
    """A fleet in which every host has a fate of its own; the last two have none."""
    fleet = Fleet(sim, playground, size=8)
    sim.configure(OTHER_KEY, whitelist=[public(4), public(5)])
    fleet.make_unreachable("h3", closed_port)
    fleet.add_to("h5", fail=False)
    fleet.make_uncertain("h6")
    return fleet


FATES = {
    "h1": "no variable",
    "h2": "no variable",
    "h3": "unreachable: ",
    "h4": f"failed: ips={public(4)} unregistered={public(4)}",
    "h5": f"ok: ips={public(5)} unregistered={public(5)}",
    "h6": "failed: ",
    "h7": new(7),
    "h8": new(8),
}
#: Check mode cannot know what the vendor would refuse.
PREDICTED = {**FATES, "h4": new(4), "h5": new(5)}
LIMITED = {**dict.fromkeys(FATES, "no variable"), "h4": FATES["h4"], "h7": new(7)}
NOT_QUICK = (pytest.mark.newest_core, pytest.mark.thorough)
BROKEN = "{name: trouble, ansible.builtin.fail: {msg: broken}, when: inventory_hostname == 'h2'}"


@pytest.mark.measured
@pytest.mark.parametrize(
    ("header", "arguments", "fates"),
    [
        pytest.param("", [], FATES, id="linear"),
        pytest.param("serial: 4", [], FATES, id="serial", marks=NOT_QUICK),
        pytest.param("strategy: free", [], FATES, id="free", marks=pytest.mark.thorough),
        pytest.param("", ["--check"], PREDICTED, id="check"),
        pytest.param("", ["--limit", "h2,h4,h7,localhost"], LIMITED, id="limit", marks=NOT_QUICK),
    ],
)
def test_every_host_has_the_right_variables(
    troubled: Fleet, header: str, arguments: list[str], fates: dict[str, str]
) -> None:
    run = troubled.run(play(header, before=BROKEN, role="when: inventory_hostname != 'h1'") + LOOK, arguments=arguments)
    variables = seen(run)
    assert {host: status(own) for host, own in variables.items()} == fates
    reasons = {host: reasons_of(own) for host, own in variables.items()}
    for host, reason in {"h3": "onnect", "h4": "-206", "h5": "-206", "h6": "uncertain"}.items():
        assert not reasons[host] or reason in reasons[host][0]
    found = {host: own["egress_whitelist_summary"] for host, own in variables.items() if len(own) == 2}
    if header == "":
        # One summary for all, also for the host that skipped the role.
        assert len({json.dumps(summary, sort_keys=True) for summary in found.values()}) == 1
    hosts = [host for host in fates if fates[host] != "no variable"] + ["h2"]
    skipped = [] if "--limit" in arguments else ["h1"]
    summary = min(found.values(), key=lambda summary: len(summary["pending_hosts"]))
    added = {host: [public(int(host[1:]))] for host, fate in fates.items() if "added" in fate}
    whole = {
        "hosts": len(hosts) + len(skipped),
        "in_sync": len(added),
        "changed_hosts": {host: {"added": ips, "removed": []} for host, ips in added.items()},
        "unregistered_hosts": {
            host: reasons[host] for host, fate in fates.items() if fate != "no variable" and host not in (*added, "h3")
        },
        "unreached_hosts": [host for host in ("h2", "h3") if host in hosts],
        "pending_hosts": skipped,
        "added": [ip for ips in added.values() for ip in ips],
        "removed": [],
    }
    if header == "strategy: free":
        # Each host has its own summary, with the changes of this host alone.
        changes = whole.pop("changed_hosts")
        changed = {host: own["changed_hosts"] for host, own in found.items() if own["changed_hosts"]}
        assert changed == {host: {host: change} for host, change in changes.items()}
    assert {name: summary[name] for name in whole} == whole
    assert summary["api"]["calls"] == len(calls(troubled.sim))


#: Two plays of a fleet in sync, and one in which the key is wrong for all hosts. Groups change the order of hosts.
IN_SYNC = """
- {hosts: all, gather_facts: false, roles: [qingguo.qgnet.egress_whitelist]}
- hosts: all
  gather_facts: false
  roles:
    - {role: qingguo.qgnet.egress_whitelist, when: inventory_hostname != 'h1'}
  tasks:
    - name: group
      ansible.builtin.group_by:
        key: "qg_{{ 'broken' if egress_whitelist_result.reasons else egress_whitelist_result.registered[0] }}"
    - name: one group
      ansible.builtin.debug: {msg: "{{ groups['qg_203.0.113.2'] }}"}
      when: egress_whitelist_result.ips == ['203.0.113.2']
    - name: stats
      ansible.builtin.set_stats: {data: {in_sync: "{{ egress_whitelist_summary.in_sync }}"}}
      run_once: true
"""
ALL_FAIL = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Register or report
      vars: {egress_whitelist_key: QGNOKEY1}
      block:
        - ansible.builtin.include_role: {name: qingguo.qgnet.egress_whitelist}
      rescue:
        - name: rescued
          ansible.builtin.debug:
            msg:
              - "{{ egress_whitelist_result.ips }}"
              - ["{{ egress_whitelist_result.msg }}"]
              - "{{ egress_whitelist_summary.unregistered_hosts }}"
"""


@pytest.mark.measured
def test_plays_use_the_variables_of_a_fleet_in_sync_and_of_one_that_failed(fleet: Fleet) -> None:
    fleet.put_in_sync()
    run = fleet.run(IN_SYNC + LOOK.lstrip("\n") + ALL_FAIL.lstrip("\n")).ok()
    assert set(calls(fleet.sim)) == {QUERY}
    assert run.of("one group", "h2").result["msg"] == ["h2"]
    assert {host: status(own) for host, own in seen(run).items()} == {f"h{n}": in_sync(n) for n in fleet.numbers}
    # In the first play, one host reports for all. In the second one, all others would be skipped with the first host.
    counts = [len([task for task in run.tasks if task.name == name]) for name in (REGISTER, SUMMARIZE)]
    assert counts == [1 + 6 + 6, 1 + 6 + 1]
    found = run.summaries
    assert [(own["in_sync"], own["pending_hosts"]) for own in found[:2]] == [(6, []), (5, ["h1"])]
    rescued = run.by_host("rescued")
    assert set(rescued) == set(fleet.hosts)
    for host, task in rescued.items():
        ips, reasons, unregistered = task.result["msg"]
        assert ips == [public(int(host[1:]))]
        assert (list(unregistered), unregistered[host]) == (fleet.hosts, reasons)
        assert "QGNOKEY1" not in json.dumps(reasons)


TWICE = """
- hosts: all
  gather_facts: false
  vars: {egress_whitelist_fail: false}
  tasks:
    - ansible.builtin.import_role: {name: qingguo.qgnet.egress_whitelist}
      when: inventory_hostname in ['h1', 'h2', 'h3']
    - ansible.builtin.import_role: {name: qingguo.qgnet.egress_whitelist}
      vars: {egress_whitelist_key: %s}
      when: inventory_hostname not in ['h1', 'h2', 'h3']
"""


@pytest.mark.thorough
def test_each_use_of_the_role_in_a_play_is_summarized(fleet: Fleet) -> None:
    fleet.sim.configure(whitelist=[public(6)])
    fleet.sim.configure(OTHER_KEY)
    for _again in range(2):
        run = fleet.run(TWICE % OTHER_KEY + LOOK.lstrip("\n")).ok()
        found = {host: own["egress_whitelist_summary"] for host, own in seen(run).items()}
        last = [found[host] for host in ("h4", "h5", "h6")]
        assert [list(summary["unregistered_hosts"]) for summary in last] == [["h6"]] * 3
        assert [(summary["in_sync"], summary["pending_hosts"]) for summary in last] == [(5, [])] * 3


@pytest.mark.thorough
def test_an_unreachable_host_that_is_ignored_costs_no_other_host_anything(fleet: Fleet, closed_port: int) -> None:
    fleet.put_in_sync()
    fleet.make_unreachable("h1", closed_port)
    run = fleet.run(play("ignore_unreachable: true") + LOOK.lstrip("\n")).ok()
    variables = seen(run)
    of_others = {f"h{n}": in_sync(n) for n in fleet.numbers[1:]}
    assert {host: status(own) for host, own in variables.items()} == {"h1": "unreachable: ", **of_others}
    (summary,) = run.summaries
    assert (summary["unreached_hosts"], summary["unregistered_hosts"], summary["in_sync"]) == (["h1"], {}, 5)
    assert summary["api"]["calls"] == len(calls(fleet.sim))
    (warning,) = run.of(REGISTER, "h1").result["warnings"]
    assert "h1, because it was unreachable: " in warning
    assert variables["h1"]["egress_whitelist_result"]["msg"] in warning
    assert len(run.by_host(REGISTER)) == 1


#: A mistake of a host, and what its error says.
MISTAKES = {
    "uncertain": (lambda fleet: fleet.make_uncertain("h1"), "uncertain"),
    "quorum": (lambda fleet: fleet.add_to("h1", quorum=9), "quorum=9 cannot be met"),
    "template": (
        lambda fleet: fleet.add_to("h1", quorum="{{ nowhere }}"),
        "egress_whitelist_quorum cannot be evaluated",
    ),
}


@pytest.mark.measured
@pytest.mark.parametrize(
    ("others", "mistake"), [("new", "quorum"), *thorough(("new", "uncertain"), ("in sync", "template"))]
)
def test_an_error_that_is_ignored_remains_the_reason_and_is_shown_once(fleet: Fleet, others: str, mistake: str) -> None:
    if others == "in sync":
        fleet.put_in_sync()
    make, part = MISTAKES[mistake]
    make(fleet)
    run = fleet.run(play("ignore_errors: true") + LOOK.lstrip("\n")).ok()
    message = run.of(DETECT, "h1").result["msg"]
    assert part in message
    result = seen(run)["h1"]["egress_whitelist_result"]
    assert (result["failed"], result["msg"]) == (True, message)
    (summary,) = run.summaries
    assert (list(summary["unregistered_hosts"]), summary["in_sync"]) == (["h1"], 5)
    assert run.of(REGISTER, "h1").status == ("ok" if others == "in sync" else "failed")
    assert [part in line for line in run.stdout.splitlines() if line.startswith("fatal: [h1]")].count(True) == 1
    assert fleet.listed()[-5:] == fleet.all_addresses[1:]


RESCUED = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Register or report
      block:
        - ansible.builtin.import_role: {name: qingguo.qgnet.egress_whitelist}
      rescue:
        - {name: rescued, ansible.builtin.debug: {msg: "{{ egress_whitelist_result.reasons }}"}}
"""


@pytest.mark.measured
def test_an_error_of_ansible_leaves_the_variables_of_a_host(fleet: Fleet) -> None:
    fleet.lines["h1"] += " egress_whitelist_quorum='{{ \"HUSH\" + nowhere }}'"
    fleet.lines["h2"] = "ansible_connection=qg_broken"
    fleet.lines["h3"] = (
        f"ansible_connection=qg_broken egress_whitelist_ips=\"['{public(3)}']\" "
        "egress_whitelist_verify_proxy=http://127.0.0.1:1"
    )
    run = fleet.run(RESCUED + LOOK.lstrip("\n")).ok()
    not_run = ["The command could not be run on the host; see its task."]
    reasons = {"h1": ["A variable of the host is wrong; see its task."], "h2": not_run, "h3": not_run}
    assert {host: task.result["msg"] for host, task in run.by_host("rescued").items()} == reasons
    variables = seen(run)
    assert variables["h1"]["egress_whitelist_summary"]["unregistered_hosts"] == reasons
    results = {host: variables[host]["egress_whitelist_result"] for host in reasons}
    assert all(set(LISTS) < set(result) and result["failed"] for result in results.values())
    assert "egress_whitelist_quorum cannot be evaluated" in results["h1"]["msg"]
    assert "sshpass" in results["h2"]["msg"]
    # What was changed before the error is reported nevertheless.
    assert (results["h3"]["added"], results["h3"]["changed"]) == ([public(3)], True)
    assert "sshpass" in results["h3"]["msg"]
    assert fleet.listed() == fleet.all_addresses[2:]
    state = b"".join(path.read_bytes() for path in fleet.playground.store.iterdir() if path.is_file())
    assert b"HUSH" not in state
