# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role egress_whitelist with prune: a host that has not reported may have the address of one that is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.fleet import DETECT, REGISTER, Fleet, play, public
from support.playbooks import DEL, QUERY, Playground, Run, assert_one_sentence, calls

HOSTS = (1, 2, 3)
ADDRESSES = [public(n) for n in HOSTS]
PRUNE = {"inventory_id": "fleet", "prune": True}
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
    return {ip for call in fleet.sim.journal(DEL) for ip in call["ips"]}


def shown(run: Run) -> str:
    """The output as one line."""
    return " ".join(run.output.split())


def left(run: Run) -> tuple[Mapping[str, Sequence[str]], Sequence[str]]:
    """What the last summary says is left, and because of which hosts."""
    last: dict[str, Any] = run.summaries[-1]
    return last["unpruned_hosts"], last["unreported_hosts"]


@pytest.mark.nightly
def test_a_serial_run_that_ends_with_its_first_batch_removes_nothing(fleet: Fleet) -> None:
    run = fleet.run(play("serial: 1") + FAIL_LATER, **PRUNE)
    assert (run.rc, removed(fleet), fleet.listed()) == (2, set(), ADDRESSES)
    assert left(run) == ({"h2": [public(2)], "h3": [public(3)]}, ["n2", "n3"])
    assert "until all hosts have reported. It has left those of h2 (203.0.113.2), h3 (203.0.113.3)." in shown(run)


@pytest.mark.nightly
def test_an_unreachable_new_host_keeps_its_address(fleet: Fleet, closed_port: int) -> None:
    fleet.make_unreachable("n2", closed_port)
    run = fleet.run(play("strategy: free"), **PRUNE)
    assert (run.rc, removed(fleet), fleet.listed()) == (4, set(), ADDRESSES)
    assert left(run) == ({"h2": [public(2)]}, ["n2"])
    reason = "egress_whitelist_prune has left the former addresses of h2 (203.0.113.2), because n2 has not reported"
    assert reason in shown(run)


@pytest.mark.nightly
def test_a_pattern_of_hosts_removes_nothing_and_says_how_to_go_on(fleet: Fleet) -> None:
    fleet.lines["db"] = "ansible_connection=local"
    some = {"qg_hosts": "all[0]"}
    run = fleet.run(variables=some, **PRUNE).ok()
    assert (removed(fleet), fleet.listed()) == (set(), ADDRESSES)
    assert left(run) == ({"h2": [public(2)], "h3": [public(3)]}, ["db", "n2", "n3"])
    (warning,) = run.summaries[-1]["warnings"]
    assert_one_sentence(warning)
    for part in ("db, n2, n3 have not reported", "egress_whitelist_ips", "egress_whitelist_prune_groups"):
        assert part in warning
    # The host that never registers is not in the group.
    del fleet.lines["n3"]
    inventory = fleet.inventory(**PRUNE, prune_groups=["web"]) + "[web]\nn1\nn2\n"
    run = fleet.run(inventory=inventory, variables={"qg_hosts": "web"}).ok()
    assert (removed(fleet), left(run)) == ({public(3)}, ({}, []))


@pytest.mark.measured
@pytest.mark.newest_core
def test_the_last_host_that_reports_lets_all_former_addresses_be_removed(fleet: Fleet) -> None:
    # Two hosts have changed their names, and one of them has changed its address, too. The third is gone.
    del fleet.lines["n3"]
    fleet.move(n1="198.51.100.1")
    run = fleet.run(play("serial: 1"), **PRUNE).ok()
    assert fleet.listed() == ["198.51.100.1", public(2)]
    assert left(run) == ({}, [])
    assert {host for summary in run.summaries for host in summary["pruned_hosts"]} == {"h1", "h3"}
    assert removed(fleet) == {public(1), public(3)}
    again = fleet.run(play("serial: 1"), **PRUNE).ok()
    assert (set(calls(fleet.sim)), left(again)) == ({QUERY}, ({}, []))


# --- hosts that left the inventory


@pytest.mark.nightly
def test_prune_removes_the_addresses_of_hosts_that_left_the_inventory(sim: Simulator, playground: Playground) -> None:
    fleet = Fleet(sim, playground)
    fleet.playground.environment["ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED"] = "true"
    # The second host stays behind the address of the last one.
    fleet.move(h6=public(2))
    fleet.run(**PRUNE).ok()
    for host in ("h4", "h5", "h6"):
        del fleet.lines[host]

    def refused(**changes: Any) -> set[str]:
        run = fleet.run(**PRUNE, **changes)
        assert (run.rc, calls(fleet.sim)) == (2, [])
        return {task.result["msg"] for task in run.by_host(DETECT).values()}

    assert all("--limit h1" in text for text in refused(limit="h1"))
    (text,) = refused(max_removals=1)
    assert text.startswith("egress_whitelist_prune: prune would remove 2 addresses of 3 hosts that the inventory no ")
    assert text.endswith("max_removals=1: h4, h5, h6. Check that the inventory is complete, then raise max_removals.")

    verify = fleet.run("qingguo.qgnet.verify", **PRUNE)
    assert (verify.rc, calls(fleet.sim)) == (2, [QUERY])
    assert f"h4: remove {public(4)}. h5: remove {public(5)}." in verify.output

    run = fleet.run(arguments=["--diff"], **PRUNE).ok()
    assert calls(fleet.sim) == [QUERY, DEL, QUERY]
    assert fleet.listed() == [public(1), public(2), public(3)]
    assert f"-{public(4)}" in run.stdout
    (summary,) = run.summaries
    assert (summary["pruned_hosts"], summary["removed"]) == (
        {"h4": [public(4)], "h5": [public(5)]},
        [public(4), public(5)],
    )
    assert (len(run.changed), summary["changed_hosts"], summary["in_sync"]) == (1, {}, 3)
    again = fleet.run(**PRUNE).ok()
    assert (again.changed, calls(fleet.sim)) == (set(), [QUERY])
    assert len(again.by_host(REGISTER)) == 1
