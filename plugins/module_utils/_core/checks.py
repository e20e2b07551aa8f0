# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of the values of options, and the parsers of IP addresses, URLs and durations.

Each error is one sentence that names option, value and fix.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from .errors import OptionError
from .text import one_line, quoted

#: Scheme, host and port, and what follows. Names in other scripts are accepted as they are.
_URL = re.compile(r"https?://(\[[0-9a-f:.]+\]|[\w.-]+)(:[0-9]+)?([/?#][^\s,;]*)?", re.IGNORECASE)
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(rf"(-?[0-9]{{1,9}})([{''.join(UNITS)}]?)")
#: What no name contains: it separates names in QG.net's calls, or stands for all of them.
_SEPARATORS = ",* "
#: A server of a lease: four numbers, a name whose last part is none, or an IPv6 address in
#: brackets; and the port.
_SERVER = re.compile(
    r"(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|(?:[\w-]+\.)*(?![0-9]+:)[\w-]+|\[[0-9a-fA-F:.]+\])"
    r":([0-9]{1,5})",
    re.ASCII,
)
#: The addresses of examples (RFC 5737), which no host has.
_DOCUMENTATION = tuple(
    map(ipaddress.IPv4Network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"))
)
#: The addresses of measurements (RFC 2544), at which a simulator can have exits.
_MEASUREMENTS = ipaddress.IPv4Network("198.18.0.0/15")

#: What an input method for Chinese types instead of ASCII: quotes, brackets, commas, points and
#: blanks, and the full-width form of each other character.
_ASCII_FORMS = str.maketrans(
    "\u201c\u201d\u2018\u2019\u3010\u3011\u3001\u3002\u3000", "\"\"''[],. "
) | {code + 0xFEE0: code for code in range(0x21, 0x7F)}


def check_ascii_forms(option: str, text: str) -> None:
    """Refuse a full-width character or a Chinese quote, of which QG.net would make another value.

    The text may be a secret, so that no more of it is shown.
    """
    for character in text:
        code = _ASCII_FORMS.get(ord(character))
        if code is not None:
            problem = f"contains the full-width character '{character}' (U+{ord(character):04X})"
            fix = f"write {chr(code)!r} (U+{code:04X}), or leave it out"
            raise OptionError(option, problem, fix)


def check_url(option: str, url: str, example: str, place: str = "") -> str:
    """Refuse what is not a plain HTTP(S) address of a service; a credential is never quoted.

    ``place`` says where in the option the URL stands.
    """
    if "@" in url:
        # In a mistyped URL, the password may be in any part.
        problem = f"{place}contains a user name, a password or another @"
        raise OptionError(option, problem, "leave it out, or write %40 for the @")
    try:
        valid = _URL.fullmatch(url) and url.isprintable() and urlsplit(url).port != 0
    except ValueError:
        valid = False
    if not valid:
        raise OptionError(
            option,
            f"{place}cannot be used",
            f"give one URL with scheme and host, such as {example}",
        )
    return url


def check_proxy(option: str, url: str) -> None:
    """Refuse what is not the URL of a proxy, and one without a port: programs would guess it."""
    check_url(option, url, "http://192.0.2.1:3128")
    if urlsplit(url).port is None:
        raise OptionError(option, "has no port", "give http://HOST:PORT")


def check_sources(urls: Sequence[str]) -> Sequence[str]:
    """Return the URLs of echo services; refuse others, none at all, and one that is named twice:
    what a service says twice is no confirmation.
    """
    if not urls:
        raise OptionError("sources", "is empty", "name at least one echo service")
    for number, url in enumerate(urls, 1):
        check_url("sources", url, "https://api.ipify.org", f", entry {number}, ")
        if url in urls[: number - 1]:
            fix = "name another echo service, or leave it out"
            raise OptionError("sources", f", entry {number}, names a service again", fix)
    return urls


def check_range(option: str, value: float, minimum: float, maximum: float) -> float:
    """Return a number; refuse one outside its range."""
    if not minimum <= value <= maximum:
        fix = f"give a number from {minimum:.15g} to {maximum:.15g}"
        raise OptionError(option, f"={value:.15g} is out of range", fix)
    return value


def check_word(option: str, text: str) -> str:
    """Return a name of one word, such as QG.net's numbers of packages and services.

    Refuse any other text.
    """
    word = text.strip()
    if not _is_name(word, _SEPARATORS):
        fix = "give one word, without commas and asterisks"
        raise OptionError(option, f"={quoted(word)} cannot be used", fix)
    return word


def check_names(
    option: str, texts: Iterable[object] | None, separators: str = _SEPARATORS
) -> list[str]:
    """Return the names in a list as text; refuse what separates names in QG.net's calls."""
    names = [str(text).strip() for text in texts or ()]
    for name in names:
        if not _is_name(name, separators):
            problem = f"contains {quoted(name)}, which is not one name"
            raise OptionError(option, problem, "give one name in each entry of the list")
    return names


def _is_name(text: str, separators: str) -> bool:
    return bool(text) and text.isprintable() and not set(text) & set(separators)


def parse_minutes(option: str, value: object) -> float:
    """Return a duration in minutes, the unit of a bare number; whole minutes as an integer."""
    text = str(value).strip()
    match = _DURATION.fullmatch(text)
    if match is None:
        fix = "give a number of minutes, or a number with a unit, such as 30s, 5m or 1h"
        raise OptionError(option, f"={quoted(text)} cannot be used", fix)
    seconds = int(match[1]) * UNITS[match[2] or "m"]
    if seconds % 60:
        return seconds / 60
    return seconds // 60


def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Read an address; raise ValueError for any other text.

    The scope of an IPv6 address, behind a percent sign, may be any text, and is refused.
    """
    if "%" in text:
        raise ValueError("an address with a scope")
    return ipaddress.ip_address(text)


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether this is an address of one host in the public internet, or one of examples."""
    is_example = any(address in network for network in _DOCUMENTATION)
    return (address.is_global or is_example) and not address.is_multicast


def can_be_exit(address: ipaddress.IPv4Address, api_host: str) -> bool:
    """Whether this may be the address of an exit, if QG.net's API is at this host.

    QG.net's exits are in the public internet: with any other address, a gateway would lead its
    clients into the network of its own host. A simulator has its exits at its own address; on
    loopback, it has all addresses.
    """
    if is_public(address) or address in _MEASUREMENTS:
        return True
    try:
        host = parse_address("127.0.0.1" if api_host == "localhost" else api_host)
    except ValueError:
        return False
    return address == host or (address.is_loopback and host.is_loopback)


def is_ipv4(text: str) -> bool:
    """Whether this is an IPv4 address in its canonical form."""
    try:
        return bool(socket.inet_pton(socket.AF_INET, text))
    except (OSError, ValueError):
        return False


def is_lease_name(text: str) -> bool:
    """Whether this may be the exit IP or the server of a lease; zeros may lead its numbers."""
    try:
        return bool(parse_address(text))
    except ValueError:
        match = _SERVER.fullmatch(text)
    return match is not None and 1 <= int(match[1]) <= 65535


def check_lease_names(option: str, texts: Iterable[object] | None) -> frozenset[str]:
    """Return the exit IPs and servers of leases; refuse text that can be neither."""
    names = check_names(option, texts)
    for name in names:
        if not is_lease_name(name):
            problem = (
                f"contains {quoted(name)}, which is neither an exit IP nor a server of a lease"
            )
            fix = "give addresses such as 203.0.113.5, or 203.0.113.5:21504 with the port"
            raise OptionError(option, problem, fix)
    return frozenset(names)


def check_addresses(
    option: str, texts: Iterable[str], *, any_scope: bool = False
) -> frozenset[str]:
    """Return IPv4 addresses in canonical form.

    Refuse other text: the whitelist has no IPv6 or networks.
    """
    addresses = frozenset(text.strip() for text in texts)
    for text in sorted(addresses):
        if not is_ipv4(text):
            raise OptionError(
                option,
                f"contains {quoted(text)}, which is not an IPv4 address",
                "give one IPv4 address, such as 203.0.113.5, in each entry of the list, and no "
                "ports, ranges, networks or names",
            )
        if not any_scope and not is_public(ipaddress.IPv4Address(text)):
            problem = (
                f"contains {text}, which is not an address of the public internet, so QG.net "
                "cannot see it"
            )
            raise OptionError(option, problem, "give the egress IP of the host")
    return addresses


def read_address(response: str, *, any_scope: bool = False) -> str:
    """Return the address in the response of an echo service, in canonical form.

    Raises ValueError with the reason.

    With ``any_scope``, it may be any address, and otherwise an IPv4 address of the public internet.
    """
    text = response
    if response.startswith("{"):
        text = _address_field(response)
    try:
        address = parse_address(text.strip())
    except ValueError:
        shown = one_line(response)[:60]
        reason = f'said "{shown}", which is not an address'
        if not shown:
            reason = "said nothing"
        raise ValueError(reason) from None
    if any_scope:
        return str(address)
    if address.version != 4:
        raise ValueError(f"said {address}, which is not an IPv4 address")
    if not is_public(address):
        raise ValueError(f"said {address}, which is not an address of the public internet")
    return str(address)


def _address_field(response: str) -> str:
    """Return the address in a JSON object; empty text without one."""
    try:
        fields = {name.lower(): value for name, value in json.loads(response).items()}
    except (ValueError, RecursionError):
        return ""
    for name in ("ip", "origin", "address", "query"):
        if fields.get(name):
            return str(fields[name])
    return ""
