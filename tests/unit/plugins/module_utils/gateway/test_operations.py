# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of installations that cannot be found, installed or refreshed, before anything is
paid for.
"""

from __future__ import annotations

import dataclasses
import socket
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import wall_time
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway import (
    host_checks,
    operations,
    records,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.declaration import (
    ProxyList,
    as_json,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.exits import Look
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.lease_sets import LeaseSet
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.slots import SlotLease
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.supply import Supplier, Supply
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.installations import (
    GATEWAY,
    LIST,
    Installation,
    Installations,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import open_store
from behavior.gateway_fleet import gateway
from support import phrases

KINDS = (GATEWAY, LIST)
PROXIES = ProxyList(
    path="/etc/crawler/proxies.txt",
    format="lines",
    template="",
    scheme="http",
    credentials=False,
    owner="crawler",
    command="reload-crawler now",
    interval=10,
    pools=gateway().pools,
)


@pytest.fixture
def rows(tmp_path: Any) -> Installations:
    return Installations(open_store(str(tmp_path)))


def installation(host: str, number: str = "1", name: str = "qg-proxy-gateway") -> Installation:
    return Installation(number, GATEWAY, "hosts.yml", host, name, as_json(gateway()), {})


def find(
    rows: Installations, *hosts: str, is_named: bool = True
) -> tuple[list[Installation], dict[str, str]]:
    return records.find(rows, "hosts.yml", hosts, KINDS, is_named=is_named)


def test_what_is_installed_on_the_hosts_is_found(rows: Installations) -> None:
    rows.declare([installation("web1"), installation("web2", "2")])

    found, missing = find(rows, "web1", "web3")

    assert [each.host for each in found] == ["web1"]
    assert phrases.NOTHING_RECORDED_FOR in missing["web3"]
    assert find(rows, "web1", "web3", is_named=False)[1] == {}


def test_a_named_host_that_was_removed_is_told_apart(rows: Installations) -> None:
    rows.declare([installation("web1"), installation("web2", "2")])
    rows.remove("hosts.yml", ["web2"])

    missing = find(rows, "web1", "web2")[1]

    assert phrases.WAS_REMOVED in missing["web2"]
    with pytest.raises(QgError, match=phrases.WAS_REMOVED):
        find(rows, "web2")


@pytest.mark.parametrize(("ago", "words"), [(90, "90 seconds ago"), (7300, "2 hours ago")])
def test_a_refresh_of_what_was_removed_says_when(rows: Installations, ago: int, words: str) -> None:
    rows.declare([installation("web1")])
    rows.store.execute("UPDATE installations SET removed_at = ?", wall_time() - ago)

    with pytest.raises(QgError, match=words):
        find(rows, "web1")


def test_a_refresh_of_nothing_names_the_hosts_that_have_something(rows: Installations) -> None:
    with pytest.raises(QgError, match=phrases.INSTALL_ONE_FIRST):
        find(rows, "web1")
    rows.declare([installation("web9")])
    with pytest.raises(QgError, match="has it for web9"):
        find(rows, "web1")


def test_two_runs_do_not_install_one_gateway_at_once(rows: Installations) -> None:
    rows.declare([installation("web1")])
    order = operations.Order(installation("web1", "2"), gateway(), {}, Look(frozenset()))

    with pytest.raises(QgError, match="Another run has installed or removed the gateway"):
        operations.declare(rows, [order])


def test_a_record_of_another_release_cannot_be_read() -> None:
    with pytest.raises(
        QgError, match="The record of the gateway qg-proxy-gateway on web1 cannot be read"
    ):
        records.recorded(dataclasses.replace(installation("web1"), options={"version": 99}))


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (Look(frozenset({"room"}), "1"), ""),
        (Look(frozenset(), "1"), phrases.DISK_IS_FULL),
        # Everybody can read the leases of a gateway, and only root can write them.
        (Look(frozenset(), "1"), "or set become"),
        (Look(frozenset({"room"}), ""), phrases.HOST_DOES_NOT_HAVE_IT),
        (Look(frozenset({"room"}), "2"), phrases.INSTALLED_BY_ANOTHER),
    ],
)
def test_a_host_that_is_not_as_recorded_is_not_refreshed(look: Look, words: str) -> None:
    said = host_checks.why_not_refreshed(installation("web1"), look)

    assert words in said
    assert bool(said) == bool(words)


GOOD = {"root", "systemd", "directory"}


@pytest.mark.parametrize(
    ("declaration", "flags", "words"),
    [
        (gateway(), GOOD, ""),
        (gateway(), GOOD - {"root"}, phrases.NEEDS_SYSTEMD),
        (gateway(), GOOD - {"systemd"}, phrases.NEEDS_SYSTEMD),
        (gateway(service="daemon"), {"directory"}, ""),
        (gateway(), GOOD - {"directory"}, phrases.DOES_NOT_EXIST_ON),
        (gateway(), GOOD | {"refused=127.0.0.1:3128=In_use"}, phrases.HAPROXY_CANNOT_LISTEN),
        (gateway(), GOOD | {"refused=127.0.0.1:3129=In_use", "refused=="}, ""),
        # A host can print anything.
        (gateway(), GOOD | {"refused=", "refused"}, ""),
        (dataclasses.replace(PROXIES, command=""), {"command"}, ""),
        (PROXIES, set(), ""),
        (PROXIES, {"closed"}, "cannot be written by this user"),
        (PROXIES, {"owner"}, phrases.CANNOT_OWN),
        (PROXIES, {"command"}, f"{phrases.BEGINS_WITH} reload-crawler"),
    ],
)
def test_what_a_host_lacks_is_said_before_any_change(
    declaration: Any, flags: set[str], words: str
) -> None:
    said = ""
    try:
        host_checks.check_host(declaration, "web1", flags)
    except QgError as error:
        said = error.message

    assert words in said
    assert bool(said) == bool(words)


def test_a_key_is_the_one_that_was_installed(rows: Installations) -> None:
    digest = records.key_digest(rows.store, "QGDEMO01")
    row = dataclasses.replace(installation("web1"), keys={"qg": digest})

    records.check_key(row, "qg", digest)
    with pytest.raises(QgError, match=phrases.ANOTHER_KEY_THAN_INSTALLED):
        records.check_key(row, "qg", records.key_digest(rows.store, "QGDEMO02"))


class Offer(Supplier):
    """A supplier that has these servers, whoever asks."""

    def __init__(self, *servers: str) -> None:
        self.servers = servers
        self.addresses = {}

    def supply(self, leases: LeaseSet) -> Supply:
        return Supply(
            leases=[], lasting=[SlotLease(0, server, server, None) for server in self.servers]
        )


def test_the_name_of_an_exit_is_looked_up_once_for_all_hosts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = []

    def look_up(name: str, *_rest: Any) -> list[Any]:
        names.append(name)
        if name == "gone.example":
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 80))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    orders = {}
    for number in range(30):
        look = Look(frozenset({"room"}), "1")
        place = installation(f"web{number}", str(number))
        orders[place.host] = [operations.Order(place, gateway(count=3), {"qg": "one"}, look)]

    offer = Offer("exit.example:80", "gone.example:80", "192.0.2.9:80")
    outcomes = operations.serve(orders, offer, is_refresh=True)

    assert sorted(names) == ["exit.example", "gone.example"]
    for [outcome] in outcomes.values():
        assert sorted(server.target for server in outcome.servers["qg"]) == [
            "192.0.2.7:80",
            "192.0.2.9:80",
        ]
        assert len(outcome.warnings) == 1
