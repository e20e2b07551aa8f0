# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Floor 1: what the runs of one control node share: a small SQLite file and locks in the state directory.

This file is private to the collection. Keys stand in it only as a digest that is salted per directory.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._checks import check_path
from ansible_collections.qingguo.qgnet.plugins.module_utils._errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._store import paid_calls, reported

DEFAULT_STATE_DIR = "~/.ansible/qgnet"
_FIX = "Set state_dir (environment QG_STATE_DIR) to a directory on a local disk that this user owns."
#: Seconds for which a lock that nobody holds is not taken for one that was left behind.
YOUNG = 60

# calls: a row per call whose place in the vendor's window is taken; it is free again at `frees` (Unix time). It counts
#   for `amount`. `written` is the Unix time of the row, which shows that the clock was set back since.
# blocks: an endpoint of a key that the vendor refused for its rate rests until `until`; `written` as above.
# registrations: which host was registered with which address, so that a former one can be removed.
# wishes: what hosts of running playbooks and waiting tasks want of a whitelist; the verdict (JSON) comes from whoever
#   wrote for all. Where `idle`, nothing had to be done for the wish when it was put down.
# rounds: the whitelist after such a write (JSON), for as long as a task that waited for it has not read it.
# readings: the whitelist (JSON) as a task read it for all of its hosts, for as long as it is `fresh`; and what that
#   cost (JSON), for as long as that is not `told`.
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
CREATE TABLE IF NOT EXISTS registrations (
  key TEXT, fleet TEXT, host TEXT, ip TEXT, PRIMARY KEY (key, fleet, host, ip));
CREATE TABLE IF NOT EXISTS wishes (
  id TEXT PRIMARY KEY, run TEXT, host TEXT, fleet TEXT, key TEXT, terms TEXT, wish TEXT, max_wait REAL, timeout REAL,
  seen TEXT, waiter TEXT, posted REAL, verdict TEXT, round TEXT, idle INTEGER);
CREATE INDEX IF NOT EXISTS wishes_by_age ON wishes (posted);
CREATE INDEX IF NOT EXISTS wishes_undecided ON wishes (key, terms) WHERE verdict IS NULL;
CREATE INDEX IF NOT EXISTS wishes_not_idle ON wishes (run) WHERE NOT idle;
CREATE INDEX IF NOT EXISTS wishes_by_round ON wishes (round) WHERE round IS NOT NULL;
CREATE TABLE IF NOT EXISTS rounds (id TEXT PRIMARY KEY, whitelist TEXT);
CREATE TABLE IF NOT EXISTS readings (
  key TEXT, run TEXT, task TEXT, at REAL, whitelist TEXT, cost TEXT, fresh INTEGER, told INTEGER);
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
_VERSION = 5


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
    """The state directory: created with mode 0700, and refused when others own it or may write to it."""

    def __init__(self, directory: str) -> None:
        self.directory = resolve_directory(directory)
        try:
            if not self.directory.is_dir():
                self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self.directory.stat()
            if status.st_uid != os.geteuid() or status.st_mode & 0o022:
                raise PermissionError("it belongs to, or can be written by, another user")
            self._salt = self._read_salt()
            self._database = sqlite3.connect(self.directory / "state.sqlite3", timeout=60, isolation_level=None)
            # Safe when a process dies. When the power fails, the last moments may be lost, which does no harm.
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._prepare()
        except (OSError, sqlite3.Error) as problem:
            reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else problem
            raise OptionError(f"state_dir {self.directory} cannot be used: {reason}. {_FIX}") from None

    def _read_salt(self) -> bytes:
        path = self.directory / "salt"
        # Unbuffered: a buffer costs each worker more than the read.
        with contextlib.suppress(FileNotFoundError), open(path, "rb", buffering=0) as file:
            return file.read()
        with contextlib.suppress(FileExistsError):
            # Written beside and linked into place, so that no other process ever reads half of it.
            draft = self.directory / f"salt.{os.getpid()}.{secrets.token_hex(4)}"
            draft.touch(mode=0o600)
            draft.write_bytes(secrets.token_bytes(32))
            try:
                os.link(draft, path)
            finally:
                draft.unlink()
        return path.read_bytes()

    def _prepare(self) -> None:
        if self._is_prepared():
            return
        # SQLite does not wait for its turn to change the journal mode, so only one process prepares at a time.
        with open(self.directory / "prepare.lock", "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if self._is_prepared():
                return
            os.chmod(self.directory / "state.sqlite3", 0o600)
            self._database.execute("PRAGMA journal_mode = WAL")
            with self.transaction() as database:
                # No more than the memory of what runs at this moment, in shapes that have changed.
                database.execute("DROP TABLE IF EXISTS calls")
                database.execute("DROP TABLE IF EXISTS blocks")
                database.execute("DROP TABLE IF EXISTS wishes")
                for statement in (_SCHEMA + reported.SCHEMA + paid_calls.SCHEMA).split(";"):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {_VERSION}")

    def _is_prepared(self) -> bool:
        return bool(self._database.execute("PRAGMA user_version").fetchone()[0] == _VERSION)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and one process at a time."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Read, without waiting for anybody who writes."""
        return self._database.execute(query, values).fetchall()

    def digest(self, *parts: str) -> str:
        """A name for a secret that tells nothing about it to a reader who lacks this directory's salt."""
        return hashlib.blake2b("\0".join(parts).encode(), key=self._salt, digest_size=16).hexdigest()

    @contextlib.contextmanager
    def try_lock(self, name: str, *, wait: bool = False) -> Iterator[bool]:
        """Hold the lock ``name`` if nobody else does, or wait for it; the kernel frees it when the holder dies."""
        with open(self._lock_file(name), "ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def is_held(self, name: str) -> bool:
        """Whether somebody who lives holds the lock ``name``."""
        try:
            with open(self._lock_file(name), "rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def drop_lock(self, name: str) -> None:
        """Remove a lock that nobody will ask for again."""
        self._lock_file(name).unlink(missing_ok=True)

    def drop_free_locks(self, prefix: str) -> None:
        """Remove the locks of this kind whose holders have died."""
        for path in self.directory.glob(f"{prefix}*.lock"):
            with contextlib.suppress(FileNotFoundError):
                # A young one may be about to be held.
                if time.time() - path.stat().st_mtime > YOUNG and not self.is_held(path.stem):
                    path.unlink()

    def _lock_file(self, name: str) -> Path:
        return self.directory / f"{name}.lock"

    def close(self) -> None:
        """Let go of the database.

        A process that has children must do so before: SQLite does not work in a child of a process that has it open.
        """
        self._database.close()
