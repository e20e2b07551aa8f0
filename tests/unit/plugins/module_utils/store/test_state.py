# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state directory: private, of one schema, and each of its errors a sentence."""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import signal
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import AnnouncementPolicy, Announcer
from ansible_collections.qingguo.qgnet.plugins.module_utils._store import schema
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.directory import (
    DEFAULT_BUSY_POLICY,
    DEFAULT_STORE,
    BusyPolicy,
    StateError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.state import State
from support.processes import process_until_killed
from support.registrations import register, registered

DATABASE = "state.sqlite3"
#: Long enough for an announcement on a busy machine.
MAX_WAIT = 3.0
FIX = "Set store (environment QG_STORE) to a directory on a local disk that this user owns."


def modes(directory: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}


@contextlib.contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def use(state: State) -> None:
    register(state, "k", "a", "192.0.2.1")
    with state.try_lock("some"):
        pass


@pytest.mark.parametrize("mask", [0o000, 0o277])
def test_directory_and_files_are_private_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    directory = tmp_path / "state"
    with umask(mask):
        use(state := State(str(directory)))
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert set(modes(directory).values()) == {0o600}
    state.close()


def test_wider_modes_of_earlier_runs_are_tightened(tmp_path: Path) -> None:
    use(State(str(tmp_path)))
    for path in tmp_path.iterdir():
        path.chmod(0o644)
    script = tmp_path / "run.sh"
    script.touch()
    script.chmod(0o755)
    tmp_path.chmod(0o755)
    use(State(str(tmp_path)))
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert modes(tmp_path).pop("run.sh") == 0o755, "a file of something else"
    script.unlink()
    assert set(modes(tmp_path).values()) == {0o600}


@pytest.mark.parametrize("name", [DATABASE, "salt", f"{DATABASE}-wal"])
def test_a_link_in_place_of_a_file_is_refused(tmp_path: Path, name: str) -> None:
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    target = tmp_path / "target"
    target.write_bytes(bytes(32))
    (directory / name).symlink_to(target)
    with pytest.raises(OptionError, match=f"{name} in it is not a regular file of this user"):
        State(str(directory))
    assert target.read_bytes() == bytes(32)


def test_a_link_in_place_of_a_lock_is_refused(tmp_path: Path) -> None:
    state = State(str(tmp_path / "state"))
    (state.directory / "some.lock").symlink_to(tmp_path / "target")
    with pytest.raises(StateError, match=r"store .* cannot be used"), state.try_lock("some"):
        pass
    assert not (tmp_path / "target").exists()


def test_a_directory_that_is_a_link_must_be_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(State(str(tmp_path / "state")))
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "state")
    use(State(str(link)))
    real = os.lstat

    def of_another(path: Path) -> os.stat_result:
        values = list(real(path))
        values[stat.ST_UID] = 4242
        return os.stat_result(values)

    monkeypatch.setattr(os, "lstat", of_another)
    with pytest.raises(OptionError, match="it is a symbolic link of another user"):
        State(str(link))


def test_a_schema_that_another_process_makes_at_this_moment_is_not_taken_for_a_foreign_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, others = sqlite3.connect, list[threading.Thread]()

    def interrupted(*arguments: Any, **named: Any) -> sqlite3.Connection:
        database = connect(*arguments, **named)

        def between(statement: str) -> None:
            if statement == "-- PRAGMA user_version" and not others:
                others.append(threading.Thread(target=lambda: State(str(tmp_path / "state")).close()))
                others[0].start()
                others[0].join(0.5)

        if not others:
            database.set_trace_callback(between)
        return database

    monkeypatch.setattr(sqlite3, "connect", interrupted)
    State(str(tmp_path / "state")).close()
    others[0].join()


# --- the schema


def test_a_new_state_is_marked_as_one_of_the_collection(tmp_path: Path) -> None:
    state = State(str(tmp_path))
    assert state.rows("PRAGMA application_id") == [(schema.APPLICATION_ID,)]
    assert state.rows("PRAGMA user_version") == [(schema.VERSION,)]
    state.close()


