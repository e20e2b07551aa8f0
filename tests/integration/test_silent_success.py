# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs that would end well without the effect that a person expects: they fail, or say what they left undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.fleet import DETECT, OTHER_KEY, REGISTER, SUMMARIZE, Fleet, play, public
from support.playbooks import DEL, QUERY, Run, assert_task_failed, calls
from support.thorough import thorough
from support.vendor_faults import brief

NAMES = [path.stem for path in (Path(__file__).parents[2] / "playbooks").glob("*.yml")]
PLAYBOOKS = sorted(name for name in NAMES if not name.startswith("refresh"))
#: Those for the control node, whatever hosts the inventory has.
LOCAL = ("doctor", "ensure_leases", "metrics", "probe_vendor", "report")
LINE = "egress_whitelist: "


def playbook(name: str) -> str:
    return f"qingguo.qgnet.{name}"


def text(run: Run) -> str:
    """The output without the breaks that Ansible makes in long lines."""
    return " ".join(run.output.split())


def lines(run: Run) -> list[str]:
    """The lines that sum up the run, which leave the standard output to callbacks."""
    assert LINE not in run.stdout
    return [line.removeprefix(LINE) for line in run.stderr.splitlines() if line.startswith(LINE)]


# --- the same host in two inventories


@pytest.mark.measured
@pytest.mark.newest_core
def test_an_address_that_another_inventory_keeps_is_named_and_can_be_adopted(fleet: Fleet) -> None:
    fleet.run(limit="h1,h2", inventory_id="old").ok()
    deregister = {"playbook": playbook("deregister"), "inventory_id": "new"}
    run = fleet.run(limit="h1", **deregister).ok()
    assert fleet.listed() == [public(1), public(2)]
    kept = {"ip": public(1), "owners": [{"host": "h1", "inventory_id": "old"}], "owner_count": 1}
    assert run.of(REGISTER, "h1").result["kept"] == [kept]
    assert [summary["kept"] for summary in run.summaries] == [[{"host": "h1", **kept}]]
    assert f"{public(1)} of h1, registered for h1 of the inventory 'old'" in text(run)
    assert "egress_whitelist_adopt=true" in text(run)
    assert lines(run) == ["1 host: 1 in sync, nothing changed, 1 kept for other hosts"]
    adopted = {"ip": public(1), "inventory_id": "old"}
    for check in (["--check"], []):
        assert fleet.listed() == [public(1), public(2)]
        run = fleet.run(limit="h1", adopt=True, arguments=check, **deregister).ok()
        assert [summary["adopted"] for summary in run.summaries] == [[{"host": "h1", **adopted}]]
        assert [summary["removed"] for summary in run.summaries] == [[public(1)]]
    assert lines(run) == ["1 host: 1 in sync, 1 removed, 1 adopted"]
    assert fleet.listed() == [public(2)]
    # Registering adopts, too: later, the new inventory alone decides.
    fleet.run(limit="h2", inventory_id="new", adopt=True).ok()
    fleet.run(limit="h2", **deregister).ok()
    assert fleet.listed() == []


@pytest.mark.measured
@pytest.mark.newest_core
def test_a_host_of_the_same_name_with_another_address_is_not_adopted(fleet: Fleet) -> None:
    fleet.run(limit="h1", inventory_id="old").ok()
    fleet.move(h1="198.51.100.1")
    for state, detect in (("present", True), ("absent", True), ("absent", False)):
        run = fleet.run(limit="h1", inventory_id="new", adopt=True, state=state, detect=detect)
        assert_task_failed(run.of(DETECT), "egress_whitelist_adopt", "h1 of the inventory 'old'", public(1))
        assert calls(fleet.sim) == []
    # Without it, what the other inventory keeps is named even where nothing of the host is known.
    run = fleet.run(limit="h1", inventory_id="new", state="absent", detect=False).ok()
    assert [entry["ip"] for entry in run.of(REGISTER).result["kept"]] == [public(1)]
    assert fleet.listed() == [public(1)]


