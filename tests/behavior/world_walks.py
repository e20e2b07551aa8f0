# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A random walk: a seed draws a world, then what users, timers, other buyers, QG.net and chance do
in it.

A walk notes what is true, by QG.net's own books. It asserts nothing: :mod:`behavior.promises`
judges each of its runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from behavior import worlds
from behavior.outcomes import FAULTS
from behavior.paid_calls import ALLOCATE, RELEASE, REPLACE
from behavior.worlds import World
from support.invariants import Result
from support.node import Node
from support.vendor import CLASSIC, KEY, PATHS, Answer, Call

Options = dict[str, Any]
STEPS = (8, 12)
AREA = {"overseas": "990100"}
#: An area that has no addresses.
NO_STOCK = "659099"
LOST = [fault for fault in FAULTS.values() if fault.plan and not fault.list_lag and fault.has_quota]
MAX_WAIT = (300, 300, 300, 300, 30, 1, 0)
MIN_REMAINING = (*("0",) * 20, "59s", "5", "10")
GAPS = (5, 5, 30, 61, 120, 120, 700, 3700)


@dataclass(frozen=True)
class Plot:
    """What walks are about: their worlds, what happens in a step, and how a run goes wrong.

    What is more telling is named more often.
    """

    draw: Callable[[Random], World]
    kinds: tuple[str, ...]
    mishaps: tuple[str, ...]
    #: The share of runs in which something goes wrong.
    mishap_share: float


_KINDS = (
    *("ensure",) * 5,
    *("replace",) * 3,
    *("release",) * 2,
    *("again",) * 3,
    *("timer",) * 2,
    *("time passes",) * 3,
    *("another node",) * 1,
    *("another buyer",) * 2,
    *("the plan changes",) * 1,
    *("a lease is taken back",) * 1,
    *("a task is hidden",) * 1,
)
#: Leases in worlds of all sorts.
LEASES = Plot(World.draw, _KINDS, ("lost", "late", "killed", "killed"), 0.4)
#: Replacements in regular worlds, which are refused or lost, and continued.
REPLACEMENTS = Plot(
    World.draw_regular,
    (
        *("replace",) * 6,
        *("again",) * 4,
        *("timer",) * 1,
        *("ensure",) * 2,
        *("release",) * 1,
        *("time passes",) * 3,
        *("a lease is taken back",) * 1,
        *("all leases are taken back",) * 1,
    ),
    ("lost", "lost", "late", "killed", "refused", "refused", "a list is wrong"),
    0.6,
)


@dataclass(eq=False)
class Known:
    """What is true of a lease: who bought it and when, with which area, and who removed it."""

    lease: Any
    buyer: Node | None
    bought_at: float
    #: Whether its call was carried out at once.
    is_direct: bool
    #: The area that it was asked for with; None if nobody knows, and empty for any.
    area: str | None = None
    removed_at: float | None = None
    #: The node that removed it in a run; None for anybody else.
    remover: Node | None = None


@dataclass
class Run:
    """A run of a task, and QG.net's books before and after it.

    Without a ``result``, its process was killed.
    """

    node: Node
    module: str
    options: Options
    result: Result | None
    began: float
    ended: float
    before: list[Known]
    after: list[Known]
    #: What its own calls have paid for.
    bought: list[Known]
    #: What is not held any more and has not ended.
    gone: list[Known]
    #: What others had removed before, and this node may still count.
    phantoms: list[Known]
    #: Whether a call of an earlier run was under way when it began, and whether any was when it
    #: ended.
    is_late: bool
    is_pending: bool
    #: Whether something went wrong with a call or the process.
    has_mishap: bool
    #: The run before it, if that was the same one and nothing happened in between but a moment.
    repeats: Run | None

    @property
    def is_ok(self) -> bool:
        return self.result is not None and not self.result.get("failed")

    @property
    def message(self) -> str:
        return str((self.result or {}).get("msg", ""))

    @property
    def area(self) -> str:
        return "".join(self.options.get("areas") or ())

    def ended_meanwhile(self) -> list[Known]:
        """The leases that have ended by themselves in this run."""
        return [known for known in self.before if known.lease.ends <= self.ended]

    def __str__(self) -> str:
        told = "killed"
        if self.result is not None:
            told = (
                f"{'ok' if self.is_ok else 'failed'}, changed {self.result['changed']}: "
                f"{self.message}"
            )
        books = f"paid {len(self.bought)}, held {len(self.before)} -> {len(self.after)}"
        seconds = f"{self.ended - self.began:.0f} s"
        return f"{self.module} {self.options} ({books}, {len(self.gone)} gone, {seconds}): {told}"


