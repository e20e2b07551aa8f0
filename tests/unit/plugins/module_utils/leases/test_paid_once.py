# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What would cost more at each run: areas that are not honored, and calls without a result."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import CapReachedError, OptionError, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.change import ensure_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.caps import Caps
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.matching import Desired
from support.failing_state import FULL, FailingState
from support.in_process import CLASSIC, PATHS, Answer, Call, Killed, Vendor
from support.lease_runs import EMPTY, LeaseNode

QUANZHOU, GUANGZHOU = "350500", "440100"
ABROAD = ("990100", "990200")


@pytest.mark.parametrize("what", ["area", "isp"])
@pytest.mark.parametrize("product", PATHS)
def test_leases_elsewhere_than_requested_are_not_bought_again(tmp_path: Path, product: str, what: str) -> None:
    core = Vendor(kind="dynamic_dedicated" if product == CLASSIC else product, channels=30)
    node = LeaseNode(core, tmp_path, product)
    wanted, given = ABROAD if product == "overseas" else (QUANZHOU, GUANGZHOU)
    names = ("AreaId", "Isp") if product == CLASSIC else ("area", "isp")
    other = {names[0]: given} if what == "area" else {names[1]: "2"}
    # The lists of the classic API and of share show no code of an area, and those of overseas the name of a company.
    is_shown = (product, what) not in ((CLASSIC, "area"), ("share", "area"), ("overseas", "isp"))
    core.around(PATHS[product].get, lambda call: call.carry_out(**other))
    terms = AllocationParams(areas=(wanted,)) if what == "area" else AllocationParams(isp="telecom")
    for _run in range(3):
        outcome = node.ensure(3, params=terms)
        assert (len(outcome.leases), outcome.missing, core.paid) == (3, 0, 3)
        assert len(outcome.warnings) == is_shown
        assert all("than was requested. They count for this request until" in text for text in outcome.warnings)
    # They match what the list shows as well.
    shown = AllocationParams(areas=(given,)) if what == "area" else AllocationParams(isp="mobile")
    if is_shown:
        assert node.ensure(3, params=shown).warnings == []
        assert core.paid == 3


def lose(core: Vendor, call: Call) -> Answer:
    """Carry out a call that pays without a response, and show no list afterwards."""
    call.carry_out()
    core.around("/share/query", lambda _call: (503, None))
    return 502, None


@pytest.mark.parametrize("lost", ["killed", "unreadable"])
def test_a_call_that_never_got_a_result_counts_for_the_cap(tmp_path: Path, lost: str) -> None:
    core = Vendor(kind="share", channels=30)
    node = LeaseNode(core, tmp_path, "share")
    caps = Caps(5)
    refused = 0
    for _run in range(8):
        if lost == "killed":
            core.kill("/share/get", carried_out=True)
        else:
            core.once("/share/get", partial(lose, core))
        try:
            with contextlib.suppress(QgError, Killed):
                ensure_leases(node.client(), Desired(5), caps=caps)
        finally:
            core.hooks.clear()
        core.clock.advance(300)
        try:
            ensure_leases(node.client(), Desired(5), caps=caps)
        except CapReachedError:
            refused += 1
        core.clock.advance(300)
    assert core.paid == 5
    assert refused == 8


@pytest.mark.parametrize("check", [False, True])
def test_what_short_lived_leases_cannot_last_is_refused_before_the_first_purchase(tmp_path: Path, check: bool) -> None:
    core = Vendor(kind="share", channels=30)
    node = LeaseNode(core, tmp_path, "share")
    for minutes, words in ((60, "60 minutes"), (1, "1 minute")):
        with pytest.raises(OptionError, match=rf"min_remaining of {words} cannot be met: .* 59 seconds left"):
            node.ensure(5, min_remaining=minutes, check=check)
    assert core.paid == 0
    assert node.ensure(5, min_remaining=0.5).missing == 0
    assert node.ensure(9, min_remaining=30, params=AllocationParams(keep_alive=60)).missing == 0


@pytest.mark.parametrize("failing", [("transaction",), ("transaction", "rows"), ("transaction", "rows", "now")])
@pytest.mark.parametrize("replaced", [False, True])
def test_a_lost_purchase_is_named_if_the_state_fails_at_the_same_moment(
    core: Vendor, node: LeaseNode, replaced: bool, failing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if replaced:
        node.ensure(2)
    path = "/replace" if replaced else "/allocate"
    node.store = state = FailingState(node.directory, node.wire.machine)

    def fail(*_arguments: object) -> NoReturn:
        raise FULL

    def lose_all(call: Call) -> Answer:
        call.carry_out()
        for name in failing:
            monkeypatch.setattr(state, name, fail)
        return 502, None

    core.once(path, lose_all)
    try:
        error = (node.replace(2) if replaced else node.ensure(2)).error
    except QgError as raised:
        error = raised
    for part in (path, "is unknown", "the disk is full"):
        assert part in error.message


@pytest.mark.parametrize("lag", [8.0, 30.0, 55.0])
@pytest.mark.parametrize("product", PATHS)
@pytest.mark.parametrize("kind", ["reset_after", "garbage", "data_null"])
def test_a_quota_that_lags_as_the_list_does_is_no_witness(tmp_path: Path, product: str, lag: float, kind: str) -> None:
    """Both may be read from the same replica."""
    core = Vendor(kind="dynamic_dedicated" if product == CLASSIC else product, channels=9, lifetime=60)
    core.configure(options={"list_lag": lag, "quota_lag": lag})
    core.fault(PATHS[product].get, kind=kind)
    outcome = LeaseNode(core, tmp_path, product).ensure(2)
    assert (outcome.error, len(outcome.leases), core.paid) == (None, 2, 2)


@pytest.mark.parametrize("product", PATHS)
def test_a_lost_call_without_an_effect_is_repeated_when_its_time_is_over(tmp_path: Path, product: str) -> None:
    core = Vendor(kind="dynamic_dedicated" if product == CLASSIC else product, channels=9, lifetime=60)
    core.fault(PATHS[product].get, kind="reset_before")
    outcome = LeaseNode(core, tmp_path, product).ensure(2)
    assert (outcome.error, len(outcome.leases), core.paid) == (None, 2, 2)


@pytest.mark.parametrize("lag", [8.0, 30.0])
@pytest.mark.parametrize("kind", ["reset_after", "garbage"])
def test_ignoring_what_no_list_shows_decides_nothing_about_open_calls(
    core: Vendor, node: LeaseNode, lag: float, kind: str
) -> None:
    node.ensure(2)
    core.clock.advance(700)
    core.fault("/query", "replace", body=EMPTY)
    core.fault("/allocate", kind)
    core.configure(options={"list_lag": lag})
    outcome = node.ensure(3, on_uncertain="ignore")
    assert (outcome.error, len(outcome.leases), core.paid) == (None, 3, 3)
