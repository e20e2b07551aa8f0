# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations of qg_cloud_package_facts, qg_cloud_price_info, qg_cloud_line_info, qg_cloud_instance_info.

This file is private to the collection.
"""

from __future__ import annotations

import decimal
from collections.abc import Iterable, Mapping
from typing import Any

from .._api.account.client import AccountApi, Row
from .._core.validation import check_range, check_word
from .._task.operation import Mode, Operation
from .._task.options import ACCOUNT_API_OPTIONS, Spec, account_api
from .account import PRODUCT, SECRETS, check_product
from .durations import BRANDS, check_duration

#: What an order is asked the price of with.
_ORDER = ("package_no", "system_no", "duration")
_BRAND: Spec = {"brand": {"type": "str", "choices": list(BRANDS)}}
#: Options that want at least so much of the value of that name.
_LEAST = {f"min_{name}": name for name in ("cpu", "memory", "system_disk", "data_disk", "bandwidth")}


def select_packages(rows: Iterable[Row], params: Mapping[str, Any]) -> list[Row]:
    """The packages that the options want, cheapest first; what the vendor leaves empty meets no minimum."""
    least = {name: params[option] for option, name in _LEAST.items() if params[option] is not None}
    chosen = [row for row in rows if all(row[name] is not None and row[name] >= want for name, want in least.items())]
    if params["max_price"] is not None:
        most = decimal.Decimal(str(params["max_price"]))
        chosen = [row for row in chosen if (price := _price(row)) is not None and price <= most]
    if params["buyable"] is not None:
        chosen = [row for row in chosen if bool(row["buyable"]) is params["buyable"]]
    return sorted(chosen, key=_rank)


def _price(row: Row) -> decimal.Decimal | None:
    text = row["user_price"] or row["basic_price"]
    return None if text is None else decimal.Decimal(text)


def _rank(row: Row) -> tuple[bool, decimal.Decimal, str]:
    price = _price(row)
    return price is None, price or decimal.Decimal(0), row["package_no"] or ""


def _check_order(params: Mapping[str, Any]) -> dict[str, str]:
    return {
        **{name: check_word(name, params[name]) for name in ("package_no", "system_no")},
        "duration": check_duration(params["duration"], params["brand"]),
    }


def _run_packages(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    check_product(params)
    place = {name: check_word(name, params[name]) for name in ("line_no", "area_no") if params[name] is not None}
    for option in (*_LEAST, "max_price"):
        if params[option] is not None:
            check_range(option, params[option], 0, 1_000_000_000)
    order = _check_order(params) if params["package_no"] is not None else None
    api = account_api(params)
    packages = select_packages(api.packages(params["product_id"], **place, load_rate=params["load_rate"]), params)
    return {
        "changed": False,
        "packages": packages,
        "count": len(packages),
        "order_price": _order_price(api, order, params) if order else None,
        "ansible_facts": {"qg_cloud_packages": packages},
        "api": api.usage(),
    }


def _order_price(api: AccountApi, order: Mapping[str, str], params: Mapping[str, Any]) -> Row:
    return {**order, **api.order_price(**order, product_id=params["product_id"])}


def _run_price(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    check_product(params)
    order = _check_order(params)
    api = account_api(params)
    return {"changed": False, "price": _order_price(api, order, params), "api": api.usage()}


def _run_lines(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    check_product(params)
    api = account_api(params)
    lines = api.lines(params["product_id"])
    return {"changed": False, "lines": lines, "count": len(lines), "api": api.usage()}


def _run_instances(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    check_product(params)
    suid = None if params["suid"] is None else check_word("suid", params["suid"])
    api = account_api(params)
    instances = api.instances(params["product_id"], suid, include_secrets=params["include_secrets"])
    return {"changed": False, "instances": instances, "count": len(instances), "api": api.usage()}


PACKAGE_FACTS = Operation(
    spec={
        **PRODUCT,
        **{name: {"type": "str"} for name in ("line_no", "area_no")},
        **{option: {"type": "float" if option == "min_memory" else "int"} for option in _LEAST},
        "max_price": {"type": "float"},
        "buyable": {"type": "bool"},
        "load_rate": {"type": "bool", "default": False},
        **{name: {"type": "str"} for name in _ORDER},
        **_BRAND,
        **ACCOUNT_API_OPTIONS,
    },
    rules={"required_together": [_ORDER], "required_by": {"brand": "duration"}},
    run=_run_packages,
)
PRICE_INFO = Operation(
    spec={
        **{name: {"type": "str", "required": True} for name in _ORDER},
        **_BRAND,
        "product_id": {"type": "int"},
        **ACCOUNT_API_OPTIONS,
    },
    run=_run_price,
)
LINE_INFO = Operation(spec={**PRODUCT, **ACCOUNT_API_OPTIONS}, run=_run_lines)
INSTANCE_INFO = Operation(
    spec={"product_id": {"type": "int"}, "suid": {"type": "str"}, **SECRETS, **ACCOUNT_API_OPTIONS},
    run=_run_instances,
    secret_option="include_secrets",
    selectors=("suid",),
)
