# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a directory and a database do alike: transactions, locks, and facts."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store import opening
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.facts import (
    LEASE_LIST,
    PRODUCT,
    REPLACEMENT,
    Facts,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import StateError
from support import phrases
from support.machine_clock import MachineClock
from support.processes import FORK, process_until_killed, wait_for

from .conftest import open_store, quick_over_both, state_place

pytestmark = [quick_over_both, pytest.mark.usefixtures("every_store")]


def test_a_secret_has_a_name_of_its_own_in_each_store(tmp_path: Path) -> None:
    digest = open_store(tmp_path).digest("x", "SECRETKEY1")
    assert digest == open_store(tmp_path).digest("x", "SECRETKEY1")
    assert digest not in (
        open_store(tmp_path / "other").digest("x", "SECRETKEY1"),
        open_store(tmp_path).digest("x"),
    )


def test_a_new_store_is_announced_once(tmp_path: Path) -> None:
    announced: list[str] = []
    place = state_place(tmp_path)
    for _run in range(2):
        opening.open_store(place, announcer=lambda text, _detail: announced.append(text)).close()
    assert len(announced) == 1
    assert announced[0].endswith(" is new")


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with pytest.raises(RuntimeError), store.transaction() as database:
        database.execute("INSERT INTO facts VALUES ('k', 'product', '', 'share', 1)")
        raise RuntimeError
    assert store.rows("SELECT count(*) FROM facts") == [(0,)]
    with pytest.raises(StateError), store.transaction() as database:
        database.execute("INSERT INTO facts VALUES ('k', 'product', '', 'share', 1)")
        database.execute("INSERT INTO nowhere VALUES (1)")
    assert store.execute("DELETE FROM facts") == 0


@pytest.mark.parametrize("damage", ["DELETE FROM meta", "UPDATE meta SET salt = 'none'"])
def test_a_store_without_its_identity_is_one_sentence_with_the_fix(
    tmp_path: Path, damage: str
) -> None:
    """Such is a database that was restored from a dump of its schema alone."""
    store = open_store(tmp_path)
    store.execute(damage)
    with pytest.raises(StateError) as refused:
        open_store(tmp_path)
    assert refused.value.message.startswith(f"{store.place} cannot be used: its table meta")
    assert phrases.REGISTERED_ANEW in refused.value.message


def first_row(text: str) -> object:
    return json.loads(text)["rows"][0]


@pytest.mark.parametrize("value", ["", "{", "null", "{}", '{"rows": []}'])
def test_a_damaged_fact_is_one_sentence_with_its_name_and_the_fix(
    tmp_path: Path, value: str
) -> None:
    store = open_store(tmp_path)
    facts = Facts(store, "k")
    facts.save(LEASE_LIST, '{"rows": [3]}')
    assert facts.read(LEASE_LIST, first_row) == 3
    assert facts.read(PRODUCT, first_row) is None

    facts.save(LEASE_LIST, value)
    with pytest.raises(StateError) as refused:
        facts.read(LEASE_LIST, first_row)

    assert refused.value.message.startswith(
        f"{store.place} {phrases.ROW_OF_FACTS.format('lease_list')} "
    )
    assert phrases.DELETE_THE_FACT.format("lease_list") in refused.value.message


def test_a_lock_is_held_by_one_alone(tmp_path: Path) -> None:
    one = open_store(tmp_path)
    two = open_store(tmp_path)
    with (
        one.try_lock("x") as first,
        two.try_lock("x") as second,
        one.try_lock("x") as again,
        two.try_lock("y") as other,
    ):
        assert first is True
        assert second is False
        assert again is False
        assert other is True
    with two.try_lock("x") as held:
        assert held


def hold(place: str, ready: Any) -> None:
    with open_store(place).try_lock("L") as held:
        ready.put(held)
        time.sleep(600)


def test_a_process_that_is_stopped_keeps_its_lock_and_is_named_until_it_is_killed(
    tmp_path: Path,
) -> None:
    ready = FORK.Queue()
    place = state_place(tmp_path)
    with process_until_killed(hold, place, ready) as process:
        assert ready.get(timeout=20)
        os.kill(process.pid or 0, signal.SIGSTOP)
        store = open_store(tmp_path)
        with store.try_lock("L") as held:
            assert not held
        assert store.holder("L").startswith(f"process {process.pid}")
        os.kill(process.pid or 0, signal.SIGKILL)

        def is_free() -> bool:
            with store.try_lock("L") as held:
                return held

        wait_for(is_free)


DAY = 86400.0


def test_a_fact_is_used_for_its_time_and_replaced_by_a_newer_one(tmp_path: Path) -> None:
    now = [0.0]
    store = open_store(tmp_path, machine=MachineClock(lambda: now[0]))
    facts = Facts(store, "key")
    for name, days in ((PRODUCT, 30), (LEASE_LIST, 1)):
        assert facts.get(name) is None
        facts.save(name, "first")
        now[0] += days * DAY - 1
        assert facts.get(name) == "first"
        assert Facts(store, "other").get(name) is None
        now[0] += 2
        assert facts.get(name) is None
        facts.save(name, "second")
        assert Facts(store, "key").get(name) == "second"
    facts.forget(PRODUCT)
    assert facts.get(PRODUCT) is None
    assert facts.get(LEASE_LIST) == "second"


def test_facts_about_objects_are_kept_by_key(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    own = Facts(store, "key")
    other = Facts(store, "other")

    def known() -> list[str | None]:
        return [facts.get(REPLACEMENT, about) for facts in (own, other) for about in ("a", "b")]

    own.save(REPLACEMENT, "1", "a")
    own.save(REPLACEMENT, "1", "b")
    other.save(REPLACEMENT, "2", "a")
    own.save(REPLACEMENT, "3", "a")
    assert known() == ["3", "1", "2", None]
    own.forget(REPLACEMENT, "a")
    assert known() == [None, "1", "2", None]
