# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows of gateways and lists: one for each place, tombstones, locks of runs, and what is remembered
of leases.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.installations import (
    GATEWAY,
    LIST,
    LOCK_SECONDS,
    Installation,
    Installations,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import StateError, Store
from support import phrases
from support.machine_clock import MachineClock

from .conftest import open_store, quick_over_both

pytestmark = [quick_over_both, pytest.mark.usefixtures("every_store")]

RUN = "100 node1"
OTHER_RUN = "200 node1"
ELSEWHERE = "100 node2"
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

    rows.declare([declared], RUN)

    assert rows.all() == [dataclasses.replace(declared, installed_at=times.now)]


def test_a_reader_of_another_process_sees_a_declaration_at_once(
    rows: Installations, tmp_path: Path, times: Times
) -> None:
    rows.declare([gateway()], RUN)

    assert ids(Installations(times.open(tmp_path)).all()) == ["a1"]


def test_equal_names_in_two_inventories_are_two_installations(rows: Installations) -> None:
    rows.declare([gateway("a1", inventory="staging"), gateway("b1", inventory="production")], RUN)

    assert ids(rows.all("staging")) == ["a1"]
    assert ids(rows.all("production")) == ["b1"]
    assert ids(rows.all()) == ["b1", "a1"]
    assert rows.all("other") == []


def test_a_gateway_and_a_list_of_one_name_are_two_installations(rows: Installations) -> None:
    rows.declare([gateway("a1"), dataclasses.replace(gateway("b1"), kind=LIST)], RUN)

    assert ids(rows.all()) == ["a1", "b1"]


def test_a_reinstalled_one_keeps_its_row_and_takes_new_options(
    rows: Installations, times: Times
) -> None:
    rows.declare([gateway()], RUN)
    rows.finish("a1", RUN, "all exits answered 407", 3.0)
    times.now += DAY
    again = dataclasses.replace(
        gateway(), options={"pools": []}, keys={"qg": "digest of another key"}
    )

    rows.declare([again], OTHER_RUN)

    [row] = rows.all()
    assert row.id == "a1"
    assert row.options == {"pools": []}
    assert row.keys == {"qg": "digest of another key"}
    assert row.installed_at == times.now


# Removal.


def test_a_removed_one_stays_as_a_tombstone(rows: Installations, times: Times) -> None:
    rows.declare([gateway()], RUN)
    times.now += 60

    removed = rows.remove("fleet", ["web1"])

    assert ids(removed) == ["a1"]
    assert removed[0].removed_at == times.now
    assert rows.all() == removed
    times.now += 60
    assert rows.remove("fleet", ["web1"]) == []
    assert rows.all() == removed


def test_a_removal_ends_the_lock_of_its_run(rows: Installations) -> None:
    rows.declare([gateway()], RUN)

    rows.remove("fleet", ["web1"])

    assert rows.lock(["a1"], OTHER_RUN) == []


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
    rows.declare(everything, RUN)

    removed = rows.remove(*choice)

    assert sorted(ids(removed)) == expected
    left = [row.id for row in rows.all() if row.removed_at is None]
    assert sorted(left + expected) == ["a1", "a2", "a3", "b1", "c1"]


def test_one_that_is_installed_again_after_its_removal_stands(
    rows: Installations, times: Times
) -> None:
    rows.declare([gateway()], RUN)
    rows.remove("fleet", ["web1"])
    times.now += 60

    rows.declare([gateway()], RUN)

    [row] = rows.all()
    assert row.removed_at is None
    assert row.installed_at == times.now


# Locks.


def test_another_run_waits_for_what_is_locked_and_locks_nothing_meanwhile(
    rows: Installations,
) -> None:
    rows.declare([gateway("a1"), gateway("b1", host="web2")], RUN)
    rows.finish("b1", RUN, "", 1.0)

    taken = rows.lock(["a1", "b1"], OTHER_RUN)

    assert ids(taken) == ["a1"]
    assert rows.lock(["b1"], ELSEWHERE) == []


def test_a_run_may_lock_again_what_it_has_locked(rows: Installations) -> None:
    rows.declare([gateway()], RUN)

    assert rows.lock(["a1"], RUN) == []


def test_the_lock_of_a_run_that_has_ended_on_this_machine_is_free(store: Store) -> None:
    rows = Installations(store, is_gone=lambda run: run == RUN)
    rows.declare([gateway("a1")], RUN)
    rows.declare([gateway("b1", host="web2")], ELSEWHERE)

    assert rows.lock(["a1"], OTHER_RUN) == []
    assert ids(rows.lock(["b1"], OTHER_RUN)) == ["b1"]


def test_a_lock_that_was_left_behind_on_another_machine_ends(
    rows: Installations, times: Times
) -> None:
    rows.declare([gateway()], ELSEWHERE)
    times.now += LOCK_SECONDS - 1
    assert ids(rows.lock(["a1"], RUN)) == ["a1"]
    times.now += 1

    assert rows.lock(["a1"], RUN) == []


def test_a_lock_lasts_from_the_last_time_that_its_run_asked_for_it(
    rows: Installations, times: Times
) -> None:
    rows.declare([gateway()], ELSEWHERE)
    times.now += LOCK_SECONDS - 1
    rows.lock(["a1"], ELSEWHERE)
    times.now += LOCK_SECONDS - 1

    assert ids(rows.lock(["a1"], RUN)) == ["a1"]


def test_a_run_ends_its_own_lock_alone(rows: Installations) -> None:
    rows.declare([gateway()], RUN)

    rows.finish("a1", OTHER_RUN, "", 1.0)
    assert ids(rows.lock(["a1"], OTHER_RUN)) == ["a1"]

    rows.finish("a1", RUN, "", 1.0)
    assert rows.lock(["a1"], OTHER_RUN) == []


def test_a_run_renews_its_lock_unless_it_has_lost_it(rows: Installations, times: Times) -> None:
    """Also if the other run has ended, which has written what this one does not know, or has
    removed it.
    """
    rows.declare([gateway("a1"), gateway("b1", host="web2"), gateway("c1", host="web3")], RUN)
    times.now += LOCK_SECONDS - 1
    assert rows.renew(["a1", "b1", "c1"], RUN) == set()
    times.now += LOCK_SECONDS - 1
    assert rows.renew(["b1", "c1"], RUN) == set()
    times.now += 1
    assert rows.lock(["a1"], OTHER_RUN) == []
    rows.finish("a1", OTHER_RUN, "", 1.0)
    rows.remove("fleet", ["web2"])

    assert rows.renew(["a1", "b1", "c1", "d1"], RUN) == {"a1", "b1", "d1"}

    assert ids(rows.lock(["c1"], OTHER_RUN)) == ["c1"]
    assert rows.lock(["a1"], OTHER_RUN) == []


def test_a_lock_that_no_other_run_has_taken_is_renewed_late(
    rows: Installations, times: Times
) -> None:
    rows.declare([gateway()], RUN)
    times.now += 10 * LOCK_SECONDS

    assert rows.renew(["a1"], RUN) == set()

    assert ids(rows.lock(["a1"], OTHER_RUN)) == ["a1"]


def test_two_runs_that_install_the_same_for_the_first_time_do_not_overwrite_each_other(
    rows: Installations,
) -> None:
    """Neither has found a row that it could lock before."""
    assert rows.declare([gateway("a1")], RUN) == []

    taken = rows.declare([gateway("b1"), gateway("b2", host="web2")], OTHER_RUN)

    assert ids(taken) == ["a1"]
    assert ids(rows.all()) == ["a1"]


# How a refresh has ended.


def test_the_end_of_a_refresh_is_recorded(rows: Installations, times: Times) -> None:
    rows.declare([gateway()], RUN)
    times.now += 5
    rows.finish("a1", RUN, "", 2.5)

    [row] = rows.all()
    assert row.refreshed_at == times.now
    assert row.seconds == 2.5
    assert row.problem == ""


def test_a_refresh_that_fails_leaves_the_time_of_the_last_good_one(
    rows: Installations, times: Times
) -> None:
    rows.declare([gateway()], RUN)
    rows.finish("a1", RUN, "", 2.5)
    good = times.now
    times.now += 60
    rows.finish("a1", RUN, "all exits answered 407", 3.5)

    [row] = rows.all()
    assert row.refreshed_at == good
    assert row.problem == "all exits answered 407"
    assert row.seconds == 3.5

    times.now += 60
    rows.finish("a1", RUN, "", 1.5)

    [row] = rows.all()
    assert row.refreshed_at == times.now
    assert row.problem == ""


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
    rows.declare([gateway("a1"), gateway("b1", host="web2")], RUN)
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
