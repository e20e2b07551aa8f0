# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The claims that stay: own addresses of hosts and those of others, former and found ones, and when they end."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.claims import (
    CLAIM_TTL,
    Claim,
    Claims,
    Owner,
    StandingClaims,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.journal_rows import LIST_LAG
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.ownership import (
    HostRegistration,
    Ownership,
    addresses_by_host,
    adopted,
    is_registered,
    without_former,
    without_missing,
)
from support.registrations import register
from support.state_world import START, World, world
from support.stores import quick_over_both

__all__ = ["world"]
pytestmark = pytest.mark.usefixtures("every_store")


@dataclass(frozen=True)
class Inventory:
    """The hosts of an inventory, and the whitelist of a key."""

    claims: StandingClaims
    name: str

    def register(self, *hosts: HostRegistration) -> None:
        register(self.claims.store, self.claims.key, self.name, *hosts)

    def see(self, *whitelist: str) -> None:
        self.claims.change(lambda owners, now: without_missing(owners, now, whitelist))

    def own_and_other(self, *hosts: str) -> tuple[dict[str, set[str]], set[str]]:
        """The addresses of these hosts, and those that all others need."""
        owned = Ownership.of(self.claims.owners(), self.name, hosts)
        return dict(owned.registered), set(owned.others)

    def is_registered(self, host: str, *ips: str, given: bool = False) -> bool:
        return is_registered(self.claims.owners(host=host, inventory=self.name), ips, given=given)

    def found(self) -> set[str]:
        """The addresses that only hosts reported."""
        return {owner.ip for owner in self.claims.owners() if owner.found}


#: An inventory, another one, and the same inventory for another key.
Inventories = tuple[Inventory, Inventory, Inventory]


@pytest.fixture
def inventories(world: World) -> Inventories:
    store = world.store()
    here, there, other_key = (Inventory(StandingClaims(store, key), name) for key, name in ("kf", "kg", "xf"))
    return here, there, other_key


def registered(host: str, *ips: str) -> HostRegistration:
    return HostRegistration(host, frozenset(ips))


def detected(host: str, *ips: str) -> HostRegistration:
    """A host reported addresses that were on the whitelist already."""
    return HostRegistration(host, frozenset(ips), found=frozenset(ips))


@quick_over_both
def test_the_store_distinguishes_own_addresses_from_those_of_others(inventories: Inventories) -> None:
    here, there, other_key = inventories
    here.register(registered("a", "1"), registered("b", "1", "2"))
    there.register(registered("a", "3"))
    other_key.register(registered("a", "4"))
    assert here.own_and_other("a") == ({"a": {"1"}}, {"1", "2", "3"})
    assert here.own_and_other("a", "b", "new") == ({"a": {"1"}, "b": {"1", "2"}, "new": set()}, {"3"})
    here.register(registered("a", "5"), registered("b"))
    assert here.own_and_other("a", "b") == ({"a": {"5"}, "b": set()}, {"3"})
    assert here.is_registered("a", "5")
    assert not here.is_registered("a", "5", "3")
    assert there.is_registered("a", "3")
    assert not here.is_registered("new", "1")


@quick_over_both
def test_registrations_of_another_inventory_are_adopted_once(inventories: Inventories) -> None:
    here, there, other_key = inventories
    there.register(HostRegistration("a", frozenset(), frozenset({"1", "2"})), registered("b", "1"))
    here.register(detected("a", "1"))
    other_key.register(registered("a", "1"))
    for _again in range(2):
        others = [{"inventory_id": "g", "ip": ip} for ip in ("1", "2")]
        here.claims.change(lambda owners, _now, others=others: adopted(owners, "f", others), host="a")
        own = [(owner.inventory, owner.ip, owner.former, owner.found) for owner in here.claims.owners(host="a")]
        # What one inventory added is no longer only found by the other.
        assert own == [("f", "1", False, False), ("f", "2", True, False)]
    assert there.own_and_other("b") == ({"b": {"1"}}, {"1"})
    assert [(owner.host, owner.inventory) for owner in here.claims.holders("1")] == [("a", "f")]
    assert other_key.claims.holders("2") == [], "a former address is needed by no host"


def test_a_host_with_a_former_address_is_not_in_sync_but_does_not_need_it(inventories: Inventories) -> None:
    store, *_others = inventories
    store.register(HostRegistration("a", frozenset({"2"}), frozenset({"1"})), registered("b", "2"))
    assert store.own_and_other("b") == ({"b": {"2"}}, {"2"})
    assert store.own_and_other("a") == ({"a": {"1", "2"}}, {"2"})
    assert not store.is_registered("a", "2")
    store.see("2")
    assert store.is_registered("a", "2"), "the whitelist lacks the former one"
    assert addresses_by_host(store.claims.owners()) == {"a": {"2"}, "b": {"2"}}
    assert [len(store.claims.former(inventory)) for inventory in ("f", "g")] == [1, 0]
    store.see("1", "2")
    assert not store.is_registered("a", "2"), "and now it is back"
    store.register(registered("a", "1"))
    assert store.own_and_other("b") == ({"b": {"2"}}, {"1"})


