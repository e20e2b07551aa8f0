# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""prune in runs that see only part of the hosts: a host that has not reported may have the address of a former one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.fleet import DETECT, Fleet, play, public, summaries
from support.playbooks import DEL, QUERY, Playground, Run, assert_one_sentence, calls, numeric

pytestmark = pytest.mark.measured

HOSTS = (1, 2, 3)
ADDRESSES = [public(n) for n in HOSTS]
PRUNE = {"egress_whitelist_inventory_id": "fleet", "egress_whitelist_prune": "true"}
#: The playbook goes on after the role, and fails on a host.
FAIL_LATER = """
  tasks:
    - name: later
      ansible.builtin.fail:
      when: inventory_hostname == 'n1'
"""


@pytest.fixture
def fleet(sim: Simulator, playground: Playground) -> Fleet:
    """Three hosts that are registered as h1, h2 and h3, and whose names in the inventory are n1, n2 and n3 since."""
    playground.environment["ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED"] = "true"
    fleet = Fleet(sim, playground, size=len(HOSTS))
    fleet.run(**PRUNE).ok()
    fleet.lines = {f"n{host[1:]}": line for host, line in fleet.lines.items()}
    return fleet


def removed(fleet: Fleet) -> set[str]:
    """The addresses that the vendor was asked to remove, in the last run."""
    return {ip for call in fleet.sim.journal() if call["path"] == DEL for ip in call["params"]["IP"].split(",")}


def unreachable(fleet: Fleet, host: str, port: int) -> None:
    fleet.lines[host] = f"ansible_connection=ssh ansible_host=127.0.0.1 ansible_port={port}"


def shown(run: Run) -> str:
    """The output as one line."""
    return " ".join(run.output.split())


def left(run: Run) -> tuple[Mapping[str, Sequence[str]], Sequence[str]]:
    """What the last summary says is left, and because of which hosts."""
    last: dict[str, Any] = summaries(run)[-1]
    return last["unpruned_hosts"], last["unreported_hosts"]


def test_a_serial_run_that_ends_with_its_first_batch_removes_nothing(fleet: Fleet) -> None:
    run = fleet.run(play("serial: 1") + FAIL_LATER, **PRUNE)
    assert (run.rc, removed(fleet), numeric(fleet.sim.whitelist())) == (2, set(), ADDRESSES)
    assert left(run) == ({"h2": [public(2)], "h3": [public(3)]}, ["n2", "n3"])
    assert "until all hosts have reported. It has left those of h2 (203.0.113.2), h3 (203.0.113.3)." in shown(run)


@pytest.mark.parametrize("header", ["", "serial: 2", "strategy: free"])
def test_an_unreachable_new_host_keeps_its_address(fleet: Fleet, header: str, closed_port: int) -> None:
    unreachable(fleet, "n2", closed_port)
    run = fleet.run(play(header), **PRUNE)
    assert (run.rc, removed(fleet), numeric(fleet.sim.whitelist())) == (4, set(), ADDRESSES)
    assert left(run) == ({"h2": [public(2)]}, ["n2"])
    reason = "egress_whitelist_prune has left the former addresses of h2 (203.0.113.2), because n2 has not reported"
    assert reason in shown(run)


@pytest.mark.newest_core
def test_a_registered_host_that_is_unreachable_may_have_the_address_of_one_that_is_gone(
    fleet: Fleet, closed_port: int
) -> None:
    fleet.run(**PRUNE).ok()
    del fleet.lines["n1"]
    fleet.move(n3=public(1))
    unreachable(fleet, "n3", closed_port)
    run = fleet.run(**PRUNE)
    assert (run.rc, removed(fleet), left(run)) == (4, set(), ({"n1": [public(1)]}, ["n3"]))


def test_a_pattern_of_hosts_removes_nothing_and_says_how_to_go_on(fleet: Fleet) -> None:
    fleet.lines["db"] = "ansible_connection=local"
    some = {"qg_hosts": "all[0]"}
    run = fleet.run(variables=some, **PRUNE).ok()
    assert (removed(fleet), numeric(fleet.sim.whitelist())) == (set(), ADDRESSES)
    assert left(run) == ({"h2": [public(2)], "h3": [public(3)]}, ["db", "n2", "n3"])
    (warning,) = summaries(run)[-1]["warnings"]
    assert_one_sentence(warning)
    for part in ("db, n2, n3 have not reported", "egress_whitelist_ips", "egress_whitelist_prune_groups"):
        assert part in warning
    # The host that never registers is not in the group.
    del fleet.lines["n3"]
    inventory = fleet.inventory(**PRUNE, egress_whitelist_prune_groups="['web']") + "[web]\nn1\nn2\n"
    run = fleet.run(inventory=inventory, variables={"qg_hosts": "web"}).ok()
    assert (removed(fleet), left(run)) == ({public(3)}, ({}, []))


@pytest.mark.newest_core
def test_a_group_that_the_inventory_lacks_is_refused(fleet: Fleet) -> None:
    run = fleet.run(**PRUNE, egress_whitelist_prune_groups="['wbe']")
    assert (run.rc, calls(fleet.sim)) == (2, [])
    message = run.of(DETECT, "n1").result["msg"]
    assert message.startswith("egress_whitelist_prune_groups: prune_groups contains 'wbe', which is no group")


@pytest.mark.newest_core
@pytest.mark.parametrize("header", ["", "serial: 1", "strategy: free"])
def test_the_last_host_that_reports_lets_all_former_addresses_be_removed(fleet: Fleet, header: str) -> None:
    # Two hosts have changed their names, and one of them has changed its address, too. The third is gone.
    del fleet.lines["n3"]
    fleet.move(n1="198.51.100.1")
    run = fleet.run(play(header), **PRUNE).ok()
    assert numeric(fleet.sim.whitelist()) == ["198.51.100.1", public(2)]
    assert left(run) == ({}, [])
    assert {host for summary in summaries(run) for host in summary["pruned_hosts"]} == {"h1", "h3"}
    assert removed(fleet) == {public(1), public(3)}
    again = fleet.run(play(header), **PRUNE).ok()
    assert (set(calls(fleet.sim)), left(again)) == ({QUERY}, ({}, []))


@pytest.mark.newest_core
@pytest.mark.parametrize("header", ["serial: 1", "strategy: free"])
def test_swapped_addresses_stay_throughout_the_run(fleet: Fleet, header: str) -> None:
    fleet.run(**PRUNE).ok()
    fleet.move(n1=public(2), n2=public(1), n3="198.51.100.3")
    fleet.run(play(header), **PRUNE).ok()
    assert removed(fleet) == {public(3)}
    assert numeric(fleet.sim.whitelist()) == ["198.51.100.3", *ADDRESSES[:2]]
    again = fleet.run(**PRUNE).ok()
    assert (calls(fleet.sim), left(again)) == ([QUERY], ({}, []))


@pytest.mark.newest_core
def test_the_address_of_a_host_in_another_inventory_stays(fleet: Fleet) -> None:
    other = {**PRUNE, "egress_whitelist_inventory_id": "other"}
    fleet.lines = {"m1": fleet.lines.pop("n1"), **fleet.lines}
    lines, fleet.lines = fleet.lines, {"m1": fleet.lines["m1"]}
    fleet.run(**other).ok()
    fleet.lines = {host: line for host, line in lines.items() if host != "m1"}
    run = fleet.run(**PRUNE).ok()
    assert (removed(fleet), numeric(fleet.sim.whitelist())) == (set(), ADDRESSES)
    assert left(run) == ({}, [])
