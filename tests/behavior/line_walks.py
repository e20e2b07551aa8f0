# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A random walk over reserved lines, which the API calls monopolies: a seed draws how QG.net's list
lags, then what tasks, another client of the key, QG.net and chance do.

A walk notes what is true, by QG.net's own books; :mod:`behavior.promises` judges each of its runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from behavior.outcomes import FAULTS
from behavior.paid_calls import MONOPOLY, OCCUPANCY, Options
from support.invariants import Result
from support.node import Node
from support.vendor import Vendor, books

STEPS = (6, 12)
LIST = "GET /monopolies"
APPLY = "POST /monopolies"
RELEASE = "DELETE /monopolies"
REDIAL = "PUT /monopolies/ips"
CALLS = {"present": APPLY, "absent": RELEASE, "redialed": REDIAL}
LOST = [fault for fault in FAULTS.values() if fault.plan and not fault.list_lag and fault.has_quota]
#: A release or a redial that is reported is believed.
UNREPORTED = [fault for fault in LOST if not fault.is_success]
MAX_WAIT = (300, 300, 300, 30, 0)
#: For half a day, no line can be released.
GAPS = (5, 30, 61, 120, 13 * 3600, 13 * 3600)
#: What happens in a step, more often what is more telling.
KINDS = (
    *("present",) * 4,
    *("absent",) * 4,
    *("redialed",) * 2,
    *("again",) * 3,
    *("time passes",) * 4,
    *("another client",) * 2,
    *("a line is taken back",) * 1,
)


@dataclass(eq=False)
class Line:
    """What is true of a reserved line: since when it is held, and until when."""

    uuid: str
    bought_at: float
    is_own: bool
    removed_at: float | None = None
    #: Whether a run has removed it.
    is_released: bool = False


@dataclass
class LineRun:
    """A run of qg_monopoly, and QG.net's books before and after it.

    Without a ``result``, its process was killed. ``redialed`` are the lines that were dialed again.
    """

    options: Options
    result: Result | None
    began: float
    ended: float
    before: list[Line]
    after: list[Line]
    bought: list[Line]
    gone: list[Line]
    redialed: set[str]
    #: Whether a call of an earlier run was under way when it began, and whether any was when it
    #: ended.
    is_late: bool
    is_pending: bool
    has_mishap: bool
    #: Whether one list of it has shown less than there was.
    has_wrong_list: bool

    @property
    def state(self) -> str:
        return str(self.options["state"])

    @property
    def is_ok(self) -> bool:
        return self.result is not None and not self.result.get("failed")

    @property
    def message(self) -> str:
        return str((self.result or {}).get("msg", ""))

    def chosen(self) -> list[Line]:
        """Return the lines that were held and that it names, or all."""
        uuids = self.options.get("uuids")
        return [line for line in self.before if uuids is None or line.uuid in uuids]

    def __str__(self) -> str:
        told = "killed"
        if self.result is not None:
            outcome = "ok" if self.is_ok else "failed"
            told = f"{outcome}, changed {self.result['changed']}: {self.message}"
        books_text = f"paid {len(self.bought)}, held {len(self.before)} -> {len(self.after)}"
        seconds = f"{self.ended - self.began:.0f} s"
        return f"{self.options} ({books_text}, {len(self.gone)} gone, {seconds}): {told}"


