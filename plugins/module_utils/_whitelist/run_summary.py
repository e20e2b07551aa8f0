# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of one host as a variable of a play, and the summary of all hosts. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.addresses import numeric_order
from .._core.text import format_sample
from .results import NO_USAGE

#: The lists that the result of every host contains, even after a failure.
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


@dataclass(frozen=True)
class Unpruned:
    """The ``addresses``, by host, that a run with ``prune`` left because ``unreported`` hosts may use them."""

    addresses: Mapping[str, Collection[str]] = field(default_factory=dict)
    unreported: Collection[str] = ()

    def without(self, ips: Collection[str]) -> dict[str, list[str]]:
        """Return the addresses that are not among these, by host."""
        left = {host: numeric_order(set(own).difference(ips)) for host, own in sorted(self.addresses.items())}
        return {host: own for host, own in left.items() if own}


def summary_of_run(
    hosts: Sequence[str],
    alive: Collection[str],
    results: Mapping[str, Mapping[str, Any] | None],
    unpruned: Unpruned,
) -> dict[str, Any]:
    """Return the summary of the hosts of a play.

    A host that is not ``alive`` has failed, was unreachable or has ended. In ``results``, None stands for a host that
    has begun, but has no result yet.
    """
    final = {host: own for host in hosts if (own := results.get(host))}
    unreachable = {host for host, own in final.items() if own.get("unreachable")}
    undecided = [host for host in hosts if host not in final]
    unregistered = {
        host: list(own["reasons"]) for host, own in final.items() if own["reasons"] and host not in unreachable
    }
    reports = [own["summary"] for own in final.values() if own.get("summary")]
    refused = {entry["ip"]: entry for report in reports for entry in report.get("refused", ())}
    removed = {ip for report in reports for ip in report.get("removed", ())}
    left = unpruned.without(removed)
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
        "unpruned_hosts": left,
        "unreported_hosts": sorted(unpruned.unreported) if left else [],
        "added": numeric_order({ip for report in reports for ip in report.get("added", ())}),
        "removed": numeric_order(removed),
        "refused": [refused[ip] for ip in numeric_order(refused)],
        "api": {name: round(sum(own[name] for own in usage), 1) for name in NO_USAGE},
    }


def unpruned_warning(summary: Mapping[str, Any], prefix: str) -> str | None:
    """Return a warning for addresses that a run with ``prune`` has left; None without any.

    ``prefix`` is the prefix of the variables in which the options are set.
    """
    left = [f"{host} ({', '.join(ips)})" for host, ips in summary["unpruned_hosts"].items()]
    if not left:
        return None
    missing = summary["unreported_hosts"]
    if not set(missing).isdisjoint(summary["pending_hosts"]):
        return (
            f"{prefix}prune removes no address until all hosts have reported. It has left those of "
            f"{format_sample(left)}."
        )
    return (
        f"{prefix}prune has left the former addresses of {format_sample(left)}, because {format_sample(missing)} "
        f"{'has' if len(missing) == 1 else 'have'} not reported in this run and may use them. Run the role for all "
        f"hosts of the inventory, give the addresses of those that cannot be reached in {prefix}ips, or name the "
        f"groups that use the whitelist in {prefix}prune_groups."
    )
