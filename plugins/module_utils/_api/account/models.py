# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answers of the account API, each shape read once.

This file is private to the collection. Shapes: vendor's pages on packages, order prices, lines, services, balance and
volume-billed proxies. Every documented value has a name and a type that stay: null where the vendor leaves it empty.
"""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..parsing import ResponseShapeError
from .records import (
    Column,
    Item,
    column,
    items,
    only,
    row,
    times,
)

#: What the vendor's numbers for the state of a machine mean.
RUN_STATUS = {
    -4: "stopped",
    -1: "powered_off",
    0: "provisioning",
    1: "running",
    2: "starting",
    3: "stopping",
    4: "rebooting",
    5: "reinstalling",
    6: "resetting_password",
}
#: The same for the state of what was bought.
ORDER_STATUS = {-4: "locked", -3: "failed", 0: "provisioning", 1: "normal", 2: "transferring", 3: "expired"}
#: Proxies that are billed by volume have a scale of their own.
PLAN_STATUS = {
    -7: "locked",
    -6: "upgrade_failed",
    -5: "renewal_failed",
    -4: "opening_failed",
    -1: "void",
    1: "normal",
    3: "expired",
}
PLAN_TYPES = {1: "dedicated", 2: "shared", 3: "exclusive_occupancy"}
IP_TYPES = {1: "static", 2: "dynamic", 3: "tunnel"}
UNKNOWN = "unknown"
#: What the names of keys hold whose values are secret.
SECRET_MARKS = ("password", "authkey")
#: Words in the names of system images, and the family that they tell.
_FAMILIES = {
    "windows": ("windows", "win20", "win10", "win11", "winserver"),
    "linux": (
        *("linux", "centos", "ubuntu", "debian", "rocky", "fedora", "redhat", "rhel", "suse", "alma"),
        *("openeuler", "anolis", "kylin", "tencentos", "euleros", "arch", "gentoo"),
    ),
}


def _coded(name: str, vendor_name: str, words: Mapping[int, str]) -> tuple[Column, Column]:
    """A number of the vendor that stands for something: as a word, and as it is."""

    def word(item: Item, *names: str) -> str | None:
        number = item.whole(*names)
        return None if number is None else words.get(number, UNKNOWN)

    return column(name, word, vendor_name), column(f"{name}_code", Item.whole, vendor_name)


def _is_on(item: Item, *names: str) -> bool | None:
    number = item.whole(*names)
    return None if number is None else number == 1


def _numbers(item: Item, *names: str) -> list[int]:
    """Numbers in a list, in a map as lists of the vendor may be, or in text with commas."""
    value = item.value(*names)
    if isinstance(value, str):
        value = value.split(",")
    elif isinstance(value, Mapping):
        value = list(value.values())
    if value is not None and not isinstance(value, list):
        raise ResponseShapeError(f"{names[0]} is not a list")
    found = [Item({names[0]: each}, "a number").whole(names[0]) for each in value or []]
    return [number for number in found if number is not None]


def _price(item: Item, *names: str) -> float | None:
    found = (item.number(name) for name in names)
    return next((number for number in found if number is not None), None)


def os_family(system_name: str | None) -> str | None:
    """Whether a system image is of Windows or of Linux; None where its name does not tell."""
    text = "".join((system_name or "").split()).casefold()
    return next((family for family, words in _FAMILIES.items() if any(word in text for word in words)), None)


_INSTANCE = (
    *(column(name, Item.text) for name in ("suid", "line_no", "area_no", "spec_no", "spec_name")),
    column("host_id", Item.whole),
    *(column(name, Item.text) for name in ("host_name", "ip", "local_ip")),
    *_coded("run_status", "Run_status", RUN_STATUS),
    *_coded("order_status", "Order_status", ORDER_STATUS),
    column("system_disk_type", Item.text, "System_type"),
    column("system_disk", Item.whole, "Systemdisks", "Systemdisk"),
    column("data_disk_type", Item.text, "Harddisks_type"),
    column("data_disk", Item.whole, "Harddiks", "Harddisks"),
    *(column(name, Item.whole) for name in ("bandwidth", "defense")),
    *(column(name, Item.text) for name in ("system_no", "system_name")),
    column("os_family", lambda item, *names: os_family(item.text(*names)), "System_name"),
    column("adsl_name", Item.text),
    *times("buy_time"),
    *times("end_time"),
)
_INSTANCE_SECRETS = tuple(column(name, Item.text) for name in ("adsl_password", "business_password", "login_password"))

_PACKAGE = (
    *(column(name, Item.text) for name in ("package_no", "line_no", "line_name")),
    column("area_id", Item.whole),
    *(column(name, Item.text) for name in ("area_no", "area_name")),
    *(column(name, Item.text) for name in ("group_id", "group_name", "spec_no", "spec_name")),
    column("cpu", Item.whole),
    column("memory", Item.number),
    column("system_disk", Item.whole, "Systemdisk"),
    column("data_disk", Item.whole, "Datadisk"),
    column("bandwidth", Item.whole),
    column("ip_count", Item.whole, "Ip"),
    column("defense", Item.whole),
    column("trial_time", Item.text),
    column("buyable", _is_on, "Buy_status"),
    column("enabled", _is_on, "Status"),
    column("upgradable", _is_on, "Upgrade_status"),
    *(column(name, Item.money) for name in ("basic_price", "user_price")),
    column("price", _price, "User_price", "Basic_price"),
    *(column(f"{name}_rate", Item.money) for name in ("day", "week", "month", "quarter", "halfyear", "year")),
)

_LINE = (
    column("id", Item.whole),
    column("super_id", Item.whole),
    *(column(name, Item.text) for name in ("name", "code")),
    column("auto_id", Item.whole),
    *(column(name, Item.text) for name in ("description", "address")),
    column("intro_url", Item.text),
    column("sort_id", Item.whole),
    *(column(f"{name}_status", Item.whole) for name in ("buy", "renew", "upgrade", "defense")),
    column("brand_id", Item.whole),
    column("enabled", Item.whole),
    *times("created_at"),
    *times("updated_at"),
    *times("deleted_at"),
    # The vendor's table and example spell it differently.
    column("spec_ids", _numbers, "bindspecs", "bondSpecs"),
)

_PROXY_PLAN = (
    column("total", Item.whole, "Number"),
    column("available", Item.whole, "Resource_available"),
    column("connect", Item.text),
    *times("buy_time"),
    *times("end_time"),
    *_coded("order_status", "Order_status", PLAN_STATUS),
    *_coded("type", "Type", PLAN_TYPES),
    *_coded("ip_type", "Ip_type", IP_TYPES),
    column("tunnel_url", Item.text),
)
_PROXY_PLAN_SECRETS = (column("authkey", Item.text),)


def _told(item: Item, columns: tuple[Column, ...], secret: tuple[Column, ...], include_secrets: bool) -> dict[str, Any]:
    """A row, with its secrets only where they are wanted; ``vendor`` is as it came, less the same secrets."""
    values = row(item, (*columns, *secret))
    if all(value in (None, []) for value in values.values()):
        raise ResponseShapeError(f"{item.what} has none of the documented values")
    if include_secrets:
        return {**values, "vendor": dict(item.vendor)}
    shown = {each.name: values[each.name] for each in columns}
    return {**shown, "vendor": item.without(SECRET_MARKS)}


def instances(data: object, *, include_secrets: bool = False) -> list[dict[str, Any]]:
    """The services of getDetail."""
    found = [_told(item, _INSTANCE, _INSTANCE_SECRETS, include_secrets) for item in items(data, "a service")]
    if any(each["suid"] is None for each in found):
        raise ResponseShapeError("Suid is missing")
    return found


def packages(data: object) -> list[dict[str, Any]]:
    """The packages of packageList."""
    return [_told(item, _PACKAGE, (), False) for item in items(data, "a package")]


def lines(data: object) -> list[dict[str, Any]]:
    """The lines of lineList."""
    return [_told(item, _LINE, (), False) for item in items(data, "a line")]


def proxy_plan(data: object, *, include_secrets: bool = False) -> dict[str, Any]:
    """The service of resourceView."""
    return _told(only(data, "a proxy service"), _PROXY_PLAN, _PROXY_PLAN_SECRETS, include_secrets)


@dataclass(frozen=True)
class Amount:
    """A sum of money: to the digit as the vendor writes it, and as a number to reckon with."""

    text: str
    exact: decimal.Decimal

    @classmethod
    def of(cls, item: Item, name: str) -> Amount:
        """Read it; there is no price and no balance without it."""
        text, exact = item.text(name), item.decimal(name)
        if text is None or exact is None:
            raise ResponseShapeError(f"{name} is not an amount")
        return cls(text, exact)


def balance(data: object) -> Amount:
    """The ``data`` of getBalance: ``"12.34"``."""
    return Amount.of(Item({"data": data}, "data"), "data")


def order_price(data: object) -> dict[str, Any]:
    """The prices of packageOrderPrice, exact and as numbers; without any discount the two are the same."""
    item = only(data, "a price")
    original, total = (Amount.of(item, name) for name in ("OriginalPrice", "TotalPrice"))
    return {
        "original_price": original.text,
        "original_amount": float(original.exact),
        "total_price": total.text,
        "total_amount": float(total.exact),
        "vendor": dict(item.vendor),
    }
