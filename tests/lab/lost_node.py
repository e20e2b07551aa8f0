# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control node that disappears without a word while it holds a lock; prints the seconds until the lock is free.

Run it in a network namespace of its own (``unshare --net``): it takes the network away, so that nothing tells the
server about the end of the client.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import tempfile
import time
from typing import Any

import psycopg
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.postgres import PostgresState
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.postgres_connection import ConnectionPolicy
from lab.postgres import PostgresServer

#: The times of the client, in seconds; a user's are ten times as long.
BRIEF = ConnectionPolicy(keepalive_idle=1, keepalive_interval=1, keepalive_count=2)
GIVE_UP = 60.0


def network(state: str) -> None:
    """Switch the network of the namespace on or off."""
    subprocess.run(["ip", "link", "set", "lo", state], check=True)


def hold(url: str, ready: Any) -> None:
    """Hold a lock until this process is killed."""
    with contextlib.closing(PostgresState(url, 0, connection=BRIEF)) as state, state.try_lock("L") as held:
        ready.put(held)
        time.sleep(600)


def main() -> None:
    """Lose the node, and wait for the lock."""
    context = multiprocessing.get_context("fork")
    network("up")
    # A socket needs no network; the server runs as another user.
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        os.chmod(folder, 0o777)
        server = stack.enter_context(PostgresServer(unix_socket_directories=folder))
        ready = context.Queue()
        node = context.Process(target=hold, args=(server.url, ready), daemon=True)
        node.start()
        assert ready.get(timeout=20)
        access = server.access
        place: dict[str, Any] = {
            "host": folder,
            "port": access.port,
            "user": "postgres",
            "password": access.admin_password,
        }
        with psycopg.connect(**place, autocommit=True) as admin:
            network("down")
            node.kill()
            node.join()
            began = time.monotonic()
            while admin.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'").fetchone():
                assert time.monotonic() - began < GIVE_UP, "the lock is never released"
                time.sleep(0.05)
            print(f"{time.monotonic() - began:.1f}")


if __name__ == "__main__":
    main()
