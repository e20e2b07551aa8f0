# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store in a directory: private, of one schema, and each of its errors a sentence."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import resource
import signal
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    OptionError,
    QgError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import (
    DEFAULT_STORE,
    open_store,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.registrations import (
    Registration,
    Registrations,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.sqlite import SqliteStore
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import StateError, Store
from support import phrases
from support.processes import process_until_killed, run_together

DATABASE = "state.sqlite3"
FIX = phrases.SET_STORE


def opened(directory: Path) -> Store:
    return open_store(str(directory))


def refusal(directory: Path | str) -> str:
    with pytest.raises(QgError) as refused:
        open_store(str(directory))
    return refused.value.message


def register(store: Store, *ips: str) -> None:
    """Register a host with these addresses."""
    Registrations(store, "k").replace(
        [Registration("f", "a", ip, False, store.now(), store.now()) for ip in ips]
    )


def use(store: Store) -> None:
    register(store, "192.0.2.1")
    with store.try_lock("some"):
        pass


@contextlib.contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("mask", [0o000, 0o277])
def test_the_directory_is_private_whatever_the_umask(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mask: int
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    directory = tmp_path / ".ansible" / "qgnet"
    directory.parent.mkdir()
    with umask(mask):
        use(open_store(DEFAULT_STORE))
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in directory.iterdir()} == {0}


def test_a_directory_that_is_named_is_not_made(tmp_path: Path) -> None:
    """The caps of a store begin anew, also behind a mistyped path or before a disk is mounted."""
    with pytest.raises(OptionError, match=r"does not exist: .* mkdir -p -m 700"):
        open_store(str(tmp_path / "mistyped" / "store"))
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_others_can_read_becomes_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    use(opened(tmp_path))
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_directory_of_something_else_does_not_become_private(tmp_path: Path) -> None:
    """Root may have named /var/lib, which all services of the machine must be able to enter."""
    (tmp_path / "dpkg").mkdir()
    tmp_path.chmod(0o755)
    assert phrases.OF_OTHERS_TOO in refusal(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert sorted(tmp_path.iterdir()) == [tmp_path / "dpkg"]
    # A file system of its own is no such directory, and neither is a store with a new mode.
    (tmp_path / "dpkg").rename(tmp_path / "lost+found")
    use(opened(tmp_path))
    (tmp_path / "notes").touch()
    tmp_path.chmod(0o755)
    use(opened(tmp_path))
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_directory_that_others_can_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert phrases.OF_ANOTHER_USER in refusal(tmp_path)


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert refusal(tmp_path / "file" / "below").endswith(FIX)


def test_a_tilde_stands_for_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    open_store(DEFAULT_STORE)
    assert (tmp_path / ".ansible" / "qgnet" / DATABASE).is_file()


@pytest.mark.parametrize("directory", [DEFAULT_STORE, "~no-such-user/state"])
def test_a_home_that_nobody_knows_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, directory: str
) -> None:
    def unknown(_user: object) -> NoReturn:
        raise KeyError

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOME")
    for name in ("getpwuid", "getpwnam"):
        monkeypatch.setattr(pwd, name, unknown)
    assert refusal(directory) == f"store {directory} cannot be used: {phrases.NO_HOME}. {FIX}"
    assert list(tmp_path.iterdir()) == []


def test_a_path_with_a_null_character_is_refused() -> None:
    assert re.fullmatch(
        rf"store /a<U\+0000>b cannot be used: .*embedded null .*{re.escape(FIX)}", refusal("/a\0b")
    )


# Its database.


def test_processes_that_start_together_create_one_database(tmp_path: Path) -> None:
    insert = "INSERT INTO facts VALUES ('k', ?, '', '', 1)"
    run_together(
        lambda name: opened(tmp_path).execute(insert, name), *((f"h{n}",) for n in range(6))
    )
    assert opened(tmp_path).rows("SELECT count(*) FROM facts") == [(6,)]
    assert [
        path
        for path in tmp_path.glob(f"{DATABASE}*")
        if path.name not in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm")
    ] == []


def test_a_new_store_has_the_files_of_its_database_alone(tmp_path: Path) -> None:
    opened(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {
        DATABASE,
        f"{DATABASE}-wal",
        f"{DATABASE}-shm",
    }


def be_killed_while_creating(directory: Path) -> None:
    os.link = lambda *_paths: os.kill(os.getpid(), signal.SIGKILL)
    opened(directory)


def test_a_creation_that_is_killed_leaves_no_database(tmp_path: Path) -> None:
    with process_until_killed(be_killed_while_creating, tmp_path) as process:
        process.join(20)
    assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / DATABASE).exists()
    use(opened(tmp_path))


@pytest.mark.parametrize(
    ("version", "of_release"), [(1, phrases.UNPUBLISHED_RELEASE), (99, phrases.NEWER_RELEASE)]
)
def test_another_schema_is_refused_and_left_alone(
    tmp_path: Path, version: int, of_release: str
) -> None:
    store = opened(tmp_path)
    store.execute("UPDATE meta SET version = ?", version)
    store.close()
    before = (tmp_path / DATABASE).read_bytes()
    assert f"its schema {version} {of_release}" in refusal(tmp_path)
    assert (tmp_path / DATABASE).read_bytes() == before


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / DATABASE)
    database.execute("CREATE TABLE customers (a TEXT)")
    database.close()
    before = (tmp_path / DATABASE).read_bytes()
    assert phrases.FOREIGN_DATABASE in refusal(tmp_path)
    assert (tmp_path / DATABASE).read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"no database, but long enough to be read as one" * 50)
    assert phrases.MOVE_DATABASE in refusal(tmp_path)


