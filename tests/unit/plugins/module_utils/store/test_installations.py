# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows of gateways and lists: one for each place, tombstones, runs that meet, and what is
remembered of leases.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.installations import (
    GATEWAY,
    LIST,
    Installation,
    Installations,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import StateError, Store
from support import phrases
from support.machine_clock import MachineClock

from .conftest import open_store, quick_over_both

pytestmark = [quick_over_both, pytest.mark.usefixtures("every_store")]

DAY = 86400.0


class Times:
    """The true time, which a test moves on."""

    def __init__(self) -> None:
        self.now = 1_900_000_000.0
        self.machine = MachineClock(lambda: self.now)

    def open(self, place: Path) -> Store:
        return open_store(place, machine=self.machine)


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def store(tmp_path: Path, times: Times) -> Store:
    return times.open(tmp_path)


@pytest.fixture
def rows(store: Store) -> Installations:
    return Installations(store)


def gateway(
    number: str = "a1", *, inventory: str = "fleet", host: str = "web1", name: str = "gw"
) -> Installation:
    return Installation(
        id=number,
        kind=GATEWAY,
        inventory=inventory,
        host=host,
        name=name,
        options={"pools": [{"name": "qg", "count": 2}], "allow": ["192.0.2.0/24"]},
        keys={"qg": "digest of a key"},
    )


def ids(installations: list[Installation]) -> list[str]:
    return [each.id for each in installations]


def test_what_was_declared_is_read_as_it_was(rows: Installations, times: Times) -> None:
    declared = gateway()

    rows.declare([declared])

    assert rows.all() == [dataclasses.replace(declared, installed_at=times.now)]


def test_a_reader_of_another_process_sees_a_declaration_at_once(
    rows: Installations, tmp_path: Path, times: Times
) -> None:
    rows.declare([gateway()])

    assert ids(Installations(times.open(tmp_path)).all()) == ["a1"]


def test_equal_names_in_two_inventories_are_two_installations(rows: Installations) -> None:
    rows.declare([gateway("a1", inventory="staging"), gateway("b1", inventory="production")])

    assert ids(rows.all("staging")) == ["a1"]
    assert ids(rows.all("production")) == ["b1"]
    assert ids(rows.all()) == ["b1", "a1"]
    assert rows.all("other") == []


def test_a_gateway_and_a_list_of_one_name_are_two_installations(rows: Installations) -> None:
    rows.declare([gateway("a1"), dataclasses.replace(gateway("b1"), kind=LIST)])

    assert ids(rows.all()) == ["a1", "b1"]


def test_a_reinstalled_one_keeps_its_row_and_takes_new_options(
    rows: Installations, times: Times
) -> None:
    rows.declare([gateway()])
    rows.finish("a1", "all exits answered 407", 3.0)
    times.now += DAY
    [found] = rows.all()
    again = dataclasses.replace(found, options={"pools": []}, keys={"qg": "digest of another key"})

    assert rows.declare([again]) == []

    [row] = rows.all()
    assert row.id == "a1"
    assert row.options == {"pools": []}
    assert row.keys == {"qg": "digest of another key"}
    assert row.installed_at == times.now


# Removal.


def test_a_removed_one_stays_as_a_tombstone(rows: Installations, times: Times) -> None:
    rows.declare([gateway()])
    times.now += 60

    removed = rows.remove("fleet", ["web1"])

    assert ids(removed) == ["a1"]
    assert removed[0].removed_at == times.now
    assert rows.all() == removed
    times.now += 60
    assert rows.remove("fleet", ["web1"]) == []
    assert rows.all() == removed


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (("fleet", ["web1"]), ["a1", "a2", "a3"]),
        (("fleet", ["web1"], GATEWAY), ["a1", "a2"]),
        (("fleet", ["web1"], GATEWAY, "second"), ["a2"]),
        (("fleet", ["web1"], LIST, "second"), []),
        (("fleet", ["web1", "web2"], GATEWAY, "gw"), ["a1", "b1"]),
        (("fleet", []), []),
        (("fleet", ["web"]), []),
        (("other", ["web1"]), ["c1"]),
        (("nowhere", ["web1"]), []),
    ],
)
def test_a_removal_takes_what_is_meant_and_nothing_else(
    rows: Installations, choice: tuple[str, list[str]], expected: list[str]
) -> None:
    everything = [
        gateway("a1"),
        gateway("a2", name="second"),
        dataclasses.replace(gateway("a3", name="/etc/proxies.txt"), kind=LIST),
        gateway("b1", host="web2"),
        gateway("c1", inventory="other"),
    ]
    rows.declare(everything)

    removed = rows.remove(*choice)

    assert sorted(ids(removed)) == expected
    left = [row.id for row in rows.all() if row.removed_at is None]
    assert sorted(left + expected) == ["a1", "a2", "a3", "b1", "c1"]


def test_one_that_is_installed_again_after_its_removal_stands(
    rows: Installations, times: Times
) -> None:
    rows.declare([gateway()])
    removed = rows.remove("fleet", ["web1"])
    times.now += 60

    rows.declare(removed)

    [row] = rows.all()
    assert row.removed_at is None
    assert row.installed_at == times.now


# Runs that meet.


