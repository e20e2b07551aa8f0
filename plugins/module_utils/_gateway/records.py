# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is recorded of gateways and lists: a run finds it, and checks that the keys are still the
same.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Sequence
from typing import Any

from .._api.parsing import beijing_time
from .._core.errors import OptionError, QgError
from .._core.runtime import playbook_command, wall_time
from .._core.text import counted, format_sample
from .._store.installations import Installation, Installations
from .._store.registrations import inventory_name
from .._store.store import Store
from .declaration import Declaration, from_json
from .gateway_options import check_recorded

#: A refresh is overdue after so many of its intervals and so many seconds, which it may take.
_INTERVALS = 3
_MARGIN = 30.0


def find(
    rows: Installations,
    inventory: str,
    hosts: Collection[str],
    kinds: Collection[str],
    *,
    is_named: bool,
) -> tuple[list[Installation], dict[str, str]]:
    """Return what is to be refreshed on hosts, and if they are named, a sentence for each one that
    has nothing installed.

    Raises QgError if no host has anything.
    """
    everything = [each for each in rows.all(inventory) if each.kind in kinds]
    here = [each for each in everything if each.host in hosts]
    standing = [each for each in here if each.removed_at is None]
    what = " or ".join(sorted(kinds))
    if not standing:
        detail = _why_none(here, everything)
        raise QgError(
            f"No {what} is recorded for {format_sample(sorted(hosts))} in the inventory "
            f"{inventory}, so nothing was leased. {detail}"
        )
    missing = {}
    if is_named:
        for host in sorted(set(hosts) - {each.host for each in standing}):
            removed = [each for each in here if each.host == host]
            detail = "Install one with its role, or leave the host out of qg_hosts."
            if removed:
                detail = (
                    f"{_removal(removed[0])} Leave the host out of qg_hosts, and remove its timer."
                )
            missing[host] = (
                f"No {what} is recorded for {host}, so nothing was leased for it. {detail}"
            )
    return standing, missing


def _why_none(here: Sequence[Installation], everything: Sequence[Installation]) -> str:
    """Return why a refresh has nothing to do, and what to type."""
    if here:
        return (
            f"{_removal(here[0])} If a timer runs this refresh, remove it with the playbook "
            "qingguo.qgnet.refresh_timer, qg_timer_state=absent and qg_timer_name."
        )
    others = sorted({each.host for each in everything if each.removed_at is None})
    if others:
        return f"The inventory has it for {format_sample(others)}: name these in qg_hosts."
    return (
        "Install one with its role first. If it was installed with another path of the inventory, "
        "or another store, set qg_inventory_id and qg_store as they were then."
    )


def _removal(installation: Installation) -> str:
    """Return the sentence about an installation that was removed."""
    age = max(0.0, wall_time() - (installation.removed_at or 0.0))
    return f"It was removed {_duration(age)} ago."


def recorded(installation: Installation) -> Declaration:
    """Return the declaration of an installation; raises QgError for one that this release cannot
    read, or that no options describe.
    """
    with contextlib.suppress(KeyError, TypeError, OptionError):
        declaration = from_json(installation.kind, installation.options)
        check_recorded(declaration)
        if declaration.name == installation.name:
            return declaration
    raise QgError(
        f"The record of the {installation.kind} {installation.name} on "
        f"{installation.host} cannot be read: install it again with its role."
    )


def described(installation: Installation) -> dict[str, Any]:
    """Return an installation for results."""
    removed_at = installation.removed_at
    refreshed_at = installation.refreshed_at
    sleeps = []
    for name, sleep in sorted(installation.sleeps.items()):
        since = beijing_time(sleep["since"])
        sleeps.append({"pool": name, "since": since, "not_bought": round(sleep["not_bought"], 1)})
    return {
        "kind": installation.kind,
        "host": installation.host,
        "inventory": installation.inventory,
        "name": installation.name,
        "options": dict(installation.options),
        "seconds": installation.seconds,
        "problem": installation.problem,
        "sleeps": sleeps,
        "installed_at": beijing_time(installation.installed_at),
        "removed_at": removed_at and beijing_time(removed_at),
        "refreshed_at": refreshed_at and beijing_time(refreshed_at),
    }


def check_key(installation: Installation, pool: str, digest: str) -> None:
    """Raise OptionError if the key of a pool is not the one that it was installed with."""
    if installation.keys.get(pool) != digest:
        raise OptionError(
            f"The key of pool {pool}",
            "is not the one that it was installed with, so nothing was leased for it",
            "set that key in proxy_gateway_pools or qg_key, or run the role again",
        )


def key_digest(store: Store, key: str) -> str:
    """Return the name of a key in the rows of a store."""
    return store.digest("installed", key)


def problem_of(installation: Installation, now: float) -> str:
    """Return why a gateway or list does not get new leases, and what to type; empty if it does."""
    name = f"The {installation.kind} {installation.name} of {installation.host}"
    host = inventory_name(installation.host)
    if installation.problem:
        return f"{name} has a problem: {installation.problem}"
    age = now - (installation.refreshed_at or installation.installed_at)
    if age <= _INTERVALS * installation.options.get("interval", 0) + _MARGIN:
        return _why_slow(name, installation)
    return (
        f"{name} was last refreshed {_duration(age)} ago. To refresh it by a timer, type: "
        f"{playbook_command('refresh_timer', qg_hosts=host)}. Only if the host no longer exists, "
        f"type: {playbook_command('deregister', qg_forget=host)}"
    )


def _why_slow(name: str, installation: Installation) -> str:
    """Return why leases may end before the next refresh replaces them, and what to set; empty if
    they do not.
    """
    drains = [pool["drain"] for pool in installation.options.get("pools", ())]
    interval = installation.options.get("interval", 0)
    needed = interval + (installation.seconds or 0.0)
    if not drains or needed <= min(drains):
        return ""
    return (
        f"{name} took {installation.seconds:.0f} s to be refreshed, each {interval} s, and its "
        f"leases end {min(drains)} s after a refresh may first replace them: set drain to more "
        f"than {math.ceil(needed)}, or let fewer hosts be refreshed in one run."
    )


def _duration(seconds: float) -> str:
    """Return a duration in the largest unit of which it has at least two."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            return counted(int(seconds // length), unit)
    return counted(int(seconds), "second")
