# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all playbooks have in common: which hosts they run for, and with which key; and the playbook report.

Other tests of the playbooks for the whitelist are in test_role.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from simulator.fixture import Simulator
from support.documents import ROOT
from integration.fleet import Fleet, public
from support.playground import QUERY, Playground, Run, calls

REGISTER, REPORT = "qingguo.qgnet.register", "qingguo.qgnet.report"
OFFICE, STRANGER = "198.51.100.7", "198.51.100.9"
PLAYBOOKS = {path.stem: path for path in sorted((ROOT / "playbooks").glob("*.yml"))}
#: Those that run on the control node, unless qg_hosts names hosts whose keys they use.
LOCAL = ("doctor", "ensure_leases", "metrics", "report")
#: Nobody can log in to these hosts.
CRAWLERS = "[crawlers]\ncrawler[1:3]\n[accounts]\naccount[1:2]\n[all:vars]\nansible_host=127.0.0.1\nansible_port=1\n"
OTHER_KEY = "QGOTHER1"

#: The hosts that a user asks for, and the sentence that refuses them.
MISTAKES: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "missing inventory": ({}, ["-i", "missing.yml"], "missing.yml does not exist: correct its path in --inventory"),
    "misspelt": ({"qg_hosts": "crawlres"}, [], "matches 'crawlres': set qg_hosts to hosts or groups that it has."),
    "misspelt in part": ({"qg_hosts": "crawlers,acounts"}, [], "matches 'acounts': set qg_hosts to hosts or groups"),
    "misspelt exclusion": ({"qg_hosts": "crawlers:!acounts"}, [], "matches 'acounts': set qg_hosts to hosts or groups"),
    "empty": ({"qg_hosts": ""}, [], "qg_hosts is empty: set it to hosts or groups of the inventory"),
    "null": ({"qg_hosts": None}, [], "qg_hosts is empty: set it to hosts or groups of the inventory"),
    "limit": (
        {"qg_hosts": "crawlers"},
        ["--limit", "accounts"],
        "and --limit 'accounts': correct --limit, or set qg_hosts to other hosts.",
    ),
}


def asked(sim: Simulator, playground: Playground, name: str, **options: Any) -> Run:
    """Run a playbook whose own variables are right, with no key but those that the options give."""
    own = {"qg_lease_count": 2, "qg_metrics_file": str(playground.root / "qgnet.prom"), "qg_api_url": sim.api_url}
    options["variables"] = own | options.get("variables", {})
    return playground.play(f"qingguo.qgnet.{name}", **options)


def words(run: Run) -> str:
    """What was printed, without the line breaks of ansible-core 2.16 and 2.17."""
    return " ".join(run.output.split())


def mistaken() -> Iterator[Any]:
    """Yield each playbook with each mistake: all of one playbook at once, and of the others those that differ."""
    for name in PLAYBOOKS:
        for mistake in MISTAKES:
            is_quick = name == "register" or mistake in ("missing inventory", "misspelt")
            yield pytest.param(name, mistake, marks=() if is_quick else pytest.mark.slow)


@pytest.mark.parametrize(("name", "mistake"), mistaken())
def test_a_playbook_without_the_hosts_that_were_asked_for_fails(
    sim: Simulator, playground: Playground, name: str, mistake: str
) -> None:
    variables, arguments, sentence = MISTAKES[mistake]
    inventory = None if mistake == "missing inventory" else CRAWLERS
    # Of all playbooks, this one would write to the machine of the test.
    safety = ["--check"] if name == "refresh_timer" else []
    run = asked(
        sim,
        playground,
        name,
        inventory=inventory,
        variables=variables,
        arguments=[*arguments, *safety],
        environment={"QG_KEY": sim.key},
    )
    assert run.rc != 0
    assert sentence in words(run)
    assert run.tasks == []
    assert (sim.journal(), sim.leases()) == ([], [])


