# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations on the account API: balance, volume-billed proxies, packages, prices, lines and services."""

from __future__ import annotations

import dataclasses
import decimal
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .._api.account.client import AccountApi, Row
from .._core.errors import OptionError, QgError
from .._core.text import quote_word
from .._core.validation import check_range, check_word
from .._task.operation import Mode, Operation
from .._task.options import ACCOUNT_API_OPTIONS, account_api
from .._task.sources import Spec

_MONTHS = (*(f"{number}m" for number in range(1, 10)), "12m", "24m", "36m")
#: The durations that each brand sells; None if only the vendor's price list shows them.
BRANDS: dict[str, tuple[str, ...] | None] = {
    **dict.fromkeys(("tencent", "alibaba", "huawei", "qianhai", "telecom"), _MONTHS),
    **dict.fromkeys(("qingguo", "desktop", "other")),
}
#: The brand, by the vendor's number (vendor doc 2662).
_PRODUCT: Spec = {"product_id": {"type": "int", "required": True}}
_SECRETS: Spec = {"include_secrets": {"type": "bool", "default": False}}
#: The options that describe an order.
_ORDER = ("package_no", "system_no", "duration")
_BRAND: Spec = {"brand": {"type": "str", "choices": list(BRANDS)}}
#: The options that require a minimum, and the value of a package that each is compared with.
_MINIMUMS = {f"min_{name}": name for name in ("cpu", "memory", "system_disk", "data_disk", "bandwidth")}


@dataclasses.dataclass(frozen=True)
class PackageFilter:
    """The conditions for packages: minimums by column, a maximum price, and whether they are on sale."""

    minimums: Mapping[str, float]
    max_price: decimal.Decimal | None = None
    buyable: bool | None = None

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> PackageFilter:
        for option in (*_MINIMUMS, "max_price"):
            if params[option] is not None:
                check_range(option, params[option], 0, 1_000_000_000)
        max_price = params["max_price"]
        return cls(
            minimums={name: params[option] for option, name in _MINIMUMS.items() if params[option] is not None},
            # Exactly the decimal number that the user wrote.
            max_price=None if max_price is None else decimal.Decimal(str(max_price)),
            buyable=params["buyable"],
        )

    def matches(self, row: Row) -> bool:
        """Whether a package meets all conditions; an empty value meets none."""
        for name, minimum in self.minimums.items():
            if row[name] is None or row[name] < minimum:
                return False
        if self.max_price is not None and ((price := _price(row)) is None or price > self.max_price):
            return False
        return self.buyable is None or bool(row["buyable"]) is self.buyable


def check_duration(text: str, brand: str | None) -> str:
    """Return a duration; refuse other text, and durations that the brand does not sell.

    The vendor's page on the price of an order defines syntax and ranges; there, the unit ``s`` means hours.
    """
    duration = text.strip()
    if not re.fullmatch(r"[1-9][0-9]{0,3}[sdwm]", duration):
        hint = " The vendor writes hours with s." if duration.endswith("h") else ""
        raise OptionError(
            f"duration={quote_word(text)} is not a duration: give a number and s (hours), d (days), w (weeks) or m "
            f"(months), such as 1m.{hint}"
        )
    sold = BRANDS.get(brand or "")
    if sold and duration not in sold:
        raise OptionError(f"duration={duration} is not sold by brand={brand}: give one of {', '.join(sold)}.")
    return duration


def _parse_order(params: Mapping[str, Any]) -> dict[str, str]:
    return {
        "package_no": check_word("package_no", params["package_no"]),
        "system_no": check_word("system_no", params["system_no"]),
        "duration": check_duration(params["duration"], params["brand"]),
    }


def select_packages(rows: Iterable[Row], wanted: PackageFilter) -> list[Row]:
    """Return the packages that match, the cheapest first."""
    return sorted(filter(wanted.matches, rows), key=_rank)


def _price(row: Row) -> decimal.Decimal | None:
    text = row["user_price"] or row["basic_price"]
    return None if text is None else decimal.Decimal(text)


def _rank(row: Row) -> tuple[bool, decimal.Decimal, str]:
    price = _price(row)
    return price is None, price or decimal.Decimal(0), row["package_no"] or ""