def test_a_former_address_that_was_removed_is_deleted(inventories: Inventories) -> None:
    here, there, _other_key = inventories
    for store in (here, there):
        store.register(HostRegistration("a", frozenset({"1"}), frozenset({"2", "3"})), registered("b", "2"))
    removed = {("f", "a", "1"), ("f", "a", "2"), ("f", "b", "2")}
    here.claims.change(lambda owners, _now: without_former(owners, removed))
    assert here.own_and_other("a", "b") == ({"a": {"1", "3"}, "b": {"2"}}, {"1", "2"})
    assert there.own_and_other("a")[0] == {"a": {"1", "2", "3"}}


def test_a_registration_keeps_the_time_at_which_it_was_first_made(inventories: Inventories, world: World) -> None:
    store, there, other_key = inventories
    store.register(registered("a", "1"))
    world.time = START + 2
    store.register(registered("a", "1", "2"))
    there.register(detected("b", "1"))
    world.time = START + 3
    store.register(HostRegistration("a", frozenset({"3"}), frozenset({"1", "2"})))
    assert store.claims.owners() == [
        Owner("1", "a", "f", former=True, found=False, made_at=START),
        Owner("2", "a", "f", former=True, found=False, made_at=START + 2),
        Owner("3", "a", "f", former=False, found=False, made_at=START + 3),
        Owner("1", "b", "g", former=False, found=False, made_at=START + 2),
    ]
    assert other_key.claims.owners() == [], "another key"


def test_an_address_that_was_on_the_whitelist_before_a_host_reported_it_is_found(inventories: Inventories) -> None:
    here, there, other_key = inventories
    here.register(detected("a", "1"), registered("b", "2"))
    other_key.register(registered("a", "1"))
    assert here.found() == there.found() == {"1"}
    here.register(HostRegistration("a", frozenset({"3"}), frozenset({"1"})))
    assert here.found() == {"1"}, "a former address stays what it was"
    there.register(detected("a", "1", "2", "3"))
    assert here.found() == {"1"}, "the others were added for hosts of another inventory"


def test_an_added_address_never_becomes_a_found_one(inventories: Inventories) -> None:
    store, there, _other_key = inventories
    store.register(registered("a", "1"), registered("b", "2"))
    store.register(detected("a", "2"), detected("b", "1"))
    assert store.found() == set(), "two hosts have swapped their addresses"
    there.register(detected("c", "1"))
    store.register(registered("b"))
    there.register(detected("c", "1"))
    assert store.found() == set(), "it outlives the host that it was added for"


def test_a_found_address_that_is_added_or_given_later_is_found_no_longer(inventories: Inventories) -> None:
    store, there, _other_key = inventories
    store.register(detected("a", "1"), detected("b", "2", "3"))
    there.register(registered("other", "2"))
    assert store.found() == {"1", "3"}
    there.register(registered("c", "1"))
    there.register(registered("c"))
    store.register(detected("a", "1"), detected("b", "2", "3"))
    assert store.found() == {"3"}


def test_a_host_with_a_found_address_is_registered_anew_once_the_user_gives_it(inventories: Inventories) -> None:
    store, *_others = inventories
    store.register(detected("a", "1"))
    assert store.is_registered("a", "1")
    assert not store.is_registered("a", "1", given=True)
    store.register(registered("a", "1"))
    assert store.is_registered("a", "1", given=True)


def test_registrations_that_two_reads_over_time_lack_are_forgotten(inventories: Inventories, world: World) -> None:
    here, there, other_key = inventories
    for store in (here, there, other_key):
        store.register(registered("a", "1", "2"))
    here.see("2", "3")
    world.time += LIST_LAG - 1
    here.see("2", "3")
    assert here.own_and_other("a") == ({"a": {"1", "2"}}, {"1", "2"}), "two readings of the same moment are one"
    here.see("1", "2", "3")
    world.time += LIST_LAG
    here.see("2", "3")
    assert there.own_and_other("a") == ({"a": {"1", "2"}}, {"1", "2"}), "in between it was there"
    world.time += LIST_LAG
    here.register(registered("a", "1", "2"))
    here.see("2", "3")
    assert here.own_and_other("a") == ({"a": {"2"}}, {"2"})
    assert there.own_and_other("a") == ({"a": {"2"}}, {"2"})
    assert other_key.own_and_other("a") == ({"a": {"1", "2"}}, set())


def test_a_change_counts_what_another_process_has_written_meanwhile(inventories: Inventories) -> None:
    here, there, _other_key = inventories
    here.register(registered("a", "1"))

    def none(owners: list[Owner], _now: float) -> list[Owner]:
        if [owner.host for owner in owners] == ["a"]:
            there.register(registered("b", "2"))
        return []

    here.claims.change(none)
    assert not here.claims.exist()


def test_a_claim_on_an_address_outlives_those_of_runs(inventories: Inventories, world: World) -> None:
    here, *_others = inventories
    here.register(registered("a", "1"))
    claims = Claims(here.claims.store, "k")
    claims.make(Claim({"state": "present", "ips": ["1"]}, 1, 1, run="99999999 1 elsewhere"))
    world.time += 2 * CLAIM_TTL
    claims.purge()
    assert (here.is_registered("a", "1"), claims.open()) == (True, [])


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_two_reads_before_and_after_the_wall_clock_was_set_are_as_far_apart_as_they_are(
    inventories: Inventories, world: World, step: float
) -> None:
    store, *_others = inventories
    store.register(registered("a", "1"))
    store.see()
    world.machine.set_wall(step)
    world.time += LIST_LAG - 1
    store.see()
    assert store.own_and_other("a")[0] == {"a": {"1"}}
    world.time += 1
    store.see()
    assert store.own_and_other("a")[0] == {"a": set()}
