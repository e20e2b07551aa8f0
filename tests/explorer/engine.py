# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every interleaving of two runs for one key, with a few disturbances: no HTTP, and no database.

The runs are the collection's own code, over the rules of its own journal. Whatever they do goes through
:meth:`Process.ask`: they read or change the journal, call the vendor, wait, or take the lock of the key. So a process
is what it was answered: to go on from a state, it runs again, gets the same answers, and then a new one. There are as
many of these as the vendor, the machine and the other process allow.

States are visited breadth-first over these choices, each once. A state is the vendor's books, the journal, the lock,
what may still happen, and what each process was answered, with all times relative to the present.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError, UncertainOutcomeError
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.directory import StateError
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.journal import Journal
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.journal_rows import SENT, SETTLED, Call, JournalRow

#: What may happen once each: to a call, to the list, to a process, to a clock, and to the lock of the key.
CALL, LAG, DEATH, CLOCK, LOCK = "call", "lag", "death", "clock", "lock"
EVERYTHING = frozenset({CALL, LAG, DEATH, CLOCK, LOCK})
START, DAY = 1_800_000_000.0, 86400.0
#: Seconds for which the machine is suspended or off, and after which a later run begins.
SUSPENDED, OFF, LATER = 7200.0, 300.0, 700.0


class World(NamedTuple):
    """What all processes share. ``now`` is true time, and state time lacks the ``gap``.

    ``held`` are the resources: their numbers, each with the number of the row that paid for it. ``late`` are calls
    that may still be carried out: the row, how many resources, and until when. A list may lack the ``hidden``
    resources until a time. ``left`` is what may still happen.
    """

    now: float = START
    gap: float = 0.0
    wall: float = 0.0
    held: tuple[tuple[int, int], ...] = ()
    late: tuple[tuple[int, int, float], ...] = ()
    hidden: tuple[tuple[int, float], ...] = ()
    rows: tuple[JournalRow, ...] = ()
    holder: int | None = None
    left: frozenset[str] = frozenset()

    @property
    def state_time(self) -> float:
        return self.now - self.gap

    def rows_key(self) -> tuple[Any, ...]:
        return tuple(_row_key(row, self.state_time) for row in self.rows)

    def key(self) -> tuple[Any, ...]:
        """Return what distinguishes the state."""
        late = tuple((row, number, by - self.now) for row, number, by in self.late)
        hidden = tuple((number, by - self.now) for number, by in self.hidden)
        return self.wall, self.gap, self.held, late, hidden, self.rows_key(), self.holder, self.left

    def without(self, *kinds: str) -> World:
        return self._replace(left=self.left.difference(kinds))

    def bought(self, row: int, number: int) -> World:
        """Return the world after a call that buys so many resources."""
        first = len(self.held) + 1
        return self._replace(held=(*self.held, *((one, row) for one in range(first, first + number))))

    def caught_up(self) -> World:
        """Return the world after all late calls."""
        world = self._replace(late=())
        for row, number, _by in self.late:
            world = world.bought(row, number)
        return world


def _row_key(row: JournalRow, now: float) -> tuple[Any, ...]:
    answered = None if row.answered_at is None else row.answered_at - now
    received = None if row.received is None else tuple(row.received)
    marks = tuple(sorted(row.marks.items()))
    return row.id, row.operation, row.state, row.sent_at - now, answered, marks, received, row.witness, row.asked


class Run(NamedTuple):
    """A process: its answers, a hash of them, when it began, whether it has lost its lock, and whether it has ended."""

    answers: tuple[Any, ...] = ()
    key: int = 0
    began: float = 0.0
    lost: bool = False
    ended: bool = False

    def state(self, now: float) -> tuple[Any, ...]:
        """Return what distinguishes the process."""
        return self.key, self.lost, self.ended, now - self.began if self.answers else 0.0


class Outcome(NamedTuple):
    """What a run tells its user: its error, the names of what it has bought, and how long it has waited."""

    error: QgError | None
    new: frozenset[str]
    waited: float


class Answer(NamedTuple):
    """A possible answer, and the world after it. The process may die instead of getting it."""

    world: World
    value: Any = None
    name: str = ""
    error: Callable[[], Exception] | None = None
    dies: bool = False


