# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a key has paid for, and the caps on it, as tasks over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from integration.module_tasks import play_cases
from integration.playground import Playground, assert_task_failed
from qgnet_simulator.running import Simulator

pytestmark = pytest.mark.newest

#: A plan of each API that has purchases of its own.
PLANS = {
    "classic": {"kind": "dynamic_dedicated", "channels": 30},
    "exclusive": {"kind": "exclusive", "channels": 30},
}


def test_a_cap_that_is_no_number_of_1_or_more_is_refused_from_anywhere(
    sim: Simulator, playground: Playground
) -> None:
    values = ("many", "1.5", "0", "-1")
    one = {"count": 1}
    cases: dict[str, dict[str, Any]] = {}
    for value in values:
        capped = {**one, "max_new_per_day": value}
        cases[f"option {value}"] = {"qingguo.qgnet.qg_proxy_allocate": capped}
        variables = {"qg_max_new_per_day": value}
        cases[f"variable {value}"] = {"qingguo.qgnet.qg_proxy_allocate": one, "vars": variables}
    bare = {"environment": {"qingguo.qgnet.qg_proxy_allocate": one}}
    environment = {"QG_MAX_NEW_PER_DAY": "many"}
    runs = [play_cases(playground, cases), play_cases(playground, bare, environment=environment)]

    for run in runs:
        for task in run.tasks:
            assert_task_failed(task, "max_new_per_day")
    assert sim.leases() == []
    assert sim.journal() == []


def test_an_entry_names_the_run_and_the_host(sim: Simulator, playground: Playground) -> None:
    cases: dict[str, dict[str, Any]] = {}
    for product, plan in PLANS.items():
        key = f"QG{product.upper()}"
        sim.configure(key, plan=plan, options={"lease_proxies": False})
        options = {"key": key, "product": product}
        for count in (2, 3):
            purchase = {**options, "count": count}
            cases[f"{product} {count}"] = {"qingguo.qgnet.qg_proxy_allocate": purchase}
        cases[product] = {"qingguo.qgnet.qg_ledger_info": options}

    run = play_cases(playground, cases).ok()

    for product in PLANS:
        ledger = run.of(product).result
        assert "ansible_facts" not in ledger
        first, second = ledger["entries"]
        assert first["run"] != ""
        assert first["run"] == second["run"]
        assert first["host"] == "app"
        assert first["product"] == product
        assert first["received"] == 2
        assert second["received"] == 1


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
