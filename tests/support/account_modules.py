# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of the modules for accounts share: the operations on an agent, and what the vendor got of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from simulator.fixture import Simulator
from support import vendor_pages as pages
from support.playground import Result, assert_one_sentence, operate

BALANCE, INSTANCES, PRICE = "/merchant/getBalance", "/cloud-business/getDetail", "/cloud-business/packageOrderPrice"
PACKAGES, LINES, PLAN = "/cloud-product/packageList", "/physical-product/lineList", "/proxyip/resourceView"


class Reader(NamedTuple):
    """What reads one thing of an account: module, call, and options that succeed."""

    module: str
    path: str
    options: dict[str, Any]


#: By what the tests call them.
OPERATIONS = {
    "balance": Reader("qg_balance_info", BALANCE, {}),
    "plan": Reader("qg_proxy_plan_info", PLAN, {"resource_no": "demo0001", "product_id": 117}),
    "packages": Reader("qg_cloud_package_facts", PACKAGES, {"product_id": 104}),
    "price": Reader("qg_cloud_price_info", PRICE, {"package_no": "1", "system_no": "1", "duration": "1m"}),
    "lines": Reader("qg_cloud_line_info", LINES, {"product_id": 115}),
    "instances": Reader("qg_cloud_instance_info", INSTANCES, {"product_id": 104}),
}
#: The simulator shows other addresses and passwords than the vendor's page does.
ADDRESSES = {"ip": "198.18.255.1", "local_ip": "198.19.255.1"}
PASSWORDS = {"Business_password": "secret-business-12154545", "Login_password": "secret-login-12154545"}
INSTANCE: dict[str, Any] = {
    **pages.INSTANCE,
    **ADDRESSES,
    "vendor": {**pages.INSTANCE["vendor"], "Ip": "198.18.255.1", "Local_ip": "198.19.255.1"},
}


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without what is the vendor's to the letter."""
    return {name: value for name, value in row.items() if name != "vendor"}


@dataclass
class Account:
    """One agent: the operations with its credentials, and what the vendor knows of them."""

    sim: Simulator
    options: dict[str, Any]

    def __call__(self, name: str, *, check: bool = False, **changes: Any) -> Result:
        """Run an operation in this process, with options that succeed but for the changes."""
        reader = OPERATIONS[name]
        return operate(reader.module, {**self.options, **reader.options, **changes}, check=check, diff=True)

    def good(self, name: str, **changes: Any) -> Result:
        """The result of a success."""
        result = self(name, **changes)
        assert "failed" not in result, result["msg"]
        assert result["changed"] is False
        return result

    def refused(self, name: str, **changes: Any) -> Result:
        """The result of a failure, which is one that a person can read."""
        result = self(name, **changes)
        assert result["failed"] is True
        assert result["changed"] is False
        assert_one_sentence(result["msg"])
        assert self.options["app_key"] not in str(result)
        for call in self.sim.journal():
            assert call["params"].get("sign", "no signature") not in str(result)
        return result

    def fault(self, name: str, **fields: Any) -> None:
        """Plan a fault of the call that an operation makes."""
        self.sim.fault(path=f"/api{OPERATIONS[name].path}", **fields)

    def asked(self) -> list[dict[str, str]]:
        """What the calls so far were about, without what every call has."""
        common = ("appid", "domain", "time", "sign")
        return [
            {name: value for name, value in call["params"].items() if name not in common} for call in self.sim.journal()
        ]


def credentials(sim: Simulator) -> dict[str, Any]:
    """The options of the session's agent."""
    return {"app_id": sim.app_id, "app_key": sim.app_key, "account_url": sim.account_url}


def signature(sim: Simulator, time: str, domain: str = "www.qg.net") -> str:
    """The signature that the vendor's page asks for."""
    text = f"{sim.app_id}{domain}{time}{sim.app_key}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@pytest.fixture(name="account")
def account_fixture(sim: Simulator, common: dict[str, Any]) -> Account:
    """The session's agent, with operations that wait briefly."""
    return Account(sim, {**credentials(sim), "timeout": 5.0, "max_wait": 60.0})
