# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store in a PostgreSQL database: its address, its schema, and the faults of its server."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import (
    Clock,
    Runtime,
    WaitBudget,
    use,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import database_secrets
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import open_store
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.postgres import PostgresStore
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import StateError
from support import phrases
from support.postgres import Databases, PostgresServer
from support.processes import process_until_killed, run_together, threads, wait_for

RECORD = "INSERT INTO facts VALUES ('k', ?, '', '', 1)"


@contextlib.contextmanager
def opened(url: str, busy: float = 2.0) -> Iterator[PostgresStore]:
    """The store of a new process, which waits for others for ``busy`` seconds."""
    slowly = f"{url}{'&' if '?' in url else '?'}connect_timeout=120"
    with contextlib.closing(PostgresStore(slowly, busy)) as store:
        yield store


def refusal(url: str) -> str:
    with pytest.raises(QgError) as refused:
        open_store(url, 0)
    return refused.value.message


# Its address.


def test_an_address_that_cannot_be_used_is_refused_in_a_sentence_without_its_password(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = next(iter(database_secrets(database_url)))
    wrong = database_url.replace(password, "wrong-secret")
    user, _at, place = wrong.partition("@")
    messages = {
        "u:wrong-secret@h/d": phrases.NO_POSTGRESQL_URL,
        "mysql://u:wrong-secret@h/d": phrases.NO_POSTGRESQL_URL,
        f"{user}@[::1:{place}": "cannot be read",
        "postgresql://u:p@wrong-secret@h/d": "write %40 for @",
        "postgresql://u:1/wrong-secret@h/d": "%2F for /",
        "postgresql://u:secret/d": phrases.PERCENT_ENCODING,
        wrong: phrases.CHECK_LOGIN,
        f"{database_url}none": f"does not exist. {phrases.CHECK_URL}",
        f"{database_url}?sslmode=require": "does not support SSL, but SSL was required",
        f"{database_url}?service=none": 'definition of service "none" not found',
        "postgresql://u:wrong-secret@nowhere.invalid/d": phrases.CHECK_SERVER,
    }
    found = {url: refusal(url) for url in messages}
    assert {url: text for url, text in found.items() if messages[url] not in text} == {}
    assert [text for text in found.values() if "secret" in text or password in text] == []
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, PostgresStore.__module__)
    assert phrases.NEEDS_PSYCOPG in refusal(database_url)


def test_the_password_may_be_outside_the_address(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (password,) = database_secrets(database_url)
    monkeypatch.setenv("PGPASSWORD", password)
    with opened(database_url.replace(f":{password}@", "@")):
        pass
    assert database_secrets("postgresql://h/d?user=u&password=p%40w") == {"p%40w", "p@w"}
    assert database_secrets("postgresql://u:p%40w@h/d") == {"p%40w", "p@w"}
    # One that is not encoded, as a user may mistype it, or as libpq accepts it.
    assert "p@/w" in database_secrets("postgresql://u:p@/w@h/d")
    assert "p?w" in database_secrets("postgresql://u:p?w@h/d?application_name=a@b")
    assert database_secrets(None) == database_secrets("postgresql://[::1/d") == frozenset()


# Its schema.


def test_processes_that_start_together_create_one_schema(database_url: str) -> None:
    def begin(name: str) -> None:
        with opened(database_url, 60.0) as store:
            store.execute(RECORD, name)

    run_together(begin, *((f"h{n}",) for n in range(6)))
    with opened(database_url) as store:
        assert store.rows("SELECT count(*) FROM facts") == [(6,)]


def test_a_newer_schema_is_refused(database_url: str) -> None:
    with opened(database_url) as store:
        store.execute("UPDATE meta SET version = 99")
    assert f"its schema 99 {phrases.NEWER_RELEASE}" in refusal(database_url)


def test_an_unpublished_schema_is_refused(database_url: str) -> None:
    with opened(database_url) as store:
        store.execute("UPDATE meta SET version = 1")
    assert f"its schema 1 {phrases.UNPUBLISHED_RELEASE}" in refusal(database_url)


def test_a_schema_of_something_else_is_left_alone(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA qgnet CREATE TABLE theirs (a integer)")
        assert phrases.FOREIGN_TABLES in refusal(database_url)
        assert connection.execute("SELECT count(*) FROM qgnet.theirs").fetchone() == (0,)


def test_a_user_who_may_not_create_the_schema_can_use_one_that_is_there(
    database_url: str, database_server: Databases
) -> None:
    name = database_url.rpartition("/")[2]
    with database_server.admin(name) as admin:
        admin.execute(f'ALTER DATABASE "{name}" OWNER TO postgres')
        assert "permission denied for database" in refusal(database_url)
        admin.execute("CREATE SCHEMA qgnet AUTHORIZATION qgnet")
        with opened(database_url):
            pass


def test_a_user_who_may_not_use_the_schema_is_told_so_and_not_to_drop_it(
    database_url: str, database_server: Databases
) -> None:
    """PostgreSQL says that the tables of such a schema do not exist."""
    name = database_url.rpartition("/")[2]
    role = f"{name}_other"
    denied = f"permission denied for schema qgnet. {phrases.GIVE_PERMISSION}"
    with database_server.admin(name) as admin:
        (password,) = database_secrets(database_url)
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
        admin.execute("CREATE SCHEMA qgnet AUTHORIZATION qgnet")
        theirs = database_url.replace("://qgnet:", f"://{role}:")
        assert denied in refusal(theirs)
        with opened(database_url):
            assert denied in refusal(theirs)
            admin.execute(f"GRANT USAGE ON SCHEMA qgnet TO {role}")
            assert "permission denied for table meta" in refusal(theirs)
        admin.execute(f"DROP OWNED BY {role}")
        admin.execute(f"DROP ROLE {role}")


def test_a_server_that_can_only_be_read_is_a_sentence(
    database_url: str, database_server: Databases
) -> None:
    with opened(database_url) as one, opened(database_url) as other:
        one.execute("SET default_transaction_read_only = on")
        with pytest.raises(StateError, match=phrases.NAME_THE_PRIMARY):
            one.execute("DELETE FROM journal WHERE id < 0")
        other.execute("DELETE FROM journal WHERE id < 0")
    name = database_url.rpartition("/")[2]
    with database_server.admin(name) as admin:
        admin.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    assert phrases.NAME_THE_PRIMARY in refusal(database_url)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("25006", phrases.NAME_THE_PRIMARY),
        ("42501", phrases.GIVE_PERMISSION),
        ("42P01", "Restore a backup, or drop the schema"),
        ("55P03", phrases.ANOTHER_WRITES),
        ("22P05", phrases.ENCODING),
    ],
)
def test_a_server_may_speak_any_language(database_url: str, code: str, advice: str) -> None:
    text = "取消语句"
    with opened(database_url) as store, pytest.raises(StateError) as failed:
        store.execute(f"DO $$ BEGIN RAISE '{text}' USING ERRCODE = '{code}'; END $$")
    assert f"cannot be used: {text}. {advice}" in failed.value.message


