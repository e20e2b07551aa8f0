# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients of a product host that receive given responses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.key import KeyCaller
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.lease_client import Leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse, Transport, encode
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import WaitBudget
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import open_store
from support.vendor import KEY

PWD = "s3cr3t+pass"
NUMBER = "00000000-1111-4222-8333-444444444444"
FULL: dict[str, Any] = {
    "proxy_ip": "192.0.2.30",
    "server": "192.0.2.30:22294",
    "task_id": "T",
    "area_code": 130227,
    "area": "河北省唐山市迁西县",
    "isp": "电信",
    "deadline": "2030-03-03 21:38:38",
}
BARE = {"server": "192.0.2.30:22294", "area": "130227", "distinct": False}
TERMS = AllocationParams()


class Script(Transport):
    """A transport that plays back responses and keeps what was sent."""

    def __init__(self, *script: HttpResponse) -> None:
        super().__init__(timeout=10)
        self.script = list(script)
        self.sent: list[str] = []

    def send(self, method: str, url: str, parameters: Mapping[str, str], endpoint: str) -> HttpResponse:
        assert method == "GET"
        self.sent.append(f"{url}?{encode(parameters)}")
        return self.script.pop(0)

    @property
    def parameters(self) -> str:
        """What the last request had beside key and password."""
        return self.sent[-1].partition("&pwd=s3cr3t%2Bpass")[2]


def response(data: Any, status: int = 200, **fields: Any) -> HttpResponse:
    body = {"code": "SUCCESS", "data": data, "request_id": NUMBER, **fields}
    return HttpResponse(status, json.dumps(body), {})


Client = Callable[..., tuple[Leases, Script]]


@pytest.fixture(name="client")
def client_fixture(tmp_path: Path) -> Client:
    """Clients of one control node, with the responses that each receives."""

    def build(*script: HttpResponse, product: str = "exclusive") -> tuple[Leases, Script]:
        transport = Script(*script)
        limiter = RateLimiter(open_store(str(tmp_path)), minute=60.0)
        budget = WaitBudget(60.0, sleep=lambda _seconds: None)
        url = f"https://{product}.example/"
        caller = KeyCaller(transport, limiter, budget, product=product, url=url, key=KEY, password=PWD)
        return Leases(caller), transport

    return build
