# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PostgreSQL servers of the tests, and each way in which they fail."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from lab.access import Access
from lab.daemon import LabError, wait_until
from lab.postgres import PostgresServer
from psycopg import errors

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a small disk is mounted")


def connect(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True)


def value(connection: psycopg.Connection[Any], query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    return row and row[0]


def is_lost(connection: psycopg.Connection[Any]) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer(tls=True) as running:
        yield running


@pytest.fixture
def client(server: PostgresServer) -> Iterator[psycopg.Connection[Any]]:
    """A connection to an empty table ``t``."""
    with connect(server.url) as connection:
        connection.execute("DROP TABLE IF EXISTS t")
        connection.execute("CREATE TABLE t (a text)")
        yield connection


def test_each_test_has_an_empty_database_whose_role_is_not_a_superuser(
    database_server: Access, database_url: str
) -> None:
    with database_server.database() as other, connect(other) as elsewhere, connect(database_url) as here:
        here.execute("CREATE TABLE t (a int)")
        assert value(elsewhere, "SELECT to_regclass('t')") is None
        assert value(here, "SHOW synchronous_commit") == "on"
        assert value(here, "SHOW password_encryption") == "scram-sha-256"
        with pytest.raises(errors.InsufficientPrivilege):
            here.execute("CREATE ROLE another")
    # Dropped with a connection to it.
    with database_server.database() as other:
        left = connect(other)
    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        connect(other)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(database_url.replace(database_server.password, "wrong"))


def test_a_server_with_tls_refuses_connections_without(server: PostgresServer) -> None:
    with connect(server.url) as connection:
        assert value(connection, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is True
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        connect(f"{server.url.partition('?')[0]}?sslmode=disable")


def test_what_was_committed_survives_a_restart_and_a_crash(
    server: PostgresServer, client: psycopg.Connection[Any]
) -> None:
    client.execute("INSERT INTO t VALUES ('before the restart')")
    server.restart()
    with pytest.raises(psycopg.OperationalError):
        client.execute("SELECT 1")
    with connect(server.url) as after:
        after.execute("INSERT INTO t VALUES ('before the crash')")
        server.crash()
        with pytest.raises(psycopg.OperationalError):
            after.execute("SELECT 1")
    assert not server.is_running()
    with pytest.raises(psycopg.OperationalError, match="Connection refused"):
        connect(server.url)
    server.start()
    with connect(server.url) as recovered:
        assert value(recovered, "SELECT count(*) FROM t") == 2
    assert "was not properly shut down" in server.log


def test_a_paused_server_keeps_its_connections_and_answers_after_it(
    server: PostgresServer, client: psycopg.Connection[Any]
) -> None:
    server.pause()
    client.pgconn.send_query(b"INSERT INTO t VALUES ('late')")
    assert select.select([client.fileno()], [], [], 0.1)[0] == []
    server.resume()
    assert select.select([client.fileno()], [], [], 10)[0] == [client.fileno()]
    while client.pgconn.get_result():
        pass
    assert value(client, "SELECT a FROM t") == "late"


def test_parameters_change_while_the_server_runs_or_with_a_restart(
    server: PostgresServer, client: psycopg.Connection[Any]
) -> None:
    server.set(idle_session_timeout="1h")
    assert value(client, "SHOW idle_session_timeout") == "1h"
    # Three are for superusers.
    server.set(idle_session_timeout=None, max_connections=5)
    with connect(server.url) as first, connect(server.url):
        assert value(first, "SHOW idle_session_timeout") == "0"
        with pytest.raises(psycopg.OperationalError, match="connection slots are reserved"):
            connect(server.url)
    server.set(max_connections=None)
    with connect(server.url) as first:
        assert value(first, "SHOW max_connections") == "100"


def test_an_administrator_ends_the_connections(server: PostgresServer, client: psycopg.Connection[Any]) -> None:
    assert server.terminate_backends("another") == 0
    assert value(client, "SELECT 1") == 1
    assert server.terminate_backends() == 1
    with pytest.raises(errors.AdminShutdown):
        client.execute("SELECT 1")


def test_a_standby_shows_what_is_written_and_takes_over(
    server: PostgresServer, client: psycopg.Connection[Any]
) -> None:
    with server.standby() as standby:
        client.execute("INSERT INTO t VALUES ('on both')")
        server.wait_for_standbys()
        with connect(standby.url) as copy:
            assert value(copy, "SELECT a FROM t") == "on both"
            with pytest.raises(errors.ReadOnlySqlTransaction):
                copy.execute("DELETE FROM t")
            standby.promote()
            copy.execute("DELETE FROM t")
        assert value(client, "SELECT a FROM t") == "on both"


@needs_root
def test_a_full_disk_refuses_data_until_it_has_room() -> None:
    with PostgresServer(small_disk="data") as server, connect(server.url) as client:
        client.execute("CREATE TABLE t (a text)")
        server.fill_disk()
        with pytest.raises(errors.DiskFull):
            client.execute("INSERT INTO t VALUES ('too much')")
        server.free_disk()
        client.execute("INSERT INTO t VALUES ('enough room')")
        folder = server.files.folder
    assert not folder.exists()


@needs_root
def test_a_full_disk_of_the_log_ends_all_connections() -> None:
    more = "INSERT INTO t SELECT random()::text FROM generate_series(1, 20000)"
    with PostgresServer(small_disk="wal", disk_mb=16) as server:
        with connect(server.url) as client, connect(server.url) as other:
            client.execute("CREATE TABLE t (a text)")
            server.fill_disk()
            with pytest.raises(psycopg.OperationalError):
                for _row in range(20):
                    client.execute(more)
            wait_until(lambda: is_lost(other))
        server.free_disk()
        server.start()
        with connect(server.url) as client:
            client.execute(more)


def test_a_server_that_does_not_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    server = PostgresServer(shared_buffers="several")
    with pytest.raises(LabError, match='invalid value for parameter "shared_buffers"'):
        server.start()
    assert not server.is_running()
    with pytest.raises(LabError, match="has not been started"):
        str(server.files)
    if os.geteuid() == 0:
        with pytest.raises(LabError, match="only its owner may enter"):
            PostgresServer(tmp_path / "server").start()
    assert list(tmp_path.iterdir()) == []
