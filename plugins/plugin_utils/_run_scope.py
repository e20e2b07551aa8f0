# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory of a run: its identity, its age, and whether the run sees all of it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from ansible import constants
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.clock import elapsed
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.digests import short_digest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.processes import process_start
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import format_sample, quote_word
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.pruning import InventoryHosts

#: Values of --limit that exclude no host.
_NO_LIMIT = ("", "all", "*")
#: The maximum number of hosts that a message names.
_MAX_NAMES = 5
#: Hosts that are in every inventory of Ansible: the control node itself.
CONTROL_NODE = ("localhost", "127.0.0.1", "::1")
_MACHINE_ID = "/etc/machine-id"


def inventory_id(given: str | None, variables: Mapping[str, Any], *, is_shared: bool) -> str:
    """Return the identifier of a host's inventory in the state: ``given``, or by default the sources of the inventory.

    Hosts with the same name in different inventories are different hosts. If several control nodes share the state, the
    localhost of each is a different host as well.
    """
    sources = variables.get("ansible_inventory_sources") or ["unnamed"]
    inventory = given or "\n".join(str(source) for source in sources)
    if is_shared and variables.get("inventory_hostname") in CONTROL_NODE:
        return f"{inventory} on {_control_node()}"
    return inventory


def _control_node() -> str:
    """Return an identifier of this machine: host name and machine id, either of which another machine may share."""
    number = b""
    with contextlib.suppress(OSError), open(_MACHINE_ID, "rb") as file:
        number = file.read().strip()
    return f"{os.uname().nodename} {short_digest(number, 4).hex()}"


def run_age(process: int | None = None) -> float:
    """Return the seconds since a run of Ansible began, by its process (default: the parent of this worker).

    0 if the system does not report it.
    """
    process = os.getppid() if process is None else process
    start = process_start(process)
    if start.isdigit():
        return max(0.0, elapsed() - int(start) / os.sysconf("SC_CLK_TCK"))
    command = ["ps", "-o", "etime=", "-p", str(process)]
    with contextlib.suppress(OSError, ValueError):
        shown = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
        return elapsed_seconds(shown)
    return 0.0


def elapsed_seconds(shown: str) -> float:
    """Return the seconds in an elapsed time of ps(1), ``[[dd-]hh:]mm:ss``; raises ValueError for anything else."""
    days, _dash, clock = shown.strip().rpartition("-")
    seconds = 0
    for part in clock.split(":"):
        seconds = seconds * 60 + int(part)
    return int(days or 0) * 86400.0 + seconds


def why_partial(limit: str | None, variables: Mapping[str, Any]) -> str | None:
    """Return the reason why the run sees only part of its hosts, as a clause of a message; None if it sees all of them.

    ``limit`` is the value of ``--limit``, ``variables`` are those of the task.
    """
    if limited := _why_limited(limit):
        return limited
    all_hosts, hosts, batch = (
        list(variables.get(f"ansible_play_{name}") or ()) for name in ("hosts_all", "hosts", "batch")
    )
    missing = sorted(set(all_hosts) - set(hosts))
    if missing:
        verb = "was" if len(missing) == 1 else "were"
        return f"{format_sample(missing, _MAX_NAMES)} failed, {verb} unreachable or ended before"
    if set(hosts) - set(batch):
        return f"a serial batch has {len(batch)} of the play's {len(all_hosts)} hosts"
    return None


def _why_limited(limit: str | None) -> str | None:
    return f"it is limited with --limit {limit}" if limit and limit.strip() not in _NO_LIMIT else None


def check_inventory(limit: str | None, variables: Mapping[str, Any]) -> None:
    """Refuse an inventory that may be incomplete; raises OptionError.

    An action cannot find out whether Ansible failed to read a source of the inventory. The setting
    INVENTORY_ANY_UNPARSED_IS_FAILED is required because it ends the run in that case.
    """
    reason = _why_limited(limit)
    lists = [str(source) for source in variables.get("ansible_inventory_sources") or () if "," in str(source)]
    if lists:
        reason = reason or f"its inventory is a list of hosts, {format_sample(lists, _MAX_NAMES)}"
    if reason:
        raise OptionError(
            f"prune is refused in a run that may see only part of the inventory ({reason}), because it would remove "
            "the addresses of the other hosts: run it with the whole inventory, or set prune to false."
        )
    if not constants.INVENTORY_ANY_UNPARSED_IS_FAILED:
        raise OptionError(
            "prune is refused, because Ansible would go on without the hosts of an inventory source that cannot be "
            "read, and their addresses would be removed: set any_unparsed_is_failed=true in the section [inventory] of "
            "ansible.cfg, or ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=true in the environment."
        )


def inventory_hosts(variables: Mapping[str, Any], prune_groups: Sequence[str] | None = None) -> InventoryHosts:
    """Return all hosts of the inventory and of the play, and those that must report before anything is removed.

    The latter are all of them, or those of some groups; raises OptionError for a group without hosts.
    """
    groups = {str(name): {str(host) for host in hosts} for name, hosts in (variables.get("groups") or {}).items()}
    hosts = groups.get("all", set()).union(map(str, variables.get("ansible_play_hosts_all") or ()))
    expected = hosts
    if prune_groups is not None:
        if empty := [name for name in prune_groups if not groups.get(name)]:
            raise OptionError(
                f"prune_groups contains {quote_word(empty[0])}, which is not a group, or has no hosts: "
                "name the groups whose hosts use the whitelist."
            )
        if not prune_groups:
            raise OptionError(
                "prune_groups is empty: name the groups whose hosts use the whitelist, or leave it out to compare all "
                "hosts of the inventory."
            )
        expected = set().union(*(groups[name] for name in prune_groups))
    # An implicit localhost is in no inventory, but it can be registered.
    return InventoryHosts(hosts=frozenset({*hosts, *CONTROL_NODE}), expected=frozenset(expected))
