# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registrations of hosts: which addresses the role adds and removes for them, and what it tells
each host.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections.abc import Iterable
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist import fleet
from qgnet_simulator.keys.key import ProxyKey
from support import phrases
from support.vendor import Killed
from support.whitelist import ADD, DEL, QUERY

from .conftest import RoleNode

E = "203.0.113.5"
F = "203.0.113.6"
A = "203.0.113.1"
B = "203.0.113.2"
C = "203.0.113.3"
D = "203.0.113.4"
OFFICE = "198.51.100.7"
DAY = 86400.0


def everywhere(hosts: Iterable[str], address: str) -> dict[str, Any]:
    """Return hosts that have one address, as arguments of RoleNode.role."""
    return dict.fromkeys(hosts, address)


def told(result: dict[str, Any]) -> dict[str, tuple[list[str], list[str]]]:
    """What was added and removed, as each host was told."""
    return {
        host: (own["added"], own["removed"])
        for host, own in result["hosts"].items()
        if own["changed"]
    }


def for_other(ip: str, host: str, inventory: str) -> dict[str, Any]:
    """An address that stays for a host that is registered with it."""
    reason = f"registered for {host} of the inventory {inventory}"
    return {"ip": ip, "reason": reason, "host": host, "inventory_id": inventory}


def found(ip: str) -> dict[str, Any]:
    """An address that stays, since it was there before."""
    return {
        "ip": ip,
        "reason": "listed before the host reported it",
        "host": None,
        "inventory_id": None,
    }


def line(result: dict[str, Any], *, check: bool = False) -> str:
    return fleet.summary_line(result, [], check=check)


def test_a_host_that_moves_takes_its_former_address_away(node: RoleNode) -> None:
    assert told(node.role(a=A, b=B)) == {"a": ([A], []), "b": ([B], [])}
    assert told(node.role(a=C, b=B)) == {"a": ([C], [A])}
    assert node.listed() == [B, C]
    assert node.registered() == [("a", C), ("b", B)]
    node.calls()
    assert told(node.role(a=C, b=B)) == {}
    assert node.calls() == "q"


def test_an_address_that_another_host_has_stays(node: RoleNode) -> None:
    node.role(a=A, b=A)
    node.role(inventory="other", c=B)
    assert told(node.role(a=B)) == {}
    kept = node.role(a=C)["hosts"]["a"]
    assert kept["kept"] == [for_other(B, "c", "other")]
    assert node.listed() == [A, B, C]
    # Within a run, the address passes from one host to the other.
    assert told(node.role(a=A, b=D)) == {"a": ([], [C]), "b": ([D], [])}


def test_of_many_hosts_with_an_address_one_is_named_and_the_others_are_counted(
    node: RoleNode,
) -> None:
    node.role(a=A, b=A, c=A)
    (kept,) = node.role(a=B)["hosts"]["a"]["kept"]
    assert kept["host"] == "b"
    assert kept["reason"] == phrases.FOR_B_AND_ANOTHER


def test_what_was_there_before_is_never_removed_for_a_host(node: RoleNode) -> None:
    node.configure(whitelist=[OFFICE])
    node.role(a=OFFICE)
    result = node.role(a=A)
    assert result["hosts"]["a"]["kept"] == [found(OFFICE)]
    node.role(a=OFFICE)
    assert told(node.role("absent", a="")) == {}
    assert node.listed() == [OFFICE]
    # An address that the user gave is ours.
    node.role(a=OFFICE, given=True)
    assert told(node.role("absent", a="")) == {"a": ([], [OFFICE])}


def test_an_address_that_was_removed_by_other_means_is_ours_once_added_again(
    node: RoleNode,
) -> None:
    node.configure(whitelist=[OFFICE])
    node.role(a=OFFICE)
    node.configure(whitelist=[])
    assert told(node.role(a=OFFICE)) == {"a": ([OFFICE], [])}
    assert told(node.role("absent", a="")) == {"a": ([], [OFFICE])}


