# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processes of this machine: the identity of a run of Ansible, and the process that holds a file lock."""

from __future__ import annotations

import os
from pathlib import Path


def run_id(process: int | None = None) -> str:
    """Identify a run of Ansible by its process (default: the parent of this worker), its start and its host."""
    process = os.getppid() if process is None else process
    return f"{process} {process_start(process)} {process_namespace()}"


def is_run_finished(run: str) -> bool:
    """Whether a run is certainly over; False for runs of another machine or container, which cannot be checked."""
    process, start, namespace = [*run.split(" ", 2), "", ""][:3]
    return namespace == process_namespace() and process.isdigit() and process_start(int(process)) != start


def process_start(process: int) -> str:
    """Return the start of a process in clock ticks since the boot; without /proc, another text that identifies it."""
    try:
        # Fields after the name, which may contain blanks; the start is field 22 of the line (proc(5)).
        with open(f"/proc/{process}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except OSError:
        if os.path.exists("/proc/self/stat"):
            return ""
    # Without /proc, the session and the group of the process take the place of its start.
    try:
        return f"{os.getsid(process)}-{os.getpgid(process)}"
    except (OSError, OverflowError):
        return ""


def process_namespace() -> str:
    """Identify the scope of process numbers: this boot of the machine, and the container."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return f"{file.read().strip().decode()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return os.uname().nodename


def lock_holder(path: Path) -> int | None:
    """Return the process that has a file locked, if the system shows it (Linux: /proc/locks)."""
    try:
        status = os.stat(path)
        place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        with open("/proc/locks", encoding="ascii", errors="replace") as file:
            rows = [line.split() for line in file]
    except OSError:
        return None
    for row in rows:
        # "1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF"; a waiting one has "->" before its kind.
        if len(row) > 5 and row[3] == "WRITE" and row[5] == place and row[4].isdigit():
            return int(row[4])
    return None


def describe_holder(path: Path) -> str:
    """Name the process that has a file locked, for a message."""
    process = lock_holder(path)
    return f"process {process}" if process else "another process"


def describe_state(path: Path) -> str:
    """Name the process that has a file locked, and say if it is stopped, for the announcement of a wait."""
    process = lock_holder(path)
    return f"{describe_holder(path)}{', which is stopped' if process and is_stopped(process) else ''}"


def is_stopped(process: int) -> bool:
    """Whether a process is known to be stopped (SIGSTOP, a debugger)."""
    try:
        # The state follows the name, which may contain blanks (proc(5)).
        with open(f"/proc/{process}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"T", b"t")
    except (OSError, IndexError):
        return False