def _order_price(api: AccountApi, order: Mapping[str, str], product_id: int | None) -> Row:
    return {**order, **api.order_price(**order, product_id=product_id)}


def _parse_product(params: Mapping[str, Any]) -> int:
    """Return the number of the brand; refuse a number that cannot be that of a brand."""
    product_id: int = params["product_id"]
    check_range("product_id", product_id, 1, 10**9)
    return product_id


def _parse_optional_product(params: Mapping[str, Any]) -> int | None:
    """Return the number of the brand, or None if all brands are meant."""
    return None if params["product_id"] is None else _parse_product(params)


def _result(api: AccountApi, **values: Any) -> dict[str, Any]:
    return {"changed": False, **values, "api": api.usage()}


def _run_balance(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    api = account_api(params, mode.announcer)
    balance = api.balance()
    return _result(api, balance=balance.text, amount=float(balance.exact))


def _run_proxy_plan(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    product_id = _parse_product(params)
    resource_no = check_word("resource_no", params["resource_no"])
    api = account_api(params, mode.announcer)
    return _result(api, plan=api.proxy_plan(resource_no, product_id, include_secrets=params["include_secrets"]))


def _run_packages(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    product_id = _parse_product(params)
    place = {name: check_word(name, params[name]) for name in ("line_no", "area_no") if params[name] is not None}
    wanted = PackageFilter.parse(params)
    order = _parse_order(params) if params["package_no"] is not None else None
    api = account_api(params, mode.announcer)
    packages = select_packages(api.packages(product_id, **place, load_rate=params["load_rate"]), wanted)
    return _result(
        api,
        packages=packages,
        count=len(packages),
        order_price=_order_price(api, order, product_id) if order else None,
    )


def _run_package_facts(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    try:
        result = _run_packages(params, mode)
    except OptionError:
        raise
    except QgError as error:
        # A facts module returns only facts. The message names the call, and the code and its meaning, too.
        request_id = error.details.get("request_id")
        raise QgError(error.message + (f" (request_id {request_id})" if request_id else "")) from None
    facts = {"qg_cloud_packages": result["packages"], "qg_cloud_order_price": result["order_price"]}
    return {"changed": False, "ansible_facts": facts}


def _run_price(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    product_id, order = _parse_optional_product(params), _parse_order(params)
    api = account_api(params, mode.announcer)
    return _result(api, price=_order_price(api, order, product_id))


def _run_lines(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    product_id = _parse_product(params)
    api = account_api(params, mode.announcer)
    lines = api.lines(product_id)
    return _result(api, lines=lines, count=len(lines))


def _run_instances(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    product_id = _parse_optional_product(params)
    suid = None if params["suid"] is None else check_word("suid", params["suid"])
    api = account_api(params, mode.announcer)
    instances = api.instances(product_id, suid, include_secrets=params["include_secrets"])
    return _result(api, instances=instances, count=len(instances))


BALANCE_INFO = Operation(spec=ACCOUNT_API_OPTIONS, run=_run_balance)
PROXY_PLAN_INFO = Operation(
    spec={
        "resource_no": {"type": "str", "required": True},
        **_PRODUCT,
        **_SECRETS,
        **ACCOUNT_API_OPTIONS,
    },
    run=_run_proxy_plan,
    secret_option="include_secrets",
)
PACKAGE_INFO = Operation(
    spec={
        **_PRODUCT,
        **{name: {"type": "str"} for name in ("line_no", "area_no")},
        **{option: {"type": "float" if option == "min_memory" else "int"} for option in _MINIMUMS},
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
PACKAGE_FACTS = dataclasses.replace(PACKAGE_INFO, run=_run_package_facts)
PRICE_INFO = Operation(
    spec={
        **{name: {"type": "str", "required": True} for name in _ORDER},
        **_BRAND,
        "product_id": {"type": "int"},
        **ACCOUNT_API_OPTIONS,
    },
    run=_run_price,
)
LINE_INFO = Operation(spec={**_PRODUCT, **ACCOUNT_API_OPTIONS}, run=_run_lines)
INSTANCE_INFO = Operation(
    spec={"product_id": {"type": "int"}, "suid": {"type": "str"}, **_SECRETS, **ACCOUNT_API_OPTIONS},
    run=_run_instances,
    secret_option="include_secrets",
    selectors=("suid",),
)
