# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role egress_whitelist with state=present: hosts that move, swap, and share an address or a key."""

from __future__ import annotations

import json

import pytest
from support.fleet import OTHER_KEY, REGISTER, Fleet, play, public
from support.playbooks import ADD, DEL, QUERY, calls, numeric
from support.thorough import thorough

pytestmark = pytest.mark.newest_core

MOVED = "198.51.100.1"


@pytest.mark.thorough
def test_the_diff_is_shown_whichever_host_has_moved(fleet: Fleet) -> None:
    fleet.run(limit="h1,h2").ok()
    fleet.move(h2=MOVED)
    # h1 writes for both, and is itself unchanged: of such a host, Ansible shows no diff.
    run = fleet.run(arguments=["--forks", "1", "--diff"], limit="h1,h2").ok()
    assert run.changed == {"h2"}
    assert f"-{public(2)}" in run.stdout
    assert f"+{MOVED}" in run.stdout


@pytest.mark.thorough
@pytest.mark.measured
def test_hosts_behind_one_address_share_it(fleet: Fleet) -> None:
    fleet.move(h2=public(1))
    run = fleet.run(limit="h1,h2").ok()
    assert [call["ips"] for call in fleet.sim.journal(ADD)] == [[public(1)]]
    assert run.registered == {"h1": [public(1)], "h2": [public(1)]}
    assert run.changed == {"h1", "h2"}

    fleet.run(limit="h1", state="absent").ok()
    assert fleet.sim.whitelist() == [public(1)]
    fleet.run(limit="h2", state="absent").ok()
    assert fleet.sim.whitelist() == []

    fleet.run(limit="h1,h2").ok()
    fleet.run(limit="h1,h2", state="absent").ok()
    assert fleet.sim.whitelist() == []


def test_the_key_of_a_host_wins_over_the_defaults_of_the_group(fleet: Fleet) -> None:
    fleet.sim.configure(OTHER_KEY)
    fleet.add_to("h4", "h5", "h6", key=OTHER_KEY)
    defaults = {
        "group/qingguo.qgnet.qg": {"key": "{{ common }}", "app_id": "unused", "timeout": 9},
        "qingguo.qgnet.qg_egress_whitelist": {"timeout": 8},
        "ansible.builtin.uri": {"key": "unused"},
    }
    # The other half has but the defaults.
    text = play(f"module_defaults: {json.dumps(defaults)}")
    for key_calls in ([QUERY, ADD, QUERY], [QUERY]):
        run = fleet.run(text, arguments=["--forks", "20"], variables={"common": fleet.sim.key}, key=None).ok()
        for key in (fleet.sim.key, OTHER_KEY):
            assert [call["path"] for call in fleet.sim.journal() if call["key"] == key] == key_calls
        assert run.changed == (set(fleet.hosts) if ADD in key_calls else set())
    assert fleet.listed() == fleet.all_addresses[:3]
    assert numeric(fleet.sim.whitelist(OTHER_KEY)) == fleet.all_addresses[3:]


@pytest.mark.thorough
@pytest.mark.parametrize("header", ["", *thorough("strategy: free")])
def test_the_role_twice_in_one_run_with_two_keys(fleet: Fleet, header: str) -> None:
    fleet.sim.configure(OTHER_KEY)
    second = play(header, role=f"vars: {{egress_whitelist_key: {OTHER_KEY}, egress_whitelist_ips: [198.51.100.9]}}")
    fleet.run(play(header) + second.lstrip("\n")).ok()
    assert fleet.listed() == fleet.all_addresses
    assert fleet.sim.whitelist(OTHER_KEY) == ["198.51.100.9"]


@pytest.mark.parametrize(("moved", "queries"), [((5, 6), [QUERY, QUERY]), *thorough(((1, 2), [QUERY]))])
def test_a_former_address_is_removed(fleet: Fleet, moved: tuple[int, int], queries: list[str]) -> None:
    fleet.put_in_sync()
    fresh = {f"h{n}": f"198.51.100.{n}" for n in moved}
    fleet.move(**fresh)
    # In their order: a host for which nothing is to be done reads the list, unless one before it needs a writer.
    run = fleet.run(arguments=["--forks", "1"]).ok()
    assert calls(fleet.sim) == [*queries, ADD, DEL, QUERY]
    stayed = [public(n) for n in fleet.numbers if n not in moved]
    assert fleet.listed() == numeric([*fresh.values(), *stayed])
    assert run.changed == set(fresh)
    assert run.reports[-1]["removed"] == [public(n) for n in moved]


