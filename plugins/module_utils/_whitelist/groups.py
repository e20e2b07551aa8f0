# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The claims that are fulfilled as one, and the desired whitelist that they lead to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .._reconcile.held_whitelist import ADD
from .._store.claims import Claim, Claims
from .ownership import Ownership
from .plan import DesiredWhitelist


@dataclass(frozen=True)
class Group:
    """The claim of one task, or the claims of the hosts of a run, with their common desired whitelist.

    ``hosts`` are the desired states of the hosts, and ``registered`` their addresses in the state. These include hosts
    without a claim: those gone from the inventory, and those whose former addresses are now removed.
    """

    claims: list[Claim]
    desired: DesiredWhitelist
    hosts: Mapping[str, DesiredWhitelist] = field(default_factory=dict)
    registered: Mapping[str, set[str]] = field(default_factory=dict)

    @property
    def inventory(self) -> str:
        """The inventory of the hosts."""
        return self.claims[0].inventory

    def claimants(self, operation: str) -> dict[str, list[str]]:
        """Return the ids of the claims that ask for each change of an address, by address.

        Of a change that none of them asks for, such as the removal for a host that is gone, it is the first.
        """
        desired, found = self.desired, dict[str, list[str]]()
        for claim in self.claims:
            former = () if operation == ADD else self.registered.get(claim.host, ())
            for ip in {*claim.wanted["ips"], *former}:
                found.setdefault(ip, []).append(claim.id)
        if operation == ADD:
            return found if desired.state != "absent" else {}
        unwanted = set(desired.ips if desired.state == "absent" else desired.replaces).difference(desired.keep)
        return {ip: found.get(ip) or [self.claims[0].id] for ip in unwanted}

    def conflicts_with(self, other: Group) -> bool:
        """Whether the registrations of one group depend on the result of the other."""
        if not (self.inventory and other.inventory):
            return False
        # An address that two inventories share is removed only once it is removed for both.
        return self.desired.state == "absent" or (
            self.inventory == other.inventory and not self.registered.keys().isdisjoint(other.registered)
        )


def _claimed_ips(claims: Iterable[Claim]) -> set[str]:
    """Return the addresses of hosts to be registered: removing one would disconnect its host until a later batch."""
    hosts = (claim.wanted for claim in claims if claim.inventory)
    return {ip for wanted in hosts if wanted["state"] == "present" for ip in wanted["ips"]}


def compatible_with_first(desired: Sequence[DesiredWhitelist]) -> list[int]:
    """Return which of these can be reconciled together with the first of them."""
    first = desired[0]
    if first.exclusive:
        return [0]
    return [n for n, other in enumerate(desired) if other.state == first.state and not other.exclusive]


def merge_desired(desired: Sequence[DesiredWhitelist]) -> DesiredWhitelist:
    """Merge desired states that are compatible with each other."""
    if len(desired) == 1:
        return desired[0]
    state = desired[0].state
    ips = {ip: None for own in desired for ip in own.ips if state == "present" or ip not in own.keep}
    return DesiredWhitelist(state, tuple(ips), allow_partial=True)


def compatible_groups(claims: Claims, batch: Iterable[Claim]) -> list[Group]:
    """Return the group of the first claim, and the others that can be reconciled together with it."""
    grouped: dict[tuple[str, str, str], list[Claim]] = {}
    for claim in batch:
        grouped.setdefault(claim.group, []).append(claim)
    claimed = _claimed_ips(claim for own in grouped.values() for claim in own)
    groups = [_group_of(claims, own, claimed) for own in grouped.values()]
    compatible: list[Group] = []
    for n in compatible_with_first([group.desired for group in groups]):
        if not any(groups[n].conflicts_with(group) for group in compatible):
            compatible.append(groups[n])
    return compatible


def _group_of(claims: Claims, own: list[Claim], claimed: Collection[str]) -> Group:
    inventory, states = own[0].inventory, [DesiredWhitelist(**claim.wanted) for claim in own]
    if not inventory:
        return Group(own, states[0])
    # Imported only for hosts: Ansible compiles each module in each run, and a task of qg_whitelist has no hosts.
    from .host_plan import desired_for_hosts
    from .pruning import Removals

    removals = Removals.of_batch(claims, own)
    hosts = {**removals.hosts, **{claim.host: state for claim, state in zip(own, states, strict=True)}}
    adopting = {claim.host for claim in own if claim.wanted["adopt"]}
    owners = claims.standing.owners()
    owned = Ownership.of(owners, inventory, hosts, adopting)
    claimed = removals.kept(claimed, owned.registered)
    # This control node did not add them, and no user gave them.
    found = {owner.ip for owner in owners}.difference(owner.ip for owner in owners if not owner.found)
    desired = desired_for_hosts(hosts, owned.registered, owned.others, found, claimed)
    return Group(own, desired, hosts, owned.registered)
