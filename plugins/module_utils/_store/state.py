# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the runs of one control node share: a small SQLite file and locks in the state directory.

This file is private to the collection. Keys stand in it only as a digest that is salted per directory.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .._core.errors import OptionError, QgError
from .._core.validation import check_path
from . import paid_calls, registrations, reported, whitelist_cache, whitelist_writes, write_queue

DEFAULT_STATE_DIR = "~/.ansible/qgnet"
_FIX = "Set state_dir (environment QG_STATE_DIR) to a directory on a local disk that this user owns."
#: Seconds for which a lock that nobody holds is not taken for one that was left behind.
YOUNG = 60
#: Seconds for which the database of another process is waited for, whatever max_wait is: at least, and at most.
MIN_BUSY, MAX_BUSY = 10.0, 60.0
#: Seconds between two attempts to get a lock: at first, and at most.
MIN_POLL, MAX_POLL = 0.02, 0.2
#: Bytes of the salt.
SALT_SIZE = 32

# calls: a row per call whose place in the vendor's window is taken; it is free again at `frees` (Unix time). It counts
#   for `amount`. `written` is the Unix time of the row, which shows that the clock was set back since.
# blocks: an endpoint of a key that the vendor refused for its rate rests until `until`; `written` as above.
# plans: how many channels the plan of a key has.
# tasks: which area and provider a task of leases was asked for with, and for which other tasks (JSON) it stands in.
# lifetimes: what a new lease had left at most, in seconds, by the keep_alive that it was asked for with.
# lists: the leases that a key held a moment ago (JSON), for templates that ask once per host.
# monopolies: the area code and provider that an exclusive-occupancy resource was applied for with.
# areas: the vendor's names of areas with their numbers (JSON).
_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
  id INTEGER PRIMARY KEY, key TEXT, endpoint TEXT, frees REAL, amount INTEGER, written REAL);
CREATE INDEX IF NOT EXISTS calls_by_key ON calls (key, endpoint, frees);
CREATE TABLE IF NOT EXISTS blocks (
  key TEXT, endpoint TEXT, until REAL, written REAL, PRIMARY KEY (key, endpoint));
CREATE TABLE IF NOT EXISTS plans (key TEXT PRIMARY KEY, channels INTEGER);
CREATE TABLE IF NOT EXISTS tasks (
  key TEXT, task TEXT, area INTEGER, isp TEXT, successor_of TEXT, at REAL, PRIMARY KEY (key, task));
CREATE TABLE IF NOT EXISTS lifetimes (
  key TEXT, keep_alive INTEGER, seconds REAL, at REAL, PRIMARY KEY (key, keep_alive));
CREATE TABLE IF NOT EXISTS lists (key TEXT PRIMARY KEY, at REAL, leases TEXT);
CREATE TABLE IF NOT EXISTS monopolies (
  key TEXT, uuid TEXT, area_code INTEGER, isp TEXT, at REAL, PRIMARY KEY (key, uuid));
