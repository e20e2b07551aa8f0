# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A call for a key as its operation sees it, and the parsing of parameters that the APIs for leases share."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from ..rate_limits import RateLimiter
from .key import ProxyKey
from .lease_service import LeaseService
from .leases import Lease
from .registry import KeyRegistry

Item = TypeVar("Item")
ALL = "*"
MAX_DIGITS = 11


@dataclass
class KeyRequest:
    """A call that has passed the checks common to all endpoints.

    An empty parameter counts as not given, since generated links carry every parameter.
    """

    keys: KeyRegistry
    rate_limiter: RateLimiter
    key: ProxyKey
    params: Mapping[str, str]
    drop: int = 0
    """Effect of a fault: the number of addresses, from the last, that the operation leaves out."""
    unnamed: int = 0
    """Effect of a fault: the number of addresses, from the last, that the answer leaves out."""

    ip_parameter: ClassVar[str]
    task_parameter: ClassVar[str]

    def invalid_parameter(self) -> Exception:
        """Return the refusal of a parameter in the API's own code."""
        raise NotImplementedError

    @property
    def now(self) -> float:
        return self.keys.clock.now()

    @property
    def lease_service(self) -> LeaseService:
        return self.keys.lease_service

    def without_dropped(self, items: list[Item]) -> list[Item]:
        return items[: max(0, len(items) - self.drop)]

    def given(self, name: str) -> bool:
        return bool(self.params.get(name))

    def selects_all(self, name: str) -> bool:
        """Return whether a list is the wildcard, which the vendor's page writes with a blank behind it."""
        return self.params.get(name, "").strip() == ALL

    def string_list(self, name: str) -> list[str]:
        """Return the items of a comma-separated list without duplicates; an empty item is an error."""
        items = self.params[name].split(",") if self.given(name) else []
        if not all(items):
            raise self.invalid_parameter()
        return list(dict.fromkeys(items))

    def addresses(self, name: str) -> list[str]:
        """Return the addresses of a list without duplicates, in the order of the request."""
        try:
            return [str(ipaddress.IPv4Address(text)) for text in self.string_list(name)]
        except ValueError:
            raise self.invalid_parameter() from None

    def parse_integer(self, text: str, high: int) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS and int(text) <= high):
            raise self.invalid_parameter()
        return int(text)

    def selected_leases(self) -> list[Lease]:
        """Return the leases of the key that the call selects, by their addresses or by their tasks."""
        names = [name for name in (self.ip_parameter, self.task_parameter) if self.given(name)]
        if len(names) != 1:
            raise self.invalid_parameter()
        name, leases = names[0], self.key.holdings.leases
        if self.selects_all(name):
            return list(leases)
        by_ip = name == self.ip_parameter
        requested = self.addresses(name) if by_ip else self.string_list(name)
        selected = [lease for lease in leases if (lease.ip if by_ip else lease.task_id) in requested]
        known = {lease.ip if by_ip else lease.task_id for lease in selected}
        if self.key.options.absent_release == "error" and not known.issuperset(requested):
            raise self.invalid_parameter()
        return selected
