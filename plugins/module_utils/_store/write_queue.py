# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose turn it is to write to a whitelist, and for whom else.

This file is private to the collection.

Only one process of a control node writes to the whitelist of a key at a time: it holds a lock that the kernel frees
when it dies. Whoever has to wait puts his wish on a board in the state directory. When the turn comes to somebody, he
writes for all who wait, and leaves each a verdict. The hosts of a play are on the board before they wait, so that the
first of them writes for all.

Each who waits holds a lock of his own, so that nobody takes the wish of a dead process for a living one's.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import QgError, WaitBudgetExceeded
from .._whitelist.plan import Wish
from .state import State

#: Seconds between two looks at the board while another process writes: at first, and at most.
SHORTEST_NAP, MAX_SLEEP_SHARE = 0.02, 0.2
#: Seconds by which the waiting for a writer who rests may be counted wrong.
GRACE = 1.0
#: Calls for which a writer is waited for beside max_wait, and the least timeout, in seconds, that counts for each.
MAX_CALLS, MIN_TIMEOUT = 10, 3.0
#: Seconds after which a wish on the board is of no use to anybody: no play takes longer from one task to the next.
WISH_LIFE = 86400
#: Seconds for which a task believes what it has read of the whitelist for its first hosts.
FRESH = 60.0
#: Seconds after which nobody asks any more for what was read.
READING_LIFE = 3600.0
#: Wishes on the board, of runs whose end cannot be seen from here; the oldest go first.
MOST_WISHES = 100_000

#: What came of a wish, as it is kept on the board: JSON with ``changed`` and the like.
Verdict = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """A wish, and who has it: a host of a run of Ansible and its fleet, or else a task that speaks for itself.

    ``seen`` are addresses that a former writer found to be in need of change for it. ``detected`` says that the host
    itself reported its addresses, rather than the user.
    """

    wish: Wish
    max_wait: float
    timeout: float
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    run: str = ""
    host: str = ""
    fleet: str = ""
    seen: tuple[str, ...] = ()
    detected: bool = False


@dataclass
class Work:
    """What a writer leaves: a verdict for each entry that was decided, and the whitelist that he read last."""

    verdicts: dict[str, Verdict]
    whitelist: list[str] = field(default_factory=list)


#: Writes for an entry, the first, and for as many of the others as go with it.
Writer = Callable[[list[Entry]], Work]

_DROP_READ_LISTS = "DELETE FROM rounds WHERE id NOT IN (SELECT round FROM wishes WHERE round IS NOT NULL)"
_COLUMNS = "id, run, host, fleet, wish, max_wait, timeout, seen, waiter"