@dataclass
class Walk:
    """A walk with this seed; :meth:`runs` takes its steps."""

    seed: int
    folder: Path
    plot: Plot = LEASES
    history: list[Run] = field(default_factory=list)
    #: What has happened, in words.
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.world = self.plot.draw(self.random)
        self.node = self.world.node(self.folder)
        self.vendor = self.node.vendor
        self.other = self.node.other()
        self.world.place(self.other)
        self.paths = PATHS[self.world.product]
        self.leases: list[Known] = []
        #: Since when and until when the list hides the leases of a task.
        self.hidden: dict[str, tuple[float, float]] = {}
        #: When the plan has got another lifetime, and whether its quota still counts channels
        #: alone.
        self.lifetime_since = 0.0
        self.counts_channels = self.paths.quota is not None
        #: Whose process runs now, and whose call may be under way; and whether it is another buyer
        #: who buys.
        self._actor: Node | None = None
        self._sender: Node | None = None
        self._is_foreign = False
        self._last_logged = 0
        worlds.when_opened(self.vendor, self._note)
        self.vendor.around(self.paths.query, self._hide)
        for node in (self.node, self.other):
            node.is_alone = False

    # What is true.

    @property
    def now(self) -> float:
        return self.vendor.clock.now()

    def held(self) -> list[Known]:
        """Return what the key holds."""
        leases = self.vendor.leases
        return [known for known in self.leases if known.lease in leases]

    def _note(self, lease: Any) -> None:
        node = self._actor
        is_direct = bool(node and node.requests and node.requests[-1][0] == self.now)
        if not is_direct and not self._is_foreign:
            # A call that was under way is carried out.
            node = self._sender
        self.leases.append(Known(lease, node, self.now, is_direct))

    def _note_removals(self, remover: Node | None) -> None:
        held = self.held()
        for known in self.leases:
            if known.removed_at is None and known not in held and known.lease.ends > self.now:
                known.removed_at = self.now
                known.remover = remover

    def phantoms(self, node: Node) -> list[Known]:
        """Return what this node may count, although others have removed it, or it itself and the
        list lags for long.
        """
        counted = []
        for known in self.leases:
            if known.removed_at is None or known.lease.ends <= self.now:
                continue
            is_shown = (
                self.world.list_lag > 60 and self.now - known.removed_at < self.world.list_lag
            )
            if known.remover is not node or is_shown:
                counted.append(known)
        return counted

    def absent_for(self, known: Known, moment: float) -> float:
        """Return for how many seconds the list has lacked a lease, apart from the first minute."""
        absent = 0.0
        if self.is_hidden(known, moment):
            absent = moment - self.hidden[known.lease.task_id][0]
        age = moment - known.bought_at
        if 60 < age < self.world.list_lag:
            absent = max(absent, age - 60)
        return absent

    def is_hidden(self, known: Known, moment: float) -> bool:
        """Whether the list hides a lease then."""
        since, until = self.hidden.get(known.lease.task_id, (moment, moment))
        return since <= moment < until

    def _hide(self, call: Call) -> Answer:
        hidden = [task for task, (since, until) in self.hidden.items() if since <= self.now < until]
        if not hidden:
            return call.carry_out()
        tasks = dict.fromkeys(known.lease.task_id for known in self.leases)
        shown = [task for task in tasks if task not in hidden]
        return call.carry_out(**worlds.task_filter(self.world.product, ",".join(shown) or "none"))

    # The steps.

    def runs(self) -> Iterator[Run]:
        """Walk on, and yield each run."""
        self.log.append(f"seed {self.seed}: {self.world}")
        yield self._run(self.node, *self._ensure())
        for _step in range(self.random.randint(*STEPS)):
            kind = self.random.choice(self._kinds())
            task = self._task(kind)
            if task is not None:
                node = self.node
                if kind == "another node":
                    node = self.other
                yield self._run(node, *task)
            else:
                self._happen(kind)

    def _kinds(self) -> tuple[str, ...]:
        """What may happen next: more often what is telling after an interrupted replacement, or
        when all has ended.
        """
        kinds = self.plot.kinds
        for run in self.history[-2:]:
            if run.module == REPLACE and not run.is_ok and (run.bought or run.gone):
                return (*kinds, *("again",) * 8, *("release",) * 8, *("replace",) * 8)
        if not self.held() and self.plot is LEASES:
            return (*kinds, *("another buyer",) * 8)
        return kinds

    def _task(self, kind: str) -> tuple[str, Options] | None:
        """Return the module and the options of a step that runs a task."""
        if kind in ("ensure", "another node"):
            return self._ensure()
        if kind == "replace":
            return self._replace()
        if kind == "release":
            return self._release()
        if kind == "again":
            # Most often one that was interrupted.
            interrupted = [run for run in self.history if not run.is_ok]
            run = self.random.choice(self.history + 2 * interrupted)
            return run.module, {**run.options, "max_wait": self.random.choice(MAX_WAIT)}
        if kind == "timer":
            self._advance(self.random.choice((0, 5, 5)))
            run = self.history[-1]
            return run.module, run.options
        return None

    def _ensure(self) -> tuple[str, Options]:
        options: Options = {"count": self.random.choice((1, 2, 2, 3, 3, 4))}
        if self.random.random() < 0.3:
            options["areas"] = [
                AREA.get(self.world.product, self.random.choice(("350500", "440100")))
            ]
        if self.paths.release and self.random.random() < 0.25:
            options["exact"] = True
        if self.random.random() < 0.3:
            options["on_uncertain"] = self.random.choice(("ignore", "match"))
        min_remaining = self.random.choice(MIN_REMAINING)
        if self.world.product == "share":
            min_remaining = self.random.choice(("0", "0", "0", "0", "0", "0", "30s", "59s", "100s"))
        if min_remaining != "0":
            options["min_remaining"] = min_remaining
        return ALLOCATE, {**options, "max_wait": self.random.choice(MAX_WAIT)}

    def _some_ips(self) -> list[str]:
        ips = sorted({known.lease.ip for known in self.held()})
        return self.random.sample(ips, min(len(ips), self.random.randint(1, 2))) or [
            "203.0.113.200"
        ]

    def _release(self) -> tuple[str, Options]:
        if self.random.random() < 0.5:
            return RELEASE, {"all": True}
        return RELEASE, {"ips": self._some_ips(), "max_wait": self.random.choice(MAX_WAIT)}

    def _replace(self) -> tuple[str, Options]:
        options: Options = {"max_wait": self.random.choice(MAX_WAIT)}
        way = self.random.choice(("ips", "ips", "count", "all"))
        if way == "ips":
            options["ips"] = self._some_ips()
        elif way == "count":
            options["count"] = self.random.randint(1, 2)
        else:
            options["all"] = True
        return REPLACE, options

    def _happen(self, kind: str) -> None:
        if kind == "time passes":
            self._advance(self.random.choice(GAPS))
        elif kind == "another buyer":
            self._buy(self.random.randint(1, 2))
        elif kind == "the plan changes":
            self._change_plan()
        elif kind == "a lease is taken back":
            self._take_back(1)
        elif kind == "all leases are taken back":
            self._take_back(len(self.held()))
        elif self.held():
            known = self.random.choice(self.held())
            seconds = self.random.choice((30, 200))
            self.hidden[known.lease.task_id] = (self.now, self.now + seconds)
            self.log.append(f"the list hides task {known.lease.task_id} for {seconds} s")

    def _advance(self, seconds: float) -> None:
        self.log.append(f"{seconds} s pass")
        self.vendor.advance(seconds)
        self._note_removals(None)

    def _buy(self, number: int) -> None:
        """Another buyer leases with the same key, and knows nothing of this store."""
        name = "num"
        if self.world.product == CLASSIC:
            name = "Num"
        held = len(self.held())
        self._is_foreign = True
        self.vendor.response(self.paths.get, **{name: number})
        self._is_foreign = False
        self.log.append(f"another buyer asks for {number}: held {held} -> {len(self.held())}")

    def _change_plan(self) -> None:
        changes: list[dict[str, Any]] = [{"channels": 12}, {"channels": 2}, {"lifetime": 2}]
        changes.append({"lifetime": 5 if self.world.product == "share" else 30})
        if self.world.product in (CLASSIC, "share"):
            changes.append({"billing": "volume"})
        if self.world.product == CLASSIC:
            changes.append({"kind": "dynamic_shared"})
        change = self.random.choice(changes)
        self.log.append(f"the plan changes: {change}")
        self.vendor.configure(plan=change)
        if "channels" not in change:
            self.lifetime_since = self.now
        if "billing" in change:
            self.counts_channels = False

    def _take_back(self, number: int) -> None:
        held = self.held()
        for known in self.random.sample(held, min(number, len(held))):
            self.log.append(f"QG.net takes {known.lease.host} back")
            vendor = self.vendor
            vendor.keys.lease_service.release(vendor.keys[KEY], [known.lease])
        self._note_removals(None)

    def _prepare_mishap(self, node: Node, module: str) -> bool:
        """Let something go wrong in the run that follows."""
        if self.random.random() > self.plot.mishap_share:
            return False
        writes = [path for path in self.paths.writing if path != self.paths.release]
        if module == RELEASE and self.paths.release:
            writes = [self.paths.release]
        call = self.random.choice(writes)
        way = self.random.choice(self.plot.mishaps)
        if way == "a list is wrong":
            self._spoil_a_list()
        elif way == "refused":
            if module != REPLACE:
                return False
            self._refuse_to_replace()
        elif way == "lost":
            fault = self.random.choice(LOST)
            # A release that is reported is believed; no vendor reports one that its rules refuse.
            if call == self.paths.release and fault.plan["kind"] == "replace":
                return False
            self.log.append(f"{call} will be: {fault.name}")
            self.vendor.fault(call, **fault.plan)
        elif way == "late":
            if self.vendor.under_way:
                return False
            seconds = self.random.choice((14, 28))
            self.log.append(f"{call} will be carried out {seconds} s late")
            self.vendor.late = (call, seconds)
        else:
            steps = self.random.randint(5, 60)
            self.log.append(f"the process will be killed at step {steps}")
            node.at_step(steps, node.die)
        return True

    def _spoil_a_list(self) -> None:
        """Let one of the first readings of the next run lack some leases, or all."""
        number = self.random.randint(1, 4)
        tasks = list(dict.fromkeys(known.lease.task_id for known in self.held()))
        shown = ",".join(self.random.sample(tasks, len(tasks) // 2)) or "none"
        readings: list[Call] = []

        def read(call: Call) -> Answer:
            readings.append(call)
            if len(readings) == number:
                return call.carry_out(**worlds.task_filter(self.world.product, shown))
            return call.carry_out()

        self.log.append(f"reading {number} of the list will show these tasks alone: {shown}")
        self.vendor.around(self.paths.query, read)

    def _refuse_to_replace(self) -> None:
        """Let QG.net refuse its next replacement for want of addresses, perhaps after it has
        released the old ones.
        """
        path = self.paths.replace or ""
        area = "area"
        if self.world.product == CLASSIC:
            area = "AreaId"
        failure = self.random.choice(("keep", "drop"))

        def refuse(call: Call) -> Answer:
            self.vendor.configure(options={"replace_failure": failure})
            return call.carry_out(**{area: NO_STOCK})

        self.log.append(f"{path} will be refused: {failure}")
        self.vendor.once(path, refuse)

    def _run(self, node: Node, module: str, options: Options) -> Run:
        repeats = self._repeated(node, module, options)
        hooks = [*self.vendor.hooks]
        has_mishap = self._prepare_mishap(node, module)
        began = self.now
        before = self.held()
        phantoms = self.phantoms(node)
        number = len(self.leases)
        is_late = bool(self.vendor.under_way)
        if not is_late:
            self._sender = node
        self._actor = node
        result = node.attempt(module, **options)
        self._actor = None
        self.vendor.faults.clear()
        self.vendor.hooks[:] = hooks
        self.vendor.late = None
        node.event = None
        after = self.held()
        self._note_removals(node)
        # What a call of an earlier run has paid for is no purchase of this one.
        bought = [known for known in self.leases[number:] if known.is_direct or not is_late]
        gone = [
            known for known in before + bought if known not in after and known.lease.ends > self.now
        ]
        run = Run(
            node,
            module,
            options,
            result,
            began,
            self.now,
            before,
            after,
            bought,
            gone,
            phantoms,
            is_late,
            bool(self.vendor.under_way),
            has_mishap,
            repeats,
        )
        for known in bought:
            known.area = run.area
            if module == REPLACE:
                known.area = None
        self.history.append(run)
        place = "another node: " if node is self.other else ""
        self.log.append(f"{place}{run}")
        self._last_logged = len(self.log)
        return run

    def _repeated(self, node: Node, module: str, options: Options) -> Run | None:
        """Return the run before, if this is the same one, a moment later."""
        if not self.history:
            return None
        last = self.history[-1]
        is_same = last.node is node and last.module == module and last.options == options
        happened = set(self.log[self._last_logged :]) - {"0 s pass", "5 s pass"}
        if is_same and last.is_ok and not happened:
            return last
        return None
