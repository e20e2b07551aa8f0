# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The timers on this machine that the playbook refresh_timer has installed, and their removal.

A timer would go on to run, and fail, for hosts from which everything was removed.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import playbook_command

#: Where units are, and the files with the keys of refreshes.
UNITS = Path("/etc/systemd/system")
KEYS = Path("/etc")
#: The comment in a unit of the playbook that says what it refreshes, as JSON.
_MARK = "# qingguo.qgnet.refresh_timer "


@dataclass(frozen=True)
class Timer:
    """A timer, and the hosts of an inventory that it refreshes."""

    name: str
    inventory: str
    hosts: tuple[str, ...]


def read_timers(units: Path = UNITS) -> Iterator[Timer]:
    """Yield the timers of refreshes on this machine."""
    for unit in sorted(units.glob("*.service")):
        try:
            first_line = unit.read_text(encoding="utf-8").partition("\n")[0]
            if first_line.startswith(_MARK):
                data = json.loads(first_line.removeprefix(_MARK))
                yield Timer(unit.stem, data["inventory"], tuple(data["hosts"]))
        except (OSError, ValueError, KeyError, TypeError):
            # It is a unit of somebody else, or of another release.
            continue


def remove_timer(timer: Timer, units: Path = UNITS, keys: Path = KEYS) -> None:
    """Stop a timer, and remove its units and the file with the key; raises QgError if this user may
    not.
    """
    _systemctl("disable", "--now", f"{timer.name}.timer")
    try:
        for file in (
            units / f"{timer.name}.timer",
            units / f"{timer.name}.service",
            keys / f"{timer.name}.env",
        ):
            file.unlink(missing_ok=True)
    except OSError:
        settings = {"qg_timer_state": "absent", "qg_timer_name": timer.name}
        raise QgError(
            f"The timer {timer.name} on this machine refreshes what has been removed, and this "
            "user may not remove it. As root, type: "
            f"{playbook_command('refresh_timer', **settings)}"
        ) from None
    _systemctl("daemon-reload")


def _systemctl(*words: str) -> None:
    """Tell systemd, if there is one; whether files can be removed says whether this user may."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(["systemctl", *words], capture_output=True, timeout=30, check=False)