def be_killed_while_preparing(directory: str) -> None:
    prepare = schema.prepare_sqlite

    def killed(*arguments: Any) -> None:
        prepare(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    schema.prepare_sqlite = killed
    State(directory)


def test_a_preparation_that_is_killed_has_changed_nothing(tmp_path: Path) -> None:
    with process_until_killed(be_killed_while_preparing, str(tmp_path)) as process:
        process.join(20)
    assert process.exitcode == -signal.SIGKILL
    database = sqlite3.connect(tmp_path / DATABASE)
    assert database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    database.close()
    assert registered(State(str(tmp_path)), "k") == []


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    version = schema.VERSION + 1
    state = State(str(tmp_path))
    use(state)
    state.rows(f"PRAGMA user_version = {version}")
    state.close()
    before = (tmp_path / DATABASE).read_bytes()
    with pytest.raises(OptionError, match=rf"its schema {version} is of a newer release of qingguo\.qgnet"):
        State(str(tmp_path))
    assert (tmp_path / DATABASE).read_bytes() == before


@pytest.mark.parametrize(
    "script",
    [
        "PRAGMA application_id = 1;",
        "PRAGMA user_version = 4;",
        "CREATE TABLE claims (a TEXT);",
        "CREATE TABLE claims (a TEXT); CREATE TABLE customers (a TEXT); PRAGMA user_version = 4;",
        "CREATE TABLE claims (a TEXT); PRAGMA user_version = 9;",
    ],
    ids=["marked", "empty", "unversioned", "more tables", "another version"],
)
def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path, script: str) -> None:
    tmp_path.chmod(0o700)
    database = sqlite3.connect(tmp_path / DATABASE)
    database.executescript(script)
    database.close()
    before = (tmp_path / DATABASE).read_bytes()
    with pytest.raises(OptionError, match="is a database of something else"):
        State(str(tmp_path))
    assert (tmp_path / DATABASE).read_bytes() == before


# --- errors after the opening


def broken(state: State, *pragmas: str) -> State:
    for pragma in pragmas:
        state.rows(f"PRAGMA {pragma}")
    return state


def test_a_full_disk_is_a_sentence_and_the_next_transaction_works(tmp_path: Path) -> None:
    state = State(str(tmp_path))
    broken(state, "max_page_count = 1")
    ips = [f"198.18.{n // 250}.{n % 250}" for n in range(5000)]
    with pytest.raises(StateError, match=rf"store {tmp_path} cannot be used: .*full\. Make room on its disk"):
        register(state, "k", "a", *ips)
    assert registered(state, "k") == []
    broken(state, "max_page_count = 100000")
    register(state, "k", "a", *ips)
    assert len(registered(state, "k")) == 5000


def test_a_database_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    state = broken(State(str(tmp_path)), "query_only = 1")
    with pytest.raises(StateError, match=r"store .* cannot be used: .*readonly.*Set store"):
        register(state, "k", "a", "192.0.2.1")


def test_a_damaged_database_is_an_error_that_names_the_loss(tmp_path: Path) -> None:
    state = State(str(tmp_path))
    use(state)
    state.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    ((page,),) = state.rows("SELECT rootpage FROM sqlite_master WHERE name = 'registrations'")
    with open(tmp_path / DATABASE, "r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(StateError, match=r"malformed\. Move state\.sqlite3 .*registered anew"):
        State(str(tmp_path)).rows("SELECT * FROM registrations")


def test_too_many_open_files_are_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State(str(tmp_path))

    def exhausted(*_arguments: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", exhausted)
    with pytest.raises(StateError, match=r"Too many open files\. Raise the limit"), state.try_lock("some"):
        pass


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_damaged_salt_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "salt").write_bytes(b"x" * size)
    with pytest.raises(OptionError, match="the file salt in it is damaged"):
        State(str(tmp_path))


def test_a_salt_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "salt").mkdir()
    with pytest.raises(OptionError, match="salt in it is not a regular file"):
        State(str(tmp_path))


