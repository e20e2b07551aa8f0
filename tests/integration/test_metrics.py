# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook metrics, and the alerts and the dashboard that read what it writes."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import re
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from behavior.paid_calls import PLANS
from integration.playground import Playground, Run
from qgnet_simulator.running import Simulator
from support import phrases
from support.documents import ROOT

MONITORING = ROOT / "extensions" / "monitoring"
ALERTS = MONITORING / "alerts.yml"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
TEMPLATE = ROOT / "playbooks" / "templates" / "metrics.prom.j2"
#: The metrics that the template can write.
METRICS = {
    f"qgnet_{name}"
    for name in re.findall(r"^  '(\w+)': '", TEMPLATE.read_text(encoding="utf-8"), re.M)
}
PWD = "0123456789ab"
LEASES = "/query"
LEASE = """
- hosts: localhost
  gather_facts: false
  tasks:
    - qingguo.qgnet.qg_proxy_allocate: {count: 2}
"""


def promtool(*arguments: str | Path, text: str = "") -> str:
    """The output of promtool, which must accept what it reads."""
    program = shutil.which("promtool")
    assert program, "promtool is missing; as root: apt-get install prometheus"
    done = subprocess.run(
        [program, *map(str, arguments)], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "qgnet.prom"


def write(
    sim: Simulator, playground: Playground, path: Path, account: bool = False, **variables: Any
) -> Run:
    environment = {"QG_KEY": sim.key, "QG_PASSWORD": PWD, "QG_API_URL": sim.api_url}
    if account:
        own = {
            "QG_APP_ID": sim.app_id,
            "QG_APP_KEY": sim.app_key,
            "QG_ACCOUNT_URL": sim.account_url,
        }
        environment |= own
    variables = {"qg_metrics_file": str(path), **variables}
    inventory = (
        "localhost ansible_connection=local\ngw1 ansible_connection=local\ngw2 "
        "ansible_connection=local\n"
    )
    return playground.play(
        "qingguo.qgnet.metrics", inventory=inventory, variables=variables, environment=environment
    )


def lease(sim: Simulator, playground: Playground, product: str = "classic") -> None:
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url, "QG_PRODUCT": product}
    playground.play(LEASE, environment=environment).ok()


def samples(path: Path) -> dict[str, float]:
    """The samples of a file that Prometheus accepts without advice, by name and labels."""
    text = path.read_text(encoding="utf-8")
    assert promtool("check", "metrics", text=text) == ""
    series: dict[str, float] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            assert name.partition("{")[0] in METRICS
            assert name not in series
            series[name] = float(value)
    return series


def up(series: dict[str, float]) -> dict[str, float]:
    """Whether each reading of the keys has succeeded."""
    readings = {}
    for name, value in series.items():
        match = re.fullmatch(r'qgnet_up\{key="\w+",reading="(\w+)"\}', name)
        if match:
            readings[match[1]] = value
    return readings


def test_a_file_has_what_a_key_and_an_account_hold_and_a_failed_reading_leaves_the_others(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    sim.configure(whitelist=["203.0.113.8", "203.0.113.9"])
    lease(sim, playground)
    before = time.time()

    run = write(sim, playground, path, account=True).ok()

    series = samples(path)
    key = '{key="default"}'
    channels = sim.state()["keys"][sim.key]["plan"]["channels"]
    expected = {
        'qgnet_up{account="default",reading="balance"}': 1,
        f"qgnet_channels{key}": channels,
        f"qgnet_channels_free{key}": channels - 2,
        f"qgnet_channels_used{key}": 2,
        f"qgnet_leases{key}": 2,
        f"qgnet_foreign_leases{key}": 0,
        f"qgnet_key_is_shared{key}": 0,
        f"qgnet_whitelist_entries{key}": 2,
        f"qgnet_whitelist_unowned_entries{key}": 2,
        f"qgnet_whitelist_missing_addresses{key}": 0,
        'qgnet_bought_per_day{key="default",product="classic"}': 2,
        'qgnet_balance_yuan{account="default"}': 12.34,
        'qgnet_up{reading="gateways"}': 1,
    }
    for name in ("quota", "leases", "whitelist", "ledger"):
        expected[f'qgnet_up{{key="default",reading="{name}"}}'] = 1
    assert {name: series[name] for name in series if "timestamp" not in name} == expected
    ends = min(held["ends"] for held in sim.leases())
    assert series[f"qgnet_lease_next_end_timestamp_seconds{key}"] == pytest.approx(ends, abs=1)
    read_at = [series[name] for name in series if name.startswith("qgnet_last_success")]
    assert int(before) <= min(read_at)
    assert max(read_at) <= time.time()
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]
    text = path.read_text(encoding="utf-8")
    for secret in (sim.key, PWD, sim.app_id, sim.app_key):
        assert secret not in text + run.output

    # A reading that fails leaves the others, and the time of its last success.
    old = re.sub(r"(last_success.*) \d+$", r"\1 1000", text, flags=re.M)
    path.write_text(old, encoding="utf-8")
    sim.fault(path="/info/quota", kind="code", code=-13, times=-1)

    run = write(sim, playground, path)

    assert run.rc == 2
    assert "qgnet_up 0" in run.output
    series = samples(path)
    assert up(series) == {"quota": 0, "leases": 1, "whitelist": 1, "ledger": 1}
    last_success = 'qgnet_last_success_timestamp_seconds{key="default",reading='
    assert series[f'{last_success}"quota"}}'] == 1000
    assert series[f'{last_success}"leases"}}'] > 1000
    assert f"qgnet_channels{key}" not in series
    assert series[f"qgnet_leases{key}"] == 2


