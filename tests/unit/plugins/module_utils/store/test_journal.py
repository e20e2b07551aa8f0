# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One row for each call that changes something, which becomes the ledger."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.caller import set_caller
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.journal import Journal, ledger
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.journal_rows import (
    LEASES,
    LEDGER_TTL,
    LIST_LAG,
    MAYBE_GONE,
    MAYBE_HELD,
    MEMORY_TTL,
    MONOPOLIES,
    REFUSED,
    REPORTED,
    SENT,
    SETTLED,
    UNKNOWN,
    Call,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import Connection, Store
from support.state_world import DAY, START, World, store, world
from support.stores import quick_over_both

__all__ = ["store", "world"]
pytestmark = pytest.mark.usefixtures("every_store")

IP, OTHER = "203.0.113.5", "203.0.113.6"
ADD = Call("add", "/whitelist/add", [IP, OTHER], effect=MAYBE_HELD, timeout=10.0)
ORDER = Call("allocate", "/allocate", ["old"], {"isp": None}, 2, witness=7, buys=2)


@pytest.fixture
def journal(store: Store) -> Journal:
    return Journal(store, "key", LEASES)


def states(journal: Journal) -> dict[int, str]:
    rows = journal.store.rows("SELECT id, state FROM journal WHERE kind = ? ORDER BY id", journal.kind)
    return dict(rows)


@quick_over_both
def test_a_call_is_open_from_before_it_is_sent_until_its_result_is_known(journal: Journal) -> None:
    number = journal.record(ADD)
    (row,) = journal.unsettled("add")
    assert (row.id, row.state, row.marks, row.timeout) == (number, SENT, dict.fromkeys([IP, OTHER], MAYBE_HELD), 10.0)
    journal.report(number, {IP: None})
    (row,) = journal.rows()
    assert (row.state, row.marked("held"), row.marked(MAYBE_HELD)) == (UNKNOWN, {IP}, {OTHER})
    journal.observe([IP, OTHER])
    assert states(journal) == {number: SETTLED}
    assert journal.rows()[0].marks == {IP: "held"}, "what was reported counts for as long as the list may lag"


def test_a_list_decides_nothing_while_a_call_may_be_under_way(journal: Journal) -> None:
    number = journal.record(ADD)
    journal.observe([IP, OTHER])
    journal.lose(number, ended=False)
    journal.observe([IP, OTHER])
    assert states(journal) == {number: SENT}
    journal.lose(number, ended=True)
    journal.observe([IP])
    assert journal.rows()[0].marks == {OTHER: MAYBE_HELD}


def test_a_response_decides_earlier_calls_of_its_operation_that_have_ended(journal: Journal) -> None:
    lost, under_way, other = (
        journal.record(ADD),
        journal.record(ADD),
        journal.record(Call("remove", "/del", [IP], effect=MAYBE_GONE)),
    )
    journal.lose(lost, ended=True)
    journal.lose(other, ended=True)
    journal.report(journal.record(ADD), {IP: None, OTHER: None})
    assert list(states(journal).values()) == [SETTLED, SENT, UNKNOWN, REPORTED]
    assert journal.unsettled("add")[0].id == under_way


def test_the_time_of_a_lost_call_begins_when_it_was_lost(journal: Journal, world: World) -> None:
    """Its process may have been suspended after it was recorded and before it was sent."""
    number = journal.record(ADD)
    world.time += 7200
    journal.lose(number, ended=True)
    assert journal.rows()[0].settles_in(journal.store.now()) == pytest.approx(30 + LIST_LAG, abs=0.01)


@pytest.mark.parametrize(("timeout", "seconds"), [(0.0, 90.0), (10.0, 90.0), (120.0, 180.0)])
def test_one_rule_says_when_a_call_is_over(journal: Journal, timeout: float, seconds: float) -> None:
    journal.record(Call("any", "/any", timeout=timeout))
    assert journal.rows()[0].settles_in(journal.store.now()) == pytest.approx(seconds, abs=0.01)


@pytest.mark.parametrize("step", [-DAY, -1.0, 300.0])
def test_a_report_lasts_its_time_whatever_the_wall_clock_is_set_to(journal: Journal, world: World, step: float) -> None:
    number = journal.record(Call("remove", "/del", [IP], effect=MAYBE_GONE))
    journal.report(number, gone=[IP])
    journal.settle(number)
    world.machine.set_wall(step)
    journal.record(ADD)
    world.time += LIST_LAG - 0.5
    assert number in [row.id for row in journal.rows()]
    world.time += 1
    assert number not in [row.id for row in journal.rows()]


def test_forgotten_reports_are_those_of_the_given_rows(journal: Journal) -> None:
    first, second = journal.record(ADD), journal.record(ADD)
    for number in (first, second):
        journal.report(number, {IP: None, OTHER: None})
    journal.forget((), {first: [IP]})
    assert [set(row.marks) for row in journal.rows()] == [{OTHER}, {IP, OTHER}]
    journal.forget([OTHER])
    assert [set(row.marks) for row in journal.rows()] == [set(), {IP}]


def test_a_report_keeps_what_another_process_wrote_while_it_waited(journal: Journal, world: World) -> None:
    transaction, first = journal.store.transaction, journal.record(ADD)

    @contextlib.contextmanager
    def delayed() -> Iterator[Connection]:
        """The transaction, once that of another process has ended."""
        world.time += 5
        other = Journal(world.store(), "key", LEASES)
        other.report(other.record(ADD), {OTHER: None})
        with transaction() as database:
            yield database

    journal.store.transaction = delayed
    journal.report(first, {IP: None})
    journal.store.transaction = transaction
    assert [row.marked("held") for row in journal.rows()] == [{IP}, {OTHER}]


# The ledger.


@quick_over_both
def test_a_paid_call_stays_in_the_ledger_with_who_and_what(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    journal = Journal(store, "key", LEASES)
    set_caller(host="h1", inventory="prod")
    number = journal.record(ORDER)
    set_caller(host="", inventory="")
    (entry,) = ledger(store)
    assert (entry.state, entry.received, entry.asked, entry.at) == (SENT, None, 2, pytest.approx(START, abs=1))
    journal.report(number, {"new": ["T", {}]}, received={"new": "2030-01-01 00:00:00"})
    journal.settle(number, found={"new": None, "late": "2030-01-02 00:00:00"})
    (entry,) = ledger(store, ["key"])
    assert (entry.state, entry.received) == (
        SETTLED,
        {"new": "2030-01-01 00:00:00", "late": "2030-01-02 00:00:00"},
    ), "a response may omit a part of what it has paid for"
    assert (entry.user, entry.host, entry.inventory, entry.endpoint) == ("ann", "h1", "prod", "/allocate")
    assert (entry.kind, bool(entry.run)) == (LEASES, True)
    assert ledger(store, ["another key"]) == ledger(store, since=START + 60) == []


def test_what_the_list_shows_of_a_lost_call_is_what_it_paid_for(store: Store) -> None:
    journal = Journal(store, "key", LEASES)
    lost, answered, refused = (journal.record(ORDER) for _n in range(3))
    journal.lose(lost, ended=True)
    journal.report(answered, {"b": None}, received={"b": None})
    journal.refuse(refused)
    journal.settle(lost, answered, found={"a": "soon", "b": None})
    assert [(entry.state, entry.received) for entry in ledger(store)] == [
        (SETTLED, {"a": "soon"}),
        (SETTLED, {"b": None}),
        (REFUSED, None),
    ]


def test_what_two_calls_may_have_paid_for_is_in_the_ledger_once(store: Store) -> None:
    """A replacement, and the allocation of the successors that it lacks: the list shows the leases of both."""
    journal = Journal(store, "key", LEASES)
    replacement, allocation = journal.record(ORDER), journal.record(ORDER)
    journal.lose(replacement, ended=True)
    journal.report(allocation, {"b": None}, received={"b": None})
    journal.settle(replacement, found=dict.fromkeys("abcd"))
    journal.settle(allocation, found=dict.fromkeys("abcd"))
    assert [list(entry.received or ()) for entry in ledger(store)] == [["a", "c"], ["b", "d"]], "no more than it buys"


@pytest.mark.parametrize(("days", "kept"), [("", LEDGER_TTL), ("3", 3 * DAY)])
def test_the_ledger_is_kept_for_its_time_and_other_rows_for_a_day(
    store: Store, world: World, monkeypatch: pytest.MonkeyPatch, days: str, kept: float
) -> None:
    monkeypatch.setenv("QG_LEDGER_DAYS", days)
    Journal(store, "key", LEASES).record(ORDER)
    journal = Journal(store, "key", MONOPOLIES)
    journal.record(ADD)
    world.time += MEMORY_TTL + 1
    journal.record(ADD)
    assert (len(states(journal)), len(ledger(store))) == (1, 1)
    world.time += kept - MEMORY_TTL
    journal.record(ADD)
    assert (len(states(journal)), len(ledger(store))) == (1, 0)


@pytest.mark.parametrize("days", ["soon", "0", "-1", "1e3"])
def test_a_time_of_the_ledger_that_is_no_number_of_days_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch, days: str
) -> None:
    monkeypatch.setenv("QG_LEDGER_DAYS", days)
    with pytest.raises(OptionError, match="QG_LEDGER_DAYS"):
        Journal(store, "key", LEASES).record(ORDER)


@quick_over_both
def test_a_thousand_leases_are_found_among_what_was_bought(journal: Journal) -> None:
    servers = [f"192.0.2.{number % 250}:{number}" for number in range(1010)]
    numbers = [journal.record(replace(ORDER, buys=505, asked=505)) for _call in range(2)]
    for number, part in zip(numbers, (servers[:505], servers[505:]), strict=True):
        journal.settle(number, found=dict.fromkeys(part))
    found = journal.read().bought(servers)
    assert [len(received) for received, _request in found] == [505, 505]
    assert len(journal.read().received_before(numbers[1], servers)) == 505
