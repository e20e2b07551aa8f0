# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state in a PostgreSQL database: its identity, the faults of its server, locks of dead processes, and poolers."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.clock import elapsed
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.failed_waits import MEMORY_TTL, FailedWaits
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import Clock, Runtime, use
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import (
    SILENT,
    AnnouncementPolicy,
    Announcer,
    Wait,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.directory import BusyPolicy, StateError
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.journal import Journal
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.journal_rows import (
    LEASES,
    MAYBE_HELD,
    MONOPOLIES,
    Call,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import StorePlace, preload, url_secrets
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.postgres import PostgresState
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.postgres_connection import (
    ConnectionPolicy,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter
from support.postgres import Databases, PostgresServer
from support.processes import FORK, process_until_killed, threads, wait_for


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server that a test may stop."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def own_url(own_server: PostgresServer) -> Iterator[str]:
    """An empty database of this server, which runs again."""
    if not own_server.is_running():
        own_server.start()
    with own_server.database() as url:
        yield url
        if not own_server.is_running():
            own_server.start()


def open_state(url: str, announcer: Announcer = SILENT, *, busy: float = 2.0, **connection: Any) -> PostgresState:
    """Open the state of a new process, which waits for ``busy`` seconds.

    A server that is there, on a busy machine, has all the time that it needs.
    """
    policy = ConnectionPolicy(**{"connect_timeout": 120, **connection})
    return PostgresState(url, 0, announcer, BusyPolicy(busy, max(busy, 60.0)), policy, FailedWaits())


@contextlib.contextmanager
def opened(url: str, announcer: Announcer = SILENT, **how: Any) -> Iterator[PostgresState]:
    """The state of a new process, which closes it in the end."""
    with contextlib.closing(open_state(url, announcer, **how)) as state:
        yield state


class Shown:
    """What is announced."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.announcer = Announcer(self.lines.append, policy=AnnouncementPolicy(0.2, 10))


def refusal(url: str, **how: Any) -> str:
    with pytest.raises(OptionError) as error:
        open_state(url, **how)
    return error.value.message


def send(state: PostgresState) -> int:
    """Record a call that is about to be sent; returns its number."""
    return Journal(state, "k", LEASES).record(Call("allocate", "/allocate", asked=1, buys=1))


# Its address.


def test_an_address_that_cannot_be_used_is_refused_in_a_sentence_without_its_password(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = next(iter(url_secrets(database_url)))
    wrong = database_url.replace(password, "wrong-secret")
    user, _at, place = wrong.partition("@")
    messages = {
        "QG-secret": "store (environment QG_STORE) is not a URL: give the URL of a PostgreSQL database",
        "mysql://u:wrong-secret@h/d": "begins with mysql://: give the URL of a PostgreSQL database",
        f"{user}@[::1:{place}": "cannot be read",
        "postgresql://u:p@wrong-secret@h/d": "write %40 for @",
        "postgresql://u:1/wrong-secret@h/d": "%2F for /",
        wrong: "password authentication failed",
        f"{database_url}none": "does not exist. Check the name of the database",
        f"{database_url}?sslmode=require": "does not support SSL, but SSL was required. Set up TLS",
        f"{database_url}?service=none": 'definition of service "none" not found',
        "postgresql://u:wrong-secret@nowhere.invalid/d": "Check the name of the host",
    }
    found = {url: refusal(url) for url in messages}
    assert {url: text for url, text in found.items() if messages[url] not in text} == {}
    assert [text for text in found.values() if "secret" in text or password in text] == []
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert "needs the Python package psycopg" in refusal(database_url)


def test_the_password_may_be_outside_the_address(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (password,) = url_secrets(database_url)
    monkeypatch.setenv("PGPASSWORD", password)
    open_state(database_url.replace(f":{password}@", "@")).close()
    assert url_secrets("postgresql://h/d?user=u&password=p%40w") == {"p%40w", "p@w"}
    assert url_secrets("postgresql://u:p%40w@h/d") == {"p%40w", "p@w"}
    # One that is not encoded, as a user may mistype it, or as libpq accepts it.
    assert "p@/w" in url_secrets("postgresql://u:p@/w@h/d")
    assert "p?w" in url_secrets("postgresql://u:p?w@h/d?application_name=a@b")
    assert url_secrets(None) == url_secrets("postgresql://[::1/d") == frozenset()


# Its schema.


def test_processes_that_start_together_create_one_schema(database_url: str) -> None:
    states: list[PostgresState] = []
    with threads(*[lambda: states.append(open_state(database_url))] * 8) as start:
        start()
    assert len(states) == 8
    assert len({state.digest("pacing", "key") for state in states}) == 1, "all use the same salt"
    for state in states:
        state.close()


def test_a_newer_schema_is_refused(database_url: str) -> None:
    with opened(database_url) as state:
        state.execute("UPDATE identity SET version = 99")
    assert "its schema 99 is of a newer release of qingguo.qgnet" in refusal(database_url)


def test_a_schema_of_something_else_is_left_alone(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA qgnet CREATE TABLE theirs (a integer)")
        assert "its schema qgnet contains tables of something else" in refusal(database_url)
        assert connection.execute("SELECT count(*) FROM qgnet.theirs").fetchone() == (0,)


def test_a_user_who_may_not_create_the_schema_can_use_one_that_is_there(
    database_url: str, database_server: Databases
) -> None:
    name = database_url.rpartition("/")[2]
    with database_server.admin(name) as admin:
        admin.execute(f'ALTER DATABASE "{name}" OWNER TO postgres')
        assert "permission denied for database" in refusal(database_url)
        admin.execute("CREATE SCHEMA qgnet AUTHORIZATION qgnet")
        open_state(database_url).close()


# Its clock.


def test_no_process_is_behind_what_another_one_has_recorded(database_url: str) -> None:
    # The clock of the other control node is far behind.
    behind = Runtime(clock=Clock(wall=lambda: 0.0))
    with opened(database_url) as one, use(behind), opened(database_url) as other:
        for number in range(20):
            row = send(one)
            Journal(one, "k", LEASES).report(row, gone=[f"t{number}"])
            assert Journal(other, "k", LEASES).rows()[-1].marks == {f"t{number}": "gone"}


def test_a_transaction_that_cannot_begin_leaves_the_database_to_others(database_url: str) -> None:
    with opened(database_url) as one, opened(database_url) as other:
        one.rows("SET default_transaction_read_only = on")
        with pytest.raises(StateError, match="read-only"):
            one.execute("DELETE FROM journal WHERE id < 0")
        other.execute("DELETE FROM journal WHERE id < 0")
        one.rows("SET default_transaction_read_only = off")
        one.execute("DELETE FROM journal WHERE id < 0")


def test_time_goes_on_from_the_last_record_if_the_clock_of_the_server_is_set_back(database_url: str) -> None:
    with opened(database_url) as one, opened(database_url) as other:
        calls = Journal(one, "k", LEASES)
        send(one)
        # What it has recorded is an hour ahead of its clock now.
        one.execute("UPDATE clock SET last = last + 3600")
        one.execute("UPDATE journal SET sent_at = sent_at + 3600")
        before = other.now()
        assert calls.unsettled("allocate")[0].age(before) >= 0
        one.execute("DELETE FROM journal WHERE id < 0")
        assert other.now() > before, "it does not stand still until the clock has caught up"
        assert 3500 < -other.wall_ahead() <= 3600
        assert calls.unsettled("allocate")[0].age(other.now()) < 600


# Its locks.


def hold(url: str, ready: Any) -> None:
    with open_state(url).try_lock("L") as held:
        ready.put(held)
        time.sleep(600)


def test_the_lock_of_a_process_that_is_killed_is_free(database_url: str) -> None:
    ready = FORK.Queue()
    with (
        opened(database_url) as state,
        opened(database_url, machine="elsewhere") as elsewhere,
        process_until_killed(hold, database_url, ready) as holder,
    ):
        assert ready.get(timeout=20)
        process = holder.pid or 0
        assert state.holder("L") == f"process {process}"
        os.kill(process, signal.SIGSTOP)
        wait_for(lambda: state.is_holder_stopped("L"))
        assert state.describe_holder("L") == f"process {process}, which is stopped"
        with state.try_lock("L") as acquired:
            assert not acquired
        # Seen from another machine, or container, its number says nothing.
        assert elsewhere.holder("L") == f"process {process} of {os.uname().nodename}"
        assert not elsewhere.is_holder_stopped("L")
        os.kill(process, signal.SIGKILL)
        with state.try_lock("L", wait=Wait("it is held", 20)) as acquired:
            assert acquired
            with state.try_lock("L") as again:
                assert not again, "as with files: a process does not acquire what it holds"


def test_a_process_that_waits_is_notified_of_a_release(database_url: str) -> None:
    def release() -> None:
        listening = "SELECT 1 FROM pg_stat_activity WHERE query = 'LISTEN qgnet' AND datname = current_database()"
        with opened(database_url) as one, one.try_lock("L"):
            wait_for(lambda: bool(one.rows(listening)))

    with opened(database_url) as other, threads(release) as start:
        start()
        wait_for(lambda: other.holder("L") != "another process")
        began = time.monotonic()
        other.wait_for_change(600, Wait("it is held", 600))
        assert time.monotonic() - began < 300


def test_nothing_is_sent_after_a_lock_was_lost_with_the_connection(own_server: PostgresServer, own_url: str) -> None:
    with opened(own_url) as state:
        calls, writes = Journal(state, "k", LEASES), Journal(state, "k", MONOPOLIES)
        with state.try_lock("changing.k"):
            sent = send(state)
            own_server.crash()
            own_server.start()
            sending: list[Callable[[], object]] = [
                lambda: send(state),
                lambda: writes.record(Call("add", "/whitelist/add", ["192.0.2.1"], effect=MAYBE_HELD)),
                lambda: RateLimiter(state).try_acquire("k", "/x", 60, 1),
            ]
            for attempt in sending:
                with pytest.raises(StateError, match=r"the connection was lost, and with it a lock .* Run again"):
                    attempt()
            assert [call.id for call in calls.unsettled("allocate")] == [sent], "recorded for good before it was sent"
        with state.try_lock("changing.k") as again:
            assert again
            assert send(state)


# The faults of its server.


def test_a_server_that_comes_back_is_waited_for_and_one_that_does_not_is_reported(
    own_server: PostgresServer, own_url: str
) -> None:
    shown = Shown()
    with opened(own_url, shown.announcer, busy=30.0) as state:
        found: list[object] = []
        uses = (lambda: found.append(state.rows("SELECT 1")), lambda: open_state(own_url, busy=30.0).close())
        for use in uses:
            own_server.stop()
            # The server ends with the thread that has started it, so the other one waits for it.
            with threads(use) as start:
                start()
                time.sleep(0.5)
                own_server.start()
        assert found == [[(1,)]], "a process that was connected"
        assert len(shown.lines) == 1
        assert "cannot be reached" in shown.lines[0]
        with pytest.raises(StateError, match="cannot be used"), state.transaction() as database:
            own_server.terminate_backends()
            database.execute("SELECT 1")
        state.execute("DELETE FROM journal WHERE id < 0")
        own_server.stop()
        message = refusal(own_url, busy=0.5)
        assert "Connection refused. Check that the server runs and can be reached" in message


def test_a_wait_that_one_process_of_a_run_has_lost_is_not_repeated_by_the_others(
    own_server: PostgresServer, own_url: str, tmp_path: Path
) -> None:
    def open_in_a_process_of_the_run(busy: float, announcer: Announcer = SILENT) -> PostgresState:
        return PostgresState(own_url, 0, announcer, BusyPolicy(busy, busy), failed_waits=FailedWaits(tmp_path))

    own_server.stop()
    for busy in (1.0, 600.0):
        with pytest.raises(OptionError, match="Connection refused"):
            open_in_a_process_of_the_run(busy)
    own_server.start()
    open_in_a_process_of_the_run(1.0).close()
    (memory,) = tmp_path.iterdir()
    assert memory.stat().st_mode & 0o777 == 0o600
    memory.write_text(str(elapsed() - MEMORY_TTL), encoding="ascii")
    assert not FailedWaits(tmp_path).has_failed("another wait")
    shown = Shown()
    own_server.stop()
    with pytest.raises(OptionError):
        open_in_a_process_of_the_run(1.0, shown.announcer)
    assert len(shown.lines) == 1, "it is waited for again"


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_reported(own_server: PostgresServer, own_url: str) -> None:
    hasty = {"answer_timeout": 0.5, "connect_timeout": 2}
    with opened(own_url) as state, opened(own_url, **hasty) as impatient:
        own_server.pause()
        try:
            # Its socket still takes the next connection.
            with pytest.raises(StateError, match="connection timeout expired"):
                impatient.execute("DELETE FROM journal WHERE id < 0")
            assert "connection timeout expired" in refusal(own_url, **hasty)
        finally:
            own_server.resume()
        assert state.rows("SELECT 1") == [(1,)]


def test_a_server_that_takes_long_to_answer_gets_more_time_at_each_attempt(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, given = psycopg.Connection.connect.__func__, list[int]()

    def slow(kind: type[psycopg.Connection], *arguments: Any, **options: Any) -> Any:
        given.append(options["connect_timeout"])
        if len(given) < 4:
            raise psycopg.errors.ConnectionTimeout("connection timeout expired")
        return connect(kind, *arguments, **options)

    monkeypatch.setattr(psycopg.Connection, "connect", classmethod(slow))
    open_state(database_url, busy=60.0, connect_timeout=10).close()
    # No attempt is longer than what is left of the time that the server is waited for.
    assert (given[:3], len(given)) == ([10, 20, 40], 4)
    assert 40 < given[3] <= 60


def stay_in_a_transaction(url: str, ready: Any) -> None:
    with open_state(url, transaction_timeout=4.0).transaction():
        ready.put(True)
        time.sleep(600)


@pytest.mark.slow
def test_a_process_that_is_stopped_in_a_transaction_is_named_and_then_ended_by_the_server(database_url: str) -> None:
    open_state(database_url).close()
    ready, shown = FORK.Queue(), Shown()
    with process_until_killed(stay_in_a_transaction, database_url, ready) as process:
        assert ready.get(timeout=20)
        with opened(database_url, busy=0.5, lock_timeout=0.2) as state:
            assert state.rows("SELECT 1") == [(1,)], "reading does not wait"
            with pytest.raises(StateError, match=f"process {process.pid} has been writing to it for 0 seconds. End or"):
                state.execute("DELETE FROM journal WHERE id < 0")
        with opened(database_url, shown.announcer, busy=30.0, lock_timeout=0.2) as state:
            state.execute("DELETE FROM journal WHERE id < 0")
        assert len(shown.lines) == 1
        assert f"another process writes to the database of store: process {process.pid}" in shown.lines[0]


@pytest.mark.slow
def test_more_processes_than_the_server_has_connections_take_turns() -> None:
    with PostgresServer(max_connections=8, superuser_reserved_connections=3) as server:
        open_state(server.url).close()
        many, shown = [open_state(server.url) for _n in range(5)], Shown()
        leave = threading.Timer(0.5, many[0].close)
        leave.start()
        many.append(open_state(server.url, shown.announcer, busy=30.0))
        leave.join()
        assert "cannot be reached" in shown.lines[0]
        for state in many:
            state.close()
        with server.admin() as admin:
            admin.execute("ALTER ROLE qgnet CONNECTION LIMIT 1")
        shown = Shown()
        with opened(server.url), pytest.raises(OptionError, match="too many connections for role") as caught:
            open_state(server.url, shown.announcer, busy=0.5)
        assert "Raise the limit of connections" in caught.value.message
        assert len(shown.lines) == 1, "it is waited for, although the message names the role"


def test_a_process_prepares_those_that_it_forks_without_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        host, port = server.getsockname()
        for name, value in (("PGHOST", host), ("PGHOSTADDR", host), ("PGPORT", str(port))):
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("QG_STORE", f"postgresql://{host}:{port}/qgnet")
        preload()
        with pytest.raises(TimeoutError):
            server.accept()
    monkeypatch.setitem(sys.modules, "psycopg", None)
    preload()


def test_the_state_is_opened_where_the_options_say(database_url: str, tmp_path: Path) -> None:
    with contextlib.closing(StorePlace.of({"store": database_url}).open()) as state:
        assert isinstance(state, PostgresState)
        state.execute("DELETE FROM journal WHERE id < 0")
    assert list(tmp_path.iterdir()) == []
    with contextlib.closing(StorePlace.of({"store": str(tmp_path)}).open()) as state:
        assert not isinstance(state, PostgresState)
    # A mistyped URL is no directory, whose name messages would quote.
    for mistyped in ("mysql://me:HUSH@db.example/x", "me:HUSH@db.example/x"):
        with pytest.raises(QgError) as refused:
            StorePlace(mistyped).open()
        assert "HUSH" not in str(refused.value)
