# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the vendor's APIs: mistakes in them, and the clients that they make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import SILENT
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import (
    account_api,
    account_identity,
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


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"app_id": " "}, "app_id is empty: give the appid of the page Agent in QG.net's user center, or leave"),
        ({"app_key": ""}, "app_key is empty: give the appkey of the page Agent in QG.net's user center, or"),
        ({"account_url": "www.qg.net/api"}, "account_url cannot be used: give one URL with scheme and host, such"),
        ({"account_url": "ftp://www.qg.net"}, "such as https://www.qg.net/api."),
        ({"account_url": f"https://www.qg.net/api?k={SECRET}"}, "account_url must contain only scheme, host"),
        ({"account_url": f"https://me:{SECRET}@www.qg.net/api"}, "account_url contains a user name, a password or"),
        ({"account_url": "https://www.qg.net/api#x"}, "account_url must contain only scheme, host and path"),
        ({"timeout": 0.0}, "timeout=0 is out of range: give a number from 0.1 to 600."),
        ({"timeout": float("nan")}, "timeout=nan is out of range"),
        ({"max_wait": -1.0}, "max_wait=-1 is out of range: give a number from 0 to 86400."),
        ({"max_wait": 1e400}, "max_wait=inf is out of range"),
    ],
)
def test_a_mistake_in_an_option_of_the_account_is_one_sentence(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError) as caught:
        account_api({**ACCOUNT, **changes}, SILENT)
    assert words in caught.value.message
    assert "\n" not in caught.value.message
    assert SECRET not in f"{caught.value.message} {caught.value.details} {caught.value!r}"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"key": "  "}, "key is empty"),
        ({"api_url": "proxy.qg.net"}, "api_url cannot be used"),
        ({"api_url": f"https://proxy.qg.net/?Key={SECRET}"}, "api_url must contain only"),
        ({"api_url": "https://proxy.qg.net:0x1"}, "api_url"),
        ({"timeout": 0.0}, "timeout=0 is out of range: give a number from 0.1 to 600"),
        ({"max_wait": -1.0}, "max_wait=-1 is out of range"),
    ],
)
def test_a_mistake_in_an_option_of_the_key_is_one_sentence(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError) as caught:
        key_caller({**PROXY, "store": str(tmp_path), **changes}, SILENT)
    assert words in caught.value.message
    assert SECRET not in caught.value.message


def test_blanks_around_credentials_do_not_count() -> None:
    padded = {**ACCOUNT, "app_id": " qgdemo01\n", "app_key": f"{SECRET}\n"}
    assert account_identity(padded) == account_identity(ACCOUNT)


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        *((host, "www.qg.net") for host in ("www.qg.net", "qg.net", "127.0.0.1:8080", "[::1]:8080", "simulator:8080")),
        ("Account.Reseller.example:8443", "account.reseller.example"),
    ],
)
def test_calls_are_signed_for_the_host_of_account_url(host: str, domain: str) -> None:
    assert account_identity({**ACCOUNT, "account_url": f"https://{host}/api"}).domain == domain


def test_runs_that_spell_the_address_differently_share_the_lock_and_the_count(tmp_path: Path) -> None:
    urls = ["https://api.example", "http://API.example:80/"]
    clients = [key_caller({**PROXY, "store": str(tmp_path), "api_url": url}, SILENT) for url in urls]
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
    options = {**PROXY, "store": str(tmp_path), "api_url": api_url}
    assert key_caller(options, SILENT, product="share")._url == called
