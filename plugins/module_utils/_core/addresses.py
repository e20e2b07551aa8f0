# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parsers of IP addresses: all other files use these."""

from __future__ import annotations

import enum
import ipaddress
import re
import socket
import unicodedata
from collections.abc import Iterable
from urllib.parse import urlsplit

from .errors import OptionError
from .text import quote_word

#: The maximum length of a text that means an address.
_MAX_NOTATION = 64
_BRACKETS = re.compile(r"\[([^\[\]]+)\](?::[0-9]{1,5})?")
_WITH_PORT = re.compile(r"([^:]+):[0-9]{1,5}")
#: What looks like an address, in text with a mistake.
_LIKE_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
_DOTTED = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
#: The full stops of East Asian text, which users type in place of dots.
_FULL_STOPS = "\u3002\uff61"


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
    """Whether this is an address of the public internet, and not of a group of hosts."""
    return address.is_global and not address.is_multicast


class AddressScope(enum.Enum):
    """The addresses that are accepted as those of hosts: public ones, those of examples as well, or all."""

    PUBLIC = enum.auto()
    SIMULATED = enum.auto()
    ANY = enum.auto()

    @classmethod
    def of(cls, allow_non_global: bool, *urls: str) -> AddressScope:
        """Return the scope for services at these URLs: one on this machine is a simulator, which uses examples."""
        if allow_non_global:
            return cls.ANY
        return cls.SIMULATED if all(map(_is_on_loopback, urls)) else cls.PUBLIC

    def accepts(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        """Whether the scope contains an address."""
        if self is AddressScope.SIMULATED and any(address in network for network in _DOCUMENTATION):
            return True
        return self is AddressScope.ANY or is_public(address)


def _is_on_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or parse_address(host).is_loopback
    except ValueError:
        return False


def packed(text: str, family: int = socket.AF_INET) -> bytes | None:
    """Return the bytes of a canonical address, which sort numerically; None for any other text."""
    try:
        return socket.inet_pton(family, text)
    except (OSError, ValueError):
        return None


def numeric_order(ips: Iterable[str]) -> list[str]:
    """Sort addresses numerically; other text comes last, so that no entry of the vendor's list is lost."""

    def rank(text: str) -> tuple[int, bytes, str]:
        for place, family in enumerate((socket.AF_INET, socket.AF_INET6)):
            number = packed(text, family)
            if number is not None:
                return place, number, text
        return 9, b"", text

    return sorted(ips, key=rank)


def canonical_ipv4(text: str) -> str | None:
    """Return the IPv4 address that a text means, in canonical form; None if it is not exactly one.

    An address may be padded with zeros, have a port, the prefix length or the netmask of a single address, or be
    written as IPv6 (``::ffff:203.0.113.5``, in brackets or not). Its characters may be full-width or the digits of
    another script, and blanks and invisible characters around it do not count.
    """
    if packed(text) is not None:
        return text
    if len(text) > _MAX_NOTATION:
        return None
    plain = "".join(map(_ascii, text)).strip()
    if match := _BRACKETS.fullmatch(plain):
        return _mapped(match[1])
    if match := _WITH_PORT.fullmatch(plain):
        plain = match[1]
    elif ":" in plain:
        return _mapped(plain.removesuffix("/128"))
    return _unpadded(plain.removesuffix("/32").removesuffix("/255.255.255.255"))


def _ascii(character: str) -> str:
    """Return a character in its ASCII form, if it has one; nothing for an invisible one."""
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    if character in _FULL_STOPS:
        return "."
    if "\uff01" <= character <= "\uff5e":
        return chr(ord(character) - 0xFEE0)
    return "" if unicodedata.category(character) == "Cf" else character


def _mapped(text: str) -> str | None:
    """Return the IPv4 address in an IPv4-mapped IPv6 address; None for any other text."""
    head, colon, last = text.rpartition(":")
    try:
        address = ipaddress.IPv6Address(f"{head}{colon}{_unpadded(last) or last}")
    except ValueError:
        return None
    mapped = None if "%" in text else address.ipv4_mapped
    return None if mapped is None else str(mapped)


def _unpadded(text: str) -> str | None:
    """Return a dotted IPv4 address without leading zeros; None for any other text."""
    if not _DOTTED.fullmatch(text):
        return None
    address = ".".join(str(int(part)) for part in text.split("."))
    return address if packed(address) is not None else None


def _address_fix(text: str) -> str:
    """Return how to correct text that is not an address."""
    if len(_LIKE_ADDRESS.findall(text)) > 1:
        return "give each address in an entry of its own, with no range"
    if packed(text.rpartition(":")[0]) is not None:
        return "leave out the port"
    return "the whitelist takes single IPv4 addresses such as 203.0.113.5, no IPv6, networks or names"


def check_addresses(option: str, texts: Iterable[str], scope: AddressScope = AddressScope.ANY) -> tuple[str, ...]:
    """Return IPv4 addresses in canonical form, each once; refuse other text: the whitelist has no IPv6 or networks."""
    found: dict[str, None] = {}
    for text in texts:
        address = text.strip()
        number = packed(address)
        if number is None:
            raise OptionError(f"{option} contains {quote_word(text)}: {_address_fix(address)}.")
        if not scope.accepts(ipaddress.IPv4Address(number)):
            raise OptionError(
                f"{option} contains {address}, which is not an address of the public internet, so the vendor can "
                "never see it. Give the egress address of the host, or set allow_non_global if the API is a simulator."
            )
        found[address] = None
    return tuple(found)
