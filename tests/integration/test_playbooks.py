# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks of the collection: register, deregister, verify and report."""

from __future__ import annotations

import pytest
from simulator.fixture import Simulator
from support.fleet import Fleet, public
from support.lease_modules import LIST
from support.playbooks import QUERY, Playground, calls
from support.registrations import FORMER, FOUND, SHARED, STRANGER, remember

REGISTER, DEREGISTER, VERIFY, REPORT = (
    f"qingguo.qgnet.{name}" for name in ("register", "deregister", "verify", "report")
)
CHECK = "Fail if anything would be changed"


def test_register_report_and_deregister(fleet: Fleet) -> None:
    fleet.run(REGISTER, variables={"qg_hosts": "h1:h2"}).ok()
    assert fleet.listed() == [public(1), public(2)]
    fleet.playground.environment |= {"QG_KEY": fleet.sim.key, "QG_API_URL": fleet.sim.api_url}
    both = "".join(f"- ansible.builtin.import_playbook: {name}\n" for name in (REGISTER, REPORT))
    run = fleet.run(both).ok()
    assert fleet.listed() == fleet.all_addresses
    table = run.of("Show the whitelist").result["msg"]
    assert [line.split()[:2] for line in table[1:-1]] == [[public(n), f"h{n}"] for n in fleet.numbers]
    assert not any(" -" in line for line in table), "each registration has a time"
    fleet.run(DEREGISTER, variables={"qg_hosts": "h3"}).ok()
    assert public(3) not in fleet.sim.whitelist()
    fleet.run(f"- {{ansible.builtin.import_playbook: {DEREGISTER}, vars: {{qg_all: true}}}}\n").ok()
    assert fleet.sim.whitelist() == []


@pytest.mark.newest_core
def test_verify_changes_nothing_and_fails_only_if_register_would_change_something(fleet: Fleet) -> None:
    fleet.put_in_sync()
    in_sync = fleet.run(VERIFY).ok()
    assert (calls(fleet.sim), [task.host for task in in_sync.tasks if task.name == CHECK]) == ([QUERY], ["h1"])
    fleet.sim.configure(whitelist=[ip for ip in fleet.all_addresses if ip != public(3)])
    fleet.move(h2="198.51.100.2")
    before = fleet.sim.whitelist()
    run = fleet.run(VERIFY)
    assert (run.rc, set(calls(fleet.sim)), fleet.sim.whitelist()) == (2, {QUERY}, before)
    assert run.of(CHECK).result["msg"].split(". ") == [
        "The whitelist is not as qingguo.qgnet.register would leave it",
        f"h2: add 198.51.100.2 remove {public(2)}",
        f"h3: add {public(3)}.",
    ]
    # It left the registrations as they were, too: the former address is still known.
    fleet.run(REGISTER).ok()
    assert set(fleet.sim.whitelist()) == {"198.51.100.2", *fleet.all_addresses} - {public(2)}
    # It considers all hosts, whatever strategy is the default.
    fleet.playground.environment["ANSIBLE_STRATEGY"] = "free"
    run = fleet.run(VERIFY).ok()
    assert calls(fleet.sim) == [QUERY]
    assert [found["in_sync"] for found in run.summaries] == [fleet.size]


@pytest.mark.thorough
def test_verify_fails_for_hosts_that_are_not_registered_wherever_the_state_is(fleet: Fleet) -> None:
    fleet.playground.environment["QG_STORE"] = ""
    run = fleet.run(VERIFY, qg_store="{{ inventory_dir }}/own")
    assert (run.rc, calls(fleet.sim)) == (2, [QUERY])
    assert f"h1: add {public(1)}. h2: add {public(2)}." in run.of(CHECK).result["msg"]
    # The summary covers one state, and no host with another one.
    fleet.lines["h1"] += " qg_store={{inventory_dir}}/own"
    fleet.run(limit="h1").ok()
    run = fleet.run(VERIFY)
    assert run.rc == 2, run.output
    assert [found["pending_hosts"] for found in run.summaries] == [fleet.hosts[1:]]
    assert run.of(CHECK).result["msg"].endswith(" h5: no result. h6: no result.")


@pytest.mark.newest_core
def test_the_report_is_a_table_for_a_terminal(playground: Playground, sim: Simulator) -> None:
    remember(sim.key, sim.api_url, playground.store)
    sim.configure(whitelist=[STRANGER, FOUND, FORMER, SHARED, "203.0.113.0/24", "{{ 7 * 7 }}"])
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url, "QG_STORE": str(playground.store)}
    run = playground.play(REPORT, environment=environment).ok()
    assert run.of("Show the whitelist").result["msg"] == [
        "address          host  since (UTC+08:00)  note            inventory",
        "203.0.113.1      web1  2026-05-04 10:30                   awx",
        "203.0.113.1      web1  2026-05-04 09:30                   {{ 7 * 7 }}, /etc/hosts",
        "203.0.113.2      web1  2026-05-04 09:30   former          {{ 7 * 7 }}, /etc/hosts",
        "203.0.113.3      web2  2026-05-04 09:30   there before    {{ 7 * 7 }}, /etc/hosts",
        "203.0.113.9      -     -                  no owner",
        "203.0.113.10     web1  2026-05-04 09:30   not listed      {{ 7 * 7 }}, /etc/hosts",
        "4 on the whitelist, 1 of them without an owner; 1 registered but not on the whitelist",
        "entries that are not one IPv4 address: 203.0.113.0/24, {{ 7 * 7 }}",
        "web1 is registered in 2 inventories: awx; {{ 7 * 7 }}, /etc/hosts",
        "1 registered in several inventories: egress_whitelist_adopt=true merges the same host",
    ]
    assert '        "203.0.113.9      -     -                  no owner",\n' in run.stdout
    assert calls(sim) == [QUERY, LIST, LIST], "the first list shows the product of the key"
    assert sim.key not in run.output
