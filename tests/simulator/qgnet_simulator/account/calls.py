# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of the account API, one row each, and their operations.

All of them but the restart are read-only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..exchange import Refusal
from ..facts import CALLS
from .agents import Agent
from .catalog import DURATIONS, PROXY_PRODUCT, RATE_FIELDS, without

PREFIX = "/api"
MAX_INTEGER = 10**9
#: The largest page of a list, which is also the usual one.
MAX_PAGE = 50
Rows = list[dict[str, Any]]


@dataclass
class AccountRequest:
    """A call whose signature is valid."""

    agent: Agent
    params: Mapping[str, str]

    def required(self, name: str) -> str:
        """Return a parameter; it is an error if it is missing or empty."""
        value = self.params.get(name)
        if not value:
            raise Refusal("missing_parameter", name)
        return value

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        text = self.params.get(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 12 and low <= int(text) <= high):
            raise Refusal("bad_parameter", name)
        return int(text)

    def product_id(self, required: bool) -> int | None:
        """Return the product number, which must exist."""
        if required:
            self.required("productId")
        text = self.params.get("productId")
        if text is None:
            return None
        number = self.integer("productId", 0, 1, 10**9)
        if number not in self.agent.product_ids:
            raise Refusal("unknown_product", text)
        return number


def balance(request: AccountRequest) -> str:
    return request.agent.balance


def service_details(request: AccountRequest) -> Rows:
    """Return one service, or a page of the services of a product."""
    suid = request.params.get("suid")
    product = request.product_id(required=False)
    rows = [row.values for row in request.agent.instances if product in (None, row.product)]
    if suid:
        matching = [row for row in rows if row.get("Suid") == suid]
        if not matching:
            raise Refusal("unknown_suid", suid)
        return matching
    offset = request.integer("offset", 0, 0, MAX_INTEGER)
    return rows[offset : offset + request.integer("limit", MAX_PAGE, 1, MAX_PAGE)]


def restart(request: AccountRequest) -> str:
    """Restart a server. The simulated server is back at once."""
    suid = request.required("suid")
    product = request.product_id(required=True)
    suids = [row.values.get("Suid") for row in request.agent.instances if row.product == product]
    if suid not in suids:
        raise Refusal("unknown_suid", suid)
    return "重启成功"


def order_price(request: AccountRequest) -> Any:
    package = request.required("package_no")
    system = request.required("system_no")
    duration = request.required("duration")
    request.product_id(required=False)
    price = request.agent.prices.get(package)
    if price is None:
        raise Refusal("unknown_package", package)
    if system not in request.agent.systems:
        raise Refusal("unknown_system", system)
    if duration not in DURATIONS:
        raise Refusal("bad_duration", duration)
    return {name: _multiply(amount, int(duration[:-1])) for name, amount in price.items()}


def _multiply(amount: Any, months: int) -> Any:
    """Return the price of several months, in the type of the price of one month."""
    if months == 1:
        return amount
    product = Decimal(str(amount)) * months
    if isinstance(amount, str):
        return format(product, "f")
    return type(amount)(product)


def packages(request: AccountRequest) -> Rows:
    product = request.product_id(required=True)
    line = request.params.get("line_no")
    area = request.params.get("area_no")
    hidden = RATE_FIELDS
    if request.integer("load_rate", 0, 0, 1):
        hidden = []
    rows = [row.values for row in request.agent.packages if row.product == product]
    if line:
        rows = [row for row in rows if row.get("Line_no") == line]
    if area:
        rows = [row for row in rows if row.get("Area_no") == area]
    if line and area and not rows:
        raise Refusal("area_not_in_line", area)
    return [without(row, hidden) for row in rows]


def lines(request: AccountRequest) -> Rows:
    product = request.product_id(required=True)
    return [row.values for row in request.agent.lines if row.product == product]


def proxy_plan(request: AccountRequest) -> dict[str, Any]:
    resource = request.required("resource_no")
    product = request.product_id(required=True)
    plan = request.agent.proxy_plans.get(resource)
    if plan is None or plan.get("productId", PROXY_PRODUCT) != product:
        raise Refusal("unknown_resource", resource)
    return without(plan, ("productId",))


@dataclass(frozen=True)
class AccountEndpoint:
    operation: Callable[[AccountRequest], Any]
    success_code: int | str = 0
    success_message: str = "返回内容"
    list_shape: str | None = None
    """Shape of a list: ``map`` with keys from "1", or ``array``. None if the data is not a list."""
    plain_envelope: bool = False
    """Whether the response has ``result``, ``data`` and ``msg``."""


OPERATIONS = (balance, service_details, restart, order_price, packages, lines, proxy_plan)
BY_NAME: dict[str, Callable[[AccountRequest], Any]] = {each.__name__: each for each in OPERATIONS}
ENDPOINTS: dict[str, AccountEndpoint] = {}
for _row in CALLS:
    if "account" in _row:
        ENDPOINTS[_row["path"]] = AccountEndpoint(
            BY_NAME[_row["account"]], **_row.get("envelope", {})
        )
METHODS = ("GET", "POST")


def is_account_path(path: str) -> bool:
    """Return whether a path belongs to the account API, even if the API has no such endpoint."""
    return path.startswith(f"{PREFIX}/")
