# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role egress_whitelist when hosts or the vendor fail: each failure is reported to whom it concerns."""

from __future__ import annotations

from typing import Any

import pytest
from support.fleet import DETECT, OTHER_KEY, REGISTER, Fleet, play, public
from support.playbooks import ADD, QUERY, assert_one_sentence, assert_says, assert_task_failed, calls
from support.thorough import one_more_case, thorough

FAIL = "{name: trouble, ansible.builtin.fail: {msg: broken}, when: inventory_hostname == 'h1'}"


def headers(both: str, *others: str) -> list[Any]:
    """The headers of a play: one for both cores, and those whose differences other tests see on both."""
    return [both, *thorough(*others)]


# --- hosts


@pytest.mark.parametrize("header", headers("", "strategy: free", "serial: 2", "strategy: host_pinned"))
def test_a_first_host_that_has_failed_is_named_and_is_no_hindrance(fleet: Fleet, header: str) -> None:
    run = fleet.run(play(header, before=FAIL))
    assert run.rc == 2
    assert run.registered == {f"h{n}": [public(n)] for n in fleet.numbers if n != 1}
    assert fleet.listed() == fleet.all_addresses[1:]
    assert run.unreached == {"h1"}
    assert "were unreachable or ended before: h1" in " ".join(run.output.split())
    if header == "":
        assert calls(fleet.sim) == [QUERY, ADD, QUERY]


@pytest.mark.parametrize("header", headers("", "serial: 2", "strategy: free"))
def test_an_unreachable_first_host_is_named_and_is_no_hindrance(fleet: Fleet, header: str, closed_port: int) -> None:
    fleet.make_unreachable("h1", closed_port)
    run = fleet.run(play(header))
    assert run.rc == 4
    assert run.of(DETECT, "h1").status == "unreachable"
    assert fleet.listed() == fleet.all_addresses[1:]
    assert run.unreached <= {"h1"}
    if header == "":
        assert calls(fleet.sim) == [QUERY, ADD, QUERY]
        assert [summary["unreached_hosts"] for summary in run.summaries] == [["h1"]]


@pytest.mark.newest_core
def test_a_host_whose_address_is_uncertain_fails_alone(fleet: Fleet) -> None:
    fleet.make_uncertain("h2")
    run = fleet.run()
    assert (run.rc, set(run.failed(DETECT))) == (2, {"h2"})
    assert_task_failed(run.of(DETECT, "h2"))
    assert fleet.listed() == [ip for ip in fleet.all_addresses if ip != public(2)]
    assert list(run.summaries[0]["unregistered_hosts"]) == ["h2"]


@one_more_case
def test_a_host_whose_address_is_uncertain_may_be_left_out(fleet: Fleet) -> None:
    fleet.make_uncertain("h1")
    fleet.add_to("h1", fail=False)
    run = fleet.run().ok()
    found = run.of(DETECT, "h1").result
    assert (found["ips"], found["registered"]) == ([], [])
    assert [answer["source"] for answer in found["source_replies"]] == [f"{fleet.sim.api_url}/echo/odd"]
    assert_one_sentence(found["warnings"][0])
    assert "No egress address of h1 is known" in run.of(REGISTER, "h1").result["warnings"][0]
    assert fleet.listed() == fleet.all_addresses[1:]
    assert [list(summary["unregistered_hosts"]) for summary in run.summaries] == [["h1"]]
    # The fleet is in sync without it, and it reports for all.
    again = fleet.run().ok()
    assert calls(fleet.sim) == [QUERY]
    assert (list(again.by_host(REGISTER)), again.api_calls) == (["h1"], 1)
    assert [summary["api"]["calls"] for summary in again.summaries] == [1]
    assert [report["count"] for report in again.reports] == [fleet.size - 1]


