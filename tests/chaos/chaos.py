# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""End runs of the collection by SIGKILL and SIGINT at random moments: nothing is lost, paid twice, or left locked.

The seed repeats what is asked for and how runs are to be ended, but not the speed of the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import secrets
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from chaos.database import LOSS_NOTICED, Database
from chaos.lease_lane import LeaseLane
from chaos.place import Place, end_all, processes
from chaos.role_lane import RoleLane, TaskLane
from chaos.runs import Figures
from lab.postgres import PostgresServer
from simulator.fixture import running_simulator

MINUTE = 2.0
DATABASE = "two control nodes with one PostgreSQL database, whose server is stopped, and started, and crashes once"
LANES: dict[str, Callable[[Place, random.Random, Figures], LeaseLane | RoleLane]] = {
    "leases 1": LeaseLane,
    "leases 2": LeaseLane,
    "role": RoleLane,
    "tasks": TaskLane,
}


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="chaos", description=__doc__)
    add = result.add_argument
    add("seconds", nargs="?", type=float, default=180.0, help="how long rounds are begun (default %(default)g)")
    add("--seed", type=int, default=None, help="choices of an earlier run, which has printed it")
    add("--scale", type=float, default=0.1, help="share of the collection's own waits (default %(default)g)")
    add("--only", choices=list(LANES), help="one of the lanes that run side by side")
    add("--database", action="store_true", help=DATABASE)
    add("--verbose", action="store_true", help="in the end, tell all rounds")
    return result


def run_lane(
    name: str, folder: Path, token: str, options: argparse.Namespace, figures: Figures, database: Database | None
) -> None:
    """Rounds until the time is over; whatever happens is part of the figures."""
    try:
        with running_simulator(["--minute", str(MINUTE)]) as sim:
            folder.mkdir()
            place = Place(folder, token, options.scale, MINUTE, sim, database)
            lane = LANES[name](place, random.Random(f"{options.seed} {name}"), figures)
            end = time.monotonic() + options.seconds
            try:
                while time.monotonic() < end:
                    lane.round()
            finally:
                left = processes(f"{token}.")
                end_all(f"{token}.")
                figures.wrong("processes_left", len(left), f"lane {name}: {left}")
                held = place.held_locks()
                figures.wrong("locks_stuck", len(held), f"lane {name}: {held}")
    except Exception:
        figures.wrong("runs_failed", 1, f"lane {name} stopped:\n{traceback.format_exc()}")


def figures_of(database: Database) -> Figures:
    """What became of the locks in the database, when all runs are over."""
    figures = Figures()
    figures.wrong("locks_stuck", len(left := database.end()), f"locks in the database: {left}")
    figures.wrong("locks_stuck", database.longest > LOSS_NOTICED, f"a dead process held one for {database.longest} s")
    print(f"chaos: {database.restarts} restarts, a lock of a process that was gone: {database.longest:.1f} s at most")
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if options.seed is None:
        options.seed = secrets.randbelow(2**32)
    print(f"chaos: {options.seconds:g} seconds, --seed {options.seed}", flush=True)
    total: list[Figures] = []
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(PostgresServer()) if options.database else None
        database = Database(server.access) if server else None
        # Not in a directory whose name is too long for the sockets that Ansible makes in it.
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="qg-chaos-", ignore_cleanup_errors=True))
        threads = []
        for number, name in enumerate(LANES):
            if options.only in (None, name):
                total.append(Figures())
                token = f"{secrets.token_hex(8)}-{number}"
                work = (name, Path(folder, str(number)), token, options, total[-1], database)
                threads.append(threading.Thread(target=run_lane, args=work, name=name))
        for thread in threads:
            thread.start()
        if server and database:
            for end in (server.stop, server.crash):
                time.sleep(options.seconds / 3)
                database.restart(end, server.start)
        for thread in threads:
            thread.join()
        if database:
            total.append(figures_of(database))
    figures = Figures.sum(total)
    if options.verbose:
        print("\n".join(figures.stories), flush=True)
    for trouble in figures.trouble:
        print(f"\n{trouble}", file=sys.stderr)
    print(f"chaos: {figures.line()} (--seed {options.seed})", flush=True)
    return 0 if figures.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
