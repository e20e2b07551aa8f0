# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables that the role leaves on every host: what became of it, and of the run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.fleet import DETECT, OTHER_KEY, REGISTER, SUMMARIZE, Fleet, changed, play, public, registered, summaries
from support.playbooks import DEL, QUERY, Playground, Run, calls, numeric

pytestmark = pytest.mark.measured

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


def at_rest(number: int) -> str:
    return f"ok: ips={public(number)} registered={public(number)}"


@pytest.fixture
def troubled(sim: Simulator, playground: Playground, closed_port: int) -> Fleet:
    """A fleet in which every host has a fate of its own; the last two have none."""
    fleet = Fleet(sim, playground, size=8)
    sim.configure(OTHER_KEY, whitelist=[public(4), public(5)])
    sim.control("PUT", "/echo/odd", {"answer": "<html>log in first</html>"})
    fleet.lines["h3"] = f"ansible_connection=ssh ansible_host=127.0.0.1 ansible_port={closed_port}"
    fleet.lines["h5"] += " egress_whitelist_fail=false"
    fleet.lines["h6"] += f" egress_whitelist_sources=\"['{sim.api_url}/echo/odd']\""
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
BROKEN = "{name: trouble, ansible.builtin.fail: {msg: broken}, when: inventory_hostname == 'h2'}"


@pytest.mark.parametrize(
    ("header", "arguments", "fates"),
    [
        pytest.param("", [], FATES, id="linear"),
        pytest.param("serial: 4", [], FATES, id="serial", marks=pytest.mark.newest_core),
        pytest.param("strategy: free", [], FATES, id="free"),
        pytest.param("strategy: host_pinned", [], FATES, id="host_pinned", marks=pytest.mark.newest_core),
        pytest.param("", ["--check"], PREDICTED, id="check"),
        pytest.param("", ["--limit", "h2,h4,h7,localhost"], LIMITED, id="limit", marks=pytest.mark.newest_core),
    ],
)
def test_every_host_has_the_right_variables(
    troubled: Fleet, header: str, arguments: list[str], fates: dict[str, str]
) -> None:
    run = troubled.run(play(header, before=BROKEN, role="when: inventory_hostname != 'h1'") + LOOK, arguments=arguments)
    variables = seen(run)
    assert {host: status(own) for host, own in variables.items()} == fates
    reasons = {host: own.get("egress_whitelist_result", {}).get("reasons") for host, own in variables.items()}
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
    assert {name: summary[name] for name in whole} == whole
    assert summary["api"]["calls"] == len(calls(troubled.sim))


#: Two plays of a fleet in sync, and one in which the key is wrong for all hosts. Groups change the order of hosts.
IN_SYNC = """
- hosts: all
  gather_facts: false
  roles:
    - role: qingguo.qgnet.egress_whitelist
- hosts: all
  gather_facts: false
  roles:
    - role: qingguo.qgnet.egress_whitelist
      when: inventory_hostname != 'h1'
  tasks:
    - name: group
      ansible.builtin.group_by:
        key: "qg_{{ 'broken' if egress_whitelist_result.reasons else egress_whitelist_result.registered[0] }}"
    - name: one group
      ansible.builtin.debug:
        msg: "{{ groups['qg_203.0.113.2'] }}"
      when: egress_whitelist_result.ips == ['203.0.113.2']
    - name: stats
      ansible.builtin.set_stats:
        data:
          in_sync: "{{ egress_whitelist_summary.in_sync }}"
      run_once: true
"""
ALL_FAIL = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Register or report
      vars:
        egress_whitelist_key: QGNOKEY1
      block:
        - ansible.builtin.include_role:
            name: qingguo.qgnet.egress_whitelist
      rescue:
        - name: rescued
          ansible.builtin.debug:
            msg:
              - "{{ egress_whitelist_result.ips }}"
              - "{{ egress_whitelist_result.reasons }}"
              - "{{ egress_whitelist_summary.unregistered_hosts }}"
