# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role egress_whitelist with state=present: hosts that move, and hosts with a key of their own."""

from __future__ import annotations

import json

import pytest
from support.fleet import OTHER_KEY, Fleet, play, public
from support.playbooks import ADD, DEL, QUERY, calls, numeric

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


def test_a_former_address_is_removed(fleet: Fleet) -> None:
    fleet.put_in_sync()
    fresh = {"h5": "198.51.100.5", "h6": "198.51.100.6"}
    fleet.move(**fresh)
    # In their order: a host for which nothing is to be done reads the list, and then the one that writes.
    run = fleet.run(arguments=["--forks", "1"]).ok()
    assert calls(fleet.sim) == [QUERY, QUERY, ADD, DEL, QUERY]
    assert fleet.listed() == [*fresh.values(), *fleet.all_addresses[:4]]
    assert run.changed == set(fresh)
    assert run.reports[-1]["removed"] == fleet.all_addresses[4:]


@pytest.mark.thorough
def test_an_inventory_of_another_name_is_another_fleet(fleet: Fleet) -> None:
    fleet.run(limit="h1", inventory_id="blue").ok()
    fleet.move(h1=MOVED)
    fleet.run(limit="h1", inventory_id="green").ok()
    assert fleet.listed() == [MOVED, public(1)]
    fleet.run(limit="h1", inventory_id="blue").ok()
    assert fleet.listed() == [MOVED]