def test_a_network_device_is_not_registered_with_the_address_of_the_control_node(fleet: Fleet) -> None:
    fleet.lines["h4"] = fleet.lines["h4"].replace("connection=local", "connection=qg_network")
    run = fleet.run()
    assert run.rc == 2
    assert run.of(DETECT, "h4").result["msg"] == (
        "The host has no POSIX shell, because it is a network device, so its egress address cannot be detected: "
        "give the address."
    )
    assert fleet.listed() == [ip for ip in fleet.all_addresses if ip != public(4)]
    fleet.add_to("h4", ips=[public(4)])
    fleet.run().ok()
    assert fleet.listed() == fleet.all_addresses


# --- the whitelist


@pytest.mark.newest_core
def test_one_address_bound_to_another_key_is_one_hosts_trouble(fleet: Fleet) -> None:
    fleet.sim.configure(OTHER_KEY, whitelist=[public(1)])
    # In their order: the host whose address is refused writes for all.
    run = fleet.run(arguments=["--forks", "1"])
    assert (run.rc, set(run.failed(REGISTER))) == (2, {"h1"})
    result = run.of(REGISTER, "h1").result
    assert (result["unregistered"], result["code"]) == ([public(1)], -206)
    assert run.changed == set(fleet.hosts) - {"h1"}
    assert fleet.listed() == fleet.all_addresses[1:]
    assert_says(result, public(1), "-206")
    assert " ".join(result["msg"].split())[:60] in " ".join(run.output.split())


# --- the vendor


@pytest.mark.newest_core
def test_a_refused_key_is_reported_to_all_with_one_call_whatever_fail_is(fleet: Fleet) -> None:
    fleet.sim.configure(status="expired")
    run = fleet.run(fail=False)
    assert (run.rc, set(run.failed(REGISTER))) == (2, set(fleet.hosts))
    for result in run.failed(REGISTER).values():
        assert_says(result, code=-100)
    assert calls(fleet.sim) == [QUERY]


@one_more_case
def test_an_error_of_the_write_fails_every_host_whatever_fail_is(fleet: Fleet) -> None:
    fleet.sim.fault(path=ADD, times=-1, kind="code", code=-1)
    run = fleet.run(fail=False, max_wait=1)
    assert (run.rc, ADD in calls(fleet.sim)) == (2, True)
    assert {host: result["code"] for host, result in run.failed(REGISTER).items()} == dict.fromkeys(fleet.hosts, -1)


@pytest.mark.newest_core
def test_a_broken_or_dead_vendor_is_reported_to_all_with_few_calls(fleet: Fleet, closed_port: int) -> None:
    fleet.sim.fault(path=QUERY, kind="status", http_status=502, times=-1)
    failed = fleet.run(max_wait=3).failed(REGISTER)
    assert set(failed) == set(fleet.hosts)
    for result in failed.values():
        assert "502" in result["msg"]
    assert len(calls(fleet.sim)) <= 6
    failed = fleet.run(api_url=f"http://127.0.0.1:{closed_port}", max_wait=1).failed(REGISTER)
    assert set(failed) == set(fleet.hosts)
    for result in failed.values():
        assert_says(result, "connection refused")


@one_more_case
def test_where_the_reading_for_all_fails_it_is_not_repeated_for_each(fleet: Fleet) -> None:
    fleet.put_in_sync()
    fleet.sim.fault(path=QUERY, kind="status", http_status=502, times=1)
    run = fleet.run(arguments=["--forks", "6"]).ok()
    assert calls(fleet.sim) == [QUERY, QUERY]
    assert (set(run.by_host(REGISTER)), run.changed) == (set(fleet.hosts), set())


@pytest.mark.newest_core
def test_a_lost_answer_is_no_trouble_of_the_fleet(fleet: Fleet) -> None:
    fleet.sim.fault(path=ADD, kind="reset_after")
    run = fleet.run().ok()
    assert run.changed == set(fleet.hosts)
    assert calls(fleet.sim) == [QUERY, ADD, QUERY]
