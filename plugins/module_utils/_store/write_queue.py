# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The queue of requests to change a whitelist: one process, the leader, writes for all waiting processes.

Only one process writes to the whitelist of a key at a time: it holds a lock that is released when the process ends. The
others enqueue their requests and wait. The next leader writes for all of them, and stores a result for each. The hosts
of a play enqueue their requests before they wait, so that the first of them writes for all.

A waiting process renews its request twice a second. A leader writes for a request of another run only if that was
renewed after the leader had acquired the lock. So it never writes for a process that has ended before, in any
container, and whatever the clocks show. The leader waits until all waiting processes have renewed their requests, which
they do within the batch window, if there is one.

Decisions:

- A waiter has one deadline: ``max_wait`` plus the duration of a few calls, whether the leader works or pauses for the
  vendor's limits. The time counts towards the waiter's own ``max_wait``. If the leader is stopped (SIGSTOP), the wait
  ends at ``max_wait``, because the leader may never continue.
- A process that is killed while it waits delays the next leader for :attr:`QueuePolicy.renew_timeout` at most.
- If a process does not renew its request in time, a later leader writes for it, or it becomes the leader itself.
- A result belongs to the submission that the leader has read, and not to a later one of the same host, even if both
  request the same: the leader may have read the whitelist before the later one, or failed with a shorter ``max_wait``.
  The change that the leader made for the earlier submission is then only in the leader's summary.
- Each leader reports its own API usage; the queue does not account for it.
- :class:`Store` hides whether the state is in SQLite and files, or on a server.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .._core.clock import elapsed
from .._core.errors import WaitBudgetExceeded
from .._core.waiting import Wait
from .directory import StateError
from .queue_policy import DEFAULT_POLICY, QueuePolicy
from .run_results import purge_results
from .runs import is_run_finished
from .sql import upsert
from .whitelist_cache import WhitelistCache

if TYPE_CHECKING:
    from .interface import Store

#: Seconds between two attempts to become the leader, at first.
MIN_POLL = 0.02
#: Seconds after its last renewal for which the request of a task is kept: its process may be stopped, and continue.
WAITER_TTL = 300.0
#: The maximum age of a request in seconds: no play takes longer from one task to the next.
REQUEST_TTL = 86400

#: A row per request; ``result`` (JSON) comes from the leader that wrote for it. ``no_op`` is 1 if the request required
#: no change when it was enqueued. ``renewed_at`` is set while a process waits for the result.
SCHEMA = """
CREATE TABLE IF NOT EXISTS write_requests (
  id TEXT PRIMARY KEY, run TEXT, host TEXT, inventory TEXT, key TEXT, access TEXT, payload TEXT, max_wait REAL,
  timeout REAL, seen TEXT, enqueued_at REAL, renewed_at REAL, result TEXT, no_op INTEGER);
CREATE INDEX IF NOT EXISTS write_requests_by_age ON write_requests (enqueued_at);
CREATE INDEX IF NOT EXISTS write_requests_open ON write_requests (key, access) WHERE result IS NULL;
CREATE INDEX IF NOT EXISTS write_requests_to_apply ON write_requests (run) WHERE no_op = 0;
"""

#: The result of a request, as it is stored: JSON.
Result = dict[str, Any]


@dataclass(frozen=True)
class WriteRequest:
    """A request of a host in a run of Ansible, or of a single task, which has no run, host or inventory.

    ``payload`` says what to change, as JSON that the queue does not interpret. ``seen`` are addresses that an earlier
    leader intended to change for it. An ``exclusive`` request is never written together with others. ``enqueued_at``
    (state time) identifies the submission if the request was read from the queue.
    """

    payload: Mapping[str, Any]
    max_wait: float
    timeout: float
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    run: str = ""
    host: str = ""
    inventory: str = ""
    seen: tuple[str, ...] = ()
    exclusive: bool = False
    enqueued_at: float | None = field(default=None, compare=False)


#: Writes for the first request, and for all others that are compatible with it. Returns the results of the requests
#: that it has written for, by id.
BatchWriter = Callable[[list[WriteRequest]], dict[str, Result]]

_ENQUEUE = upsert(
    "write_requests",
    ("id",),
    (
        *("run", "host", "inventory", "key", "access", "payload", "max_wait", "timeout", "seen"),
        *("enqueued_at", "renewed_at", "result", "no_op"),
    ),
)
_COLUMNS = "id, run, host, inventory, payload, max_wait, timeout, seen, enqueued_at, renewed_at"


