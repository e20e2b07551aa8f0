# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan for the hosts of an inventory, and their registrations."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.registrations import (
    HostRegistration,
    Owner,
    RegistrationStore,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.reported import LIST_LAG
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.host_plan import (
    desired_for_hosts,
    host_registration,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.plan import (
    DesiredWhitelist,
    WhitelistResult,
    plan,
)
from hypothesis import given
from hypothesis import strategies as st
from support.machine_clock import MachineClock
from support.stores import open_store

pytestmark = pytest.mark.usefixtures("every_store")

POOL = [f"203.0.113.{n}" for n in range(1, 9)]
addresses = st.lists(st.sampled_from(POOL), max_size=3)
hosts = st.dictionaries(st.sampled_from("abcdef"), addresses, min_size=1)


@given(
    wanted=hosts,
    recorded=hosts,
    others=st.sets(st.sampled_from(POOL)),
    found=st.sets(st.sampled_from(POOL)),
    requested=st.sets(st.sampled_from(POOL)),
    state=st.sampled_from(["present", "absent"]),
)
def test_no_address_is_dropped_that_a_host_still_uses_or_requests(
    wanted: dict[str, list[str]],
    recorded: dict[str, list[str]],
    others: set[str],
    found: set[str],
    requested: set[str],
    state: str,
) -> None:
    states = {host: DesiredWhitelist(state, tuple(ips), detected=host < "d") for host, ips in wanted.items()}
    made = desired_for_hosts(states, {host: set(ips) for host, ips in recorded.items()}, others, found, requested)
    current = {ip for ips in wanted.values() for ip in ips}
    former = {ip for host in wanted for ip in recorded.get(host, ())}
    if state == "present":
        assert set(made.ips) == current
        assert set(made.replaces) == former - current - others
        assert set(made.unconfirmed) == (former & found) - current - others
    else:
        assert made.replaces == ()
        assert set(made.ips) == (former | current) - others
        # Neither added for any of these hosts nor given by the user.
        given = {ip for host, ips in wanted.items() if host >= "d" for ip in ips}
        assert set(made.unconfirmed) == (former | current) - others - (former - found) - given
    assert requested.isdisjoint(plan(POOL, made).remove)
    # The host that leaves it remains registered with it: the request may never be carried out.
    result = WhitelistResult(made, frozenset(POOL), frozenset(POOL), plan(POOL, made))
    for host, own in states.items():
        before = set(recorded.get(host, ()))
        kept = host_registration(host, own, before, result)
        assert (before & requested) - others <= kept.registered | kept.former | (current - set(own.ips))


def registered(host: str, *ips: str) -> HostRegistration:
    return HostRegistration(host, frozenset(ips))


def test_the_store_distinguishes_own_addresses_from_those_of_others(tmp_path: Path) -> None:
    state = open_store(tmp_path)
    here, there, other_key = (
        RegistrationStore(state, "k", "f"),
        RegistrationStore(state, "k", "g"),
        RegistrationStore(state, "x", "f"),
    )
    here.replace([registered("a", "1"), registered("b", "1", "2")])
    there.replace([registered("a", "3")])
    other_key.replace([registered("a", "4")])
    assert here.load({"a"}) == ({"a": {"1"}}, {"1", "2", "3"})
    assert here.load({"a", "b", "new"}) == ({"a": {"1"}, "b": {"1", "2"}, "new": set()}, {"3"})
    here.replace([registered("a", "5"), registered("b")])
    assert here.load({"a", "b"}) == ({"a": {"5"}, "b": set()}, {"3"})
    assert here.is_registered("a", ["5"])
    assert not here.is_registered("a", ["5", "3"])
    assert there.is_registered("a", ["3"])
    assert not here.is_registered("new", ["1"])


def test_a_host_with_a_former_address_is_not_in_sync_but_does_not_need_it(tmp_path: Path) -> None:
    store = RegistrationStore(open_store(tmp_path), "k", "f")
    store.replace([HostRegistration("a", frozenset({"2"}), frozenset({"1"})), registered("b", "2")])
    assert store.load({"b"}) == ({"b": {"2"}}, {"2"})
    assert store.load({"a"}) == ({"a": {"1", "2"}}, {"2"})
    assert not store.is_registered("a", ["2"])
    store.prune_missing({"2"})
    assert store.is_registered("a", ["2"]), "the whitelist lacks the former one"
    store.prune_missing({"1", "2"})
    assert not store.is_registered("a", ["2"]), "and now it is back"
    store.record_intent([("a", ["1"])])
    assert store.load({"b"}) == ({"b": {"2"}}, {"1", "2"})


def test_a_registration_keeps_the_time_at_which_it_was_first_made(tmp_path: Path) -> None:
    now = 1000.0
    state = open_store(tmp_path, now=lambda: now)
    store, there = (RegistrationStore(state, "k", inventory) for inventory in "fg")
    store.record_intent([("a", ["1"])])
    now = 2000.0
    store.replace([registered("a", "1", "2")])
    there.replace([detected("b", "1")])
    now = 3000.0
    store.record_intent([("a", ["1"])])
    store.replace([HostRegistration("a", frozenset({"3"}), frozenset({"1", "2"}))])
    assert store.load_owners() == [
        Owner("1", "a", "f", former=True, found=False, registered_at=1000.0),
        Owner("2", "a", "f", former=True, found=False, registered_at=2000.0),
        Owner("3", "a", "f", former=False, found=False, registered_at=3000.0),
        Owner("1", "b", "g", former=False, found=False, registered_at=2000.0),
    ]
    assert RegistrationStore(state, "x", "f").load_owners() == [], "another key"


def detected(host: str, *ips: str) -> HostRegistration:
    """A host reported addresses that were on the whitelist already."""
    return HostRegistration(host, frozenset(ips), found=frozenset(ips))


def test_an_address_that_was_on_the_whitelist_before_a_host_reported_it_is_found(tmp_path: Path) -> None:
    state = open_store(tmp_path)
    here, there, other_key = (
        RegistrationStore(state, "k", "f"),
        RegistrationStore(state, "k", "g"),
        RegistrationStore(state, "x", "f"),
    )
    here.replace([detected("a", "1"), registered("b", "2")])
    other_key.replace([registered("a", "1")])
    assert here.load_found() == there.load_found() == {"1"}
    here.replace([HostRegistration("a", frozenset({"3"}), frozenset({"1"}))])
    assert here.load_found() == {"1"}, "a former address stays what it was"
    there.replace([detected("a", "1", "2", "3")])
    assert here.load_found() == {"1"}, "the others were added for hosts of another inventory"


def test_an_added_address_never_becomes_a_found_one(tmp_path: Path) -> None:
    state = open_store(tmp_path)
    store, there = RegistrationStore(state, "k", "f"), RegistrationStore(state, "k", "g")
    store.replace([registered("a", "1"), registered("b", "2")])
    store.replace([detected("a", "2"), detected("b", "1")])
    assert store.load_found() == set(), "two hosts have swapped their addresses"
    there.replace([detected("c", "1")])
    store.replace([registered("b")])
    there.replace([detected("c", "1")])
    assert store.load_found() == set(), "it outlives the host that it was added for"


def test_a_found_address_that_is_added_or_given_later_is_found_no_longer(tmp_path: Path) -> None:
    state = open_store(tmp_path)
    store, there = RegistrationStore(state, "k", "f"), RegistrationStore(state, "k", "g")
    store.replace([detected("a", "1"), detected("b", "2", "3")])
    store.record_intent([("b", ["2"])])
    assert store.load_found() == {"1", "3"}
    there.replace([registered("c", "1")])
    there.replace([registered("c")])
    store.replace([detected("a", "1"), detected("b", "2", "3")])
    assert store.load_found() == {"3"}


def test_a_host_with_a_found_address_is_registered_anew_once_the_user_gives_it(tmp_path: Path) -> None:
    store = RegistrationStore(open_store(tmp_path), "k", "f")
    store.replace([detected("a", "1")])
    assert store.is_registered("a", ["1"])
    assert not store.is_registered("a", ["1"], given=True)
    store.replace([registered("a", "1")])
    assert store.is_registered("a", ["1"], given=True)


@pytest.mark.parametrize("reported", [True, False])
def test_of_the_addresses_that_a_host_reports_those_on_the_whitelist_are_found(reported: bool) -> None:
    before = frozenset({"1", "9"})
    desired = DesiredWhitelist("present", ("1", "2"))
    result = WhitelistResult(desired, before, before | {"2"}, plan(before, desired))
    kept = host_registration("a", DesiredWhitelist("present", ("1", "2"), detected=reported), (), result)
    assert (kept.registered, kept.found) == ({"1", "2"}, {"1"} if reported else set())


def test_registrations_that_two_reads_over_time_lack_are_forgotten(tmp_path: Path) -> None:
    now = 1000.0
    state = open_store(tmp_path, now=lambda: now)
    here, there, other_key = (RegistrationStore(state, key, inventory) for key, inventory in ("kf", "kg", "xf"))
    for store in (here, there, other_key):
        store.replace([registered("a", "1", "2")])
    here.prune_missing({"2", "3"})
    now += LIST_LAG - 1
    here.prune_missing({"2", "3"})
    assert here.load({"a"}) == ({"a": {"1", "2"}}, {"1", "2"}), "two readings of the same moment are one"
    here.prune_missing({"1", "2", "3"})
    now += LIST_LAG
    here.prune_missing({"2", "3"})
    assert there.load({"a"}) == ({"a": {"1", "2"}}, {"1", "2"}), "in between it was there"
    now += LIST_LAG
    here.replace([registered("a", "1", "2")])
    here.prune_missing({"2", "3"})
    assert here.load({"a"}) == ({"a": {"2"}}, {"2"})
    assert there.load({"a"}) == ({"a": {"2"}}, {"2"})
    assert other_key.load({"a"}) == ({"a": {"1", "2"}}, set())


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_two_reads_before_and_after_the_wall_clock_was_set_are_as_far_apart_as_they_are(
    tmp_path: Path, step: float
) -> None:
    now = 10_000.0
    machine = MachineClock(lambda: now)
    store = RegistrationStore(open_store(tmp_path, machine=machine), "k", "f")
    store.replace([registered("a", "1")])
    store.prune_missing(())
    machine.set_wall(step)
    now += LIST_LAG - 1
    store.prune_missing(())
    assert store.load({"a"})[0] == {"a": {"1"}}
    now += 1
    store.prune_missing(())
    assert store.load({"a"})[0] == {"a": set()}
