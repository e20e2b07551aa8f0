# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses in the notations in which a vendor may write them, to recognise and to replace them."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable

_DIGIT = "[0-9\N{FULLWIDTH DIGIT ZERO}-\N{FULLWIDTH DIGIT NINE}]"
_DOT = "[.\N{FULLWIDTH FULL STOP}]"
_DOTTED = rf"(?<!{_DIGIT}){_DIGIT}{{1,3}}(?:{_DOT}{_DIGIT}{{1,3}}){{3}}(?!{_DIGIT})"
_IPV6 = r"(?<![0-9A-Za-z:.])(?=[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:)[0-9A-Fa-f:]{3,39}(?![0-9A-Za-z:.])"
ADDRESS = re.compile(f"(?P<dotted>{_DOTTED})|(?P<colons>{_IPV6})")


def _dotted(text: str) -> str | None:
    parts = [int(part) for part in unicodedata.normalize("NFKC", text).split(".")]
    return ".".join(map(str, parts)) if max(parts) < 256 else None


def _colons(text: str) -> str | None:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return None
    return str(address.ipv4_mapped or address)


def canonical(text: str) -> str | None:
    """Return the one address that a text contains, whatever stands around it; None if there is none."""
    found = ADDRESS.search(text)
    if not found:
        return None
    return _dotted(found[0]) if found["dotted"] else _colons(found[0])


def _in_notation_of(example: str, address: str) -> str:
    """Write an address as the example is written."""
    parsed = ipaddress.ip_address(address)
    if ":" in example:
        if isinstance(parsed, ipaddress.IPv4Address):
            number = int(parsed)
            return f"::ffff:{number >> 16:x}:{number & 0xFFFF:x}"
        return str(parsed)
    if any(len(part) == 3 and part[0] == "0" for part in unicodedata.normalize("NFKC", example).split(".")):
        address = ".".join(part.zfill(3) for part in address.split("."))
    return (
        address if example.isascii() else address.translate({ord(sign): ord(sign) + 0xFEE0 for sign in "0123456789."})
    )


def replaced(text: str, replacement: Callable[[str], str]) -> str:
    """Return a text with another address in place of each, in the same notation."""

    def write(found: re.Match[str]) -> str:
        address = _dotted(found[0]) if found["dotted"] else _colons(found[0])
        return found[0] if address is None else _in_notation_of(found[0], replacement(address))

    return ADDRESS.sub(write, text)
