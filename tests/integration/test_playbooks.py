# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all playbooks have in common: which hosts they run for, and with which key; and the playbook
report.

Other tests of the playbooks for the whitelist are in test_role.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from integration.fleet import Fleet, public
from integration.playground import QUERY, Playground, Run, calls
from qgnet_simulator.running import Simulator
from support import phrases
from support.documents import ROOT
from support.parameters import slow_cases

REGISTER = "qingguo.qgnet.register"
REPORT = "qingguo.qgnet.report"
OFFICE = "198.51.100.7"
STRANGER = "198.51.100.9"
PLAYBOOKS = {path.stem: path for path in sorted((ROOT / "playbooks").glob("*.yml"))}
#: Those that run on the control node, unless qg_hosts names hosts whose keys they use.
LOCAL = ("doctor", "ensure_leases", "metrics", "report")
#: Nobody can log in to these hosts.
CRAWLERS = (
    "[crawlers]\ncrawler[1:3]\n[accounts]\naccount[1:2]\n"
    "[all:vars]\nansible_host=127.0.0.1\nansible_port=1\n"
)
OTHER_KEY = "QGOTHER1"

#: The hosts that a user asks for, and the sentence that refuses them.
MISTAKES: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "missing inventory": ({}, ["-i", "missing.yml"], f"missing.yml {phrases.CORRECT_ITS_PATH}"),
    "misspelt": ({"qg_hosts": "crawlres"}, [], f"'crawlres': {phrases.SET_QG_HOSTS}"),
    "misspelt in part": (
        {"qg_hosts": "crawlers,acounts"},
        [],
        f"'acounts': {phrases.SET_QG_HOSTS}",
    ),
    "misspelt exclusion": (
        {"qg_hosts": "crawlers:!acounts"},
        [],
        f"'acounts': {phrases.SET_QG_HOSTS}",
    ),
    "empty": ({"qg_hosts": ""}, [], phrases.QG_HOSTS_IS_EMPTY),
    "null": ({"qg_hosts": None}, [], phrases.QG_HOSTS_IS_EMPTY),
    "limit": ({"qg_hosts": "crawlers"}, ["--limit", "accounts"], phrases.CORRECT_LIMIT),
}


def asked(sim: Simulator, playground: Playground, name: str, **options: Any) -> Run:
    """Run a playbook whose own variables are right, with no key but those that the options give."""
    own = {
        "qg_lease_count": 2,
        "qg_metrics_file": str(playground.root / "qgnet.prom"),
        "qg_api_url": sim.api_url,
    }
    options["variables"] = own | options.get("variables", {})
    return playground.play(f"qingguo.qgnet.{name}", **options)


def words(run: Run) -> str:
    """What was printed, without the line breaks of ansible-core 2.16 and 2.17."""
    return " ".join(run.output.split())


def mistaken() -> Iterator[Any]:
    """Yield one playbook with each mistake, and each other one with some: they share what checks
    the hosts.
    """
    for mistake in MISTAKES:
        yield "register", mistake
    for name in PLAYBOOKS.keys() - {"register"}:
        yield name, "misspelt"
        yield from slow_cases((name, "missing inventory"), (name, "null"))


@pytest.mark.measured
@pytest.mark.parametrize(("name", "mistake"), sorted(mistaken(), key=str))
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
    assert sim.journal() == []
    assert sim.leases() == []


@pytest.mark.parametrize(
    "name", ["register", *slow_cases("deregister", "refresh_proxies", "verify")]
)
def test_a_playbook_for_all_hosts_fails_without_an_inventory(
    sim: Simulator, playground: Playground, name: str
) -> None:
    run = asked(sim, playground, name, inventory=None, environment={"QG_KEY": sim.key})
    assert run.rc != 0
    assert phrases.NO_HOST_IN_INVENTORY in words(run)
    assert sim.journal() == []


def test_a_timer_is_removed_by_its_name(playground: Playground) -> None:
    variables = {"qg_timer_state": "absent", "qg_timer_name": "qg-refresh-none"}
    playground.play("qingguo.qgnet.refresh_timer", variables=variables, arguments=["--check"]).ok()


def test_each_play_of_each_playbook_checks_its_hosts() -> None:
    for path in PLAYBOOKS.values():
        for play in yaml.safe_load(path.read_text(encoding="utf-8")):
            assert "query('qingguo.qgnet.hosts', " in play["hosts"], path.name


@pytest.mark.measured
def test_a_second_inventory_that_is_missing_is_a_mistake(
    sim: Simulator, playground: Playground
) -> None:
    run = asked(
        sim,
        playground,
        "ensure_leases",
        inventory=CRAWLERS,
        arguments=["-i", "missing.yml"],
        environment={"QG_KEY": sim.key},
    )
    assert run.rc != 0
    assert f"missing.yml {phrases.CORRECT_ITS_PATH}" in words(run)
    assert sim.journal() == []


