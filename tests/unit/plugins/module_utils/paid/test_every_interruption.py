# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One interruption at every step of a run, with every loss of a call: the runs after it pay once and lose nothing.

The state machines choose at random among all that may happen. This goes through all places of a single death,
suspension, crash or clock step in a few small runs: before each transaction of the store, each request and response,
and in each pause. Two runs of one key exclude each other, so that what a second one finds is what the first one left.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from support.in_process import CLASSIC, PATHS, InProcess, Killed, Vendor, configure
from support.lease_runs import LeaseNode, by_ip
from support.measuring import unmeasured
from support.monopoly_calls import APPLY, RELEASE
from support.monopoly_runs import MonopolyNode, occupancy
from support.state_machines import ALL_STEPS

DAY = 86400


def crash(wire: InProcess) -> None:
    wire.advance(300)
    wire.machine.reboot()
    wire.die()


#: What happens at a step of the first run.
EVENTS: dict[str, Callable[[InProcess], None]] = {
    "death": lambda wire: wire.die(),
    "suspension": lambda wire: wire.advance(7200),
    "clock set back": lambda wire: wire.machine.set_wall(-DAY),
    "clock set forward": lambda wire: wire.machine.set_wall(DAY),
    "crash": crash,
}
#: What becomes of the call that changes something, and seconds by which the list lags.
LOSSES: dict[str, dict[str, Any] | float | None] = {
    "answered": None,
    "lost before": {"kind": "reset_before"},
    "lost after": {"kind": "reset_after"},
    "garbled": {"kind": "garbage"},
    "late": 14.0,
}
LAGS = (0, 50)
#: More steps than any of the runs has.
MANY = 400


@dataclass
class Scene:
    """A vendor, a control node, the call that changes something, and a run that can be repeated."""

    core: Any
    wire: InProcess
    call: str
    run: Callable[[], object]
    #: Whether the vendor has what the user wants, and nothing was paid for in excess.
    is_right: Callable[[], bool]
    #: Whether it never had less than it must have.
    is_safe: Callable[[], bool] = lambda: True


def leases(directory: Path, product: str) -> Scene:
    # No lease ends while a machine is suspended.
    core = Vendor(channels=5) if product == CLASSIC else Vendor(kind=product, lifetime=600)
    node = LeaseNode(core, directory, product)
    return Scene(
        core, node.wire, PATHS[product].get, lambda: node.ensure(2), lambda: (core.paid, len(core.leases)) == (2, 2)
    )


def releases(directory: Path) -> Scene:
    core = Vendor(channels=5)
    node = LeaseNode(core, directory)
    node.ensure(3)
    ip = core.leases[0].ip
    return Scene(
        *(core, node.wire, "/release", lambda: node.release(by_ip(ip))),
        lambda: (core.paid, len(core.leases), ip in core.ips) == (3, 2, False),
        lambda: len(core.leases) >= 2,
    )


def resources(directory: Path) -> Scene:
    node = MonopolyNode(occupancy(), directory)
    return Scene(node.core, node.wire, APPLY, lambda: node.hold(2, wait=False), lambda: len(node.uuids) == 2)


def released_resources(directory: Path) -> Scene:
    node = MonopolyNode(occupancy(), directory)
    old = node.hold_old(2)

    def run() -> None:
        node.release(old)
        node.hold(2, wait=False)

    return Scene(node.core, node.wire, RELEASE, run, lambda: len(node.uuids) == 2 and set(old).isdisjoint(node.uuids))


SCENES: dict[str, Callable[[Path], Scene]] = {
    "leases": partial(leases, product=CLASSIC),
    "leases without a quota": partial(leases, product="overseas"),
    "releases": releases,
    "resources": resources,
    "released resources": released_resources,
}


@contextlib.contextmanager
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def attempt(scene: Scene) -> None:
    """Run once; a process may end, and a run may fail."""
    with contextlib.suppress(Killed, QgError):
        scene.run()


def plan_loss(scene: Scene, loss: str) -> None:
    """Let the next call that changes something be lost."""
    what = LOSSES[loss]
    if isinstance(what, float):
        scene.wire.late = (scene.call, what)
    elif what:
        method, _blank, path = scene.call.rpartition(" ")
        scene.core.faults.append([{"path": path, **({"method": method} if method else {}), **what}])


def is_interrupted(scene: Scene, event: str, loss: str, lag: int, step: int) -> bool:
    """Let the event happen at a step of a run, and run again; returns whether the first run had so many steps."""
    configure(scene.core, options={"list_lag": lag})
    scene.core.keys.process_due_events()
    plan_loss(scene, loss)
    scene.wire.disturbance = step, partial(EVENTS[event], scene.wire)
    attempt(scene)
    happened = scene.wire.disturbance is None
    scene.wire.disturbance = scene.wire.late = None
    case = f"{event} at step {step}, {loss}, lag {lag}"
    assert scene.is_safe(), case
    attempt(scene)
    assert scene.is_safe(), case
    # A run may end because it does not know. Ten minutes later, only the list counts.
    scene.wire.advance(700)
    attempt(scene)
    scene.wire.advance(700)
    assert scene.is_right(), case
    return happened


def number_of_steps(build: Callable[[Path], Scene], event: str, loss: str, lag: int) -> int:
    """Let the event happen at each step of a run in turn; returns their number."""
    for step in range(MANY):
        with directory() as path:
            if not is_interrupted(build(path), event, loss, lag, step):
                return step
    raise AssertionError("the run does not end")


#: What makes a difference to the next run most often. The rest is for the night.
QUICK = [("death", "answered", 50), ("death", "lost after", 50), ("death", "late", 0)]
EVERY = list(itertools.product(EVENTS, LOSSES, LAGS))
CASES = [*QUICK, *((case for case in EVERY if case not in QUICK) if ALL_STEPS else ())]


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize(("event", "loss", "lag"), CASES)
def test_an_interruption_at_any_step_costs_nothing(event: str, loss: str, lag: int, scene: str) -> None:
    with unmeasured():
        assert number_of_steps(SCENES[scene], event, loss, lag) > 5