@pytest.mark.thorough
def test_two_hosts_swap_their_addresses(fleet: Fleet) -> None:
    fleet.put_in_sync()
    fleet.move(h1=public(2), h2=public(1))
    run = fleet.run(arguments=["--forks", "1"]).ok()
    assert (calls(fleet.sim), run.changed) == ([QUERY], set())
    assert fleet.listed() == fleet.all_addresses


@pytest.mark.thorough
def test_a_former_address_stays_until_the_new_one_is_there(fleet: Fleet) -> None:
    fleet.put_in_sync()
    fleet.move(h1=MOVED)
    fleet.sim.configure(OTHER_KEY, whitelist=[MOVED])
    run = fleet.run()
    assert run.rc == 2
    assert fleet.listed() == fleet.all_addresses
    assert set(run.failed(REGISTER)) == {"h1"}
    # What was put off is done as soon as it can be.
    fleet.sim.configure(OTHER_KEY, whitelist=[])
    fleet.run().ok()
    assert fleet.listed() == [MOVED, *fleet.all_addresses[1:]]


@pytest.mark.thorough
def test_a_lost_memory_cuts_no_host_off(fleet: Fleet) -> None:
    fleet.put_in_sync()
    for path in fleet.playground.state_dir.iterdir():
        path.unlink()
    fleet.move(h1=MOVED)
    fleet.run().ok()
    assert fleet.listed() == [MOVED, *fleet.all_addresses]


@pytest.mark.thorough
def test_an_inventory_of_another_name_is_another_fleet(fleet: Fleet) -> None:
    fleet.run(limit="h1", inventory_id="blue").ok()
    fleet.move(h1=MOVED)
    fleet.run(limit="h1", inventory_id="green").ok()
    assert fleet.listed() == [MOVED, public(1)]
    fleet.run(limit="h1", inventory_id="blue").ok()
    assert fleet.listed() == [MOVED]


@pytest.mark.thorough
def test_known_addresses_are_not_asked_for(fleet: Fleet) -> None:
    known = {f"h{n}": public(n + 50) for n in fleet.numbers}
    fleet.lines = {host: f"egress_whitelist_ips=\"['{ip}']\"" for host, ip in known.items()}
    fleet.run().ok()
    assert fleet.listed() == list(known.values())
    assert fleet.sim.control("GET", "/echo/ip")["calls"] == 0


#: What no run may touch.
OTHERS = ["198.51.100.0/24", "office.example", f"{public(1)},{public(2)}"]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("notation", "del_takes"), [("port", "listed"), *thorough(("prefix", "listed"), ("mapped", "address"))]
)
def test_hosts_are_registered_moved_pruned_and_deregistered_in_any_notation(
    fleet: Fleet, notation: str, del_takes: str
) -> None:
    options = {"whitelist_notation": notation, "del_takes": del_takes, "absent_del": "error"}
    fleet.playground.environment["ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED"] = "true"
    fleet.put_in_sync()
    fleet.sim.configure(whitelist=[*fleet.all_addresses, *OTHERS], options=options)
    assert fleet.run().ok().changed == set()
    assert calls(fleet.sim, ADD, DEL) == []

    fleet.move(h1=MOVED)
    assert fleet.run().ok().changed == {"h1"}
    assert sorted(fleet.sim.whitelist()) == sorted([MOVED, *fleet.all_addresses[1:], *OTHERS])

    fleet.lines.pop("h6")
    fleet.run(prune=True).ok()
    assert sorted(fleet.sim.whitelist()) == sorted([MOVED, *fleet.all_addresses[1:5], *OTHERS])

    run = fleet.run(state="absent").ok()
    assert fleet.sim.whitelist() == OTHERS
    (warning,) = (text for task in run.by_host(REGISTER).values() for text in task.result.get("warnings", ()))
    assert "3 entries of the whitelist are not one IPv4 address" in warning