@pytest.mark.parametrize("name", LOCAL)
def test_the_control_node_needs_no_inventory(
    sim: Simulator, playground: Playground, name: str
) -> None:
    sim.configure(whitelist=["203.0.113.8"])
    environment = {"QG_KEY": sim.key, "QG_SOURCES": f"{sim.api_url}/ip"}
    asked(sim, playground, name, inventory=None, environment=environment).ok()
    assert len(sim.leases()) == (2 if name == "ensure_leases" else 0)


def test_localhost_is_registered_without_an_inventory(
    sim: Simulator, playground: Playground
) -> None:
    variables = {"qg_hosts": "localhost", "egress_whitelist_ips": ["203.0.113.5"]}
    asked(
        sim,
        playground,
        "register",
        inventory=None,
        variables=variables,
        environment={"QG_KEY": sim.key},
    ).ok()
    assert sim.whitelist() == ["203.0.113.5"]


@pytest.mark.measured
@pytest.mark.parametrize(
    ("qg_hosts", "limit", "expected"),
    [
        ("all:&crawlers:!crawler2", "", ["crawler1", "crawler3"]),
        (["crawlers[0:1]", "~acc.*1"], "@limit.txt", ["account1", "crawler2"]),
        *slow_cases(
            ("crawlers", "", ["crawler1", "crawler2", "crawler3"]),
            ("crawlers[0],account*", "", ["account1", "account2", "crawler1"]),
            ("~.*1", "crawlers", ["crawler1"]),
        ),
    ],
)
def test_a_pattern_means_what_it_means_to_ansible(
    sim: Simulator,
    playground: Playground,
    qg_hosts: str | list[str],
    limit: str,
    expected: list[str],
) -> None:
    playground.write("limit.txt", "crawler2\naccount1\n")
    arguments = ["--list-hosts", *(["--limit", limit] if limit else [])]
    variables = {"qg_hosts": qg_hosts}
    run = asked(
        sim, playground, "register", inventory=CRAWLERS, variables=variables, arguments=arguments
    ).ok()
    assert (
        sorted(word for word in run.stdout.split() if word[:-1] in ("crawler", "account"))
        == expected
    )


@pytest.mark.measured
def test_the_syntax_is_checked_without_an_inventory(playground: Playground) -> None:
    first, *others = (f"qingguo.qgnet.{name}" for name in PLAYBOOKS)
    run = playground.play(first, inventory=None, arguments=["--syntax-check", *others]).ok()
    assert run.output.count("playbook: ") == len(PLAYBOOKS)


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


@pytest.mark.parametrize("name", ["report", *slow_cases("doctor", "ensure_leases", "metrics")])
def test_a_playbook_names_the_group_that_has_the_key(
    sim: Simulator, playground: Playground, name: str
) -> None:
    run = asked(sim, playground, name, inventory=keys_of(crawlers=sim.key))
    assert run.rc != 0
    assert phrases.CRAWLERS_SET_KEY in words(run)
    run = asked(sim, playground, name, inventory=keys_of(crawlers=sim.key, accounts=OTHER_KEY))
    assert phrases.TWO_GROUPS_SET_KEY in words(run)
    assert sim.key not in run.output
    assert sim.journal() == []


@pytest.mark.measured
@pytest.mark.parametrize("name", ["ensure_leases", *slow_cases("doctor", "metrics", "report")])
def test_hosts_with_one_key_are_as_one_host(
    sim: Simulator, playground: Playground, name: str
) -> None:
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


@pytest.mark.parametrize(
    ("name", "leases"), [("ensure_leases", 2), *slow_cases(("doctor", 0), ("report", 0))]
)
def test_two_groups_with_two_keys_are_two_hosts(
    sim: Simulator, playground: Playground, name: str, leases: int
) -> None:
    sim.configure(OTHER_KEY)
    inventory = keys_of(crawlers=sim.key, accounts=OTHER_KEY)
    variables = {"qg_hosts": "crawlers:accounts", "qg_sources": [f"{sim.api_url}/ip"]}
    for _run in range(2):
        run = asked(sim, playground, name, inventory=inventory, variables=variables).ok()
        assert {task.host for task in run.tasks} == {"crawler1", "account1"}
        for key in (sim.key, OTHER_KEY):
            assert key not in run.output
            assert len(sim.leases(key)) == leases
    counts = calls_by_key(sim)
    for key in (sim.key, OTHER_KEY):
        assert counts[key]["/allocate"] == (1 if leases else 0)


def test_hosts_that_need_different_numbers_of_leases_are_not_one(
    sim: Simulator, playground: Playground
) -> None:
    counts = "[crawlers:vars]\nqg_lease_count=1\n[accounts:vars]\nqg_lease_count=3\n"
    inventory = f"{keys_of(all=sim.key)}\n{counts}"
    variables = {"qg_hosts": "all", "qg_api_url": sim.api_url}
    playground.play("qingguo.qgnet.ensure_leases", inventory=inventory, variables=variables).ok()
    assert len(sim.leases()) == 3


