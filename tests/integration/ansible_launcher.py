# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run Ansible's programs many times and import ansible-core once: half of a short playbook's time
is the import.

A server process imports what ansible-playbook imports, reads the documentation of Ansible's
plugins, which takes as long, and forks for each run. A module that one run has packed is there for
the next ones. Ansible reads its settings while it is imported, so a server serves only runs with
the same settings; what the collection and the tasks read for themselves may differ. As usual, the
collection is first loaded after the fork, but its files are compiled before it: Ansible keeps no
compiled ones.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import logging
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

#: Variables that the interpreter and ansible-core read before they run a playbook.
READ_BY_IMPORT = ("ANSIBLE_", "COVERAGE_", "HOME", "LANG", "LC_", "PYTHON", "TMPDIR")
#: What ansible-playbook and the collection import in each run beside its own modules.
IMPORTED_BY_A_RUN = (
    "ansible.executor.process.worker",
    "ansible.executor.task_queue_manager",
    "ansible.playbook.handler_task_include",
    "ansible.playbook.included_file",
    "ansible.playbook.role_include",
    "ansible.plugins.callback.default",
    "ansible.plugins.connection.local",
    "ansible.plugins.inventory.host_list",
    "ansible.plugins.inventory.ini",
    "ansible.plugins.inventory.yaml",
    "ansible.plugins.shell.sh",
    "ansible.plugins.strategy.linear",
    "multiprocessing.popen_fork",
    "multiprocessing.synchronize",
    "requests",
    "sqlite3",
    "xml.dom.minidom",
)
#: Of these kinds of Ansible's plugins, a run loads each one and reads its documentation.
READ_BY_A_RUN = (
    "become",
    "cache",
    "callback",
    "connection",
    "inventory",
    "shell",
    "strategy",
    "vars",
)
COLLECTION = "ansible_collections/qingguo/qgnet"
#: Servers that wait for a run with their environment.
MAX_IDLE = 3


