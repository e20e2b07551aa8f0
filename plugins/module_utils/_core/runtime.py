# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The runtime of a task: all that it takes from the world besides its options, the store and
Ansible; and its waits.

No other file of the collection reads a clock, sleeps, draws a random delay or decides what carries
HTTP requests, except through :func:`current`; only a store sleeps, while others use its database. A
test gives a task another runtime in ``Mode``, and patches nothing.
"""

from __future__ import annotations

import contextlib
import functools
import getpass
import hashlib
import os
import random
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .errors import WaitBudgetExceeded
from .text import extra_var

#: On Linux, the monotonic clock stops while the machine is suspended. On macOS it does not, but
#: time.monotonic() does.
_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
#: Displays what a run waits for, or that a store is new: a text, by which it is known, and a
#: detail.
Announcer = Callable[[str, str], None]
#: The seconds of waiting for the same reason from which on it is announced.
ANNOUNCED_AFTER = 3.0


def _elapsed() -> float:
    return time.clock_gettime(_CLOCK)


@functools.lru_cache(maxsize=1)
def _boot_id() -> str:
    parts = []
    with contextlib.suppress(OSError):
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            parts.append(file.read().strip())
        parts.append(os.readlink("/proc/self/ns/time"))
    return " ".join(parts)


@dataclass(frozen=True)
class Clock:
    """The clocks of a machine: seconds of a boot, the Unix time, and the identity of the boot.

    The identity contains the time namespace of a container. It is empty if it is not known.
    """

    elapsed: Callable[[], float] = _elapsed
    wall: Callable[[], float] = time.time
    boot: Callable[[], str] = _boot_id


@dataclass(frozen=True)
class Runtime:
    """The clocks, the functions that sleep and draw a number, and the class of the transport (None:
    over HTTP).
    """

    clock: Clock = field(default_factory=Clock)
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[float, float], float] = random.uniform
    transport: Callable[..., Any] | None = None


#: The runtime of this machine.
REAL = Runtime()
_CURRENT: ContextVar[Runtime] = ContextVar("runtime", default=REAL)


def current() -> Runtime:
    """Return the runtime of the present task."""
    return _CURRENT.get()


@contextlib.contextmanager
def use(runtime: Runtime) -> Iterator[None]:
    """Let all that is called in the body have this runtime."""
    before = _CURRENT.set(runtime)
    try:
        yield
    finally:
        _CURRENT.reset(before)


def elapsed() -> float:
    """Return the seconds since an arbitrary moment, for differences only.

    They include the time of a suspension.
    """
    return current().clock.elapsed()


def wall_time() -> float:
    """Return the Unix time, which may be set at any moment."""
    return current().clock.wall()


class Actor(NamedTuple):
    """A user, a run of Ansible, and a task's host and inventory, which a module does not know."""

    user: str
    run: str
    host: str
    inventory: str


_task = ("", "")
_inventory_options: tuple[str, ...] = ()


def set_actor(*, host: str, sources: Sequence[str], is_default_inventory: bool) -> None:
    """Say which host the task of this process is for, and which sources of inventories its run has,
    and whether a run has these without an option.
    """
    global _task, _inventory_options
    _task = (host, ", ".join(sources))
    _inventory_options = ()
    if not is_default_inventory:
        for source in sources:
            _inventory_options += ("-i", source)


def playbook_command(name: str, **variables: str) -> str:
    """Return the command that runs a playbook with the inventories of this run."""
    words = shlex.join(["ansible-playbook", *_inventory_options, f"qingguo.qgnet.{name}"])
    return " ".join([words, *(extra_var(*variable) for variable in variables.items())])


def module_command(name: str, arguments: str = "") -> str:
    """Return the command that runs a module for the host of this task, whose key it has."""
    host = _task[0] or "localhost"
    words = ["ansible", host, *_inventory_options, "-m", f"qingguo.qgnet.{name}"]
    if arguments:
        words += ["-a", arguments]
    return shlex.join(words)


