# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits the time and the output of a command on a host, independently of the host and of the connection plugin.

A host can make a connection plugin wait forever: for the end of ssh, for the last process that holds a pipe, or for a
thread. Therefore a second thread interrupts the worker by a signal. Then all processes that the command has started on
the control node are killed, and a shared ssh connection is closed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.clock import elapsed

T = TypeVar("T")

#: The maximum output of a command in bytes. The longest one, of 2000 proxies, has 7 MiB.
MAX_OUTPUT = 8 * 1024 * 1024
#: The memory in bytes that the worker may allocate meanwhile: connection plugins copy the output several times.
_MAX_MEMORY = 6 * MAX_OUTPUT
#: Seconds between two checks, and between two signals.
_INTERVAL = 0.2
#: Ignored by default, so a late signal has no effect. Unlike SIGALRM, Ansible does not use it.
_SIGNAL = signal.SIGURG
#: Modules that must not be interrupted: an incomplete message would break the queue to the main process.
_SENDERS = frozenset(("ansible.utils.display", "multiprocessing.connection", "multiprocessing.queues"))
#: Seconds to wait until killed processes are gone. Processes of another user, as after sudo, cannot be killed.
_KILL_WAIT = 2.0
#: Seconds for the program ssh to close a shared connection.
_CLOSE_WAIT = 5.0
#: A function of Linux, and an option of it. Looked up at once: Ansible forks a process for each host.
_PRCTL = getattr(ctypes.CDLL(None), "prctl", None)
_SET_CHILD_SUBREAPER = 36


class TimeLimitExceeded(Exception):
    """The command did not end in time."""


class OutputLimitExceeded(Exception):
    """The command printed more than MAX_OUTPUT."""


class _Interruption(BaseException):
    """Ends the wait of a connection plugin; plugins catch an Exception and try again."""


def run_limited(work: Callable[[], T], seconds: float, connection: Any) -> T:
    """Return the result of the work, which runs a command over the connection.

    Raises TimeLimitExceeded or OutputLimitExceeded if it was interrupted. After these, and after any other interruption
    such as the task's own timeout, none of its processes is left on the control node.
    """
    if threading.current_thread() is not threading.main_thread():
        # Python handles signals only in the main thread, in which Ansible runs every task.
        return work()
    spared = set(_descendants()) if _has_children() else set()
    watch = _Watch(seconds)
    with _orphans_adopted():
        try:
            with watch:
                return _interruptible(work)
        except _Interruption:
            _end_all(spared, connection)
        except Exception:
            raise
        except BaseException:
            _end_all(spared, connection)
            raise
    raise OutputLimitExceeded if watch.is_too_large else TimeLimitExceeded


def _interruptible(work: Callable[[], T]) -> T:
    """Run the work in a frame that marks where an interruption is allowed: not during this module's own cleanup."""
    return work()


class _Watch:
    """Interrupts the main thread once a limit is exceeded, and again until it has left the connection plugin."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # Held while the command runs, and while the thread watches it. A Thread takes five times as long to start in a
        # process that was just forked, as Ansible does for each host.
        self._running, self._watching = allocate_lock(), allocate_lock()
        self.is_too_large = False

    def __enter__(self) -> None:
        self._former_handler = signal.signal(_SIGNAL, self._interrupt)
        self._running.acquire()
        self._watching.acquire()
        start_new_thread(self._watch, ())

    def __exit__(self, *_error: object) -> None:
        self._running.release()
        self._watching.acquire()
        signal.signal(_SIGNAL, self._former_handler or signal.SIG_DFL)

    def _watch(self) -> None:
        try:
            end, memory = elapsed() + self._seconds, _peak_memory()
            main_thread = threading.main_thread().ident or 0
            while not self._running.acquire(timeout=_INTERVAL):
                self.is_too_large = self.is_too_large or _peak_memory() - memory > _MAX_MEMORY
                if self.is_too_large or elapsed() > end:
                    signal.pthread_kill(main_thread, _SIGNAL)
        finally:
            self._watching.release()

    def _interrupt(self, _signal: int, frame: FrameType | None) -> None:
        if _may_interrupt(frame):
            raise _Interruption


def _may_interrupt(frame: FrameType | None) -> bool:
    """Whether the frame belongs to the work, and is not sending a message to the main process."""
    names = set()
    while frame is not None and frame.f_globals.get("__name__") != __name__:
        names.add(frame.f_globals.get("__name__"))
        frame = frame.f_back
    return frame is not None and frame.f_code is _interruptible.__code__ and bool(names) and not names & _SENDERS


def _peak_memory() -> int:
    """Return the maximum memory of this process so far in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@contextlib.contextmanager
def _orphans_adopted() -> Iterator[None]:
    """Make this process the parent of orphaned descendants, so that they are found; only on Linux."""
    _adopt_orphans(True)
    try:
        yield
    finally:
        _adopt_orphans(False)


def _adopt_orphans(wanted: bool) -> None:
    if _PRCTL is not None:
        _PRCTL(_SET_CHILD_SUBREAPER, ctypes.c_ulong(wanted), *[ctypes.c_ulong(0)] * 3)


def _end_all(spared: set[int], connection: Any) -> None:
    """Kill the processes of the command, and close the connection that ssh shares between commands."""
    _kill_descendants(spared)
    # A failure here must not replace the error that is reported.
    with contextlib.suppress(Exception):
        _close_shared_connection(connection)
    _kill_descendants(spared)


def _close_shared_connection(connection: Any) -> None:
    """End the ssh process of ControlPersist, which waits for the command, and which another task may have started."""
    if not hasattr(connection, "_build_command"):
        return
    program, host = connection.get_option("ssh_executable"), connection.get_option("host")
    command = connection._build_command(program, "ssh", "-O", "exit", host)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            process.wait(_CLOSE_WAIT)
        finally:
            process.kill()


def _kill_descendants(spared: set[int]) -> None:
    """Kill all descendants of this process, and those that they start meanwhile, except ``spared`` ones and theirs."""
    end = elapsed() + _KILL_WAIT
    while (found := _descendants(spared)) and elapsed() < end:
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def _has_children() -> bool:
    """Whether this process has any children; if not, a search for descendants is not needed."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    except AttributeError:
        # macOS before Python 3.13.
        return True
    return True


def _descendants(spared: Collection[int] = ()) -> list[int]:
    """Return the running descendants of this process, without ``spared`` ones and their descendants."""
    children: dict[int, list[int]] = {}
    for pid, parent in _processes():
        if pid not in spared:
            children.setdefault(parent, []).append(pid)
    found = [os.getpid()]
    for pid in found:
        found += children.get(pid, ())
    return found[1:]


def _processes() -> Iterator[tuple[int, int]]:
    """Yield the PID of each running process, and that of its parent."""
    if sys.platform != "linux":
        yield from _processes_of_ps()
        return
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name of the program, in parentheses, may contain anything.
                state, parent = (entry / "stat").read_bytes().rpartition(b")")[2].split()[:2]
                if state != b"Z":
                    yield int(entry.name), int(parent)


def _processes_of_ps() -> Iterator[tuple[int, int]]:
    command = ["ps", "-A", "-o", "pid=", "-o", "ppid=", "-o", "state="]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        run = subprocess.run(command, capture_output=True, text=True, timeout=_CLOSE_WAIT, check=False)
        for pid, parent, state in (line.split(None, 2) for line in run.stdout.splitlines()):
            if not state.startswith("Z"):
                yield int(pid), int(parent)
