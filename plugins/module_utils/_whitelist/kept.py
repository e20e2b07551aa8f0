# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses that stay although a host needs them no longer: for whom, and how to remove them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from .._core.runtime import module_command
from .._core.text import counted, extra_var, format_sample
from .._store.registrations import Registration

#: The number of addresses and hosts that a warning names.
SAMPLE = 5


class Kept(NamedTuple):
    """An address that stays: for its other ``owners``, or because it was there before the host.

    The ``namesake`` is the owner of the same name in another inventory.
    """

    host: str
    ip: str
    owners: Sequence[Registration] = ()
    namesake: Registration | None = None

    @property
    def owner(self) -> Registration | None:
        """The owner that is named."""
        return self.namesake or next(iter(self.owners), None)

    @property
    def reason(self) -> str:
        """Why the address stays."""
        owner = self.owner
        if owner is None:
            return "listed before the host reported it"
        text = f"registered for {owner.host} of the inventory {owner.inventory}"
        if len(self.owners) > 1:
            text += f" and {counted(len(self.owners) - 1, 'other host')}"
        return text

    def is_for(self, inventory: str, hosts: Collection[str]) -> bool:
        """Whether only these hosts of an inventory are registered with the address."""
        if not self.owners:
            return False
        return all(row.inventory == inventory and row.host in hosts for row in self.owners)

    def result(self) -> dict[str, Any]:
        """Return the address for the result of the host."""
        return {
            "ip": self.ip,
            "reason": self.reason,
            "host": getattr(self.owner, "host", None),
            "inventory_id": getattr(self.owner, "inventory", None),
        }


def warnings(kept: Collection[Kept]) -> Iterator[str]:
    """Yield what to tell a user who deregisters hosts that stay: one warning for each reason."""
    for_others = [entry for entry in kept if entry.owner]
    if for_others:
        owners = [(entry.host, entry.owner) for entry in for_others if entry.owner]
        yield f"{_stays(for_others)} for others: {_sample(for_others)}. {_advice(owners)}"
    before = [entry for entry in kept if not entry.owner]
    if before:
        ips = ",".join(sorted({entry.ip for entry in before})[:SAMPLE])
        command = module_command("qg_whitelist", f"state=absent ips={ips}")
        yield (
            f"{_stays(before)}: {_sample(before)}. To remove what should not be there, type: "
            f"{command}"
        )


def rerun(inventory: str, hosts: Collection[str] = ()) -> str:
    """Return how to deregister the hosts of a run from another inventory, or these ``hosts``."""
    settings = extra_var("egress_whitelist_inventory_id", inventory)
    again = "run qingguo.qgnet.deregister again"
    if hosts:
        again += " without --limit and"
        settings += f" {extra_var('qg_forget', ','.join(hosts))}"
    return f"{again} with {settings}"


def _advice(owners: Sequence[tuple[str, Registration]]) -> str:
    """Return what deregisters the owners of addresses: those of the first inventory."""
    inventory = owners[0][1].inventory
    pairs = [(host, owner.host) for host, owner in owners if owner.inventory == inventory]
    names: list[str] = []
    # Namesakes are chosen as the hosts of the run were, however many they are.
    if any(host != owner for host, owner in pairs):
        names = sorted({owner for _host, owner in pairs})[:SAMPLE]
    return f"If they no longer need it, {rerun(inventory, names)}"


def _stays(kept: Collection[Kept]) -> str:
    hosts = {entry.host for entry in kept}
    verb = "stays" if len(hosts) == 1 else "stay"
    return f"{counted(len(hosts), 'host')} {verb} on the whitelist"


def _sample(kept: Collection[Kept]) -> str:
    return format_sample([f"{entry.ip} of {entry.host} ({entry.reason})" for entry in kept], SAMPLE)
