# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes and threads that a test starts together and waits for."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkProcess
from typing import Any

FORK = multiprocessing.get_context("fork")
#: Far more than anything takes here, on a busy machine as well.
TIMEOUT = 300.0


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def run_together(target: Callable[..., object], *arguments: tuple[Any, ...]) -> None:
    """Run a process for each of the arguments, all at once; each must end without an error."""
    processes = [FORK.Process(target=target, args=own) for own in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(TIMEOUT)
    assert [process.exitcode for process in processes] == [0] * len(processes)


@contextlib.contextmanager
def process_until_killed(
    target: Callable[..., object], *arguments: Any, **named: Any
) -> Iterator[ForkProcess]:
    """A process that is killed in the end, whether it is stopped or not."""
    process = FORK.Process(target=target, args=arguments, kwargs=named)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join(TIMEOUT)


@contextlib.contextmanager
def threads(*targets: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """Threads that begin when the yielded function is called, and must have ended in the end."""
    own = [threading.Thread(target=target, daemon=True) for target in targets]

    def start() -> None:
        for thread in own:
            thread.start()

    yield start
    for thread in own:
        thread.join(TIMEOUT)
        assert not thread.is_alive()
