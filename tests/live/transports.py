# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where calls go: to the vendor over HTTP, or to a simulated vendor in this process."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from simulator.account.agents import DEFAULT_CREDENTIALS
from simulator.account.endpoints import is_account_path
from simulator.account.signature import sign
from simulator.clock import Clock
from simulator.core import ConnectionLost, Core
from simulator.keys.plans import PRODUCTS, TIME
from simulator.product.endpoints import is_product_path

from .exchange import Call, Reply

VENDOR = "https://proxy.qg.net"
ACCOUNT_URL, DOMAIN = "https://www.qg.net/api", "www.qg.net"
#: Wakes up this often to look for a signal.
SLICE = 0.2


def credential_names(path: str) -> tuple[str, str]:
    return ("key", "pwd") if is_product_path(path) else ("Key", "Pwd")


@dataclass(frozen=True)
class Account:
    """Who signs the calls of the account API, and where it is."""

    app_id: str
    app_key: str
    url: str = ACCOUNT_URL
    domain: str = DOMAIN

    def signed(self, params: Mapping[str, str], now: float) -> dict[str, str]:
        """Return the parameters with those of the signature. Given ones stay, and ``time`` is added to the time."""
        seconds = str(int(now) + int(params.get("time", "0")))
        signed = {"appid": self.app_id, "domain": self.domain, **params, "time": seconds}
        return {"sign": sign(signed["appid"], signed["domain"], seconds, self.app_key), **signed}


class Http:
    """The vendor, or a simulator, over HTTP. No exception text leaves this class: it would contain the key."""

    def __init__(self, api_url: str, key: str, pwd: str, timeout: float, account: Account | None = None) -> None:
        self._api_url = api_url.rstrip("/")
        self._key = key
        self._pwd = pwd
        self._timeout = timeout
        self._account = account
        self._session = requests.Session()

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def send(self, call: Call) -> Reply:
        key_name, pwd_name = credential_names(call.path)
        params = {key_name: self._key, **({pwd_name: self._pwd} if self._pwd else {}), **call.params}
        url = self._url(call.path)
        if self._account and is_account_path(call.path):
            params = self._account.signed(call.params, time.time())
            url = self._account.url.rstrip("/") + call.path.removeprefix("/api")
        try:
            response = self._session.request(
                call.method,
                url,
                params=None if call.in_body else params,
                data=params if call.in_body else None,
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            return Reply(None, error=type(error).__name__)
        headers = response.headers
        media_type = headers.get("Content-Type", "").partition(";")[0].strip()
        response.encoding = "utf-8"
        return Reply(response.status_code, response.text, headers.get("Date", ""), media_type)

    def _url(self, path: str) -> str:
        product, _slash, name = path.lstrip("/").partition("/")
        if self._api_url == VENDOR and product in PRODUCTS:
            return f"https://{product}.proxy.qg.net/{name}"
        return f"{self._api_url}{path}"


@dataclass(frozen=True)
class Situation:
    """What the answers depend on beside the behaviour of the vendor: the plan of the key, and what it holds."""

    plan: str
    billing: str = TIME
    channels: int = 5
    whitelisted: bool = False
    leased: bool = False


class Simulated:
    """The simulator in this process, in a situation and with settings of its key; its time passes at once.

    The settings "agent" are those of the account.
    """

    key = "QGDEMO01"
    account = Account(*DEFAULT_CREDENTIALS[0])

    def __init__(self, situation: Situation, settings: Mapping[str, Any]) -> None:
        self.core = Core([self.key], clock=Clock(1893456000.0), seed=1)
        key = self.core.keys[self.key]
        plan = {"kind": situation.plan, "billing": situation.billing, "channels": situation.channels}
        key.configure({"plan": plan, "whitelist": ["192.0.2.1"] if situation.whitelisted else []})
        if situation.leased:
            product = situation.plan in PRODUCTS
            self.send(Call("GET", f"/{situation.plan}/get" if product else "/allocate"))
            self.core.clock.advance(3600 if key.plan.lease_minutes > 60 else 20)
            self.core.rate_limiter.clear()
        key.configure({name: value for name, value in settings.items() if name != "agent"})
        self.core.agents.put(self.account.app_id, settings.get("agent", {}))
        self.core.journal.clear()

    def now(self) -> float:
        return self.core.clock.now()

    def sleep(self, seconds: float) -> None:
        self.core.clock.advance(seconds)

    def send(self, call: Call) -> Reply:
        core, options = self.core, self.core.keys[self.key].options
        params = {credential_names(call.path)[0]: self.key, **call.params}
        if is_account_path(call.path):
            params = self.account.signed(call.params, self.now())
        if call.in_body and options.post == "ignore_body":
            params = {}
        try:
            status, body = core.handle(call.method, call.path, params)
        except ConnectionLost as error:
            return Reply(None, error=type(error).__name__)
        text = "" if body is None else json.dumps(body)
        return Reply(status, text, core.headers.get("Date", ""), "application/json" if text else "text/html")
