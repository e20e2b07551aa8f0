# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all playbooks have in common: which hosts they run for, and with which key; the playbooks
ensure_leases and report.

Other tests of the playbooks for the whitelist are in test_role.py.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
import yaml
from behavior.paid_calls import PLANS
from integration.fleet import Fleet, public
from integration.module_tasks import CHECK, IGNORE, play, task
from integration.playground import QUERY, Playground, Run, callers, calls
from qgnet_simulator.running import Simulator
from support import phrases
from support.documents import ROOT

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
#: The hosts of a playbook, and of those that choose in another way.
DEFAULT = "qg_hosts | default('all')"
CHOICES = {
    **dict.fromkeys(LOCAL, "qg_hosts | default('localhost')"),
    "deregister": "qg_hosts | default('localhost' if qg_forget is defined else 'all')",
    "refresh_timer": (
        "'localhost' if qg_timer_state | default('') == 'absent' else qg_hosts | default('')"
    ),
}

#: The hosts that a user asks for, and the sentence that refuses them.
MISTAKES: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "missing inventory": ({}, ["-i", "missing.yml"], f"missing.yml {phrases.CORRECT_ITS_PATH}"),
    "misspelt": ({"qg_hosts": "crawlres"}, [], f"'crawlres': {phrases.SET_QG_HOSTS}"),
    "limit": ({"qg_hosts": "crawlers"}, ["--limit", "accounts"], phrases.CORRECT_LIMIT),
}
#: Other patterns that a user asks for, and the sentence that refuses them.
REFUSED_PATTERNS: dict[str, tuple[str | None, str]] = {
    "misspelt in part": ("crawlers,acounts", f"'acounts': {phrases.SET_QG_HOSTS}"),
    "misspelt exclusion": ("crawlers:!acounts", f"'acounts': {phrases.SET_QG_HOSTS}"),
    "empty": ("", phrases.QG_HOSTS_IS_EMPTY),
    "null": (None, phrases.QG_HOSTS_IS_EMPTY),
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


#: One playbook with each mistake, and one with each other way to choose hosts: they share what
#: checks them.
MISTAKEN = [
    *(("register", mistake) for mistake in MISTAKES),
    ("report", "misspelt"),
    ("deregister", "misspelt"),
    ("refresh_timer", "misspelt"),
]


@pytest.mark.measured
@pytest.mark.parametrize(("name", "mistake"), MISTAKEN)
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


@pytest.mark.measured
def test_each_part_of_a_pattern_has_to_match(playground: Playground) -> None:
    chosen = {"chosen": "{{ query('qingguo.qgnet.hosts', pattern) }}"}
    tasks = [
        {"name": name, "ansible.builtin.set_fact": chosen, "vars": {"pattern": pattern}}
        for name, (pattern, _sentence) in REFUSED_PATTERNS.items()
    ]

    run = playground.play(play(*tasks, hosts="crawler1", **IGNORE), inventory=CRAWLERS)

    for name, (_pattern, sentence) in REFUSED_PATTERNS.items():
        assert run.of(name).status == "failed", name
        assert sentence in run.of(name).result["msg"], name


def test_a_playbook_for_all_hosts_fails_without_an_inventory(
    sim: Simulator, playground: Playground
) -> None:
    run = asked(sim, playground, "register", inventory=None, environment={"QG_KEY": sim.key})
    assert run.rc != 0
    assert phrases.NO_HOST_IN_INVENTORY in words(run)
    assert sim.journal() == []


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_each_play_of_a_playbook_checks_its_hosts(name: str) -> None:
    """Those on the control node check all hosts, and then take one of those that share a key."""
    asked_for = f"'qingguo.qgnet.hosts', {CHOICES.get(name, DEFAULT)}"
    expected = [f"{{{{ query({asked_for}) }}}}"]
    if name in LOCAL:
        expected.append(f"{{{{ query({asked_for}, distinct=true) }}}}")
    plays = yaml.safe_load(PLAYBOOKS[name].read_text(encoding="utf-8"))
    assert [play["hosts"] for play in plays] == expected


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


def test_a_playbook_names_the_group_that_has_the_key(
    sim: Simulator, playground: Playground
) -> None:
    run = asked(sim, playground, "report", inventory=keys_of(crawlers=sim.key))
    assert run.rc != 0
    assert phrases.CRAWLERS_SET_KEY in words(run)
    run = asked(sim, playground, "report", inventory=keys_of(crawlers=sim.key, accounts=OTHER_KEY))
    assert phrases.TWO_GROUPS_SET_KEY in words(run)
    assert sim.key not in run.output
    assert sim.journal() == []


@pytest.mark.measured
def test_hosts_with_one_key_are_as_one_host_and_those_with_two_as_two(
    sim: Simulator, playground: Playground
) -> None:
    sim.configure(OTHER_KEY)
    inventory = keys_of(crawlers=sim.key, accounts=OTHER_KEY)
    variables = {"qg_hosts": "crawlers:accounts"}
    for _run in range(2):
        run = asked(sim, playground, "ensure_leases", inventory=inventory, variables=variables).ok()
        assert {task.host for task in run.tasks} == {"crawler1", "account1"}
        for key in (sim.key, OTHER_KEY):
            assert key not in run.output
            assert len(sim.leases(key)) == 2
    counts = calls_by_key(sim)
    assert counts[sim.key]["/allocate"] == counts[OTHER_KEY]["/allocate"] == 1


def test_hosts_that_need_different_numbers_of_leases_are_not_one(
    sim: Simulator, playground: Playground
) -> None:
    counts = "[crawlers:vars]\nqg_lease_count=1\n[accounts:vars]\nqg_lease_count=3\n"
    inventory = f"{keys_of(all=sim.key)}\n{counts}"
    variables = {"qg_hosts": "all", "qg_api_url": sim.api_url}
    playground.play("qingguo.qgnet.ensure_leases", inventory=inventory, variables=variables).ok()
    assert len(sim.leases()) == 3


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


@pytest.mark.newest
def test_the_report_shows_what_was_paid_and_how_long_leases_last(
    sim: Simulator, playground: Playground
) -> None:
    lease = playground.run("qg_proxy_allocate", product="classic", count=2, keep_alive=30)
    assert lease["changed"] is True
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    run = playground.play("qingguo.qgnet.report", environment=environment).ok()

    page = run.of("Show the report").result["msg"]
    spending = [
        line.split()
        for line in page[page.index("SPENDING") + 1 : page.index("GATEWAYS AND LISTS") - 1]
    ]
    _total, _head, day, head, buyer = spending
    assert day[1:5] == ["classic", "1", "2", "0"]
    assert head[0] == "user"
    assert buyer[1:] == ["localhost", "1", "2", "0"]
    leases = page[page.index("LEASES") + 1 : page.index("SPENDING") - 1]
    servers = {lease["host"]: lease["ip"] for lease in sim.leases()}
    rows = [line.split() for line in leases[2:-1]]
    assert {row[0]: row[1] for row in rows} == servers
    for row in rows:
        assert row[4] in ("29", "30")


@pytest.mark.newest
def test_the_report_has_the_keys_of_pools(sim: Simulator, playground: Playground) -> None:
    sim.configure("POOLKEY1")
    playground.run("qg_proxy_allocate", product="classic", count=1, key="POOLKEY1")
    pools = [{"name": "own", "key": "POOLKEY1", "port": 3129}, {"name": "a", "port": 3130}]
    local: dict[str, Any] = {"ansible_connection": "local"}
    hosts = {"one": local, "two": local, "three": {**local, "proxy_gateway_pools": pools}}

    run = playground.play(
        REPORT,
        inventory=json.dumps({"all": {"hosts": hosts}}),
        variables={"qg_hosts": "all"},
        environment={"QG_KEY": sim.key, "QG_API_URL": sim.api_url},
    ).ok()

    shown = [task for task in run.tasks if task.name == "Show the reports of the keys of pools"]
    assert {task.host for task in shown if task.status == "ok"} == {"three"}
    assert sim.leases("POOLKEY1")[0]["host"] in run.output
    assert "POOLKEY1" not in run.output


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


REPORT_AND_DOCTOR = """
- ansible.builtin.import_playbook: qingguo.qgnet.report
- ansible.builtin.import_playbook: qingguo.qgnet.doctor
"""
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
        run = playground.play(REPORT_AND_DOCTOR, variables=sources, **how)
        checks = run.of("Check the control node and the key").result["checks"]
        page = run.of("Show the report").result["msg"]
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


ENSURE = "qingguo.qgnet.ensure_leases"


@pytest.mark.parametrize(
    ("variable", "value", "phrase"),
    [
        ("min_remaining", "30s", "give qg_min_remaining"),
        ("areas", "350500", "give qg_areas"),
        ("qg_exclude_areas", "350500", "does not exist"),
        ("qg_pool", "normal", "does not exist"),
    ],
)
def test_a_variable_that_a_playbook_would_ignore_is_refused(
    sim: Simulator, playground: Playground, variable: str, value: str, phrase: str
) -> None:
    """It would buy leases that do not fit."""
    arguments = ["-e", f"{variable}={value}"]
    environment = {"QG_KEY": sim.key}
    run = asked(sim, playground, "ensure_leases", arguments=arguments, environment=environment)

    assert run.rc == 2
    assert f"The variable {variable} " in words(run)
    assert phrase in words(run)
    assert sim.journal() == []


def test_an_environment_variable_that_is_no_setting_is_named_once(
    sim: Simulator, playground: Playground
) -> None:
    environment = {"QG_KEY": sim.key, "QG_LIMIT": "1"}
    run = asked(sim, playground, "ensure_leases", environment=environment).ok()
    assert run.stderr.count("QG_LIMIT in the environment has no effect") == 1


def servers(leases: list[dict[str, Any]]) -> set[str]:
    return {lease["server"] for lease in leases}


def test_module_defaults_choose_the_product_for_all_modules(
    sim: Simulator, playground: Playground
) -> None:
    sim.configure(plan=PLANS["exclusive"], whitelist=["203.0.113.9"])
    place = f"key='{sim.key}', api_url='{sim.api_url}', product='exclusive'"
    looked_up = f"{{{{ query('qingguo.qgnet.proxy', {place}, limit=9, max_age=0) }}}}"
    two = {"count": 2}
    text = play(
        task("Whitelist", "qg_whitelist_info"),
        task("Quota", "qg_quota_info"),
        task("Areas", "qg_area_info"),
        task("Prediction", "qg_proxy_allocate", two, **CHECK),
        task("Lease", "qg_proxy_allocate", two),
        task("Again", "qg_proxy_allocate", two),
        task("Look", "qg_proxy_info"),
        {"name": "Lookup", "ansible.builtin.set_fact": {"found": looked_up}},
        task("Replace", "qg_proxy_replace", {"count": 1}),
        task("Release", "qg_proxy_release", {"all": True}),
        hosts="localhost",
        defaults={
            "key": sim.key,
            "api_url": sim.api_url,
            "product": "exclusive",
        },
    )
    run = playground.play(text).ok()
    # The whitelist stays on the classic host, for keys of every product.
    assert run.of("Whitelist").result["whitelist"] == ["203.0.113.9"]
    assert run.of("Quota").result["quota"]["total"] == 8
    assert run.of("Areas").result["count"] == 9
    assert run.of("Prediction").result["missing"] == 2
    leases = run.of("Lease").result["leases"]
    assert len(leases) == 2
    assert run.of("Again").result["changed"] is False
    assert servers(run.of("Look").result["leases"]) == servers(leases)
    assert set(run.of("Lookup").result["ansible_facts"]["found"]) == servers(leases)
    assert len(run.of("Replace").result["allocated"]) == 1
    assert len(run.of("Release").result["released"]) == 2
    assert sim.leases() == []
    paths = calls(sim)
    assert paths[0] == "/whitelist/query"
    assert {path.split("/")[1] for path in paths[1:]} == {"exclusive"}
    for call in ("get", "replace", "delete"):
        assert paths.count(f"/exclusive/{call}") == 1


#: Variables of a host, and what is wrong with them.
REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "zero": ({"qg_lease_count": 1, "qg_keep_alive": 0}, ("keep_alive=0", phrases.OUT_OF_RANGE)),
    "nothing": ({}, (phrases.NO_LEASE_COUNT,)),
    "null": ({"qg_lease_count": None}, (phrases.NO_LEASE_COUNT,)),
    "empty": ({"qg_lease_count": ""}, (phrases.NO_LEASE_COUNT,)),
    "none": ({"qg_lease_count": 0}, (phrases.NO_LEASE_COUNT,)),
    # What somebody has written down is in force, or the run says before it pays that it is not.
    "capless": ({"qg_lease_count": 1, "qg_max_new_per_day": ""}, ("max_new_per_day is empty",)),
    "capnull": ({"qg_lease_count": 1, "qg_max_new_per_day": None}, ("max_new_per_day is null",)),
    "anywhere": ({"qg_lease_count": 1, "qg_areas": ""}, ("areas is empty",)),
    "nowhere": ({"qg_lease_count": 1, "qg_areas": []}, ("areas is empty",)),
    "lasting": ({"qg_lease_count": 1, "qg_min_remaining": ""}, ("min_remaining is empty",)),
    # Templates of an older ansible-core make an empty text of it.
    "whoever": ({"qg_lease_count": 1, "qg_isp": None}, ("isp is ", "give a value")),
}
#: Variables of a host that leases two.
LEASING: dict[str, dict[str, Any]] = {
    # A rulebook passes "any" for variables that it does not have.
    "areas": {"qg_areas": ["440100", "350500"], "qg_isp": "any"},
    "unset": {"qg_areas": "any", "qg_keep_alive": "any"},
    "excluding": {},
}


