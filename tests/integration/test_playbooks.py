# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook report. The others for the whitelist are in test_role.py."""

from __future__ import annotations

from support.fleet import Fleet, public
from support.playground import QUERY, calls

REGISTER, REPORT = "qingguo.qgnet.register", "qingguo.qgnet.report"
OFFICE, STRANGER = "198.51.100.7", "198.51.100.9"


def test_the_report_is_a_table_whose_rows_nobody_can_forge(fleet: Fleet) -> None:
    fleet.sim.configure(whitelist=[OFFICE, STRANGER, "203.0.113.0/24", "x\n198.51.100.66  forged", "{{ 7 * 7 }}"])
    fleet.move(h2=OFFICE)
    fleet.run(REGISTER, variables={"qg_hosts": "h1:h2:h3"}).ok()
    fleet.sim.configure(whitelist=[ip for ip in fleet.sim.whitelist() if ip != public(3)])
    fleet.playground.environment |= {"QG_KEY": fleet.sim.key, "QG_API_URL": fleet.sim.api_url}
    run = fleet.run(REPORT).ok()
    head, *rows, total, unreadable = run.of("Show the whitelist").result["msg"]
    assert head.split() == ["address", "host", "since", "(UTC+08:00)", "note", "inventory"]
    assert [row.split()[:2] for row in rows] == [
        [OFFICE, "h2"],
        [STRANGER, "-"],
        [public(1), "h1"],
        [public(3), "h3"],
    ]
    notes = ("there before", "no owner", "", "not listed")
    assert all(note in row for note, row in zip(notes, rows, strict=True))
    assert total == "3 on the whitelist, 1 of them without an owner; 1 registered but not on the whitelist"
    assert unreadable.startswith("entries that are not one IPv4 address: ")
    assert "x 198.51.100.66 forged" in unreadable
    assert "{{ 7 * 7 }}" in unreadable or "49" not in unreadable
    assert QUERY in calls(fleet.sim)
    assert fleet.sim.key not in run.output
