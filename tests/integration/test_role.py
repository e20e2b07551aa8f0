# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role egress_whitelist: what its hosts are told, what QG.net received, and what is on the
whitelist then.

What follows from the state of the registrations alone is in
tests/unit/plugins/test_whitelist_fleet.py.
"""

from __future__ import annotations

import concurrent.futures
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from integration.fleet import (
    DETECT,
    OTHER_KEY,
    REPORT,
    Fleet,
    RoleRun,
    play,
    public,
    variable,
)
from integration.inventory_hosts import with_curl
from integration.playground import (
    ADD,
    DEL,
    QUERY,
    Playground,
    assert_says,
    assert_task_failed,
    calls,
    numeric,
)
from qgnet_simulator.running import Simulator
from support import phrases
from support.parameters import slow_cases

OFFICE = "198.51.100.77"
NEW = [QUERY, ADD, QUERY]
IN_SYNC = [QUERY]
MOVED = [QUERY, ADD, DEL, QUERY]
IMPORT = "ansible.builtin.import_role: {name: qingguo.qgnet.egress_whitelist}"
INCLUDE = "ansible.builtin.include_role: {name: qingguo.qgnet.egress_whitelist}"
DEREGISTER = "qingguo.qgnet.deregister"
VERIFY = "qingguo.qgnet.verify"


def use(statement: str, more: str = "", header: str = "") -> str:
    """A play that uses the role in another way than as one of its roles."""
    return f"""
- hosts: all
  gather_facts: false
  {header}
  tasks:
    - {statement}
{more}"""


def shown(run: RoleRun) -> str:
    """All that a person would have seen, in one line."""
    return " ".join(run.output.split())


# --- strategies and ways to use the role


#: Plays that use the role in each way, for hosts of their own, which are two batches of the second.
WAYS = "".join(
    text.replace("'all'", f"'{hosts}'").replace("hosts: all", f"hosts: {hosts}")
    for hosts, text in {
        "h1:h2": play(),
        "h3:h4:h5:h6": play("serial: 2"),
        "h7:h8": use(INCLUDE),
        "h9:h10": use(IMPORT, header="become: true"),
    }.items()
)
WAYS += """
- ansible.builtin.import_playbook: qingguo.qgnet.register
  vars: {qg_hosts: "h11:h12"}
