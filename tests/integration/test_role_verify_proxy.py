# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role egress_whitelist with verify_proxy: a proxy that lets the hosts in when they are registered."""

from __future__ import annotations

import pytest
from support.fleet import OTHER_KEY, REGISTER, Fleet, play, public
from support.playbooks import assert_task_failed

pytestmark = pytest.mark.newest_core

PROBE = """
- hosts: all
  gather_facts: false
  tasks:
    - name: probe
      qingguo.qgnet.qg_egress_ip_info:
        through_proxy: "{{ proxy }}"
        sources: ["{{ echo }}"]
        source_address: "{{ egress_whitelist_source_address }}"
        allow_non_global: true
      ignore_errors: true
"""


@pytest.mark.measured
def test_the_proxy_lets_the_hosts_in_when_they_are_registered(fleet: Fleet) -> None:
    proxy = fleet.sim.configure(exit="198.51.100.200")["proxy_url"]
    variables = {"proxy": proxy, "echo": f"{fleet.sim.api_url}/ip", "egress_whitelist_verify_proxy": proxy}
    run = fleet.run(PROBE + play().lstrip("\n") + PROBE.replace("probe", "after").lstrip("\n"), variables=variables)
    for task in run.ok().by_host("probe").values():
        assert_task_failed(task)
    for task in run.by_host(REGISTER).values():
        assert task.result["exit_ips"] == ["198.51.100.200"]
    for task in run.by_host("after").values():
        assert task.result["ips"] == ["198.51.100.200"]
    # Deregistering proves nothing, and shuts the door.
    absent = play(role="vars: {egress_whitelist_state: absent}")
    run = fleet.run(absent + PROBE.lstrip("\n"), variables=variables).ok()
    assert {task.status for task in run.by_host("probe").values()} == {"failed"}


def test_a_proxy_that_does_not_let_the_host_in_is_reported(fleet: Fleet) -> None:
    proxy = fleet.sim.configure(OTHER_KEY, proxy=True)["proxy_url"]
    # fail concerns detection and refused addresses only.
    run = fleet.run(limit="h1", verify_proxy=proxy, verify_wait=1.5, fail=False)
    wait = f"qg_egress_whitelist: waiting because {proxy} does not let the host through yet: at most 1 s more (verify"
    assert wait in run.stderr
    assert_task_failed(run.of(REGISTER), proxy)
    # The whitelist was changed all the same.
    assert run.of(REGISTER).result["changed"] is True
    assert fleet.sim.whitelist() == [public(1)]


@pytest.mark.thorough
def test_a_proxy_is_not_verified_from_a_network_device(fleet: Fleet) -> None:
    fleet.lines["h1"] = f"ansible_connection=qg_network egress_whitelist_ips=\"['{public(1)}']\""
    run = fleet.run(limit="h1", verify_proxy="http://127.0.0.1:1")
    task = run.of(REGISTER)
    assert (task.status, task.result["added"]) == ("failed", [public(1)])
    assert task.result["msg"] == (
        "The host has no POSIX shell, because it is a network device, so the proxy cannot be verified from it: "
        "leave verify_proxy out."
    )
    assert task.result["reasons"] == ["See msg."]
    assert "waiting because" not in run.stderr


@pytest.mark.thorough
def test_a_host_that_is_lost_during_its_verification_keeps_what_it_did(fleet: Fleet) -> None:
    proxy = fleet.sim.configure(proxy=True)["proxy_url"]
    # In their order: the host that is lost has written for all.
    fleet.lines["h1"] = fleet.lines["h1"].replace("connection=local", "connection=qg_lost")
    fleet.playground.environment["QG_TEST_LOST_AT"] = proxy
    run = fleet.run(arguments=["--forks", "1", "--diff"], verify_proxy=proxy)
    task = run.of(REGISTER, "h1")
    assert (run.rc, task.status, task.result["changed"]) == (4, "unreachable", True)
    assert (task.result["added"], task.result["summary"]["added"]) == ([public(1)], fleet.all_addresses)
    assert public(1) in task.result["diff"]["after"]
    assert task.result["msg"] == f"The host became unreachable before {proxy} was verified: the host is gone"
    assert task.result["reasons"] == ["See msg."]
    (summary,) = run.summaries
    assert (summary["added"], summary["api"]["calls"]) == (fleet.all_addresses, 3)
    assert (list(summary["changed_hosts"]), summary["unreached_hosts"]) == (fleet.hosts, ["h1"])


@pytest.mark.thorough
def test_the_proof_is_left_out_in_check_mode(fleet: Fleet) -> None:
    fleet.run(arguments=["--check"], verify_proxy="http://127.0.0.1:1").ok()
