# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whitelist as one host has read it for the others: how long it counts, who may read, and what it cost."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.runs import run_id
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.whitelist_cache import CACHE_RETENTION, CACHE_TTL
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.write_queue import WriteQueue, WriteRequest
from support.processes import threads
from support.stores import open_store

pytestmark = pytest.mark.usefixtures("every_store")

USAGE = {"calls": 1, "retries": 0, "waited_seconds": 0.5}


def queue(directory: Path, key: str = "k", *, check: bool = False) -> WriteQueue:
    return WriteQueue(open_store(directory), key, check=check)


def test_a_cached_whitelist_is_for_the_hosts_of_one_task_and_expires(tmp_path: Path) -> None:
    queues = queue(tmp_path), queue(tmp_path, key="other")
    mine, other = (own.cache for own in queues)
    store = open_store(tmp_path)
    now = store.now()
    for own in queues:
        own.store.now = lambda: now
    assert mine.cached_whitelist("t") is None
    mine.cache_whitelist("run", "t", {"b", "a"}, USAGE)
    assert mine.cached_whitelist("t") == ["a", "b"]
    assert mine.cached_whitelist("another task") is None
    assert other.cached_whitelist("t") is None
    now += CACHE_TTL - 1
    assert mine.cached_whitelist("t") == ["a", "b"]
    now += 2
    assert mine.cached_whitelist("t") is None
    mine.cache_whitelist("run", "t", {"c"}, USAGE)
    other.invalidate_cache()
    assert mine.cached_whitelist("t") == ["c"]
    queue(tmp_path).cache.invalidate_cache()
    assert mine.cached_whitelist("t") is None, "another process writes"
    mine.cache_whitelist("run", "t", {"d"}, USAGE)
    now += CACHE_RETENTION + 1
    mine.cache_whitelist("run", "u", set(), USAGE)
    assert store.rows("SELECT count(*) FROM whitelist_cache") == [(1,)]


def test_the_usage_of_the_reads_of_a_run_is_reported_once(tmp_path: Path) -> None:
    mine = queue(tmp_path)
    assert mine.cache.claim_usage("run") is None
    mine.cache.cache_whitelist("run", "t", {"a"}, USAGE)
    mine.cache.cache_whitelist("another", "t", {"x"}, USAGE)
    mine.cache.cache_whitelist("run", "t", {"b"}, USAGE)
    for key in ("a key before", "the key after"):
        queue(tmp_path, key=key).cache.cache_whitelist("run", "t", {"of another key"}, USAGE)
    assert queue(tmp_path, key="third").cache.claim_usage("run") is None
    assert mine.cache.claim_usage("run") == (["b"], {"calls": 4, "retries": 0, "waited_seconds": 2.0})
    assert mine.cache.claim_usage("run") is None
    assert mine.cache.cached_whitelist("t") == ["b"], "it is still valid"
    # A run that is over will not ask.
    over = f"99999999 {run_id().split(' ', 1)[1]}"
    mine.cache.cache_whitelist(over, "t", {"y"}, USAGE)
    mine.enqueue(WriteRequest({"ips": []}, 5, 1, run=over))
    mine.purge_stale()
    assert mine.cache.claim_usage(over) is None


def test_no_process_reads_for_others_while_another_one_writes(tmp_path: Path) -> None:
    mine, reads = queue(tmp_path), threading.Event()

    def read() -> None:
        with queue(tmp_path).cache.reader(20):
            reads.set()

    with threads(read) as start, mine.cache.reader(0) as quiet:
        assert quiet
        with mine.store.try_lock("whitelist-k") as free:
            assert not free, "a writer waits for a reader"
        start()
        assert not reads.wait(0.2), "so does another reader"
    assert reads.is_set()
    with queue(tmp_path, key="other").store.try_lock("whitelist-other"):
        for check in (False, True):
            with queue(tmp_path, key="other", check=check).cache.reader(0) as quiet:
                assert not quiet, "a prediction is not made while another process writes, either"
