# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role on a whitelist that lists its addresses in another notation."""

from __future__ import annotations

import pytest
from support.fleet import REGISTER, Fleet, changed, public
from support.playbooks import ADD, DEL, calls

#: What no run may touch.
OTHERS = ["198.51.100.0/24", "office.example", f"{public(1)},{public(2)}"]


@pytest.mark.newest_core
@pytest.mark.parametrize(("notation", "del_takes"), [("prefix", "listed"), ("mapped", "address"), ("port", "listed")])
def test_hosts_are_registered_moved_pruned_and_deregistered(fleet: Fleet, notation: str, del_takes: str) -> None:
    options = {"whitelist_notation": notation, "del_takes": del_takes, "absent_del": "error"}
    fleet.playground.environment["ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED"] = "true"
    fleet.put_in_sync()
    fleet.sim.configure(whitelist=[*fleet.all_addresses, *OTHERS], options=options)
    assert changed(fleet.run().ok()) == set()
    assert calls(fleet.sim, ADD, DEL) == []

    fleet.move(h1="198.51.100.1")
    assert changed(fleet.run().ok()) == {"h1"}
    assert sorted(fleet.sim.whitelist()) == sorted(["198.51.100.1", *fleet.all_addresses[1:], *OTHERS])

    fleet.lines.pop("h6")
    fleet.run(egress_whitelist_prune="true").ok()
    assert sorted(fleet.sim.whitelist()) == sorted(["198.51.100.1", *fleet.all_addresses[1:5], *OTHERS])

    run = fleet.run(egress_whitelist_state="absent").ok()
    assert fleet.sim.whitelist() == OTHERS
    warnings = [text for task in run.by_host(REGISTER).values() for text in task.result.get("warnings", ())]
    assert len(warnings) == 1
    assert "3 entries of the whitelist are not one IPv4 address" in warnings[0]
