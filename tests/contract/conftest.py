# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests ask: the simulator, or with QG_KEY in the environment QG.net itself.

usage: QG_KEY=... QG_PRODUCT=classic .venv/bin/nox -s contract -- [--write] [--paid]

The product is "classic" for keys of proxy.qg.net. QG.net is only read from, unless --write lets the tests add two
addresses to the whitelist and remove them, and --paid lets them buy a lease and release it. The simulator is asked all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from simulator.fixture import running_simulator

PRODUCTS = ("classic", "share", "exclusive", "longterm", "overseas")
KEY, APP_ID = os.environ.get("QG_KEY", ""), os.environ.get("QG_APP_ID", "")
RATE_LIMITED = (-11, "REQUEST_LIMIT_EXCEEDED")


@dataclass
class Answer:
    """A response, and what its body says."""

    status: int
    media_type: str
    code: Any
    text: str
    body: dict[str, Any]
    data: Any


class Vendor:
    """QG.net, or the simulator in its place, for one key."""

    def __init__(self, product: str, url: str, key: str, minute: float) -> None:
        self.product, self.key, self._url, self._minute = product, key, url, minute
        self.account_url = os.environ.get("QG_ACCOUNT_URL", "https://www.qg.net/api")
        self.account = (APP_ID, os.environ.get("QG_APP_KEY", ""))
        self._session = requests.Session()
        self._session.trust_env = bool(KEY)

    def call(self, path: str, *, method: str = "GET", key: str = "", **params: str) -> Answer:
        """Make a call: "/whitelist/query", or with the name of a product "share/query"."""
        product, _slash, name = path.rpartition("/")
        own = {"key" if product in PRODUCTS else "Key": key or self.key}
        if password := os.environ.get("QG_PASSWORD"):
            own["pwd" if product in PRODUCTS else "Pwd"] = password
        host = f"https://{product}.proxy.qg.net" if product in PRODUCTS else "https://proxy.qg.net"
        url = f"{self._url}/{path.lstrip('/')}" if self._url else f"{host}/{name if product in PRODUCTS else path[1:]}"
        return self.send(url, method, own | params)

    def send(self, url: str, method: str, params: dict[str, str]) -> Answer:
        query, form = (params, None) if method == "GET" else (None, params)
        response = self._session.request(method, url, params=query, data=form, timeout=15, allow_redirects=False)
        assert response.status_code not in range(300, 400), "QG.net redirects no call"
        media_type = response.headers.get("Content-Type", "").partition(";")[0]
        body = response.json() if media_type == "application/json" else {}
        answer = Answer(
            response.status_code,
            media_type,
            body.get("Code", body.get("code")),
            body.get("Msg") or body.get("message") or body.get("Message") or "",
            body,
            body.get("Data", body.get("data")),
        )
        if answer.code in RATE_LIMITED:
            time.sleep(self._minute)
            return self.send(url, method, params)
        return answer

    def until(self, seen: Any, seconds: float = 60) -> bool:
        """Whether it is true in time: a list may lag."""
        end = time.monotonic() + seconds
        while not (found := seen()) and time.monotonic() < end:
            time.sleep(2 if KEY else 0.05)
        return bool(found)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write", action="store_true", help="let QG.net change the whitelist of QG_KEY")
    parser.addoption("--paid", action="store_true", help="let QG.net sell one lease, which is released")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what QG.net is not to be asked."""
    left_out = [name for name in ("write", "paid") if KEY and not config.getoption(name)]
    left_out += ["account"] if KEY and not APP_ID else []
    chosen = [item for item in items if not any(item.get_closest_marker(name) for name in left_out)]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.fixture(scope="module", params=[os.environ.get("QG_PRODUCT", "classic")] if KEY else PRODUCTS)
def vendor(request: pytest.FixtureRequest) -> Iterator[Vendor]:
    """QG.net with a key of one product."""
    if KEY:
        yield Vendor(request.param, os.environ.get("QG_API_URL", ""), KEY, 61)
        return
    with running_simulator(["--minute", "1"]) as sim:
        if request.param != "classic":
            sim.configure(plan={"kind": request.param})
        made = Vendor(request.param, sim.api_url, sim.key, 1.1)
        made.account_url, made.account = sim.account_url, (sim.app_id, sim.app_key)
        yield made