CREATE TABLE IF NOT EXISTS areas (key TEXT PRIMARY KEY, at REAL, names TEXT);
"""
#: The number of this schema. A file with a greater one belongs to a newer release and is refused.
_VERSION = 8
#: "QGNT", which marks the file as ours (SQLite's application_id). Files up to this version carry no mark.
_APPLICATION, _LAST_UNMARKED = 0x51474E54, 5
#: Tables that hold only what is going on at this moment: a newer schema starts with empty ones.
_TRANSIENT = frozenset(
    {
        *("calls", "blocks", "write_requests", "snapshots", "whitelist_cache"),
        # The names of the last three up to schema 7.
        *("wishes", "rounds", "readings"),
    }
)
#: Tables whose rows are carried over to a newer schema.
_KEPT = frozenset(
    {
        *("registrations", "plans", "tasks", "lifetimes", "lists", "monopolies", "areas"),
        *("reported", "paid_calls", "whitelist_writes"),
    }
)


_DAMAGED = (
    "Move state.sqlite3 and the files whose names begin with it out of that directory: the hosts are then registered "
    "anew, and their former addresses stay on the whitelist until they are removed by hand."
)


class StateError(QgError):
    """The state directory, which was usable when the task began, can no longer be used."""


def resolve_directory(directory: str) -> Path:
    """The path of a state directory; refuses a text that names none, since it must not be the current directory."""
    if not directory.strip():
        raise OptionError(f"state_dir {directory!r} cannot be used: it is empty. {_FIX}")
    check_path("state_dir", directory)
    try:
        return Path(directory).expanduser()
    except RuntimeError:
        raise OptionError(f"state_dir {directory} cannot be used: the home directory is not known. {_FIX}") from None


class State:
    """The state directory: mode 0700, all of its files 0600. It is refused if others own it or may write to it.

    ``max_wait`` bounds how long another process that has the database locked is waited for, within
    :data:`MIN_BUSY` and :data:`MAX_BUSY`.
    """

    def __init__(self, directory: str, max_wait: float = MAX_BUSY) -> None:
        self._busy = min(max(MIN_BUSY, max_wait), MAX_BUSY)
        self.directory = resolve_directory(directory)
        try:
            self._open_directory()
            self._salt = self._read_salt()
            self._create_database()
            self._database = sqlite3.connect(self._database_path, timeout=self._busy, isolation_level=None)
            try:
                # Safe when a process dies. When the power fails, the last moments may be lost, which does no harm.
                self._database.execute("PRAGMA synchronous = NORMAL")
                self._prepare()
            except BaseException:
                self._database.close()
                raise
        except (OSError, sqlite3.Error) as problem:
            raise OptionError(self._explained(problem)) from None

    @property
    def _database_path(self) -> Path:
        return self.directory / "state.sqlite3"

    def _open_directory(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            link = os.lstat(self.directory)
            if stat.S_ISLNK(link.st_mode) and link.st_uid not in (0, os.geteuid()):
                raise PermissionError("it is a symbolic link of another user")
        if not self.directory.is_dir():
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Whatever the umask took away from it.
            os.chmod(self.directory, 0o700)
        status = os.stat(self.directory)
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise PermissionError("it belongs to, or can be written by, another user")
        if status.st_mode & 0o777 != 0o700:
            os.chmod(self.directory, 0o700)
            # Others could read the files of it, too, whichever of them are opened this time.
            for path in self.directory.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if stat.S_ISREG(os.lstat(path).st_mode):
                        self._own(path)

    def _own(self, path: Path) -> bool:
        """Whether a file exists; it is made private, and refused if it is a link or belongs to another user.

        The file is not opened: closing it would drop the locks that SQLite holds for this process.
        """
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise PermissionError(f"{path.name} in it is not a regular file of this user")
        if status.st_mode & 0o777 != 0o600:
            # A file of SQLite may go away at any moment.
            with contextlib.suppress(FileNotFoundError):
                os.chmod(path, 0o600)
        return True

    def _create(self, path: Path, content: bytes) -> None:
        """Put a new file in place at once, so that no other process ever reads half of it; keep one that is there."""
        draft = self.directory / f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}"
        number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            try:
                os.fchmod(number, 0o600)
                os.write(number, content)
            finally:
                os.close(number)
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()

    def _read_salt(self) -> bytes:
        path = self.directory / "salt"
        if not self._own(path):
            self._create(path, secrets.token_bytes(SALT_SIZE))
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            salt = os.read(number, SALT_SIZE + 1)
        finally:
            os.close(number)
        if len(salt) != SALT_SIZE:
            raise OptionError(
                f"state_dir {self.directory} cannot be used: the file salt in it is damaged ({len(salt)} bytes instead "
                f"of {SALT_SIZE}), and without it nothing is found in the database. Restore it from a backup, or move "
                "the whole directory away: the hosts are then registered anew, and their former addresses stay on "
                "the whitelist until they are removed by hand."
            )
        return salt

    def _create_database(self) -> None:
        for suffix in ("-wal", "-shm"):
            self._own(self.directory / f"state.sqlite3{suffix}")
        if not self._own(self._database_path):
            self._create(self._database_path, b"")

    def _prepare(self) -> None:
        if self._is_prepared():
            return
        # SQLite does not wait for its turn to change the journal mode, so only one process prepares at a time.
        with self.try_lock("prepare", wait=self._busy) as mine:
            if not mine:
                raise OptionError(
                    f"state_dir {self.directory} cannot be used: {self.holder_of('prepare')} has been preparing it for "
                    f"{self._busy:.0f} seconds. End or continue that process, and run again."
                )
            if self._is_prepared():
                return
            self._database.execute("PRAGMA journal_mode = WAL")
            with self.transaction() as database:
                if not self._is_prepared():
                    _migrate(database)

    def _is_prepared(self) -> bool:
        """Whether the database has this schema; raises OptionError for one that must not be touched."""
        mark, version, tables = self._identity()
        if mark == _APPLICATION:
            if version > _VERSION:
                raise OptionError(
                    f"state_dir {self.directory} cannot be used: its schema {version} is of a newer release of "
                    f"qingguo.qgnet, and this one reads schemas up to {_VERSION}. Use that release, or set state_dir "
                    "(environment QG_STATE_DIR) to another directory."
                )
            return bool(version == _VERSION)
        new = version == 0 and not tables
        ours = 1 <= version <= _LAST_UNMARKED and "registrations" in tables and tables <= _KEPT | _TRANSIENT
        if mark or not (new or ours):
            raise OptionError(
                f"state_dir {self.directory} cannot be used: state.sqlite3 in it is a database of something else. "
                f"{_FIX}"
            )
        return False

    def _identity(self) -> tuple[int, int, set[str]]:
        """The mark and the version of the database, and its tables unless it is ours.

        All of one moment: another process may make the schema at the same time.
        """
        own = not self._database.in_transaction
        if own:
            self._database.execute("BEGIN")
        try:
            mark = self._database.execute("PRAGMA application_id").fetchone()[0]
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            return mark, version, set() if mark == _APPLICATION else _tables(self._database)
        finally:
            if own:
                self._database.execute("ROLLBACK")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and one process at a time. Raises StateError if the database cannot be used."""
        with self._translated():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                # After some errors, such as a full disk, SQLite has done so already.
                with contextlib.suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
                raise

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Read, without waiting for anybody who writes."""
        with self._translated():
            return self._database.execute(query, values).fetchall()

    def decoded(self, text: str) -> Any:
        """The value of a column that holds JSON."""
        try:
            return json.loads(text)
        except (TypeError, ValueError, RecursionError):
            raise StateError(
                f"state_dir {self.directory} cannot be used: a value in its database cannot be read. {_DAMAGED}"
            ) from None

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """The one place where an error of SQLite after the opening becomes a sentence."""
        try:
            yield
        except sqlite3.Error as problem:
            raise StateError(self._explained(problem)) from None

    def _explained(self, problem: OSError | sqlite3.Error) -> str:
        reason = (problem.strerror if isinstance(problem, OSError) else None) or str(problem)
        number = problem.errno if isinstance(problem, OSError) else None
        words = reason.lower()
        fix = _FIX
        if "locked" in words or "busy" in words:
            process = _holder(self.directory / "state.sqlite3-shm")
            reason = f"{process} has kept its database locked for {self._busy:.0f} seconds"
            fix = "End or continue that process, and run again."
        elif number in (errno.ENOSPC, errno.EDQUOT) or "full" in words:
            fix = "Make room on its disk, or set state_dir (environment QG_STATE_DIR) to a directory on another one."
        elif number in (errno.EMFILE, errno.ENFILE):
            fix = "Raise the limit of open files (ulimit -n), or let fewer tasks run at once."
        elif number is None and ("malformed" in words or "not a database" in words or "no such " in words):
            fix = _DAMAGED
        return f"state_dir {self.directory} cannot be used: {reason}. {fix}"

    def digest(self, *parts: str) -> str:
        """A name for a secret that tells nothing about it to a reader who lacks this directory's salt."""
        return hashlib.blake2b("\0".join(parts).encode(), key=self._salt, digest_size=16).hexdigest()

    @contextlib.contextmanager
    def try_lock(self, name: str, *, wait: float = 0.0, unless: Callable[[], bool] = lambda: False) -> Iterator[bool]:
        """Hold the lock ``name`` if no other process does; the kernel frees it when the holder dies.

        It is waited for up to ``wait`` seconds, but no longer once ``unless`` is true.
        """
        try:
            number = self._open_lock(name, os.O_RDWR | os.O_CREAT)
        except OSError as problem:
            raise StateError(self._explained(problem)) from None
        try:
            yield _acquire(number, wait, unless)
        finally:
            os.close(number)

    def is_held(self, name: str) -> bool:
        """Whether somebody who lives holds the lock ``name``."""
        try:
            number = self._open_lock(name, os.O_RDONLY)
        except FileNotFoundError:
            return False
        except OSError as problem:
            raise StateError(self._explained(problem)) from None
        try:
            fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(number)
        return False

    def holder_of(self, name: str) -> str:
        """Who holds the lock ``name``, as a message names it."""
        return _holder(self._lock_file(name))

    def is_holder_stopped(self, name: str) -> bool:
        """Whether the process that holds the lock ``name`` is known to be stopped (SIGSTOP, a debugger)."""
        process = _process_that_holds(self._lock_file(name))
        return process is not None and _is_stopped(process)

    def drop_lock(self, name: str) -> None:
        """Remove a lock that nobody will ask for again."""
        # Where that fails, it is only a file left behind.
        with contextlib.suppress(OSError):
            self._lock_file(name).unlink()

    def drop_free_locks(self, prefix: str) -> None:
        """Remove the locks of this kind whose holders have died."""
        for path in self.directory.glob(f"{prefix}*.lock"):
            with contextlib.suppress(OSError):
                # A young one may be about to be held.
                if time.time() - path.stat().st_mtime > YOUNG and not self.is_held(path.stem):
                    path.unlink()

    def _open_lock(self, name: str, flags: int) -> int:
        number = os.open(self._lock_file(name), flags | os.O_NOFOLLOW, 0o600)
        try:
            if os.fstat(number).st_mode & 0o777 != 0o600:
                os.fchmod(number, 0o600)
        except BaseException:
            os.close(number)
            raise
        return number

    def _lock_file(self, name: str) -> Path:
        return self.directory / f"{name}.lock"

    def close(self) -> None:
        """Let go of the database.

        A process that has children must do so before: SQLite does not work in a child of a process that has it open.
        """
        self._database.close()


