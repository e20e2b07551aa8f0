# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A store in a database: what becomes of a run whose database, or whose process, fails on the
way.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from behavior.paid_calls import ALLOCATE, WHITELIST
from support import phrases
from support.node import Node
from support.parameters import slow_cases
from support.postgres import PostgresServer, database_server, database_url
from support.processes import process_until_killed, wait_for
from support.vendor import CLASSIC, Vendor

pytestmark = pytest.mark.newest

__all__ = ["database_server", "database_url"]

ROOT = Path(__file__).resolve().parents[2]
ADDRESSES = ["203.0.113.1", "203.0.113.2"]


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that the test may stop."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def node(folder: Path, own_server: PostgresServer) -> Node:
    """A control node whose store is in that server."""
    return Node(folder / "store", Vendor(), product=CLASSIC, store=own_server.url)


def test_a_run_without_its_database_fails_before_the_first_call(
    node: Node, own_server: PostgresServer
) -> None:
    own_server.stop()

    purchase = node.failed(ALLOCATE, count=1)
    registration = node.failed(WHITELIST, ips=ADDRESSES)

    assert phrases.NO_DATABASE in purchase["msg"]
    assert phrases.NO_DATABASE in registration["msg"]
    assert node.vendor.calls() == []


def test_the_database_that_the_guide_closes_stops_each_run_until_it_is_opened(
    node: Node, own_server: PostgresServer
) -> None:
    guide = (ROOT / "docs/docsite/rst/leaked_key.rst").read_text(encoding="utf-8")
    (closing,) = re.findall(r"^   (ALTER .*;)\n   (SELECT .*;)$", guide, re.MULTILINE)
    node.ok(ALLOCATE, count=1)

    with own_server.admin() as connection:
        for statement in closing:
            connection.execute(statement)
    stopped = node.failed(ALLOCATE, count=3)

    assert phrases.CANNOT_BE_USED in stopped["msg"]
    assert node.vendor.paid == 1

    with own_server.admin() as connection:
        connection.execute(closing[0].replace("false", "true"))

    assert len(node.ok(ALLOCATE, count=3)["allocated"]) == 2


def test_the_doctor_names_the_database_and_no_password(
    node: Node, own_server: PostgresServer
) -> None:
    checks = node.ok("qg_doctor_info")["checks"]

    store = {check["name"]: check["detail"] for check in checks}["store"]
    assert "127.0.0.1, database qgnet" in store
    assert own_server.url.split("@")[0].rpartition(":")[2] not in str(checks)


def restart(server: PostgresServer) -> None:
    server.crash()
    server.start()


@pytest.mark.parametrize(
    "fail",
    [PostgresServer.terminate_backends, *slow_cases(restart, PostgresServer.crash)],
    ids=["killed", "again", "off"],
)
def test_a_session_that_is_lost_in_the_middle_of_a_paid_call_costs_nothing_twice(
    node: Node, own_server: PostgresServer, fail: Callable[[PostgresServer], None]
) -> None:
    node.vendor.after("/allocate", lambda: fail(own_server))

    result = node.failed(ALLOCATE, count=2)

    assert phrases.CANNOT_BE_USED in result["msg"]
    # What is known is said.
    assert {lease["ip"] for lease in result["allocated"]} == node.vendor.ips
    assert node.vendor.paid == 2
    if not own_server.is_running():
        own_server.start()
    again = node.ok(ALLOCATE, count=2)
    assert {lease["ip"] for lease in again["leases"]} == node.vendor.ips
    assert node.vendor.paid == 2


def test_a_session_that_is_lost_while_the_whitelist_is_written_loses_no_address(
    node: Node, own_server: PostgresServer
) -> None:
    node.ok(WHITELIST, ips=ADDRESSES[:1])
    node.vendor.after("/whitelist/add", own_server.terminate_backends)
    node.attempt(WHITELIST, ips=ADDRESSES[1:])

    node.ok(WHITELIST, ips=ADDRESSES[1:])

    assert node.vendor.whitelist == ADDRESSES


@pytest.mark.parametrize("kind", ["directory", "database"])
def test_a_run_that_is_stopped_is_named_and_when_it_is_killed_its_purchase_is_found(
    folder: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    node = Node(folder / "store", Vendor(), product=CLASSIC)
    if kind == "database":
        node.options["store"] = request.getfixturevalue("database_url")
    arrived = folder / "arrived"

    def stop_itself() -> None:
        arrived.touch()
        os.kill(os.getpid(), signal.SIGSTOP)

    def buy_in_vain() -> None:
        node.vendor.before("/allocate", stop_itself)
        node.run(ALLOCATE, count=2)

    with process_until_killed(buy_in_vain) as process:
        wait_for(arrived.exists)
        result = node.failed(ALLOCATE, count=2, max_wait=1)
        assert phrases.ANOTHER_RUN in result["msg"]
        assert f"(process {process.pid}" in result["msg"]
        assert "max_wait" in result["msg"]
        assert node.vendor.calls("/allocate") == []
    # The vendor of this process carries out what the killed one had sent to its own.
    node.vendor.hold(2)

    again = node.ok(ALLOCATE, count=2)

    assert {lease["ip"] for lease in again["leases"]} == node.vendor.ips
    assert node.vendor.calls("/allocate") == []
    assert node.vendor.paid == 2