@pytest.mark.newest_core
def test_a_host_behind_the_same_address_is_named_once_it_alone_keeps_it(fleet: Fleet) -> None:
    fleet.move(h2=public(1), h3=public(1))
    fleet.run(limit="h1,h2,h3").ok()
    run = fleet.run(play("serial: 1"), limit="h1,h2", state="absent").ok()
    warned = [task.result.get("warnings", []) for task in run.tasks if task.name == SUMMARIZE]
    assert [len(found) for found in warned] == [0, 1]
    assert "registered for h3 of" in warned[1][0]
    assert "adopt" not in warned[1][0]


# --- no hosts, or too many


@pytest.mark.measured
@pytest.mark.parametrize("name", brief(PLAYBOOKS, "doctor", "verify"))
def test_a_playbook_without_hosts_fails(fleet: Fleet, name: str) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [({"variables": {"qg_hosts": "h1"}, "limit": "h2"}, "--limit h2")]
    if name in LOCAL:
        wrong = [({"limit": "h2"}, "--limit h2 excludes the hosts of this playbook ('localhost')")]
    else:
        wrong.append(({"variables": {"qg_hosts": ["hh1"]}}, "did you mean h1?"))
        wrong.append(({"inventory": "# none\n", "variables": {"qg_all": True}}, "has no hosts"))
    for options, part in wrong:
        run = fleet.run(playbook(name), **options)
        assert run.rc != 0
        assert (part in text(run), run.tasks, calls(fleet.sim)) == (True, [], []), run.output


@pytest.mark.measured
@pytest.mark.newest_core
def test_deregister_takes_all_hosts_only_by_their_name(fleet: Fleet) -> None:
    fleet.put_in_sync()
    for variables, part in (
        ({}, "all hosts of the inventory (6): choose hosts with --limit or qg_hosts, or set qg_all=true"),
        ({"qg_host": "h3"}, "qg_host does not exist: did you mean qg_hosts?"),
        ({"qg_hosts": ""}, "choose hosts"),
        ({"qg_all": "no"}, "choose hosts"),
        ({"qg_forget": ["h1"], "qg_hosts": "h2"}, "leave out --limit, qg_hosts and qg_all"),
    ):
        run = fleet.run(playbook("deregister"), variables=variables)
        assert run.rc != 0
        assert part in text(run), run.output
        assert (fleet.listed(), calls(fleet.sim)) == (fleet.all_addresses, [])
    fleet.run(playbook("deregister"), variables={"qg_all": "true"}).ok()
    assert fleet.listed() == []


# --- misspelt variables


@pytest.mark.measured
def test_a_misspelt_variable_of_a_playbook_is_refused_once(fleet: Fleet) -> None:
    for name, variable, meant in (
        ("register", "egress_whitelist_verfy_proxy", "egress_whitelist_verify_proxy"),
        ("ensure_leases", "qg_leases_count", "qg_lease_count"),
        ("verify", "qg_api_ulr", "qg_api_url"),
    ):
        run = fleet.run(playbook(name), variables={variable: "1"})
        assert run.rc != 0
        assert text(run).count(f"{variable} does not exist: did you mean {meant}?") == 1
        assert (run.tasks, calls(fleet.sim)) == ([], [])
    # A user may have variables with this prefix.
    own = {"qg_team": "blue", "qg_keys": ["QGNOKEY1"], "qg_hosts": "h1", "egress_whitelist_summary": {}}
    fleet.run(playbook("register"), variables=own).ok()


@pytest.mark.measured
@pytest.mark.newest_core
def test_a_misspelt_variable_of_a_host_is_refused_by_the_role(fleet: Fleet) -> None:
    fleet.add_to("h1", verfy_proxy="http://192.0.2.1:3128")
    fleet.add_to("h2", colour="blue")
    run = fleet.run()
    assert (run.rc, set(run.failed(DETECT))) == (2, {"h1", "h2"})
    assert_task_failed(run.of(DETECT, "h1"), "did you mean egress_whitelist_verify_proxy?")
    assert_task_failed(run.of(DETECT, "h2"), "egress_whitelist_colour does not exist: rename it")
    assert fleet.listed() == fleet.all_addresses[2:]


