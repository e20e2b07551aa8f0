# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook ensure_leases, and module defaults and lookups that choose a product."""

from __future__ import annotations

from typing import Any

from simulator.fixture import Simulator
from support.module_tasks import CHECK, play, task
from support.paid_calls import PLANS
from support.playground import Playground, Run, calls

ENSURE = "qingguo.qgnet.ensure_leases"


def ensure(sim: Simulator, playground: Playground, product: str, **variables: Any) -> Run:
    """Run the playbook; the key and its product are in the environment."""
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url, "QG_PRODUCT": product}
    variables = {f"qg_{name}": value for name, value in variables.items()}
    return playground.play(ENSURE, variables=variables, environment=environment)


def servers(leases: list[dict[str, Any]]) -> set[str]:
    return {lease["server"] for lease in leases}


def test_module_defaults_choose_the_product_for_all_modules(sim: Simulator, playground: Playground) -> None:
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
    paths = [call["path"] for call in sim.journal()]
    assert paths[0] == "/whitelist/query"
    assert {path.split("/")[1] for path in paths[1:]} == {"exclusive"}
    assert paths.count("/exclusive/get") == paths.count("/exclusive/replace") == paths.count("/exclusive/delete") == 1


def test_the_playbook_leases_in_areas(sim: Simulator, playground: Playground) -> None:
    sim.configure(plan=PLANS["share"])
    # A rulebook passes empty text for variables that it does not have.
    ensure(sim, playground, "share", lease_count=2, areas=["440100", "350500"], isp="", on_uncertain="").ok()
    assert [call["params"]["area"] for call in sim.journal("/share/get")] == ["350500,440100"]
    assert len(sim.leases()) == 2


def test_excluded_addresses_do_not_count(sim: Simulator, playground: Playground) -> None:
    ensure(sim, playground, "classic", lease_count=2).ok()
    first = sim.leases()[0]["ip"]
    ensure(sim, playground, "classic", lease_count=2, exclude_ips=[first]).ok()
    assert len(sim.leases()) == 3
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    look = f"{{{{ query('qingguo.qgnet.proxy', exclude_ips=['{first}'], at_least=2, max_age=0, form='lease') }}}}"
    text = play({"name": "Lookup", "ansible.builtin.set_fact": {"found": look}}, hosts="localhost")
    found = playground.play(text, environment=environment).ok().of("Lookup").result["ansible_facts"]["found"]
    assert {lease["ip"] for lease in found} == {lease["ip"] for lease in sim.leases()} - {first}


def test_the_playbook_does_not_take_0_for_empty_nor_guess_a_number(sim: Simulator, playground: Playground) -> None:
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    run = playground.play(ENSURE, variables={"qg_lease_count": 1, "qg_keep_alive": 0}, environment=environment)
    assert "keep_alive=0 is out of range" in run.of("Lease what is missing").result["msg"]
    for variables in ({}, {"qg_lease_count": None}, {"qg_lease_count": ""}, {"qg_lease_count": 0}):
        run = playground.play(ENSURE, variables=variables, environment=environment)
        assert "qg_lease_count is missing: give the number of leases" in run.of("Lease what is missing").result["msg"]
    assert sim.leases() == []
    assert sim.journal() == []


def test_an_empty_variable_of_the_playbook_counts_as_unset(sim: Simulator, playground: Playground) -> None:
    names = ("min_remaining", "keep_alive", "areas", "isp", "on_uncertain")
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    variables: dict[str, Any] = {f"qg_{name}": None for name in names}
    playground.play(ENSURE, variables={**variables, "qg_lease_count": 2}, environment=environment).ok()
    assert len(sim.leases()) == 2


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
    assert run.of("look").result["ansible_facts"]["first"] == run.of("lease").result["leases"][0]["server"]
    assert [path for path in calls(sim) if not path.startswith("/share/")] == ["/query"]
