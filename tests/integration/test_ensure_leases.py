# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook ensure_leases, and module defaults and lookups that choose a product."""

from __future__ import annotations

import json
from typing import Any

from behavior.paid_calls import PLANS
from integration.module_tasks import CHECK, play, task
from integration.playground import Playground, callers, calls
from qgnet_simulator.running import Simulator
from support import phrases

ENSURE = "qingguo.qgnet.ensure_leases"


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
}
EMPTY = (
    "qg_min_remaining",
    "qg_keep_alive",
    "qg_areas",
    "qg_isp",
    "qg_on_uncertain",
    "qg_ignore_quota",
)
#: Variables of a host that leases two.
LEASING: dict[str, dict[str, Any]] = {
    # A rulebook passes empty text for variables that it does not have.
    "areas": {"qg_areas": ["440100", "350500"], "qg_isp": "", "qg_on_uncertain": ""},
    "unset": dict.fromkeys(EMPTY),
    "excluding": {},
}


def test_the_playbook_leases_what_is_missing_and_guesses_no_number(
    sim: Simulator, playground: Playground
) -> None:
    """Each host has a key of its own. An empty variable counts as unset, and 0 is not empty."""
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
