# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role egress_whitelist: what its hosts are told, what QG.net received, and what is on the whitelist then.

What follows from the state of the registrations alone is in tests/unit/plugins/test_whitelist_fleet.py.
"""

from __future__ import annotations

import concurrent.futures
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.fleet import DETECT, OTHER_KEY, REPORT, UPDATE, Fleet, RoleRun, play, public
from support.inventory_hosts import with_curl
from support.playground import ADD, DEL, QUERY, assert_says, assert_task_failed, calls, numeric

OFFICE = "198.51.100.77"
NEW, IN_SYNC, MOVED = [QUERY, ADD, QUERY], [QUERY], [QUERY, ADD, DEL, QUERY]


def use(statement: str, more: str = "", header: str = "") -> str:
    """A play that uses the role in another way than as one of its roles."""
    task = f"    - {statement}\n{more}"
    return f"- hosts: all\n  gather_facts: false\n  {header}\n  tasks:\n{task}"


IMPORT, INCLUDE = (
    f"ansible.builtin.{kind}: {{name: qingguo.qgnet.egress_whitelist}}" for kind in ("import_role", "include_role")
)

# --- strategies and ways to use the role


@pytest.mark.parametrize(
    ("playbook", "batches"),
    [
        pytest.param(play(), 1, id="linear"),
        pytest.param(play("serial: 2"), 3, id="serial"),
        pytest.param(use(IMPORT), 1, id="import"),
        pytest.param(use(INCLUDE), 1, id="include"),
        pytest.param("qingguo.qgnet.register", 1, id="playbook"),
        pytest.param(use(IMPORT, header="become: true"), 1, id="become"),
    ],
)
def test_a_batch_costs_one_write_when_new_and_one_reading_in_sync(fleet: Fleet, playbook: str, batches: int) -> None:
    fleet.sim.configure(whitelist=[OFFICE])
    first = fleet.run(playbook, arguments=["--diff"]).ok()
    assert calls(fleet.sim) == NEW * batches
    assert fleet.listed() == [OFFICE, *fleet.all_addresses]
    assert first.changed == first.in_sync == set(fleet.hosts)
    assert {host: own["added"] for host, own in first.hosts.items()} == {f"h{n}": [public(n)] for n in range(1, 7)}
    assert first.stdout.count("+++ after") == batches
    for mode in (["--check"], ["--diff"], []):
        second = fleet.run(playbook, arguments=mode).ok()
        assert calls(fleet.sim) == IN_SYNC * batches
        assert (second.changed, second.in_sync, "changed=1" in second.stdout) == (set(), set(fleet.hosts), False)
        assert len(second.by_host(REPORT)) == (1 if batches == 1 else fleet.size)


@pytest.mark.parametrize("header", ["strategy: free", "strategy: host_pinned"])
def test_without_steps_each_host_is_right_at_more_calls(fleet: Fleet, header: str) -> None:
    fleet.run(play(header)).ok()
    assert fleet.listed() == fleet.all_addresses
    assert sum(len(call["ips"]) for call in fleet.sim.journal(ADD)) == fleet.size
    again = fleet.run(play(header)).ok()
    assert (again.changed, set(calls(fleet.sim))) == (set(), {QUERY})
    fleet.make_uncertain("h3")
    run = fleet.run(play(header))
    assert (run.rc, set(run.failed(DETECT))) == (2, {"h3"})


@pytest.mark.parametrize("playbook", [play("serial: 2"), use(IMPORT, header="serial: 2")])
def test_a_batch_in_sync_does_not_speak_for_those_after_it(fleet: Fleet, playbook: str) -> None:
    fleet.put_in_sync()
    fleet.sim.configure(OTHER_KEY, whitelist=["198.51.100.6"])
    fleet.move(h6="198.51.100.6")
    run = fleet.run(playbook)
    assert (run.rc, set(run.failed(REPORT))) == (2, {"h6"})
    assert fleet.listed() == fleet.all_addresses


def test_hosts_that_moved_are_added_before_they_are_removed(fleet: Fleet) -> None:
    fleet.put_in_sync()
    fleet.move(h1="198.51.100.1", h2="198.51.100.2")
    predicted = fleet.run(arguments=["--check", "--diff"]).ok()
    assert (calls(fleet.sim), fleet.listed()) == (IN_SYNC, fleet.all_addresses)
    done = fleet.run(arguments=["--diff"]).ok()
    assert calls(fleet.sim) == MOVED
    assert fleet.listed() == ["198.51.100.1", "198.51.100.2", *fleet.all_addresses[2:]]
    assert predicted.changed == done.changed == {"h1", "h2"}
    assert predicted.hosts == done.hosts
    assert (done.hosts["h1"]["added"], done.hosts["h1"]["removed"]) == (["198.51.100.1"], [public(1)])
    assert predicted.updates[0]["diff"] == done.updates[0]["diff"]
    assert "2 added, 2 removed" in done.stderr
    assert "2 to add, 2 to remove" in predicted.stderr


def test_limit_touches_no_other_host(fleet: Fleet) -> None:
    for limit, state, left in (("h2,h4", "present", [2, 4]), ("h3", "present", [2, 3, 4]), ("h4", "absent", [2, 3])):
        fleet.run(limit=limit, state=state).ok()
        assert fleet.listed() == [public(n) for n in left]


def test_the_play_can_use_the_result_of_each_host(fleet: Fleet) -> None:
    check = "    - ansible.builtin.assert: {that: 'egress_whitelist_result.hosts[inventory_hostname].ips == [own]'}\n"
    variables = {"own": "203.0.113.{{ inventory_hostname[1:] }}"}
    fleet.run(use(IMPORT, check), variables=variables).ok()
    fleet.run(use(IMPORT, check), variables=variables).ok()


# --- hosts that fail, are skipped or cannot be reached

FAIL = "{name: trouble, ansible.builtin.fail: {msg: broken}, when: inventory_hostname == 'h1'}"


@pytest.mark.parametrize("header", ["", "serial: 2", "strategy: free"])
def test_a_failed_first_host_is_named_and_is_no_hindrance(fleet: Fleet, header: str) -> None:
    run = fleet.run(play(header, before=FAIL))
    assert (run.rc, fleet.listed(), run.unreached) == (2, fleet.all_addresses[1:], {"h1"})
    assert "1 not reached" in run.stderr


@pytest.mark.parametrize("header", ["", "ignore_unreachable: true"])
def test_an_unreachable_first_host_is_named_and_is_no_hindrance(fleet: Fleet, header: str, closed_port: int) -> None:
    fleet.run(limit="h1").ok()
    fleet.make_unreachable("h1", closed_port)
    run = fleet.run(play(header))
    assert run.of(DETECT, "h1").status == ("ok" if header else "unreachable") or header
    # Nothing is known of its address, so the one that it is registered with stays.
    assert fleet.listed() == fleet.all_addresses
    assert calls(fleet.sim) == NEW
    assert run.in_sync == set(fleet.hosts[1:])
    if not header:
        assert (run.rc, run.unreached) == (4, {"h1"})


@pytest.mark.measured
@pytest.mark.parametrize(("header", "failing"), [("", True), ("ignore_errors: true", True), ("", False)])
def test_a_host_whose_address_is_uncertain_fails_alone(fleet: Fleet, header: str, failing: bool) -> None:
    fleet.run(limit="h1").ok()
    fleet.make_uncertain("h1")
    fleet.add_to("h1", fail=failing)
    run = fleet.run(play(header))
    # Nothing was detected, so nothing is removed.
    assert fleet.listed() == fleet.all_addresses
    assert calls(fleet.sim) == NEW
    assert run.rc == (2 if failing and not header else 0)
    assert "log in first" in (run.of(DETECT, "h1").result["msg"])
    assert run.hosts.get("h1", {}).get("failed", True) is failing
    if not failing:
        assert "6 hosts: 5 in sync, 1 of unknown address, 5 added" in run.stderr


def test_a_first_host_may_skip_the_role_that_is_included(fleet: Fleet) -> None:
    fleet.run(use(INCLUDE, "      when: inventory_hostname != 'h1'\n")).ok()
    assert fleet.listed() == fleet.all_addresses[1:]


def test_a_first_host_that_skips_the_role_is_no_silent_success(fleet: Fleet) -> None:
    run = fleet.run(use(IMPORT, "      when: inventory_hostname != 'h1'\n"))
    assert (run.rc, calls(fleet.sim), set(run.failed(REPORT))) == (2, [], set(fleet.hosts[1:]))
    assert_says(run.failed(REPORT)["h2"], "the first host of the play skips the role", "include_role")


def test_another_host_may_skip_the_role(fleet: Fleet) -> None:
    fleet.run(use(IMPORT, "      when: inventory_hostname != 'h2'\n")).ok()
    assert fleet.listed() == [public(n) for n in (1, 3, 4, 5, 6)]


def test_a_network_device_is_not_registered_with_the_address_of_the_control_node(fleet: Fleet) -> None:
    fleet.lines["h4"] = fleet.lines["h4"].replace("connection=local", "connection=qg_network")
    run = fleet.run()
    assert_task_failed(run.of(DETECT, "h4"), "no POSIX shell", "give the address in ips")
    assert fleet.listed() == [ip for ip in fleet.all_addresses if ip != public(4)]
    fleet.add_to("h4", ips=[public(4)])
    fleet.run().ok()
    assert fleet.listed() == fleet.all_addresses


# --- keys and NAT


@pytest.mark.measured
def test_hosts_of_several_keys_are_written_with_one_call_for_each(fleet: Fleet) -> None:
    fleet.sim.configure(OTHER_KEY)
    fleet.add_to("h2", "h4", qg_key=OTHER_KEY)
    run = fleet.run().ok()
    assert run.changed == set(fleet.hosts)
    assert calls(fleet.sim) == NEW * 2
    assert numeric(fleet.sim.whitelist(OTHER_KEY)) == [public(2), public(4)]
    assert fleet.listed() == [public(n) for n in (1, 3, 5, 6)]
    again = fleet.run().ok()
    assert (calls(fleet.sim), again.in_sync) == (IN_SYNC * 2, set(fleet.hosts))
    # A key that is refused is the failure of its hosts alone.
    fleet.sim.configure(OTHER_KEY, status="expired")
    run = fleet.run()
    assert (run.rc, set(run.failed(REPORT))) == (2, {"h2", "h4"})
    assert run.in_sync == {"h1", "h3", "h5", "h6"}


def test_a_key_that_only_the_play_knows_is_refused_in_one_sentence(fleet: Fleet) -> None:
    fleet.sim.configure(OTHER_KEY)
    header = f"vars: {{qg_key: \"{{{{ '{OTHER_KEY}' if inventory_hostname == 'h2' else '{fleet.sim.key}' }}}}\"}}"
    run = fleet.run(play(header), qg_key=None)
    assert_says(run.failed(REPORT)["h2"], "h2 has another key than the first host", "inventory")
    assert fleet.listed() == [ip for ip in fleet.all_addresses if ip != public(2)]


def test_an_address_of_several_hosts_stays_until_the_last_of_them_leaves(fleet: Fleet) -> None:
    fleet.move(h5=public(1), h6=public(1))
    fleet.run().ok()
    assert fleet.listed() == fleet.all_addresses[:4]
    fleet.move(h1="198.51.100.1")
    run = fleet.run().ok()
    assert public(1) in fleet.listed()
    fleet.run(limit="h5", state="absent").ok()
    run = fleet.run(limit="h6", state="absent").ok()
    assert run.hosts["h6"]["removed"] == [public(1)]
    assert fleet.listed() == ["198.51.100.1", *fleet.all_addresses[1:4]]


def test_a_host_with_several_addresses_needs_as_many_samples(fleet: Fleet) -> None:
    fleet.report("h1", public(1), OFFICE)
    fleet.lines["h1"] = "ansible_connection=local"
    fleet.add_to("h1", sources=[f"{fleet.sim.api_url}/echo/h1"])
    both = numeric([public(1), OFFICE])
    assert fleet.run(limit="h1", samples=2).ok().hosts["h1"]["ips"] == fleet.listed() == both


# --- refusals and errors


@pytest.mark.measured
@pytest.mark.parametrize("fail", [True, False])
def test_one_address_bound_to_another_key_is_one_hosts_trouble(fleet: Fleet, fail: bool) -> None:
    fleet.sim.configure(OTHER_KEY, whitelist=[public(1)])
    run = fleet.run(fail=fail)
    assert (run.rc, set(run.failed(REPORT))) == ((2, {"h1"}) if fail else (0, set()))
    assert run.changed == set(fleet.hosts) - {"h1"}
    assert fleet.listed() == fleet.all_addresses[1:]
    own = run.of(REPORT, "h1").result
    assert_says(own if fail else {"msg": own["warnings"][0]}, public(1), "-206")


@pytest.mark.parametrize("path", [QUERY, ADD])
def test_an_error_of_the_whole_run_fails_all_with_few_calls(fleet: Fleet, path: str) -> None:
    fleet.sim.fault(path=path, kind="code", code=-12, times=-1)
    run = fleet.run(fail=False)
    assert run.rc == 2
    assert len(calls(fleet.sim)) <= 4
    assert "-12" in run.output
    # Without a reading, nothing is known of any host.
    assert set(run.failed(REPORT)) == (set(fleet.hosts) if path == ADD else set())
    assert fleet.listed() == []


def test_a_lost_answer_is_no_trouble_of_the_fleet(fleet: Fleet) -> None:
    fleet.sim.fault(path=ADD, kind="reset_after")
    assert fleet.run().ok().changed == set(fleet.hosts)
    assert calls(fleet.sim) == NEW


# --- deregistering


def test_deregistering_contacts_no_host_and_removes_what_was_registered(fleet: Fleet, closed_port: int) -> None:
    fleet.put_in_sync()
    fleet.sim.configure(whitelist=[OFFICE, *fleet.all_addresses])
    fleet.make_unreachable("h1", closed_port)
    predicted = fleet.run(arguments=["--check"], state="absent").ok()
    assert calls(fleet.sim) == IN_SYNC
    run = fleet.run(state="absent").ok()
    assert (calls(fleet.sim), fleet.sim.whitelist()) == ([QUERY, DEL, QUERY], [OFFICE])
    assert predicted.changed == run.changed == set(fleet.hosts)
    again = fleet.run(state="absent").ok()
    assert (again.changed, calls(fleet.sim)) == (set(), IN_SYNC)


def test_deregister_asks_which_hosts_are_meant(fleet: Fleet) -> None:
    fleet.put_in_sync()
    run = fleet.run("qingguo.qgnet.deregister")
    assert (run.rc, calls(fleet.sim), "--limit or qg_hosts" in run.output) == (2, [], True)
    fleet.run("qingguo.qgnet.deregister", limit="h1").ok()
    fleet.run("qingguo.qgnet.deregister", variables={"qg_hosts": "h2"}).ok()
    assert fleet.listed() == fleet.all_addresses[2:]
    fleet.run("qingguo.qgnet.deregister", variables={"qg_all": True}).ok()
    assert fleet.listed() == []


@pytest.mark.parametrize("other", [{"qg_hosts": "h1"}, {"qg_all": True}])
def test_hosts_are_deregistered_by_one_choice_alone(fleet: Fleet, other: dict[str, Any]) -> None:
    fleet.put_in_sync()
    run = fleet.run(DEREGISTER, variables={"qg_forget": ["h2"], **other})
    assert (run.rc, calls(fleet.sim), fleet.listed()) == (2, [], fleet.all_addresses)
    assert "Choose the hosts in one way" in " ".join(run.output.split())


@pytest.mark.measured
def test_forgetting_hosts_that_left_the_inventory(fleet: Fleet) -> None:
    fleet.put_in_sync()
    inventory = fleet.playground.write("hosts", fleet.inventory())
    del fleet.lines["h1"], fleet.lines["h2"]
    assert inventory.exists()
    verify = fleet.run("qingguo.qgnet.verify")
    assert (verify.rc, calls(fleet.sim)) == (2, IN_SYNC)
    shown = " ".join(verify.output.split())
    assert f"h1 is registered with {public(1)}, and not in the inventory any more" in shown
    assert "qg_forget=h1" in shown
    wrong = fleet.run("qingguo.qgnet.deregister", variables={"qg_forget": ["h9"]})
    assert (wrong.rc, calls(fleet.sim), "'h9', which is not registered" in wrong.output) == (2, [], True)
    fleet.run("qingguo.qgnet.deregister", variables={"qg_forget": ["h1", "h2"]}).ok()
    assert fleet.listed() == fleet.all_addresses[2:]
    fleet.run("qingguo.qgnet.verify").ok()


#: The ways to choose the hosts to deregister.
CHOICES: dict[str, Callable[[list[str]], dict[str, Any]]] = {
    "limit": lambda hosts: {"limit": ",".join(hosts)},
    "qg_hosts": lambda hosts: {"variables": {"qg_hosts": ":".join(hosts)}},
    "qg_forget": lambda hosts: {"variables": {"qg_forget": hosts}},
}
DEREGISTER = "qingguo.qgnet.deregister"


def advised(warning: str) -> dict[str, Any]:
    """The arguments of the run that a warning advises."""
    words = shlex.split(warning.partition("run qingguo.qgnet.deregister again")[2])
    assert words, warning
    return {"arguments": [word for word in words if word not in ("without", "--limit", "and", "with")]}


def test_hosts_that_stay_listed_are_named_however_they_were_chosen(fleet: Fleet) -> None:
    outcomes = []
    for choice in CHOICES.values():
        shutil.rmtree(fleet.playground.store, ignore_errors=True)
        fleet.sim.configure(whitelist=[public(4)])
        fleet.move(h3=public(6))
        fleet.run(limit="h1,h3,h4,h5,h6").ok()
        fleet.run(limit="h1,h2", inventory_id="other").ok()
        hosts = choice(["h1", "h2", "h3", "h4", "h5"])
        predicted = fleet.run(DEREGISTER, **{**hosts, "arguments": ["--check"]}).ok()
        run = fleet.run(DEREGISTER, **hosts).ok()
        assert fleet.listed() == [public(n) for n in (1, 2, 4, 6)]
        assert predicted.updates[0]["warnings"] == run.updates[0]["warnings"]
        assert "5 hosts: 1 checked, 3 kept for others, 1 there before, 1 to remove" in predicted.stderr
        assert "5 hosts: 1 in sync, 3 kept for others, 1 there before, 1 removed" in run.stderr
        for_others, there_before = run.updates[0]["warnings"]
        assert for_others.startswith(
            f"3 hosts stay on the whitelist for others: {public(1)} of h1 (registered for h1 of the inventory other), "
            f"{public(2)} of h2 (registered for h2 of the inventory other), {public(6)} of h3 (registered for h6 of "
        )
        assert there_before.startswith(f"1 host stays on the whitelist: {public(4)} of h4 (listed before")
        shown = " ".join(run.output.split())
        assert "3 hosts stay on the whitelist for others" in shown
        outcomes.append((run.updates[0]["hosts"], run.updates[0]["warnings"], run.updates[0]["removed"]))
    assert outcomes[0] == outcomes[1] == outcomes[2]


def warnings(run: RoleRun) -> list[list[str]]:
    """The warnings of each batch; Ansible leaves out an empty list."""
    return [update.get("warnings", []) for update in run.updates]


@pytest.mark.measured
@pytest.mark.parametrize("choice", CHOICES)
def test_a_host_that_stays_for_its_name_elsewhere_goes_as_the_warning_says(fleet: Fleet, choice: str) -> None:
    hosts = CHOICES[choice](["h1", "h2"])
    fleet.run(limit="h1,h2").ok()
    fleet.run(limit="h1,h2,h3", inventory_id="old hosts").ok()
    ((warning,),) = warnings(fleet.run(DEREGISTER, **hosts).ok())
    assert fleet.listed() == [public(n) for n in (1, 2, 3)]
    run = fleet.run(DEREGISTER, **{**hosts, **advised(warning)}).ok()
    assert (warnings(run), fleet.listed()) == ([[]], [public(3)])


@pytest.mark.parametrize("choice", CHOICES)
def test_a_host_that_stays_for_others_goes_as_the_warnings_say(fleet: Fleet, choice: str) -> None:
    fleet.move(h2=public(1), h3=public(1))
    fleet.run(limit="h1,h2").ok()
    fleet.run(limit="h3", inventory_id="/etc/old hosts").ok()
    run = fleet.run(DEREGISTER, **CHOICES[choice](["h1"])).ok()
    followed = 0
    while warnings(run) != [[]]:
        assert fleet.listed() == [public(1)]
        ((warning,),) = warnings(run)
        run = fleet.run(DEREGISTER, **advised(warning)).ok()
        followed += 1
    assert (followed, fleet.listed()) == (2, [])


@pytest.mark.parametrize("choice", CHOICES)
def test_a_host_that_cannot_be_deregistered_fails_the_run(fleet: Fleet, choice: str) -> None:
    fleet.put_in_sync()
    fleet.sim.fault(path=DEL, kind="code", code=-12, times=-1)
    run = fleet.run(DEREGISTER, **CHOICES[choice](["h1"]))
    assert (run.rc, fleet.listed()) == (2, fleet.all_addresses)
    assert "1 host: 1 with an error" in run.stderr
    (failed,) = run.failed(REPORT).values()
    assert_says(failed, f"{public(1)} could not be removed", "-12")


@pytest.mark.parametrize("choice", CHOICES)
def test_a_host_is_deregistered_with_its_own_key_and_addresses(fleet: Fleet, choice: str) -> None:
    fleet.sim.configure(OTHER_KEY)
    fleet.add_to("h2", qg_key=OTHER_KEY)
    fleet.run().ok()
    fleet.sim.configure(whitelist=[OFFICE, *fleet.listed()])
    fleet.add_to("h3", ips=OFFICE)
    fleet.run(DEREGISTER, **CHOICES[choice](["h2", "h3"])).ok()
    assert (fleet.sim.whitelist(OTHER_KEY), fleet.listed()) == ([], [public(n) for n in (1, 4, 5, 6)])


def test_what_was_there_before_can_be_removed_as_the_warning_says(fleet: Fleet) -> None:
    fleet.sim.configure(whitelist=[public(1)])
    fleet.run(limit="h1").ok()
    (warning,) = fleet.run(DEREGISTER, limit="h1").ok().updates[0]["warnings"]
    words = shlex.split(warning.partition("run: ansible localhost ")[2])
    assert words[:3] == ["-m", "qingguo.qgnet.qg_whitelist", "-a"]
    task = f"- hosts: localhost\n  gather_facts: false\n  tasks:\n    - {words[1]}: {words[3]}\n"
    fleet.run(task).ok()
    assert fleet.listed() == []


def test_batches_that_deregister_warn_only_of_hosts_that_stay(fleet: Fleet) -> None:
    fleet.move(h2=public(1), h4=public(1), h5=public(1))
    fleet.run().ok()
    run = fleet.run(play("serial: 2"), limit="h1,h2,h3,h4", state="absent").ok()
    assert [len(texts) for texts in warnings(run)] == [1, 1]
    fleet.run(limit="h1,h2").ok()
    run = fleet.run(play("serial: 1"), limit="h1,h2,h5", state="absent").ok()
    assert warnings(run) == [[], [], []]
    assert public(1) not in fleet.listed()


def test_verify_names_each_difference_and_changes_nothing(fleet: Fleet) -> None:
    fleet.put_in_sync()
    fleet.run("qingguo.qgnet.verify").ok()
    fleet.move(h2="198.51.100.2")
    run = fleet.run("qingguo.qgnet.verify")
    assert (run.rc, fleet.listed()) == (2, fleet.all_addresses)
    assert f"h2: add 198.51.100.2 remove {public(2)}." in " ".join(run.output.split())


PRUNE = {"prune": True, "inventory_id": "fleet"}
UNPARSED = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"}


@pytest.mark.measured
def test_prune_is_refused_where_the_inventory_may_be_incomplete(fleet: Fleet) -> None:
    run = fleet.run(**PRUNE)
    assert (run.rc, calls(fleet.sim), "ANY_UNPARSED" in run.output) == (2, [], True)
    run = fleet.run(limit="h1", environment=UNPARSED, **PRUNE)
    assert (run.rc, calls(fleet.sim), "prune is refused with --limit h1" in run.output) == (2, [], True)


@pytest.mark.measured
def test_prune_waits_for_all_hosts_and_spares_those_registered_today(fleet: Fleet, closed_port: int) -> None:
    fleet.run(inventory_id="fleet").ok()
    del fleet.lines["h6"]
    fleet.run(environment=UNPARSED, **PRUNE).ok()
    assert fleet.listed() == fleet.all_addresses
    fleet.make_unreachable("h1", closed_port)
    run = fleet.run(environment=UNPARSED, **PRUNE)
    assert "prune has removed nothing, because h1 did not report" in run.updates[0]["warnings"][0]


# --- several control nodes, and slices of a job


def test_slices_of_a_job_register_all_hosts(fleet: Fleet) -> None:
    """As AWX does it: each slice is a run of its own with some of the hosts, on a state that they share."""
    slices = [["h1", "h3", "h5"], ["h2", "h4", "h6"]]
    inventory = fleet.inventory(inventory_id="fleet")

    def run(number: int) -> RoleRun:
        own = type(fleet.playground)(fleet.playground.root / f"node{number}", fleet.playground.minute)
        own.environment["QG_STORE"] = str(fleet.playground.store)
        arguments = ["--limit", ",".join(slices[number])]
        return RoleRun(**vars(own.play(play(), inventory=inventory, arguments=arguments)))

    with concurrent.futures.ThreadPoolExecutor() as pool:
        found = list(pool.map(run, (0, 1)))
    for part, hosts in zip(found, slices, strict=True):
        assert part.ok().changed == set(hosts)
    assert fleet.listed() == fleet.all_addresses


# --- hostile hosts


@pytest.mark.parametrize(
    ("curl", "says"),
    [
        ("for n in 1 2 3 4 5 6 7 8 9; do echo 192.0.2.$n; done", "is not an address"),
        ("echo 10.0.0.1", "not an address of the public internet"),
        ("cat /dev/urandom | head -c 100000", "uncertain"),
        ("printf '\\033[2J%0900d\\r\\n' 9", "is not an address"),
        ("exit 7", "no connection"),
        ("kill -9 $PPID", "no response"),
        (
            (
                "nonce=$(tr '\\0' '\\n' </proc/$PPID/cmdline | grep -o 'qg[0-9a-f]\\{24\\}' | head -n 1); "
                "for n in 1 2 3; do printf '\\n%s 0 0 192.0.2.%s\\n%s.\\n' $nonce $n $nonce; done; echo 192.0.2.1"
            ),
            "more responses than requested",
        ),
    ],
)
def test_a_hostile_host_fails_alone(fleet: Fleet, tmp_path: Path, curl: str, says: str) -> None:
    sources = fleet.lines["h6"].partition("egress_")
    fleet.lines["h6"] = f"{with_curl(tmp_path, curl)} egress_{sources[2]}"
    run = fleet.run()
    assert (run.rc, set(run.failed(DETECT))) == (2, {"h6"})
    assert_task_failed(run.of(DETECT, "h6"), says)
    assert fleet.listed() == fleet.all_addresses[:5]


def test_a_hostile_host_removes_nothing_that_was_not_registered_for_it(fleet: Fleet) -> None:
    fleet.put_in_sync()
    fleet.sim.configure(whitelist=[OFFICE, *fleet.all_addresses])
    for claimed in (OFFICE, public(1), public(6)):
        fleet.move(h6=claimed)
        fleet.run().ok()
        assert {OFFICE, *fleet.all_addresses[:5]} <= set(fleet.listed())


# --- the entry point verify


def test_verify_through_a_proxy_waits_until_it_lets_the_host_in(fleet: Fleet) -> None:
    proxy = fleet.sim.configure(exit="198.51.100.200")["proxy_url"]
    fleet.sim.control("PUT", "/map", {"127.0.0.1": public(1)})
    verify = "    - ansible.builtin.include_role: {name: qingguo.qgnet.egress_whitelist, tasks_from: verify}\n"
    check = "    - ansible.builtin.assert: {that: egress_whitelist_verified.ip == '198.51.100.200'}\n"
    variables = {"egress_whitelist_proxy": proxy, "egress_whitelist_sources": [f"{fleet.sim.api_url}/ip"]}
    fleet.run(
        use(IMPORT, verify + check), limit="h1", variables={**variables, "egress_whitelist_ips": [public(1)]}
    ).ok()


# --- variables


@pytest.mark.measured
@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (
            {"egress_whitelist_sample": 3},
            "egress_whitelist_sample does not exist: did you mean egress_whitelist_samples?",
        ),
        ({"egress_whitelist_key": "x"}, "egress_whitelist_key does not exist"),
        ({"egress_whitelist_adopt": True}, "egress_whitelist_adopt does not exist"),
        ({"egress_whitelist_ips": []}, "ips comes from egress_whitelist_ips."),
        ({"egress_whitelist_ips": None}, "ips is null"),
        ({"egress_whitelist_forget": ["h1"]}, "forget deregisters hosts: set state=absent"),
        ({"egress_whitelist_state": "gone"}, "give present or absent"),
        ({"egress_whitelist_quorum": 3}, "quorum comes from egress_whitelist_quorum."),
        ({"egress_whitelist_ips": ["10.0.0.1"]}, "ips contains 10.0.0.1"),
        ({"egress_whitelist_ips": ["2001:db8::1"]}, "give single IPv4 addresses"),
        (
            {"egress_whitelist_max_removals": "many"},
            "is not a whole number: give one, such as 5. max_removals comes from egress_whitelist_max_removals.",
        ),
    ],
)
def test_a_wrong_variable_is_refused_by_name(fleet: Fleet, variables: dict[str, Any], says: str) -> None:
    run = fleet.run(limit="h1", variables=variables)
    assert (run.rc, calls(fleet.sim)) == (2, [])
    assert_task_failed(run.of(DETECT, "h1"), says)


def test_empty_and_null_variables_count_as_unset(fleet: Fleet) -> None:
    variables = {"egress_whitelist_state": None, "egress_whitelist_quorum": "", "egress_whitelist_inventory_id": None}
    fleet.run(limit="h1", variables=variables).ok()
    assert fleet.listed() == [public(1)]


def test_the_key_is_in_no_result(fleet: Fleet) -> None:
    run = fleet.run(arguments=["-vvv"]).ok()
    assert fleet.sim.key not in run.output
    assert all(fleet.sim.key not in str(task.result) for task in run.tasks)
    assert [task.status for task in run.tasks if task.name == UPDATE] == ["ok"]