"""


def test_plays_use_the_variables_of_a_fleet_in_sync_and_of_one_that_failed(fleet: Fleet) -> None:
    fleet.put_in_sync()
    run = fleet.run(IN_SYNC + LOOK.lstrip("\n") + ALL_FAIL.lstrip("\n")).ok()
    assert set(calls(fleet.sim)) == {QUERY}
    assert run.of("one group", "h2").result["msg"] == ["h2"]
    assert {host: status(own) for host, own in seen(run).items()} == {f"h{n}": at_rest(n) for n in fleet.numbers}
    # In the first play, one host reports for all. In the second one, all others would be skipped with the first host.
    counts = [len([task for task in run.tasks if task.name == name]) for name in (REGISTER, SUMMARIZE)]
    assert counts == [1 + 6 + 6, 1 + 6 + 1]
    found = summaries(run)
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


def test_each_use_of_the_role_in_a_play_is_summarized(fleet: Fleet) -> None:
    fleet.sim.configure(whitelist=[public(6)])
    fleet.sim.configure(OTHER_KEY)
    for _run in range(2):
        run = fleet.run(TWICE % OTHER_KEY + LOOK.lstrip("\n")).ok()
        found = {host: own["egress_whitelist_summary"] for host, own in seen(run).items()}
        last = [found[host] for host in ("h4", "h5", "h6")]
        assert [list(summary["unregistered_hosts"]) for summary in last] == [["h6"]] * 3
        assert [(summary["in_sync"], summary["pending_hosts"]) for summary in last] == [(5, [])] * 3


@pytest.mark.parametrize("others", ["in sync", "new"])
def test_an_unreachable_host_that_is_ignored_costs_no_other_host_anything(
    fleet: Fleet, closed_port: int, others: str
) -> None:
    if others == "in sync":
        fleet.put_in_sync()
    fleet.lines["h1"] = f"ansible_connection=ssh ansible_host=127.0.0.1 ansible_port={closed_port}"
    run = fleet.run(play("ignore_unreachable: true") + LOOK.lstrip("\n")).ok()
    variables = seen(run)
    of_others = {f"h{n}": at_rest(n) if others == "in sync" else new(n) for n in fleet.numbers[1:]}
    assert {host: status(own) for host, own in variables.items()} == {"h1": "unreachable: ", **of_others}
    (summary,) = summaries(run)
    assert (summary["unreached_hosts"], summary["unregistered_hosts"], summary["in_sync"]) == (["h1"], {}, 5)
    assert summary["api"]["calls"] == len(calls(fleet.sim))
    (warning,) = run.of(REGISTER, "h1").result["warnings"]
    assert "h1, because it was unreachable: " in warning
    assert variables["h1"]["egress_whitelist_result"]["msg"] in warning
    assert len(run.by_host(REGISTER)) == (1 if others == "in sync" else 6)


@pytest.mark.parametrize("others", ["in sync", "new"])
def test_an_error_that_is_ignored_remains_the_reason(fleet: Fleet, others: str) -> None:
    if others == "in sync":
        fleet.put_in_sync()
    fleet.sim.control("PUT", "/echo/odd", {"answer": "<html>log in first</html>"})
    fleet.lines["h1"] += f" egress_whitelist_sources=\"['{fleet.sim.api_url}/echo/odd']\""
    run = fleet.run(play("ignore_errors: true") + LOOK.lstrip("\n")).ok()
    reasons = [run.of(DETECT, "h1").result["msg"]]
    assert "uncertain" in reasons[0]
    assert seen(run)["h1"]["egress_whitelist_result"]["reasons"] == reasons
    (summary,) = summaries(run)
    assert (summary["unregistered_hosts"], summary["in_sync"]) == ({"h1": reasons}, 5)
    assert run.of(REGISTER, "h1").status == ("ok" if others == "in sync" else "failed")


RESCUED = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Register or report
      block:
        - ansible.builtin.import_role:
            name: qingguo.qgnet.egress_whitelist
      rescue:
        - name: rescued
          ansible.builtin.debug:
            msg: "{{ egress_whitelist_result.reasons }}"
"""


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
    assert numeric(fleet.sim.whitelist()) == fleet.all_addresses[2:]
    state = b"".join(path.read_bytes() for path in fleet.playground.state_dir.iterdir() if path.is_file())
    assert b"HUSH" not in state


@pytest.mark.parametrize("header", ["", "serial: 3"])
def test_a_state_that_cannot_be_evaluated_costs_no_other_host_anything(fleet: Fleet, header: str) -> None:
    # With serial, hosts that have failed are asked, too, and without, the first one is.
    broken = "h2" if header else "h1"
    fleet.lines[broken] += " egress_whitelist_state_dir=\"{{ lookup('file', '/nonexistent') }}\""
    others = {f"h{n}": [public(n)] for n in fleet.numbers if f"h{n}" != broken}
    for is_new in (True, False):
        run = fleet.run(play(header))
        assert (run.rc, run.of(DETECT, broken).status) == (2, "failed")
        assert "egress_whitelist_state_dir cannot be evaluated" in run.of(DETECT, broken).result["msg"]
        assert (registered(run), changed(run)) == (others, set(others) if is_new else set())
        assert numeric(fleet.sim.whitelist()) == [ip for ips in others.values() for ip in ips]
        assert max(summary["in_sync"] for summary in summaries(run)) == 5