def test_the_store_is_where_the_option_says(database_url: str, tmp_path: Path) -> None:
    with contextlib.closing(open_store(database_url)) as store:
        assert isinstance(store, PostgresStore)
    assert list(tmp_path.iterdir()) == []
    with contextlib.closing(open_store(str(tmp_path))) as store:
        assert not isinstance(store, PostgresStore)
    # A mistyped URL is no directory, whose name messages would quote.
    with pytest.raises(QgError) as refused:
        open_store("me:HUSH@db.example/x")
    assert "HUSH" not in str(refused.value)


def test_a_clock_of_a_node_has_no_effect(database_url: str) -> None:
    behind = Runtime(clock=Clock(wall=lambda: 0.0))
    with opened(database_url) as one, use(behind), opened(database_url) as other:
        shown = [store.now() for store in (one, other, one)]
        assert shown == sorted(shown)


# The settings of its server.


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_a_process_that_waited_for_another_one_sees_what_that_has_written(
    database_url: str, database_server: Databases, isolation: str
) -> None:
    """Otherwise, both would take the last slot of a limit, or the last lease below a cap."""
    name = database_url.rpartition("/")[2]
    seen: list[Any] = []
    with database_server.admin(name) as admin:
        setting = f"default_transaction_isolation = '{isolation}'"
        admin.execute(f'ALTER DATABASE "{name}" SET {setting}')
        with opened(database_url) as one, opened(database_url, 60.0) as other:

            def read() -> None:
                with other.transaction():
                    seen.extend(other.rows("SELECT name FROM facts"))

            def is_waiting() -> bool:
                waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND wait_event_type = "
                return bool(admin.execute(f"{waiting} 'Lock'", [name]).fetchall())

            with threads(read) as start, one.transaction() as database:
                start()
                wait_for(is_waiting)
                database.execute(RECORD, ("first",))
    assert seen == [("first",)]


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_another_encoding_is_used_and_what_it_cannot_contain_is_a_sentence(
    database_url: str, database_server: Databases, encoding: str
) -> None:
    name = database_url.rpartition("/")[2]
    with database_server.admin() as admin:
        admin.execute(f'DROP DATABASE "{name}"')
        terms = f"OWNER qgnet TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"
        admin.execute(f'CREATE DATABASE "{name}" {terms}')
    with opened(database_url) as store:
        store.execute(RECORD, "Zürich")
        assert store.rows("SELECT name FROM facts") == [("Zürich",)]
        if encoding == "SQL_ASCII":
            store.execute(RECORD, "福建")
        else:
            with pytest.raises(StateError, match=phrases.ENCODING):
                store.execute(RECORD, "福建")