def current_actor() -> Actor:
    """Return the actor of this process.

    A run is the process that has forked this one, and its host.
    """
    # A container may run as a user without a name.
    user = "unknown"
    with contextlib.suppress(KeyError, OSError, ImportError):
        user = getpass.getuser()
    return Actor(user, f"{os.getppid()} {os.uname().nodename}", *_task)


def _began() -> float:
    """Return when this process began, in seconds of :func:`_elapsed`; where the system does not
    say, that is now.
    """
    with contextlib.suppress(OSError, IndexError, ValueError):
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
            # The name of the process, in parentheses, may contain anything.
            fields = file.read().rpartition(")")[2].split()
        return int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return _elapsed()


#: These two are made before Ansible forks its workers.
_BEGAN = _began()
_SALT = os.urandom(16)


def digest_in_run(*texts: str) -> str:
    """Return what tells texts apart within a run of Ansible, and reveals nothing outside of it."""
    text = "\0".join(texts).encode()
    return hashlib.blake2b(text, key=_SALT, digest_size=8).hexdigest()


def run_began() -> float:
    """Return the Unix time at which the process of this run of Ansible began."""
    return wall_time() - max(0.0, elapsed() - _BEGAN)


def _ignore(_reason: str, _detail: str) -> None:
    pass


SILENT: Announcer = _ignore


def pause(seconds: float) -> None:
    """Sleep, by the runtime of the task."""
    current().sleep(seconds)


@dataclass
class WaitBudget:
    """How many seconds a run may wait in total, for rate limits and between attempts.

    A sleep during which the machine was suspended counts with its actual duration. ``reasons`` are
    the parts of ``waited``, by reason.
    """

    max_wait: float
    sleep: Callable[[float], None] = pause
    waited: float = 0.0
    announcer: Announcer = SILENT
    elapsed: Callable[[], float] = elapsed
    reasons: dict[str, float] = field(default_factory=dict)

    def require(
        self, seconds: float, reason: str, endpoint: str, examine: Callable[[], str] | None = None
    ) -> None:
        """Raise WaitBudgetExceeded if the budget does not cover this many more seconds."""
        if self.waited + seconds > self.max_wait:
            detail = ""
            if examine:
                detail = f" ({examine()})"
            raise WaitBudgetExceeded(
                f"{endpoint}: {reason}{detail}, and waiting {seconds:.0f} more seconds would "
                f"exceed max_wait ({self.max_wait:g} seconds, {self.waited:.0f} of them used). "
                "Raise max_wait, or run the task again later.",
                endpoint=endpoint,
            )

    def wait(
        self,
        seconds: float,
        reason: str,
        endpoint: str,
        *,
        examine: Callable[[], str] | None = None,
    ) -> None:
        """Sleep, or raise WaitBudgetExceeded without sleeping if the budget does not cover it.

        A wait that is not short is announced, once for each reason. ``examine`` returns a detail of
        it.
        """
        self.require(seconds, reason, endpoint, examine)
        before = self.reasons.get(reason, 0.0)
        if before < ANNOUNCED_AFTER <= before + seconds:
            limit = f"at most {self.max_wait - self.waited:.0f} s more (max_wait)"
            if examine:
                limit = f"{examine()}; {limit}"
            self.announcer(f"waiting because {reason} ({endpoint})", limit)
        began = self.elapsed()
        try:
            self.sleep(seconds)
        finally:
            slept = max(seconds, self.elapsed() - began)
            self.waited += slept
            self.reasons[reason] = before + slept


def backoff(attempt: int, retry_after: float | None = None) -> float:
    """Return the seconds to wait before attempt number ``attempt`` + 1.

    That is the time that the server asked for, or one that doubles from 1 to 30 seconds; both with
    jitter.
    """
    if retry_after is not None:
        return retry_after + current().random(0, 1)
    return current().random(0.5, 1) * min(30.0, float(2**attempt))
