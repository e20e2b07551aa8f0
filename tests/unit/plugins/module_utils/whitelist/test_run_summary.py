# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The summary of a run, from the results of its hosts."""

from __future__ import annotations

from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.run_summary import (
    LISTS,
    Unpruned,
    complete_result,
    summary_line,
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
        "kept": [],
        "adopted": [],
        "exit_ips": [],
        "refused": [refused],
        "api": {"calls": 4, "retries": 2, "waited_seconds": 0.2},
    }


def test_a_run_is_summed_up_in_one_line() -> None:
    kept = {"ip": "192.0.2.7", "owners": [{"host": "other", "inventory_id": "here"}], "owner_count": 1}
    results: dict[str, dict[str, Any] | None] = {
        "new": complete_result({"registered": ["192.0.2.9"], "exit_ips": ["198.51.100.1"], "summary": report()}),
        "refused": complete_result({"failed": True, "msg": "refused"}),
        "left": complete_result({"kept": [kept], "adopted": [{"ip": "192.0.2.8", "inventory_id": "there"}]}),
        "gone": complete_result({"unreachable": True, "msg": "no route"}),
    }
    summary = summary_of_run([*results, "late"], {"new", "left", "late"}, results, Unpruned())
    outcome = "2 in sync, nothing changed, 1 kept for other hosts, 1 adopted, 1 with an error"
    rest = "1 not reached, 1 without a result; proxy exit 198.51.100.1"
    assert summary_line(summary, check=False) == f"5 hosts: {outcome}, {rest}"
    changed = {**summary_of_run(["new"], {"new"}, results, Unpruned()), "added": ["192.0.2.9"], "exit_ips": []}
    assert summary_line(changed, check=True) == "1 host: 1 in sync, 1 to add"


def test_an_address_is_kept_only_if_no_later_batch_may_remove_it() -> None:
    kept = {"ip": "192.0.2.7", "owners": [{"host": "late", "inventory_id": "here"}], "owner_count": 1}
    results: dict[str, dict[str, Any] | None] = {"first": complete_result({"kept": [kept]})}
    hosts, alive = ["first", "late"], {"first", "late"}
    assert summary_of_run(hosts, alive, results, Unpruned())["kept"] == []
    results["late"] = complete_result({"summary": report()})
    assert summary_of_run(hosts, alive, results, Unpruned())["kept"] == [{"host": "first", **kept}]
    results["late"] = complete_result({"summary": report(removed=["192.0.2.7"])})
    assert summary_of_run(hosts, alive, results, Unpruned())["kept"] == []


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
