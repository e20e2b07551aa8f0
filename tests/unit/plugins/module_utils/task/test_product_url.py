# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which host gets the calls for a product: never the vendor's, if api_url names another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.lease_client import Leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse, Transport
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import SILENT
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import PROXY_API_OPTIONS, key_caller


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """The URL of the host that is called for product=share."""
    urls = list[str]()

    def send(_transport: Transport, _method: str, url: str, *_more: object) -> HttpResponse:
        urls.append(url)
        return HttpResponse(200, '{"code": "SUCCESS", "data": []}', {})

    monkeypatch.setattr(Transport, "send", send)
    defaults: dict[str, Any] = {name: option.get("default") for name, option in PROXY_API_OPTIONS.items()}

    def call(api_url: str) -> str:
        params = {**defaults, "key": "K", "api_url": api_url, "store": str(tmp_path)}
        Leases(key_caller(params, SILENT, product="share")).leases()
        (url,) = urls
        return url.removesuffix("/query")

    return call


@pytest.mark.parametrize("api_url", ["https://proxy.qg.net", "https://proxy.qg.net/", "HTTPS://Proxy.QG.net:443"])
def test_beside_the_api_of_the_vendor_are_its_product_hosts(called: Callable[[str], str], api_url: str) -> None:
    assert called(api_url) == "https://share.proxy.qg.net"


@pytest.mark.parametrize(
    "api_url",
    ["http://127.0.0.1:8080", "http://[::1]:8080/", "https://proxy.qg.net.example", "https://reseller.example/qg"],
)
def test_beside_any_other_api_is_the_path_of_the_product(called: Callable[[str], str], api_url: str) -> None:
    assert called(api_url) == f"{api_url.rstrip('/')}/share"
