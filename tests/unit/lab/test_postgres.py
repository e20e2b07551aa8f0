# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PostgreSQL servers of the tests; the tests of the store make them fail."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psycopg
import pytest
from lab.access import Access
from lab.daemon import LabError
from lab.postgres import PostgresServer
from psycopg import errors


def connect(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True)


def value(connection: psycopg.Connection[Any], query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    return row and row[0]


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
