# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whitelist as one host has read it for the others: how long it counts, who may read, and what it cost."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.claims import Claim, Claims
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.readings import CACHE_TTL, RETENTION, Readings
from support.processes import threads
from support.stores import open_store

pytestmark = pytest.mark.usefixtures("every_store")

USAGE = {"calls": 1, "retries": 0, "waited_seconds": 0.5}


def readings(directory: Path, key: str = "k", *, check: bool = False) -> Readings:
    return Readings(Claims(open_store(directory), key, check=check))


def test_a_cached_reading_is_for_the_hosts_of_one_task_and_expires(tmp_path: Path) -> None:
    store, other_store = open_store(tmp_path), open_store(tmp_path)
    now = store.now()
    for own in (store, other_store):
        own.now = lambda: now
    mine, other = Readings(Claims(store, "k")), Readings(Claims(other_store, "other"))
    assert mine.cached("t") is None
    mine.cache("run", "t", ["a", "b"], USAGE)
    assert mine.cached("t") == ["a", "b"]
    assert mine.cached("another task") is None
    assert other.cached("t") is None
    now += CACHE_TTL - 1
    assert mine.cached("t") == ["a", "b"]
    now += 2
    assert mine.cached("t") is None
    mine.cache("run", "t", ["c"], USAGE)
    other.invalidate()
    assert mine.cached("t") == ["c"]
    readings(tmp_path).invalidate()
    assert mine.cached("t") is None, "another process writes"
    mine.cache("run", "t", ["d"], USAGE)
    now += RETENTION + 1
    mine.cache("run", "u", [], USAGE)
    mine.purge([])
    assert store.rows("SELECT count(*) FROM readings") == [(1,)]


def test_the_usage_of_the_reads_of_a_run_is_reported_once(tmp_path: Path) -> None:
    mine = readings(tmp_path)
    assert mine.claim_usage("run") is None
    mine.cache("run", "t", ["a"], USAGE)
    mine.cache("another", "t", ["x"], USAGE)
    mine.cache("run", "t", ["b"], USAGE)
    for key in ("a key before", "the key after"):
        readings(tmp_path, key).cache("run", "t", ["of another key"], USAGE)
    assert readings(tmp_path, "third").claim_usage("run") is None
    assert mine.claim_usage("run") == (["b"], {"calls": 4, "retries": 0, "waited_seconds": 2.0})
    assert mine.claim_usage("run") is None
    assert mine.cached("t") == ["b"], "it is still valid"
    # A run that is over will not ask.
    mine.cache("over", "t", ["y"], USAGE)
    mine.purge([("over",)])
    assert mine.claim_usage("over") is None


def test_a_reading_is_kept_for_as_long_as_a_claim_needs_it(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    claims = Claims(store, "k")
    for name in "ab":
        claims.make(Claim({}, 1, 1, id=name, run=name))
    (first, _second), mine = claims.open(), Readings(claims)
    mine.decide([first], "needed")
    mine.decide([], "not needed")
    mine.purge([])
    number = claims.decided_by(first)
    assert number is not None
    assert store.rows("SELECT id, content FROM readings") == [(number, '"needed"')]
    assert mine.get(number, number + 1) == {number: "needed"}
    store.execute("DELETE FROM claims")
    mine.purge([])
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
