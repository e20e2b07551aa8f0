# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever becomes of a call that pays or changes something: it has its effect once, and is paid for once.

One row for each kind of call, and one for each thing that can happen to it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.kinds import FAULTS, KINDS, Kind, happen
from support.vendor import Answer, Call, Killed


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_call_has_its_effect_once_and_is_paid_for_once(kind: Kind, fault: str, folder: Path) -> None:
    node = kind.node(folder)
    options = kind.prepare(node)
    happen(node, kind.call, FAULTS[fault])
    first = node.run(kind.module, **options)
    if kind.can_repeat:
        # Ten minutes later, only the list counts.
        node.vendor.advance(700)
    node.vendor.faults.clear()
    if first.get("failed") or kind.can_repeat:
        node.ok(kind.module, **options)
    assert kind.found(node.vendor) == kind.wanted
    if first.get("failed"):
        # What failed has a reason that a person can act on: the vendor's books had not been seen to be right.
        assert first["msg"]
    if fault in ("answered", "list 8 s late", "list 50 s late"):
        assert not first.get("failed") or kind.module == "qg_whitelist"
        # A change of the whitelist costs nothing, and may be sent again.
        assert len(node.sent(kind.call)) == 1 + (kind.name == "order of a replacement") or (
            kind.module == "qg_whitelist" and fault != "answered"
        )


@pytest.mark.parametrize("loss", ["reset after", "truncated", "502 after", "403 after"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.pays_by_quota], ids=str)
def test_what_only_the_quota_shows_is_not_paid_for_again(kind: Kind, loss: str, folder: Path) -> None:
    """The list does not show for minutes what a call has bought whose response was lost."""
    node = kind.node(folder)
    options = kind.prepare(node)
    happen(node, kind.call, {**FAULTS[loss], "lag": 400})
    for _run in range(2):
        assert "is unknown" in node.failed(kind.module, **options)["msg"]
        assert kind.found(node.vendor) == kind.wanted
    node.vendor.advance(700)
    if kind.can_repeat:
        assert node.ok(kind.module, **options)["changed"] is False
    assert kind.found(node.vendor) == kind.wanted


#: What becomes of a read, before or after the call.
READ_FAULTS = [name for name, fault in FAULTS.items() if "kind" in fault and not {"lag", "quota"} & set(fault)]
#: These make an empty list of any list, and only a quota can tell.
EMPTY = ("null", "absent", "terse", "no object")
LOST = ("", "reset before", "reset after")


@pytest.mark.parametrize("lost", [pytest.param(lost, marks=pytest.mark.slow if lost else ()) for lost in LOST])
@pytest.mark.parametrize("skip", [pytest.param(0, marks=pytest.mark.slow), 1])
@pytest.mark.parametrize("fault", READ_FAULTS)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_list_that_cannot_be_read_costs_nothing(kind: Kind, fault: str, skip: int, lost: str, folder: Path) -> None:
    """The list before the call, or the one after it, whose own response may be lost as well."""
    node = kind.node(folder)
    options = kind.prepare(node)
    if fault in EMPTY and kind.name == "overseas":
        # Its list is the only witness of what it holds.
        return
    node.vendor.fault(kind.listing, skip=skip, **FAULTS[fault])
    if lost:
        happen(node, kind.call, FAULTS[lost])
    first = node.run(kind.module, **options)
    node.vendor.faults.clear()
    if kind.can_repeat:
        node.vendor.advance(700)
    if first.get("failed") or kind.can_repeat:
        node.ok(kind.module, **options)
    assert kind.found(node.vendor) == kind.wanted


