# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One interruption at every step of a run: the runs after it pay once and lose nothing.

The state machine chooses at random among all that may happen. This goes through all places of a
single death, suspension, crash, clock step, lost lock or second run: before each transaction of the
store, each request and response, and in each pause. Of the rounds of a wait, it takes the first and
the last: those between look at the same list.

At the end, many real processes do it over HTTP.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from behavior.outcomes import FAULTS, PATIENT, Fault, Result, outcome
from behavior.paid_calls import ALLOCATE, KINDS, Kind, Options
from qgnet_simulator.running import Simulator, running_simulator
from support.node import PAUSE, PLACES, REQUEST, RESPONSE, STORE, Node
from support.plugin_runs import run_action
from support.postgres import database_server, database_url
from support.processes import FORK

__all__ = ["database_server", "database_url"]

DAY = 86400
Event = Callable[[Node, Callable[[], object]], object]


def another_run(node: Node, run: Callable[[], object]) -> None:
    """The same task begins in another process, which may not wait for long."""
    with node.other_process():
        before = node.options.get("max_wait", 300)
        node.options["max_wait"] = 15
        run()
        node.options["max_wait"] = before


def lost_lock(node: Node, run: Callable[[], object]) -> None:
    """The session with the lock ends, and another process does the task before this one notices."""
    node.lose_locks()
    with node.other_process():
        run()


#: What happens at a step of the first run, and the places where it is looked at. A second run in
#: the middle of a transaction would only wait for the database; one between the record of a request
#: and the request cannot tell the first one from a slow network.
EVENTS: dict[str, tuple[Event, tuple[str, ...]]] = {
    "death": (lambda node, _run: node.die(), PLACES),
    "crash": (lambda node, _run: node.crash(300), PLACES),
    "suspension": (lambda node, _run: node.vendor.advance(7200), (STORE, RESPONSE, PAUSE)),
    "clock set back": (lambda node, _run: node.machine.set_wall(-DAY), PLACES),
    "clock set forward": (lambda node, _run: node.machine.set_wall(DAY), PLACES),
    "another run": (another_run, (REQUEST, RESPONSE, PAUSE)),
    "lost lock": (lost_lock, (RESPONSE, PAUSE)),
}
#: What others do meanwhile depends on all that may become of the call.
OF_PROCESSES = ("death", "another run", "lost lock")
LOSSES = {
    "answered": FAULTS["answered"],
    "lost before": FAULTS["reset before"],
    "lost after": FAULTS["reset after"],
    "late": FAULTS["carried out 28 s later"],
}
#: These end no process: the run comes to the same as without them.
HARMLESS = ("suspension", "clock set back", "clock set forward")
#: What makes a difference to the next run most often; the rest is for the night.
QUICK = [
    ("death", "answered", 50),
    ("death", "lost after", 50),
    ("death", "late", 50),
    ("another run", "lost after", 0),
    ("lost lock", "lost after", 50),
]


def is_telling(event: str, loss: str, lag: int) -> bool:
    """Whether a list that lags, or does not, adds something: it shows all that another clock could
    change.
    """
    if event not in OF_PROCESSES:
        return bool(lag) and loss in ("answered", "lost after")
    # Without lag, only an unknown call is found at once.
    return bool(lag) or loss in ("lost after", "late")


OTHERS = [
    case
    for case in itertools.product(EVENTS, LOSSES, (0, 50))
    if is_telling(*case) and case not in QUICK
]
SCENES = [kind for kind in KINDS if kind.name not in ("share", "longterm", "exclusive", "redial")]
#: What happens to a machine happens to its clocks and its store, which are the same for all kinds:
#: a purchase of each of both, one in several calls, and a change that nobody pays for.
OF_A_MACHINE = ("classic", "monopoly", "order of a replacement", "add")
#: Kinds that differ in little from another one, which is interrupted in the quick tests.
SIMILAR = ("overseas", "release of a resource", "del")
#: The calls of a replacement: they take the most steps, and most of all may become of a lost one.
OF_A_REPLACEMENT = ("release of a replacement", "order of a replacement")


def cases() -> Iterator[Any]:
    """Yield each kind of call with what happens to it."""
    for kind in SCENES:
        for case in (*QUICK, *OTHERS):
            if case[0] not in OF_PROCESSES and kind.name not in OF_A_MACHINE:
                continue
            name = "-".join(map(str, (kind, *case)))
            is_quick = case in QUICK and kind.name not in SIMILAR
            if kind.name in OF_A_REPLACEMENT:
                is_quick = is_quick and case[1] == "lost after"
            marks = () if is_quick else pytest.mark.nightly
            yield pytest.param(kind, *case, id=name, marks=marks)


def begin(kind: Kind, folder: Path, fault: Fault) -> tuple[Node, Options]:
    """Return a node to whose next call this happens, and the options of its run."""
    node = kind.node(folder)
    options = kind.prepare(node)
    fault.happens_to(node, kind.call)
    node.steps.clear()
    node.requests.clear()
    return node, options


def steps_of(node: Node, places: tuple[str, ...]) -> list[int]:
    """Return the numbers of a run's steps in these places, of equal rounds in a row only the first
    and the last.
    """
    steps = [place for place in node.steps if place in places]
    pauses = [number for number, place in enumerate(steps) if place == PAUSE]
    bounds = list(itertools.pairwise([0, *pauses, len(steps)]))
    rounds = [steps[begin:end] for begin, end in bounds]
    kept: list[int] = []
    for number, (begin, end) in enumerate(bounds):
        # Of three that are equal, the one in the middle tells nothing.
        if rounds[number - 1 : number + 2] != [rounds[number]] * 3:
            kept += range(begin, end)
    return kept


