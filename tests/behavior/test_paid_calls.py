# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever becomes of a call that pays or changes something: the run does what the table of
outcomes says.

One row for each kind of call, and one for each thing that can happen to it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from behavior.outcomes import FAULTS, IMPATIENT, PATIENT, POLL, Result, Run, outcome, read_outcome
from behavior.paid_calls import KINDS, Kind, Options
from support.node import Node
from support.phrases import IS_UNKNOWN
from support.vendor import Answer, Call, Killed

#: Products that the table tells from "exclusive" in nothing: the quick tests leave them out.
ALIKE = ("share", "longterm")


def row(kind: Kind, *others: str) -> Any:
    """Return the parameters of a test, which is slow for some kinds."""
    marks = pytest.mark.slow if kind.name in ALIKE else ()
    return pytest.param(kind, *others, id="-".join([str(kind), *others]), marks=marks)


def sending_times(node: Node, kind: Kind) -> list[float]:
    """Return when calls of this kind were sent."""
    method, _blank, path = kind.call.rpartition(" ")
    requests = [request for request in node.requests if request[2] == path]
    return [time for time, sent_method, _path in requests if method in ("", sent_method)]


def assert_run(result: Options, expected: Run) -> None:
    """Assert what a run tells its user."""
    told = Result.OK
    if result.get("failed"):
        told = Result.REFUSED
        if IS_UNKNOWN in result["msg"]:
            told = Result.UNKNOWN
    assert told is expected.result, result.get("msg")
    assert result["changed"] is expected.changed


@pytest.mark.parametrize("max_wait", [PATIENT, IMPATIENT])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", [row(kind) for kind in KINDS])
def test_runs_do_what_the_table_says(kind: Kind, fault: str, max_wait: int, folder: Path) -> None:
    expected = outcome(kind, FAULTS[fault], max_wait)
    node = kind.node(folder)
    options = kind.prepare(node)
    sent = len(sending_times(node, kind))
    FAULTS[fault].happens_to(node, kind.call)

    hurry: Options = {"max_wait": max_wait}
    if not max_wait:
        hurry |= kind.at_once or {}
    first = node.run(kind.module, **options, **hurry)

    times = sending_times(node, kind)[sent:]
    assert_run(first, expected.first)
    assert len(times) == expected.first.calls
    assert kind.found(node.vendor) == expected.held_and_paid(kind)
    if expected.resent_after is not None:
        assert 0 <= times[1] - times[0] - expected.resent_after <= POLL

    if expected.second is not None:
        assert_second_run(node, kind, options, expected.second)


def assert_second_run(node: Node, kind: Kind, options: Options, expected: Run) -> None:
    """Assert what the same task comes to when it runs again at once, without a fault."""
    sent = len(sending_times(node, kind))
    node.vendor.faults.clear()
    # A release that was carried out and not reported is reported when it is sent again.
    node.is_alone = False

    second = node.run(kind.module, **options)

    assert_run(second, expected)
    assert len(sending_times(node, kind)) == sent + expected.calls
    assert kind.found(node.vendor) == kind.wanted


#: The calls that buy, and whose effect a quota shows.
BY_QUOTA = pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.pays_by_quota], ids=str)


@BY_QUOTA
def test_what_the_list_shows_while_the_quota_counts_it_is_not_paid_for_again(
    kind: Kind, folder: Path
) -> None:
    """It shows it two minutes later, when the call is taken for lost, and the quota at once."""
    node = kind.node(folder)
    options = kind.prepare(node)
    replace(FAULTS["reset after"], list_lag=120).happens_to(node, kind.call)
    node.is_alone = False

    node.ok(kind.module, **options)

    assert kind.found(node.vendor) == kind.wanted


@pytest.mark.parametrize("loss", ["reset after", "truncated", "502 after", "403 after"])
@BY_QUOTA
def test_what_only_the_quota_shows_is_not_paid_for_again(
    kind: Kind, loss: str, folder: Path
) -> None:
    """The list does not show for minutes what a call has bought whose response was lost."""
    node = kind.node(folder)
    options = kind.prepare(node)
    replace(FAULTS[loss], list_lag=400).happens_to(node, kind.call)
    for _run in range(2):
        assert IS_UNKNOWN in node.failed(kind.module, **options)["msg"]
        assert kind.found(node.vendor) == kind.wanted
    node.vendor.advance(700)
    if kind.can_repeat:
        assert node.ok(kind.module, **options)["changed"] is False
    assert kind.found(node.vendor) == kind.wanted


#: What becomes of a read, before or after the call.
READ_FAULTS = [
    name for name, fault in FAULTS.items() if fault.plan and not fault.list_lag and fault.has_quota
]
#: These make an empty list of any list, and only a quota can tell.
EMPTY = ("null", "absent", "terse", "no object")
#: The list of overseas leases is the only witness of what a key holds.
READINGS = [
    (kind, fault)
    for kind in KINDS
    for fault in READ_FAULTS
    if kind.name != "overseas" or fault not in EMPTY
]