@pytest.mark.parametrize("fault", ["reset before", "500", "429", "403", "code -1"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_call_that_never_succeeds_is_reported(kind: Kind, fault: str, folder: Path) -> None:
    node = kind.node(folder)
    options = kind.prepare(node)
    paid, calls = kind.found(node.vendor)[1], len(node.sent(kind.call))
    node.vendor.fault(kind.call, times=-1, **FAULTS[fault])
    result = node.failed(kind.module, **options)
    path = kind.call.rpartition(" ")[2]
    assert path.removeprefix(f"/{kind.product}") in result["msg"]
    assert len(node.sent(kind.call)) - calls <= 7
    assert kind.found(node.vendor)[1] == paid


@pytest.mark.parametrize("fault", ["reset before", "500", "403", "code -1"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_without_a_list_nothing_is_written(kind: Kind, fault: str, folder: Path) -> None:
    node = kind.node(folder)
    options = kind.prepare(node)
    before, calls = kind.found(node.vendor), len(node.sent(kind.call))
    node.vendor.fault(kind.listing, times=-1, **FAULTS[fault])
    result = node.failed(kind.module, **options)
    assert result["changed"] is False
    assert (kind.found(node.vendor), len(node.sent(kind.call))) == (before, calls)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_part_of_what_was_asked_for_is_completed(kind: Kind, folder: Path) -> None:
    if kind.call.endswith("/release"):
        # A release that is reported is believed.
        return
    node = kind.node(folder)
    options = kind.prepare(node)
    node.vendor.fault(kind.call, "partial", drop=1)
    first = node.run(kind.module, **options)
    if first.get("failed"):
        node.vendor.advance(0 if not kind.can_repeat else 700)
        node.ok(kind.module, **options)
    assert kind.found(node.vendor) == kind.wanted


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_check_mode_predicts_and_writes_nothing(kind: Kind, folder: Path) -> None:
    node = kind.node(folder)
    options = kind.prepare(node)
    before, calls = kind.found(node.vendor), len(node.sent(kind.call))
    predicted = node.ok(kind.module, **options, check=True, diff=True)
    assert predicted["changed"] is True
    assert predicted["diff"]["before"] != predicted["diff"]["after"]
    assert (kind.found(node.vendor), len(node.sent(kind.call))) == (before, calls)
    done = node.ok(kind.module, **options, diff=True)
    assert done["changed"] is True
    assert kind.found(node.vendor) == kind.wanted
    if kind.can_repeat:
        assert node.ok(kind.module, **options, check=True)["changed"] is False


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_without_time_to_wait_a_lost_response_is_unknown_or_adopted(kind: Kind, folder: Path) -> None:
    node = kind.node(folder)
    options = kind.prepare(node)
    happen(node, kind.call, FAULTS["carried out 14 s later"])
    first = node.run(kind.module, max_wait=0, **options)
    assert first.get("failed")
    if kind.can_repeat:
        node.vendor.advance(700)
    node.ok(kind.module, **options)
    assert kind.found(node.vendor) == kind.wanted


@pytest.mark.parametrize("fault", ["list 8 s late", "list 50 s late", "lost and list 50 s late"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.can_repeat], ids=str)
def test_a_run_that_follows_at_once_changes_nothing(kind: Kind, fault: str, folder: Path) -> None:
    node = kind.node(folder)
    options = kind.prepare(node)
    happen(node, kind.call, FAULTS[fault])
    first = node.run(kind.module, **options)
    if not first.get("failed"):
        assert node.ok(kind.module, **options)["changed"] is False
        assert node.ok(kind.module, **options)["changed"] is False
        assert kind.found(node.vendor) == kind.wanted


@pytest.mark.parametrize("lag", [0, 50])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_call_of_a_killed_run_is_waited_for(kind: Kind, lag: int, folder: Path) -> None:
    """The vendor carries it out half a minute after its process was killed."""
    node = kind.node(folder)
    vendor = node.vendor
    options = kind.prepare(node)
    happen(node, kind.call, {"lag": lag})

    def kill(call: Call) -> Answer:
        vendor.under_way.append((vendor.clock.now() + 28, call.method, call.path, dict(call.parameters)))
        raise Killed

    vendor.once(kind.call, kill)
    assert node.attempt(kind.module, **options) is None
    node.is_alone = False
    done = node.run(kind.module, **options)
    if done.get("failed"):
        vendor.advance(0 if not kind.can_repeat else 700)
        node.ok(kind.module, **options)
    vendor.advance(100)
    assert kind.found(vendor) == kind.wanted
