# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The summary of a run, from the results of its hosts."""

from __future__ import annotations

from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.run_summary import (
    LISTS,
    Unpruned,
    complete_result,
    summary_of_run,
    unpruned_warning,
)


def report(**changes: Any) -> dict[str, Any]:
    return {
        "added": [],
        "removed": [],
        "refused": [],
        "api": {"calls": 2, "retries": 1, "waited_seconds": 0.1},
        **changes,
    }


def test_every_host_is_counted_once() -> None:
    results: dict[str, dict[str, Any] | None] = {
        "new": complete_result({"registered": ["192.0.2.9"], "added": ["192.0.2.9"], "changed": True}),
        "moved": complete_result({"registered": ["192.0.2.10"], "added": ["192.0.2.10"], "removed": ["192.0.2.1"]}),
        "refused": complete_result({"failed": True, "msg": "refused"}),
        "warned": complete_result({"reasons": ["refused"], "unregistered": ["192.0.2.3"]}),
        "gone": complete_result({"unreachable": True, "msg": "no route"}),
        "begun": None,
        "died": None,
        "of another play": complete_result({}),
    }
    refused = {"ip": "192.0.2.3", "code": -206, "reason": "refused"}
    pruned: dict[str, Any] = {"pruned_hosts": {"old": ["192.0.2.1"]}}
    for host, more in {"new": {}, "moved": pruned}.items():
        own = results[host]
        assert own
        own["summary"] = report(added=own["added"], removed=own["removed"], refused=[refused], **more)
    hosts = ["new", "moved", "refused", "warned", "gone", "begun", "died", "late", "lost"]
    alive = {"new", "moved", "warned", "begun", "late"}
    assert summary_of_run(hosts, alive, results, Unpruned()) == {
        "hosts": 9,
        "in_sync": 2,
        "changed_hosts": {
            "moved": {"added": ["192.0.2.10"], "removed": ["192.0.2.1"]},
            "new": {"added": ["192.0.2.9"], "removed": []},
        },
        "unregistered_hosts": {"refused": ["refused"], "warned": ["refused"]},
        "unreached_hosts": ["died", "gone", "lost"],
        "pending_hosts": ["begun", "late"],
        "pruned_hosts": {"old": ["192.0.2.1"]},
        "unpruned_hosts": {},
        "unreported_hosts": [],
        "added": ["192.0.2.9", "192.0.2.10"],
        "removed": ["192.0.2.1"],
        "refused": [refused],
        "api": {"calls": 4, "retries": 2, "waited_seconds": 0.2},
    }


def test_a_result_is_complete_whatever_became_of_the_host() -> None:
    assert complete_result({"failed": True, "msg": "wrong key"}) == {
        "changed": False,
        "failed": True,
        "msg": "wrong key",
        **{name: [] for name in LISTS},
        "reasons": ["wrong key"],
    }
    assert complete_result({"failed": False})["reasons"] == []


def test_what_prune_has_left_is_named_until_another_batch_removes_it() -> None:
    left = Unpruned({"old": {"192.0.2.10", "192.0.2.9"}, "moved": {"192.0.2.1"}}, {"late", "down"})
    first = {**complete_result({"registered": ["192.0.2.5"]}), "summary": report()}
    summary = summary_of_run(["first", "late", "down"], {"first", "late"}, {"first": first}, left)
    assert summary["unpruned_hosts"] == {"moved": ["192.0.2.1"], "old": ["192.0.2.9", "192.0.2.10"]}
    assert summary["unreported_hosts"] == ["down", "late"]
    pending = unpruned_warning(summary, "egress_whitelist_")
    assert pending
    assert pending.startswith("egress_whitelist_prune removes no address until all hosts have reported. ")
    final = unpruned_warning({**summary, "pending_hosts": []}, "")
    assert final
    assert final.startswith("prune has left the former addresses of moved (192.0.2.1), old (192.0.2.9, 192.0.2.10), ")
    last = {**first, "summary": report(removed=["192.0.2.1", "192.0.2.9", "192.0.2.10"])}
    summary = summary_of_run(["first", "last"], {"first", "last"}, {"first": first, "last": last}, left)
    assert (summary["unpruned_hosts"], summary["unreported_hosts"]) == ({}, [])
    assert unpruned_warning(summary, "") is None
