# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every interleaving of two runs for one key, with a few disturbances: no HTTP, and no files.

The runs are the collection's own code, over its own tables. Whatever they do goes through :meth:`Process.ask`: they
read or change the database, call the vendor, wait, or take the lock of the key. So a process is what it was answered:
to go on from a state, it runs again, gets the same answers, and then a new one. There are as many of these as the
vendor, the machine and the other process allow.

States are visited breadth-first over these choices, each once. A state is the vendor's books, the tables, the lock,
what may still happen, and what each process was answered, with all times relative to the present. What differs between
kinds of resources is a :class:`Kind`.
"""

from __future__ import annotations

import abc
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.journal import LIST_LAG, MAX_EXECUTION_DELAY, SETTLED
from explorer.memory import EMPTY, Database, Process, Statements, Stopped, Tables

#: What may happen once each: to a call, to the list, to a process, to a clock, and to the lock of the key.
CALL = "call"
LAG = "lag"
DEATH = "death"
CLOCK = "clock"
LOCK = "lock"
EVERYTHING = frozenset({CALL, LAG, DEATH, CLOCK, LOCK})
START = 1_800_000_000.0
DAY = 86400.0
#: Seconds for which the machine is suspended or off, and after which a later run begins.
SUSPENDED = 7200.0
OFF = 300.0
LATER = 700.0


class SharedWorld(NamedTuple):
    """What all processes share. ``now`` is true time, and state time lacks the ``gap``.

    ``held`` are the vendor's books. ``late`` are calls that may still be carried out: the row, what it asks for, and
    until when. A list may show each of the ``hidden`` resources as before until a time. ``left`` is what may still
    happen.
    """

    now: float = START
    gap: float = 0.0
    wall: float = 0.0
    held: tuple[Any, ...] = ()
    late: tuple[tuple[int, Any, float], ...] = ()
    hidden: tuple[tuple[Any, float], ...] = ()
    tables: Tables = EMPTY
    holder: int | None = None
    left: frozenset[str] = frozenset()

    @property
    def state_time(self) -> float:
        return self.now - self.gap

    def sent_at(self, row: int) -> float:
        """Return when a call was recorded."""
        return {entry.id: entry.sent_at for entry in self.tables.journal()}[row]

    def key(self) -> tuple[Any, ...]:
        """Return what distinguishes the state."""
        late = tuple((row, what, by - self.now) for row, what, by in self.late)
        hidden = tuple((name, by - self.now) for name, by in self.hidden)
        tables = self.tables.key(self.state_time)
        return self.wall, self.gap, self.held, late, hidden, tables, self.holder, self.left

    def without(self, *kinds: str) -> SharedWorld:
        return self._replace(left=self.left.difference(kinds))


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

    world: SharedWorld
    value: Any = None
    name: str = ""
    error: Callable[[], Exception] | None = None
    dies: bool = False


class Violation(AssertionError):
    """A property does not hold; the text is how the state was reached."""


class Kind(abc.ABC):
    """A kind of resources: what two processes run, one after the other, and what the vendor may answer.

    At the end, ``last`` are run, without disturbances.
    """

    programs: tuple[Callable[[Process], Outcome], Callable[[Process], Outcome]]
    last: tuple[Callable[[Process], Outcome], ...]
    start = SharedWorld()

    @abc.abstractmethod
    def answers(self, world: SharedWorld, kind: str, argument: Any) -> Iterator[Answer]:
        """Yield the possible answers of the vendor to a call, the likely one first."""

    @abc.abstractmethod
    def carried_out(self, world: SharedWorld, row: int, what: Any) -> SharedWorld:
        """Return the world after a late call."""

    @abc.abstractmethod
    def wrong(self, world: SharedWorld) -> str:
        """Return what must not be in a state without processes, or nothing."""

    @abc.abstractmethod
    def misreported(self, world: SharedWorld, process: Process, outcome: Outcome) -> str:
        """Return what a process must not tell its user, or nothing."""

    def reported(self, world: SharedWorld, outcome: Outcome) -> SharedWorld:
        """Return the world after a process has told its user its outcome."""
        return world

    @abc.abstractmethod
    def unfinished(self, world: SharedWorld) -> str:
        """Return what the last runs have left undone, or nothing."""

    def caught_up(self, world: SharedWorld) -> SharedWorld:
        """Return the world after all late calls."""
        after = world._replace(late=())
        for row, what, _by in world.late:
            after = self.carried_out(after, row, what)
        return after


@dataclass
class Explorer:
    """The search. At most ``limit`` of the disturbances in ``kinds`` happen on one way.

    For each of them, a run waits no longer than a lost call counts: until it can be carried out and listed no more.
    """

    kind: Kind
    limit: int
    kinds: frozenset[str] = EVERYTHING
    states: set[int] = field(default_factory=set)
    depth: int = 0
    executions: int = 0
    waited: float = 0.0
    _moves: set[int] = field(default_factory=set)
    _ends: set[int] = field(default_factory=set)
    _queue: deque[tuple[SharedWorld, tuple[Run, ...], int, tuple[str, ...]]] = field(default_factory=deque)
    _database: Database = field(default_factory=Database)

    def explore(self) -> None:
        """Visit all states; raises Violation."""
        first, second = self.kind.programs
        for mover in (0,) if first == second else (0, 1):
            self.queue(self.kind.start._replace(left=self.kinds), (Run(), Run()), mover, ())
        while self._queue:
            world, runs, mover, way = self._queue.popleft()
            self._continue(_Way(self, world, list(runs), mover, list(way)))

    def _continue(self, way: _Way) -> None:
        with contextlib.suppress(Stopped):
            process, outcome = self._execute(self.kind.programs[way.mover], way)
            way.end(process, outcome)

    def _execute(self, program: Callable[[Process], Outcome], way: _Way) -> tuple[Process, Outcome]:
        self.executions += 1
        process = Process(list(way.runs[way.mover].answers), way.step, self._database)
        return process, program(process)

    def queue(self, world: SharedWorld, runs: Sequence[Run], mover: int, way: Iterable[str]) -> None:
        self._queue.append((world, tuple(runs), mover, tuple(way)))

    def is_new(self, world: SharedWorld, runs: Sequence[Run], mover: int) -> bool:
        """Whether this process has not moved yet in this state."""
        state = hash((world.key(), *(run.state(world.now) for run in runs)))
        self.states.add(state)
        move = hash((state, mover))
        if move in self._moves:
            return False
        self._moves.add(move)
        self.depth = max(self.depth, sum(len(run.answers) for run in runs))
        return True

    def finish(self, world: SharedWorld, way: Sequence[str]) -> None:
        """Check a state in which no process runs any longer, and that later runs then put all right."""
        kind = self.kind
        world = kind.caught_up(world)
        key = hash(world.key())
        if key in self._ends:
            return
        self._ends.add(key)
        steps = list(way)
        for program in kind.last:
            if wrong := kind.wrong(world):
                raise Violation(f"{wrong}: {'; '.join(steps)}")
            later = world._replace(now=world.now + LATER, hidden=(), left=frozenset(), holder=None)
            last = _Way(self, later, [Run()], 0, [*steps, "a later run"])
            _process, outcome = self._execute(program, last)
            if outcome.error:
                raise last.violation(f"a later run failed, {outcome.error}")
            world = last.world
            steps = last.way
        if wrong := kind.wrong(world) or kind.unfinished(world):
            raise Violation(f"{wrong}: {'; '.join(steps)}")


@dataclass
class _Way:
    """The steps of one process from a state on."""

    explorer: Explorer
    world: SharedWorld
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
        explorer = self.explorer
        world = self.world
        run = self.runs[self.mover]
        if kind == "commit":
            self._check_settled(argument)
            return self._take(Answer(world._replace(tables=argument)))
        if not run.answers:
            run = self.runs[self.mover] = run._replace(began=world.now)
        if self._is_last:
            return self._take(next(self._answers(kind, argument)))
        if not explorer.is_new(world, self.runs, self.mover):
            raise Stopped
        other = 1 - self.mover
        if run.answers and self._may_move(other):
            explorer.queue(world, self.runs, other, (*self.way, f"process {other + 1}"))
        if kind == "lock" and world.holder is not None:
            raise Stopped
        if kind != "read":
            for after, name, disturbed in self._disturbances():
                self._keep(after, name, disturbed, kind)
        answers = list(self._answers(kind, argument))
        for answer in answers[1:]:
            after = run._replace(ended=True) if answer.dies else self._answered(answer)[0]
            self._keep(answer.world, answer.name, after, kind)
        if not answers:
            raise Stopped
        return self._take(answers[0])

    def _may_move(self, process: int) -> bool:
        run = self.runs[process]
        holder = self.world.holder
        return not run.ended and (holder is None or holder == process or run.lost)

    def _keep(self, world: SharedWorld, name: str, run: Run, kind: str) -> None:
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
        world = self.world
        run = self.runs[self.mover]
        if kind == "lock":
            yield Answer(world._replace(holder=self.mover))
        elif kind in ("read", "transaction"):
            yield Answer(world, Statements(world.tables, run.lost))
        elif kind == "wait":
            yield Answer(world._replace(now=world.now + argument))
        else:
            if any(world.now < by for _row, _what, by in world.late):
                yield from self.explorer.kind.answers(world, kind, argument)
            if world.late:
                for answer in self.explorer.kind.answers(self.explorer.kind.caught_up(world), kind, argument):
                    yield answer._replace(name=f"carried out late, {answer.name}")
            else:
                yield from self.explorer.kind.answers(world, kind, argument)

    def _disturbances(self) -> Iterator[tuple[SharedWorld, str, Run]]:
        """Yield what may happen before a step: the world after it, its name, and the process."""
        world = self.world
        run = self.runs[self.mover]
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
        world = answer.world
        run = self.runs[self.mover]
        # The tables belong to the world.
        value = world.tables.key(world.state_time) if isinstance(answer.value, Statements) else answer.value
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

    def _check_settled(self, tables: Tables) -> None:
        """No call is over as long as the vendor may carry it out."""
        late = {row for row, _what, by in self.world.late if self.world.now < by}
        if late and any(row.id in late and row.state == SETTLED for row in tables.journal()):
            raise self.violation("settled before its time")

    def end(self, process: Process, outcome: Outcome) -> None:
        """Check the outcome of the process; the other one goes on."""
        explorer = self.explorer
        # A wait during which the machine was suspended counts as long as that was.
        waited = outcome.waited % SUSPENDED
        explorer.waited = max(explorer.waited, waited)
        if waited > explorer.limit * (MAX_EXECUTION_DELAY + LIST_LAG):
            raise self.violation(f"waited for {waited:.0f} seconds")
        if wrong := explorer.kind.misreported(self.world, process, outcome):
            raise self.violation(wrong)
        self.world = explorer.kind.reported(self.world, outcome)
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
