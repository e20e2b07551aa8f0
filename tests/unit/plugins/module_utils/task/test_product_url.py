# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which host gets the calls for a product: never the vendor's, if api_url names another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse, Transport
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import Runtime
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import INFO
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Mode, execute


class Recorder(Transport):
    """Keeps the URLs that are called, and responds with an empty list."""

    def __init__(self, urls: list[str]) -> None:
        super().__init__(timeout=10)
        self._urls = urls

    def send(self, method: str, url: str, parameters: Mapping[str, str], endpoint: str) -> HttpResponse:
        self._urls.append(url)
        return HttpResponse(200, '{"code": "SUCCESS", "data": []}', {})


@pytest.fixture
def called(tmp_path: Path) -> Callable[[str], str]:
    """The URL of the host that is called for product=share."""
    urls = list[str]()
    runtime = Runtime(transport=lambda **_given: Recorder(urls))

    def call(api_url: str) -> str:
        options = {name: option.get("default") for name, option in INFO.spec.items()}
        options |= {"key": "QGDEMO01", "api_url": api_url, "product": "share", "store": str(tmp_path)}
        assert "failed" not in execute(INFO, options, Mode(runtime=runtime))
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