def test_absent_removes_what_is_registered_and_what_is_given(node: RoleNode) -> None:
    node.configure(whitelist=[OFFICE, D])
    node.role(a=A, b=B)
    assert told(node.role("absent", a="", c=D, given=True)) == {"a": ([], [A]), "c": ([], [D])}
    assert (node.listed(), node.registered()) == ([OFFICE, B], [("b", B)]) or node.listed() == [
        B,
        OFFICE,
    ]
    assert told(node.role("absent", a="", c="")) == {}


def test_a_refused_address_is_one_hosts_failure_and_its_former_one_stays(node: RoleNode) -> None:
    node.role(a=A, b=B)
    other = node.vendor.keys.by_name["OTHER"] = ProxyKey(key="OTHER", whitelist=[C])

    result = node.role(a=C, b=D)

    own = result["hosts"]["a"]
    assert own["failed"] is True
    assert own["tolerable"] is True
    assert own["error"]["code"] == -206
    assert told(result) == {"b": ([D], [B])}
    assert result["hosts"]["b"]["failed"] is False
    assert node.listed() == [A, D]
    # The next run completes it.
    other.whitelist.clear()
    assert told(node.role(a=C, b=D)) == {"a": ([C], [A])}


def test_what_several_hosts_have_left_stays_for_the_one_that_is_refused(node: RoleNode) -> None:
    node.role(a=A, b=A)
    node.vendor.keys.by_name["OTHER"] = ProxyKey(key="OTHER", whitelist=[C])

    result = node.role(a=C, b=D)

    assert told(result) == {"b": ([D], [])}
    assert result["hosts"]["a"]["failed"] is True
    assert result["hosts"]["b"]["failed"] is False
    assert node.listed() == [A, D]


@pytest.mark.parametrize("overflow", ["refuse", "partial"])
@pytest.mark.parametrize("capacity", [3, 4, 8])
def test_hosts_whose_addresses_change_stay_while_others_are_refused(
    node: RoleNode, capacity: int, overflow: str
) -> None:
    """One address belongs to another key for good, and a list of three has no room for a host."""
    node.configure(capacity=capacity, options={"overflow": overflow})
    node.vendor.keys.by_name["OTHER"] = ProxyKey(key="OTHER", whitelist=[OFFICE])
    for number in range(1, 8):
        moving = {"b": f"203.0.113.{number}", "c": f"198.51.100.{100 + number}"}
        hosts: dict[str, Any] = {"a": "192.0.2.1", **moving, "x": OFFICE}
        if number > 1:
            hosts["new"] = "192.0.2.9"

        result = node.role(**hosts)

        refused = {"x"}
        if number > 1 and capacity == 3:
            refused.add("new")
        failed = {name for name, host in result["hosts"].items() if host["failed"]}
        assert failed == refused
        assert set(node.listed()) == {hosts[name] for name in hosts.keys() - refused}


def test_a_call_that_fails_is_no_sign_of_a_full_list(node: RoleNode) -> None:
    """Otherwise the host would be cut off until its new address is listed."""
    node.role(a=A)
    node.calls()
    node.fault(ADD, "status", http_status=503, times=2)

    node.role(a=B)

    assert node.calls().replace("q", "") == "+++-"
    assert node.listed() == [B]


def test_many_addresses_that_are_refused_do_not_starve_the_others(node: RoleNode) -> None:
    taken = [f"192.0.2.{number}" for number in range(1, 51)]
    node.vendor.keys.by_name["OTHER"] = ProxyKey(key="OTHER", whitelist=taken)
    node.configure(capacity=1000)
    node.runtime = dataclasses.replace(node.runtime, random=random.Random(1).uniform)
    own = [f"198.51.100.{number}" for number in range(1, 51)]
    hosts: dict[str, Any] = {f"h{number}": ip for number, ip in enumerate([*taken, *own])}

    for _run in range(20):
        node.role(**hosts)

    assert set(node.listed()) == set(own)


def test_check_mode_predicts_and_remembers_nothing(node: RoleNode) -> None:
    node.role(a=A)
    predicted = node.role(check=True, a=B, b=C)
    assert node.listed() == [A]
    assert node.registered() == [("a", A)]
    done = node.role(a=B, b=C)
    assert told(predicted) == told(done) == {"a": ([B], [A]), "b": ([C], [])}


