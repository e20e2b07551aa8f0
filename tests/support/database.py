# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""pytest fixtures with PostgreSQL: ``database_url`` is an empty database for one test, on a server for all of them.

Use them with ``from support.database import database_server, database_url`` in a ``conftest.py``. The server starts
with the first test that asks for it and serves all workers of pytest-xdist. It ends with the run, however that ends: it
is kept by a process that waits for the end of pytest's first one.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lab.access import Access

PROGRAM = Path(__file__).resolve().parents[1] / "lab" / "cluster.py"
START_SECONDS = 180.0


def _start(ready_file: Path, pid: int) -> None:
    log = ready_file.with_suffix(".log")
    command = [sys.executable, str(PROGRAM), f"--ready-file={ready_file}", f"--while-pid={pid}"]
    # It outlives the run by a moment, when the figures of coverage are being read.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    with log.open("wb") as output:
        # Ctrl-C of a terminal is for pytest, which still runs the ends of its tests then.
        keeper = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, env=plain
        )
    end = time.monotonic() + START_SECONDS
    while not ready_file.exists():
        if keeper.poll() is not None or time.monotonic() > end:
            keeper.terminate()
            keeper.wait()
            raise RuntimeError(f"PostgreSQL did not start: {log.read_text(errors='replace')}")
        time.sleep(0.02)


@pytest.fixture(scope="session")
def database_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Access:
    """The way into the server of this test run."""
    from lab.access import Access

    folder, pid = tmp_path_factory.getbasetemp(), os.getpid()
    if hasattr(request.config, "workerinput"):
        # The workers of pytest-xdist are processes of the one that the user has started.
        folder, pid = folder.parent, os.getppid()
    ready_file = folder / "postgres.json"
    with (folder / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready_file.exists():
            _start(ready_file, pid)
    return Access(**json.loads(ready_file.read_text(encoding="utf-8")))


@pytest.fixture
def database_url(database_server: Access) -> Iterator[str]:
    """The URL of an empty database, which is dropped after the test."""
    with database_server.database() as url:
        yield url
