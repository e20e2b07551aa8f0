# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of the product hosts, and functions that call these hosts."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests
from simulator.fixture import Simulator

Answer = tuple[int, Any]
Get = Callable[..., Answer]
SHARE, LONGTERM, EXCLUSIVE, OVERSEAS = "share", "longterm", "exclusive", "overseas"
PRODUCTS = (SHARE, LONGTERM, EXCLUSIVE, OVERSEAS)
KEYS = {SHARE: "SHARE001", LONGTERM: "LONGT001", EXCLUSIVE: "EXCLU001", OVERSEAS: "OVERS001"}
DAY = 86400


@pytest.fixture(autouse=True)
def keys(sim: Simulator) -> None:
    """Create a key of each product, without proxies."""
    for product, key in KEYS.items():
        sim.configure(key, plan={"kind": product}, options={"lease_proxies": False})


@pytest.fixture
def get(sim: Simulator, keys: None, http: requests.Session) -> Get:
    """Return a function that makes a call to a product and returns the HTTP status and the JSON value."""

    def request(path: str, **params: Any) -> Answer:
        product = path.split("/")[1]
        answer = http.get(f"{sim.api_url}{path}", params={"key": KEYS[product], **params}, timeout=10)
        return answer.status_code, answer.json()

    return request


def data(answer: Answer) -> Any:
    """Return the data of a success."""
    status, body = answer
    assert (status, body["code"]) == (200, "SUCCESS"), body
    assert list(body) == ["code", "data", "request_id"]
    assert str(uuid.UUID(body["request_id"])) == body["request_id"]
    return body["data"]


def refusal(answer: Answer) -> tuple[int, str]:
    status, body = answer
    assert list(body) == ["code", "message", "request_id"]
    assert re.search("[\u4e00-\u9fff]", body["message"])
    return status, body["code"]


def leases(sim: Simulator, product: str) -> list[dict[str, Any]]:
    return sim.leases(KEYS[product])
