# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Release leases: by address or by task, and verified on a list that may lag."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.calls import PRODUCTS
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.release import release_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.facts import CHANNELS
from support.failing_state import FailingState
from support.in_process import CLASSIC, KEY, PATHS, Answer, Call, Vendor
from support.lease_runs import WRITING, LeaseNode, every, list_as_of, uncertain


def test_an_address_that_is_leased_twice_is_released_by_its_task(core: Vendor, node: LeaseNode) -> None:
    node.ensure(1)
    node.ensure(2)
    first, second = core.leases
    second.ip = first.ip
    outcome = node.release(lambda one: one.task_id == first.task_id)
    assert (outcome.error, core.leases) == (None, [second])
    (sent,) = core.journal.select("/release")
    assert sent["params"] == {"TaskID": first.task_id}


def test_an_address_that_cannot_be_released_separately_is_kept(core: Vendor, node: LeaseNode) -> None:
    node.ensure(2)
    first, second = core.leases
    second.ip = first.ip
    assert first.port != second.port
    outcome = node.release(lambda one: one.port == first.port)
    assert "Release both" in outcome.error.message
    assert core.calls("/release") == []


@pytest.mark.parametrize("seconds", [3.0, 8.0, 50.0])
def test_a_release_that_is_listed_late_is_waited_for(core: Vendor, node: LeaseNode, seconds: float) -> None:
    node.ensure(3)
    core.journal.clear()
    list_as_of(core, seconds)
    outcome = node.release()
    assert (outcome.error, len(outcome.released), outcome.after, outcome.warnings) == (None, 3, (), ())
    assert core.calls(*WRITING) == ["/release"]


def test_a_release_is_uncertain_without_time_to_read_the_list(core: Vendor, node: LeaseNode) -> None:
    node.ensure(3)
    core.clock.advance(120)
    api = node.client(max_wait=0)
    limit = PRODUCTS[CLASSIC].query.limit(int(api.client.caller.host_facts.get(CHANNELS) or 0))
    for _read in range(limit - 1):
        api.held.read()
    core.journal.clear()
    outcome = release_leases(api, every)
    assert core.calls() == ["/query", "/release"]
    assert "the list of leases cannot be read" in uncertain(outcome)


def test_what_was_released_is_returned_if_the_state_cannot_be_written_then(core: Vendor, node: LeaseNode) -> None:
    node.ensure(2)
    node.store = state = FailingState(node.directory, node.wire.machine)
    core.after("/release", state.fill_up)
    outcome = node.release()
    assert "the disk is full" in outcome.error.message
    assert (len(outcome.released), core.leases) == (2, [])


def test_a_reported_release_is_not_repeated_by_a_run_that_still_reads_the_lease(core: Vendor, node: LeaseNode) -> None:
    """The first run has no time to wait for the list, and takes the vendor's word for it."""
    node.ensure(3)
    core.clock.advance(120)
    list_as_of(core, 50)
    core.handle("GET", "/query", {"Key": KEY, "Detail": "1"})
    outcome = node.release(max_wait=0)
    assert (outcome.error, len(outcome.released), len(outcome.warnings)) == (None, 3, 1)
    outcome = node.release()
    assert (outcome.error, outcome.released, outcome.after) == (None, (), ())
    assert core.calls("/release") == ["/release"]


@pytest.fixture
def idle_release(core: Vendor) -> None:
    """A vendor that acknowledges each release, and does nothing."""

    def acknowledge(call: Call) -> Answer:
        call.carry_out(IP="192.0.2.1")
        return 200, {"Code": 0, "Data": call.parameters["IP"].split(",")}

    core.around("/release", acknowledge)


@pytest.mark.usefixtures("idle_release")
def test_a_release_that_is_acknowledged_and_not_carried_out_is_reported(core: Vendor, node: LeaseNode) -> None:
    node.ensure(2)
    outcome = node.release(max_wait=900)
    assert "2 leases are still held" in outcome.error.message
    assert (outcome.released, len(outcome.after)) == ((), 2)
    # Each time, the list has had its time to show it.
    times = [call["at"] for call in core.journal.select("/release")]
    assert len(times) == 4
    assert all(later - earlier >= 60 for earlier, later in itertools.pairwise(times))


@pytest.mark.usefixtures("idle_release")
def test_a_later_run_trusts_the_list_if_a_reported_release_was_not_carried_out(core: Vendor, node: LeaseNode) -> None:
    node.ensure(2)
    core.clock.advance(120)
    outcome = node.release(max_wait=0)
    assert (outcome.error, len(outcome.released)) == (None, 2)
    (warning,) = outcome.warnings
    assert all(one.ip in warning for one in core.leases)
    assert "its list still shows them" in warning
    outcome = node.ensure(2)
    assert (outcome.error, len(outcome.leases), core.paid) == (None, 2, 2)


def test_a_release_with_a_bare_status_is_reported(core: Vendor, node: LeaseNode) -> None:
    node.ensure(2)
    core.fault("/release", "status", http_status=403, executed=True)
    outcome = node.release()
    assert (outcome.error, len(outcome.released), core.leases) == (None, 2, [])


@pytest.mark.parametrize("name", ["*", " * ", "all", "192.0.2.1,192.0.2.2", "192.0.2.0/24", ""])
@pytest.mark.parametrize("product", ["classic", "exclusive"])
def test_a_release_names_nothing_but_addresses(tmp_path: Path, product: str, name: str) -> None:
    """An entry ``*`` in the vendor's list would release every lease."""
    core = Vendor(kind="dynamic_dedicated" if product == CLASSIC else product, channels=9)
    node = LeaseNode(core, tmp_path, product)
    node.ensure(3)
    core.clock.advance(61)
    first = core.leases[0].ip

    def rename(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: rename(item) for key, item in value.items()}
        if isinstance(value, list):
            return [rename(item) for item in value]
        return name if value == first else value

    core.alter(PATHS[product].query, rename)
    with contextlib.suppress(QgError):
        assert node.release(lambda lease: lease.ip == name.strip()).released == ()
    assert [call["params"] for call in core.journal.select(PATHS[product].release)] == []
    assert len(core.leases) == 3