# --- paths that name no directory: nothing is made in the current one


@pytest.mark.parametrize(
    ("directory", "reason"),
    [
        ("", f"store '' cannot be used: it is empty. {FIX}"),
        (" ", f"store ' ' cannot be used: it is empty. {FIX}"),
        ("a\0b", "store 'a\uff3cx00b' cannot be used: it contains a NUL character. Give another path."),
        *(
            (path, f"store {path} cannot be used: the home directory is not known. {FIX}")
            for path in (DEFAULT_STORE, "~no-such-user/state")
        ),
    ],
)
def test_a_path_that_names_no_directory_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, directory: str, reason: str
) -> None:
    def unknown(_user: object) -> NoReturn:
        raise KeyError

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOME")
    for name in ("getpwuid", "getpwnam"):
        monkeypatch.setattr(pwd, name, unknown)
    with pytest.raises(OptionError) as refusal:
        State(directory)
    assert refusal.value.message == reason
    assert list(tmp_path.iterdir()) == []


# --- other processes that hang


def stop(*_arguments: object) -> NoReturn:
    os.kill(os.getpid(), signal.SIGSTOP)
    raise AssertionError("it was continued")


def stop_in_transaction(state: State) -> None:
    with state.transaction():
        stop()


def stop_while_preparing(state: State) -> None:
    with state.try_lock("prepare"):
        stop()


@contextlib.contextmanager
def stopped(directory: Path, how: Callable[[State], None]) -> Iterator[int]:
    """A process that was stopped while it held something; its number."""
    State(str(directory)).close()
    with process_until_killed(lambda: how(State(str(directory)))) as process:
        assert process.pid is not None
        os.waitpid(process.pid, os.WUNTRACED)
        yield process.pid


class Shown(list[str]):
    """What is announced of the waits for other processes, soon and once."""

    @property
    def announcer(self) -> Announcer:
        return Announcer(self.append, policy=AnnouncementPolicy(0.05, 600.0))

    def assert_only(self, reason: str, process: int, bounds: str) -> None:
        (text,) = self
        assert text.startswith(f"waiting because another process {reason}: process {process}, which is stopped; ")
        assert text.endswith(f" s more ({bounds})")


def test_a_database_is_waited_for_as_long_as_max_wait_within_limits() -> None:
    assert [DEFAULT_BUSY_POLICY.timeout(max_wait) for max_wait in (0, 30, 300)] == [10, 30, 60]
    assert DEFAULT_BUSY_POLICY.bounds == "max_wait, within 10 and 60 s"


def test_a_transaction_of_a_process_that_is_stopped_is_waited_for_as_long_as_max_wait(tmp_path: Path) -> None:
    shown, policy = Shown(), BusyPolicy(min_timeout=0.1, unannounced=0.1)
    with stopped(tmp_path, stop_in_transaction) as process:
        state = State(str(tmp_path), max_wait=MAX_WAIT, announcer=shown.announcer, policy=policy)
        assert state.rows("SELECT 1") == [(1,)], "reading does not wait"
        with pytest.raises(StateError, match=f"process {process} has kept its database locked.*End or continue"):
            register(state, "k", "a", "192.0.2.1")
        shown.assert_only("has locked the database in store", process, policy.bounds)


def test_the_preparation_by_a_process_that_is_stopped_is_waited_for_as_long_as_max_wait(tmp_path: Path) -> None:
    shown, policy = Shown(), BusyPolicy(min_timeout=0.1)
    with stopped(tmp_path, stop_while_preparing) as process:
        (tmp_path / DATABASE).unlink()
        with pytest.raises(QgError, match=f"process {process} has been preparing it for {MAX_WAIT:.0f} seconds"):
            State(str(tmp_path), max_wait=MAX_WAIT, announcer=shown.announcer, policy=policy)
        shown.assert_only("is preparing store", process, policy.bounds)
