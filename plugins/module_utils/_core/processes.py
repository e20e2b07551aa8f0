# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The identity of a run of Ansible."""

from __future__ import annotations

import os


def run_id() -> str:
    """Identify a run of Ansible by the process that has forked this one, its start in clock ticks, and its host."""
    process, start = os.getppid(), ""
    if os.path.exists(f"/proc/{process}/stat"):
        # Fields after the name, which may contain blanks; the start is field 22 of the line (proc(5)).
        with open(f"/proc/{process}/stat", "rb") as file:
            start = file.read().rpartition(b")")[2].split()[19].decode()
    return f"{process} {start} {os.uname().nodename}"
