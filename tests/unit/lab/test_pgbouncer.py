# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PgBouncer in front of the server of the tests."""

from __future__ import annotations

import select
from typing import Any, Literal

import psycopg
import pytest
from lab.access import Access
from lab.pgbouncer import PgBouncer


def backend(connection: psycopg.Connection[Any]) -> Any:
    return connection.execute("SELECT pg_backend_pid()").fetchone()


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_clients_share_a_connection_of_the_server_between_transactions_only_in_that_mode(
    database_server: Access, database_url: str, mode: Literal["session", "transaction"]
) -> None:
    with PgBouncer(database_server, mode, default_pool_size=2) as bouncer:
        url = bouncer.url_to(database_url)
        with psycopg.connect(url, autocommit=True) as first, psycopg.connect(url, autocommit=True) as second:
            assert (backend(first) == backend(second)) == (mode == "transaction")


def test_it_stops_and_answers_late_like_the_server(database_server: Access, database_url: str) -> None:
    with PgBouncer(database_server) as bouncer:
        url = bouncer.url_to(database_url)
        client = psycopg.connect(url, autocommit=True)
        bouncer.pause()
        client.pgconn.send_query(b"SELECT 1")
        assert select.select([client.fileno()], [], [], 0.1)[0] == []
        bouncer.resume()
        assert select.select([client.fileno()], [], [], 10)[0] == [client.fileno()]
        bouncer.stop()
        with pytest.raises(psycopg.OperationalError, match="Connection refused"):
            psycopg.connect(url)
        bouncer.start()
        psycopg.connect(url).close()
        with psycopg.connect(bouncer.access.admin_url_of("pgbouncer"), autocommit=True) as console:
            console.pgconn.exec_(b"RELOAD")
    assert not bouncer.is_running()
