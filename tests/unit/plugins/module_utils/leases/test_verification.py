# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases that are verified: what is bought in place of those that do not work, and what never is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import Lease
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    CapReachedError,
    QgError,
    UncertainOutcomeError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.backend import DEFAULT_POLICY
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.ensure import ensure_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.plan import DesiredLeases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.verification import Verification
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.caps import Caps
from hypothesis import given, settings
from hypothesis import strategies as st
from support.in_process import Vendor
from support.lease_runs import LeaseNode

#: Whether the proxy works that was leased as the n-th.
Works = Callable[[int], bool]


class Site:
    """A site that proxies reach or not, by the order in which they were leased."""

    def __init__(self, core: Vendor, node: LeaseNode, works: Works) -> None:
        self.core = core
        self.node = node
        self.works = works
        self.asked = 0
        self._places: dict[str, int] = {}

    def failures(self, leases: Sequence[Lease], _pause: object) -> dict[str, str]:
        self.asked += len(leases)
        for lease in leases:
            self._places.setdefault(lease.name, len(self._places) + 1)
        return {one.name: "HTTP status 403" for one in leases if not self.works(self._places[one.name])}

    def ensure(self, count: int, extra: int = 2, caps: Caps | None = None, **desired: Any) -> Any:
        check = desired.pop("check", False)
        policy = replace(DEFAULT_POLICY, caps=caps) if caps else DEFAULT_POLICY
        verification = Verification(self.failures, extra)
        wanted = DesiredLeases(count, **desired)
        return ensure_leases(self.node.client(), wanted, check=check, policy=policy, verification=verification)


@pytest.fixture
def site(core: Vendor, node: LeaseNode) -> Site:
    core.configure(plan={"channels": 12})
    return Site(core, node, lambda _place: True)


def test_what_works_is_kept_and_a_second_run_buys_nothing(core: Vendor, site: Site) -> None:
    for allocated in (3, 0):
        found = site.ensure(3)
        assert (found.error, len(found.leases), len(found.allocated), found.unusable) == (None, 3, allocated, ())
    assert (core.paid, site.asked) == (3, 6)


def test_what_does_not_work_is_released_and_replaced(core: Vendor, site: Site) -> None:
    site.works = lambda place: place not in (1, 4)
    found = site.ensure(3)
    assert (found.error, found.missing, found.purchase_limit) == (None, 0, 5)
    assert {lease.name for lease in found.unusable} == {lease.name for lease in found.released}
    assert (len(found.leases), len(found.allocated), len(found.released)) == (3, 5, 2)
    assert (core.paid, len(core.leases)) == (5, 3)
    assert site.ensure(3).allocated == ()


def test_the_extra_leases_are_bounded_and_the_shortage_is_reported(core: Vendor, site: Site) -> None:
    site.works = lambda place: place == 1
    found = site.ensure(3)
    assert core.paid == 5
    assert (found.missing, len(found.leases), len(found.unusable)) == (2, 1, 4)
    assert "Through 4 leases, verify_url is not reached" in found.error.message
    assert "so 2 of count=3 are missing" in found.error.message


@pytest.mark.parametrize(("count", "paid"), [(1, [2, 3, 3, 3]), (4, [4, 4, 4, 4])])
def test_if_nothing_works_no_more_is_bought_however_often_it_runs(
    core: Vendor, site: Site, count: int, paid: list[int]
) -> None:
    site.works = lambda _place: False
    for expected in paid:
        try:
            error = site.ensure(count, extra=50).error
        except QgError as found:
            error = found
        assert "reaches verify_url" in error.message
        assert core.paid == expected


def test_held_leases_that_do_not_work_cost_only_extra_leases_and_are_kept(core: Vendor, site: Site) -> None:
    held = site.ensure(3).leases
    site.works = lambda place: place > 2
    predicted = site.ensure(3, extra=1, check=True)
    assert (predicted.missing, predicted.purchase_limit, core.paid) == (1, 1, 3)
    found = site.ensure(3, extra=1)
    assert (core.paid, found.missing, found.released) == (4, 1, ())
    found = site.ensure(3)
    assert (core.paid, found.error, found.missing) == (5, None, 0)
    assert {lease.name for lease in held} & {lease.name for lease in found.unusable}
    assert site.ensure(3).allocated == ()


def test_the_caps_must_allow_the_extra_leases_only_if_something_is_missing(core: Vendor, site: Site) -> None:
    with pytest.raises(CapReachedError) as caught:
        site.ensure(3, caps=Caps(per_day=4))
    assert caught.value.details["cap"]["wanted"] == 5
    assert core.paid == 0
    site.ensure(3, caps=Caps(per_day=5))
    assert site.ensure(3, caps=Caps(per_day=3)).error is None
    assert core.paid == 3


def test_a_release_that_is_refused_is_a_warning(core: Vendor, site: Site) -> None:
    core.configure(plan={"kind": "dynamic_shared"})
    site.works = lambda place: place != 1
    found = site.ensure(2)
    assert (found.error, len(found.leases), found.released, core.paid) == (None, 2, (), 3)
    assert "were not released" in found.warnings[0]
    # It keeps its channel, does not count, and is not bought again.
    assert (site.ensure(2).allocated, core.paid) == ((), 3)


def test_an_extra_lease_with_a_lost_response_is_not_bought_twice(core: Vendor, site: Site) -> None:
    site.works = lambda place: place != 1
    core.fault("/allocate", "reset_after", skip=1)
    found = site.ensure(2)
    assert (found.error, len(found.leases), core.paid) == (None, 2, 3)
    core.fault("/allocate", "reset_after")
    core.fault("/query", "code", code=-13, times=-1, skip=1)
    assert isinstance(site.ensure(3).error, UncertainOutcomeError)
    core.faults.clear()
    assert (site.ensure(3).missing, core.paid) == (0, 4)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(0, 3), st.lists(st.booleans(), min_size=40, max_size=40), st.integers(1, 3))
def test_a_run_never_buys_more_than_it_said(count: int, extra: int, works: list[bool], runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        core = Vendor(channels=30)
        site = Site(core, LeaseNode(core, Path(folder)), lambda place: works[place - 1])
        for _run in range(runs):
            paid, held = core.paid, len(core.leases)
            try:
                said = site.ensure(count, extra, check=True).purchase_limit
                found = site.ensure(count, extra)
            except QgError as error:
                if "reaches verify_url" not in error.message or core.paid != paid:
                    raise
                return
            assert core.paid - paid <= said <= max(0, count - held) + extra
            assert len(found.leases) == count or found.error
            assert not {lease.name for lease in found.leases} & {lease.name for lease in found.unusable}
