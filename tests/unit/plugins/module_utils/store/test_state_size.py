# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state directory does not grow with the runs that use it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.client import ReportedChange
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.models import Entries
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.processes import process_namespace
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import SILENT, Announcer
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.lease_facts import LeaseFacts
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.plan import Origin
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.claims import Claim
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.facts import AREAS, LEASE_LIST, LEASE_ORIGIN, Facts
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.interface import Store
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import ProxyApiOptions
from support.whitelist import ControlNode, WhitelistTransport, new_core
from support.whitelist_vendor import MemoryVendor

Sending = Callable[[], AbstractContextManager[Any]]
TABLES = ("rate_calls", "claims", "readings", "facts", "journal")
HOSTS = 3
#: Between two runs. What is kept is kept for an hour, a day or a month.
MINUTES = 5
HOUR, DAY = 60 // MINUTES, 24 * 60 // MINUTES


class Vendor:
    """The newest addresses are on the list; older ones were removed by hand."""

    key_digest = "key"
    timeout = 10.0

    def __init__(self, whitelist: set[str], rate_limiter: RateLimiter) -> None:
        self.rate_limiter = rate_limiter
        self._memory = MemoryVendor(whitelist)
        self.budget, self.batch_size = self._memory.budget, self._memory.batch_size

    def whitelist(self) -> tuple[Entries, list[str]]:
        return Entries({ip: (ip,) for ip in self._memory.whitelist_now}, (), complete=True), []

    def add(self, batch: Sequence[str], *, sending: Sending) -> ReportedChange:
        self._memory.whitelist_now.clear()
        with sending():
            return self._memory.add(batch)

    def remove(
        self, batch: Sequence[str], spellings: Mapping[str, Sequence[str]], *, sending: Sending
    ) -> ReportedChange:
        with sending():
            return self._memory.remove(batch, spellings)

    def whitelist_batch_delay(self) -> float:
        return 0.0

    def usage(self) -> dict[str, Any]:
        return {"calls": 1, "retries": 0, "waited_seconds": 0.0}


def one_run(node: ControlNode, number: int) -> None:
    """What a run keeps: hosts that are new each time, their addresses, calls, and a lease."""
    run, next_run = (f"{first + number} 1 {process_namespace()}" for first in (99_999_000, 99_990_000))
    hosts = {f"i-{number}-{n}": f"198.18.{number % 250}.{n}" for n in range(HOSTS)}
    for host, ip in hosts.items():
        node.submit(run, host, [ip])
    result = node.report(run, host)
    assert result is not None
    assert "failed" not in result
    # The next run finds all in sync.
    for host, ip in hosts.items():
        assert node.submit(next_run, host, [ip], task=f"task-{number}")
    result = node.report(next_run, host)
    assert result is not None
    assert result["registered"] == [ip]
    if number % 10 == 0:
        # A process that was killed while it waited, so long ago that the next leader does not wait for it.
        node.claims().make(Claim({"ips": [ip], "state": "present"}, 1, 1), waits=True)
        node.wire.advance(10)
    if number % 7 == 0:
        assert "failed" not in node.task([ip])
    state = node.store()
    limiter = RateLimiter(state, 60)
    slot, _wait = limiter.try_acquire("key", "/whitelist/query", 60, 10)
    assert slot is not None
    limiter.complete(slot)
    leases = LeaseFacts(Facts(state, "key"))
    leases.save_origin([f"task-{number}"], Origin())
    leases.save_lifetime(number % 5, 300, is_certain=True)
    # Another key each time: what is kept of it is kept for as long as it is of use.
    other = LeaseFacts(Facts(state, f"key-{number}"))
    other.save_origin(["task"], Origin())
    other.save_lifetime(5, 300, is_certain=True)
    other.cache_leases([], state.now())
    Facts(state, f"key-{number}").save(AREAS, "[]")
    state.close()


def size(directory: Path) -> tuple[int, int]:
    """Bytes and files."""
    # A connection that is not yet let go of keeps its log beside the database.
    gc.collect()
    files = [path for path in directory.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files), len(files)


@pytest.mark.newest_core
@pytest.mark.nightly
def test_hundreds_of_runs_leave_no_more_than_a_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node, standing = ControlNode(WhitelistTransport(new_core()), tmp_path), set[str]()

    def vendor(_options: ProxyApiOptions, state: Store | None = None, announcer: Announcer = SILENT) -> Vendor:
        return Vendor(standing, RateLimiter(state or node.store(), 60))

    monkeypatch.setattr(ProxyApiOptions, "client", vendor)
    after: list[tuple[int, int]] = []
    early_run, last_run = DAY + 40, DAY + 220
    for number in range(last_run + 1):
        one_run(node, number)
        node.wire.advance(60 * MINUTES)
        if number in (early_run, last_run):
            after.append(size(tmp_path))
            state = node.store()
            rows = {table: state.rows(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}
            staying = state.rows("SELECT count(*) FROM claims WHERE ip IS NOT NULL")[0][0]
            named = dict(state.rows("SELECT name, count(*) FROM facts GROUP BY name"))
            state.close()
            assert staying <= 3 * HOSTS, "what two readings lacked is forgotten"
            assert rows["claims"] - staying <= HOSTS + 1, "only those of the last run"
            assert named[LEASE_ORIGIN] <= 2 * DAY + 2, "those of a day"
            assert named[LEASE_LIST] <= DAY + 1
            assert named[AREAS] <= HOUR + 1, "those of an hour"
            assert rows["journal"] <= 3 * DAY, "those of a day, which are no paid calls"
            assert rows["rate_calls"] + rows["readings"] <= 5, rows
    (early, few), (late, files) = after
    # Each run leaves a lifetime, of less than 80 bytes, for a month.
    assert late - early < 0.1 * early + 80 * (last_run - early_run), "nothing else has grown"
    assert few == files <= 9
