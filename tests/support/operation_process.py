# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Operations on leases in processes of their own: beside others, or ended by a signal."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.lease_modules import OPERATIONS
from support.playbooks import Result, operate

#: Seconds that a started process has for its first call, and that a process has to end after a signal.
START_SECONDS, END_SECONDS = 60, 20
CONTEXT = multiprocessing.get_context("spawn")


def run_operation(name: str, options: dict[str, Any], minute: float) -> Result:
    """Run an operation on leases."""
    os.environ["QG_MINUTE_SECONDS"] = str(minute)
    return operate(OPERATIONS[name], options)


def run_at_gate(name: str, options: dict[str, Any], minute: float, answer: Path, gate: Path) -> None:
    """Run an operation as soon as all processes are there, and leave its result in a file."""
    answer.with_suffix(".ready").touch()
    deadline = time.monotonic() + START_SECONDS
    while not gate.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    answer.write_text(json.dumps(run_operation(name, options, minute)), encoding="utf-8")


def at_once(jobs: list[tuple[str, dict[str, Any]]], minute: float, folder: Path) -> list[Result]:
    """Run each operation in a fresh process, all at the same time, and return the results."""
    folder.mkdir()
    gate, answers = folder / "gate", [folder / f"{number}.json" for number in range(len(jobs))]
    workers = [
        CONTEXT.Process(target=run_at_gate, args=(*job, minute, answer, gate))
        for job, answer in zip(jobs, answers, strict=True)
    ]
    for worker in workers:
        worker.start()
    deadline = time.monotonic() + START_SECONDS
    while len(list(folder.glob("*.ready"))) < len(jobs) and time.monotonic() < deadline:
        time.sleep(0.02)
    gate.touch()
    for worker in workers:
        worker.join(max(0.1, deadline - time.monotonic()))
        worker.kill()
    assert [worker.exitcode for worker in workers] == [0] * len(jobs)
    return [json.loads(answer.read_text(encoding="utf-8")) for answer in answers]


def kill_during_call(name: str, options: dict[str, Any], minute: float, has_arrived: Callable[[], bool]) -> None:
    """Run an operation, and kill its process as soon as its call has arrived."""
    process = CONTEXT.Process(target=run_operation, args=(name, options, minute))
    process.start()
    deadline = time.monotonic() + START_SECONDS
    while not has_arrived():
        assert process.is_alive(), "the process ended without the call"
        assert time.monotonic() < deadline, "the call has not arrived"
        time.sleep(0.02)
    process.kill()
    process.join()