"""
BATCHES = 6


def test_a_batch_costs_one_write_when_new_and_one_reading_in_sync(
    sim: Simulator, playground: Playground
) -> None:
    fleet = Fleet(sim, playground, size=12)
    fleet.sim.configure(whitelist=[OFFICE])

    first = fleet.run(WAYS, arguments=["--diff"]).ok()

    assert calls(fleet.sim) == NEW * BATCHES
    assert fleet.listed() == [OFFICE, *fleet.all_addresses]
    assert first.changed == set(fleet.hosts)
    assert first.in_sync == set(fleet.hosts)
    for number in range(1, fleet.size + 1):
        assert first.hosts[f"h{number}"]["added"] == [public(number)]
    assert first.stdout.count("+++ after") == BATCHES

    second = fleet.run(WAYS, arguments=["--diff"]).ok()

    assert calls(fleet.sim) == IN_SYNC * BATCHES
    assert second.changed == set()
    assert second.in_sync == set(fleet.hosts)
    assert "changed=1" not in second.stdout
    # One host reports for all, unless they run in batches.
    reporting = {"h1", "h3", "h4", "h5", "h6", "h7", "h9", "h11"}
    assert second.by_host(REPORT).keys() == reporting


@pytest.mark.parametrize("header", ["strategy: free", *slow_cases("strategy: host_pinned")])
def test_without_steps_each_host_is_right_at_more_calls(fleet: Fleet, header: str) -> None:
    fleet.run(play(header)).ok()

    assert fleet.listed() == fleet.all_addresses
    assert sum(len(call["ips"]) for call in fleet.sim.journal(ADD)) == fleet.size

    fleet.make_uncertain("h3")
    again = fleet.run(play(header))

    assert again.rc == 2
    assert set(again.failed(DETECT)) == {"h3"}
    assert again.changed == set()
    assert set(calls(fleet.sim)) == {QUERY}


@pytest.mark.parametrize(
    "playbook", [use(IMPORT, header="serial: 2"), *slow_cases(play("serial: 2"))]
)
def test_a_batch_in_sync_does_not_speak_for_those_after_it(fleet: Fleet, playbook: str) -> None:
    fleet.put_in_sync()
    fleet.sim.configure(OTHER_KEY, whitelist=["198.51.100.4"])
    fleet.move(h4="198.51.100.4")

    run = fleet.run(playbook)

    assert run.rc == 2
    assert set(run.failed(REPORT)) == {"h4"}
    assert fleet.listed() == fleet.all_addresses


def test_hosts_that_moved_are_added_before_they_are_removed(fleet: Fleet) -> None:
    fleet.put_in_sync()
    fleet.move(h1="198.51.100.1", h2="198.51.100.2")

    predicted = fleet.run(arguments=["--check", "--diff"]).ok()

    assert calls(fleet.sim) == IN_SYNC
    assert fleet.listed() == fleet.all_addresses

    done = fleet.run(arguments=["--diff"]).ok()

    assert calls(fleet.sim) == MOVED
    assert fleet.listed() == ["198.51.100.1", "198.51.100.2", *fleet.all_addresses[2:]]
    assert done.hosts["h1"]["added"] == ["198.51.100.1"]
    assert done.hosts["h1"]["removed"] == [public(1)]
    assert done.changed == {"h1", "h2"}
    assert predicted.changed == done.changed
    assert predicted.hosts == done.hosts
    assert predicted.updates[0]["diff"] == done.updates[0]["diff"]
    assert phrases.TWO_MOVED in done.stderr
    assert phrases.TWO_TO_MOVE in predicted.stderr


def test_the_play_can_use_the_result_of_each_host_and_touches_no_other(fleet: Fleet) -> None:
    check = (
        "    - ansible.builtin.assert:\n        that: "
        "egress_whitelist_result.hosts[inventory_hostname].ips == [own]\n"
    )
    variables = {"own": "203.0.113.{{ inventory_hostname[1:] }}"}

    fleet.put_in_sync()
    fleet.move(h1="198.51.100.1", h4="198.51.100.4")

    fleet.run(use(IMPORT, check), limit="h2,h3", variables=variables).ok()

    assert fleet.listed() == fleet.all_addresses


# --- hosts that fail, are skipped or cannot be reached

FAIL = "{name: trouble, ansible.builtin.fail: {msg: broken}, when: inventory_hostname == 'h1'}"


@pytest.mark.parametrize("header", ["", "strategy: free", *slow_cases("serial: 2")])
def test_a_failed_first_host_is_named_and_is_no_hindrance(fleet: Fleet, header: str) -> None:
    run = fleet.run(play(header, before=FAIL))

    assert run.rc == 2
    assert fleet.listed() == fleet.all_addresses[1:]
    assert run.unreached == {"h1"}
    assert phrases.ONE_NOT_REACHED in run.stderr


@pytest.mark.measured
def test_hosts_that_are_unreachable_or_uncertain_keep_their_addresses(
    fleet: Fleet, closed_port: int
) -> None:
    fleet.put_in_sync()
    fleet.make_unreachable("h1", closed_port)
    fleet.make_uncertain("h2")
    fleet.move(h3="198.51.100.3")
    expected = [public(1), public(2), public(4)]

    run = fleet.run()

    assert run.rc == 4
    assert run.of(DETECT, "h1").status == "unreachable"
    assert phrases.LOG_IN in run.of(DETECT, "h2").result["msg"]
    assert run.unreached == {"h1", "h2"}
    assert run.in_sync == {"h3", "h4"}
    assert calls(fleet.sim) == MOVED
    assert fleet.listed() == ["198.51.100.3", *expected]

    run = fleet.run(play("ignore_unreachable: true\n  ignore_errors: true"))

    assert run.rc == 0
    assert run.hosts["h1"]["failed"] is True
    assert run.hosts["h2"]["failed"] is True
    assert run.in_sync == {"h3", "h4"}
    assert fleet.listed() == ["198.51.100.3", *expected]


@pytest.mark.newest
@pytest.mark.measured
def test_a_first_host_of_unknown_address_may_be_tolerated(fleet: Fleet) -> None:
    fleet.put_in_sync()
    fleet.make_uncertain("h1")
    fleet.set("h1", fail=False)
    fleet.move(h2="198.51.100.2")

    run = fleet.run()

    assert run.rc == 0
    assert phrases.LOG_IN in run.of(DETECT, "h1").result["msg"]
    assert run.hosts["h1"]["failed"] is False
    assert phrases.ONE_OF_UNKNOWN_ADDRESS in run.stderr
    assert fleet.listed() == ["198.51.100.2", public(1), public(3), public(4)]


@pytest.mark.measured
def test_a_first_host_may_skip_the_role_only_if_it_is_included(fleet: Fleet) -> None:
    run = fleet.run(use(IMPORT, "      when: inventory_hostname != 'h1'\n"))

    assert run.rc == 2
    assert calls(fleet.sim) == []
    assert set(run.failed(REPORT)) == set(fleet.hosts[1:])
    assert_says(run.failed(REPORT)["h2"], phrases.FIRST_HOST_SKIPS, "include_role")

    fleet.run(use(INCLUDE, "      when: inventory_hostname != 'h1'\n")).ok()

    assert fleet.listed() == fleet.all_addresses[1:]


@pytest.mark.newest
def test_what_a_host_has_detected_is_used_only_once(fleet: Fleet) -> None:
    """A later use of the role, which the host skips, does not add its address again."""
    deregistered = f"""
    - qingguo.qgnet.qg_whitelist: {{state: absent, ips: ["{public(2)}"]}}
      run_once: true
    - {INCLUDE}
      when: inventory_hostname != 'h2'