class Server:
    """A process that has imported ansible-core in one environment."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._archives = tempfile.TemporaryDirectory(prefix="qg-modules-")
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve())],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, request: Mapping[str, Any], timeout: float) -> int:
        """Return the exit code of one run; stop the server if the run takes too long."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = threading.Timer(timeout, self._process.kill)
        timer.start()
        try:
            whole = {**request, "archives": self._archives.name}
            self._process.stdin.write(json.dumps(whole) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        finally:
            timer.cancel()
        if not answer:
            raise RuntimeError(
                f"{request['command']} did not end within {timeout} s, or its server ended"
            )
        return int(answer)

    def stop(self) -> None:
        """End the server, which has nothing left to do when nothing more can be asked of it."""
        self._process.communicate()
        self._archives.cleanup()


class Launcher:
    """Run Ansible's programs, each in a process of its own, which a server of the same environment
    has forked.
    """

    def __init__(self) -> None:
        self._idle: list[tuple[frozenset[tuple[str, str]], Server]] = []
        self._lock = threading.Lock()

    def run(
        self,
        command: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        timeout: float,
        *,
        fresh: bool,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of Ansible's and return its exit code and output; a fresh run imports
        everything itself.
        """
        if fresh:
            return subprocess.run(
                command,
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                timeout=timeout,
                check=False,
            )
        imported = frozenset(
            (name, value) for name, value in environment.items() if name.startswith(READ_BY_IMPORT)
        )
        with self._lock:
            place = next(
                (place for place, (key, _server) in enumerate(self._idle) if key == imported), None
            )
            server = self._idle.pop(place)[1] if place is not None else None
        server = server or Server(environment)
        with tempfile.TemporaryDirectory() as folder:
            outputs = [str(Path(folder, name)) for name in ("stdout", "stderr")]
            request = {
                "command": list(command),
                "cwd": str(cwd),
                "environment": dict(environment),
                "outputs": outputs,
            }
            code = server.run(request, timeout)
            stdout, stderr = (
                Path(name).read_text(encoding="utf-8", errors="replace") for name in outputs
            )
        self._keep(imported, server)
        return subprocess.CompletedProcess(command, code, stdout, stderr)

    def _keep(self, imported: frozenset[tuple[str, str]], server: Server) -> None:
        with self._lock:
            self._idle.append((imported, server))
            surplus = [server for _key, server in self._idle[:-MAX_IDLE]]
            del self._idle[:-MAX_IDLE]
        for server in surplus:
            server.stop()

    def stop(self) -> None:
        """End all servers."""
        while self._idle:
            self._idle.pop()[1].stop()


def become(request: Mapping[str, Any]) -> None:
    """Turn this process into the one that a shell would have started."""
    for number, name in enumerate(request["outputs"], 1):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
        os.close(file)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = list(request["command"])
    from ansible import constants
    from ansible.utils import vars as ansible_vars

    # It was made by the import, in a directory that each test begins anew.
    os.makedirs(constants.DEFAULT_LOCAL_TMP, mode=0o700, exist_ok=True)
    # A run takes as long to pack a module with its imports as to send it ten times.
    archives = Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache")
    if not archives.is_symlink():
        archives.symlink_to(request["archives"])
    # It has also opened the log, which is a file of an earlier test by now; a closed one is opened
    # again by its name.
    for handler in logging.root.handlers:
        if isinstance(handler, logging.FileHandler):
            handler.close()
    # The import has chosen what distinguishes the tasks of one run from those of every other run.
    ansible_vars.random_int = secrets.token_hex(4)


def prepare() -> None:
    """Do what each run would do again: import, read what Ansible's plugins document, compile the
    collection.
    """
    for name in ("ansible.cli.playbook", *IMPORTED_BY_A_RUN):
        # not every ansible-core has each of them
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    import ansible
    from ansible.plugins import loader as plugins
    from ansible.utils.collection_loader import _collection_finder as loader

    for kind in READ_BY_A_RUN:
        list(getattr(plugins, f"{kind}_loader").all(class_only=True))
    compiled: dict[tuple[bytes, str], Any] = {}

    def compile_once(
        source: bytes, filename: str, mode: str, flags: int = 0, dont_inherit: bool = False
    ) -> Any:
        place = source, filename
        if place not in compiled:
            compiled[place] = compile(source, filename, mode, flags, dont_inherit)
        return compiled[place]

    for folder in os.environ["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep):
        for path in Path(folder, COLLECTION, "plugins").rglob("*.py"):
            # By Python's own loader, which keeps what it has compiled for the next server.
            compiled[path.read_bytes(), str(path)] = SourceFileLoader(
                path.stem, str(path)
            ).get_code(path.stem)
    read = loader._meta_yml_to_dict
    text = (
        Path(ansible.__file__)
        .with_name("config")
        .joinpath("ansible_builtin_runtime.yml")
        .read_bytes()
    )
    known = {text: read(text, ("ansible.builtin", "runtime.yml"))}
    # The second has been made to be replaced, says its documentation; the first stands before the
    # built-in function.
    loader.compile = compile_once
    loader._meta_yml_to_dict = lambda data, name: known[data] if data in known else read(data, name)


def serve() -> None:
    """Fork for each request; the child returns from here and ends as a program does."""
    # The first entry is the directory of this file, the one of the program when that is run.
    sys.path[0] = str(Path(sys.executable).parent)
    prepare()
    # Else the collector of each child writes to all objects, and so copies the memory that they are
    # in.
    gc.freeze()
    requests, answers = (
        os.fdopen(os.dup(0), encoding="utf-8"),
        os.fdopen(os.dup(1), "w", encoding="utf-8"),
    )
    while line := requests.readline():
        child = os.fork()
        if child == 0:
            requests.close()
            answers.close()
            become(json.loads(line))
            program = Path(sys.argv[0]).name.removeprefix("ansible-")
            sys.exit(importlib.import_module(f"ansible.cli.{program}").main())
        _child, status = os.waitpid(child, 0)
        with contextlib.suppress(BrokenPipeError):
            answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
            answers.flush()


if __name__ == "__main__":
    serve()
