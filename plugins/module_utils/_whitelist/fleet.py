# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whitelist for the hosts of a play: one reading and one write for all, and a result for each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .._api.whitelist import Whitelist
from .._core.checks import numeric_order
from .._core.errors import QgError
from .._core.text import counted
from .._store.registrations import Registrations
from .apply import ABOUT_ADDRESSES, Outcome, reconcile
from .registrations import Host, Owners


def update(
    api: Whitelist,
    registrations: Registrations,
    inventory: str,
    state: str,
    hosts: Mapping[str, Host],
    *,
    check: bool,
) -> dict[str, Any]:
    """Register or deregister hosts; returns ``hosts``, with a result for each, and what changed as a whole.

    The registrations are written before the first call that changes something, and again at the end. The caller holds
    the lock of the key.
    """
    rows, now = registrations.all(), registrations.store.now()
    owners = Owners.of(rows, inventory, hosts)
    desired = owners.desired(state, hosts)

    def record(before: frozenset[str], after: frozenset[str]) -> None:
        registrations.replace(owners.rows(hosts, desired, before, after, now))

    # Before anything is written, all addresses that a host may have on the list are registered for it.
    everything = desired.ips | desired.replaces
    outcome = reconcile(api, desired, check=check, before_write=lambda listed: record(listed, listed | everything))
    if not check:
        record(outcome.before, outcome.after)
    results = {name: _host_result(name, host, owners, outcome) for name, host in sorted(hosts.items())}
    return {**whole_result(outcome), "hosts": results}


def whole_result(outcome: Outcome) -> dict[str, Any]:
    """Return the result of a change, without that of each host."""
    added, removed = numeric_order(outcome.added), numeric_order(outcome.removed)
    refused = [(ip, outcome.refused[ip]) for ip in numeric_order(outcome.refused)]
    return {
        "changed": bool(added or removed),
        "added": added,
        "removed": removed,
        "refused": [{"ip": ip, "code": error.details.get("code"), "reason": error.message} for ip, error in refused],
        "whitelist": numeric_order(outcome.after),
        "count": len(outcome.after),
        "unreadable": list(outcome.unreadable),
        "diff": {
            "before_header": "whitelist",
            "before": _lines(outcome.before),
            "after_header": "whitelist",
            "after": _lines(outcome.after),
        },
    }


def _lines(ips: Collection[str]) -> str:
    return "".join(f"{ip}\n" for ip in numeric_order(ips))


def _host_result(name: str, host: Host, owners: Owners, outcome: Outcome) -> dict[str, Any]:
    """Return the result of a host; it is failed if its addresses are not as desired."""
    desired, own = outcome.desired, {row.ip for row in owners.own if row.host == name}
    is_wanted = desired.state == "present"
    unneeded, removable = (own - host.ips, desired.replaces) if is_wanted else (own | host.ips, desired.ips)
    missing = host.ips - outcome.after if is_wanted else frozenset()
    added, removed = host.ips & outcome.added if is_wanted else frozenset(), unneeded & outcome.removed
    others = {row.ip: f"registered for {row.host} of the inventory {row.inventory}" for row in owners.others}
    kept = {ip: others.get(ip, "listed before the host reported it") for ip in unneeded & outcome.after - removable}
    result: dict[str, Any] = {
        "changed": bool(added or removed),
        "failed": False,
        "ips": numeric_order(host.ips),
        "added": numeric_order(added),
        "removed": numeric_order(removed),
        "kept": [{"ip": ip, "reason": kept[ip]} for ip in numeric_order(kept)],
    }
    # While an address is refused, former ones of other hosts stay, which is not their failure.
    stuck = unneeded & removable & outcome.after if outcome.error and not outcome.refused else frozenset()
    if wrong := numeric_order(missing or stuck):
        reasons = [outcome.refused.get(ip) or outcome.error or QgError("Nothing is known.") for ip in wrong]
        text = f"{', '.join(wrong)} could not be {'registered' if missing else 'removed'}: {reasons[0].message}"
        result |= {**reasons[0].as_result(), "msg": text, "failed": True}
        result["tolerable"] = all(getattr(reason, "kind", None) in ABOUT_ADDRESSES for reason in reasons)
    return result


def summary_line(result: Mapping[str, Any], unreached: Collection[str], *, check: bool) -> str:
    """Return the outcome of a run in one line."""
    failed = [name for name, own in result["hosts"].items() if own["failed"]]
    kept = {entry["ip"] for own in result["hosts"].values() for entry in own.get("kept", ())}
    counts = [
        (len(result["hosts"]) - len(failed), "in sync" if not check else "checked"),
        (len(result["added"]), "to add" if check else "added"),
        (len(result["removed"]), "to remove" if check else "removed"),
        (len(kept), "kept for others"),
        (len(failed), "with an error"),
        (len(unreached), "not reached"),
    ]
    shown = ", ".join(f"{number} {what}" for number, what in counts if number)
    return f"{counted(len(result['hosts']) + len(unreached), 'host')}: {shown or 'nothing to do'}"


def merged(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the common result of the updates for several keys or states; one that has failed has only ``hosts``."""
    lists = ("added", "removed", "refused", "unreadable", "warnings")
    counts = ("calls", "retries", "waited_seconds")
    return {
        "changed": any(result.get("changed") for result in results),
        "hosts": {name: own for result in results for name, own in result["hosts"].items()},
        "gone_hosts": {name: ips for result in results for name, ips in result.get("gone_hosts", {}).items()},
        **{name: [item for result in results for item in result.get(name, ())] for name in lists},
        "count": sum(result.get("count", 0) for result in results),
        "api": {name: sum(result.get("api", {}).get(name, 0) for result in results) for name in counts},
        "diff": [result["diff"] for result in results if result.get("changed")],
    }