#: Which reading is faulty, and what becomes of the call itself.
CASES_OF_READINGS = [
    (1, "answered"),
    pytest.param(0, "answered", marks=pytest.mark.slow),
    pytest.param(1, "reset after", marks=pytest.mark.slow),
    pytest.param(0, "reset after", marks=pytest.mark.nightly),
    pytest.param(0, "reset before", marks=pytest.mark.nightly),
    pytest.param(1, "reset before", marks=pytest.mark.nightly),
]


@pytest.mark.parametrize(("skip", "lost"), CASES_OF_READINGS)
@pytest.mark.parametrize(("kind", "fault"), [row(*reading) for reading in READINGS])
def test_a_list_that_cannot_be_read_costs_nothing(
    kind: Kind, fault: str, skip: int, lost: str, folder: Path
) -> None:
    """The list before the call, or the one after it, whose own response may be lost as well."""
    # Where no quota contradicts a list, two of them have to agree before something is paid for.
    readings_before = 1 if kind.pays_by_quota else 2
    expected = read_outcome(kind, FAULTS[fault], FAULTS[lost], is_before=skip < readings_before)
    node = kind.node(folder)
    options = kind.prepare(node)
    node.vendor.fault(kind.listing, skip=skip, **FAULTS[fault].plan)
    FAULTS[lost].happens_to(node, kind.call)

    first = node.run(kind.module, **options)

    if expected is not None:
        assert_run(first, expected)
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
    paid = kind.found(node.vendor)[1]
    calls = len(sending_times(node, kind))
    node.vendor.fault(kind.call, times=-1, **FAULTS[fault].plan)
    result = node.failed(kind.module, **options)
    path = kind.call.rpartition(" ")[2]
    assert path.removeprefix(f"/{kind.product}") in result["msg"]
    assert len(sending_times(node, kind)) - calls <= 3
    assert kind.found(node.vendor)[1] == paid


@pytest.mark.parametrize("fault", ["reset before", "500", "403", "code -1"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_without_a_list_nothing_is_written(kind: Kind, fault: str, folder: Path) -> None:
    node = kind.node(folder)
    options = kind.prepare(node)
    before = kind.found(node.vendor)
    calls = len(node.sent(kind.call))
    node.vendor.fault(kind.listing, times=-1, **FAULTS[fault].plan)
    result = node.failed(kind.module, **options)
    assert result["changed"] is False
    assert kind.found(node.vendor) == before
    assert len(node.sent(kind.call)) == calls


#: A release of leases that is reported is believed.
PARTIAL = [kind for kind in KINDS if not kind.call.endswith("/release")]


@pytest.mark.parametrize("kind", PARTIAL, ids=str)
def test_a_part_of_what_was_asked_for_is_completed(kind: Kind, folder: Path) -> None:
    node = kind.node(folder)
    options = kind.prepare(node)
    node.vendor.fault(kind.call, "partial", drop=1)
    first = node.run(kind.module, **options)
    if first.get("failed"):
        complete(node, kind, options)
    assert kind.found(node.vendor) == kind.wanted


def complete(node: Node, kind: Kind, options: Options) -> None:
    """Run a task again that has failed: ten minutes later, unless it is a replacement, which would
    be another one.
    """
    if kind.can_repeat:
        node.vendor.advance(700)
    node.ok(kind.module, **options)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_check_mode_predicts_and_writes_nothing(kind: Kind, folder: Path) -> None:
    node = kind.node(folder)
    options = kind.prepare(node)
    before = kind.found(node.vendor)
    calls = len(node.sent(kind.call))
    predicted = node.ok(kind.module, **options, check=True, diff=True)
    assert predicted["changed"] is True
    assert predicted["diff"]["before"] != predicted["diff"]["after"]
    assert kind.found(node.vendor) == before
    assert len(node.sent(kind.call)) == calls
    done = node.ok(kind.module, **options, diff=True)
    assert done["changed"] is True
    assert kind.found(node.vendor) == kind.wanted
    if kind.can_repeat:
        assert node.ok(kind.module, **options, check=True)["changed"] is False


@pytest.mark.parametrize("lag", [0, 50])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_call_of_a_killed_run_is_waited_for(kind: Kind, lag: int, folder: Path) -> None:
    """The vendor carries it out half a minute after its process was killed."""
    node = kind.node(folder)
    vendor = node.vendor
    options = kind.prepare(node)
    replace(FAULTS["answered"], list_lag=lag).happens_to(node, kind.call)

    def kill(call: Call) -> Answer:
        vendor.under_way.append(
            (vendor.clock.now() + 28, call.method, call.path, dict(call.parameters))
        )
        raise Killed

    vendor.once(kind.call, kill)
    assert node.attempt(kind.module, **options) is None
    node.is_alone = False
    done = node.run(kind.module, **options)
    if done.get("failed"):
        complete(node, kind, options)
    vendor.advance(100)
    assert kind.found(vendor) == kind.wanted