@pytest.mark.parametrize("name", sorted(PLAYBOOKS.keys() - {*LOCAL, "refresh_timer"}))
def test_a_playbook_for_all_hosts_fails_without_an_inventory(sim: Simulator, playground: Playground, name: str) -> None:
    run = asked(sim, playground, name, inventory=None, environment={"QG_KEY": sim.key})
    assert run.rc != 0
    assert "There is no host in the inventory /etc/ansible/hosts: give an inventory that has some" in words(run)
    assert sim.journal() == []


def test_a_timer_is_removed_by_its_name(playground: Playground) -> None:
    variables = {"qg_timer_state": "absent", "qg_timer_name": "qg-refresh-none"}
    playground.play("qingguo.qgnet.refresh_timer", variables=variables, arguments=["--check"]).ok()


def test_each_play_of_each_playbook_checks_its_hosts() -> None:
    for path in PLAYBOOKS.values():
        for play in yaml.safe_load(path.read_text(encoding="utf-8")):
            assert "query('qingguo.qgnet.hosts', " in play["hosts"], path.name


def test_a_second_inventory_that_is_missing_is_a_mistake(sim: Simulator, playground: Playground) -> None:
    run = asked(
        sim,
        playground,
        "ensure_leases",
        inventory=CRAWLERS,
        arguments=["-i", "missing.yml"],
        environment={"QG_KEY": sim.key},
    )
    assert run.rc != 0
    assert "missing.yml does not exist" in words(run)
    assert sim.journal() == []


@pytest.mark.parametrize("name", LOCAL)
def test_the_control_node_needs_no_inventory(sim: Simulator, playground: Playground, name: str) -> None:
    sim.configure(whitelist=["203.0.113.8"])
    environment = {"QG_KEY": sim.key, "QG_SOURCES": f"{sim.api_url}/ip"}
    asked(sim, playground, name, inventory=None, environment=environment).ok()
    assert len(sim.leases()) == (2 if name == "ensure_leases" else 0)


def test_localhost_is_registered_without_an_inventory(sim: Simulator, playground: Playground) -> None:
    variables = {"qg_hosts": "localhost", "egress_whitelist_ips": ["203.0.113.5"]}
    asked(sim, playground, "register", inventory=None, variables=variables, environment={"QG_KEY": sim.key}).ok()
    assert sim.whitelist() == ["203.0.113.5"]


@pytest.mark.parametrize(
    ("qg_hosts", "limit", "expected"),
    [
        ("crawlers", "", ["crawler1", "crawler2", "crawler3"]),
        ("crawlers:!crawler2", "", ["crawler1", "crawler3"]),
        ("all:&accounts", "", ["account1", "account2"]),
        ("crawlers[0],account*", "", ["account1", "account2", "crawler1"]),
        (["crawler1", "account1"], "", ["account1", "crawler1"]),
        ("~.*1", "crawlers", ["crawler1"]),
        ("all", "@limit.txt", ["crawler3"]),
    ],
)
def test_a_pattern_means_what_it_means_to_ansible(
    sim: Simulator, playground: Playground, qg_hosts: str | list[str], limit: str, expected: list[str]
) -> None:
    playground.write("limit.txt", "crawler3\n")
    arguments = ["--list-hosts", *(["--limit", limit] if limit else [])]
    variables = {"qg_hosts": qg_hosts}
    run = asked(sim, playground, "register", inventory=CRAWLERS, variables=variables, arguments=arguments).ok()
    assert sorted(word for word in run.stdout.split() if word[:-1] in ("crawler", "account")) == expected


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_the_syntax_is_checked_without_an_inventory(playground: Playground, name: str) -> None:
    playground.play(f"qingguo.qgnet.{name}", inventory=None, arguments=["--syntax-check"]).ok()


def calls_by_key(sim: Simulator) -> dict[str, Counter[str]]:
    """The calls so far of each key, by path."""
    found: dict[str, Counter[str]] = {}
    for call in sim.journal():
        # The service for the egress address needs none.
        if call["key"]:
            found.setdefault(call["key"], Counter())[call["path"]] += 1
    return found


