# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A call as its operation sees it: the parameters by one name each, whatever the dialect calls
them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
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

    An empty parameter counts as not given, since generated links carry every parameter, and so does
    a zero where zero is no value of it.
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
        """Return the first value that is given; a page of QG.net spells some names in two ways."""
        for spelling in self.names.get(name, ()):
            if text := self.params.get(spelling):
                return text
        return ""

    def integer(self, name: str, high: int = 10**9, low: int = 1) -> int | None:
        text = self.text(name)
        if text and not (text.isascii() and INTEGER.fullmatch(text) and int(text) <= high):
            raise Refusal("parameter")
        if not text or int(text) < low:
            return None
        return int(text)

    def flag(self, name: str) -> bool:
        text = self.text(name).lower() or "0"
        if text not in FLAGS:
            raise Refusal("parameter")
        return FLAGS[text]

    def selects_all(self, name: str) -> bool:
        """Return whether a list is the wildcard, which QG.net's page writes with a blank behind
        it.
        """
        return self.text(name).strip() == "*"

    def strings(self, name: str) -> list[str]:
        """Return the items of a comma-separated list without duplicates; an empty item is an
        error.
        """
        items = self.text(name).split(",")
        if not all(items):
            raise Refusal("parameter")
        return list(dict.fromkeys(items))

    def selected(self, name: str) -> list[str] | None:
        """Return the items of a list that selects; None for all."""
        if not self.text(name) or self.selects_all(name):
            return None
        return self.strings(name)

    def areas(self, name: str) -> list[str]:
        if self.text(name) in ("", "0"):
            return []
        areas = self.strings(name)
        form = INTEGER
        if "excluded" in self.names:
            form = PRODUCT_AREA
        if not all(map(form.fullmatch, areas)):
            raise Refusal("parameter")
        return areas

    def addresses(self, name: str) -> list[str]:
        """Return the addresses of a list without duplicates, in the order of the request."""
        try:
            return [str(ipaddress.IPv4Address(text)) for text in self.strings(name)]
        except ValueError:
            raise Refusal("parameter") from None

    def selected_leases(self) -> list[Lease]:
        """Return the leases of the key that the call selects, by their addresses or by their
        tasks.
        """
        by_address = bool(self.text("ips"))
        if by_address == bool(self.text("tasks")):
            raise Refusal("parameter")
        if self.selects_all("ips") or self.selects_all("tasks"):
            return list(self.key.holdings.leases)
        if by_address:
            name_of = attrgetter("ip")
            requested = self.addresses("ips")
        else:
            name_of = attrgetter("task_id")
            requested = self.strings("tasks")
        selected = [lease for lease in self.key.holdings.leases if name_of(lease) in requested]
        if self.key.options.absent_release == "error" and len(set(map(name_of, selected))) < len(
            requested
        ):
            raise Refusal("parameter")
        return selected
