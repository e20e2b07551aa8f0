# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control nodes that share nothing, or nothing but a database, and a PostgreSQL server as in production."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.stage import Broken, source
from lab.postgres import PostgresServer
from simulator.fixture import Simulator

SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"
BIN = Path(sys.executable).parent
#: Longest that one playbook may take, in seconds.
LONGEST = 1800.0


@contextlib.contextmanager
def durable_server() -> Iterator[PostgresServer]:
    """A server as in production: a transaction is on the disk when it is committed."""
    # The user whom the server runs as must be able to enter the directory.
    folder = Path(tempfile.gettempdir()) / f"qg-bench-{os.getpid()}"
    with PostgresServer(folder, fsync="on") as server:
        yield server


def server_seconds(server: PostgresServer) -> float:
    """The processor seconds of all processes of the server so far, also of those that have ended."""
    first = int(server.files.status.read_text(encoding="utf-8").split()[0])
    total, waiting = 0, [first]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError):
            # After the name, which may contain spaces: utime and stime, and those of children that have ended.
            words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            total += sum(map(int, words[11:15]))
            waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split())
    return total / os.sysconf("SC_CLK_TCK")


@dataclass
class Node:
    """A control node: a home, a temporary directory and a state directory of its own, or the URL of a database."""

    folder: Path
    url: str | None = None
    #: A machine with this name; by default, this one. That needs root.
    machine: str | None = None
    #: The path of the collections; by default, that of the caller.
    collections: str | None = None

    def environment(self, sim: Simulator) -> dict[str, str]:
        """Of the caller's environment, at most where Ansible finds the collection."""
        for name in ("home", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        settings = self.folder / "ansible.cfg"
        settings.touch()
        home = self.folder / "home"
        return {
            "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "HOME": str(home),
            "TMPDIR": str(self.folder / "tmp"),
            "ANSIBLE_COLLECTIONS_PATH": os.path.abspath(self.collections or os.environ["ANSIBLE_COLLECTIONS_PATH"]),
            "ANSIBLE_CONFIG": str(settings),
            "ANSIBLE_FORKS": "10",
            "ANSIBLE_HOME": str(home / ".ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_REMOTE_TEMP": str(self.folder / "remote"),
            "QG_KEY": sim.key,
            "QG_API_URL": sim.api_url,
            **({"QG_STATE_URL": self.url} if self.url else {"QG_STATE_DIR": str(self.folder / "state")}),
        }

    def inventory(self, hosts: Sequence[int], *, addresses: bool = True) -> Path:
        """Hosts on this machine, each with a source address of its own, or all with that of this machine."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "hosts"
        lines = [
            f"host{number} ansible_connection=local ansible_python_interpreter={sys.executable}"
            + (f" egress_whitelist_source_address={source(number)}\n" if addresses else "\n")
            for number in hosts
        ]
        path.write_text("".join(lines), encoding="utf-8")
        return path

    def start(self, sim: Simulator, arguments: Sequence[str], extra: Mapping[str, Any]) -> subprocess.Popen[bytes]:
        """Begin a playbook; what it says is in the file ``output``."""
        environment = self.environment(sim)
        variables = json.dumps({**variables_of(sim), **extra})
        named = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', self.machine] if self.machine else []
        with self.output.open("wb") as output:
            return subprocess.Popen(
                [*named, str(BIN / "ansible-playbook"), *arguments, "--extra-vars", variables],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def measure(self, sim: Simulator, play: str, inventory: Path) -> tuple[float, float]:
        """Run a playbook, its text or its full name; the wall and processor seconds."""
        if "\n" in play or play.startswith("["):
            (self.folder / "play.yml").write_text(play, encoding="utf-8")
            play = "play.yml"
        before, start = processor_seconds(), time.monotonic()
        finish([self], [self.start(sim, ["--inventory", str(inventory), play], {})])
        return time.monotonic() - start, processor_seconds() - before

    @property
    def output(self) -> Path:
        return self.folder / "output"


def variables_of(sim: Simulator) -> dict[str, Any]:
    """What the role needs to know of the simulator; the inventory is the same on all nodes, wherever it is."""
    return {
        "egress_whitelist_sources": [f"{sim.api_url}/ip", f"{sim.api_url}/json"],
        "egress_whitelist_allow_non_global": True,
        "egress_whitelist_inventory_id": "bench",
    }


def finish(nodes: Sequence[Node], processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Wait for a playbook on each node. Raises Broken if one failed."""
    try:
        end = time.monotonic() + LONGEST
        for process in processes:
            _await(process, end - time.monotonic())
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
                process.wait()
    for node, process in zip(nodes, processes, strict=True):
        if process.returncode:
            text = node.output.read_text(encoding="utf-8", errors="replace")
            raise Broken(f"{node.folder.name} ended with {process.returncode}: {text[-3000:]}")


def _await(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for a process; with a timeout, Popen.wait() would notice its end up to 50 ms later."""
    descriptor = os.pidfd_open(process.pid)
    try:
        select.select([descriptor], [], [], max(0.0, seconds))
    finally:
        os.close(descriptor)
    process.wait(0)


def processor_seconds() -> float:
    """The processor seconds of all programs that have ended so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