def test_the_playbook_leases_what_is_missing_and_guesses_no_number(
    sim: Simulator, playground: Playground
) -> None:
    """Each host has a key of its own. No empty variable counts as unset."""
    hosts = {name: variables for name, (variables, _words) in REFUSED.items()}
    for name, variables in LEASING.items():
        hosts[name] = {"qg_lease_count": 2, **variables}
    for name, variables in hosts.items():
        sim.configure(f"QG{name.upper()}", plan=PLANS["share"] if name == "areas" else {})
        variables |= {"qg_key": f"QG{name.upper()}", "ansible_connection": "local"}
    inventory = json.dumps({"crawlers": {"hosts": hosts}})
    how: dict[str, Any] = {"inventory": inventory, "environment": {"QG_API_URL": sim.api_url}}

    run = playground.play(ENSURE, variables={"qg_hosts": "crawlers"}, **how)

    for name, (_variables, words) in REFUSED.items():
        refusal = run.of("Lease what is missing", name)
        assert refusal.status == "failed"
        # Old releases of Ansible add the place in the playbook.
        for word in words:
            assert word in refusal.result["msg"]
        assert sim.leases(f"QG{name.upper()}") == []
    for name in LEASING:
        assert run.of("Lease what is missing", name).status == "ok"
        assert len(sim.leases(f"QG{name.upper()}")) == 2
    assert callers(sim) == {f"QG{name.upper()}" for name in LEASING}
    [sent] = sim.journal("/share/get")
    assert sent["params"]["area"] == "350500,440100"

    # An excluded address does not count.
    excluded = sim.leases("QGEXCLUDING")[0]["ip"]
    variables = {"qg_hosts": "excluding", "qg_exclude_ips": [excluded]}
    playground.play(ENSURE, variables=variables, **how).ok()
    others = {lease["ip"] for lease in sim.leases("QGEXCLUDING")} - {excluded}
    assert len(others) == 2
    options = f"exclude_ips=['{excluded}'], at_least=2, max_age=0, form='lease'"
    look = f"{{{{ query('qingguo.qgnet.proxy', key='QGEXCLUDING', {options}) }}}}"
    text = play({"name": "Lookup", "ansible.builtin.set_fact": {"usable": look}}, hosts="localhost")
    run = playground.play(text, environment=how["environment"]).ok()
    usable = run.of("Lookup").result["ansible_facts"]["usable"]
    assert {lease["ip"] for lease in usable} == others


def test_a_playbook_needs_no_product(sim: Simulator, playground: Playground) -> None:
    sim.configure(plan=PLANS["share"], options={"lease_proxies": False})
    looked_up = "{{ lookup('qingguo.qgnet.proxy', limit=1) }}"
    text = play(
        task("lease", "qg_proxy_allocate", {"count": 1}),
        {"name": "look", "ansible.builtin.set_fact": {"first": looked_up}},
        hosts="localhost",
    )
    run = playground.play(text, environment={"QG_KEY": sim.key, "QG_API_URL": sim.api_url}).ok()
    assert run.of("lease").result["product"] == "share"
    assert (
        run.of("look").result["ansible_facts"]["first"]
        == run.of("lease").result["leases"][0]["server"]
    )
    assert [path for path in calls(sim) if not path.startswith("/share/")] == ["/query"]
