# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of one host, which a play can use as a variable, and the summary of all of them. Decisions only.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .._core.addresses import numeric_order
from .results import NO_USAGE

#: The lists that the result of every host has, whatever became of it.
LISTS = ("ips", "registered", "unregistered", "obsolete", "added", "removed", "reasons", "exit_ips")


def complete_result(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of a host with all of its lists; ``reasons`` is empty only if the host is as desired."""
    completed = {"changed": False, **{name: [] for name in LISTS}, **result}
    if (completed.get("failed") or completed.get("unreachable")) and not completed["reasons"]:
        completed["reasons"] = [completed.get("msg", "")]
    return completed


def recorded_part(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a complete result that a summary needs."""
    return {name: result[name] for name in (*LISTS, "unreachable", "summary") if name in result}


def summary_of_run(
    hosts: Sequence[str], alive: Collection[str], results: Mapping[str, Mapping[str, Any] | None]
) -> dict[str, Any]:
    """Return the summary of the hosts of a play, from the results of those that have one.

    A host that is not ``alive`` has failed, was unreachable or has ended. The result of a host that has only begun is
    None.
    """
    final = {host: own for host in hosts if (own := results.get(host))}
    unreachable = {host for host, own in final.items() if own.get("unreachable")}
    undecided = [host for host in hosts if host not in final]
    unregistered = {
        host: list(own["reasons"]) for host, own in final.items() if own["reasons"] and host not in unreachable
    }
    reports = [own["summary"] for own in final.values() if own.get("summary")]
    refused = {entry["ip"]: entry for report in reports for entry in report.get("refused", ())}
    usage = [report["api"] for report in reports if "api" in report]
    return {
        "hosts": len(hosts),
        "in_sync": len(final) - len(unregistered) - len(unreachable),
        "changed_hosts": {
            host: {"added": own["added"], "removed": own["removed"]}
            for host, own in sorted(final.items())
            if own["added"] or own["removed"]
        },
        "unregistered_hosts": dict(sorted(unregistered.items())),
        "unreached_hosts": sorted([*unreachable, *(host for host in undecided if host not in alive)]),
        "pending_hosts": sorted(host for host in undecided if host in alive),
        "pruned_hosts": {host: ips for report in reports for host, ips in report.get("pruned_hosts", {}).items()},
        "added": numeric_order({ip for report in reports for ip in report.get("added", ())}),
        "removed": numeric_order({ip for report in reports for ip in report.get("removed", ())}),
        "refused": [refused[ip] for ip in numeric_order(refused)],
        "api": {name: round(sum(own[name] for own in usage), 1) for name in NO_USAGE},
    }
