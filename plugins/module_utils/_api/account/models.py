# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Models of the account API's responses.

Shapes: vendor's pages on packages, order prices, lines, services, balance and volume-billed proxies. Every documented
value has a fixed name and type: null if the vendor leaves it empty.
"""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..._core.text import Exact
from ..parsing import ResponseShapeError
from .records import Column, Record, column, columns, records, single, times

#: The states of a machine, by the vendor's numbers.
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
#: The states of an order, by the vendor's numbers.
ORDER_STATUS = {-4: "locked", -3: "failed", 0: "provisioning", 1: "normal", 2: "transferring", 3: "expired"}
#: The states of a volume-billed plan, by the vendor's numbers.
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
#: Parts of the names of keys whose values are secret.
SECRET_MARKS = ("password", "authkey")
#: Words in the names of system images, by the family that they show.
_FAMILIES = {
    "windows": ("windows", "win20", "win10", "win11", "winserver"),
    "linux": (
        *("linux", "centos", "ubuntu", "debian", "rocky", "fedora", "redhat", "rhel", "suse", "alma"),
        *("openeuler", "anolis", "kylin", "tencentos", "euleros", "arch", "gentoo"),
    ),
}


def _coded(name: str, vendor_name: str, words: Mapping[int, str]) -> tuple[Column, Column]:
    """Return two columns for a coded number: its meaning, and the number as received."""

    def word(record: Record, *names: str) -> str | None:
        number = record.integer(*names)
        return None if number is None else words.get(number, UNKNOWN)

    return column(name, word, vendor_name), column(f"{name}_code", Record.integer, vendor_name)


def _is_on(record: Record, *names: str) -> bool | None:
    number = record.integer(*names)
    return None if number is None else number == 1


def _numbers(record: Record, *names: str) -> list[int]:
    """Return numbers from a list, from a map in place of a list, or from text with commas."""
    value = record.value(*names)
    if isinstance(value, str):
        value = value.split(",")
    elif isinstance(value, Mapping):
        value = list(value.values())
    if value is not None and not isinstance(value, list):
        raise ResponseShapeError(f"{names[0]} is not a list")
    found = [Record({names[0]: each}, "a number").integer(names[0]) for each in value or []]
    return [number for number in found if number is not None]


def _amount(record: Record, *names: str) -> float | None:
    found = (record.number(name) for name in names)
    return next((number for number in found if number is not None), None)


def os_family(system_name: str | None) -> str | None:
    """Return the family of a system image, Windows or Linux; None if its name does not show it."""
    text = "".join((system_name or "").split()).casefold()
    return next((family for family, words in _FAMILIES.items() if any(word in text for word in words)), None)


def _exact(record: Record, *names: str) -> Exact | None:
    text = record.text(*names)
    return None if text is None else Exact(text)


_INSTANCE = (
    *columns(Record.text, "suid", "line_no", "area_no", "spec_no", "spec_name"),
    column("host_id", Record.integer),
    *columns(Record.text, "host_name", "ip", "local_ip"),
    *_coded("run_status", "Run_status", RUN_STATUS),
    *_coded("order_status", "Order_status", ORDER_STATUS),
    column("system_disk_type", Record.text, "System_type"),
    column("system_disk", Record.integer, "Systemdisks", "Systemdisk"),
    column("data_disk_type", Record.text, "Harddisks_type"),
    column("data_disk", Record.integer, "Harddiks", "Harddisks"),
    *columns(Record.integer, "bandwidth", "defense"),
    *columns(Record.text, "system_no", "system_name"),
    column("os_family", lambda record, *names: os_family(record.text(*names)), "System_name"),
    column("adsl_name", Record.text),
    *times("buy_time", "end_time"),
)
_INSTANCE_SECRETS = columns(_exact, "adsl_password", "business_password", "login_password")

_PACKAGE = (
    *columns(Record.text, "package_no", "line_no", "line_name"),
    column("area_id", Record.integer),
    *columns(Record.text, "area_no", "area_name", "group_id", "group_name", "spec_no", "spec_name"),
    column("cpu", Record.integer),
    column("memory", Record.number),
    column("system_disk", Record.integer, "Systemdisk"),
    column("data_disk", Record.integer, "Datadisk"),
    column("bandwidth", Record.integer),
    column("ip_count", Record.integer, "Ip"),
    column("defense", Record.integer),
    column("trial_time", Record.text),
    column("buyable", _is_on, "Buy_status"),
    column("enabled", _is_on, "Status"),
    column("upgradable", _is_on, "Upgrade_status"),
    *columns(Record.money, "basic_price", "user_price"),
    column("amount", _amount, "User_price", "Basic_price"),
    *columns(Record.money, "day_rate", "week_rate", "month_rate", "quarter_rate", "halfyear_rate", "year_rate"),
)

_LINE = (
    *columns(Record.integer, "id", "super_id"),
    *columns(Record.text, "name", "code"),
    column("auto_id", Record.integer),
    *columns(Record.text, "description", "address", "intro_url"),
    *columns(Record.integer, "sort_id", "buy_status", "renew_status", "upgrade_status", "defense_status"),
    *columns(Record.integer, "brand_id", "enabled"),
    *times("created_at", "updated_at", "deleted_at"),
    # The vendor's table and example spell it differently.
    column("spec_ids", _numbers, "bindspecs", "bondSpecs"),
)

_PROXY_PLAN = (
    column("total", Record.integer, "Number"),
    column("available", Record.integer, "Resource_available"),
    column("connect", Record.text),
    *times("buy_time", "end_time"),
    *_coded("order_status", "Order_status", PLAN_STATUS),
    *_coded("type", "Type", PLAN_TYPES),
    *_coded("ip_type", "Ip_type", IP_TYPES),
    column("tunnel", Record.text, "Tunnel_url"),
)
_PROXY_PLAN_SECRETS = columns(_exact, "authkey")


def _visible_row(
    record: Record, public: tuple[Column, ...], secret: tuple[Column, ...], include_secrets: bool
) -> dict[str, Any]:
    """Return a row, with its secrets only if requested; ``vendor`` is the object as received, without them as well."""
    values = {each.name: each.read(record, *each.names) for each in (*public, *secret)}
    if all(value in (None, []) for value in values.values()):
        raise ResponseShapeError(f"{record.what} has none of the documented values")
    if include_secrets:
        return {**values, "vendor": dict(record.vendor)}
    shown = {each.name: values[each.name] for each in public}
    return {**shown, "vendor": record.without(SECRET_MARKS)}


def instances(data: object, *, include_secrets: bool = False) -> list[dict[str, Any]]:
    """Return the services in the data of getDetail."""
    services = records(data, "a service")
    found = [_visible_row(service, _INSTANCE, _INSTANCE_SECRETS, include_secrets) for service in services]
    if any(each["suid"] is None for each in found):
        raise ResponseShapeError("Suid is missing")
    return found


def packages(data: object) -> list[dict[str, Any]]:
    """Return the packages in the data of packageList."""
    return [_visible_row(record, _PACKAGE, (), False) for record in records(data, "a package")]


def lines(data: object) -> list[dict[str, Any]]:
    """Return the lines in the data of lineList."""
    return [_visible_row(record, _LINE, (), False) for record in records(data, "a line")]


def proxy_plan(data: object, *, include_secrets: bool = False) -> dict[str, Any]:
    """Return the service in the data of resourceView."""
    return _visible_row(single(data, "a proxy service"), _PROXY_PLAN, _PROXY_PLAN_SECRETS, include_secrets)


@dataclass(frozen=True)
class Amount:
    """A sum of money: the vendor's text, and the exact number."""

    text: str
    exact: decimal.Decimal

    @classmethod
    def of(cls, record: Record, name: str) -> Amount:
        """Read a required amount of a record."""
        text, exact = record.text(name), record.decimal(name)
        if text is None or exact is None:
            raise ResponseShapeError(f"{name} is not an amount")
        return cls(text, exact)


def balance(data: object) -> Amount:
    """Return the amount in the data of getBalance: ``"12.34"``."""
    return Amount.of(Record({"data": data}, "data"), "data")


def order_price(data: object) -> dict[str, Any]:
    """Return the prices in the data of packageOrderPrice, as text and as numbers; equal if there is no discount."""
    record = single(data, "a price")
    original, total = (Amount.of(record, name) for name in ("OriginalPrice", "TotalPrice"))
    return {
        "original_price": original.text,
        "original_amount": float(original.exact),
        "total_price": total.text,
        "total_amount": float(total.exact),
        "vendor": dict(record.vendor),
    }
