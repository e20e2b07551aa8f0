# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The queue of requests to change a whitelist: one process, the leader, writes for all that wait.

This file is private to the collection.

Only one process of a control node writes to the whitelist of a key at a time: it holds a lock that the kernel releases
when it dies. The others enqueue their requests. The next leader writes for all of them, and leaves each a result. The
hosts of a play are enqueued before they wait, so that the first of them writes for all.

Each waiting process holds a lock of its own, so that no request of a dead process is taken for that of a live one.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._core.errors import QgError, WaitBudgetExceeded
from .runs import is_run_finished
from .whitelist_cache import WhitelistCache

if TYPE_CHECKING:
    from .state import State

#: Seconds between two attempts to become the leader: at first, and at most.
MIN_POLL, MAX_POLL = 0.02, 0.2
#: Seconds by which the pauses of a leader may be measured wrong.
GRACE = 1.0
#: Calls for which a leader is waited for beside max_wait, and the minimum timeout, in seconds, that counts for each.
MAX_CALLS, MIN_TIMEOUT = 10, 3.0
#: Seconds after which a request is of no use: no play takes longer from one task to the next.
REQUEST_TTL = 86400
#: The maximum number of requests, of runs whose end cannot be seen from here; the oldest are dropped first.
MAX_REQUESTS = 100_000

#: write_requests: a row per request; ``result`` (JSON) comes from the leader that wrote for it. If ``no_op``, nothing
#: had to be done for the request when it was enqueued.
#: snapshots: the whitelist after such a write (JSON), until the tasks that waited for it have read it.
SCHEMA = """
CREATE TABLE IF NOT EXISTS write_requests (
  id TEXT PRIMARY KEY, run TEXT, host TEXT, fleet TEXT, key TEXT, access TEXT, payload TEXT, max_wait REAL,
  timeout REAL, seen TEXT, waiter TEXT, enqueued_at REAL, result TEXT, snapshot TEXT, no_op INTEGER);
CREATE INDEX IF NOT EXISTS write_requests_by_age ON write_requests (enqueued_at);
CREATE INDEX IF NOT EXISTS write_requests_open ON write_requests (key, access) WHERE result IS NULL;
CREATE INDEX IF NOT EXISTS write_requests_to_apply ON write_requests (run) WHERE NOT no_op;
CREATE INDEX IF NOT EXISTS write_requests_by_snapshot ON write_requests (snapshot) WHERE snapshot IS NOT NULL;
CREATE TABLE IF NOT EXISTS snapshots (id TEXT PRIMARY KEY, whitelist TEXT);
"""

#: The result of a request, as it is kept: JSON.
Result = dict[str, Any]


@dataclass(frozen=True)
class WriteRequest:
    """A request, of a host of a run of Ansible and its fleet, or else of a task of its own.

    ``payload`` says what to change, as JSON that the queue does not interpret. ``seen`` are addresses that an earlier
    leader intended to change for it. An ``exclusive`` request is never written together with others.
    """

    payload: Mapping[str, Any]
    max_wait: float
    timeout: float
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    run: str = ""
    host: str = ""
    fleet: str = ""
    seen: tuple[str, ...] = ()
    exclusive: bool = False


@dataclass
class BatchResult:
    """What a leader leaves: a result for each request that was decided, and the whitelist that it read last."""

    results: dict[str, Result]
    whitelist: list[str] = field(default_factory=list)


#: Writes for a request, the first, and for as many of the others as are compatible with it.
BatchWriter = Callable[[list[WriteRequest]], BatchResult]

_DROP_SNAPSHOTS = (
    "DELETE FROM snapshots WHERE id NOT IN (SELECT snapshot FROM write_requests WHERE snapshot IS NOT NULL)"
)
_COLUMNS = "id, run, host, fleet, payload, max_wait, timeout, seen, waiter"


