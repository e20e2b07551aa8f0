# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state directory does not grow with the runs that use it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.client import ReportedChange, WhitelistReading
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import SILENT, Announcer, WaitBudget
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.lease_store import LeaseStore
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.state import State
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.write_queue import WriteRequest
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Mode, execute
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import ProxyApiOptions
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.batch import queue_for
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.host_operations import (
    HostOptions,
    apply_and_report,
    host_request,
    submit_host,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import WHITELIST

TABLES = (
    "rate_calls",
    "rate_blocks",
    "registrations",
    "write_requests",
    "whitelist_cache",
    "key_channels",
    "lease_origins",
    "lifetimes",
    "lease_cache",
    "monopolies",
    "areas",
)
HOSTS = 3
#: Between two runs. What is kept is kept for an hour, a day or a month.
MINUTES = 5
HOUR, DAY = 60 // MINUTES, 24 * 60 // MINUTES


@dataclass
class Vendor:
    """The newest addresses are on the list; older ones were removed by hand."""

    rate_limiter: RateLimiter
    now: set[str]
    budget: WaitBudget = field(default_factory=lambda: WaitBudget(0))

    def whitelist_batch_delay(self) -> float:
        return 0.0

    def read_whitelist(self, *, may_be_empty: bool = False) -> WhitelistReading:
        self.budget.wait(0, "", "")
        return WhitelistReading(frozenset(self.now))

    def settles_in(self, _conflicts: object) -> float:
        return 0.0

    def unresolved_writes(self) -> list[object]:
        return []

    def add(self, batch: Sequence[str]) -> ReportedChange:
        self.now.clear()
        self.now.update(batch)
        return ReportedChange(frozenset(batch))

    def batches(self, ips: Sequence[str], _most: int | None = None) -> list[list[str]]:
        return [list(ips)] if ips else []

    def usage(self) -> dict[str, Any]:
        return {"calls": 1, "retries": 0, "waited_seconds": 0.0}


@dataclass
class Pauses:
    """Pauses that take no time: the clock of the machine moves instead."""

    slept: float = 0.0
    real: Callable[[int], float] = time.clock_gettime

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    def clock_gettime(self, clock: int) -> float:
        return self.real(clock) + self.slept


def one_run(number: int, params: dict[str, Any]) -> None:
    """What a run keeps: hosts that are new each time, their addresses, calls, and a lease."""
    state, options = State(params["state_dir"]), HostOptions.parse(params)
    run = f"{99_999_000 + number} 1 {WORLD}"
    for host in range(HOSTS):
        ip = f"198.18.{number % 250}.{host}"
        request = host_request(options, run, f"i-{number}-{host}", (ip,))
        queue_for(options.api, state, check=False).enqueue(request)
    result = apply_and_report(queue_for(options.api, state, check=False), request, options, Mode())
    assert "failed" not in result
    # The next run finds all in sync.
    queue, run = queue_for(options.api, state, check=False), f"{99_990_000 + number} 1 {WORLD}"
    for host in range(HOSTS):
        request = host_request(options, run, f"i-{number}-{host}", (f"198.18.{number % 250}.{host}",))
        assert submit_host(queue, request, options, Mode(), f"task-{number}")
    assert "summary" in apply_and_report(queue, request, options, Mode())
    if number % 10 == 0:
        # A process that was killed while it waited.
        queue_for(options.api, state, check=False).enqueue(WriteRequest(request.payload, 1, 1), waits=True)
    if number % 7 == 0:
        assert "failed" not in execute(WHITELIST, {**params, "ips": [ip]}, Mode())
    rate_limiter = RateLimiter(state, 60)
    place, _wait = rate_limiter.try_acquire("key", "/whitelist/query", 60, 10)
    assert place is not None
    rate_limiter.complete(place)
    memory = LeaseStore(state, "key")
    memory.save_origin([f"task-{number}"])
    memory.save_lifetime(number % 5, 300, is_certain=True)
    # Another key each time: what is kept of it is kept for as long as it is of use.
    other = LeaseStore(state, f"key-{number}")
    other.save_origin(["task"])
    other.save_lifetime(5, 300, is_certain=True)
    other.cache_leases([], state.now())
    other.save_area_names({"area": 1})
    state.close()


CLIENT = "ansible_collections.qingguo.qgnet.plugins.module_utils"
WORLD = "here"


def size(directory: Path) -> tuple[int, int]:
    """Bytes and files."""
    # A connection that is not yet let go of keeps its log beside the database.
    gc.collect()
    files = [path for path in directory.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files), len(files)


@pytest.mark.newest_core
def test_hundreds_of_runs_leave_no_more_than_a_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state_dir, standing = tmp_path / "state", set[str]()
    params: dict[str, Any] = {
        "key": "k",
        "pwd": None,
        "api_url": "http://192.0.2.1",
        "timeout": 1.0,
        "max_wait": 1.0,
        "validate_certs": True,
        "ca_path": None,
        "state_dir": str(state_dir),
        "state_url": None,
        "inventory_id": "f",
        "verify_proxy": None,
        "fail": True,
        "state": "present",
        "keep": [],
        "replaces": [],
        "max_removals": 10,
        "prune": False,
        "capacity": None,
        "allow_non_global": True,
    }

    def vendor(_params: Any, state: State | None = None, announcer: Announcer = SILENT) -> Vendor:
        return Vendor(RateLimiter(state or State(str(state_dir)), 60), standing)

    monkeypatch.setattr(ProxyApiOptions, "client", vendor)
    monkeypatch.setattr(f"{CLIENT}._store.runs.process_namespace", lambda: WORLD)
    # A batch waits for requests of processes that were killed; those pauses would take long.
    pauses = Pauses()
    monkeypatch.setattr(time, "sleep", pauses.sleep)
    monkeypatch.setattr(time, "clock_gettime", pauses.clock_gettime)
    after: list[tuple[int, int]] = []
    early_run, last_run = DAY + 40, DAY + 220
    for number in range(last_run + 1):
        one_run(number, params)
        pauses.slept += 60 * MINUTES
        if number in (early_run, last_run):
            after.append(size(state_dir))
            state = State(str(state_dir))
            rows = {table: state.rows(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}
            state.close()
            assert rows["registrations"] <= 3 * HOSTS, "what two readings lacked is forgotten"
            assert rows["write_requests"] <= HOSTS + 1, "only those of the last run"
            assert rows["lease_origins"] <= 2 * DAY + 2, "those of a day"
            assert rows["lease_cache"] <= DAY + 1
            assert rows["areas"] <= HOUR + 1, "those of an hour"
            transient = ("rate_calls", "rate_blocks", "whitelist_cache")
            assert sum(rows[name] for name in (*transient, "key_channels", "monopolies")) <= 5, rows
    (early, few), (late, files) = after
    # Each run leaves a lifetime, of less than 80 bytes, for a month.
    assert late - early < 0.1 * early + 80 * (last_run - early_run), "nothing else has grown"
    assert few == files <= 9