def test_what_another_run_has_done_since_it_was_found_is_seen(
    rows: Installations, times: Times
) -> None:
    """A refresh that has failed has left something to do."""
    names = ("a1", "b1", "c1", "d1", "e1")
    rows.declare([gateway(name, host=name) for name in names])
    found = rows.all()
    times.now += 1
    rows.finish("a1", "", 1.0)
    rows.finish("b1", "all exits answered 407", 1.0)
    rows.remove("fleet", ["c1"])
    rows.declare([each for each in found if each.id == "d1"])

    assert ids(rows.changed(found)) == ["a1", "c1", "d1"]
    assert ids(rows.changed([gateway("f1")])) == ["f1"]


@pytest.mark.parametrize("other", ["installs", "removes"])
def test_two_runs_that_install_the_same_again_do_not_overwrite_each_other(
    rows: Installations, times: Times, other: str
) -> None:
    rows.declare([gateway("a1"), gateway("b1", host="web2")])
    found = rows.all()
    times.now += 1
    if other == "installs":
        rows.declare(found[:1])
    else:
        rows.remove("fleet", ["web1"])
    before = rows.all()

    taken = rows.declare(found)

    assert ids(taken) == ["a1"]
    assert rows.all() == before


def test_two_runs_that_install_the_same_for_the_first_time_do_not_overwrite_each_other(
    rows: Installations,
) -> None:
    """Neither has found a row."""
    assert rows.declare([gateway("a1")]) == []

    taken = rows.declare([gateway("b1"), gateway("b2", host="web2")])

    assert ids(taken) == ["a1"]
    assert ids(rows.all()) == ["a1"]


# How a refresh has ended.


def test_the_end_of_a_refresh_is_recorded(rows: Installations, times: Times) -> None:
    rows.declare([gateway()])
    times.now += 5
    rows.finish("a1", "", 2.5)

    [row] = rows.all()
    assert row.refreshed_at == times.now
    assert row.seconds == 2.5
    assert row.problem == ""


def test_a_refresh_that_fails_leaves_the_time_of_the_last_good_one(
    rows: Installations, times: Times
) -> None:
    rows.declare([gateway()])
    rows.finish("a1", "", 2.5)
    good = times.now
    times.now += 60
    rows.finish("a1", "all exits answered 407", 3.5)

    [row] = rows.all()
    assert row.refreshed_at == good
    assert row.problem == "all exits answered 407"
    assert row.seconds == 3.5

    times.now += 60
    # The role, which may have done much else.
    rows.finish("a1", "", None)

    [row] = rows.all()
    assert row.refreshed_at == times.now
    assert row.problem == ""
    assert row.seconds == 3.5


# What is remembered of sets of leases.


def test_the_state_of_a_set_of_leases_is_the_last_one(rows: Installations) -> None:
    assert rows.set_state("set 1", dict) == {}

    rows.save_set_state("set 1", {"counted_at": [1.5], "pause": None})
    rows.save_set_state("set 1", {"counted_at": [1.5, 2.5], "pause": None})

    assert rows.set_state("set 1", dict) == {"counted_at": [1.5, 2.5], "pause": None}
    assert rows.set_state("set 2", dict) == {}


def test_a_change_of_a_set_is_made_to_what_is_there(rows: Installations) -> None:
    rows.save_set_state("set 1", {"owed": 1})

    changed = rows.change_set_state("set 1", dict, lambda state: {"owed": state["owed"] + 1})

    assert changed == rows.set_state("set 1", dict) == {"owed": 2}


def test_a_change_of_a_set_that_fails_changes_nothing(rows: Installations) -> None:
    rows.save_set_state("set 1", {"owed": 1})

    with pytest.raises(ZeroDivisionError):
        rows.change_set_state("set 1", dict, lambda state: {"owed": state["owed"] // 0})

    assert rows.set_state("set 1", dict) == {"owed": 1}


def test_a_set_that_nobody_asks_for_is_forgotten_in_the_end(
    rows: Installations, times: Times
) -> None:
    rows.save_set_state("old", {"owed": 1})
    times.now += 29 * DAY
    rows.save_set_state("used", {"owed": 2})
    assert rows.set_state("old", dict) == {"owed": 1}
    times.now += 2 * DAY

    rows.save_set_state("used", {"owed": 3})

    assert rows.set_state("old", dict) == {}
    assert rows.set_state("used", dict) == {"owed": 3}


# Rows that somebody has damaged.


@pytest.mark.parametrize("column", ["options", "keys"])
@pytest.mark.parametrize("value", ["", "{", "[]", "null"])
def test_a_damaged_row_is_one_sentence_with_its_name_and_the_fix(
    rows: Installations, store: Store, column: str, value: str
) -> None:
    rows.declare([gateway("a1"), gateway("b1", host="web2")])
    store.execute(f"UPDATE installations SET {column} = ? WHERE id = 'b1'", value)

    with pytest.raises(StateError) as refused:
        rows.all()

    assert refused.value.message.startswith(
        f"{store.place} {phrases.ROW_OF_INSTALLATIONS.format('b1')} "
    )
    assert phrases.DELETE_THE_INSTALLATION.format("b1") in refused.value.message
    assert "web2" in refused.value.message


@pytest.mark.parametrize("value", ["", "{", "[]", "null"])
def test_a_damaged_set_of_leases_is_one_sentence_with_its_name_and_the_fix(
    rows: Installations, store: Store, value: str
) -> None:
    rows.save_set_state("set 1", {})
    store.execute("UPDATE lease_sets SET state = ?", value)

    with pytest.raises(StateError) as refused:
        rows.set_state("set 1", dict)

    assert refused.value.message.startswith(
        f"{store.place} {phrases.ROW_OF_LEASE_SETS.format('set 1')} "
    )
    assert phrases.DELETE_THE_SET.format("set 1") in refused.value.message
