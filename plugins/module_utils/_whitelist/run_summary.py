# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of one host as a variable of a play, and the summary of all hosts. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.addresses import numeric_order
from .._core.text import counted, format_sample
from .results import NO_USAGE

#: The lists that the result of every host contains, even after a failure.
LISTS = (
    *("ips", "registered", "unregistered", "obsolete", "added", "removed", "kept", "adopted", "reasons", "exit_ips"),
)
#: The only reason in the result of a host whose message says it.
_SEE_MSG = "See msg."
#: The maximum number of reasons that are shown with their hosts.
_MAX_REASONS = 5


def complete_result(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of a host with all of its lists; ``reasons`` is empty only if the host is as desired."""
    completed = {"changed": False, **{name: [] for name in LISTS}, **result}
    if (completed.get("failed") or completed.get("unreachable")) and not completed["reasons"]:
        completed["reasons"] = [completed.get("msg", "")]
    return completed


def without_repetition(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a complete result in which ``reasons`` do not repeat ``msg``, which Ansible shows with them."""
    return {**result, "reasons": [_SEE_MSG]} if result["reasons"] == [result.get("msg")] else dict(result)


def recorded_part(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a complete result that a summary needs."""
    return {name: result[name] for name in (*LISTS, "unreachable", "summary") if name in result}


def reads_of(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the first task of a host has reported of its reading for all, as part of its last outcome."""
    return {"reads": outcome["summary"]} if "summary" in outcome else {}


def merge_results(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the common result of several hosts for which one task acts."""
    merged: dict[str, Any] = {}
    # The first failure explains the task.
    for own in reversed(results):
        merged |= own if own.get("failed") else {name: own[name] for name in own if name not in merged}
    for name in (*LISTS, "warnings"):
        if name in LISTS or name in merged:
            merged[name] = [item for own in results for item in own.get(name, ())]
    return {**merged, "changed": any(own["changed"] for own in results)}


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
    pending = {host for host in undecided if host in alive}
    kept = [
        {"host": host, **entry}
        for host, own in sorted(final.items())
        for entry in own["kept"]
        # With serial, an address that hosts of the play share is removed in the last of their batches.
        if not (entry["ip"] in removed or entry["owners"][0]["host"] in pending)
    ]
    reads = [own["reads"] for own in final.values() if "reads" in own]
    usage = [report["api"] for report in (*reports, *reads) if "api" in report]
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
        "pending_hosts": sorted(pending),
        "pruned_hosts": {host: ips for report in reports for host, ips in report.get("pruned_hosts", {}).items()},
        "unpruned_hosts": left,
        "unreported_hosts": sorted(unpruned.unreported) if left else [],
        "added": numeric_order({ip for report in reports for ip in report.get("added", ())}),
        "removed": numeric_order(removed),
        "kept": kept,
        "adopted": [{"host": host, **entry} for host, own in sorted(final.items()) for entry in own["adopted"]],
        "exit_ips": numeric_order({ip for own in final.values() for ip in own["exit_ips"]}),
        "refused": [refused[ip] for ip in numeric_order(refused)],
        "api": {name: round(sum(own[name] for own in usage), 1) for name in NO_USAGE},
    }


def summary_line(summary: Mapping[str, Any], *, check: bool) -> str:
    """Return the outcome of a run in one line, for a person who watches it."""
    counts = [
        (summary["in_sync"], "in sync"),
        (len(summary["added"]), "to add" if check else "added"),
        (len(summary["removed"]), "to remove" if check else "removed"),
        (len(summary["kept"]), "kept for other hosts"),
        (len(summary["adopted"]), "to adopt" if check else "adopted"),
        (len(summary["unregistered_hosts"]), "with an error"),
        (len(summary["unreached_hosts"]), "not reached"),
        (len(summary["pending_hosts"]), "without a result"),
    ]
    shown = [f"{number} {what}" for number, what in counts if number]
    if summary["in_sync"] and not (summary["added"] or summary["removed"]):
        shown.insert(1, "nothing to change" if check else "nothing changed")
    exits = f"; proxy exit {format_sample(summary['exit_ips'], 3)}" if summary["exit_ips"] else ""
    return f"{counted(summary['hosts'], 'host')}: {', '.join(shown)}{exits}"


def common_reasons(summary: Mapping[str, Any]) -> list[str]:
    """Return the reasons that several hosts have in common, each with these hosts; the most frequent ones first."""
    hosts: dict[str, list[str]] = {}
    for host, reasons in summary["unregistered_hosts"].items():
        hosts.setdefault(" ".join(reasons), []).append(host)
    common = sorted((found for found in hosts.items() if len(found[1]) > 1), key=lambda found: -len(found[1]))
    return [f"{format_sample(found)}: {reason}" for reason, found in common[:_MAX_REASONS]]


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