def is_new_death(node: Node, step: int) -> bool:
    """Whether a death leaves something else than one at the step before: after a response, nothing
    is written yet.
    """
    return step == 0 or node.steps[step - 1] != RESPONSE


def step_of_the_call(node: Node, kind: Kind) -> int:
    """Return the number of the step at which a run sent its first call of this kind."""
    requests = [number for number, place in enumerate(node.steps) if place == REQUEST]
    names = [(path, f"{method} {path}") for _time, method, path in node.requests]
    first = next(number for number, name in enumerate(names) if kind.call in name)
    return requests[first]


def interrupt(kind: Kind, folder: Path, event: str, fault: Fault, step: int) -> None:
    """Let the event happen at a step of a run, and run again."""
    node, options = begin(kind, folder, fault)
    act, places = EVENTS[event]
    # What another process does, the books show, and the result of this one does not.
    node.is_alone = False

    def run() -> bool:
        result = node.attempt(kind.module, **options)
        assert kind.found(node.vendor)[1] <= kind.wanted[1], (step, result)
        return result is not None and not result.get("failed")

    node.at_step(step, lambda: act(node, run), places)
    is_done = run()
    assert node.event is None, step
    if event in HARMLESS:
        assert is_done is (outcome(kind, fault, PATIENT).first.result is Result.OK), step
    node.vendor.late = None
    is_done = (is_done and not kind.can_repeat) or run()
    if kind.can_repeat:
        # A run may end because it does not know. Ten minutes later, only the list counts.
        node.vendor.advance(700)
        is_done = run()
        node.vendor.advance(700)
    elif kind.found(node.vendor) == kind.wanted:
        # Another process has done it, and its task cannot be done twice.
        is_done = True
    assert is_done, step
    assert kind.found(node.vendor) == kind.wanted, step


@pytest.mark.parametrize(("kind", "event", "loss", "lag"), list(cases()))
def test_an_interruption_at_any_step_costs_nothing(
    kind: Kind, event: str, loss: str, lag: int, folder: Path
) -> None:
    # Nothing ends while a machine is suspended.
    if kind.module == ALLOCATE:
        kind = replace(kind, plan={"lifetime": 600, **(kind.plan or {})})
    fault = replace(LOSSES[loss], list_lag=lag)
    node, options = begin(kind, folder / "whole", fault)
    whole = node.attempt(kind.module, **options) or {}
    is_ok = outcome(kind, fault, PATIENT).first.result is Result.OK
    assert whole.get("failed", False) is not is_ok, whole.get("msg")
    steps = steps_of(node, EVENTS[event][1])
    if event == "death":
        steps = [step for step in steps if is_new_death(node, step)]
    if (event, loss) == ("death", "late"):
        # A death before the call leaves the same as with the loss "answered".
        begin_of_call = step_of_the_call(node, kind)
        steps = [step for step in steps if step > begin_of_call]
    assert steps
    for step in steps:
        interrupt(kind, folder / str(step), event, fault, step)


# Many processes.

#: How many processes share a store, how many of them are killed, and within how many seconds.
PROCESSES = 20
KILLED = 9
KILLED_WITHIN = 8.0
#: A call of a killed process that never reached QG.net is waited for: 90 seconds, and the calls of
#: others.
WAIT = 400.0


def allocate(sim: Simulator, store: str, count: int) -> None:
    """Be a process that ensures so many leases; its exit code says whether it has succeeded.

    No quota contradicts: what QG.net's list lags behind, only the store knows.
    """
    options = {
        "key": sim.key,
        "api_url": sim.api_url,
        "store": store,
        "product": "classic",
        "ignore_quota": True,
    }
    result = run_action(ALLOCATE, {**options, "count": count, "max_wait": int(WAIT)})
    if result.get("failed"):
        print(result["msg"], file=sys.stderr)
        sys.exit(1)


@pytest.mark.slow
@pytest.mark.newest
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_many_processes_of_which_some_are_killed_pay_once(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each wants another number of leases, so that QG.net sells what the last one wants, in many
    calls.
    """
    monkeypatch.setenv("QG_MINUTE_SECONDS", "2")
    store = str(tmp_path)
    if engine == "postgresql":
        store = request.getfixturevalue("database_url")
    chance = Random(20)
    with running_simulator(["--minute", "2"]) as sim:
        sim.configure(plan={"channels": 2 * PROCESSES}, options={"list_lag": 45})
        for _call in range(PROCESSES):
            sim.fault(path="/allocate", kind="delay", seconds=chance.uniform(0, 0.7))
        counts = chance.sample(range(1, PROCESSES + 1), PROCESSES)
        processes = [FORK.Process(target=allocate, args=(sim, store, count)) for count in counts]
        for process in processes:
            process.start()
        began = time.monotonic()
        doomed = chance.sample(processes, KILLED)
        for process in doomed:
            time.sleep(max(0.0, began + chance.uniform(0, KILLED_WITHIN) - time.monotonic()))
            process.kill()
        for process in processes:
            process.join(WAIT)
        survivors = [process.exitcode for process in processes if process not in doomed]
        assert survivors == [0] * (PROCESSES - KILLED)

        last = FORK.Process(target=allocate, args=(sim, store, PROCESSES))
        last.start()
        last.join(WAIT)

        assert last.exitcode == 0
        assert len(sim.leases()) == PROCESSES
        assert len(sim.state()["keys"][sim.key]["paid"]) == PROCESSES