@pytest.mark.parametrize("is_link", [False, True], ids=["file", "link"])
def test_what_others_have_written_is_not_replaced(
    sim: Simulator, playground: Playground, path: Path, is_link: bool
) -> None:
    victim = path.with_name("victim") if is_link else path
    victim.write_text("of somebody else", encoding="utf-8")
    if is_link:
        path.symlink_to(victim)

    run = write(sim, playground, path)

    assert run.rc == 2
    assert f"{path.name} is not a file of this playbook" in " ".join(run.output.split())
    assert victim.read_text(encoding="utf-8") == "of somebody else"
    assert path.is_symlink() is is_link
    assert {file.name for file in path.parent.iterdir()} == {path.name, victim.name}


LIST = """
- hosts: gw1:gw2
  gather_facts: false
  roles: [qingguo.qgnet.proxy_list]
"""


def of_gateways(series: dict[str, float]) -> dict[tuple[str, str], float]:
    """What a file has of gateways and lists, by the end of the metric's name and the host."""
    values = {}
    for name, value in series.items():
        match = re.fullmatch(
            r'qgnet_gateway_(\w+)\{kind="list",inventory=".+",host="(\w+)",name=".+"\}', name
        )
        if match:
            values[match[1], match[2]] = value
    return values


def test_gateways_and_lists_are_in_the_file_as_the_store_has_them(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    variables = {
        "proxy_list_path": f"{path.parent}/{{{{ inventory_hostname }}}}",
        "proxy_list_interval": 8,
    }
    inventory = (
        "localhost ansible_connection=local\ngw1 ansible_connection=local\ngw2 "
        "ansible_connection=local\n"
    )
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    how: dict[str, Any] = {"inventory": inventory, "environment": environment}
    before = int(time.time())
    playground.play(LIST, variables=variables, **how).ok()

    write(sim, playground, path).ok()

    series = samples(path)
    # Leases of the simulator last a day, and both hosts share one.
    assert series['qgnet_leases_needed_per_day{key="default",bound="least"}'] == 1
    values = of_gateways(series)
    for host in ("gw1", "gw2"):
        assert before <= values["last_refresh_timestamp_seconds", host] <= time.time()
        assert values["interval_seconds", host] == 8
        assert values["drain_seconds", host] == 15
        assert values["problem", host] == 0
        # The role may have done much else.
        assert ("refresh_duration_seconds", host) not in values
    playground.play("qingguo.qgnet.refresh_proxies", **how).ok()
    write(sim, playground, path).ok()
    values = of_gateways(samples(path))
    for host in ("gw1", "gw2"):
        assert 0 < values["refresh_duration_seconds", host] < 240

    # In one run, one is removed, and leasing for the other fails.
    state = "{{ 'absent' if inventory_hostname == 'gw2' else 'present' }}"
    sim.fault(path="/query", kind="code", code=-13, times=-1)
    assert playground.play(LIST, variables={**variables, "proxy_list_state": state}, **how).rc == 2
    sim.control("DELETE", "/faults")
    write(sim, playground, path).ok()

    after = of_gateways(samples(path))
    assert {host for _name, host in after} == {"gw1"}
    assert after["problem", "gw1"] == 1
    last = "last_refresh_timestamp_seconds", "gw1"
    assert after[last] == values[last]


def test_a_reading_that_takes_long_makes_no_refresh_look_old(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    """The alert compares both times of one file."""
    variables = {"proxy_list_path": f"{path.parent}/list", "proxy_list_interval": 8}
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    inventory = "gw1 ansible_connection=local\n"
    playground.play(
        LIST.replace(":gw2", ""), inventory=inventory, variables=variables, environment=environment
    ).ok()
    [store] = playground.store.glob("*.sqlite3")
    before = len(sim.journal(LEASES))

    def refresh() -> None:
        until = time.monotonic() + 60
        while len(sim.journal(LEASES)) == before and time.monotonic() < until:
            time.sleep(0.05)
        with contextlib.closing(sqlite3.connect(store)) as rows, rows:
            rows.execute("UPDATE installations SET refreshed_at = ?", (time.time() + 1000,))

    sim.fault(path=LEASES, kind="hang_after", seconds=2)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        done = pool.submit(refresh)
        write(sim, playground, path).ok()
        done.result()

    refreshed_at = of_gateways(samples(path))["last_refresh_timestamp_seconds", "gw1"]
    assert refreshed_at > time.time()


@pytest.mark.slow
@pytest.mark.parametrize("product", ["share", "overseas", "longterm"])
def test_a_key_of_each_product(
    sim: Simulator, playground: Playground, path: Path, product: str
) -> None:
    sim.configure(plan=PLANS[product])
    lease(sim, playground, product)
    write(sim, playground, path, qg_metrics_keys=[{"name": "shop", "product": product}]).ok()
    series = samples(path)
    # There is no quota of the overseas product.
    channels = {} if product == "overseas" else {"quota": 1}
    assert up(series) == {**channels, "leases": 1, "whitelist": 1, "ledger": 1}
    assert len(sim.leases()) == 2
    assert series[f'qgnet_bought_per_day{{key="shop",product="{product}"}}'] == 2
    assert series['qgnet_leases{key="shop"}'] == 2
    assert series.get('qgnet_channels_free{key="shop"}') == (6 if channels else None)
    # A lease of longterm does not end at its deadline.
    has_end = 'qgnet_lease_next_end_timestamp_seconds{key="shop"}' in series
    assert has_end is (product != "longterm")


def test_several_keys_are_in_one_file(sim: Simulator, playground: Playground, path: Path) -> None:
    sim.configure("QGDEMO77", plan={**PLANS["share"], "billing": "volume", "balance": 70})
    keys = [
        {"name": "shop"},
        {"name": "bulk", "key": "QGDEMO77", "product": "share", "max_new_per_day": 7},
    ]
    sim.fault(path="/allocate", kind="reset_after")
    sim.fault(path="/query", kind="code", code=-13, skip=1)
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url, "QG_PRODUCT": "classic"}
    assert playground.play(LEASE, environment=environment).rc == 2
    run = write(sim, playground, path, qg_metrics_keys=keys, qg_max_new_per_day=30).ok()
    series = samples(path)
    assert series['qgnet_plan_addresses_left{key="bulk"}'] == 70
    assert 'qgnet_channels{key="shop"}' in series
    # A call whose result is unknown counts with all that it asked for, as for the cap.
    assert series['qgnet_bought_per_day{key="shop",product="classic"}'] == 2
    assert series['qgnet_bought_per_day{key="bulk",product="share"}'] == 0
    assert series['qgnet_max_new_per_day{key="shop"}'] == 30
    assert series['qgnet_max_new_per_day{key="bulk"}'] == 7
    assert "QGDEMO77" not in path.read_text(encoding="utf-8") + run.output


def test_that_a_plan_has_no_leases_is_no_failed_reading(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    sim.configure("QGDEMO77", plan={"kind": "exclusive_occupancy"})
    sim.configure("QGDEMO78", plan={"kind": "tunnel"})
    sim.configure("QGDEMO79", plan=PLANS["share"])
    keys = [{"name": "lines", "key": "QGDEMO77"}, {"name": "tunnel", "key": "QGDEMO78"}]

    write(sim, playground, path, qg_metrics_keys=keys).ok()

    series = samples(path)
    assert [name for name in series if "leases" in name] == []
    assert up({name: series[name] for name in series if "tunnel" in name}) == {
        "whitelist": 1,
        "ledger": 1,
    }
    assert series['qgnet_channels_free{key="lines"}'] == 5

    # A key of another product than the one that is set has leases, and so may one that is wrong.
    keys = [
        {"name": "other", "key": "QGDEMO79", "product": "classic"},
        {"name": "wrong", "key": "NOSUCH01"},
    ]
    assert write(sim, playground, path, qg_metrics_keys=keys).rc == 2
    series = samples(path)
    for name in ("other", "wrong"):
        for reading in ("quota", "leases"):
            assert series[f'qgnet_up{{key="{name}",reading="{reading}"}}'] == 0
    # Of a server that does not respond, nothing is known.
    assert write(sim, playground, path, qg_api_url="http://127.0.0.1:1").rc == 2
    assert up(samples(path)) == {"quota": 0, "whitelist": 0, "leases": 0, "ledger": 1}


#: Variables of a host, and what is said of them.
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"qg_metrics_keys": [{"name": "one", "kye": "QGDEMO02"}]}, "kye"),
    "nowhere": ({"qg_metrics_file": "/nowhere/qgnet.prom"}, "the directory /nowhere"),
    "relative": ({"qg_metrics_file": "qgnet.prom"}, phrases.NO_PROM_FILE),
    "quote": ({"qg_metrics_keys": [{"name": 'a"b'}]}, phrases.UNUSABLE_NAME),
    "twice": ({"qg_metrics_keys": [{"name": "a"}, {"name": "a"}]}, phrases.NAME_OF_ITS_OWN),
    "cap": ({"qg_max_new_per_day": "many"}, phrases.NO_CAP),
}


