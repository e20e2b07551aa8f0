# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a PostgreSQL server of the lab."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from lab.access import Access
from lab.daemon import LabError, account, give, new_folder, remove, run
from lab.template import template, tool
from psycopg.conninfo import conninfo_to_dict, make_conninfo

#: The size of a small disk.
DISK_MB = 64


class DataDirectory:
    """A directory with ``data``, which may be a small disk, ``wal`` and ``log``."""

    def __init__(self, wanted: Path | None, small_disk: bool) -> None:
        self._made = ExitStack()
        self.folder = new_folder(wanted)
        self._made.callback(remove, self.folder)
        self.data, self.wal, self.log = (self.folder / name for name in ("data", "wal", "log"))
        self.status = self.data / "postmaster.pid"
        self._filler = self.data / "filler"
        try:
            for path in (self.data, self.wal):
                path.mkdir(mode=0o700)
                give(path)
            if small_disk:
                self._mount(self.data)
        except BaseException:
            self.remove()
            raise

    def _mount(self, place: Path) -> None:
        if not (user := account()):
            raise LabError("a small disk needs root: it is mounted")
        options = f"size={DISK_MB}m,mode=0700,uid={user.pw_uid},gid={user.pw_gid}"
        command = ["mount", "-t", "tmpfs", "-o", options, "qg-lab", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f"a small disk needs a root that may mount: {done.stderr.strip()}")
        self._made.callback(subprocess.run, ["umount", "--lazy", str(place)], check=True)

    def create(self, settings: Mapping[str, str]) -> tuple[str, str]:
        """Make an empty cluster of databases, and return the passwords of its role and its superuser."""
        made = template()
        made.copy_to(self.data, self.wal)
        (self.data / "pg_hba.conf").write_text(
            "local all all scram-sha-256\n"
            + "".join(f"host {name} all 127.0.0.1/32 scram-sha-256\n" for name in ("all", "replication")),
            encoding="ascii",
        )
        lines = [f"{name} = '{value}'\n" for name, value in {**settings, "ssl": "off"}.items()]
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(lines)
        return made.password, made.admin_password

    def copy(self, primary: Access) -> None:
        """Make a copy of a running server that follows it."""
        # Not in the command, which each process of the machine may read.
        settings = {"PGPASSWORD": primary.admin_password}
        address = conninfo_to_dict(primary.admin_url_of())
        source = make_conninfo("", **{name: address[name] for name in address if name not in ("password", "dbname")})
        places = [f"--pgdata={self.data}", f"--waldir={self.wal}"]
        fast = ["--no-sync", "--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf"]
        run([tool("pg_basebackup"), f"--dbname={source}", *places, *fast], settings)

    def is_ready(self) -> bool:
        """Whether the running server has written that it takes connections."""
        return self.status.exists() and self.status.read_text(encoding="utf-8").rstrip().endswith("ready")

    def fill(self) -> None:
        """Fill the small disk."""
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(self.data).free)

    def free(self) -> None:
        """Remove what fills the disk."""
        self._filler.unlink()

    def remove(self) -> None:
        """Remove all of it."""
        self._made.close()
