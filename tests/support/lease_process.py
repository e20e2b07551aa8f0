# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process that a test ends while a call is under way, a file of its own so that a fresh process can import it."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import time
from typing import Any

from support.lease_modules import COLLECTION, OPERATIONS, LeaseScenario
from support.playbooks import operate

#: Seconds that a started process has for its first call, and that a process has to end after a signal.
START_SECONDS, END_SECONDS = 60, 20


def run_operation(name: str, options: dict[str, Any], minute: float) -> None:
    """Run an operation on leases."""
    os.environ["QG_MINUTE_SECONDS"] = str(minute)
    module, constant = OPERATIONS[name]
    operate(getattr(importlib.import_module(f"{COLLECTION}.{module}"), constant), options)


def interrupt(
    scenario: LeaseScenario, minute: float, path: str, name: str, ending: signal.Signals, **options: Any
) -> None:
    """Run an operation in a process of its own, and end it by a signal as soon as its call to ``path`` has arrived."""
    arguments = (name, {**scenario.options, "timeout": 60.0, **options}, minute)
    process = multiprocessing.get_context("spawn").Process(target=run_operation, args=arguments)
    process.start()
    deadline = time.monotonic() + START_SECONDS
    while path not in scenario.writes():
        assert process.is_alive(), f"the process ended without a call to {path}"
        assert time.monotonic() < deadline, f"no call to {path}"
        time.sleep(0.02)
    assert process.pid is not None
    os.kill(process.pid, ending)
    process.join(END_SECONDS)
    ended = process.exitcode is not None
    process.kill()
    assert ended, f"{ending.name} does not end the process"
