# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install the Debian packages whose programs a session needs; a session starts the servers that it needs itself."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from shutil import which

#: Programs, and the Debian packages that have them. The hosts of the lab, which molecule and the benchmarks use:
LAB = {
    "curl": "curl",
    "haproxy": "haproxy",
    "hostname": "hostname",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "sshd": "openssh-server",
    "wget": "wget",
}
#: What shares state through PostgreSQL is tested on real servers.
DATABASE = {"pgbouncer": "pgbouncer", "postgres": "postgresql"}
#: What signs a release, and a project.
GNUPG = {"gpg": "gpg", "gpg-agent": "gpg-agent"}
#: The integration tests ask a host for its address with each of these programs, through login shells that read a
#: command in ways of their own, and have hosts that SSH does not reach. Prometheus itself checks what it reads.
INTEGRATION = {**DATABASE, **GNUPG} | {
    name: {"promtool": "prometheus", "ssh": "openssh-client"}.get(name, name)
    for name in ("busybox", "curl", "fish", "promtool", "ssh", "tcsh", "wget", "wget2")
}
#: A Debian of its own, with systemd.
MACHINE = {"ip": "iproute2", "mmdebstrap": "mmdebstrap", "systemd-nspawn": "systemd-container"}
BROWSER = {"chromedriver": "chromium-driver"} | ({} if which("google-chrome") else {"chromium": "chromium"})

#: Debian asks this program whether a package may start a service.
POLICY = Path("/usr/sbin/policy-rc.d")
#: Debian reads here whether PostgreSQL makes a cluster of databases when it is installed.
CLUSTERS = Path("/etc/postgresql-common/createcluster.d")
POSTGRESQL = Path("/usr/lib/postgresql")


def missing(programs: Mapping[str, str]) -> list[str]:
    places = [os.environ["PATH"], "/usr/sbin", "/sbin", *(str(path) for path in POSTGRESQL.glob("*/bin"))]
    return [package for program, package in programs.items() if not which(program, path=os.pathsep.join(places))]


def install(programs: Mapping[str, str], run: Callable[..., object], fail: Callable[[str], object], lock: Path) -> None:
    """Install what is missing with apt-get, by nox's run, or fail with the names of the packages."""
    lacking = missing(programs)
    if not lacking:
        return
    if os.geteuid() != 0 or not which("apt-get"):
        fail(f"programs are missing; as root: apt-get install {' '.join(lacking)} (names of Debian's packages)")
    # apt-get does not wait for that of a session beside this one.
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        options = {"external": True, "silent": True, "env": {"DEBIAN_FRONTEND": "noninteractive"}}
        run("apt-get", "-qq", "update", **options)
        with only_programs():
            run("apt-get", "-qq", "install", "--yes", "--no-install-recommends", *lacking, **options)


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
