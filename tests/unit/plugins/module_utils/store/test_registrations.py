# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registrations of hosts: their own addresses and those of others, former and found ones, and when they end."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.journal_rows import LIST_LAG
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.registrations import (
    HostRegistration,
    Owner,
    RegistrationStore,
)
from support.state_world import START, World, world
from support.stores import quick_over_both

__all__ = ["world"]
pytestmark = pytest.mark.usefixtures("every_store")


#: The registrations of an inventory, of another one, and of the same inventory for another key.
Registrations = tuple[RegistrationStore, RegistrationStore, RegistrationStore]


@pytest.fixture
def stores(world: World) -> Registrations:
    store = world.store()
    here, there, other_key = (RegistrationStore(store, key, inventory) for key, inventory in ("kf", "kg", "xf"))
    return here, there, other_key


def registered(host: str, *ips: str) -> HostRegistration:
    return HostRegistration(host, frozenset(ips))


def detected(host: str, *ips: str) -> HostRegistration:
    """A host reported addresses that were on the whitelist already."""
    return HostRegistration(host, frozenset(ips), found=frozenset(ips))


def found(store: RegistrationStore) -> set[str]:
    """The addresses that only hosts reported."""
    owners = store.load_owners()
    return {owner.ip for owner in owners} - {owner.ip for owner in owners if not owner.found}


@quick_over_both
def test_the_store_distinguishes_own_addresses_from_those_of_others(stores: Registrations) -> None:
    here, there, other_key = stores
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


@quick_over_both
def test_registrations_of_another_inventory_are_adopted_once(stores: Registrations) -> None:
    here, there, other_key = stores
    there.replace([HostRegistration("a", frozenset({"1"}), frozenset({"2"})), registered("b", "1")])
    here.replace([detected("a", "1")])
    other_key.replace([registered("a", "1")])
    for _again in range(2):
        here.adopt("a", [("g", "1"), ("g", "2")])
        own = [(owner.inventory, owner.ip, owner.former, owner.found) for owner in here.load_named("a")]
        # What one inventory added is no longer only found by the other.
        assert own == [("f", "1", False, False), ("f", "2", True, False)]
    assert there.load({"b"}) == ({"b": {"1"}}, {"1"})
    assert [(owner.host, owner.inventory) for owner in here.load_holders("1")] == [("a", "f")]


def test_a_host_with_a_former_address_is_not_in_sync_but_does_not_need_it(stores: Registrations) -> None:
    store, *_others = stores
    store.replace([HostRegistration("a", frozenset({"2"}), frozenset({"1"})), registered("b", "2")])
    assert store.load({"b"}) == ({"b": {"2"}}, {"2"})
    assert store.load({"a"}) == ({"a": {"1", "2"}}, {"2"})
    assert not store.is_registered("a", ["2"])
    store.prune_missing({"2"})
    assert store.is_registered("a", ["2"]), "the whitelist lacks the former one"
    store.prune_missing({"1", "2"})
    assert not store.is_registered("a", ["2"]), "and now it is back"
    store.replace([registered("a", "1")])
    assert store.load({"b"}) == ({"b": {"2"}}, {"1"})


def test_a_former_address_that_was_removed_is_deleted(stores: Registrations) -> None:
    here, there, _other_key = stores
    for store in (here, there):
        store.replace([HostRegistration("a", frozenset({"1"}), frozenset({"2", "3"})), registered("b", "2")])
    here.delete_former([("a", "1"), ("a", "2"), ("b", "2")])
    assert here.load({"a", "b"}) == ({"a": {"1", "3"}, "b": {"2"}}, {"1", "2"})
    assert there.load({"a"})[0] == {"a": {"1", "2", "3"}}