"""

    fleet.playground.environment[phrases.ANY_UNPARSED] = "true"
    run = fleet.run(use(INCLUDE, deregistered), prune=True).ok()

    assert fleet.listed() == [public(1), public(3), public(4)]
    assert calls(fleet.sim) == [*NEW, QUERY, DEL, QUERY, *IN_SYNC]
    assert not any(run.warnings)
    # What a play can use is then the result of before.
    assert run.updates[-1]["hosts"]["h2"]["added"] == [public(2)]


def test_a_network_device_is_not_registered_with_the_address_of_the_control_node(
    fleet: Fleet,
) -> None:
    fleet.add("h4", "ansible_connection=qg_network")

    run = fleet.run()

    assert_task_failed(run.of(DETECT, "h4"), phrases.NO_POSIX_SHELL, phrases.GIVE_THE_ADDRESS)
    assert fleet.listed() == fleet.all_addresses[:3]

    fleet.set("h4", ips=[public(4)])
    # Any host but the first one may skip the role.
    fleet.run(use(IMPORT, "      when: inventory_hostname != 'h2'\n")).ok()

    assert fleet.listed() == fleet.all_addresses


# --- keys and NAT


@pytest.mark.newest
@pytest.mark.measured
def test_hosts_of_several_keys_are_written_with_one_call_for_each(fleet: Fleet) -> None:
    fleet.sim.configure(OTHER_KEY)
    fleet.set("h2", "h4", qg_key=OTHER_KEY)

    run = fleet.run().ok()

    assert run.changed == set(fleet.hosts)
    assert calls(fleet.sim) == NEW * 2
    assert numeric(fleet.sim.whitelist(OTHER_KEY)) == [public(2), public(4)]
    assert fleet.listed() == [public(1), public(3)]

    fleet.sim.configure(OTHER_KEY, status="expired")
    run = fleet.run()

    # A key that is refused is the failure of its hosts alone.
    assert run.rc == 2
    assert set(run.failed(REPORT)) == {"h2", "h4"}
    assert run.in_sync == {"h1", "h3"}
    assert fleet.sim.journal(ADD) == []


@pytest.mark.newest
def test_no_host_gets_the_password_or_the_inventory_of_another_one(fleet: Fleet) -> None:
    """Some other hosts have the same key, and another name for their inventory."""
    password = "a1b2c3d4e5f6"
    fleet.sim.configure(api_auth=True, pwd=password)
    fleet.sim.configure(OTHER_KEY)
    fleet.set("h1", qg_password=password, qg_inventory_id="first")
    fleet.set("h2", "h4", qg_key=OTHER_KEY)
    fleet.set("h3", qg_password=password)

    fleet.run().ok()

    assert fleet.listed() == [public(1), public(3)]
    assert numeric(fleet.sim.whitelist(OTHER_KEY)) == [public(2), public(4)]
    # Each host is registered in its own inventory, where a later run looks for it.
    fleet.run(limit="h2,h3", state="absent").ok()

    assert fleet.listed() == [public(1)]
    assert fleet.sim.whitelist(OTHER_KEY) == [public(4)]


@pytest.mark.measured
def test_a_key_that_only_the_play_knows_is_refused_in_one_sentence(fleet: Fleet) -> None:
    fleet.sim.configure(OTHER_KEY)
    expression = f"'{OTHER_KEY}' if inventory_hostname == 'h2' else '{fleet.sim.key}'"

    run = fleet.run(play(f'vars: {{qg_key: "{{{{ {expression} }}}}"}}'), qg_key=None)

    assert_says(run.failed(REPORT)["h2"], "h2", phrases.ANOTHER_KEY, phrases.IN_THE_INVENTORY)
    assert fleet.listed() == [public(1), public(3), public(4)]


@pytest.mark.newest
def test_a_host_with_several_addresses_needs_as_many_samples(fleet: Fleet) -> None:
    fleet.report("h1", public(1), OFFICE)
    fleet.set("h1", sources=[f"{fleet.sim.api_url}/echo/h1"])

    run = fleet.run(limit="h1", samples=2).ok()

    assert fleet.listed() == numeric([public(1), OFFICE])
    assert run.hosts["h1"]["ips"] == fleet.listed()


# --- refusals and errors


@pytest.mark.newest
@pytest.mark.measured
def test_an_address_bound_to_another_key_is_one_hosts_trouble(fleet: Fleet) -> None:
    """It fails the host, unless this is not wanted."""
    bound = [public(1), public(2)]
    fleet.sim.configure(OTHER_KEY, whitelist=bound)
    fleet.set("h2", fail=False)

    run = fleet.run()

    assert run.rc == 2
    assert set(run.failed(REPORT)) == {"h1"}
    assert run.changed == {"h3", "h4"}
    assert fleet.listed() == fleet.all_addresses[2:]
    assert_says(run.of(REPORT, "h1").result, bound[0], "-206")
    (warning,) = run.of(REPORT, "h2").result["warnings"]
    assert_says({"msg": warning}, bound[1], "-206")


@pytest.mark.newest
@pytest.mark.parametrize(("path", "has_outcome"), [(QUERY, False), (ADD, True)])
def test_an_error_of_the_whole_run_fails_all_with_few_calls(
    fleet: Fleet, path: str, has_outcome: bool
) -> None:
    fleet.sim.fault(path=path, kind="code", code=-12, times=-1)

    run = fleet.run(fail=False)

    assert run.rc == 2
    assert len(calls(fleet.sim)) <= 4
    assert "-12" in run.output
    # Without a reading, nothing is known of any host.
    assert set(run.failed(REPORT)) == (set(fleet.hosts) if has_outcome else set())
    assert fleet.listed() == []


def test_a_lost_response_is_no_trouble_and_the_key_is_in_no_result(fleet: Fleet) -> None:
    fleet.sim.fault(path=ADD, kind="reset_after")

    run = fleet.run(arguments=["-vvv"]).ok()

    assert run.changed == set(fleet.hosts)
    assert calls(fleet.sim) == NEW
    assert fleet.sim.key not in run.output
    assert [task.name for task in run.tasks if fleet.sim.key in str(task.result)] == []
    assert len(run.updates) == 1


# --- deregistering


def by_limit(*hosts: str) -> dict[str, Any]:
    return {"limit": ",".join(hosts)}


def by_hosts(*hosts: str) -> dict[str, Any]:
    return {"variables": {"qg_hosts": ":".join(hosts)}}


def by_forget(*hosts: str) -> dict[str, Any]:
    return {"variables": {"qg_forget": list(hosts)}}


#: The ways to choose the hosts to deregister.
Choice = Callable[..., dict[str, Any]]
CHOICES: list[Choice] = [by_limit, by_hosts, by_forget]


def test_deregistering_contacts_no_host_and_removes_what_was_registered(
    fleet: Fleet, closed_port: int
) -> None:
    fleet.put_in_sync()
    fleet.sim.configure(whitelist=[OFFICE, *fleet.all_addresses])
    fleet.make_unreachable("h1", closed_port)

    predicted = fleet.run(arguments=["--check"], state="absent").ok()

    assert calls(fleet.sim) == IN_SYNC
    assert predicted.changed == set(fleet.hosts)

    run = fleet.run(state="absent").ok()

    assert calls(fleet.sim) == [QUERY, DEL, QUERY]
    assert fleet.sim.whitelist() == [OFFICE]
    assert run.changed == set(fleet.hosts)


def test_deregister_asks_which_hosts_are_meant(fleet: Fleet) -> None:
    fleet.put_in_sync()
    refusals: list[tuple[dict[str, Any], str]] = [
        ({}, phrases.LIMIT_OR_QG_HOSTS),
        ({"qg_forget": ["h2"], "qg_all": True}, phrases.CHOOSE_IN_ONE_WAY),
    ]
    for variables, sentence in refusals:
        run = fleet.run(DEREGISTER, variables=variables)
        assert run.rc == 2
        assert calls(fleet.sim) == []
        assert sentence in shown(run)

    fleet.run(DEREGISTER, variables={"qg_all": True}).ok()

    assert fleet.listed() == []


@pytest.mark.measured
def test_hosts_that_moved_or_left_the_inventory_are_named_and_can_be_forgotten(
    fleet: Fleet,
) -> None:
    fleet.put_in_sync()
    fleet.run(VERIFY).ok()
    fleet.move(h2="198.51.100.2")
    del fleet.lines["h1"]

    verify = fleet.run(VERIFY)

    assert verify.rc == 2
    assert calls(fleet.sim) == IN_SYNC
    assert fleet.listed() == fleet.all_addresses
    assert f"h2: add 198.51.100.2 remove {public(2)}." in shown(verify)
    assert f"h1 is registered with {public(1)}, {phrases.NOT_IN_THE_INVENTORY}" in shown(verify)
    assert "qg_forget=h1" in shown(verify)

    early = fleet.run("qingguo.qgnet.register", variables={"qg_forget": ["h1"]})

    assert early.rc == 2
    assert "forget comes from qg_forget" in shown(early)
    assert fleet.listed() == fleet.all_addresses

    fleet.run(DEREGISTER, variables={"qg_forget": ["h1"]}).ok()

    assert fleet.listed() == fleet.all_addresses[1:]

    again = fleet.run(DEREGISTER, variables={"qg_forget": ["h1"]}).ok()

    assert calls(fleet.sim) == IN_SYNC
    ((warning,),) = again.warnings
    assert warning.startswith(f"{phrases.NOTHING_REGISTERED_FOR} h1 ")


@pytest.mark.newest
@pytest.mark.measured
def test_hosts_that_stay_listed_are_named_however_they_were_chosen(
    sim: Simulator, playground: Playground
) -> None:
    """One stays for another inventory, one for another host, and one was there before."""
    fleet = Fleet(sim, playground, size=5)
    fleet.sim.configure(whitelist=[public(3)])
    fleet.move(h2=public(5))
    fleet.run().ok()
    fleet.run(limit="h1", inventory_id="other").ok()
    hosts = ["h1", "h2", "h3", "h4"]

    predicted = [
        fleet.run(DEREGISTER, **choice(*hosts), arguments=["--check"]) for choice in CHOICES
    ]

    for check in predicted:
        assert phrases.FOUR_HOSTS_CHECKED in check.ok().stderr
        assert check.updates[0]["hosts"] == predicted[0].updates[0]["hosts"]
    assert fleet.listed() == [public(1), public(3), public(4), public(5)]

    run = fleet.run(DEREGISTER, **by_forget(*hosts)).ok()

    assert fleet.listed() == [public(1), public(3), public(5)]
    assert phrases.FOUR_HOSTS_DONE in run.stderr
    ((for_others, there_before),) = run.warnings
    assert {len(check.warnings[0]) for check in predicted} == {2}
    assert {check.warnings[0][0] for check in predicted} == {for_others}
    # The command is for the host of each run, whose key it has.
    reasons = [check.warnings[0][1].partition(phrases.TO_REMOVE_TYPE)[0] for check in predicted]
    assert set(reasons) == {there_before.partition(phrases.TO_REMOVE_TYPE)[0]}
    assert for_others.startswith(
        f"{phrases.TWO_STAY_FOR_OTHERS} {public(1)} of h1 (registered for h1 of the inventory "
        f"other), {public(5)} of h2 (registered for h5 of "
    )
    assert phrases.TWO_STAY_FOR_OTHERS in shown(run)
    assert there_before.startswith(f"{phrases.ONE_STAYS} {public(3)} of h3 (")

    host, *words = shlex.split(there_before.partition(phrases.TO_REMOVE_TYPE)[2])

    assert words[0] == "-i"
    assert words[2:5] == ["-m", "qingguo.qgnet.qg_whitelist", "-a"]

    task = f"    - {words[3]}: {words[5]}\n"
    fleet.run(f"- hosts: {host}\n  gather_facts: false\n  tasks:\n{task}").ok()

    assert fleet.listed() == [public(1), public(5)]


@pytest.mark.newest
@pytest.mark.measured
@pytest.mark.parametrize("choice", [by_limit, *slow_cases(by_hosts, by_forget)])
def test_a_host_that_stays_for_others_goes_as_the_warnings_say(
    fleet: Fleet, choice: Choice
) -> None:
    """First for its own name in another inventory, then for another host there, and for one
    here.
    """
    fleet.move(h2=public(1), h3=public(1))
    fleet.run(limit="h1,h2").ok()
    fleet.run(limit="h1,h3", inventory_id="/etc/old hosts").ok()

    run = fleet.run(DEREGISTER, **choice("h1")).ok()

    for _follow in range(3):
        assert fleet.listed() == [public(1)]
        ((warning,),) = run.warnings
        words = shlex.split(warning.partition(phrases.DEREGISTER_AGAIN)[2])
        assert words, warning
        # "without --limit and with" the hosts that the warning names, or with the same ones.
        arguments = [word for word in words if "=" in word or word == "-e"]
        chosen = {} if "without" in words else choice("h1")
        run = fleet.run(DEREGISTER, arguments=arguments, **chosen).ok()
    assert run.warnings == [[]]
    assert fleet.listed() == []


@pytest.mark.newest
def test_a_host_that_cannot_be_deregistered_fails_the_run(fleet: Fleet) -> None:
    fleet.put_in_sync()
    fleet.sim.fault(path=DEL, kind="code", code=-12, times=-1)
    for choice in (by_limit, by_forget):
        run = fleet.run(DEREGISTER, **choice("h1"))
        assert run.rc == 2
        assert fleet.listed() == fleet.all_addresses
        assert phrases.ONE_HOST_WITH_AN_ERROR in run.stderr
        (failed,) = run.failed(REPORT).values()
        assert_says(failed, f"{public(1)} {phrases.NOT_REMOVED}", "-12")


@pytest.mark.newest
def test_a_host_is_deregistered_with_its_own_key_and_addresses(fleet: Fleet) -> None:
    fleet.sim.configure(OTHER_KEY)
    fleet.set("h1", "h2", qg_key=OTHER_KEY)
    fleet.run().ok()
    other_office = "198.51.100.78"
    fleet.sim.configure(whitelist=[OFFICE, other_office, *fleet.listed()])
    fleet.set("h3", ips=OFFICE)
    fleet.set("h4", ips=other_office)

    fleet.run(DEREGISTER, **by_limit("h1", "h3")).ok()

    assert fleet.sim.whitelist(OTHER_KEY) == [public(2)]
    assert fleet.listed() == [other_office, public(4)]

    fleet.run(DEREGISTER, **by_forget("h2", "h4")).ok()

    assert fleet.sim.whitelist(OTHER_KEY) == []
    assert fleet.listed() == []


@pytest.mark.newest
def test_a_host_that_left_is_forgotten_with_the_key_of_its_group(fleet: Fleet) -> None:
    fleet.set(*fleet.hosts, qg_key=fleet.sim.key)
    fleet.run(qg_key=None).ok()
    del fleet.lines["h4"]

    run = fleet.run(DEREGISTER, qg_key=None, **by_forget("h4"))

    assert run.rc == 2
    assert "qg_hosts=" in shown(run)

    run = fleet.run(
        DEREGISTER, qg_key=None, variables={"qg_forget": ["h4"], "qg_hosts": "all"}
    ).ok()

    assert fleet.listed() == fleet.all_addresses[:3]
    assert run.by_host(REPORT).keys() == {"h1"}


@pytest.mark.newest
def test_verify_names_a_host_whose_unknown_address_is_tolerated(fleet: Fleet) -> None:
    fleet.put_in_sync()
    fleet.make_uncertain("h2")

    run = fleet.run(VERIFY, fail=False)

    assert run.rc == 2
    assert phrases.LOG_IN in shown(run)


@pytest.mark.newest
def test_batches_that_deregister_warn_only_of_hosts_that_stay(fleet: Fleet) -> None:
    """The address of the first batch goes with the second one, that of the third one stays."""
    fleet.move(h2=public(1), h4=public(3))
    fleet.run().ok()

    run = fleet.run(play("serial: 1"), limit="h1,h2,h3", state="absent").ok()

    assert [len(batch) for batch in run.warnings] == [0, 0, 1]
    assert fleet.listed() == [public(3)]


@pytest.mark.measured
def test_prune_needs_the_whole_inventory_and_waits_for_all_hosts(
    fleet: Fleet, closed_port: int
) -> None:
    options: dict[str, Any] = {"inventory_id": "fleet", "prune": True}
    fleet.run(inventory_id="fleet").ok()
    del fleet.lines["h4"]

    run = fleet.run(**options)

    assert run.rc == 2
    assert phrases.ANY_UNPARSED in shown(run)
    assert calls(fleet.sim) == []

    fleet.playground.environment[phrases.ANY_UNPARSED] = "true"
    run = fleet.run(limit="h2", **options)

    assert run.rc == 2
    assert phrases.PRUNE_WITH_LIMIT in shown(run)
    assert calls(fleet.sim) == []

    # The last batch prunes, so that none of the others has missed anything.
    run = fleet.run(play("serial: 1"), **options).ok()

    assert run.warnings == [[], [], []]

    fleet.make_unreachable("h1", closed_port)
    run = fleet.run(**options)

    assert phrases.PRUNED_NOTHING in run.warnings[0][0]
    assert fleet.listed() == fleet.all_addresses


# --- several control nodes, and slices of a job


@pytest.mark.newest
def test_slices_of_a_job_register_all_hosts(fleet: Fleet) -> None:
    """As AWX does it: each slice is a run of its own with some of the hosts, on a shared state."""
    slices = [["h1", "h3"], ["h2", "h4"]]
    inventory = fleet.inventory(inventory_id="fleet")

    def run(number: int) -> RoleRun:
        root = fleet.playground.root / f"node{number}"
        node = Playground(root, fleet.playground.minute)
        node.environment["QG_STORE"] = str(fleet.playground.store)
        limit = ["--limit", ",".join(slices[number])]
        return RoleRun(**vars(node.play(play(), inventory=inventory, arguments=limit)))

    with concurrent.futures.ThreadPoolExecutor() as pool:
        runs = list(pool.map(run, (0, 1)))

    for part, hosts in zip(runs, slices, strict=True):
        assert part.ok().changed == set(hosts)
    assert fleet.listed() == fleet.all_addresses


# --- hostile hosts

#: What stands for curl on a host, and what is said of the host.
HOSTILE = {
    "many": (
        "for n in 1 2 3 4 5 6 7 8 9; do echo 192.0.2.$n; done",
        phrases.NO_ADDRESS,
    ),
    "private": ("echo 10.0.0.1", phrases.NOT_PUBLIC),
    "endless": ("cat /dev/urandom | head -c 100000", phrases.UNCERTAIN),
    "odd": ("printf '\\033[2J%0900d\\r\\n' 9", phrases.NO_ADDRESS),
    "refused": ("exit 7", phrases.NO_CONNECTION),
    "killed": ("kill -9 $PPID", phrases.NO_RESPONSE),
    "forging": (
        (
            "nonce=$(tr '\\0' '\\n' </proc/$PPID/cmdline | grep -o 'qg[0-9a-f]\\{24\\}' | head -n "
            "1); "
            "for n in 1 2 3; do printf '\\n%s 0 0 192.0.2.%s\\n%s.\\n' $nonce $n $nonce; done; "
            "echo 192.0.2.1"
        ),
        phrases.MORE_RESPONSES,
    ),
}


@pytest.mark.newest
def test_hostile_hosts_fail_alone(fleet: Fleet, tmp_path: Path) -> None:
    for host, (curl, _sentence) in HOSTILE.items():
        fleet.add(host, with_curl(tmp_path / host, curl))

    run = fleet.run()

    assert run.rc == 2
    assert set(run.failed(DETECT)) == set(HOSTILE)
    for host, (_curl, sentence) in HOSTILE.items():
        assert_task_failed(run.of(DETECT, host), sentence)
    assert fleet.listed() == fleet.all_addresses


# --- the entry point verify


def test_verify_through_a_proxy_waits_until_it_lets_the_host_in(fleet: Fleet) -> None:
    proxy = fleet.sim.configure(exit="198.51.100.200")["proxy_url"]
    fleet.sim.control("PUT", "/map", {"127.0.0.1": public(1)})
    more = """
    - ansible.builtin.include_role: {name: qingguo.qgnet.egress_whitelist, tasks_from: verify}
    - ansible.builtin.assert: {that: egress_whitelist_verified.ip == '198.51.100.200'}
