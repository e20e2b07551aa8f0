# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The data of the account API as rows with fixed names and types.

Shapes: vendor's pages on packages, order prices, lines, services, balance and volume-billed
proxies. QG.net's keys vary in case and spelling, also between its tables and examples. Every
documented value has a fixed name and type: null if QG.net leaves it empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from .._core.text import Exact
from .parsing import Record, ResponseShapeError, integer, iso_time, parse_vendor_time


class Column(NamedTuple):
    """A value of a row: what reads it from QG.net's object, and QG.net's names for it."""

    read: Callable[..., Any]
    names: tuple[str, ...]


#: The values of a row by their names in results.
Columns: TypeAlias = "dict[str, Column]"


def columns(read: Callable[..., Any], *names: str, **named: str | tuple[str, ...]) -> Columns:
    """Return columns with the same reader.

    QG.net's names for ``names`` differ only in case and underscores; those of ``named`` are
    given.
    """
    result = {name: Column(read, (name,)) for name in names}
    for name, vendor in named.items():
        spellings = (vendor,) if isinstance(vendor, str) else vendor
        result[name] = Column(read, spellings)
    return result


def times(*names: str) -> Columns:
    """Return two columns for each time: as QG.net writes it, and as ISO 8601 (Beijing)."""
    return columns(Record.text, *names) | columns(_iso, **{f"{name}_iso": name for name in names})


def _iso(record: Record, name: str) -> str | None:
    return iso_time(parse_vendor_time(record.text(name)))


def records(data: object, what: str) -> list[Record]:
    """Return the objects in ``Data``: a list, a map with keys such as "1", one object, or none."""
    if data in (None, "", [], {}):
        return []
    if isinstance(data, Mapping):
        numbers = {name: integer(name) for name in data}
        if None in numbers.values():
            return [Record(data, what)]
        ordered = sorted(data, key=lambda name: (numbers[name] or 0, name))
        return [Record(data[name], what) for name in ordered]
    if not isinstance(data, Sequence) or isinstance(data, str):
        raise ResponseShapeError("Data is neither a list nor an object")
    return [Record(item, what) for item in data]


def single(data: object, what: str) -> Record:
    """Return the only object in ``Data``, which may have any shape of a list."""
    listed = records(data, what)
    if len(listed) != 1:
        raise ResponseShapeError(f"Data contains {len(listed)} objects instead of {what}")
    return listed[0]


#: The states of a machine, by QG.net's numbers.
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
#: The states of an order, by QG.net's numbers.
ORDER_STATUS = {
    -4: "locked",
    -3: "failed",
    0: "provisioning",
    1: "normal",
    2: "transferring",
    3: "expired",
}
#: The states of a volume-billed plan, by QG.net's numbers.
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
    "windows": "windows|win20|win10|win11|winserver",
    "linux": (
        "linux|centos|ubuntu|debian|rocky|fedora|redhat|rhel|suse|alma|openeuler|anolis|kylin|"
        "tencentos|euleros|arch|gentoo"
    ),
}


def _coded(name: str, words: Mapping[int, str]) -> Columns:
    """Return two columns for a coded number: its meaning, and the number as received."""

    def word(record: Record, *names: str) -> str | None:
        number = record.integer(*names)
        return None if number is None else words.get(number, UNKNOWN)

    return columns(word, name) | columns(Record.integer, **{f"{name}_code": name})


def _is_on(record: Record, *names: str) -> bool | None:
    number = record.integer(*names)
    return None if number is None else number == 1


def _numbers(record: Record, *names: str) -> list[int]:
    """Return numbers from a list, or from text with commas."""
    value = record.value(*names)
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list):
        return []
    return [number for number in map(integer, value) if number is not None]


def os_family(system_name: str | None) -> str | None:
    """Return the family of a system image, Windows or Linux; None if its name does not show it."""
    text = "".join((system_name or "").split()).casefold()
    for family, words in _FAMILIES.items():
        if re.search(words, text):
            return family
    return None


def _exact(record: Record, *names: str) -> Exact | None:
    text = record.text(*names)
    return None if text is None else Exact(text)


_INSTANCE = {
    **columns(
        Record.text,
        "suid",
        "line_no",
        "area_no",
        "spec_no",
        "spec_name",
        "host_name",
        "ip",
        "local_ip",
    ),
    **columns(Record.text, "system_no", "system_name", "adsl_name"),
    **columns(Record.text, system_disk_type="System_type", data_disk_type="Harddisks_type"),
    **columns(Record.integer, "host_id", "bandwidth", "defense"),
    **columns(
        Record.integer,
        system_disk=("Systemdisks", "Systemdisk"),
        data_disk=("Harddiks", "Harddisks"),
    ),
    **columns(lambda record, name: os_family(record.text(name)), os_family="System_name"),
    **_coded("run_status", RUN_STATUS),
    **_coded("order_status", ORDER_STATUS),
    **times("buy_time", "end_time"),
}
#: The values of a service that are secret.
INSTANCE_SECRETS = columns(_exact, "adsl_password", "business_password", "login_password")
#: The names of all values of a service, after that of the brand for which it was listed.
INSTANCE_COLUMNS = ("product_id", *_INSTANCE, *INSTANCE_SECRETS)