def _tables(database: sqlite3.Connection) -> set[str]:
    return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _columns(database: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in database.execute(f"PRAGMA table_info({table})")]


def _migrate(database: sqlite3.Connection) -> None:
    """Make this schema of an empty database, or of an older one, whose kept tables keep their rows."""
    existing = _tables(database)
    for table in sorted(existing & _TRANSIENT):
        database.execute(f"DROP TABLE {table}")
    kept = sorted(existing & _KEPT)
    for table in kept:
        database.execute(f"ALTER TABLE {table} RENAME TO former_{table}")
    stores = (registrations, write_queue, whitelist_cache, reported, paid_calls, whitelist_writes)
    for statement in "".join([_SCHEMA, *(store.SCHEMA for store in stores)]).split(";"):
        database.execute(statement)
    for table in kept:
        old = _columns(database, f"former_{table}")
        names = ", ".join(name for name in _columns(database, table) if name in old)
        database.execute(f"INSERT OR IGNORE INTO {table} ({names}) SELECT {names} FROM former_{table}")
        database.execute(f"DROP TABLE former_{table}")
    database.execute(f"PRAGMA application_id = {_APPLICATION}")
    database.execute(f"PRAGMA user_version = {_VERSION}")


def _acquire(number: int, wait: float, unless: Callable[[], bool]) -> bool:
    """Lock an open file, in attempts, since a wait of the kernel for a process that is stopped has no end."""
    give_up, poll = time.monotonic() + wait, MIN_POLL
    while True:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left = give_up - time.monotonic()
            if left <= 0 or unless():
                return False
            time.sleep(min(poll, left))
            poll = min(poll * 1.2, MAX_POLL)
        else:
            return True


def _process_that_holds(path: Path) -> int | None:
    """The process that has a file locked, if the system tells (Linux: /proc/locks)."""
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


def _holder(path: Path) -> str:
    process = _process_that_holds(path)
    return f"process {process}" if process else "another process"


def _is_stopped(process: int) -> bool:
    try:
        # The state follows the name, which may hold blanks (proc(5)).
        with open(f"/proc/{process}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"T", b"t")
    except (OSError, IndexError):
        return False