class _RequestTable:
    """The rows of the requests for one key with the same access options."""

    def __init__(self, store: Store, key: str, access: str) -> None:
        self.store = store
        self.key = key
        self.access = access

    def enqueue(self, request: WriteRequest, *, waits: bool = False, result: Result | None = None) -> None:
        """Add a request, or replace the one with the same id; with its result if it requires no change.

        ``waits`` says that a process waits for the result.
        """
        text = None if result is None else json.dumps(result)
        identity = (request.id, request.run, request.host, request.inventory, self.key, self.access)
        content = (json.dumps(request.payload), request.max_wait, request.timeout, json.dumps(request.seen))
        with self.store.transaction() as database:
            now = self.store.now()
            times = (now, now if waits else None)
            database.execute(_ENQUEUE, (*identity, *content, *times, text, result is not None))

    def cancel(self, run: str, host: str) -> None:
        """Delete a host's request: its addresses are unknown."""
        # Usually there is none, and a query does not have to wait for a process that writes.
        if self.store.rows("SELECT 1 FROM write_requests WHERE id = ?", f"{run}/{host}"):
            self._delete(f"{run}/{host}")

    def get_for_host(self, run: str, host: str, inventory: str) -> WriteRequest | None:
        """Return the request of a host, if it has one for this key and inventory."""
        rows = self._rows("id = ? AND key = ? AND inventory = ?", f"{run}/{host}", self.key, inventory)
        return next((request for request, _renewed_at in rows), None)

    def result(self, request: WriteRequest) -> Result | None:
        """Return the result of a request; None if there is none yet."""
        rows = self.store.rows("SELECT result FROM write_requests WHERE id = ?", request.id)
        return self.store.decoded(rows[0][0]) if rows and rows[0][0] is not None else None

    def record_intent(self, seen: Iterable[tuple[WriteRequest, Collection[str]]]) -> None:
        """Store the planned changes of each request, so that the next leader can report them if this one is killed."""
        self._update("seen", ((request, sorted(ips)) for request, ips in seen))

    def _renew(self, request: WriteRequest) -> None:
        """Record that this process still waits for the result; enqueue the request again if it was deleted."""
        if not self.store.execute(
            "UPDATE write_requests SET renewed_at = ? WHERE id = ?", self.store.now(), request.id
        ):
            self.enqueue(request, waits=True)

    def _withdraw(self, request: WriteRequest) -> None:
        """Record that no process waits for the result any more. Requests of hosts are kept until their run is over."""
        if request.run:
            self.store.execute("UPDATE write_requests SET renewed_at = NULL WHERE id = ?", request.id)
        else:
            self._delete(request.id)

    def _delete(self, name: str) -> None:
        self.store.execute("DELETE FROM write_requests WHERE id = ?", name)

    def _waiting(self, request: WriteRequest, *, of_others: bool = False) -> dict[str, float]:
        """Return the time of the last renewal of each of the other waiting requests, by id.

        With ``of_others``, leave out requests of the same run and inventory.
        """
        query = (
            "SELECT id, renewed_at FROM write_requests "
            "WHERE key = ? AND access = ? AND result IS NULL AND renewed_at IS NOT NULL AND id != ?"
        )
        if not (of_others and request.run):
            return dict(self.store.rows(query, self.key, self.access, request.id))
        query += " AND NOT (run = ? AND inventory = ?)"
        return dict(self.store.rows(query, self.key, self.access, request.id, request.run, request.inventory))

    def _undecided(self) -> list[tuple[WriteRequest, float | None]]:
        """Return the requests without a result, each with the time of its renewal if a process waits for it."""
        return self._rows("key = ? AND access = ? AND result IS NULL", self.key, self.access)

    def _rows(self, condition: str, *values: str) -> list[tuple[WriteRequest, float | None]]:
        rows = self.store.rows(f"SELECT {_COLUMNS} FROM write_requests WHERE {condition} ORDER BY enqueued_at", *values)
        found = []
        for name, run, host, inventory, payload, max_wait, timeout, seen, enqueued_at, renewed_at in rows:
            earlier = tuple(self.store.decoded(seen))
            wanted = self.store.decoded(payload)
            request = WriteRequest(
                *(wanted, max_wait, timeout, name, run, host, inventory, earlier), enqueued_at=enqueued_at
            )
            found.append((request, renewed_at))
        return found

    def _save(self, requests: Iterable[WriteRequest], results: Mapping[str, Result]) -> None:
        self._update("result", ((request, results[request.id]) for request in requests if request.id in results))

    def _update(self, column: str, values: Iterable[tuple[WriteRequest, Any]]) -> None:
        """Set a column (JSON) of requests, unless they were submitted again since they were read from the queue."""
        with self.store.transaction() as database:
            database.executemany(
                f"UPDATE write_requests SET {column} = ? WHERE id = ? AND enqueued_at = ?",
                [(json.dumps(value), request.id, request.enqueued_at) for request, value in values],
            )