def test_metrics_of_two_keys_need_names(sim: Simulator, playground: Playground) -> None:
    inventory = keys_of(crawlers=sim.key, accounts=OTHER_KEY)
    run = asked(sim, playground, "metrics", inventory=inventory, variables={"qg_hosts": "all"})
    assert run.rc != 0
    assert phrases.LIST_THE_KEYS in words(run)
    assert sim.journal() == []
    assert not (playground.root / "qgnet.prom").exists()


def test_the_report_is_a_table_whose_rows_nobody_can_forge(fleet: Fleet) -> None:
    fleet.sim.configure(
        whitelist=[OFFICE, STRANGER, "203.0.113.0/24", "x\n198.51.100.66  forged", "{{ 7 * 7 }}"]
    )
    fleet.move(h2=OFFICE)
    fleet.run(REGISTER, variables={"qg_hosts": "h1:h2:h3"}).ok()
    fleet.sim.configure(whitelist=[ip for ip in fleet.sim.whitelist() if ip != public(3)])
    fleet.playground.environment |= {"QG_KEY": fleet.sim.key, "QG_API_URL": fleet.sim.api_url}
    run = fleet.run(REPORT).ok()
    page = run.of("Show the report").result["msg"]
    hosts = page[page.index("HOSTS") + 1 : page.index("LEASES") - 1]
    head, *rows, total, unreadable = [line.strip() for line in hosts]
    assert head.split() == ["address", "host", "since", "(UTC+08:00)", "note", "inventory"]
    expected = [
        (OFFICE, "h2", phrases.THERE_BEFORE),
        (STRANGER, "-", phrases.NO_OWNER),
        (public(1), "h1", ""),
        (public(3), "h3", phrases.NOT_LISTED),
    ]
    for row, (ip, host, note) in zip(rows, expected, strict=True):
        assert row.split()[:2] == [ip, host]
        assert note in row
    assert total == phrases.TOTAL_OF_THE_REPORT
    assert unreadable.startswith(phrases.UNREADABLE_ENTRIES)
    assert "x 198.51.100.66 forged" in unreadable
    assert "{{ 7 * 7 }}" in unreadable or "49" not in unreadable
    assert QUERY in calls(fleet.sim)
    assert fleet.sim.key not in run.output


def test_the_report_as_data(sim: Simulator, playground: Playground) -> None:
    how: dict[str, Any] = {"environment": {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}}

    wrong = playground.play(REPORT, variables={"qg_format": "xml"}, **how)
    assert phrases.GIVE_TEXT_OR_JSON in words(wrong)
    assert sim.journal() == []

    run = playground.play(REPORT, variables={"qg_format": "json"}, **how).ok()
    data = run.of("Show the report").result["msg"]
    assert data["leases"] == []
    assert data["problems"] == []
    assert "page" not in data


LIST = """
- hosts: localhost
  gather_facts: false
  roles: [qingguo.qgnet.proxy_list]
"""


@pytest.mark.measured
def test_the_report_and_the_doctor_show_what_is_installed(
    sim: Simulator, playground: Playground
) -> None:
    path = playground.root / "made" / "proxies"
    sources = {"qg_sources": [f"{sim.api_url}/ip"]}
    how: dict[str, Any] = {"environment": {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}}

    def shown() -> tuple[list[str], dict[str, Any] | None]:
        report = playground.play(REPORT, **how).ok()
        doctor = playground.play("qingguo.qgnet.doctor", variables=sources, **how)
        checks = doctor.of("Check the control node and the key").result["checks"]
        page = report.of("Show the report").result["msg"]
        problems = " ".join(page[: page.index("HOSTS")])
        rows = [problems, *page[page.index("GATEWAYS AND LISTS") + 1 :]]
        return rows, next((check for check in checks if check["name"] == "gateways"), None)

    rows, check = shown()
    assert rows[1:] == ["  none installed"]
    assert check is None

    flag = playground.write("flag", "")
    variables = {"proxy_list_path": str(path), "proxy_list_command": f"test -e {flag}"}
    installed = playground.play(LIST, variables=variables, **how).ok()
    assert phrases.ONE_A_DAY in words(installed)

    rows, check = shown()
    assert rows[1].split()[:3] == ["host", "kind", "name"]
    assert rows[2].split()[1:3] == ["list", str(path)]
    assert rows[2].split()[-1] == "ok"
    assert check is not None
    assert check["ok"] is True

    sim.fault(path="/query", kind="code", code=-13, times=-1)
    assert playground.play("qingguo.qgnet.refresh_proxies", **how).rc == 2
    sim.control("DELETE", "/faults")

    rows, check = shown()
    assert f"The list {path} of " in rows[0]
    assert "code -13" in rows[0]
    assert check is not None
    assert check["ok"] is False
    assert check["detail"].startswith(f"The list {path} of ")
    assert "code -13" in check["detail"]

    # A host on which a run fails by itself, here the only one, is shown with the reason as well.
    path.write_text("", encoding="utf-8")
    flag.unlink()
    assert playground.play("qingguo.qgnet.refresh_proxies", **how).rc == 2

    rows, check = shown()
    assert check is not None
    assert f"proxy_list_command=test -e {flag} has failed with 1" in check["detail"]
