# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state directory and its files, readable by this user only, and its errors as sentences."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import sqlite3
import stat
from dataclasses import dataclass
from pathlib import Path

from .._core.errors import OptionError, QgError
from .._core.processes import describe_holder
from .._core.validation import check_path

DEFAULT_STORE = "~/.ansible/qgnet"
DATABASE_NAME = "state.sqlite3"
#: The patterns of the names of all files of a state directory.
_FILES = (f"{DATABASE_NAME}*", "salt*", "*.lock")
#: Bytes of the salt.
SALT_SIZE = 32
FIX = "Set store (environment QG_STORE) to a directory on a local disk that this user owns."
#: The limits of the time for which a task waits for a database that is locked or cannot be reached, in seconds.
MIN_BUSY_TIMEOUT, MAX_BUSY_TIMEOUT = 10.0, 60.0
#: What is lost with the database or the salt.
_LOSS = (
    "the hosts are then registered anew, and their former addresses stay on the whitelist until they are removed by "
    "hand."
)
DAMAGED = f"Move {DATABASE_NAME} and the files whose names begin with it out of that directory: {_LOSS}"


class StateError(QgError):
    """The state directory, which was usable when the task began, can no longer be used."""


def after_the_call() -> contextlib.AbstractContextManager[None]:
    """Let a failure of the state pass: after a call, it must never hide what the vendor did and was paid for."""
    return contextlib.suppress(StateError)


@dataclass(frozen=True)
class BusyPolicy:
    """For how many seconds a task waits for a database that is locked or cannot be reached: ``max_wait``, with limits.

    SQLite itself waits for ``unannounced`` seconds, which it cannot announce.
    """

    min_timeout: float = MIN_BUSY_TIMEOUT
    max_timeout: float = MAX_BUSY_TIMEOUT
    unannounced: float = 1.0

    @property
    def bounds(self) -> str:
        """How announcements name the limits."""
        return f"max_wait, within {self.min_timeout:.0f} and {self.max_timeout:.0f} s"

    def timeout(self, max_wait: float) -> float:
        """Return the seconds to wait."""
        return min(max(self.min_timeout, max_wait), self.max_timeout)


DEFAULT_BUSY_POLICY = BusyPolicy()


def resolve_directory(directory: str) -> Path:
    """Return the path of a state directory; refuse an empty text, since it must not mean the current directory."""
    if not directory.strip():
        raise OptionError(f"store {directory!r} cannot be used: it is empty. {FIX}")
    check_path("store", directory)
    try:
        return Path(os.path.expandvars(directory)).expanduser()
    except RuntimeError:
        raise OptionError(f"store {directory} cannot be used: the home directory is not known. {FIX}") from None


def describe_failure(directory: Path, error: OSError | sqlite3.Error, busy_timeout: float) -> str:
    """Say why the state directory cannot be used, and what the user can do about it."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    number = error.errno if isinstance(error, OSError) else None
    words = reason.lower()
    fix = FIX
    if "locked" in words or "busy" in words:
        process = describe_holder(directory / f"{DATABASE_NAME}-shm")
        reason = f"{process} has kept its database locked for {busy_timeout:.0f} seconds"
        fix = "End or continue that process, and run again."
    elif number in (errno.ENOSPC, errno.EDQUOT) or "full" in words:
        fix = "Make room on its disk, or set store (environment QG_STORE) to a directory on another one."
    elif number in (errno.EMFILE, errno.ENFILE):
        fix = "Raise the limit of open files (ulimit -n), or let fewer tasks run at once."
    elif number is None and ("malformed" in words or "not a database" in words or "no such " in words):
        fix = DAMAGED
    return f"store {directory} cannot be used: {reason}. {fix}"


def open_directory(directory: Path) -> None:
    """Create the directory with mode 0700, or make an existing one private.

    Raises PermissionError if another user owns the directory or may write to it.
    """
    with contextlib.suppress(FileNotFoundError):
        link = os.lstat(directory)
        if stat.S_ISLNK(link.st_mode) and link.st_uid not in (0, os.geteuid()):
            raise PermissionError("it is a symbolic link of another user")
    if not directory.is_dir():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The umask may have removed some of the owner's permissions.
        os.chmod(directory, 0o700)
    status = os.stat(directory)
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError("it belongs to, or can be written by, another user")
    if status.st_mode & 0o777 != 0o700:
        os.chmod(directory, 0o700)
        # Others could read the state as well, including what this run does not open; other files are none of ours.
        for path in itertools.chain.from_iterable(map(directory.glob, _FILES)):
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISREG(os.lstat(path).st_mode):
                    make_private(path)


def make_private(path: Path) -> bool:
    """Whether a file exists; its mode becomes 0600, and a link or the file of another user is refused.

    The file is not opened: closing it would drop the locks that SQLite holds for this process.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        raise PermissionError(f"{path.name} in it is not a regular file of this user")
    if status.st_mode & 0o777 != 0o600:
        # A file of SQLite may disappear at any moment.
        with contextlib.suppress(FileNotFoundError):
            os.chmod(path, 0o600)
    return True


def create_file(path: Path, content: bytes) -> None:
    """Create a file in one step, so that no other process reads half of it; keep a file that exists already."""
    draft = path.parent / f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        try:
            os.fchmod(descriptor, 0o600)
            os.write(descriptor, content)
        finally:
            os.close(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def read_salt(directory: Path) -> bytes:
    """Return the salt of the directory, which is created with the directory; refuse a damaged one."""
    path = directory / "salt"
    if not make_private(path):
        create_file(path, secrets.token_bytes(SALT_SIZE))
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        salt = os.read(descriptor, SALT_SIZE + 1)
    finally:
        os.close(descriptor)
    if len(salt) != SALT_SIZE:
        raise OptionError(
            f"store {directory} cannot be used: the file salt in it is damaged ({len(salt)} bytes instead "
            f"of {SALT_SIZE}), and without it nothing is found in the database. Restore it from a backup, or move "
            f"the whole directory away: {_LOSS}"
        )
    return salt
