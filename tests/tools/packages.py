# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let Debian's packages bring their programs only: a session starts the servers that it needs itself."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import which

#: Debian asks this program whether a package may start a service.
POLICY = Path("/usr/sbin/policy-rc.d")
#: Debian reads here whether PostgreSQL makes a cluster of databases when it is installed.
CLUSTERS = Path("/etc/postgresql-common/createcluster.d")
POSTGRESQL = Path("/usr/lib/postgresql")


def missing(programs: Mapping[str, str]) -> list[str]:
    """Return the packages whose programs are not on this machine."""
    places = [os.environ["PATH"], "/usr/sbin", "/sbin", *(str(path) for path in POSTGRESQL.glob("*/bin"))]
    return [package for program, package in programs.items() if not which(program, path=os.pathsep.join(places))]


@contextlib.contextmanager
def only_programs() -> Iterator[None]:
    """Let the packages that are installed meanwhile start no service and make no database."""
    with contextlib.ExitStack() as stack:
        if not POLICY.exists():
            # If it is not removed, it allows everything.
            POLICY.write_text(f"#!/bin/sh\nkill -0 {os.getpid()} 2>/dev/null && exit 101\nexit 0\n", encoding="ascii")
            stack.callback(POLICY.unlink)
            POLICY.chmod(0o755)
        for folder in (CLUSTERS.parent, CLUSTERS):
            if not folder.exists():
                folder.mkdir()
                stack.callback(_remove_if_empty, folder)
        setting = CLUSTERS / "qgnet.conf"
        stack.callback(setting.unlink, missing_ok=True)
        setting.write_text("create_main_cluster = false\n", encoding="ascii")
        yield


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