# --- hosts that leave, and stay on the whitelist


def test_a_host_that_leaves_and_stays_for_another_is_not_in_sync(node: RoleNode) -> None:
    node.role(a=A, b=B)
    node.role(inventory="other", a=A)
    predicted = node.role("absent", a="", b="", check=True)
    done = node.role("absent", a="", b="")
    assert done["hosts"]["a"]["kept"] == [for_other(A, "a", "other")]
    assert line(done) == f"2 hosts: 1 in sync, 1 {phrases.KEPT_FOR_OTHERS}, 1 removed"
    assert (
        line(predicted, check=True)
        == f"2 hosts: 1 checked, 1 {phrases.KEPT_FOR_OTHERS}, 1 to remove"
    )
    assert predicted["warnings"] == done["warnings"]
    (warning,) = done["warnings"]
    assert warning.startswith(
        f"1 host stays {phrases.ON_THE_WHITELIST} for others: {A} of a (registered for a of"
    )
    assert warning.endswith(" -e egress_whitelist_inventory_id=other")
    assert node.listed() == [A]
    assert node.role("absent", a="", inventory="other")["warnings"] == []
    assert node.listed() == []


def test_a_host_that_only_another_inventory_has_registered_is_not_in_sync(node: RoleNode) -> None:
    node.role(inventory="other", a=A)
    result = node.role("absent", a="")
    assert line(result) == f"1 host: 1 {phrases.KEPT_FOR_OTHERS}"
    assert result["changed"] is False
    assert f"{A} of a (registered for a of the inventory other)" in result["warnings"][0]
    # What another host of that name has is of no interest to one that was registered here.
    node.role(a=B)
    assert node.role("absent", a="")["warnings"] == []
    assert node.listed() == [A]


def test_the_owner_of_the_same_name_is_named_among_others(node: RoleNode) -> None:
    node.role(a=A, b=A, c=A)
    node.role(inventory="zoo", a=A, b=A)
    (warning,) = node.role("absent", a="", b="")["warnings"]
    for name in ("a", "b"):
        assert (
            f"{A} of {name} (registered for {name} of the inventory zoo and 2 other hosts)"
            in warning
        )
    assert warning.endswith("again with -e egress_whitelist_inventory_id=zoo")


def test_a_host_of_another_name_is_deregistered_by_its_name(node: RoleNode) -> None:
    node.role(a=A)
    node.role(inventory="/etc/my hosts", localhost=A)
    (warning,) = node.role("absent", a="")["warnings"]
    assert warning.endswith(
        "run qingguo.qgnet.deregister again without --limit and with -e "
        "'egress_whitelist_inventory_id=\"/etc/my hosts\"' -e qg_forget=localhost"
    )


def test_what_was_there_before_a_host_that_leaves_is_named(node: RoleNode) -> None:
    node.configure(whitelist=[OFFICE])
    node.role(a=OFFICE)
    result = node.role("absent", a="")
    assert line(result) == "1 host: 1 there before"
    assert result["changed"] is False
    (warning,) = result["warnings"]
    assert warning.startswith(f"1 host stays {phrases.ON_THE_WHITELIST}: {OFFICE} of a (")
    assert warning.endswith(f" -m qingguo.qgnet.qg_whitelist -a 'state=absent ips={OFFICE}'")


def test_a_thousand_hosts_that_stay_are_one_warning(node: RoleNode) -> None:
    hosts: dict[str, Any] = {
        f"h{number}": f"198.51.100.{number % 200}" for number in range(1, 1001)
    }
    node.configure(capacity=1000)
    node.role(**hosts)
    node.role(inventory="other", **hosts)
    result = node.role("absent", **everywhere(hosts, ""))
    assert line(result) == f"1000 hosts: 1000 {phrases.KEPT_FOR_OTHERS}"
    (warning,) = result["warnings"]
    assert warning.startswith(
        f"1000 hosts stay {phrases.ON_THE_WHITELIST} for others: 198.51.100.1 of h1 (registered "
        "for h1 of"
    )
    assert "and 4 other hosts), " in warning
    assert " and 995 more. " in warning
    assert len(warning) < 1000


