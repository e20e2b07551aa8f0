# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What both kinds of store do: transactions, locks of processes, and names for secrets."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import StateError
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
