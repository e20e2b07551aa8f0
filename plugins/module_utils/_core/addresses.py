# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parsers of IP addresses: all other files use these."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from .errors import OptionError
from .text import quoted

#: The addresses of examples (RFC 5737), which no host has.
_DOCUMENTATION = tuple(map(ipaddress.IPv4Network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")))


def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Read an address; raise ValueError for any other text.

    The scope of an IPv6 address, behind a percent sign, may be any text, and is refused.
    """
    if "%" in text:
        raise ValueError("an address with a scope")
    return ipaddress.ip_address(text)


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether this is an address of the public internet, or one of examples, and not of a group of hosts."""
    is_example = any(address in network for network in _DOCUMENTATION)
    return (address.is_global or is_example) and not address.is_multicast


def packed(text: str) -> bytes | None:
    """Return the bytes of a canonical IPv4 address, which sort numerically; None for any other text."""
    try:
        return socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        return None


def numeric_order(ips: Iterable[str]) -> list[str]:
    """Sort IPv4 addresses numerically; other text comes last."""
    return sorted(ips, key=lambda text: (packed(text) is None, packed(text) or b"", text))


def check_addresses(option: str, texts: Iterable[str], *, any_scope: bool = False) -> tuple[str, ...]:
    """Return IPv4 addresses in canonical form, each once; refuse other text: the whitelist has no IPv6 or networks."""
    found: dict[str, None] = {}
    for text in texts:
        address = text.strip()
        number = packed(address)
        if number is None:
            raise OptionError(
                f"{option} contains {quoted(text)}: give single IPv4 addresses such as 203.0.113.5, each in an entry "
                "of its own, and no ports, ranges, networks or names."
            )
        if not any_scope and not is_public(ipaddress.IPv4Address(number)):
            raise OptionError(
                f"{option} contains {address}, which is not an address of the public internet, so QG.net can never see "
                "it: give the egress address of the host."
            )
        found[address] = None
    return tuple(found)
