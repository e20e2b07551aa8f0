# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests ask: the simulator, or with QG_KEY in the environment QG.net itself.

usage: QG_KEY=... QG_PRODUCT=classic .venv/bin/nox -s contract -- [--write] [--paid]

The product is "classic" for keys of proxy.qg.net. QG.net is only read from, unless --write lets the
tests add two addresses to the whitelist and remove them, and --paid lets them buy a lease and
release it. The simulator is asked all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from qgnet_simulator.running import Simulator, running_simulator

PRODUCTS = ("classic", "share", "exclusive", "longterm", "overseas")
KEY = os.environ.get("QG_KEY", "")
APP_ID = os.environ.get("QG_APP_ID", "")
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


class QgNet:
    """QG.net, or the simulator in its place, for one key."""

    def __init__(self, product: str, url: str, key: str, minute: float) -> None:
        self.product = product
        self.key = key
        self._url = url
        self._minute = minute
        self.is_classic = product == "classic"
        self.account_url = os.environ.get("QG_ACCOUNT_URL", "https://www.qg.net/api")
        self.account = (APP_ID, os.environ.get("QG_APP_KEY", ""))
        self._session = requests.Session()
        self._session.trust_env = bool(KEY)

    def call(self, path: str, *, method: str = "GET", key: str = "", **params: str) -> Answer:
        """Make a call: "/whitelist/query", or with the name of a product "share/query"."""
        product = path.rpartition("/")[0]
        names = ("Key", "Pwd")
        url = f"https://proxy.qg.net{path}"
        if product in PRODUCTS:
            names = ("key", "pwd")
            url = f"https://{product}.proxy.qg.net/{path.rpartition('/')[2]}"
        if self._url:
            url = f"{self._url}/{path.lstrip('/')}"
        caller = {names[0]: key or self.key}
        if password := os.environ.get("QG_PASSWORD"):
            caller[names[1]] = password
        return self.send(url, method, caller | params)

    def send(self, url: str, method: str, params: dict[str, str]) -> Answer:
        query: dict[str, str] = {}
        form: dict[str, str] = {}
        if method == "GET":
            query = params
        else:
            form = params
        response = self._session.request(
            method, url, params=query, data=form, timeout=15, allow_redirects=False
        )
        assert response.status_code not in range(300, 400), "QG.net redirects no call"
        media_type = response.headers.get("Content-Type", "").partition(";")[0]
        body = {}
        if media_type == "application/json":
            body = response.json()
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
        pause = 2 if KEY else 0.05
        while time.monotonic() < end:
            if seen():
                return True
            time.sleep(pause)
        return bool(seen())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write", action="store_true", help="let QG.net change the whitelist of QG_KEY"
    )
    parser.addoption(
        "--paid", action="store_true", help="let QG.net sell one lease, which is released"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what QG.net is not to be asked."""
    if not KEY:
        return
    left_out = [name for name in ("write", "paid") if not config.getoption(name)]
    if not APP_ID:
        left_out.append("account")
    chosen = []
    for item in items:
        if not any(item.get_closest_marker(name) for name in left_out):
            chosen.append(item)
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.fixture(scope="session")
def stand_in() -> Iterator[Simulator | None]:
    """The simulator, unless QG.net itself is asked."""
    if KEY:
        yield None
        return
    with running_simulator(["--minute", "1"]) as sim:
        yield sim


@pytest.fixture(
    scope="module", params=[os.environ.get("QG_PRODUCT", "classic")] if KEY else PRODUCTS
)
def vendor(request: pytest.FixtureRequest, stand_in: Simulator | None) -> QgNet:
    """QG.net with a key of one product."""
    if stand_in is None:
        return QgNet(request.param, os.environ.get("QG_API_URL", ""), KEY, 61)
    stand_in.reset()
    if request.param != "classic":
        stand_in.configure(plan={"kind": request.param})
    made = QgNet(request.param, stand_in.api_url, stand_in.key, 1.1)
    made.account_url = stand_in.account_url
    made.account = (stand_in.app_id, stand_in.app_key)
    return made
