# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of one control node: a SQLite database and file locks in a directory that only its user
can enter.

State time begins as Unix time, and goes on with the clock of the boot, which no setting of the wall
clock changes, and which includes the time of a suspension. After a boot, it goes on from the last
record: nothing is taken for older than it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from .._core.errors import OptionError
from .._core.runtime import current
from .store import LOSS, STATEMENTS, VERSION, StateError, Store

DATABASE = "state.sqlite3"
FIX = "Set store (environment QG_STORE) to a directory on a local disk that this user owns."
#: What a message may quote of a relative path.
_PATH = re.compile(r"[\w ./${}~-]{1,100}")
_NO_ROOM = "Make room on its disk."
_DAMAGED = f"Move {DATABASE} and the files whose names begin with it out of that directory: {LOSS}"


class SqliteStore(Store):
    """The directory. It is made private, and refused if another user owns it or may write to it,
    or if others can read what else it contains.

    ``busy`` is for how many seconds another process that has locked the database is waited for.
    With ``makes_directory``, the directory is made if it does not exist.
    """

    errors = (sqlite3.Error,)
    advice: ClassVar = {
        "locked": (
            "Another process has kept it locked: end or continue that process, and run the task "
            "again."
        ),
        "full": _NO_ROOM,
        "No space": _NO_ROOM,
        # A full disk is one when a database is opened.
        "I/O error": f"{_NO_ROOM} If it has room, it may be broken.",
        "malformed": _DAMAGED,
        "not a database": _DAMAGED,
        "no such ": _DAMAGED,
    }
    default_advice = FIX

    #: The seconds by which state time is ahead of the clock of this boot.
    _ahead: float

    def __init__(self, directory: str, busy: float, *, makes_directory: bool = False) -> None:
        is_empty = not directory.strip()
        super().__init__(f"store {repr(directory) if is_empty else directory}")
        self._clock = current().clock
        with self._translated(OSError, RuntimeError, ValueError):
            if is_empty:
                raise ValueError("it is empty")
            self._directory = Path(os.path.expandvars(directory)).expanduser()
            if not self._directory.is_absolute():
                # It may be a login that the user has mistyped.
                shown = directory if _PATH.fullmatch(directory) else "..."
                raise OptionError(
                    "store",
                    f"={shown} is a relative path, which depends on where Ansible is started",
                    "give store (environment QG_STORE) an absolute path, or one that begins with "
                    "~/",
                )
            if makes_directory:
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                _make_private(self._directory)
            except FileNotFoundError:
                raise OptionError(
                    "store",
                    f"={directory} does not exist",
                    "give the directory that other runs use; for a new store, whose ledger and "
                    f"caps begin empty, make it with mkdir -p -m 700 {directory}",
                ) from None
            path = self._directory / DATABASE
            if not path.exists():
                self._create(path)
            self._database = self._sqlite = sqlite3.connect(
                path, timeout=busy, isolation_level=None
            )
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _create(self, path: Path) -> None:
        """Create the database in one step: another process finds it whole, or not at all."""
        draft = path.with_name(f"{DATABASE}.{secrets.token_hex(8)}")
        try:
            draft.touch(0o600)
            with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as database:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("BEGIN")
                for statement in (
                    *STATEMENTS,
                    "CREATE TABLE clock (boot TEXT, ahead REAL, last REAL)",
                ):
                    database.execute(statement)
                database.execute("INSERT INTO meta VALUES (?, ?)", (VERSION, secrets.token_hex(32)))
                database.execute("INSERT INTO clock VALUES ('', 0, ?)", (self._clock.wall(),))
                database.execute("COMMIT")
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
                self.is_new = True
        finally:
            draft.unlink(missing_ok=True)
        for folder in path.parents:
            _sync(folder)

    def _open(self) -> None:
        if ("meta",) not in self.rows("SELECT name FROM sqlite_master"):
            raise StateError(
                f"{self.place} cannot be used: {DATABASE} in it is a database of something else. "
                f"{FIX}"
            )
        self._read_identity()
        ((boot, self._ahead, last),) = self.rows("SELECT boot, ahead, last FROM clock")
        if boot != self._clock.boot() or self.now() < last:
            # From where time goes on after a boot is recorded at once, so that it is the same for
            # all processes.
            with self.transaction():
                pass

    def now(self) -> float:
        """Return the state time."""
        return self._clock.elapsed() + self._ahead

    def wall_ahead(self) -> float:
        """Return the seconds by which the wall clock is ahead of state time."""
        return self._clock.wall() - self.now()

    def _begin(self, *, durable: bool) -> None:
        # With NORMAL, a power failure may lose the last transactions; a process that is killed
        # loses none either way.
        level = "FULL" if durable else "NORMAL"
        self._database.execute(f"PRAGMA synchronous = {level}")
        self._database.execute("BEGIN IMMEDIATE")
        rows = self._database.execute("SELECT boot, ahead, last FROM clock")
        recorded, self._ahead, last = rows.fetchone()
        boot = self._clock.boot()
        elapsed = self._clock.elapsed()
        # Without an identity of the boot, a clock that is behind shows another one.
        if boot != recorded or elapsed + self._ahead < last:
            self._ahead = last - elapsed
        clock = (boot, self._ahead, elapsed + self._ahead)
        self._database.execute("UPDATE clock SET boot = ?, ahead = ?, last = ?", clock)

    def _acquire(self, name: str) -> Callable[[], None] | None:
        """Lock a file with the number of this process; the kernel unlocks it when that ends."""
        with self._translated(OSError):
            number = os.open(self._lock(name), os.O_WRONLY | os.O_CREAT, 0o600)
            file = os.fdopen(number, "w", encoding="ascii")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        return file.close

    def holder(self, name: str) -> str:
        """Name the process that holds a lock, for a message."""
        with contextlib.suppress(OSError):
            if number := self._lock(name).read_text(encoding="ascii").strip():
                return f"process {number}"
        return "another process"

    def _lock(self, name: str) -> Path:
        return self._directory / f"{name}.lock"

    def close(self) -> None:
        """Close the database: an open one must not be carried across a fork."""
        with self._translated():
            self._sqlite.close()


def _sync(folder: Path) -> None:
    """Write the names in a folder to its disk, if the folder and its file system allow it."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _make_private(directory: Path) -> None:
    status = directory.stat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError("it belongs to, or can be written by, another user")
    if status.st_mode & 0o777 == 0o700:
        return
    if status.st_mode & 0o077:
        names = {path.name for path in directory.iterdir()}
        # Another process may be creating the database at this moment.
        has_store = any(name.startswith(DATABASE) for name in names)
        if not has_store and names - {"lost+found"}:
            # Those who use it, such as /var/lib, could not enter it any more.
            raise PermissionError("others can read it, and it contains something else")
    directory.chmod(0o700)