"""
    variables = {
        "egress_whitelist_proxy": proxy,
        "egress_whitelist_sources": [f"{fleet.sim.api_url}/ip"],
        "egress_whitelist_ips": [public(1)],
    }

    fleet.run(use(IMPORT, more), limit="h1", variables=variables).ok()

    assert fleet.listed() == [public(1)]


# --- variables

#: An option of the role, its value, and what the refusal says.
MISTAKES: list[tuple[str, object, str]] = [
    ("sample", 3, phrases.DOES_NOT_EXIST),
    ("sample", 3, "egress_whitelist_samples"),
    ("key", "x", f"egress_whitelist_key {phrases.DOES_NOT_EXIST}"),
    ("adopt", True, f"egress_whitelist_adopt {phrases.DOES_NOT_EXIST}"),
    ("ips", [], phrases.COMES_FROM.format("ips", "egress_whitelist_ips")),
    ("ips", None, "ips is null"),
    ("forget", ["h1"], phrases.FORGET_NEEDS_ABSENT),
    ("state", "gone", phrases.PRESENT_OR_ABSENT),
    ("quorum", 3, phrases.COMES_FROM.format("quorum", "egress_whitelist_quorum")),
    ("ips", ["10.0.0.1"], "10.0.0.1"),
    ("ips", ["2001:db8::1"], phrases.SINGLE_IPV4_ADDRESSES),
    ("max_removals", "many", phrases.NO_WHOLE_NUMBER),
    (
        "max_removals",
        "many",
        phrases.COMES_FROM.format("max_removals", "egress_whitelist_max_removals"),
    ),
]


@pytest.mark.measured
def test_a_wrong_variable_is_refused_by_name(fleet: Fleet) -> None:
    hosts = {}
    for number, (option, value, _sentence) in enumerate(MISTAKES):
        sources = [f"{fleet.sim.api_url}/echo/h1"]
        settings = {variable("sources"): sources, variable(option): value}
        hosts[f"case{number}"] = {"ansible_connection": "local", **settings}
    common = {"qg_key": fleet.sim.key, "qg_api_url": fleet.sim.api_url}

    run = fleet.run(inventory=json.dumps({"all": {"hosts": hosts, "vars": common}}))

    assert run.rc == 2
    assert calls(fleet.sim) == []
    for number, (_option, _value, sentence) in enumerate(MISTAKES):
        assert_task_failed(run.of(DETECT, f"case{number}"), sentence)


@pytest.mark.parametrize(
    ("name", "value", "problem"), [("state", None, "is null"), ("quorum", "", "is empty ('')")]
)
def test_an_empty_variable_is_refused(
    fleet: Fleet, name: str, value: str | None, problem: str
) -> None:
    run = fleet.run(limit="h1", variables={variable(name): value})

    assert run.rc == 2
    assert calls(fleet.sim) == []
    assert str(run.of(DETECT, "h1").result["msg"]).startswith(f"{name} {problem}")