class _Stopped(BaseException):
    """The process is not continued here."""


class Violation(AssertionError):
    """A property does not hold; the text is how the state was reached."""


@dataclass
class Process:
    """One execution of a run: its earlier answers, and then new ones."""

    answers: list[Any]
    more: Callable[[str, Any], Any]
    now: float = 0.0
    wall_ahead: float = 0.0
    #: The rows that it has inserted.
    inserted: list[int] = field(default_factory=list)
    _next: int = 0
    _stopped: bool = False

    def ask(self, kind: str, argument: Any = None) -> Any:
        """Take a step; returns the answer, or raises it."""
        if self._stopped:
            raise _Stopped
        if self._next == len(self.answers):
            try:
                self.answers.append(self.more(kind, argument))
            except _Stopped:
                self._stopped = True
                raise
        value, error, self.now, self.wall_ahead = self.answers[self._next]
        self._next += 1
        if error is not None:
            raise error()
        return value


@dataclass
class MemoryStore:
    """The clock and the lock of a store, as a process sees them."""

    process: Process
    lost: bool = False

    def now(self) -> float:
        return self.process.now

    def wall_ahead(self) -> float:
        return self.process.wall_ahead

    def decoded(self, text: str) -> Any:
        return json.loads(text)

    def confirm_locks(self) -> None:
        if self.lost:
            raise StateError("the lock was lost")


class MemoryRows:
    """Rows in memory, in place of those in the table."""

    def __init__(self, rows: Iterable[JournalRow], process: Process) -> None:
        self.known = {row.id: row for row in rows}
        self._process = process

    def recent(self, read_at: float | None = None) -> list[JournalRow]:
        read_at = self._process.now if read_at is None else read_at
        return [row for row in self.known.values() if row.is_recent(read_at)]

    def numbered(self, numbers: Collection[int]) -> list[JournalRow]:
        return [self.known[number] for number in sorted(numbers)]

    def received_names(self, first: int) -> set[str]:
        return {name for row in self.known.values() for name in row.received or ()}

    def insert(self, call: Call, product: str, now: float, wall_at: float) -> int:
        number = len(self.known) + 1
        self._process.inserted.append(number)
        self.known[number] = JournalRow(
            *(number, call.operation, call.endpoint, frozenset(call.names), call.asked, call.request, call.witness),
            *(now, call.timeout, SENT, None, call.marks, {}, call.buys),
        )
        return number

    def save(self, rows: Sequence[JournalRow]) -> None:
        self.known.update({row.id: row for row in rows})


@dataclass
class MemoryJournal(Journal):
    """The journal over rows in memory, with the rules of the real one."""

    store: Any

    def read(self) -> Any:
        process = self.store.process
        return MemoryRows(process.ask("read the journal"), process)

    @contextlib.contextmanager
    def change(self) -> Iterator[Any]:
        process = self.store.process
        rows, self.store.lost = process.ask("change the journal")
        changed = MemoryRows(rows, process)
        yield changed
        process.ask("commit", tuple(changed.known.values()))


#: The possible answers of the vendor to a call, the likely one first.
Vendor = Callable[[World, str, Any], Iterator[Answer]]


