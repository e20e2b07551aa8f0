# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A call as its operation sees it: the parameters by one name each, whatever the dialect calls them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from ..exchange import Refusal
from ..keys.key import ProxyKey
from ..keys.leases import Lease
from ..keys.registry import KeyRegistry
from ..rate_limits import RateLimiter

Item = TypeVar("Item")
Names = Mapping[str, tuple[str, ...]]
PRODUCT_AREA = re.compile(r"[0-9]{6}|[A-Z]{2}")
INTEGER = re.compile(r"[0-9]{1,11}")
FLAGS = {"1": True, "true": True, "0": False, "false": False}


@dataclass
class Request:
    """A call that has passed the checks common to all endpoints.

    An empty parameter counts as not given, since generated links carry every parameter, and so does a zero where zero
    is no value of it.
    """

    keys: KeyRegistry
    rate_limiter: RateLimiter
    key: ProxyKey
    params: Mapping[str, str]
    names: Names
    drop: int = 0
    """Effect of a fault: the number of addresses, from the last, that the operation leaves out."""

    @property
    def now(self) -> float:
        return self.keys.clock.now()

    def without_dropped(self, items: list[Item]) -> list[Item]:
        return items[: max(0, len(items) - self.drop)]

    def text(self, name: str) -> str:
        """Return the first value that is given; a vendor's page spells some names in two ways."""
        return next((text for spelling in self.names.get(name, ()) if (text := self.params.get(spelling))), "")

    def integer(self, name: str, high: int = 10**9, low: int = 1) -> int | None:
        text = self.text(name)
        if text and not (text.isascii() and INTEGER.fullmatch(text) and int(text) <= high):
            raise Refusal("parameter")
        return int(text) if text and int(text) >= low else None

    def flag(self, name: str) -> bool:
        text = self.text(name).lower() or "0"
        if text not in FLAGS:
            raise Refusal("parameter")
        return FLAGS[text]

    def selects_all(self, name: str) -> bool:
        """Return whether a list is the wildcard, which the vendor's page writes with a blank behind it."""
        return self.text(name).strip() == "*"

    def strings(self, name: str) -> list[str]:
        """Return the items of a comma-separated list without duplicates; an empty item is an error."""
        items = self.text(name).split(",")
        if not all(items):
            raise Refusal("parameter")
        return list(dict.fromkeys(items))

    def selected(self, name: str) -> list[str] | None:
        """Return the items of a list that selects; None for all."""
        return None if not self.text(name) or self.selects_all(name) else self.strings(name)

    def areas(self, name: str) -> list[str]:
        areas = [] if self.text(name) in ("", "0") else self.strings(name)
        form = PRODUCT_AREA if "excluded" in self.names else INTEGER
        if not all(form.fullmatch(area) for area in areas):
            raise Refusal("parameter")
        return areas

    def addresses(self, name: str) -> list[str]:
        """Return the addresses of a list without duplicates, in the order of the request."""
        try:
            return [str(ipaddress.IPv4Address(text)) for text in self.strings(name)]
        except ValueError:
            raise Refusal("parameter") from None

    def selected_leases(self) -> list[Lease]:
        """Return the leases of the key that the call selects, by their addresses or by their tasks."""
        names = [name for name in ("ips", "tasks") if self.text(name)]
        if len(names) != 1:
            raise Refusal("parameter")
        (name,), leases = names, self.key.holdings.leases
        if self.selects_all(name):
            return list(leases)
        requested = self.addresses(name) if name == "ips" else self.strings(name)
        by_name = [(lease.ip if name == "ips" else lease.task_id, lease) for lease in leases]
        if self.key.options.absent_release == "error" and not {own for own, _lease in by_name}.issuperset(requested):
            raise Refusal("parameter")
        return [lease for own, lease in by_name if own in requested]