@pytest.mark.newest_core
def test_verify_changes_nothing_and_fails_only_if_register_would_change_something(fleet: Fleet) -> None:
    fleet.put_in_sync()
    verify, check = "qingguo.qgnet.verify", "Fail if anything would be changed"
    at_rest = fleet.run(verify).ok()
    assert (calls(fleet.sim), [task.host for task in at_rest.tasks if task.name == check]) == ([QUERY], ["h1"])
    fleet.sim.configure(whitelist=[ip for ip in fleet.all_addresses if ip != public(3)])
    fleet.move(h2="198.51.100.2")
    before = fleet.sim.whitelist()
    run = fleet.run(verify)
    assert (run.rc, set(calls(fleet.sim)), fleet.sim.whitelist()) == (2, {QUERY}, before)
    assert run.of(check).result["msg"].split(". ") == [
        "The whitelist is not as qingguo.qgnet.register would leave it",
        f"h2: add 198.51.100.2 remove {public(2)}",
        f"h3: add {public(3)}.",
    ]
    # It left the registrations as they were, too: the former address is still known.
    fleet.run("qingguo.qgnet.register").ok()
    assert set(fleet.sim.whitelist()) == {"198.51.100.2", *fleet.all_addresses} - {public(2)}
    fleet.run(verify).ok()
    assert calls(fleet.sim) == [QUERY]


@pytest.mark.newest_core
def test_prune_keeps_a_host_that_another_run_registers_after_this_one_began(fleet: Fleet) -> None:
    fleet.playground.environment["ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED"] = "true"
    common = {"egress_whitelist_inventory_id": "fleet", "egress_whitelist_prune": "true"}
    provisioned = fleet.playground.write("provisioned", fleet.inventory(egress_whitelist_inventory_id="fleet"))
    for host in ("h4", "h5", "h6"):
        del fleet.lines[host]
    other = f"ansible-playbook -i {provisioned} --limit h4 qingguo.qgnet.register"
    apart = "environment: {QG_TEST_RECORD: /dev/null}"
    before = f"{{ansible.builtin.command: {other}, run_once: true, {apart}}}"
    run = fleet.run(play(before=before), **common).ok()
    assert set(fleet.sim.whitelist()) == {public(number) for number in (1, 2, 3, 4)}
    (summary,) = summaries(run)
    assert (summary["added"], summary["removed"]) == ([public(1), public(2), public(3)], [])
    # The host is still not in the inventory, and the next run has read it since.
    (summary,) = summaries(fleet.run(**common).ok())
    assert summary["pruned_hosts"] == {"h4": [public(4)]}


def test_prune_removes_the_addresses_of_hosts_that_left_the_inventory(fleet: Fleet) -> None:
    fleet.playground.environment["ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED"] = "true"
    common = {"egress_whitelist_inventory_id": "fleet", "egress_whitelist_prune": "true"}
    # The second host stays behind the address of the last one.
    fleet.move(h6=public(2))
    fleet.run(**common).ok()
    for host in ("h4", "h5", "h6"):
        del fleet.lines[host]

    def refused(*arguments: str, **changes: Any) -> set[str]:
        run = fleet.run(arguments=arguments, **{**common, **changes})
        assert (run.rc, calls(fleet.sim)) == (2, [])
        return {task.result["msg"] for task in run.by_host(DETECT).values()}

    assert all("--limit h1" in text for text in refused("--limit", "h1"))
    (text,) = refused(egress_whitelist_max_removals=1)
    assert text.startswith("egress_whitelist_prune: prune would remove 2 addresses of 3 hosts that the inventory no ")
    assert text.endswith("max_removals=1: h4, h5, h6. Check that the inventory is complete, then raise max_removals.")

    verify = fleet.run("qingguo.qgnet.verify", **common)
    assert (verify.rc, calls(fleet.sim)) == (2, [QUERY])
    assert f"h4: remove {public(4)}. h5: remove {public(5)}." in verify.output

    run = fleet.run(arguments=["--diff"], **common).ok()
    assert calls(fleet.sim) == [QUERY, DEL, QUERY]
    assert set(fleet.sim.whitelist()) == {public(1), public(2), public(3)}
    assert f"-{public(4)}" in run.stdout
    (summary,) = summaries(run)
    assert (summary["pruned_hosts"], summary["removed"]) == (
        {"h4": [public(4)], "h5": [public(5)]},
        [public(4), public(5)],
    )
    assert (len(changed(run)), summary["changed_hosts"], summary["in_sync"]) == (1, {}, 3)
    again = fleet.run(**common).ok()
    assert (changed(again), calls(fleet.sim)) == (set(), [QUERY])
    assert len(again.by_host(REGISTER)) == 1