def test_a_host_that_a_later_batch_deregisters_is_no_reason_to_warn(node: RoleNode) -> None:
    node.role(a=A, b=A)
    first = node.role("absent", a="", coming=["b"])
    assert line(first) == f"1 host: 1 {phrases.KEPT_FOR_OTHERS}"
    assert first["warnings"] == []
    assert told(node.role("absent", b="")) == {"b": ([], [A])}


def test_a_host_of_another_inventory_is_a_reason_to_warn_whatever_its_name(
    node: RoleNode,
) -> None:
    node.role(a=A)
    node.role(inventory="other", b=A)
    (warning,) = node.role("absent", a="", coming=["b"])["warnings"]
    assert f"{A} of a (registered for b of the inventory other)" in warning


def test_each_host_is_counted_once_by_what_became_of_it(node: RoleNode) -> None:
    node.vendor.keys.by_name["OTHER"] = ProxyKey(key="OTHER", whitelist=[OFFICE])
    result = node.role(a=A, b=OFFICE)
    result["hosts"]["c"] = {"failed": False, "msg": "", "kept": []}
    summary = fleet.summary_line(result, ["d", "e"], check=False)
    expected = f"1 in sync, 1 {fleet.UNKNOWN}, 1 added, 1 {fleet.FAILED}, 2 not reached"
    assert summary == f"5 hosts: {expected}"


def test_a_host_that_moved_is_in_sync_whatever_its_former_address(node: RoleNode) -> None:
    node.role(a=A, b=A)
    result = node.role(a=C)
    assert line(result) == "1 host: 1 in sync, 1 added, 1 old address kept"
    assert result["warnings"] == []


def test_a_host_to_forget_is_known_or_a_warning_says_that_it_is_not(node: RoleNode) -> None:
    node.role(a=A)
    node.role(inventory="other", b=B)
    with pytest.raises(
        OptionError,
        match=rf"'b', {phrases.NOT_REGISTERED} .*: run qingguo.* in which it is registered",
    ):
        node.role("absent", forget=True, b="")
    unknown = node.role("absent", forget=True, c="")
    assert unknown["changed"] is False
    (warning,) = unknown["warnings"]
    assert warning.startswith(f"{phrases.NOTHING_REGISTERED_FOR} c in the inventory ")
    assert warning.endswith(" any more: a.")
    # A host of the inventory may be chosen by --limit as well, and then has the same outcome.
    assert (
        node.role("absent", forget=True, b="", present=["b"])["warnings"]
        == node.role("absent", b="")["warnings"]
    )


# --- several keys


def test_results_for_several_keys_are_one_result(node: RoleNode) -> None:
    usage = {"calls": 3, "retries": 1, "waited_seconds": 2}
    first = {**node.role(a=A, b=B), "api": usage}
    second = {**node.role(c=A), "api": usage}
    failed = {"hosts": {"d": {"failed": True}}}

    whole = fleet.merged([failed, first, second])

    assert whole["changed"] is True
    assert whole["diff"] == [first["diff"]]
    assert whole["added"] == [A, B]
    assert list(whole["hosts"]) == ["d", "a", "b", "c"]
    assert whole["gone_hosts"] == {"a": [A], "b": [B]}
    assert whole["count"] == first["count"] + second["count"]
    assert whole["api"] == {"calls": 6, "retries": 2, "waited_seconds": 4}
    assert fleet.merged([second, failed])["changed"] is False


# --- a change that the whitelist does not show


def test_a_host_fails_whose_change_was_reported_but_not_shown(node: RoleNode) -> None:
    node.role(a=A, b=B)
    node.vendor.advance(1000)
    node.configure(options={"list_lag": 900})
    result = node.role(a=C, b=B, max_wait=4)
    own = result["hosts"]["a"]
    assert own["changed"] is True
    assert own["added"] == [C]
    assert own["removed"] == [A]
    assert own["failed"] is True
    assert own["tolerable"] is False
    assert result["hosts"]["b"]["failed"] is False
    assert own["msg"].startswith(
        f"{A}, {C} {phrases.NOT_CONFIRMED} {C} as added and {A} as removed"
    )
    # The former address belongs to the host until the list shows that it has gone.
    assert node.registered() == [("a", A), ("a", C), ("b", B)]
    node.vendor.advance(1000)
    assert told(node.role(a=C, b=B)) == {}
    assert node.listed() == [B, C]
    assert node.registered() == [("a", C), ("b", B)]


