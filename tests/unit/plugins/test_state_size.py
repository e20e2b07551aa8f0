# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state directory does not grow with the runs that use it."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import WaitBudget, use
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.facts import (
    AREAS,
    LEASE_LIST,
    REPLACEMENT,
    Facts,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import open_store
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter

from .conftest import RoleNode

TABLES = ("rate_calls", "registrations", "facts", "journal")
HOSTS = 3
#: Between two runs. What is kept is kept for an hour, a day or a month.
MINUTES = 5
HOUR = 60 // MINUTES
DAY = 24 * 60 // MINUTES


def one_run(node: RoleNode, number: int) -> None:
    """What a run keeps: hosts with new addresses, a change of the whitelist, calls, and a lease."""
    hosts: dict[str, Any] = {
        f"i-{n}": f"198.51.100.{(HOSTS * number + n) % 250}" for n in range(HOSTS)
    }
    assert not any(own["failed"] for own in node.role(**hosts)["hosts"].values())
    with use(node.runtime):
        state = open_store(str(node.store))
    limiter = RateLimiter(state, 60)
    with limiter.slot("key", "/whitelist/query", 60, 10, WaitBudget(0)):
        pass
    facts = Facts(state, "key")
    facts.save(REPLACEMENT, "{}", str(number % 5))
    # Another key each time: what is kept of it is kept for as long as it is of use.
    other = Facts(state, f"key-{number}")
    other.save(REPLACEMENT, "{}", "5")
    other.save(LEASE_LIST, "[]")
    other.save(AREAS, "[]")
    state.close()


def size(directory: Path) -> tuple[int, int]:
    """Bytes and files."""
    # A connection that is not yet let go of keeps its log beside the database.
    gc.collect()
    files = [path for path in directory.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files), len(files)


@pytest.mark.slow
def test_hundreds_of_runs_leave_no_more_than_a_few(node: RoleNode) -> None:
    after: list[tuple[int, int]] = []
    early_run = DAY + 40
    last_run = DAY + 220
    for number in range(last_run + 1):
        one_run(node, number)
        node.vendor.journal.clear()
        node.vendor.advance(60 * MINUTES)
        if number in (early_run, last_run):
            after.append(size(node.store))
            with use(node.runtime):
                state = open_store(str(node.store))
            rows = {table: state.rows(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}
            named = dict(state.rows("SELECT name, count(*) FROM facts GROUP BY name"))
            state.close()
            assert rows["registrations"] == HOSTS, (
                "former addresses are forgotten once they are removed"
            )
            assert named[LEASE_LIST] <= DAY + 1
            assert named[AREAS] <= HOUR + 1, "those of an hour"
            assert rows["journal"] == 0, "changes of the whitelist are not paid"
            assert rows["rate_calls"] <= 4 * MINUTES, rows
    (early, few), (late, files) = after
    # Each run leaves a lifetime, of less than 80 bytes, for a month.
    assert late - early < 0.1 * early + 80 * (last_run - early_run), "nothing else has grown"
    assert few == files <= 9
