# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations of the account API. All of them but the restart are read-only."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from .catalog import DURATIONS, PROXY_PRODUCT, RATE_FIELDS
from .errors import AccountError
from .request import AccountRequest

DURATION = re.compile(r"([1-9][0-9]{0,3})[sdwm]")
MAX_INTEGER = 10**9
#: The largest page of a list, which is also the usual one.
MAX_PAGE = 50
Rows = list[dict[str, Any]]


def balance(request: AccountRequest) -> str:
    return request.agent.balance


def service_details(request: AccountRequest) -> Rows:
    """Return one service, or a page of the services of a product."""
    suid = request.params.get("suid")
    product = request.product_id(request.agent.options.brand == "required" and not suid)
    rows = [row.values for row in request.agent.instances if product in (None, row.product)]
    if suid:
        matching = [row for row in rows if row.get("Suid") == suid]
        if not matching:
            raise AccountError("unknown_suid", suid)
        return matching
    offset = request.integer("offset", 0, 0, MAX_INTEGER)
    return rows[offset : offset + request.integer("limit", MAX_PAGE, 1, MAX_PAGE)]


def restart(request: AccountRequest) -> str:
    """Restart a server. The simulated server is back at once."""
    suid, product = request.required("suid"), request.product_id(required=True)
    if not any(row.product == product and row.values.get("Suid") == suid for row in request.agent.instances):
        raise AccountError("unknown_suid", suid)
    return "重启成功"


def order_price(request: AccountRequest) -> Any:
    package, system, duration = (request.required(name) for name in ("package_no", "system_no", "duration"))
    request.product_id(required=False)
    price = request.agent.prices.get(package)
    if price is None:
        raise AccountError("unknown_package", package)
    if system not in request.agent.systems:
        raise AccountError("unknown_system", system)
    if not DURATION.fullmatch(duration):
        raise AccountError("bad_duration", duration)
    if "TotalPrice" not in price:
        # The table has a price for each duration.
        if duration not in price:
            raise AccountError("bad_duration", duration)
        return price[duration]
    if duration not in DURATIONS:
        raise AccountError("bad_duration", duration)
    return {name: _multiply(amount, int(duration[:-1])) for name, amount in price.items()}


def _multiply(amount: Any, months: int) -> Any:
    """Return the price of several months, in the type of the price of one month."""
    if months == 1:
        return amount
    product = Decimal(str(amount)) * months
    return format(product, "f") if isinstance(amount, str) else type(amount)(product)


def packages(request: AccountRequest) -> Rows:
    product = request.product_id(required=True)
    line, area = request.params.get("line_no"), request.params.get("area_no")
    with_rates = request.integer("load_rate", 0, 0, 1) == 1
    rows = [row.values for row in request.agent.packages if row.product == product]
    if line and area and not any((row.get("Line_no"), row.get("Area_no")) == (line, area) for row in rows):
        raise AccountError("area_not_in_line", area)
    matching = [
        row for row in rows if line in (None, "", row.get("Line_no")) and area in (None, "", row.get("Area_no"))
    ]
    return [{name: row[name] for name in row if with_rates or name not in RATE_FIELDS} for row in matching]


def lines(request: AccountRequest) -> Rows:
    product = request.product_id(required=True)
    return [row.values for row in request.agent.lines if row.product == product]


def proxy_plan(request: AccountRequest) -> dict[str, Any]:
    resource = request.required("resource_no")
    product = request.product_id(required=True)
    plan = request.agent.proxy_plans.get(resource)
    if plan is None or plan.get("productId", PROXY_PRODUCT) != product:
        raise AccountError("unknown_resource", resource)
    return {name: value for name, value in plan.items() if name != "productId"}
