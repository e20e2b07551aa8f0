# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL in the foreground: by hand with "make cluster", and for the tests, which share one server."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import NoReturn

if not __package__:
    # Started as a program: the import path needs the directory of the package.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from lab.daemon import LabError
from lab.postgres import PostgresServer

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def leave(number: int, frame: FrameType | None) -> NoReturn:
    """End by the way that stops the server, which another signal does not cut short."""
    for known in SIGNALS:
        signal.signal(known, signal.SIG_IGN)
    raise SystemExit(0)


def announce(server: PostgresServer, ready_file: Path | None) -> None:
    """Say where the server is, as text or to a program."""
    if ready_file is None:
        print(f"QG_STATE_URL={server.url}\nCtrl-C stops the server and removes its data.", flush=True)
        return
    draft = ready_file.with_suffix(".tmp")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(server.access)), encoding="utf-8")
    draft.replace(ready_file)


def stay(pids: Sequence[int]) -> None:
    """Wait for the end of one of the processes."""
    with contextlib.suppress(ProcessLookupError):
        select.select([os.pidfd_open(pid) for pid in pids], [], [])


def main(arguments: Sequence[str] | None = None) -> int | str:
    """Run a server until a signal or the end of the other process; return the exit status."""
    parser = argparse.ArgumentParser(prog="make cluster ARGS=...", description="PostgreSQL in the foreground")
    parser.add_argument("--ready-file", type=Path, help="write the address and the passwords to this file, as JSON")
    parser.add_argument(
        "--while-pid", type=int, nargs="*", default=[os.getppid()], help="stop when one of these processes has ended"
    )
    options = parser.parse_args(arguments)
    for number in SIGNALS:
        signal.signal(number, leave)
    try:
        with PostgresServer() as server:
            announce(server, options.ready_file)
            stay(options.while_pid)
    except LabError as error:
        return str(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
