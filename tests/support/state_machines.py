# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the state machines of Hypothesis share: the faults of any call, and a run that counts its steps."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from support import stores
from support.measuring import unmeasured

if TYPE_CHECKING:
    from support.in_process import Answer, Call, InProcess, Vendor

#: Whether everything is tried that "make machines" tries.
ALL_STEPS = "QGNET_ALL_STEPS" in os.environ
#: Steps in one run of a machine at most, and steps in all runs at least with all steps; without, by how much there are
#: fewer runs and steps.
STEPS, MIN_STEPS = 50, 10_000
FEWER_RUNS, FEWER_STEPS = 20, 40
#: Seconds by which the wall clock of a control node is set forward or back.
WALL_STEPS = (-86400, -600, -61, -1, 1, 90, 900, 3600, 2 * 86400)
#: Whether something happens that happens rarely.
RARELY = st.sampled_from([False, False, False, True])
#: What can happen to any call: it is lost before or after it was carried out, answered with something else, or refused.
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "reset_before"},
    {"kind": "reset_after"},
    {"kind": "truncate"},
    {"kind": "garbage"},
    {"kind": "garbage", "executed": False},
    {"kind": "data_null"},
    {"kind": "data_absent"},
    {"kind": "strings"},
    {"kind": "hang_after", "seconds": 20},
    {"kind": "status", "http_status": 500},
    {"kind": "status", "http_status": 502, "executed": True},
    {"kind": "status", "http_status": 504},
    # A gateway may send any status, before or after the work.
    {"kind": "status", "http_status": 403},
    {"kind": "status", "http_status": 403, "executed": True},
    {"kind": "status", "http_status": 429},
    {"kind": "status", "http_status": 429, "executed": True},
    {"kind": "code", "code": -1},
    {"kind": "code", "code": -11},
)


#: After so many steps of a process (:meth:`.in_process.InProcess.step`) something happens to it.
PROCESS_STEPS = st.one_of(st.integers(0, 15), st.integers(0, 70))
#: Seconds for which the machine is suspended, or off.
GAPS = st.sampled_from([20, 300, 7200, 90000])


class Disturbances:
    """Rules for what happens to a control node and its clocks, for a machine whose processes use ``wire``.

    Some of it happens while a process runs, between any two of its steps.
    """

    wire: InProcess

    @rule(step=st.sampled_from(WALL_STEPS))
    def the_wall_clock_is_set(self, step: int) -> None:
        self.wire.machine.set_wall(step)

    @rule(steps=PROCESS_STEPS, step=st.sampled_from(WALL_STEPS))
    def the_wall_clock_will_be_set(self, steps: int, step: int) -> None:
        self.wire.disturbance = steps, partial(self.the_wall_clock_is_set, step)

    @rule(steps=PROCESS_STEPS, seconds=GAPS)
    def the_machine_will_be_suspended(self, steps: int, seconds: int) -> None:
        self.wire.disturbance = steps, partial(self.wire.advance, seconds)

    @rule(seconds=GAPS)
    def the_machine_is_off(self, seconds: int) -> None:
        self.wire.advance(seconds)
        self.wire.machine.reboot()

    @rule(steps=PROCESS_STEPS, seconds=GAPS)
    def the_machine_will_crash(self, steps: int, seconds: int) -> None:
        def crash() -> None:
            self.the_machine_is_off(seconds)
            self.wire.die()

        self.wire.disturbance = steps, crash

    @rule(steps=PROCESS_STEPS)
    def the_process_will_be_killed(self, steps: int) -> None:
        self.wire.killed_in = steps

    def disturb_no_longer(self) -> None:
        """Let the next process run to its end."""
        self.wire.late = self.wire.killed_in = self.wire.disturbance = None


class VendorMachine(Disturbances, RuleBasedStateMachine):
    """The vendor, and processes of one key that keep their state below ``directory``.

    ``wrong_lists`` are the next responses to the call that lists what the key holds, as :meth:`wrong_list` makes them;
    ``lies`` counts them. ``steps`` counts the steps.
    """

    steps = lies = 0

    def __init__(self, core: Vendor, wire: InProcess) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
        self.core = core
        self.wire = wire
        self.wrong_lists: list[Any] = []
        self.lied_at = float("-inf")

    def teardown(self) -> None:
        # A database that is no longer used takes files of its own away whenever Python lets go of it.
        shutil.rmtree(self.directory, ignore_errors=True)

    def now(self) -> float:
        return self.core.clock.now()

    def lie(self, call: Call) -> Answer:
        """Answer with the next wrong list, if there is one and the vendor lists what is held."""
        status, body = call.carry_out()
        is_list = isinstance(body, dict) and body.get("code", "SUCCESS") == "SUCCESS" and body.get("Code", 0) == 0
        if not self.wrong_lists or not is_list or status != 200:
            return status, body
        self.lies += 1
        self.lied_at = self.now()
        self.core.headers = {}
        return 200, self.wrong_list(body, self.wrong_lists.pop(0))

    def wrong_list(self, body: Any, form: Any) -> Any:
        """Return a list that is wrong in this form."""
        raise NotImplementedError

    @rule(left=st.sampled_from([0, 1, 3, 9, 9]))
    def stock_changes(self, left: int) -> None:
        for area in self.core.stock:
            area.available = left

    @invariant()
    def count_the_step(self) -> None:
        self.steps += 1


def run_counted(machine: type[RuleBasedStateMachine], runs: int, least: int = MIN_STEPS) -> None:
    """Run a machine that counts its ``steps``, and make sure that there were at ``least`` so many of them.

    The runs are the same each time, so that a test fails for a change of the code alone. With ``QGNET_EXPLORE`` set,
    they are random. There are fewer without ``QGNET_ALL_STEPS``, and over a database.
    """
    if not (ALL_STEPS or "QGNET_EXPLORE" in os.environ):
        runs, least = max(1, runs // FEWER_RUNS), max(1, least // FEWER_STEPS)
    runs, least = stores.share(runs), stores.share(least)
    steps = 0

    class Counted(machine):
        def teardown(self) -> None:
            nonlocal steps
            steps += self.steps
            super().teardown()
            stores.drop_databases()

    with unmeasured():
        run_state_machine_as_test(
            Counted,
            settings=settings(
                max_examples=runs,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize="QGNET_EXPLORE" not in os.environ,
                suppress_health_check=list(HealthCheck),
            ),
        )
    assert steps >= least
