# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The identity of a run of Ansible, which shows other processes whether it is over."""

from __future__ import annotations

import os


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