def test_a_host_that_leaves_fails_until_the_list_shows_it(node: RoleNode) -> None:
    node.role(a=A, b=B)
    node.vendor.advance(1000)
    node.configure(options={"list_lag": 900})
    own = node.role("absent", a="", max_wait=4)["hosts"]["a"]
    assert own["changed"] is True
    assert own["removed"] == [A]
    assert own["failed"] is True
    assert own["msg"].startswith(f"{A} {phrases.NOT_CONFIRMED} {A} as removed")
    assert node.registered() == [("a", A), ("b", B)]


def test_a_host_fails_whose_change_could_not_be_read(node: RoleNode) -> None:
    node.fault("/whitelist/query", "status", http_status=502, times=-1, skip=1)
    own = node.role(a=A)["hosts"]["a"]
    assert own["changed"] is True
    assert own["added"] == [A]
    assert own["failed"] is True
    assert phrases.NOT_READ_AFTERWARDS in own["msg"]


# --- hosts that left the inventory


#: Seconds after which a host is surely pruned: a run in sync records it every six hours.
PRUNED_AFTER = DAY + 6 * 3600.0


def test_prune_spares_recent_hosts_and_shared_addresses(node: RoleNode) -> None:
    node.role(a=A, b=B, c=B, d=D)
    assert told(node.role(a=A, present=["a"])) == {}
    node.vendor.advance(PRUNED_AFTER)
    assert told(node.role(a=A, present=["a", "b"])) == {"d": ([], [D])}
    assert node.listed() == [A, B]
    assert node.registered() == [("a", A), ("b", B)]


