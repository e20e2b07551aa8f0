# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal: what calls have done, or may have done, is known to later processes, and forgotten when it is over."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.journal import (
    HOUR,
    LEASES,
    LIST_LAG,
    MAX_EXECUTION_DELAY,
    MONOPOLIES,
    Item,
    Journal,
    ledger,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import Store
from support.paid_calls import IN_FLIGHT, REFUSED, UNKNOWN, buy, send
from support.state_world import World, store, world

__all__ = ["store", "world"]
pytestmark = pytest.mark.usefixtures("every_store")
DAY, END = 86400.0, "2030-01-01 00:00:00"


@pytest.fixture(name="journal")
def journal_fixture(store: Store) -> Journal:
    return Journal(store, "key", LEASES)


def states(store: Store) -> list[str]:
    return [entry.state for entry in ledger(store, {"key"})]


def test_a_call_is_open_until_its_result_is_known(journal: Journal, store: Store) -> None:
    refused, unknown, flying = (send(journal, 2, held=["a"], fails=effect) for effect in (REFUSED, UNKNOWN, IN_FLIGHT))
    sent = send(journal, 3)
    assert refused not in [call.id for call in journal.open()]
    assert [(call.id, call.state, call.buys) for call in journal.open()] == [
        (unknown, "unknown", 2),
        (flying, "sent", 2),
        (sent, "sent", 3),
    ]
    assert journal.open()[0].before == {"a"}
    for number in (unknown, flying):
        journal.close(number, {"T b": Item(END)}, whole=number == unknown)
    journal.answer({"T c": Item(END)}, whole=True)
    assert journal.open() == []
    assert states(store) == ["refused", "settled", "lost", "settled"]
    assert Journal(store, "key", MONOPOLIES).open() == Journal(store, "other", LEASES).open() == []


def test_a_call_has_its_whole_time(journal: Journal, store: Store, world: World) -> None:
    """Until it can no longer be carried out, and a list can no longer lag behind the end of its exchange."""
    began = store.now()
    send(journal, 1)
    world.time += 5
    send(journal, 1, fails=UNKNOWN)
    first, second = journal.open()
    assert first.settles_at - began == pytest.approx(MAX_EXECUTION_DELAY + LIST_LAG, abs=0.1)
    assert second.settles_at - began == pytest.approx(5 + LIST_LAG, abs=0.1)


def test_what_responses_report_corrects_lists_for_a_minute(journal: Journal, store: Store, world: World) -> None:
    buy(journal, 2, "a", "b")
    send(journal, drops=["a"])
    journal.answer({}, ["a"], whole=True)
    read_at = store.now()
    reports = [("a", "held"), ("b", "held"), ("a", "gone")]
    assert [(one.name, one.effect) for one in journal.reported(read_at)] == reports
    world.time += LIST_LAG
    assert journal.reported(store.now()) == []
    assert len(journal.reported(read_at)) == 3


def test_a_release_may_have_had_its_effect_as_long_as_it_is_open(journal: Journal) -> None:
    lost = send(journal, drops=["a", "b"], fails=UNKNOWN)
    assert journal.dropped(lost) == {"a", "b"}
    journal.close(lost, {}, ["a"], whole=True)
    assert journal.dropped(lost) == set()


def test_what_is_held_stays_known_and_all_else_is_forgotten(journal: Journal, store: Store, world: World) -> None:
    buy(journal, 3, "a", "b", "c")
    send(journal, drops=["c"])
    journal.answer({}, ["c"], whole=True)
    world.time += HOUR + 1
    buy(journal, 1, "d", held=["a"])
    assert [one.name for one in journal.bought()] == ["a", "d"]
    assert store.rows("SELECT count(*) FROM journal WHERE buys = 0") == [(0,)]
    assert [sorted(entry.received) for entry in ledger(store, {"key"})] == [["a", "b", "c"], ["d"]]


def test_the_ledger_is_kept_for_400_days_or_as_the_environment_says(
    journal: Journal, store: Store, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy(journal, 1, "T 192.0.2.1:1", ends=END)
    world.time += 399 * DAY
    buy(journal, 1, "b")
    first, second = ledger(store, {"key"})
    assert (first.received, second.received) == ({"192.0.2.1:1": END}, {"b": None})
    assert ledger(store, {"key"}, since=store.now() + store.wall_ahead() - DAY) == [second]
    world.time += 2 * DAY
    buy(journal, 1, "c")
    assert [list(entry.received) for entry in ledger(store, {"key"})] == [["b"], ["c"]]
    monkeypatch.setenv("QG_LEDGER_DAYS", "1")
    buy(journal, 1, "d")
    assert [list(entry.received) for entry in ledger(store, {"key"})] == [["c"], ["d"]]
    monkeypatch.setenv("QG_LEDGER_DAYS", "0")
    with pytest.raises(OptionError, match="QG_LEDGER_DAYS='0' is not a number of days"):
        buy(journal, 1, "e")


def size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def test_a_store_grows_by_2_megabytes_a_day_at_most(tmp_path: Path) -> None:
    """With 50 leases a minute, each of which lasts for a minute, once the effects of an hour are there."""
    world = World(tmp_path)
    store = world.store()
    journal, sizes, part = Journal(store, "0123456789abcdef" * 2, LEASES), list[int](), 100
    numbers = random.Random(1)
    for minute in range(2 * part + 62):
        names = [".".join(map(str, numbers.choices(range(256), k=4))) + f":{20000 + number}" for number in range(50)]
        number = send(journal, 50, held=[])
        vendor = {"server": names[0], "proxy_ip": "192.0.2.10", "area": "福建省泉州市", "isp": "电信", "deadline": END}
        journal.answer({name: Item(END, ["", vendor, store.now()]) for name in names}, whole=True)
        assert number
        world.time += 60
        if minute in (61 + part, 61 + 2 * part):
            store.execute("DELETE FROM facts")
            sizes.append(size(tmp_path))
    world.close()
    assert (sizes[1] - sizes[0]) * 1440 / part <= 2_000_000