@dataclass
class Explorer:
    """The search. ``program`` is what each process runs. All want ``wanted`` resources to be held.

    At most ``limit`` of the disturbances in ``kinds`` happen on one way. No run waits longer than ``longest``.
    """

    program: Callable[[Process], Outcome]
    vendor: Vendor
    wanted: int
    limit: int
    longest: float
    kinds: frozenset[str] = EVERYTHING
    states: set[int] = field(default_factory=set)
    depth: int = 0
    executions: int = 0
    waited: float = 0.0
    _moves: set[int] = field(default_factory=set)
    _ends: set[int] = field(default_factory=set)
    _queue: deque[tuple[World, tuple[Run, ...], int, tuple[str, ...]]] = field(default_factory=deque)

    def explore(self) -> None:
        """Visit all states; raises Violation."""
        self._queue.append((World(left=self.kinds), (Run(), Run()), 0, ()))
        while self._queue:
            world, runs, mover, way = self._queue.popleft()
            self._continue(_Way(self, world, list(runs), mover, list(way)))

    def _continue(self, way: _Way) -> None:
        self.executions += 1
        process = Process(list(way.runs[way.mover].answers), way.step)
        try:
            outcome = self.program(process)
        except _Stopped:
            return
        way.end(process, outcome)

    def queue(self, world: World, runs: Sequence[Run], mover: int, way: Iterable[str]) -> None:
        self._queue.append((world, tuple(runs), mover, tuple(way)))

    def is_new(self, world: World, runs: Sequence[Run], mover: int) -> bool:
        """Whether this process has not moved yet in this state."""
        state = hash((world.key(), *(run.state(world.now) for run in runs)))
        self.states.add(state)
        move = hash((state, mover))
        if move in self._moves:
            return False
        self._moves.add(move)
        self.depth = max(self.depth, sum(len(run.answers) for run in runs))
        return True

    def finish(self, world: World, way: Sequence[str]) -> None:
        """Check a state in which no process runs any longer, and that one more run then puts all right."""
        world = world.caught_up()
        key = hash(world.key())
        if key in self._ends:
            return
        self._ends.add(key)
        self._check(world, way)
        later = world._replace(now=world.now + LATER, hidden=(), left=frozenset(), holder=None)
        last = _Way(self, later, [Run()], 0, [*way, "a later run"])
        process = Process([], last.step)
        self.executions += 1
        outcome = self.program(process)
        if outcome.error or len(last.world.held) != self.wanted:
            raise last.violation(f"{len(last.world.held)} held in the end, {outcome.error}")
        self._check(last.world, last.way)
        if any(row.is_open for row in last.world.rows):
            raise last.violation("never settled")

    def _check(self, world: World, way: Sequence[str]) -> None:
        booked = Counter(name for row in world.rows for name in row.received or ())
        room = sum(row.buys - len(row.received or ()) for row in world.rows if row.is_open)
        if len(world.held) > self.wanted:
            raise Violation(f"paid twice: {'; '.join(way)}")
        if len(booked) != sum(booked.values()) or len(world.held) > len(booked) + room:
            raise Violation(f"not in the ledger once: {'; '.join(way)}")