class Board:
    """The wishes for one key of all who would reach it in the same way; predictions have a board of their own."""

    def __init__(self, state: State, key: str, terms: str = "", *, check: bool = False) -> None:
        self.state = state
        self.key = key
        self._terms = f"{terms} {check}"
        self._writing = f"whitelist-{key}"
        self._lock = f"{self._writing}{'-check' if check else ''}"
        #: Seconds that the last turn was waited for; of them, those in which the writer had to wait as well.
        self.waited = self.rested = 0.0

    def post(self, entry: Entry, waiter: str | None = None, verdict: Verdict | None = None) -> None:
        """Put down a wish, in place of any former one; where nothing has to be done for it, with its verdict."""
        # No others than these options have those who share a turn.
        own = entry.wish
        wish = json.dumps([own.state, own.ips, own.keep, own.max_removals, entry.detected])
        row = (entry.id, entry.run, entry.host, entry.fleet, self.key, self._terms, wish, entry.max_wait, entry.timeout)
        text = None if verdict is None else json.dumps(verdict)
        with self.state.transaction() as database:
            database.execute("DELETE FROM wishes WHERE posted < ?", (time.time() - WISH_LIFE,))
            database.execute(
                "INSERT OR REPLACE INTO wishes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, NULL, ?)",
                (*row, waiter, time.time(), text, verdict is not None),
            )

    def withdraw(self, run: str, host: str) -> None:
        """Forget a host's wish: nothing is known of its addresses."""
        # Only this host's task puts it down. Almost always there is none, and then no other process is waited for.
        if not self.state.rows("SELECT 1 FROM wishes WHERE id = ?", f"{run}/{host}"):
            return
        with self.state.transaction() as database:
            database.execute("DELETE FROM wishes WHERE id = ?", (f"{run}/{host}",))

    def of_host(self, run: str, host: str, fleet: str, state: str) -> Entry | None:
        """What a host wishes, if it has put down anything for this key, fleet and state."""
        rows = self._rows("id = ? AND key = ? AND fleet = ?", f"{run}/{host}", self.key, fleet)
        return next((entry for entry, _waiter in rows if entry.wish.state == state), None)

    def hosts(self, run: str) -> set[str]:
        """All hosts of a run that put down a wish, for whichever key."""
        return {row[0] for row in self.state.rows("SELECT host FROM wishes WHERE run = ?", run)}

    def reading(self, task: str) -> list[str] | None:
        """The whitelist, if this task read it a moment ago and nobody here has written since."""
        now = time.time()
        query = "SELECT whitelist FROM readings WHERE key = ? AND task = ? AND fresh AND at BETWEEN ? AND ? LIMIT 1"
        rows = self.state.rows(query, self.key, task, now - FRESH, now)
        return self.state.decoded(rows[0][0]) if rows else None

    def keep_reading(self, run: str, task: str, whitelist: Collection[str], cost: Mapping[str, float]) -> None:
        """Keep the whitelist for the other hosts of a task, and what it cost to read it."""
        now, row = time.time(), (self.key, run, task, json.dumps(sorted(whitelist)), json.dumps(dict(cost)))
        with self.state.transaction() as database:
            database.execute("DELETE FROM readings WHERE at < ?", (now - READING_LIFE,))
            database.execute("UPDATE readings SET fresh = 0 WHERE key = ? AND task = ?", (self.key, task))
            database.execute(
                "INSERT INTO readings (key, run, task, whitelist, cost, at, fresh, told) "
                "VALUES (?, ?, ?, ?, ?, ?, 1, 0)",
                (*row, now),
            )

    def drop_readings(self) -> None:
        """What was read is no longer to be believed: the whitelist is about to be changed."""
        with self.state.transaction() as database:
            database.execute("UPDATE readings SET fresh = 0 WHERE key = ? AND fresh", (self.key,))

    def take_readings(self, run: str) -> tuple[list[str], dict[str, float]] | None:
        """The whitelist as a run read it last, and the cost of all that it read, of other keys too; told once."""
        untold = "run = ? AND NOT told"
        if not self.state.rows(f"SELECT 1 FROM readings WHERE key = ? AND {untold} LIMIT 1", self.key, run):
            return None
        with self.state.transaction() as database:
            rows = database.execute(
                f"SELECT whitelist, cost FROM readings WHERE {untold} ORDER BY key = ?, at", (run, self.key)
            ).fetchall()
            database.execute(f"UPDATE readings SET told = 1 WHERE {untold}", (run,))
        if not rows:
            return None
        costs = [self.state.decoded(cost) for _whitelist, cost in rows]
        return self.state.decoded(rows[-1][0]), functools.reduce(added, costs)

    @contextlib.contextmanager
    def reader(self, wait: float, unless: Callable[[], bool] = lambda: False) -> Iterator[bool]:
        """Keep others out who read for their hosts; False while another process writes.

        Other readers are waited for up to ``wait`` seconds, and only until ``unless`` is true. It is False then, too.
        """
        with self.state.try_lock(f"reading-{self.key}", wait=wait, unless=unless) as mine:
            if not mine:
                yield False
                return
            with self.state.try_lock(self._writing) as quiet:
                yield quiet

    def verdict(self, entry: Entry) -> Verdict | None:
        """What came of a wish, if anything did yet."""
        rows = self.state.rows("SELECT verdict FROM wishes WHERE id = ?", entry.id)
        return self.state.decoded(rows[0][0]) if rows and rows[0][0] is not None else None

    def whitelist_for(self, entry: Entry) -> list[str]:
        """The whitelist as the writer who brought a verdict read it last."""
        query = "SELECT whitelist FROM rounds JOIN wishes ON rounds.id = wishes.round WHERE wishes.id = ?"
        return [ip for (text,) in self.state.rows(query, entry.id) for ip in self.state.decoded(text)]

    @contextlib.contextmanager
    def settle(
        self, entry: Entry, write: Writer, patience: Callable[[], float] = lambda: 0.0
    ) -> Iterator[Verdict | None]:
        """The verdict that another process leaves; None where this one had the turn, and has written.

        ``patience`` tells for how many seconds to let more come where some wait already. The wish of a task that speaks
        for itself is on the board only as long as this lasts.
        """
        with contextlib.ExitStack() as stack:
            yield self._settled(entry, write, patience, stack)

    def _settled(
        self, entry: Entry, write: Writer, patience: Callable[[], float], stack: contextlib.ExitStack
    ) -> Verdict | None:
        began, nap = time.monotonic(), SHORTEST_NAP
        # The writer's calls take time, however little he may wait.
        longest = entry.max_wait + MAX_CALLS * max(entry.timeout, MIN_TIMEOUT)
        next_look = began + entry.max_wait + GRACE
        posted, waits = bool(entry.run), False
        while True:
            self.waited = time.monotonic() - began
            verdict = self.verdict(entry) if posted else None
            if verdict is not None:
                return verdict
            with self.state.try_lock(self._lock) as mine:
                if mine:
                    # Another writer may have come to it before he let go of the lock.
                    verdict = self.verdict(entry) if posted else None
                    if verdict is None:
                        if self._others_wait(entry):
                            seconds = patience()
                            time.sleep(seconds)
                            self.waited += seconds
                        self._write(entry, write, tidy=posted)
                    return verdict
            if not waits:
                waits = True
                if not entry.wish.solitary:
                    stack.enter_context(self._waiting(entry))
                    posted = True
                continue
            if self.rested > entry.max_wait + GRACE:
                raise WaitBudgetExceeded(
                    "Another process writes to the same whitelist and waits for its turn under the vendor's limits; "
                    f"that takes longer than max_wait ({entry.max_wait:g} seconds). Raise max_wait or run again later."
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
                        f"stopped for longer than max_wait ({entry.max_wait:g} seconds). Continue it (kill -CONT) or "
                        "end it, and run again."
                    )
            nap = min(nap * 1.2, MAX_SLEEP_SHARE)
            time.sleep(nap)
            if self.state.is_held(f"{self._lock}-rest"):
                self.rested += nap

    def rest(self, seconds: float, sleep: Callable[[float], None]) -> None:
        """Sleep as a writer, so that those who wait know that it is not the vendor's work that takes the time."""
        # Who only looks whether it is held may be in the way for a moment.
        with self.state.try_lock(f"{self._lock}-rest", wait=MAX_SLEEP_SHARE):
            sleep(seconds)

    def announce(self, seen: Mapping[str, Collection[str]]) -> None:
        """Keep what is about to be changed for whom: should the writer die, the next one knows whose change it was."""
        with self.state.transaction() as database:
            database.executemany(
                "UPDATE wishes SET seen = ? WHERE id = ?", [(json.dumps(sorted(ips)), of) for of, ips in seen.items()]
            )

    @contextlib.contextmanager
    def _waiting(self, entry: Entry) -> Iterator[None]:
        waiter = f"waiting.{secrets.token_hex(8)}"
        with self.state.try_lock(waiter):
            try:
                if entry.run:
                    with self.state.transaction() as database:
                        database.execute("UPDATE wishes SET waiter = ? WHERE id = ?", (waiter, entry.id))
                else:
                    self.post(entry, waiter)
                yield
            finally:
                self.state.drop_lock(waiter)
                if not entry.run:
                    with self.state.transaction() as database:
                        database.execute("DELETE FROM wishes WHERE id = ?", (entry.id,))
                        database.execute(_DROP_READ_LISTS)

    def _write(self, entry: Entry, write: Writer, tidy: bool) -> None:
        others = [] if entry.wish.solitary else self._company(entry)
        own = [other for other in others if other.id == entry.id]
        others = [other for other in others if other.id != entry.id]
        work = write([*(own or [entry]), *others])
        if not (others or tidy):
            return
        round_, single = secrets.token_hex(8), {other.id for other in others if not other.run}
        decided = [
            (json.dumps(verdict), round_ if name in single else None, name) for name, verdict in work.verdicts.items()
        ]
        with self.state.transaction() as database:
            database.executemany("UPDATE wishes SET verdict = ?, round = ? WHERE id = ?", decided)
            if single:
                database.execute("INSERT INTO rounds VALUES (?, ?)", (round_, json.dumps(work.whitelist)))
        self.tidy_up()

    def _others_wait(self, entry: Entry) -> bool:
        query = (
            "SELECT 1 FROM wishes WHERE key = ? AND terms = ? AND verdict IS NULL AND waiter IS NOT NULL AND id != ?"
        )
        return not entry.wish.solitary and bool(self.state.rows(query, self.key, self._terms, entry.id))

    def _company(self, entry: Entry) -> list[Entry]:
        """All who wait, those of the same run and fleet also before they do, and the entry itself as it is kept."""
        return [
            other
            for other, waiter in self._rows("key = ? AND terms = ? AND verdict IS NULL", self.key, self._terms)
            if other.id == entry.id
            or (entry.run and (entry.run, entry.fleet) == (other.run, other.fleet))
            or (waiter and self.state.is_held(waiter))
        ]

    def _rows(self, condition: str, *values: str) -> list[tuple[Entry, str | None]]:
        rows = self.state.rows(f"SELECT {_COLUMNS} FROM wishes WHERE {condition} ORDER BY posted", *values)
        found = []
        for name, run, host, fleet, wish, max_wait, timeout, seen, waiter in rows:
            state, ips, keep, max_removals, detected = self.state.decoded(wish)
            wanted = Wish(state, tuple(ips), tuple(keep), max_removals=max_removals)
            earlier = tuple(self.state.decoded(seen or "[]"))
            found.append((Entry(wanted, max_wait, timeout, name, run, host, fleet, earlier, detected), waiter))
        return found

    def tidy_up(self) -> None:
        """Forget what nobody will come back for: wishes of the dead, and the lists that went with verdicts."""
        waiters = self.state.rows("SELECT waiter FROM wishes WHERE waiter IS NOT NULL AND run = ''")
        runs = self.state.rows("SELECT DISTINCT run FROM wishes WHERE run != ''")
        dead = [row for row in waiters if not self.state.is_held(row[0])]
        over = [row for row in runs if has_ended(row[0])]
        with self.state.transaction() as database:
            database.executemany("DELETE FROM wishes WHERE waiter = ?", dead)
            database.executemany("DELETE FROM readings WHERE run = ?", over)
            database.executemany("DELETE FROM wishes WHERE run = ?", over)
            database.execute("DELETE FROM wishes WHERE rowid <= (SELECT max(rowid) FROM wishes) - ?", (MOST_WISHES,))
            database.execute(_DROP_READ_LISTS)
        self.state.drop_free_locks("waiting.")