@pytest.mark.parametrize("minutes", [5, 15, 7 * 60, 23 * 60])
def test_prune_spares_a_host_for_a_day_after_its_last_registration(
    node: RoleNode, minutes: int
) -> None:
    """However often the runs are, which find it in sync."""
    for _run in range(4 * 24 * 60 // minutes):
        node.role(a=A, b=B)
        node.vendor.advance(60.0 * minutes)
    node.role(a=A, b=B)
    node.vendor.advance(DAY - 1)

    assert told(node.role(a=A, present=["a"])) == {}

    node.vendor.advance(PRUNED_AFTER - DAY + 1)
    assert told(node.role(a=A, present=["a"])) == {"b": ([], [B])}


def test_a_run_in_sync_writes_nothing_for_six_hours(node: RoleNode) -> None:
    node.role(a=A, b=B)
    registered = node.rows()
    node.vendor.advance(6 * 3600 - 1)
    node.role(a=A, b=B)
    assert node.rows() == registered

    node.vendor.advance(1)
    node.role(a=A)

    seen = {row.host: row.seen_at - row.since for row in node.rows()}
    assert seen == {"a": 6 * 3600, "b": 0}


def test_prune_is_bounded_by_max_removals(node: RoleNode) -> None:
    node.role(a=A, b=B, c=C)
    node.vendor.advance(PRUNED_AFTER)
    node.calls()
    with pytest.raises(OptionError, match=r"2 addresses of 2 hosts .* max_removals=1 \(b, c\): "):
        node.role(a=A, present=[], max_removals=1)
    assert node.calls() == ""
    assert told(node.role(a=A, present=[], max_removals=2)) == {"b": ([], [B]), "c": ([], [C])}


def test_max_removals_counts_what_prune_alone_removes(node: RoleNode) -> None:
    """An address that a host of the run leaves stays for the host that is gone, unless that one is
    pruned; one that a host of the run wants now stays anyway, and one that it leaves goes anyway.
    """
    node.role(a=A, b=B, gone=A)
    node.vendor.advance(PRUNED_AFTER)

    with pytest.raises(OptionError, match=r"1 address of 1 host .* max_removals=0 \(gone\): "):
        node.role(a=C, b=B, present=[], max_removals=0)
    assert node.listed() == [A, B]

    node.role(a=C, b=B)
    result = node.role(a=A, b=D, present=[], max_removals=0)

    assert result["removed"] == [B, C]
    assert node.listed() == [A, D]
    assert node.registered() == [("a", A), ("b", D)]


# --- interruptions


@pytest.mark.parametrize("steps", range(14))
def test_a_killed_run_is_completed_by_the_next_one(node: RoleNode, steps: int) -> None:
    """Whatever was sent: nothing stays that belongs to no host, and no host is cut off."""
    node.configure(whitelist=[OFFICE])
    node.role(a=A, b=B)
    node.at_step(steps, node.die)
    with contextlib.suppress(Killed):
        node.role(a=C, b=B)
    node.event = None
    assert {OFFICE, B} <= set(node.listed())
    assert {A, C} & set(node.listed())
    node.role(a=D, b=B)
    assert node.listed() == sorted([OFFICE, D, B])
    assert node.registered() == [("a", D), ("b", B)]


@pytest.mark.parametrize("seed", range(6))
def test_a_walk_of_hosts_with_kills_and_losses_loses_nothing(node: RoleNode, seed: int) -> None:
    chance = random.Random(seed)
    pool = [f"203.0.113.{n}" for n in range(1, 9)]
    hosts = "abcd"
    node.configure(whitelist=[OFFICE, pool[0]])
    for _round in range(25):
        run: dict[str, Any] = {
            host: chance.choice(pool) for host in chance.sample(hosts, chance.randint(1, 4))
        }
        if chance.random() < 0.3:
            node.at_step(chance.randint(1, 12), node.die)
        elif chance.random() < 0.4:
            node.fault(
                chance.choice([ADD, DEL]), chance.choice(["reset_after", "reset_before", "garbage"])
            )
        try:
            result = node.role(**run)
            assert not any(own["failed"] for own in result["hosts"].values())
            assert set(run.values()) <= set(node.listed())
        except (Killed, QgError):
            pass
        node.event = None
        assert {OFFICE, pool[0]} <= set(node.listed())
        node.vendor.advance(60)
    node.vendor.faults.clear()
    node.role(**everywhere(hosts, pool[1]))
    node.role("absent", **everywhere(hosts, ""))
    assert node.listed() == [OFFICE, pool[0]]
    assert node.registered() == []


# --- qg_whitelist_info


def test_info_shows_who_an_entry_is_for(node: RoleNode) -> None:
    node.configure(whitelist=[E, F])
    node.role(web1=A, web2=B, web3=E)
    node.role(inventory="awx", web1=A)
    node.task(B, state="absent")
    info = node.info()
    owners = {
        entry["ip"]: [
            (own["host"], own["inventory_id"], own["there_before"]) for own in entry["owners"]
        ]
        for entry in info["entries"]
        if entry["listed"]
    }
    assert owners == {
        A: [("web1", "awx", False), ("web1", "hosts.yml", False)],
        E: [("web3", "hosts.yml", True)],
        F: [],
    }
    assert info["entries"][0]["owners"][0]["registered_since"].startswith("2027-01-15T16:00")
    assert [entry["ip"] for entry in info["entries"] if not entry["listed"]] == [B]
    assert info["changed"] is False


def test_the_control_node_is_not_pruned_although_no_inventory_has_it(node: RoleNode) -> None:
    node.role(localhost=A, web=B)
    node.vendor.advance(8 * DAY)

    result = node.role(present=[])

    assert result["removed"] == [B]
    assert node.listed() == [A]


def test_a_disk_that_is_full_at_the_end_does_not_hide_what_was_done(node: RoleNode) -> None:
    node.role(a=A)

    def fill_after_the_next() -> None:
        node.vendor.after(QUERY, node.fill_disk)

    node.vendor.after(QUERY, fill_after_the_next)
    result = node.role(a=B)

    assert told(result) == {"a": ([B], [A])}
    assert result["hosts"]["a"]["failed"] is False
    (warning,) = result["warnings"]
    assert phrases.STORE_IS_FULL in warning
    node.fill_disk(full=False)
    assert node.registered() == [("a", A), ("a", B)]
    assert told(node.role(a=B)) == {}
    assert node.registered() == [("a", B)]
