# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows of calls: on the disk before a call is sent, of one number each, and never without what
belongs to them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import Terms
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.journal import Journal
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.journal_reader import LEASES
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.paid_api import (
    Item,
    NewCall,
    Span,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._spending.ledger import ledger, spending
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.facts import PRODUCT, Facts
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import is_database
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import StateError, Store
from support import phrases
from support.machine_clock import MachineClock

from .conftest import open_store, quick_over_both, state_place

pytestmark = [quick_over_both, pytest.mark.usefixtures("every_store")]

KEY = "name of a key"
BUY = NewCall("buy", "/allocate", 2, request={"terms": Terms().as_json()})
ITEM = Item(data={})
RELEASE = NewCall("drop", "/release", before=["192.0.2.1:1"])
DAY = 86400.0


class WatchedDatabase:
    """The database of a store, and how durable it made the transaction of each statement."""

    def __init__(self, store: Store, place: str) -> None:
        self._database = store._database
        self._query = "SHOW synchronous_commit" if is_database(place) else "PRAGMA synchronous"
        self.levels: list[tuple[str, str]] = []
        store._database = self

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        cursor = self._database.execute(sql, parameters)
        if sql.startswith("INSERT"):
            ((level,),) = list(self._database.execute(self._query))
            self.levels.append((sql.split()[2], str(level)))
        return cursor

    def executemany(self, sql: str, parameters: Any) -> Any:
        return self._database.executemany(sql, parameters)


def relax(place: str) -> None:
    """Let a server report transactions as committed before they are on its disk, as its
    administrator may want.
    """
    with psycopg.connect(place, autocommit=True) as connection:
        name = place.rpartition("/")[2]
        connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')


@pytest.mark.parametrize("call", [BUY, RELEASE], ids=["purchase", "release"])
def test_the_row_of_a_call_is_on_the_disk_before_the_call_is_sent(
    tmp_path: Path, call: NewCall
) -> None:
    place = state_place(tmp_path)
    if is_database(place):
        relax(place)
    store = open_store(tmp_path)
    database = WatchedDatabase(store, place)
    with Journal(store, KEY, LEASES).sending(call, 10.0, []):
        levels = list(database.levels)
    # Level 2 is FULL: SQLite syncs the log before the transaction ends. It cannot be changed within
    # a transaction.
    assert levels == [("journal", "on" if is_database(place) else "2")]


def test_other_transactions_of_a_directory_do_not_wait_for_the_disk(tmp_path: Path) -> None:
    place = state_place(tmp_path)
    store = open_store(tmp_path)
    database = WatchedDatabase(store, place)
    with Journal(store, KEY, LEASES).sending(BUY, 10.0, []):
        pass
    Facts(store, KEY).save(PRODUCT, "share")
    assert database.levels[-1] == ("facts", "on" if is_database(place) else "1")


def test_the_number_of_a_row_is_never_that_of_a_deleted_one(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    journal = Journal(store, KEY, LEASES)
    for _call in range(3):
        with journal.sending(RELEASE, 10.0, []):
            pass
        store.execute("DELETE FROM journal")
    assert journal.of_run == [1, 2, 3]


@pytest.mark.parametrize(("call", "days"), [(BUY, 401), (RELEASE, 1)], ids=["purchase", "release"])
def test_resources_go_with_the_row_of_their_call(tmp_path: Path, call: NewCall, days: int) -> None:
    time = [1_800_000_000.0]
    store = open_store(tmp_path, machine=MachineClock(lambda: time[0]))
    first = Journal(store, KEY, LEASES)
    second = Journal(store, KEY, LEASES)
    with first.sending(call, 10.0, []):
        pass
    first.answer({}, ["192.0.2.2:1"], whole=True)
    time[0] += days * DAY
    with second.sending(BUY, 10.0, []):
        pass
    second.answer({"192.0.2.3:1": ITEM}, whole=True)
    assert store.rows("SELECT name FROM resources") == [("192.0.2.3:1",)]


def test_a_release_without_a_response_is_kept_for_a_day(tmp_path: Path) -> None:
    """The next run finds out what became of it; after a day, nobody uses the key any more."""
    time = [1_800_000_000.0]
    store = open_store(tmp_path, machine=MachineClock(lambda: time[0]))
    kept: list[list[int]] = []
    for hours in (23, 2, 0):
        with Journal(store, KEY, LEASES).sending(RELEASE, 10.0, []):
            pass
        kept.append([number for (number,) in store.rows("SELECT id FROM journal ORDER BY id")])
        time[0] += hours * 3600
    assert kept == [[1], [1, 2], [2, 3]]


def test_a_purchase_is_kept_for_as_long_as_what_it_bought_is_held(tmp_path: Path) -> None:
    """Otherwise, it would count as bought by others, and might be bought again."""
    time = [1_800_000_000.0]
    store = open_store(tmp_path, machine=MachineClock(lambda: time[0]))
    journal = Journal(store, KEY, LEASES)
    kept: list[list[int]] = []
    for gone in ([], ["192.0.2.2:1"], []):
        with journal.sending(BUY, 10.0, []):
            pass
        held = {} if kept else {"192.0.2.2:1": ITEM}
        journal.answer(held, gone, whole=True)
        kept.append([number for (number,) in store.rows("SELECT id FROM journal ORDER BY id")])
        time[0] += 401 * DAY
    assert kept == [[1], [1, 2], [3]]


def test_a_response_that_arrives_after_its_row_has_gone_leaves_nothing(tmp_path: Path) -> None:
    """A process may be stopped for hours between the two."""
    store = open_store(tmp_path)
    late = Journal(store, KEY, LEASES)
    with late.sending(RELEASE, 10.0, []):
        store.execute("DELETE FROM journal")
    late.answer({}, ["192.0.2.1:1"], whole=True)
    late.close(late.of_run[-1], {}, ["192.0.2.1:1"], whole=True)
    assert late.records(unknown_span) == []
    with late.sending(BUY, 10.0, []):
        pass
    assert store.rows("SELECT count(*) FROM resources") == [(0,)]


# Rows that somebody has damaged.


def open_calls(store: Store) -> object:
    return Journal(store, KEY, LEASES).open()


def unknown_span(_item: Item) -> Span:
    return Span()


def records(store: Store) -> object:
    return Journal(store, KEY, LEASES).records(unknown_span)


def entries(store: Store) -> object:
    return list(ledger(store, [KEY], 0.0))


def amounts(store: Store) -> object:
    return list(spending(store, [KEY], 0.0))


def longest_life(store: Store) -> object:
    return Journal(store, KEY, LEASES).longest_life()


DAMAGES = {
    "before": ("UPDATE journal SET before = '{'", open_calls),
    "before of numbers": ("UPDATE journal SET before = '[1]'", open_calls),
    "before that is no list": ("UPDATE journal SET before = '3'", open_calls),
    "request": ("UPDATE journal SET request = 'x'", records),
    "request that is no object": ("UPDATE journal SET request = '[]'", records),
    "request without terms": ("UPDATE journal SET request = '{}'", records),
    "terms of unknown names": ("""UPDATE journal SET request = '{"terms": {"x": 1}}'""", records),
    "item": ("UPDATE resources SET item = ''", records),
    "item of nothing": ("UPDATE resources SET item = 'null'", records),
    "received": ("UPDATE journal SET received = 'x'", entries),
    "received that is not compressed": ("UPDATE journal SET received = 'VPa!s'", entries),
    "time": ("UPDATE journal SET wall_at = 1e300", entries),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_row_is_one_sentence_with_its_number_and_the_fix(
    tmp_path: Path, damage: str
) -> None:
    statement, read = DAMAGES[damage]
    store = open_store(tmp_path)
    journal = Journal(store, KEY, LEASES)
    for _call in range(2):
        with journal.sending(BUY, 10.0, []):
            pass
    journal.answer({"192.0.2.2:1": ITEM}, whole=False)
    read(store)
    store.execute(statement + (" WHERE call = 2" if "resources" in statement else " WHERE id = 2"))
    with pytest.raises(StateError) as refused:
        read(store)
    assert refused.value.message.startswith(
        f"{store.place} {phrases.ROW_OF_THE_JOURNAL.format(2)} "
    )
    assert phrases.DELETE_THE_ROW.format(2) in refused.value.message


TEXTS = {
    "buys of a call": ("journal", "buys", open_calls),
    "buys of an entry": ("journal", "buys", entries),
    "got": ("journal", "got", amounts),
    "life": ("journal", "life", longest_life),
    "time of a call": ("journal", "sent_at", open_calls),
    "time of a resource": ("resources", "at", records),
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_in_a_column_of_numbers_is_no_defect_of_the_collection(
    tmp_path: Path, text: str
) -> None:
    """PostgreSQL refuses to write it, and SQLite does not."""
    table, column, read = TEXTS[text]
    store = open_store(tmp_path)
    journal = Journal(store, KEY, LEASES)
    with journal.sending(BUY, 10.0, []):
        pass
    journal.answer({"192.0.2.2:1": ITEM}, whole=False, life=60.0)

    def damage_and_read() -> None:
        store.execute(f"UPDATE {table} SET {column} = 'x'")
        read(store)

    read(store)
    with pytest.raises(StateError, match=phrases.CANNOT_BE_USED):
        damage_and_read()