def run_id(process: int | None = None) -> str:
    """A run of Ansible: its process, here the one that made this worker, and when and where that was started."""
    process = os.getppid() if process is None else process
    return f"{process} {_start_of(process)} {_world()}"


def is_busy(state: State, run: str) -> bool:
    """Whether something has, or had, to be done for a host of a run. Nothing that is done changes that."""
    return bool(state.rows("SELECT 1 FROM wishes WHERE run = ? AND NOT idle LIMIT 1", run))


def is_at_rest(state: State, run: str) -> bool:
    """Whether hosts of a run have put down wishes, and nothing has to be done for any of them."""
    return not is_busy(state, run) and bool(state.rows("SELECT 1 FROM wishes WHERE run = ? LIMIT 1", run))


def added(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    """Two costs together."""
    return {name: round(one.get(name, 0) + other.get(name, 0), 1) for name in {**one, **other}}


def has_ended(run: str) -> bool:
    """Whether a run is surely over. Of one in another container, that cannot be seen."""
    process, start, world = [*run.split(" ", 2), "", ""][:3]
    return world == _world() and process.isdigit() and _start_of(int(process)) != start


def _start_of(process: int) -> str:
    try:
        # Fields after the name, which may hold blanks; the start is field 22 of the line (proc(5)).
        with open(f"/proc/{process}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except OSError:
        if os.path.exists("/proc/self/stat"):
            return ""
    # Where no start is told, the session and the group that it belongs to have to do.
    try:
        return f"{os.getsid(process)}-{os.getpgid(process)}"
    except (OSError, OverflowError):
        return ""


def _world() -> str:
    """Where process numbers mean what they mean here: one machine since its start, and one container on it."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return f"{file.read().strip().decode()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return os.uname().nodename