# --- hosts that the inventory no longer has


@pytest.mark.measured
def test_hosts_that_left_the_inventory_are_forgotten_by_name(fleet: Fleet) -> None:
    fleet.put_in_sync()
    for host in ("h5", "h6"):
        del fleet.lines[host]
    forget = {"playbook": playbook("deregister"), "variables": {"qg_forget": ["h5", "h6"]}}
    for check in (["--check"], []):
        assert fleet.listed() == fleet.all_addresses
        run = fleet.run(arguments=check, **forget).ok()
        assert calls(fleet.sim) == [QUERY] if check else [QUERY, DEL, QUERY]
        (summary,) = run.summaries
        assert summary["changed_hosts"] == {f"h{n}": {"added": [], "removed": [public(n)]} for n in (5, 6)}
    assert lines(run) == ["2 hosts: 2 in sync, 2 removed"]
    assert fleet.listed() == fleet.all_addresses[:4]
    # The host that runs it remains registered, and so do others that use an address.
    for names, part in ((["h5"], "it has h1, h2, h3, h4"), (["h4", "elsewhere"], "forget contains 'elsewhere'")):
        run = fleet.run(playbook("deregister"), variables={"qg_forget": names})
        assert_task_failed(run.of(DETECT), "egress_whitelist_forget", part)
    run = fleet.run(playbook("deregister"), variables={"qg_forget": "h4"}, inventory_id="new")
    assert_task_failed(run.of(DETECT), "set inventory_id to")
    assert fleet.listed() == fleet.all_addresses[:4]


# --- the line at the end, and errors


@pytest.mark.parametrize("header", ["", *thorough("serial: 4")])
def test_a_run_says_in_one_line_what_it_did(fleet: Fleet, header: str) -> None:
    fleet.run(limit="h1").ok()
    fleet.move(h1="198.51.100.1")
    run = fleet.run(play(header)).ok()
    said = lines(run)
    assert said[-1] == "6 hosts: 6 in sync, 6 added, 1 removed"
    assert len(said) <= (1 if header == "" else 2)
    assert run.summaries[-1]["msg"] == said[-1]
    assert lines(fleet.run(arguments=["--check"]).ok()) == ["6 hosts: 6 in sync, nothing to change"]


@pytest.mark.newest_core
def test_an_error_is_shown_once_for_a_host_and_once_for_several(fleet: Fleet) -> None:
    message = "egress_whitelist_quorum: quorum=9 cannot be met by 2 sources"
    run = fleet.run(quorum=9, limit="h1")
    shown = [line for line in run.stdout.splitlines() if line.startswith("fatal: ")]
    assert [line.count(message) for line in shown] == [1]
    assert lines(run) == ["1 host: 1 with an error"]
    run = fleet.run(quorum=9)
    (first, second) = lines(run)
    assert first == "6 hosts: 6 with an error"
    assert second.startswith(f"h1, h2, h3, h4, h5, h6: {message}")


@pytest.mark.measured
@pytest.mark.newest_core
def test_the_host_that_holds_an_address_with_another_key_is_named(fleet: Fleet) -> None:
    fleet.sim.configure(OTHER_KEY)
    fleet.run(limit="h1", key=OTHER_KEY, inventory_id="other").ok()
    run = fleet.run()
    assert set(run.failed(REGISTER)) == {"h1"}
    part = f"Registered with another key: {public(1)} for h1 of the inventory 'other'."
    assert_task_failed(run.of(REGISTER, "h1"), "-206", part)


@pytest.mark.measured
@pytest.mark.newest_core
def test_a_full_whitelist_names_the_number_of_slots_that_it_lacks(fleet: Fleet) -> None:
    fleet.sim.configure(capacity=4)
    failed = fleet.run().failed(REGISTER)
    assert failed
    for result in failed.values():
        assert f"needs {len(failed)} more slots" in result["msg"]