class _RequestTable:
    """The rows of the requests for one key that access it in the same way."""

    def __init__(self, state: State, key: str, access: str) -> None:
        self.state = state
        self.key = key
        self._access = access

    def enqueue(self, request: WriteRequest, waiter: str | None = None, result: Result | None = None) -> None:
        """Add a request, in place of any former one; with its result if nothing has to be done for it."""
        identity = (request.id, request.run, request.host, request.fleet, self.key, self._access)
        row = (*identity, json.dumps(request.payload), request.max_wait, request.timeout)
        text = None if result is None else json.dumps(result)
        with self.state.transaction() as database:
            database.execute("DELETE FROM write_requests WHERE enqueued_at < ?", (time.time() - REQUEST_TTL,))
            database.execute(
                "INSERT OR REPLACE INTO write_requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, NULL, ?)",
                (*row, waiter, time.time(), text, result is not None),
            )

    def cancel(self, run: str, host: str) -> None:
        """Drop a host's request: its addresses are not known."""
        # Only this host's task enqueues it. Usually there is none, and then no other process is waited for.
        if not self.state.rows("SELECT 1 FROM write_requests WHERE id = ?", f"{run}/{host}"):
            return
        with self.state.transaction() as database:
            database.execute("DELETE FROM write_requests WHERE id = ?", (f"{run}/{host}",))

    def get_for_host(self, run: str, host: str, fleet: str) -> WriteRequest | None:
        """Return the request of a host, if it has one for this key and fleet."""
        rows = self._rows("id = ? AND key = ? AND fleet = ?", f"{run}/{host}", self.key, fleet)
        return next((request for request, _waiter in rows), None)

    def hosts(self, run: str) -> set[str]:
        """Return all hosts of a run that have a request, for any key."""
        return {row[0] for row in self.state.rows("SELECT host FROM write_requests WHERE run = ?", run)}

    def result(self, request: WriteRequest) -> Result | None:
        """Return the result of a request, if there is one yet."""
        rows = self.state.rows("SELECT result FROM write_requests WHERE id = ?", request.id)
        return self.state.decoded(rows[0][0]) if rows and rows[0][0] is not None else None

    def snapshot_for(self, request: WriteRequest) -> list[str]:
        """Return the whitelist as the leader that left a result read it last."""
        query = (
            "SELECT whitelist FROM snapshots JOIN write_requests ON snapshots.id = write_requests.snapshot "
            "WHERE write_requests.id = ?"
        )
        return [ip for (text,) in self.state.rows(query, request.id) for ip in self.state.decoded(text)]

    def record_intent(self, seen: Mapping[str, Collection[str]]) -> None:
        """Keep what is about to be changed for each request, so that the next leader can report it if this one dies."""
        with self.state.transaction() as database:
            database.executemany(
                "UPDATE write_requests SET seen = ? WHERE id = ?",
                [(json.dumps(sorted(ips)), name) for name, ips in seen.items()],
            )

    def _batch(self, request: WriteRequest) -> list[WriteRequest]:
        """Return all requests that wait, those of the same run and fleet before they do, and the kept one itself."""
        return [
            other
            for other, waiter in self._rows("key = ? AND access = ? AND result IS NULL", self.key, self._access)
            if other.id == request.id
            or (request.run and (request.run, request.fleet) == (other.run, other.fleet))
            or (waiter and self.state.is_held(waiter))
        ]

    def _others_wait(self, request: WriteRequest) -> bool:
        query = (
            "SELECT 1 FROM write_requests "
            "WHERE key = ? AND access = ? AND result IS NULL AND waiter IS NOT NULL AND id != ?"
        )
        return not request.exclusive and bool(self.state.rows(query, self.key, self._access, request.id))

    def _rows(self, condition: str, *values: str) -> list[tuple[WriteRequest, str | None]]:
        rows = self.state.rows(f"SELECT {_COLUMNS} FROM write_requests WHERE {condition} ORDER BY enqueued_at", *values)
        found = []
        for name, run, host, fleet, payload, max_wait, timeout, seen, waiter in rows:
            earlier = tuple(self.state.decoded(seen or "[]"))
            wanted = self.state.decoded(payload)
            found.append((WriteRequest(wanted, max_wait, timeout, name, run, host, fleet, earlier), waiter))
        return found

    def _save(self, batch: BatchResult, single: Collection[str]) -> None:
        """Keep the results, with the whitelist for the requests of single tasks."""
        snapshot = secrets.token_hex(8)
        decided = [
            (json.dumps(result), snapshot if name in single else None, name) for name, result in batch.results.items()
        ]
        with self.state.transaction() as database:
            database.executemany("UPDATE write_requests SET result = ?, snapshot = ? WHERE id = ?", decided)
            if single:
                database.execute("INSERT INTO snapshots VALUES (?, ?)", (snapshot, json.dumps(batch.whitelist)))