# The faults of its server.


def test_a_session_that_is_ended_takes_its_locks_and_records_nothing_more(
    database_url: str, database_server: Databases
) -> None:
    with opened(database_url) as store, opened(database_url) as other:
        with store.try_lock("changing.k"):
            store.execute(RECORD, "first")
            name = database_url.rpartition("/")[2]
            ((process,),) = store.rows("SELECT pg_backend_pid()")
            with database_server.admin(name) as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 5000)", [process])
            with other.try_lock("changing.k") as is_free:
                assert is_free
            for _attempt in range(2):
                with pytest.raises(StateError, match=phrases.CHECK_SERVER):
                    store.execute(RECORD, "later")
                with (
                    pytest.raises(StateError),
                    RateLimiter(store).slot("k", "/x", 60, 1, WaitBudget(0)),
                ):
                    pass
        assert other.rows("SELECT name FROM facts") == [("first",)]


def stop_in_a_transaction(url: str, limit: str) -> None:
    with opened(url) as store, store.transaction() as database:
        database.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{limit}'")
        os.kill(os.getpid(), signal.SIGSTOP)


def test_a_process_that_is_stopped_in_a_transaction_is_waited_for_and_reported(
    database_url: str,
) -> None:
    with opened(database_url, 0.2) as store:
        with process_until_killed(stop_in_a_transaction, database_url, "600s") as process:
            os.waitpid(process.pid or 0, os.WUNTRACED)
            assert store.rows("SELECT 1") == [(1,)], "reading does not wait"
            with pytest.raises(StateError, match=phrases.ANOTHER_WRITES):
                store.execute("DELETE FROM journal WHERE id < 0")
        store.execute("DELETE FROM journal WHERE id < 0")


@pytest.mark.slow
def test_the_server_ends_a_process_that_is_stopped_in_a_transaction(database_url: str) -> None:
    with (
        opened(database_url, 30.0) as store,
        process_until_killed(stop_in_a_transaction, database_url, "1s") as process,
    ):
        os.waitpid(process.pid or 0, os.WUNTRACED)
        store.execute("DELETE FROM journal WHERE id < 0")


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_reported() -> None:
    # A connection that is given up in the pause holds up the end of the server for so long.
    with PostgresServer(authentication_timeout=5) as server, opened(server.url, 0.1) as store:
        server.pause()
        try:
            # Its socket still takes the next connection.
            with pytest.raises(StateError, match=phrases.NOT_ANSWERED):
                store.execute("DELETE FROM journal WHERE id < 0")
            assert "timeout expired" in refusal(f"{server.url}?connect_timeout=2")
        finally:
            server.resume()


@pytest.mark.slow
def test_a_server_without_a_free_connection_is_a_sentence() -> None:
    with (
        PostgresServer(max_connections=8, superuser_reserved_connections=3) as server,
        contextlib.ExitStack() as many,
    ):
        for _number in range(5):
            many.enter_context(opened(server.url))
        with pytest.raises(StateError, match=phrases.RAISE_CONNECTIONS), opened(server.url):
            pass


def test_a_connection_pooler_is_refused(database_url: str) -> None:
    """A pooler gives its clients a number of its own as that of the server's process."""
    found = re.search(r"@([^:]+):(\d+)/", database_url)
    assert found
    with (
        socket.create_server(("127.0.0.1", 0)) as pooler,
        socket.create_connection((found[1], int(found[2]))) as server,
    ):
        port = pooler.getsockname()[1]

        def relay() -> None:
            client, _address = pooler.accept()

            def answer() -> None:
                while data := server.recv(65536):
                    client.sendall(
                        re.sub(rb"(?<=K\0\0\0\x0c)....", bytes(4), data, flags=re.DOTALL)
                    )

            with client, threads(answer) as start:
                start()
                while data := client.recv(65536):
                    server.sendall(data)
                server.shutdown(socket.SHUT_WR)

        with threads(relay) as start:
            start()
            url = database_url.replace(f":{found[2]}/", f":{port}/")
            assert phrases.POOLER in refusal(f"{url}?sslmode=disable&gssencmode=disable")


@pytest.mark.parametrize(
    ("store", "is_imported"), [("postgresql://127.0.0.1/qgnet", True), ("/nonexistent", False)]
)
def test_the_driver_is_imported_with_an_action_before_processes_are_forked(
    store: str, is_imported: bool
) -> None:
    package = open_store.__module__.partition(".module_utils")[0]
    program = f"import sys, {package}.action.qg_whitelist; print('psycopg' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "QG_STORE": store}
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout == f"{is_imported}\n"