@dataclass
class _Way:
    """The steps of one process from a state on."""

    explorer: Explorer
    world: World
    runs: list[Run]
    mover: int
    way: list[str]

    @property
    def _is_last(self) -> bool:
        return len(self.runs) == 1

    def violation(self, what: str) -> Violation:
        return Violation(f"{what}: {'; '.join(self.way)}")

    def step(self, kind: str, argument: Any) -> Any:
        """Return the first of the possible answers; the others are for later."""
        explorer, world = self.explorer, self.world
        run = self.runs[self.mover]
        if kind == "commit":
            self._check_settled(argument)
            return self._take(Answer(world._replace(rows=argument)))
        if not run.answers:
            run = self.runs[self.mover] = run._replace(began=world.now)
        if self._is_last:
            return self._take(next(self._answers(kind, argument)))
        if not explorer.is_new(world, self.runs, self.mover):
            raise _Stopped
        other = 1 - self.mover
        if run.answers and self._may_move(other):
            explorer.queue(world, self.runs, other, (*self.way, f"process {other + 1}"))
        if kind == "lock" and world.holder is not None:
            raise _Stopped
        if kind != "read the journal":
            for after, name, disturbed in self._disturbances():
                self._keep(after, name, disturbed, kind)
        answers = list(self._answers(kind, argument))
        for answer in answers[1:]:
            after = run._replace(ended=True) if answer.dies else self._answered(answer)[0]
            self._keep(answer.world, answer.name, after, kind)
        if not answers:
            raise _Stopped
        return self._take(answers[0])

    def _may_move(self, process: int) -> bool:
        run, holder = self.runs[process], self.world.holder
        return not run.ended and (holder is None or holder == process or run.lost)

    def _keep(self, world: World, name: str, run: Run, kind: str) -> None:
        """Go on with this process later, or with the other one if it has ended."""
        if len(world.left) < len(self.explorer.kinds) - self.explorer.limit:
            return
        runs = [run if place == self.mover else other for place, other in enumerate(self.runs)]
        kept = _Way(self.explorer, world, runs, self.mover, [*self.way, f"{name} at: {kind}" if name else kind])
        if run.ended:
            kept.leave()
        else:
            self.explorer.queue(world, runs, self.mover, kept.way)

    def _answers(self, kind: str, argument: Any) -> Iterator[Answer]:
        world, run = self.world, self.runs[self.mover]
        if kind == "lock":
            yield Answer(world._replace(holder=self.mover))
        elif kind == "read the journal":
            yield Answer(world, world.rows)
        elif kind == "change the journal":
            yield Answer(world, (world.rows, run.lost))
        elif kind == "wait":
            yield Answer(world._replace(now=world.now + argument))
        else:
            if any(world.now < by for _row, _number, by in world.late):
                yield from self.explorer.vendor(world, kind, argument)
            if world.late:
                for answer in self.explorer.vendor(world.caught_up(), kind, argument):
                    yield answer._replace(name=f"carried out late, {answer.name}")
            else:
                yield from self.explorer.vendor(world, kind, argument)

    def _disturbances(self) -> Iterator[tuple[World, str, Run]]:
        """Yield what may happen before a step: the world after it, its name, and the process."""
        world, run = self.world, self.runs[self.mover]
        dead = run._replace(ended=True)
        if DEATH in world.left:
            yield world.without(DEATH), "death", dead
        if CLOCK in world.left:
            after = world.without(CLOCK)
            for step in (-DAY, DAY):
                yield after._replace(wall=step), f"wall clock {step:+.0f}", run
            yield after._replace(now=world.now + SUSPENDED), "suspended", run
            yield after._replace(now=world.now + OFF, gap=OFF), "machine off", dead
        if LOCK in world.left and world.holder == self.mover:
            yield world.without(LOCK)._replace(holder=None), "lock lost", run._replace(lost=True)

    def _answered(self, answer: Answer) -> tuple[Run, Any]:
        world, run = answer.world, self.runs[self.mover]
        value = answer.value
        if isinstance(value, tuple) and value and isinstance(value[0], tuple | JournalRow):
            # The journal, which belongs to the world.
            value = world.rows_key()
        since = world.now - run.began
        seen = (value, answer.error and answer.name, since, world.gap, world.wall)
        item = (answer.value, answer.error, world.state_time, world.gap + world.wall)
        return run._replace(answers=(*run.answers, item), key=hash((run.key, seen))), item

    def _take(self, answer: Answer) -> Any:
        self.world = answer.world
        if answer.name:
            self.way.append(answer.name)
        self.runs[self.mover], item = self._answered(answer)
        return item

    def _check_settled(self, rows: Iterable[JournalRow]) -> None:
        """No call is over as long as the vendor may carry it out."""
        late = {row for row, _number, by in self.world.late if self.world.now < by}
        if any(row.id in late and row.state == SETTLED for row in rows):
            raise self.violation("settled before its time")

    def end(self, process: Process, outcome: Outcome) -> None:
        """Check the outcome of the process; the other one goes on."""
        explorer = self.explorer
        # A wait during which the machine was suspended counts as long as that was.
        waited = outcome.waited % SUSPENDED
        explorer.waited = max(explorer.waited, waited)
        if waited > explorer.longest:
            raise self.violation(f"waited for {waited:.0f} seconds")
        paid = sum(row in process.inserted for _number, row in self.world.held)
        if not isinstance(outcome.error, UncertainOutcomeError) and paid > len(outcome.new):
            raise self.violation(f"{paid} paid for, and {len(outcome.new)} reported")
        self.runs[self.mover] = self.runs[self.mover]._replace(ended=True)
        self.leave()

    def leave(self) -> None:
        """After the end of the process, go on with the other one, or finish."""
        ended = self.runs[self.mover]._replace(answers=(), key=0, began=self.world.now, lost=False)
        self.runs[self.mover] = ended
        if self.world.holder == self.mover:
            self.world = self.world._replace(holder=None)
        other = 1 - self.mover
        if self.runs[other].ended:
            self.explorer.finish(self.world, self.way)
        else:
            self.explorer.queue(self.world, self.runs, other, (*self.way, f"process {other + 1}"))
