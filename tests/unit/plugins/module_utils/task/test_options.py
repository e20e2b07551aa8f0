# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the vendor's APIs: the clients that they make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import SILENT
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.api_options import (
    AccountConnection,
    Connection,
    key_caller,
)

SECRET = "0123456789abcdef0123"
COMMON = {"timeout": 10.0, "max_wait": 300.0}
ACCOUNT: dict[str, Any] = {
    **COMMON,
    "app_id": "qgdemo01",
    "app_key": SECRET,
    "account_url": "https://account.example/api",
}
PROXY: dict[str, Any] = {**COMMON, "key": SECRET, "password": "x", "api_url": "https://api.example"}


def test_blanks_around_credentials_do_not_count() -> None:
    padded = {**ACCOUNT, "app_id": " qgdemo01\n", "app_key": f"{SECRET}\n"}
    assert AccountConnection.of(padded) == AccountConnection.of(ACCOUNT)


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        *(
            (host, "www.qg.net")
            for host in ("www.qg.net", "qg.net", "127.0.0.1:8080", "[::1]:8080", "simulator:8080")
        ),
        ("Account.Reseller.example:8443", "account.reseller.example"),
    ],
)
def test_calls_are_signed_for_the_host_of_account_url(host: str, domain: str) -> None:
    assert (
        AccountConnection.of({**ACCOUNT, "account_url": f"https://{host}/api"}).identity.domain
        == domain
    )


def test_runs_that_spell_the_address_differently_share_the_lock_and_the_count(
    tmp_path: Path,
) -> None:
    urls = ["https://api.example", "http://API.example:80/"]
    connections = [Connection.of({**PROXY, "store": str(tmp_path), "api_url": url}) for url in urls]
    clients = [key_caller(connection, SILENT) for connection in connections]
    assert len({api.key_digest for api in clients}) == 1


VENDOR = "https://share.proxy.qg.net"


@pytest.mark.parametrize(
    ("api_url", "called"),
    [
        ("https://proxy.qg.net", VENDOR),
        ("https://proxy.qg.net/", VENDOR),
        ("HTTPS://Proxy.QG.net:443", VENDOR),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/share"),
        ("http://[::1]:8080/", "http://[::1]:8080/share"),
        ("https://proxy.qg.net.example", "https://proxy.qg.net.example/share"),
        ("https://reseller.example/qg", "https://reseller.example/qg/share"),
    ],
)
def test_a_key_is_never_sent_to_the_vendor_if_api_url_names_another_host(
    tmp_path: Path, api_url: str, called: str
) -> None:
    options = {**PROXY, "store": str(tmp_path), "api_url": api_url, "product": "share"}
    assert key_caller(Connection.of(options), SILENT).url == called


def test_one_caller_sends_to_one_product_after_the_other(tmp_path: Path) -> None:
    options = {**PROXY, "store": str(tmp_path), "product": "auto"}
    caller = key_caller(Connection.of(options), SILENT)
    classic = caller.key_digest

    seen = []
    for product in ("classic", "share", "overseas", "classic"):
        caller.use_product(product)
        seen.append((caller.product, caller.url, caller.key_digest == classic))

    assert seen == [
        ("classic", "https://api.example", True),
        ("share", "https://api.example/share", False),
        ("overseas", "https://api.example/overseas", False),
        ("classic", "https://api.example", True),
    ]
    assert caller.facts.key == classic, "what is known of the key is found whatever the product"


def test_the_text_of_a_connection_has_no_secret() -> None:
    connections = (Connection.of({**PROXY, "store": "~/state"}), AccountConnection.of(ACCOUNT))

    for connection in connections:
        assert SECRET not in repr(connection)
        assert "example" in repr(connection)