def test_a_registration_keeps_the_time_at_which_it_was_first_made(stores: Registrations, world: World) -> None:
    store, there, other_key = stores
    store.replace([registered("a", "1")])
    world.time = START + 2
    store.replace([registered("a", "1", "2")])
    there.replace([detected("b", "1")])
    world.time = START + 3
    store.replace([HostRegistration("a", frozenset({"3"}), frozenset({"1", "2"}))])
    assert store.load_owners() == [
        Owner("1", "a", "f", former=True, found=False, registered_at=START),
        Owner("2", "a", "f", former=True, found=False, registered_at=START + 2),
        Owner("3", "a", "f", former=False, found=False, registered_at=START + 3),
        Owner("1", "b", "g", former=False, found=False, registered_at=START + 2),
    ]
    assert other_key.load_owners() == [], "another key"


def test_an_address_that_was_on_the_whitelist_before_a_host_reported_it_is_found(stores: Registrations) -> None:
    here, there, other_key = stores
    here.replace([detected("a", "1"), registered("b", "2")])
    other_key.replace([registered("a", "1")])
    assert found(here) == found(there) == {"1"}
    here.replace([HostRegistration("a", frozenset({"3"}), frozenset({"1"}))])
    assert found(here) == {"1"}, "a former address stays what it was"
    there.replace([detected("a", "1", "2", "3")])
    assert found(here) == {"1"}, "the others were added for hosts of another inventory"


def test_an_added_address_never_becomes_a_found_one(stores: Registrations) -> None:
    store, there, _other_key = stores
    store.replace([registered("a", "1"), registered("b", "2")])
    store.replace([detected("a", "2"), detected("b", "1")])
    assert found(store) == set(), "two hosts have swapped their addresses"
    there.replace([detected("c", "1")])
    store.replace([registered("b")])
    there.replace([detected("c", "1")])
    assert found(store) == set(), "it outlives the host that it was added for"


def test_a_found_address_that_is_added_or_given_later_is_found_no_longer(stores: Registrations) -> None:
    store, there, _other_key = stores
    store.replace([detected("a", "1"), detected("b", "2", "3")])
    there.replace([registered("other", "2")])
    assert found(store) == {"1", "3"}
    there.replace([registered("c", "1")])
    there.replace([registered("c")])
    store.replace([detected("a", "1"), detected("b", "2", "3")])
    assert found(store) == {"3"}


def test_a_host_with_a_found_address_is_registered_anew_once_the_user_gives_it(stores: Registrations) -> None:
    store, *_others = stores
    store.replace([detected("a", "1")])
    assert store.is_registered("a", ["1"])
    assert not store.is_registered("a", ["1"], given=True)
    store.replace([registered("a", "1")])
    assert store.is_registered("a", ["1"], given=True)


def test_registrations_that_two_reads_over_time_lack_are_forgotten(stores: Registrations, world: World) -> None:
    here, there, other_key = stores
    for store in (here, there, other_key):
        store.replace([registered("a", "1", "2")])
    here.prune_missing({"2", "3"})
    world.time += LIST_LAG - 1
    here.prune_missing({"2", "3"})
    assert here.load({"a"}) == ({"a": {"1", "2"}}, {"1", "2"}), "two readings of the same moment are one"
    here.prune_missing({"1", "2", "3"})
    world.time += LIST_LAG
    here.prune_missing({"2", "3"})
    assert there.load({"a"}) == ({"a": {"1", "2"}}, {"1", "2"}), "in between it was there"
    world.time += LIST_LAG
    here.replace([registered("a", "1", "2")])
    here.prune_missing({"2", "3"})
    assert here.load({"a"}) == ({"a": {"2"}}, {"2"})
    assert there.load({"a"}) == ({"a": {"2"}}, {"2"})
    assert other_key.load({"a"}) == ({"a": {"1", "2"}}, set())


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_two_reads_before_and_after_the_wall_clock_was_set_are_as_far_apart_as_they_are(
    stores: Registrations, world: World, step: float
) -> None:
    store, *_others = stores
    store.replace([registered("a", "1")])
    store.prune_missing(())
    world.machine.set_wall(step)
    world.time += LIST_LAG - 1
    store.prune_missing(())
    assert store.load({"a"})[0] == {"a": {"1"}}
    world.time += 1
    store.prune_missing(())
    assert store.load({"a"})[0] == {"a": set()}