class WriteQueue(_RequestTable):
    """The requests for one key of all that access it in the same way; predictions have a queue of their own."""

    def __init__(self, state: State, key: str, access: str = "", *, check: bool = False) -> None:
        super().__init__(state, key, f"{access} {check}")
        self.cache = WhitelistCache(state, key, f"whitelist-{key}")
        self._lock = f"whitelist-{key}{'-check' if check else ''}"
        #: Seconds that the last submission waited; of them, those in which the leader had to pause as well.
        self.waited = self.rested = 0.0

    @contextlib.contextmanager
    def submit(
        self, request: WriteRequest, write: BatchWriter, batch_window: Callable[[], float] = lambda: 0.0
    ) -> Iterator[Result | None]:
        """Yield the result that another process leaves; None if this one was the leader, and has written.

        ``batch_window`` returns the seconds to wait for more requests if some are waiting already. The request of a
        single task is in the queue only as long as this lasts.
        """
        with contextlib.ExitStack() as stack:
            yield self._submitted(request, write, batch_window, stack)

    def _submitted(
        self, request: WriteRequest, write: BatchWriter, batch_window: Callable[[], float], stack: contextlib.ExitStack
    ) -> Result | None:
        began, nap = time.monotonic(), MIN_POLL
        # The leader's calls take time, however little it may wait.
        longest = request.max_wait + MAX_CALLS * max(request.timeout, MIN_TIMEOUT)
        next_look = began + request.max_wait + GRACE
        enqueued, waits = bool(request.run), False
        while True:
            self.waited = time.monotonic() - began
            result = self.result(request) if enqueued else None
            if result is not None:
                return result
            with self.state.try_lock(self._lock) as leading:
                if leading:
                    # Another leader may have left it before it released the lock.
                    result = self.result(request) if enqueued else None
                    if result is None:
                        if self._others_wait(request):
                            seconds = batch_window()
                            time.sleep(seconds)
                            self.waited += seconds
                        self._write(request, write, purge=enqueued)
                    return result
            if not waits:
                waits = True
                if not request.exclusive:
                    stack.enter_context(self._waiting(request))
                    enqueued = True
                continue
            if self.rested > request.max_wait + GRACE:
                raise WaitBudgetExceeded(
                    "Another process writes to the same whitelist and waits for its turn under the vendor's limits; "
                    f"that takes longer than max_wait ({request.max_wait:g} seconds). "
                    "Raise max_wait or run again later."
                )
            now = time.monotonic()
            if now - began > longest:
                raise QgError(
                    f"Other processes have been writing to the same whitelist for {longest:.0f} seconds, at last "
                    f"{self.state.holder_of(self._lock)}: run again later, or end that process if it hangs."
                )
            if now > next_look:
                next_look = now + 1.0
                if self.state.is_holder_stopped(self._lock):
                    raise WaitBudgetExceeded(
                        f"The whitelist cannot be changed: {self.state.holder_of(self._lock)}, which writes to it, is "
                        f"stopped for longer than max_wait ({request.max_wait:g} seconds). Continue it (kill -CONT) or "
                        "end it, and run again."
                    )
            nap = min(nap * 1.2, MAX_POLL)
            time.sleep(nap)
            if self.state.is_held(f"{self._lock}-rest"):
                self.rested += nap

    def rest(self, seconds: float, sleep: Callable[[float], None]) -> None:
        """Sleep as a leader, so that those that wait know that it is not the vendor's work that takes the time."""
        # A process that only checks whether it is held may be in the way for a moment.
        with self.state.try_lock(f"{self._lock}-rest", wait=MAX_POLL):
            sleep(seconds)

    def purge_stale(self) -> None:
        """Drop requests of dead processes and finished runs, and the snapshots that belong to no result."""
        waiters = self.state.rows("SELECT waiter FROM write_requests WHERE waiter IS NOT NULL AND run = ''")
        runs = self.state.rows("SELECT DISTINCT run FROM write_requests WHERE run != ''")
        dead = [row for row in waiters if not self.state.is_held(row[0])]
        over = [row for row in runs if is_run_finished(row[0])]
        with self.state.transaction() as database:
            database.executemany("DELETE FROM write_requests WHERE waiter = ?", dead)
            database.executemany("DELETE FROM write_requests WHERE run = ?", over)
            database.execute(
                "DELETE FROM write_requests WHERE rowid <= (SELECT max(rowid) FROM write_requests) - ?", (MAX_REQUESTS,)
            )
            database.execute(_DROP_SNAPSHOTS)
        self.cache.forget_runs(over)
        self.state.drop_free_locks("waiting.")

    @contextlib.contextmanager
    def _waiting(self, request: WriteRequest) -> Iterator[None]:
        waiter = f"waiting.{secrets.token_hex(8)}"
        with self.state.try_lock(waiter):
            try:
                if request.run:
                    with self.state.transaction() as database:
                        database.execute("UPDATE write_requests SET waiter = ? WHERE id = ?", (waiter, request.id))
                else:
                    self.enqueue(request, waiter)
                yield
            finally:
                self.state.drop_lock(waiter)
                if not request.run:
                    with self.state.transaction() as database:
                        database.execute("DELETE FROM write_requests WHERE id = ?", (request.id,))
                        database.execute(_DROP_SNAPSHOTS)

    def _write(self, request: WriteRequest, write: BatchWriter, purge: bool) -> None:
        others = [] if request.exclusive else self._batch(request)
        own = [other for other in others if other.id == request.id]
        others = [other for other in others if other.id != request.id]
        batch = write([*(own or [request]), *others])
        if not (others or purge):
            return
        self._save(batch, {other.id for other in others if not other.run})
        self.purge_stale()


def has_pending_changes(state: State, run: str) -> bool:
    """Whether something has, or had, to be done for a host of a run. That it is done does not change this."""
    return bool(state.rows("SELECT 1 FROM write_requests WHERE run = ? AND NOT no_op LIMIT 1", run))


def is_in_sync(state: State, run: str) -> bool:
    """Whether hosts of a run have requests, and nothing has to be done for any of them."""
    return not has_pending_changes(state, run) and bool(
        state.rows("SELECT 1 FROM write_requests WHERE run = ? LIMIT 1", run)
    )
