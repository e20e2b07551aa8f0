# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whitelist as one host has read it for the others: how long it counts, and who may read."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.claims import Claim, Claims
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.readings import CACHE_TTL, Readings
from support.processes import threads
from support.stores import open_store

pytestmark = pytest.mark.usefixtures("every_store")


def readings(directory: Path, key: str = "k", *, check: bool = False) -> Readings:
    return Readings(Claims(open_store(directory), key, check=check))


def test_a_cached_reading_is_for_the_hosts_of_one_task_and_expires(tmp_path: Path) -> None:
    store, other_store = open_store(tmp_path), open_store(tmp_path)
    now = store.now()
    for own in (store, other_store):
        own.now = lambda: now
    mine, other = Readings(Claims(store, "k")), Readings(Claims(other_store, "other"))
    assert mine.cached("t") is None
    mine.cache("t", ["a", "b"])
    assert mine.cached("t") == ["a", "b"]
    assert mine.cached("another task") is None
    assert other.cached("t") is None
    now += CACHE_TTL - 1
    assert mine.cached("t") == ["a", "b"]
    now += 2
    assert mine.cached("t") is None
    mine.cache("t", ["c"])
    other.invalidate()
    assert mine.cached("t") == ["c"]
    readings(tmp_path).invalidate()
    assert mine.cached("t") is None, "another process writes"
    mine.cache("t", ["d"])
    now += CACHE_TTL + 1
    mine.cache("u", [])
    mine.purge()
    assert store.rows("SELECT task FROM readings") == [("u",)]


def test_a_reading_is_kept_for_as_long_as_a_claim_needs_it(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    claims = Claims(store, "k")
    for name in "ab":
        claims.make(Claim({}, 1, 1, id=name, run=name))
    (first, _second), mine = claims.open(), Readings(claims)
    mine.decide([first], "needed")
    mine.decide([], "not needed")
    now = store.now() + CACHE_TTL + 1
    store.now = lambda: now
    mine.purge()
    number = claims.decided_by(first)
    assert number is not None
    assert store.rows("SELECT id, content FROM readings") == [(number, '"needed"')]
    assert mine.get(number, number + 1) == {number: "needed"}
    store.execute("DELETE FROM claims")
    mine.purge()
    assert mine.get(number) == {}


def test_no_process_reads_for_others_while_another_one_writes(tmp_path: Path) -> None:
    mine, reads = readings(tmp_path), threading.Event()

    def read() -> None:
        with readings(tmp_path).reader(20):
            reads.set()

    with threads(read) as start, mine.reader(0) as quiet:
        assert quiet
        with open_store(tmp_path).try_lock("whitelist-k") as free:
            assert not free, "a writer waits for a reader"
        start()
        assert not reads.wait(0.2), "so does another reader"
    assert reads.is_set()
    with open_store(tmp_path).try_lock("whitelist-other"):
        for check in (False, True):
            with readings(tmp_path, "other", check=check).reader(0) as quiet:
                assert not quiet, "a prediction is not made while another process writes, either"
