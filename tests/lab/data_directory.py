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
from typing import Literal

from lab.access import Access
from lab.daemon import LabError, account, give, new_folder, remove, run
from lab.template import template, tool
from psycopg.conninfo import conninfo_to_dict, make_conninfo

Disk = Literal["", "data", "wal"]


class DataDirectory:
    """A directory with ``data``, ``wal``, ``log`` and, with TLS, ``ca.crt``; the first two may be small disks."""

    def __init__(self, wanted: Path | None, small_disk: Disk, disk_mb: int) -> None:
        self._made = ExitStack()
        self.folder = new_folder(wanted)
        self._made.callback(remove, self.folder)
        self.data, self.wal, self.log = (self.folder / name for name in ("data", "wal", "log"))
        self.status = self.data / "postmaster.pid"
        self.ca_file = self.folder / "ca.crt"
        self._filler = self.folder / small_disk / "filler" if small_disk else None
        try:
            for path in (self.data, self.wal):
                path.mkdir(mode=0o700)
                give(path)
            if small_disk:
                self._mount(self.folder / small_disk, disk_mb)
        except BaseException:
            self.remove()
            raise

    def _mount(self, place: Path, megabytes: int) -> None:
        if not (user := account()):
            raise LabError("a small disk needs root: it is mounted")
        options = f"size={megabytes}m,mode=0700,uid={user.pw_uid},gid={user.pw_gid}"
        command = ["mount", "-t", "tmpfs", "-o", options, "qg-lab", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f"a small disk needs a root that may mount: {done.stderr.strip()}")
        self._made.callback(subprocess.run, ["umount", "--lazy", str(place)], check=True)

    def create(self, settings: Mapping[str, str], tls: bool) -> tuple[str, str]:
        """Make an empty cluster of databases, and return the passwords of its role and its superuser."""
        made = template()
        made.copy_to(self.data, self.wal)
        connections = "hostssl" if tls else "host"
        (self.data / "pg_hba.conf").write_text(
            "local all all scram-sha-256\n"
            + "".join(f"{connections} {name} all 127.0.0.1/32 scram-sha-256\n" for name in ("all", "replication")),
            encoding="ascii",
        )
        if tls:
            self._certify()
        lines = [f"{name} = '{value}'\n" for name, value in {**settings, "ssl": "on" if tls else "off"}.items()]
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
        if primary.ca_file:
            shutil.copy(primary.ca_file, self.ca_file)

    def _certify(self) -> None:
        import trustme

        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        key = self.data / "server.key"
        key.touch(mode=0o600)
        for path, blob in (
            (key, certificate.private_key_pem),
            (self.data / "server.crt", certificate.cert_chain_pems[0]),
            (self.ca_file, authority.cert_pem),
        ):
            blob.write_to_path(str(path))
            give(path)

    def is_ready(self) -> bool:
        """Whether the running server has written that it takes connections."""
        return self.status.exists() and self.status.read_text(encoding="utf-8").rstrip().endswith("ready")

    def fill(self, leave: int) -> None:
        """Fill the small disk but for ``leave`` bytes."""
        filler = self._existing_filler()
        filler.touch()
        if (more := shutil.disk_usage(filler.parent).free - leave) > 0:
            with filler.open("r+b") as file:
                os.posix_fallocate(file.fileno(), filler.stat().st_size, more)

    def free(self) -> None:
        """Remove what fills the disk."""
        self._existing_filler().unlink()

    def _existing_filler(self) -> Path:
        if self._filler is None:
            raise LabError("the server has no small disk")
        return self._filler

    def remove(self) -> None:
        """Remove all of it."""
        self._made.close()
