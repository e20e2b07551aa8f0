# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of a test: its directory, its port, and its processes, which are those of a user without privileges."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

#: Who the servers run as if the caller is root, which they refuse to be: the first of these that the machine has.
USERS = ("postgres", "nobody")
#: A directory in memory makes a server start in half the time, if it has room for some of them.
MEMORY = Path("/dev/shm")
MIN_MEMORY = 1 << 29
#: Where Debian keeps the programs of PostgreSQL, which are not on PATH.
VERSIONS = Path("/usr/lib/postgresql")
SYSTEM = ("/usr/sbin", "/sbin")
#: Ports below those that the kernel gives to clients: none of these can take the port of a server that is stopped.
PORTS = (15000, 32000)
POLL_SECONDS = 0.01
START_SECONDS = 120.0
STOP_SECONDS = 60.0
LAST_LINES = 15


class LabError(Exception):
    """A server does not start or does not do what the test asked for."""


def account() -> pwd.struct_passwd | None:
    """Return the account that the servers run as; None if that is the caller's own."""
    if os.geteuid() != 0:
        return None
    for name in USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise LabError(f"root may not run the servers, and this machine has none of the users {', '.join(USERS)}")


def give(path: Path) -> Path:
    """Let the path belong to the user whom the servers run as."""
    if user := account():
        os.chown(path, user.pw_uid, user.pw_gid)
    return path


def new_folder(wanted: Path | None) -> Path:
    """Make the directory of a server, in memory unless the caller wants it elsewhere."""
    if wanted is None:
        memory = MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MIN_MEMORY else None
        return give(Path(tempfile.mkdtemp(prefix="qg-lab-", dir=memory)))
    folder = wanted.resolve()
    if account() and (closed := [parent for parent in folder.parents if not parent.stat().st_mode & 0o001]):
        raise LabError(f"{folder} cannot be the directory of a server: only its owner may enter {closed[-1]}")
    folder.mkdir(mode=0o700)
    return give(folder)


def remove(folder: Path) -> None:
    """Remove a directory, in which a process that was just killed may have made one more file."""

    def is_gone() -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    wait_until(is_gone, STOP_SECONDS)


def versions() -> list[str]:
    """Return the directories of PostgreSQL's programs outside PATH, the newest version first."""
    found = [path for path in VERSIONS.glob("*/bin") if path.parent.name.isdigit()]
    return [str(path) for path in sorted(found, key=lambda path: int(path.parent.name), reverse=True)]


def program(name: str, package: str) -> str:
    """Return the path of a program of Debian's package."""
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), *versions(), *SYSTEM))
    if not (found := shutil.which(name, path=places)):
        raise LabError(f"{name} is missing: install Debian's package {package}")
    return found


def environment() -> dict[str, str]:
    """Return what the servers have in their environment: no PGPORT and no certificates of the caller."""
    return {"HOME": "/", "PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def run(command: Sequence[str | Path], settings: Mapping[str, str] | None = None, text: str = "") -> str:
    """Run a program, with this text for it to read, as the user whom the servers run as; return what it prints."""
    user = account()
    done = subprocess.run(
        [str(word) for word in command],
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd="/",
        env={**environment(), **(settings or {})},
        user=user and user.pw_uid,
        group=user and user.pw_gid,
        extra_groups=user and [],
    )
    if done.returncode != 0:
        raise LabError(f"{command[0]} ended with {done.returncode}: {done.stdout}")
    return done.stdout


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens."""
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as candidate, contextlib.suppress(OSError):
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            candidate.bind(("127.0.0.1", port))
            return port


def wait_until(ready: Callable[[], bool], seconds: float = START_SECONDS) -> None:
    """Wait until it is true."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise LabError(f"waited {seconds:g} s in vain")
        time.sleep(POLL_SECONDS)


def is_listening(port: int) -> bool:
    """Whether a program takes connections at a port of 127.0.0.1."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class Daemon:
    """A server in the foreground of its own session, where the Ctrl-C of a terminal does not reach it.

    The kernel ends it if the thread that started it ends, such as with a test run that is killed.
    """

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        user = account()
        self._log = log
        self._name = Path(command[0]).name
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [program("setpriv", "util-linux"), "--pdeathsig=INT", *(str(word) for word in command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=environment(),
                start_new_session=True,
                user=user and user.pw_uid,
                group=user and user.pw_gid,
                extra_groups=user and [],
            )

    def is_running(self) -> bool:
        return self._process.poll() is None

    def pids(self) -> Iterator[int]:
        """Return its processes, each before those that it has started."""
        waiting = [self._process.pid]
        while waiting:
            yield (pid := waiting.pop())
            # Read after the caller has stopped it: it starts no other then.
            with contextlib.suppress(OSError):
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
                waiting += map(int, children.split())

    def pause(self) -> None:
        """Stop all its processes: they keep their connections, and the kernel takes new ones, but none is answered."""
        self._send(signal.SIGSTOP)
        # Those that one was just starting when it was stopped.
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the processes go on after a pause."""
        self._send(signal.SIGCONT)

    def _send(self, number: int) -> None:
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def wait_until(self, ready: Callable[[], bool], seconds: float = START_SECONDS) -> None:
        """Wait until it is ready; it is killed if it does not get so in time."""
        try:
            wait_until(lambda: not self.is_running() or ready(), seconds)
            if self.is_running():
                return
            state = f"ended with {self._process.returncode}"
        except LabError:
            state = f"is not ready after {seconds:g} s"
        except BaseException:
            self.end(signal.SIGKILL)
            raise
        self.end(signal.SIGKILL)
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        raise LabError("\n".join([f"{self._name} {state}:", *lines[-LAST_LINES:]]))

    def end(self, number: int, seconds: float = STOP_SECONDS) -> None:
        """Send the signal that asks it to end, and wait for it; kill what takes longer, and what it leaves behind."""
        if not self.is_running():
            return
        with contextlib.ExitStack() as stack:
            own = []
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    own.append(os.pidfd_open(pid))
                    stack.callback(os.close, own[-1])
            # It acts on the signal as soon as it goes on after a pause.
            self._process.send_signal(number)
            self.resume()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            for descriptor in own:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            self._process.wait()


class Service:
    """A server that ends with the thread that starts it."""

    def __init__(self) -> None:
        self._port = 0
        self._daemon: Daemon | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop it and remove all that it has made."""
        raise NotImplementedError

    def is_running(self) -> bool:
        return self._daemon is not None and self._daemon.is_running()

    def pause(self) -> None:
        """Stop its processes like those of a frozen virtual machine: it takes connections, but answers nothing."""
        self._running().pause()

    def resume(self) -> None:
        """Let it go on after a pause."""
        self._running().resume()

    def _running(self) -> Daemon:
        if self._daemon is None:
            raise LabError(f"{type(self).__name__} is not running")
        return self._daemon

    def _end(self, number: int) -> None:
        if self._daemon is not None:
            self._daemon.end(number)
            self._daemon = None