@dataclass
class LineWalk:
    """A walk with this seed; :meth:`runs` takes its steps."""

    seed: int
    folder: Path
    history: list[LineRun] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.list_lag = self.random.choice((0, 0, 0, 3, 20, 50))
        plan: Options = {**OCCUPANCY, "channels": 12}
        self.vendor = Vendor(**plan)
        options = {
            "list_lag": self.list_lag,
            "dial_seconds": 3,
            "queue_seconds": self.random.choice((1, 5)),
            "apply_data": self.random.choice(("uuids", "objects", "empty")),
        }
        self.vendor.configure(options=options)
        self.node = Node(self.folder / "store", self.vendor, product=None)
        self.node.is_alone = False
        self.lines: list[Line] = []
        self.log.append(f"seed {self.seed}: {options}")

    @property
    def now(self) -> float:
        return self.vendor.clock.now()

    def held(self) -> list[Line]:
        """Return what the key holds."""
        uuids = set(self.vendor.uuids)
        return [line for line in self.lines if line.uuid in uuids]

    def note(self, *, is_own: bool) -> list[Line]:
        """Note what was bought since the last time, which is returned, and what was removed."""
        known = {line.uuid for line in self.lines}
        new = [Line(uuid, self.now, is_own) for uuid in self.vendor.uuids if uuid not in known]
        self.lines += new
        held = self.held()
        for line in self.lines:
            if line.removed_at is None and line not in held:
                line.removed_at = self.now
                line.is_released = is_own
        return new

    def runs(self) -> Iterator[LineRun]:
        """Walk on, and yield each run."""
        yield self._run(self._present())
        for _step in range(self.random.randint(*STEPS)):
            kind = self.random.choice(KINDS)
            if kind == "present":
                yield self._run(self._present())
            elif kind in CALLS:
                yield self._run(self._changed(kind))
            elif kind == "again":
                interrupted = [run for run in self.history if not run.is_ok]
                run = self.random.choice(self.history + 2 * interrupted)
                yield self._run({**run.options, "max_wait": self.random.choice(MAX_WAIT)})
            else:
                self._happen(kind)

    def _present(self) -> Options:
        options: Options = {"state": "present", "count": self.random.randint(1, 4)}
        if self.random.random() < 0.3:
            options["wait"] = False
        return {**options, "max_wait": self.random.choice(MAX_WAIT)}

    def _changed(self, state: str) -> Options:
        options: Options = {"state": state, "max_wait": self.random.choice(MAX_WAIT)}
        uuids = self.vendor.uuids
        if self.random.random() < 0.6 or not uuids:
            return {**options, "all": True}
        return {**options, "uuids": self.random.sample(uuids, self.random.randint(1, len(uuids)))}

    def _happen(self, kind: str) -> None:
        if kind == "time passes":
            seconds = self.random.choice(GAPS)
            self.log.append(f"{seconds} s pass")
            self.vendor.advance(seconds)
            self.note(is_own=True)
        elif kind == "another client":
            self.vendor.response(APPLY, Num=self.random.randint(1, 2))
            self.log.append(f"another client applies: {len(self.note(is_own=False))}")
        elif self.held():
            line = self.random.choice(self.held())
            self.log.append(f"QG.net takes {line.uuid} back")
            monopolies = books(self.vendor).monopolies
            monopolies[:] = [each for each in monopolies if each.uuid != line.uuid]
            self.note(is_own=False)

    def _prepare_mishap(self, state: str) -> str:
        """Let something go wrong in the run that follows; returns what."""
        if self.random.random() > 0.5:
            return ""
        call = CALLS[state]
        way = self.random.choice(("lost", "late", "killed", "wrong list", "wrong list"))
        if way == "lost":
            fault = self.random.choice(LOST if state == "present" else UNREPORTED)
            self.log.append(f"{call} will be: {fault.name}")
            self.vendor.fault(call, **fault.plan)
        elif way == "late":
            if self.vendor.under_way:
                return ""
            seconds = self.random.choice((14, 28))
            self.log.append(f"{call} will be carried out {seconds} s late")
            self.vendor.late = (call, seconds)
        elif way == "killed":
            steps = self.random.randint(5, 40)
            self.log.append(f"the process will be killed at step {steps}")
            self.node.at_step(steps, self.node.die)
        else:
            self._spoil_a_list()
        return way

    def _spoil_a_list(self) -> None:
        """Let one of the first readings of the next run lack some lines, or all."""
        number = self.random.randint(1, 3)
        uuids = self.vendor.uuids
        hidden = self.random.sample(uuids, self.random.randint(0, len(uuids))) or uuids
        readings: list[Any] = []

        def lacking(body: Any) -> Any:
            readings.append(body)
            if len(readings) != number:
                return body
            return {**body, "data": [row for row in body["data"] if row["uuid"] not in hidden]}

        self.log.append(f"reading {number} of the list will lack {hidden}")
        self.vendor.alter(LIST, lacking)

    def _run(self, options: Options) -> LineRun:
        hooks = [*self.vendor.hooks]
        mishap = self._prepare_mishap(options["state"])
        began = self.now
        before = self.held()
        dialed = {each.uuid: each.dial_at for each in books(self.vendor).monopolies}
        is_late = bool(self.vendor.under_way)
        result = self.node.attempt(MONOPOLY, **options)
        self.vendor.faults.clear()
        self.vendor.hooks[:] = hooks
        self.vendor.late = None
        self.node.event = None
        redialed = set()
        for each in books(self.vendor).monopolies:
            if dialed.get(each.uuid, each.dial_at) != each.dial_at:
                redialed.add(each.uuid)
        bought = self.note(is_own=True)
        after = self.held()
        gone = [line for line in before if line not in after]
        run = LineRun(
            options,
            result,
            began,
            self.now,
            before,
            after,
            bought,
            gone,
            redialed,
            is_late,
            bool(self.vendor.under_way),
            bool(mishap),
            mishap == "wrong list",
        )
        self.history.append(run)
        self.log.append(str(run))
        return run
