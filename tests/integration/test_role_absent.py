# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role egress_whitelist with state=absent, and the removals that a compromised host can cause."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fleet import DETECT, REGISTER, Fleet, public
from support.inventory_hosts import forging_path, reached_by_ssh
from support.playbooks import DEL, QUERY, assert_says, calls
from support.thorough import thorough

pytestmark = pytest.mark.newest_core

OFFICE = "198.51.100.77"


def test_deregistering(fleet: Fleet) -> None:
    fleet.put_in_sync()
    fleet.sim.configure(whitelist=[OFFICE, *fleet.all_addresses])
    predicted = fleet.run(arguments=["--check"], state="absent").ok()
    assert calls(fleet.sim) == [QUERY]
    run = fleet.run(state="absent").ok()
    assert calls(fleet.sim) == [QUERY, DEL, QUERY]
    assert fleet.sim.whitelist() == [OFFICE]
    assert predicted.changed == run.changed == set(fleet.hosts)
    again = fleet.run(state="absent").ok()
    assert (again.changed, calls(fleet.sim)) == (set(), [QUERY])


def test_limit_touches_no_other_host(fleet: Fleet) -> None:
    for limit, state, left in (("h2,h4", "present", [2, 4]), ("h3", "present", [2, 3, 4]), ("h4", "absent", [2, 3])):
        fleet.run(limit=limit, state=state).ok()
        assert fleet.listed() == [public(n) for n in left]


@pytest.mark.thorough
def test_deregistering_hosts_that_no_longer_exist(fleet: Fleet, closed_port: int) -> None:
    fleet.put_in_sync()
    for host in fleet.hosts:
        fleet.make_unreachable(host, closed_port)
    run = fleet.run(state="absent", detect=False).ok()
    assert fleet.sim.whitelist() == []
    assert run.changed == set(fleet.hosts)
    assert calls(fleet.sim) == [QUERY, DEL, QUERY]


@pytest.mark.thorough
def test_hosts_of_one_run_that_are_registered_and_hosts_that_are_deregistered(fleet: Fleet) -> None:
    fleet.run(limit="h3,h4").ok()
    fleet.move(h5=public(3))
    wanted = {"h1": "present", "h3": "absent", "h4": "absent", "h5": "present", "h6": "present"}
    for host, state in wanted.items():
        fleet.add_to(host, state=state)
    run = fleet.run(limit=",".join(wanted)).ok()
    assert fleet.listed() == [public(1), public(3), public(6)]
    assert (run.registered["h6"], run.registered["h3"]) == ([public(6)], [])
    removed = {ip for call in fleet.sim.journal(DEL) for ip in call["ips"]}
    assert public(3) not in removed, "h5 has it from h3, without a gap"


# --- what a compromised host can do


def compromise(fleet: Fleet, folder: Path, host: str, body: str) -> None:
    """From now on, the curl of this host says what it likes."""
    fleet.lines[host] = reached_by_ssh(folder, path=forging_path(folder, body))


def test_a_compromised_host_cannot_fill_the_whitelist(fleet: Fleet, tmp_path: Path) -> None:
    fleet.sim.configure(capacity=20)
    forged = "i=1; while [ $i -le 255 ]; do record 0 curl 192.0.2.$i; record 1 curl 192.0.2.$i; i=$((i+1)); done"
    compromise(fleet, tmp_path, "h6", forged)
    run = fleet.run()
    assert (run.rc, set(run.failed(DETECT))) == (2, {"h6"})
    assert "samples=1" in run.failed(DETECT)["h6"]["msg"]
    assert fleet.listed() == fleet.all_addresses[:5]


@pytest.mark.thorough
@pytest.mark.parametrize("inventory", ["blue", *thorough("green")])
def test_a_compromised_host_does_not_remove_what_another_host_is_remembered_with_in_any_inventory(
    fleet: Fleet, tmp_path: Path, inventory: str
) -> None:
    fleet.run(inventory_id="blue").ok()
    compromise(fleet, tmp_path, "h6", f"answer() {{ echo {public(1)}; }}")
    run = fleet.run(limit="h6", state="absent", inventory_id=inventory).ok()
    assert fleet.listed() == fleet.all_addresses[: 5 if inventory == "blue" else 6]
    assert run.changed == ({"h6"} if inventory == "blue" else set())


@pytest.mark.thorough
def test_a_host_that_could_not_remove_an_address_is_not_remembered_with_it(fleet: Fleet, tmp_path: Path) -> None:
    fleet.sim.configure(whitelist=[OFFICE])
    fleet.sim.fault(path=DEL, kind="code", code=-999, times=-1)
    compromise(fleet, tmp_path, "h6", f"answer() {{ echo {OFFICE}; }}")
    run = fleet.run(limit="h6", state="absent")
    assert run.of(REGISTER).status == "failed"
    fleet.sim.control("DELETE", "/faults")
    fleet.run(limit="h6", state="absent", detect=False).ok()
    assert fleet.sim.whitelist() == [OFFICE]


@pytest.mark.thorough
def test_max_removals_bounds_what_a_compromised_host_claimed_while_it_was_registered(
    fleet: Fleet, tmp_path: Path
) -> None:
    fleet.sim.configure(whitelist=[OFFICE])
    honest = fleet.lines["h6"]
    compromise(fleet, tmp_path, "h6", f"answer() {{ echo {OFFICE}; }}")
    fleet.run(limit="h5,h6").ok()
    fleet.lines["h6"] = honest
    fleet.move(h5="198.51.100.5")
    failed = fleet.run(limit="h5,h6", max_removals=0).failed(REGISTER)
    assert set(failed) == {"h6"}
    expected = {"registered": [public(6)], "obsolete": [OFFICE]}
    assert_says(failed["h6"], "max_removals=0", **expected)
    assert set(fleet.sim.whitelist()) == {OFFICE, "198.51.100.5", public(6)}, "what was added for h5 was replaced"
    run = fleet.run(limit="h5,h6", state="absent", detect=False, max_removals=0)
    assert set(run.failed(REGISTER)) == {"h6"}
    assert fleet.sim.whitelist() == [OFFICE]
    fleet.run(limit="h5,h6", state="absent", detect=False, max_removals=1).ok()
    assert fleet.sim.whitelist() == []