def keys_of(**groups: str) -> str:
    """The inventory with a key for each of these groups."""
    return CRAWLERS + "".join(f"[{group}:vars]\nqg_key={key}\n" for group, key in groups.items())


@pytest.mark.parametrize("name", LOCAL)
def test_a_playbook_names_the_group_that_has_the_key(sim: Simulator, playground: Playground, name: str) -> None:
    run = asked(sim, playground, name, inventory=keys_of(crawlers=sim.key))
    assert run.rc != 0
    expected = "In the inventory, crawlers set qg_key, and localhost does not: run playbooks of the collection with "
    assert f"{expected}-e qg_hosts=crawlers" in words(run)
    run = asked(sim, playground, name, inventory=keys_of(crawlers=sim.key, accounts=OTHER_KEY))
    assert "In the inventory, crawlers, accounts set qg_key" in words(run)
    assert sim.key not in run.output
    assert sim.journal() == []


@pytest.mark.parametrize("name", LOCAL)
def test_hosts_with_one_key_are_as_one_host(sim: Simulator, playground: Playground, name: str) -> None:
    sources = {"qg_sources": [f"{sim.api_url}/ip"]}
    asked(sim, playground, name, variables=sources, environment={"QG_KEY": sim.key}).ok()
    expected = calls_by_key(sim)
    bought = len(sim.leases())
    assert list(expected) == [sim.key]
    sim.reset()
    run = asked(
        sim,
        playground,
        name,
        inventory=keys_of(crawlers=sim.key),
        variables={"qg_hosts": "crawlers", **sources},
        environment={"QG_STORE": str(playground.root / "other")},
    ).ok()
    assert {task.host for task in run.tasks if task.status == "ok"} <= {"crawler1", "localhost"}
    assert calls_by_key(sim) == expected
    assert len(sim.leases()) == bought
    assert sim.key not in run.output


@pytest.mark.parametrize("name", ["doctor", "ensure_leases", "report"])
def test_two_groups_with_two_keys_are_two_hosts(sim: Simulator, playground: Playground, name: str) -> None:
    sim.configure(OTHER_KEY)
    keys = {sim.key, OTHER_KEY}
    variables = {"qg_hosts": "crawlers:accounts", "qg_sources": [f"{sim.api_url}/ip"]}
    for _run in range(2):
        run = asked(
            sim, playground, name, inventory=keys_of(crawlers=sim.key, accounts=OTHER_KEY), variables=variables
        ).ok()
        assert {task.host for task in run.tasks} == {"crawler1", "account1"}
        assert [key for key in keys if key in run.output] == []
        assert {key: len(sim.leases(key)) for key in keys} == dict.fromkeys(keys, 2 if name == "ensure_leases" else 0)
    counts = calls_by_key(sim)
    assert counts.keys() == keys
    assert [counts[key]["/allocate"] for key in keys] == ([1, 1] if name == "ensure_leases" else [0, 0])


def test_hosts_that_need_different_numbers_of_leases_are_not_one(sim: Simulator, playground: Playground) -> None:
    inventory = f"{keys_of(all=sim.key)}\n[crawlers:vars]\nqg_lease_count=1\n[accounts:vars]\nqg_lease_count=3\n"
    variables = {"qg_hosts": "all", "qg_api_url": sim.api_url}
    playground.play("qingguo.qgnet.ensure_leases", inventory=inventory, variables=variables).ok()
    assert len(sim.leases()) == 3


def test_metrics_of_two_keys_need_names(sim: Simulator, playground: Playground) -> None:
    inventory = keys_of(crawlers=sim.key, accounts=OTHER_KEY)
    run = asked(sim, playground, "metrics", inventory=inventory, variables={"qg_hosts": "all"})
    assert run.rc != 0
    assert "or list the keys in qg_metrics_keys" in words(run)
    assert sim.journal() == []
    assert not (playground.root / "qgnet.prom").exists()


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
