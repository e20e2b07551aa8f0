# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases, quotas and areas: one model for all APIs of QG.net.

A user gives an area by code or by name.
"""

from __future__ import annotations

import datetime
import ipaddress
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

from .._core.checks import can_be_exit
from .._core.errors import CallError, OptionError, WaitBudgetExceeded
from .._core.text import format_sample, quoted, similar
from .parsing import Record, as_text, integer, iso_time, parse_vendor_time, required_text

#: The suffix of QG.net's name of a region, and the name of the provider in options.
PROVIDERS = {"电信": "telecom", "移动": "mobile", "联通": "unicom", "BGP": "bgp"}
#: The name of a server. Some programs read a name whose last label is a number as an address.
_NAME = re.compile(
    r"(?:(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\.)*"
    r"(?![0-9]+$|0[xX][0-9a-fA-F]*$)(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
)
#: QG.net's numbers for the providers.
ISP_NUMBERS = {"telecom": 1, "mobile": 2, "unicom": 3, "bgp": 4}
#: The code and the name of an area that QG.net lists.
NamedArea: TypeAlias = "tuple[str, str | None]"

#: A number, or the code of a country.
_CODE = re.compile(r"[1-9][0-9]{0,8}|[A-Z]{2}")
#: The maximum number of areas in a suggestion.
_MAX_SUGGESTED = 5


@dataclass(frozen=True)
class Quota:
    """The channels of a plan (vendor doc 181), and the response as received."""

    total: int
    available: int
    used: int
    vendor: Mapping[str, Any]
    #: The addresses that a plan by volume of a product host may still extract; None for any other
    #: plan.
    balance: int | None = None

    @property
    def has_channels(self) -> bool:
        """Whether the plan leases through channels, so that ``used`` are those in use."""
        return self.balance is None and self.total > 0

    def described(self) -> dict[str, Any]:
        """Return the numbers with their unit; a plan by volume has only ``available``."""
        if self.balance is not None:
            return {"unit": "addresses", "total": None, "available": self.balance, "used": None}
        return {
            "unit": "channels",
            "total": self.total,
            "available": self.available,
            "used": self.used,
        }


@dataclass(frozen=True)
class Terms:
    """The parameters of a request for new leases; ``keep_alive`` is in minutes.

    ``areas`` and ``exclude_areas`` are codes. The classic API takes one area, and no
    ``exclude_areas`` or ``pool``.
    """

    keep_alive: int | None = None
    isp: str | None = None
    distinct: bool = False
    areas: tuple[str, ...] = ()
    exclude_areas: tuple[str, ...] = ()
    pool: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what is given for the state store, which compares later requests with it."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Terms:
        """Return the parameters with the values of :meth:`as_json`."""
        terms = cls(**values)
        return replace(terms, areas=tuple(terms.areas), exclude_areas=tuple(terms.exclude_areas))


@dataclass(frozen=True)
class Lease:
    """One leased proxy (vendor docs 174, 175, and 1839).

    ``ip`` is the exit, or empty if QG.net does not return it; ``server`` (``host:port``) is the
    address to connect to, which may differ. ``deadline`` is QG.net's text; ``expires`` is the
    same time, or None if the text cannot be parsed. ``provider`` and ``area_code`` are the texts of
    a product host.
    """

    ip: str
    port: int
    server: str
    deadline: str | None
    expires: datetime.datetime | None
    region: str | None
    task_id: str
    vendor: Mapping[str, Any]
    provider: str | None = None
    area_code: str | None = None

    @classmethod
    def from_item(cls, item: Mapping[str, Any], task_id: str) -> Lease:
        """Read an item of the classic API, or one of a product host::

        {"IP": "192.0.2.10", "port": "21504", "deadline": "...", "host": "198.51.100.8:21504"}
        {"proxy_ip": "192.0.2.10", "server": "198.51.100.8:21504", "area_code": 350500, ...}
        """
        if "server" in item:
            ip = as_text(item.get("proxy_ip")) or ""
            server = required_text(item, "server", "an address")
            port = integer(server.rpartition(":")[2]) or 0
            region = as_text(item.get("area"))
        else:
            port = integer(item.get("port")) or 0
            ip = required_text(item, "IP", "an address")
            server = as_text(item.get("host")) or f"{ip}:{port}"
            region = as_text(item.get("region"))
        deadline = as_text(item.get("deadline"))
        return cls(
            ip=ip,
            port=port,
            server=server,
            deadline=deadline,
            expires=parse_vendor_time(deadline),
            region=region,
            task_id=task_id,
            vendor=item,
            provider=as_text(item.get("isp")),
            area_code=as_text(item.get("area_code")),
        )

    def is_usable(self, api_host: str) -> bool:
        """Whether a program can use the server: an IPv4 address that can be one of an exit of the
        API at this host, or a name; and a port.
        """
        host, _colon, port = self.server.rpartition(":")
        if port != str(self.port) or not 1 <= self.port <= 65535:
            return False
        try:
            return can_be_exit(ipaddress.IPv4Address(host), api_host)
        except ValueError:
            return _NAME.fullmatch(host) is not None and len(host) <= 253

    @property
    def isp(self) -> str | None:
        """The provider, with a name of :data:`ISP_NUMBERS` if possible.

        The classic API appends it to the region.
        """
        if self.provider:
            return PROVIDERS.get(self.provider.upper(), self.provider)
        region = (self.region or "").upper()
        return next((name for end, name in PROVIDERS.items() if region.endswith(end)), None)

    @property
    def names(self) -> list[Any]:
        """All that names a lease, here or in a call."""
        return [self.ip, self.port, self.server, self.task_id]

    @property
    def name(self) -> str:
        """A text that is different for every lease of a key.

        The responses of a product host may contain different fields of a lease, but all contain its
        server, which no other lease has at the same time. Of the classic API, the task
        distinguishes it from a later lease.
        """
        if "server" in self.vendor:
            return self.server
        return f"{self.task_id} {self.server}"

    def remaining(self, now: float) -> float | None:
        """Return the seconds left at this Unix time of QG.net; None without a deadline."""
        if self.expires is None:
            return None
        return self.expires.timestamp() - now

    def described(self, now: float) -> dict[str, Any]:
        """Return the lease for results and events.

        ``now`` is QG.net's time (Unix time). The remaining time is in whole seconds, at least
        0.
        """
        remaining = self.remaining(now)
        if remaining is not None:
            remaining = max(0, int(remaining))
        return {
            "ip": self.ip or None,
            "port": self.port,
            "server": self.server,
            "deadline": self.deadline,
            "expires_at": iso_time(self.expires),
            "remaining_seconds": remaining,
            "region": self.region,
            "isp": self.isp,
            "area_code": self.area_code,
            "task_id": self.task_id or None,
        }


def oldest_first(leases: Iterable[Lease]) -> list[Lease]:
    """Sort leases by deadline; those without a readable deadline come last."""

    def rank(lease: Lease) -> tuple[float, str]:
        ends = lease.remaining(0.0)
        return (math.inf if ends is None else ends, lease.name)

    return sorted(leases, key=rank)


@dataclass(frozen=True)
class Area:
    """One row of QG.net's list of areas (vendor doc 177), whose shape is not documented.

    Each field is the value of a key with a similar name, or None; ``vendor`` is the row as
    received. ``code`` is a number, or for some areas overseas the code of a country, such as
    ``US``.
    """

    code: str | None
    name: str | None
    isp: str | None
    available: bool | None
    vendor: Mapping[str, Any]

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Area:
        """Read the known fields of a row."""
        row = Record(item, "an area")
        code = row.text("area_code", "area_id", "area_no")
        available = row.value("available")
        if not isinstance(available, bool):
            status = row.integer("status", "available")
            available = None if status is None or status < 0 else status > 0
        isp = row.text("isp") or ""
        by_number = {str(number): name for name, number in ISP_NUMBERS.items()}
        return cls(
            code=None if code == "0" else code,
            name=row.text("area_name", "area", "name"),
            isp=by_number.get(isp) or PROVIDERS.get(isp.upper()),
            available=available,
            vendor=item,
        )


def is_inside(inner: str, outer: str) -> bool | None:
    """Whether an area is part of another one; None if the codes do not show that.

    In codes of six digits, the pairs of digits stand for province, city and district; 00 stands for
    all districts or cities.
    """
    if inner == outer:
        return True
    if inner.isdecimal() != outer.isdecimal():
        # One of them is the code of a country, such as US.
        return None
    if len(inner) == len(outer) == 6 and inner.isdecimal():
        if inner.startswith(_stem(outer)):
            return True
        if outer.startswith(_stem(inner)):
            return None
    return False


def _stem(code: str) -> str:
    while len(code) > 2 and code.endswith("00"):
        code = code[:-2]
    return code


def area_codes(
    option: str, texts: Iterable[str], read: Callable[[], Sequence[NamedArea]]
) -> tuple[str, ...]:
    """Return the codes of the areas that an option contains as codes or names.

    Refuse what QG.net does not list.

    ``read`` returns QG.net's list. If it cannot be read, or contains no codes, codes are
    returned as they are: its shape is not documented.
    """
    given = [text.strip() for text in texts]
    try:
        return tuple(dict.fromkeys(_code_of(option, text, read()) for text in given))
    except (CallError, WaitBudgetExceeded):
        codes = tuple(dict.fromkeys(filter(None, map(code_in, given))))
        if len(codes) < len(set(given)):
            raise
        return codes


def code_in(text: str) -> str | None:
    """Return the code in a text, without leading zeros and in upper case; None for a name."""
    code = text.lstrip("0").upper()
    return code if _CODE.fullmatch(code) else None


def _code_of(option: str, text: str, listed: Sequence[NamedArea]) -> str:
    named = sorted({code for code, name in listed if name == text})
    if len(named) == 1:
        return named[0]
    what = f"contains {quoted(text)}, which"
    if named:
        fix = f"give one of the codes {', '.join(named)}"
        raise OptionError(option, f"{what} is the name of several areas", fix)
    if code := code_in(text):
        # The code of a country cannot be compared with numbers.
        codes = [other for other, _name in listed if other.isdecimal() == code.isdecimal()]
        if not codes or any(_is_listed_as(code, other) for other in codes):
            return code
    if not listed:
        problem = f"{what} is not a code, and QG.net's list contains no areas"
        raise OptionError(option, problem, "give the codes of areas")
    labels = set()
    for code, name in listed:
        labels.add(f"{name} ({code})" if name and name != code else code)
    nearest = similar(text, sorted(labels), _MAX_SUGGESTED, cutoff=0.0)
    fix = f"give one that it lists, such as {format_sample(nearest, _MAX_SUGGESTED)}"
    raise OptionError(option, f"{what} qg_area_info does not list for this key", fix)


def _is_listed_as(code: str, listed: str) -> bool:
    """Whether an area has a listed code.

    QG.net accepts the code of a province for all its cities, and may list either.
    """
    is_part = listed.endswith("0000") and is_inside(code, listed)
    return bool(is_inside(listed, code) or is_part)