def test_a_mistake_is_reported_before_any_call(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    """Each host has a key of its own, and a file has the metrics of one."""
    hosts = {}
    for name, (variables, _words) in MISTAKES.items():
        own = {"ansible_connection": "local", "qg_key": f"QGDEMO{name}"}
        hosts[name] = {"qg_metrics_file": str(path), **own, **variables}

    run = playground.play(
        "qingguo.qgnet.metrics",
        inventory=json.dumps({"all": {"hosts": hosts}}),
        variables={"qg_hosts": "all", "qg_api_url": sim.api_url},
    )

    assert run.rc == 2
    for name, (_variables, words) in MISTAKES.items():
        message = run.of("Check the variables, before any call", name).result["msg"]
        for part in (phrases.METRICS_NOT_WRITTEN, phrases.LIST_THE_KEYS, words):
            assert part in message
    assert sim.journal() == []
    assert not path.exists()


# Alerts and dashboard

#: What each metric is where all is well, and where each alert is due after 26 hours, as a value of
#: each minute.
WELL = {
    "qgnet_up": "1x1600",
    "qgnet_last_success_timestamp_seconds": "0+60x1600",
    "qgnet_leases": "5x1600",
    "qgnet_gateway_last_refresh_timestamp_seconds": "-30+60x1600",
    "qgnet_gateway_interval_seconds": "10x1600",
    "qgnet_gateway_refresh_duration_seconds": "4x1600",
    "qgnet_gateway_drain_seconds": "15x1600",
    "qgnet_gateway_problem": "0x1600",
    "haproxy_backend_active_servers": "1x1600",
    "haproxy_frontend_sessions_total": "0+5x1600",
    "qgnet_channels_free": "3x1600",
    "qgnet_plan_addresses_left": "500x1600",
    "qgnet_bought_per_day": "17x1600",
    "qgnet_leases_needed_per_day": "20x1600",
    "qgnet_foreign_leases": "0x1600",
    "qgnet_plan_addresses_unexplained": "0x1600",
    "qgnet_key_is_shared": "0x1600",
    "qgnet_max_new_per_day": "20x1600",
    "qgnet_balance_yuan": "80x1600",
    "qgnet_whitelist_missing_addresses": "0x1600",
    "qgnet_whitelist_unowned_entries": "0x1600",
}
ILL = {
    "qgnet_up": "0x1600",
    "qgnet_last_success_timestamp_seconds": "0x1600",
    "qgnet_leases": "5x1540 0x60",
    "qgnet_gateway_last_refresh_timestamp_seconds": "-31x1600",
    "qgnet_gateway_interval_seconds": "10x1600",
    "qgnet_gateway_refresh_duration_seconds": "6x1600",
    "qgnet_gateway_drain_seconds": "15x1600",
    "qgnet_gateway_problem": "1x1600",
    "haproxy_backend_active_servers": "0x1600",
    "haproxy_frontend_sessions_total": "0+5x1600",
    "qgnet_channels_free": "0x1600",
    "qgnet_plan_addresses_left": "99x1600",
    "qgnet_bought_per_day": "18x1600",
    "qgnet_leases_needed_per_day": "20.1x1600",
    "qgnet_foreign_leases": "1x1600",
    "qgnet_plan_addresses_unexplained": "1x1600",
    "qgnet_key_is_shared": "0x1600",
    "qgnet_max_new_per_day": "20x1600",
    "qgnet_balance_yuan": "49.9x1600",
    "qgnet_whitelist_missing_addresses": "1x1600",
    "qgnet_whitelist_unowned_entries": "1x1600",
}
#: What others do with a key that is shared on purpose.
SHARED = {
    **WELL,
    "qgnet_foreign_leases": "9x1600",
    "qgnet_plan_addresses_unexplained": "9x1600",
    "qgnet_key_is_shared": "1x1600",
}
#: A pool that nobody has used for a while, and all of whose leases have ended.
ASLEEP = {
    **WELL,
    "qgnet_leases": "5x1540 0x60",
    "qgnet_leases_needed_per_day": "0x1600",
    "haproxy_backend_active_servers": "1x1540 0x60",
    "haproxy_frontend_sessions_total": "0+5x1500 7500x100",
}
#: The same, since its first request after that.
WOKEN = {**ASLEEP, "haproxy_frontend_sessions_total": "0+5x1500 7500x58 7501x42"}
#: The labels of metrics that have others than a key.
LABELS = {
    "qgnet_last_success_timestamp_seconds": 'reading="gateways"',
    "haproxy_backend_active_servers": 'job="qgnet",proxy="qg"',
    "haproxy_frontend_sessions_total": 'job="qgnet",proxy="qg.port"',
    "qgnet_leases_needed_per_day": 'key="a",bound="least"',
}
#: What the configuration of a gateway has beside its pools: no exits, and those of a pool whose
#: checks all fail.
INNER_BACKENDS = ("gateway.clients", "qg.any", "qg.reports")
#: The alerts that are due before leases of a minute have ended, and the seconds that they wait.
QUICK = {
    "QgnetNoLeases": 15,
    "QgnetGatewayNotRefreshed": 0,
    "QgnetGatewayProblem": 15,
    "QgnetNoUsableExit": 10,
}


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\bqgnet_\w+", expression))


@pytest.mark.slow
def test_prometheus_accepts_the_alerts_and_each_is_due_when_it_should_be(tmp_path: Path) -> None:
    rules = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"][0]["rules"]
    assert f"{len(rules)} rules found" in promtool("check", "rules", ALERTS)
    alerts = [rule["alert"] for rule in rules]
    firing = 'count by (alertname) (ALERTS{alertstate="firing"})'

    def labeled(name: str) -> str:
        labels = LABELS.get(
            name, 'host="h",name="n"' if name.startswith("qgnet_gateway") else 'key="a"'
        )
        return f"{name}{{{labels}}}"

    def case(series: dict[str, str], due: list[str]) -> dict[str, Any]:
        expected = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in due]
        given = [{"series": labeled(name), "values": text} for name, text in series.items()]
        for backend in INNER_BACKENDS:
            active = f'haproxy_backend_active_servers{{job="qgnet",proxy="{backend}"}}'
            given.append({"series": active, "values": "0x1600"})
        return {
            "interval": "1m",
            "input_series": given,
            "promql_expr_test": [{"expr": firing, "eval_time": "26h", "exp_samples": expected}],
        }

    cases = [case(given, []) for given in (WELL, SHARED, ASLEEP, WOKEN)]
    cases.append(case(ILL, alerts))
    # A second control node, which has bought little, uses a key of the same name.
    for name, text in WELL.items():
        second = f'{labeled(name)[:-1]},instance="second"}}'
        cases[-1]["input_series"].append({"series": second, "values": text})
    tests = {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": cases}
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump(tests), encoding="utf-8")
    promtool("test", "rules", file)
    ours = {name for name in ILL if name.startswith("qgnet_")}
    assert ours == {name for rule in rules for name in names_in(rule["expr"])} <= METRICS
    waits = {
        rule["alert"]: int(str(rule.get("for", "0s")).rstrip("s"))
        for rule in rules
        if rule["alert"] in QUICK
    }
    assert waits == QUICK


def test_the_dashboard_shows_metrics_that_exist_in_queries_that_prometheus_accepts(
    tmp_path: Path,
) -> None:
    targets = [target for panel in DASHBOARD["panels"] for target in panel["targets"]]
    used = {name for target in targets for name in names_in(target["expr"])}
    assert used == METRICS
    rules = [
        {"record": f"panel:{number}", "expr": target["expr"]}
        for number, target in enumerate(targets)
    ]
    file = tmp_path / "rules.yml"
    file.write_text(
        yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8"
    )
    promtool("check", "rules", file)
