# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notations in which a vendor might list the IPv4 addresses of a whitelist."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

FULL_WIDTH = {ord(sign): ord(sign) + 0xFEE0 for sign in "0123456789."}


def _mapped_hex(ip: str) -> str:
    number = int(ipaddress.IPv4Address(ip))
    return f"::ffff:{number >> 16:x}:{number & 0xFFFF:x}"


NOTATIONS: dict[str, Callable[[str], str]] = {
    "stored": lambda ip: ip,
    "prefix": lambda ip: f"{ip}/32",
    "netmask": lambda ip: f"{ip}/255.255.255.255",
    "mapped": lambda ip: f"::ffff:{ip}",
    "mapped_hex": _mapped_hex,
    "padded": lambda ip: ".".join(part.zfill(3) for part in ip.split(".")),
    "full_width": lambda ip: ip.translate(FULL_WIDTH),
    "port": lambda ip: f"{ip}:8080",
    "blanks": lambda ip: f" {ip}\t",
}
"""By name. Each is for an address as it is stored."""


def write(entry: str, notation: str) -> str:
    """Return an entry of the whitelist in a notation; what is not an IPv4 address stays as it is."""
    try:
        ipaddress.IPv4Address(entry)
    except ValueError:
        return entry
    return NOTATIONS[notation](entry)