class WriteQueue(_RequestTable):
    """The queue of the requests for one key with the same access options; check mode has its own queue.


    ``clock`` returns the seconds since some moment.
    """

    def __init__(
        self,
        store: Store,
        key: str,
        access: str = "",
        *,
        check: bool = False,
        policy: QueuePolicy = DEFAULT_POLICY,
        clock: Callable[[], float] = elapsed,
    ) -> None:
        super().__init__(store, key, f"{access} {check}")
        self.cache = WhitelistCache(store, key, f"whitelist-{key}")
        self._policy, self._clock = policy, clock
        self._lock = f"whitelist-{key}{'-check' if check else ''}"
        #: Seconds that the last submission waited, and the part of them that it spent as the leader on collecting.
        self.waited = self.collected = 0.0

    def submit(
        self, request: WriteRequest, write: BatchWriter, batch_window: Callable[[], float] = lambda: 0.0
    ) -> Result | None:
        """Return the result from another leader; None if this process was the leader, and has written.

        ``batch_window`` returns the seconds to wait for more requests if some are waiting already. The request of a
        single task is in the queue only during this call.
        """
        self.waited = self.collected = 0.0
        is_decided, result = self._attempt(request, write, batch_window, enqueued=bool(request.run))
        if is_decided:
            return result
        if request.exclusive:
            return self._wait(request, write, batch_window)
        self._renew(request)
        try:
            result = self._wait(request, write, batch_window)
        finally:
            if result is None or not request.run:
                # A request that remains is deleted later: a failure here must not hide the result.
                with contextlib.suppress(StateError):
                    self._withdraw(request)
        return result

    def purge_stale(self) -> None:
        """Delete the requests of ended processes and finished runs."""
        runs = self.store.rows("SELECT DISTINCT run FROM write_requests WHERE run != ''")
        over = [row for row in runs if is_run_finished(row[0])]
        newest = "SELECT enqueued_at FROM write_requests ORDER BY enqueued_at DESC LIMIT 1 OFFSET ?"
        with self.store.transaction() as database:
            database.execute(
                "DELETE FROM write_requests WHERE run = '' AND renewed_at < ?", (self.store.now() - WAITER_TTL,)
            )
            database.executemany("DELETE FROM write_requests WHERE run = ?", over)
            database.execute("DELETE FROM write_requests WHERE enqueued_at < ?", (self.store.now() - REQUEST_TTL,))
            surplus = f"enqueued_at <= ({newest})"
            database.execute(f"DELETE FROM write_requests WHERE {surplus}", (self._policy.max_requests,))
        self.cache.forget_runs(over)
        purge_results(self.store)

    def _attempt(
        self, request: WriteRequest, write: BatchWriter, batch_window: Callable[[], float], *, enqueued: bool
    ) -> tuple[bool, Result | None]:
        """Become the leader if there is none. Return whether there is a result, and the result from another leader."""
        if enqueued and (result := self.result(request)) is not None:
            return True, result
        with self.store.try_lock(self._lock) as leading:
            if not leading:
                return False, None
            # Another leader may have stored it before it released the lock.
            if enqueued and (result := self.result(request)) is not None:
                return True, result
            self._lead(request, write, batch_window, enqueued=enqueued)
            return True, None

    def _wait(self, request: WriteRequest, write: BatchWriter, batch_window: Callable[[], float]) -> Result | None:
        """Return the result from another leader, or None after this process was the leader."""
        began = renewed = self._clock()
        # The leader's calls take time, however short max_wait is.
        longest = request.max_wait + self._policy.max_calls * max(request.timeout, self._policy.min_timeout)
        next_check, interval = began + request.max_wait + self._policy.grace, MIN_POLL
        while True:
            now = self._clock()
            self.waited = now - began
            is_decided, result = self._attempt(request, write, batch_window, enqueued=not request.exclusive)
            if is_decided:
                return result
            if self.waited > longest:
                raise WaitBudgetExceeded(
                    f"Other processes have been writing to the same whitelist for {longest:.0f} seconds, at last "
                    f"{self.store.holder_of(self._lock)}: run again later, or end that process if it hangs."
                )
            if now > next_check:
                next_check = now + self._policy.grace
                self._check_leader(request)
            if now > renewed + self._policy.renew_interval and not request.exclusive:
                renewed = now
                self._renew(request)
            interval = min(interval * 1.2, self.store.poll_interval)
            self.store.wait_for_change(interval, self._wait_for_leader(request, longest - self.waited))

    def _wait_for_leader(self, request: WriteRequest, left: float) -> Wait:
        def examine(wait: Wait) -> Wait:
            found = replace(wait, detail=self.store.describe_holder(self._lock))
            if not self.store.is_holder_stopped(self._lock):
                return found
            # _check_leader ends the wait.
            return replace(found, allowed=request.max_wait + self._policy.grace - self.waited, option="max_wait")

        reason = "another process is writing to the same whitelist"
        return Wait(reason, left, option="max_wait and timeout", examine=examine)

    def _check_leader(self, request: WriteRequest) -> None:
        """Raise WaitBudgetExceeded if the leader is stopped."""
        if self.store.is_holder_stopped(self._lock):
            raise WaitBudgetExceeded(
                f"The whitelist cannot be changed: {self.store.holder_of(self._lock)}, which writes to it, is stopped "
                f"for longer than max_wait ({request.max_wait:g} seconds). Continue it (kill -CONT) or end it, and run "
                "again."
            )

    def _lead(
        self, request: WriteRequest, write: BatchWriter, batch_window: Callable[[], float], *, enqueued: bool
    ) -> None:
        requests = [] if request.exclusive else self._collect(request, batch_window)
        own = next((other for other in requests if other.id == request.id), request)
        others = [other for other in requests if other.id != request.id]
        batch = [own, *others]
        results = write(batch)
        if others or enqueued:
            self._save(batch, results)
            self.purge_stale()

    def _collect(self, request: WriteRequest, batch_window: Callable[[], float]) -> list[WriteRequest]:
        """Return the requests to write for: those of the own run and inventory, and all others that wait."""
        began, before = self._clock(), self._waiting(request)
        if before:
            window = batch_window()
            reason = "further changes are collected, so that the vendor's limit lasts for all of them"
            self.store.announcer.sleep(window, Wait(reason, window))
            self._await_renewals(request, before)
        self.collected = self._clock() - began
        self.waited += self.collected

        def belongs(other: WriteRequest, renewed_at: float | None) -> bool:
            if other.id == request.id or (renewed_at is not None and renewed_at != before.get(other.id)):
                return True
            return bool(request.run) and (request.run, request.inventory) == (other.run, other.inventory)

        return [other for other, renewed_at in self._undecided() if belongs(other, renewed_at)]

    def _await_renewals(self, request: WriteRequest, before: Mapping[str, float]) -> None:
        """Wait until the others have renewed their requests. If one is not renewed, its process has ended."""
        deadline, oldest = self._clock() + self._policy.renew_timeout, self.store.now() - self._policy.renew_timeout
        while self._clock() < deadline:
            waiting = self._waiting(request, of_others=True)
            if not any(at == before.get(name) and at > oldest for name, at in waiting.items()):
                return
            left = deadline - self._clock()
            self.store.wait_for_change(MIN_POLL, Wait("other processes are renewing their requests", left))


def has_pending_changes(store: Store, run: str) -> bool:
    """Whether a request of the run requires changes, or required them when it was enqueued."""
    return bool(store.rows("SELECT 1 FROM write_requests WHERE run = ? AND no_op = 0 LIMIT 1", run))


def is_in_sync(store: Store, run: str) -> bool:
    """Whether hosts of the run have requests, and none of them requires a change."""
    return not has_pending_changes(store, run) and bool(
        store.rows("SELECT 1 FROM write_requests WHERE run = ? LIMIT 1", run)
    )