_PACKAGE = {
    **columns(
        Record.text,
        "package_no",
        "line_no",
        "line_name",
        "area_no",
        "area_name",
        "group_id",
        "group_name",
    ),
    **columns(Record.text, "spec_no", "spec_name", "trial_time"),
    **columns(Record.integer, "area_id", "cpu", "bandwidth", "defense"),
    **columns(Record.integer, system_disk="Systemdisk", data_disk="Datadisk", ip_count="Ip"),
    **columns(Record.number, "memory", amount=("User_price", "Basic_price")),
    **columns(_is_on, buyable="Buy_status", enabled="Status", upgradable="Upgrade_status"),
    **columns(Record.money, "basic_price", "user_price"),
    **columns(
        Record.money,
        "day_rate",
        "week_rate",
        "month_rate",
        "quarter_rate",
        "halfyear_rate",
        "year_rate",
    ),
}

_LINE = {
    **columns(Record.text, "name", "code", "description", "address", "intro_url"),
    **columns(Record.integer, "id", "super_id", "auto_id", "sort_id", "brand_id", "enabled"),
    **columns(Record.integer, "buy_status", "renew_status", "upgrade_status", "defense_status"),
    **times("created_at", "updated_at", "deleted_at"),
    # QG.net's table and example spell it differently.
    **columns(_numbers, spec_ids=("bindspecs", "bondSpecs")),
}

_PROXY_PLAN = {
    **columns(Record.integer, total="Number", available="Resource_available"),
    **columns(Record.text, "connect", tunnel="Tunnel_url"),
    **_coded("order_status", PLAN_STATUS),
    **_coded("type", PLAN_TYPES),
    **_coded("ip_type", IP_TYPES),
    **times("buy_time", "end_time"),
}
_PROXY_PLAN_SECRETS = columns(_exact, "authkey")


def _row(
    record: Record, public: Columns, secret: Columns | None = None, include_secrets: bool = False
) -> dict[str, Any]:
    """Return a row, with its secrets only if requested.

    ``vendor`` is the object as received, without them as well.
    """
    every = {**public, **(secret or {})}
    values = {name: column.read(record, *column.names) for name, column in every.items()}
    if all(value in (None, []) for value in values.values()):
        raise ResponseShapeError(f"{record.what} has none of the documented values")
    if include_secrets:
        return {**values, "vendor": dict(record.vendor)}
    return {**{name: values[name] for name in public}, "vendor": record.without(SECRET_MARKS)}


def instances(data: object, *, include_secrets: bool = False) -> list[dict[str, Any]]:
    """Return the services in the data of getDetail."""
    services = []
    for record in records(data, "a service"):
        row = _row(record, _INSTANCE, INSTANCE_SECRETS, include_secrets)
        if row["suid"] is None:
            raise ResponseShapeError("Suid is missing")
        services.append(row)
    return services


def packages(data: object) -> list[dict[str, Any]]:
    """Return the packages in the data of packageList."""
    return [_row(record, _PACKAGE) for record in records(data, "a package")]


def lines(data: object) -> list[dict[str, Any]]:
    """Return the lines in the data of lineList."""
    return [_row(record, _LINE) for record in records(data, "a line")]


def proxy_plan(data: object, *, include_secrets: bool = False) -> dict[str, Any]:
    """Return the service in the data of resourceView."""
    return _row(single(data, "a proxy service"), _PROXY_PLAN, _PROXY_PLAN_SECRETS, include_secrets)


def _amount_of(record: Record, name: str) -> tuple[str, float]:
    """Return a required amount as QG.net writes it, and as a number."""
    text = record.money(name)
    if text is None:
        raise ResponseShapeError(f"{name} is not an amount")
    return text, float(text)


def balance(data: object) -> dict[str, Any]:
    """Return the amount in the data of getBalance: ``"12.34"``."""
    text, amount = _amount_of(Record({"data": data}, "data"), "data")
    return {"balance": text, "amount": amount}


def order_price(data: object) -> dict[str, Any]:
    """Return the prices in the data of packageOrderPrice, as text and as numbers.

    They are equal if there is no discount.
    """
    record = single(data, "a price")
    prices: dict[str, Any] = {}
    for name, key in (("original", "OriginalPrice"), ("total", "TotalPrice")):
        prices[f"{name}_price"], prices[f"{name}_amount"] = _amount_of(record, key)
    return {**prices, "vendor": dict(record.vendor)}
