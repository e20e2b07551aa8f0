# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place where text becomes an IP address.

This file is private to the collection.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable


def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Read an address; raise ValueError for any other text.

    The scope of an IPv6 address, behind a percent sign, may be any text, and is refused.
    """
    if "%" in text:
        raise ValueError("an address with a scope")
    return ipaddress.ip_address(text)


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether a host can be seen under this address on the internet."""
    return address.is_global and not address.is_multicast


def packed(text: str, family: int = socket.AF_INET) -> bytes | None:
    """Return an address in its canonical form as bytes, which sort by number; None for any other text."""
    try:
        return socket.inet_pton(family, text)
    except (OSError, ValueError):
        return None


def numeric_order(ips: Iterable[str]) -> list[str]:
    """Sort addresses by number; other text comes last, so that nothing in the vendor's list is lost."""

    def rank(text: str) -> tuple[int, bytes, str]:
        for place, family in enumerate((socket.AF_INET, socket.AF_INET6)):
            number = packed(text, family)
            if number is not None:
                return place, number, text
        return 9, b"", text

    return sorted(ips, key=rank)
