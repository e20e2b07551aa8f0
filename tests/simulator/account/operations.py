# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the account calls do. All of them only look."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from .catalog import DURATIONS, PROXY_BRAND, RATES
from .errors import Declined
from .request import Found, Inquiry

DURATION = re.compile(r"([1-9][0-9]{0,3})[sdwm]")
LAST = 10**9


def balance(inquiry: Inquiry) -> Found:
    return Found(inquiry.agent.balance)


def details(inquiry: Inquiry) -> Found:
    """One service, or a page of all that the agent has of a brand."""
    options = inquiry.agent.options
    suid = inquiry.params.get("suid")
    brand = inquiry.brand(options.brand == "required" and not suid)
    rows = [row.values for row in inquiry.agent.instances if brand in (None, row.brand)]
    if suid:
        found = [row for row in rows if row.get("Suid") == suid]
        if not found:
            raise Declined("unknown_suid", suid)
        return Found(found)
    offset = inquiry.number("offset", 0, 0, LAST)
    limit = inquiry.number("limit", options.max_limit, 1, LAST if options.over_limit == "clamp" else options.max_limit)
    return Found(rows[offset : offset + min(limit, options.max_limit)], offset)


def order_price(inquiry: Inquiry) -> Found:
    package, system, duration = (inquiry.text(name) for name in ("package_no", "system_no", "duration"))
    inquiry.brand(required=False)
    price = inquiry.agent.prices.get(package)
    if price is None:
        raise Declined("unknown_package", package)
    if system not in inquiry.agent.systems:
        raise Declined("unknown_system", system)
    if not DURATION.fullmatch(duration):
        raise Declined("bad_duration", duration)
    if "TotalPrice" not in price:
        # A price of its own for each duration that is on sale.
        if duration not in price:
            raise Declined("bad_duration", duration)
        return Found(price[duration])
    if duration not in DURATIONS:
        raise Declined("bad_duration", duration)
    return Found({name: _times(amount, int(duration[:-1])) for name, amount in price.items()})


def _times(amount: Any, months: int) -> Any:
    """The price of so many months, in the type that it has for one."""
    if months == 1:
        return amount
    product = Decimal(str(amount)) * months
    return format(product, "f") if isinstance(amount, str) else type(amount)(product)


def packages(inquiry: Inquiry) -> Found:
    brand = inquiry.brand(required=True)
    line, area = inquiry.params.get("line_no"), inquiry.params.get("area_no")
    rates = inquiry.number("load_rate", 0, 0, 1) == 1 or inquiry.agent.options.rates == "always"
    rows = [row.values for row in inquiry.agent.packages if row.brand == brand]
    if line and area and not any((row.get("Line_no"), row.get("Area_no")) == (line, area) for row in rows):
        raise Declined("area_not_in_line", area)
    wanted = [row for row in rows if line in (None, "", row.get("Line_no")) and area in (None, "", row.get("Area_no"))]
    return Found([{name: row[name] for name in row if rates or name not in RATES} for row in wanted])


def lines(inquiry: Inquiry) -> Found:
    brand = inquiry.brand(required=True)
    return Found([row.values for row in inquiry.agent.lines if row.brand == brand])


def proxy_plan(inquiry: Inquiry) -> Found:
    resource = inquiry.text("resource_no")
    brand = inquiry.brand(required=True)
    plan = inquiry.agent.proxy_plans.get(resource)
    if plan is None or plan.get("productId", PROXY_BRAND) != brand:
        raise Declined("unknown_resource", resource)
    return Found({name: value for name, value in plan.items() if name != "productId"})