# Errors after the opening.


def test_a_full_disk_is_a_sentence_and_the_next_transaction_works(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.rows("PRAGMA max_page_count = 1")
    ips = [f"198.18.{n // 250}.{n % 250}" for n in range(5000)]
    with pytest.raises(
        StateError, match=rf"store {tmp_path} cannot be used: .*{phrases.MAKE_ROOM}"
    ):
        register(store, *ips)
    assert Registrations(store, "k").all() == []
    store.rows("PRAGMA max_page_count = 100000")
    register(store, *ips)
    assert len(Registrations(store, "k").all()) == 5000


@pytest.mark.parametrize("is_new", [True, False])
def test_a_store_on_a_full_disk_is_not_opened_and_the_sentence_says_why(
    tmp_path: Path, is_new: bool
) -> None:
    if not is_new:
        opened(tmp_path).close()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Of what a full disk refuses, this refuses each byte that makes a file larger.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        text = refusal(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert phrases.MAKE_ROOM in text


def test_a_database_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.rows("PRAGMA query_only = 1")
    with pytest.raises(StateError, match=r"store .* cannot be used: .*readonly.*Set store"):
        register(store, "192.0.2.1")


def test_a_damaged_database_is_an_error_that_names_the_loss(tmp_path: Path) -> None:
    store = opened(tmp_path)
    use(store)
    store.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    ((page,),) = store.rows("SELECT rootpage FROM sqlite_master WHERE name = 'registrations'")
    with open(tmp_path / DATABASE, "r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(StateError, match=f"{phrases.MOVE_DATABASE} .*{phrases.REGISTERED_ANEW}"):
        opened(tmp_path).rows("SELECT * FROM registrations")


def test_a_lock_that_cannot_be_taken_is_a_sentence(tmp_path: Path) -> None:
    store = opened(tmp_path)
    (tmp_path / "some.lock").mkdir()
    with (
        pytest.raises(StateError, match=r"store .* cannot be used: Is a directory"),
        store.try_lock("some"),
    ):
        pass


def stop_in_a_transaction(directory: Path) -> None:
    with opened(directory).transaction():
        os.kill(os.getpid(), signal.SIGSTOP)


def test_a_process_that_is_stopped_in_a_transaction_is_waited_for_and_reported(
    tmp_path: Path,
) -> None:
    store = SqliteStore(str(tmp_path), 0.2)
    with process_until_killed(stop_in_a_transaction, tmp_path) as process:
        os.waitpid(process.pid or 0, os.WUNTRACED)
        assert store.rows("SELECT 1") == [(1,)], "reading does not wait"
        with pytest.raises(StateError, match=phrases.ANOTHER_LOCKS):
            register(store, "192.0.2.1")
    use(store)


# Where it is.


@pytest.mark.parametrize(
    "directory", ["state", "./state", "../state", "state/below", "$NO_SUCH_NAME/state", "."]
)
def test_a_relative_path_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, directory: str
) -> None:
    """Each working directory would have a store of its own, with a memory and caps of its own."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert refusal(directory).startswith(f"store={directory} {phrases.IS_RELATIVE}")
    assert list(tmp_path.rglob("*")) == [here]


@pytest.mark.parametrize("directory", ["~/state", "$HOME/state", "${HOME}/state"])
def test_a_path_from_the_home_is_absolute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, directory: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "state").mkdir()
    with contextlib.closing(open_store(directory)):
        assert (tmp_path / "state" / DATABASE).is_file()


def test_a_new_database_has_its_name_on_the_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Or a power failure would take the first purchases with it."""
    synced = set[str]()
    sync = os.fsync

    def noting(number: int) -> None:
        synced.add(os.readlink(f"/proc/self/fd/{number}"))
        sync(number)

    monkeypatch.setattr(os, "fsync", noting)
    monkeypatch.setenv("HOME", str(tmp_path))
    directory = tmp_path / ".ansible" / "qgnet"
    with contextlib.closing(open_store(DEFAULT_STORE)):
        assert {str(directory), str(directory.parent), str(tmp_path)} <= synced
