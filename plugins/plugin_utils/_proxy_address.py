# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The common parser of the filters: a lease, or the text host:port, as an address that is safe in configuration files.

Each error is one sentence that names filter, value and fix. If a value may contain a key or a password, the message
shows only the part that looks like an address.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from ansible.errors import AnsibleFilterError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import counted, quoted
from jinja2 import Undefined

#: A lease supports HTTP and SOCKS5 at the same port. With socks5h, it also resolves the names of sites.
SCHEMES = ("http", "socks5", "socks5h")
LEASE = "give a lease as the modules return it, or text such as '198.51.100.8:21504'"

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_SERVER = re.compile(rf"({_LABEL}(?:\.{_LABEL})*):([0-9]{{1,9}})")
# Some programs parse a name with such an end as an address.
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
# What RFC 3986 allows before the @ of a URL.
_WORD = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
_PROXY_URL = re.compile(rf"http://(?:({_WORD}+)(?::((?:{_WORD}|:)*))?@)?([^@/]+)/?")
_MAX_HOST = 253
_MAX_PORT = 65535


@dataclass(frozen=True)
class ProxyAddress:
    """The address of a proxy, without characters that have a special meaning in a configuration file."""

    host: str
    port: int
    url: str = field(repr=False)
    #: KEY:PASSWORD with everything but letters, digits and -._~ percent-encoded.
    login: str | None = field(repr=False)
    #: When the lease ends, in seconds since 1970, if it says so.
    ends: int | None = None

    @property
    def server(self) -> str:
        """The text host:port."""
        return f"{self.host}:{self.port}"

    def name(self, prefix: str) -> str:
        """Return a name that depends only on the server."""
        return f"{prefix}-{self.host}-{self.port}"

    def with_scheme(self, name: str, scheme: Any) -> str:
        """Return the URL with one of the schemes that a lease can be used with."""
        scheme = resolve(scheme)
        if scheme not in SCHEMES:
            raise refusal(name, f"scheme={quoted(str(scheme))}", f"give {', '.join(SCHEMES[:-1])} or {SCHEMES[-1]}")
        return f"{scheme}{self.url.removeprefix('http')}"

    def sort_key(self) -> tuple[bool, int, str, int]:
        """Return the position in files: addresses by number, then names by letter."""
        address = _address(self.host)
        return address is None, 0 if address is None else int(address), self.host, self.port


def refusal(name: str, what: str, fix: str) -> AnsibleFilterError:
    """Return the error that refuses a value."""
    return AnsibleFilterError(f"{name} cannot use {what}: {fix}.")


def resolve(value: Any) -> Any:
    """Return the value, decrypted if it is vaulted; an undefined value raises its own error."""
    if isinstance(value, Undefined) or getattr(value, "__ENCRYPTED__", False):
        return str(value)
    return value


def proxy_address(name: str, value: Any) -> ProxyAddress:
    """Return the address of one lease, which may be the only one of a list."""
    items = _items(value)
    if len(items) == 1:
        return _parse_lease(name, items[0])
    what = f"a list of {counted(len(items), 'lease')}" if items else "a list without leases"
    raise refusal(name, what, "give one lease, for example with limit=1 in the lookup, or with the filter first")


def _items(value: Any) -> list[Any]:
    """Return the leases of a result of the lookup: a list from query(), or texts that lookup() joined with commas."""
    value = resolve(value)
    if _is_list(value):
        return list(value)
    if isinstance(value, str):
        # A password in a URL may contain a comma.
        parts = re.split(",(?=http://)" if value.startswith("http://") else ",", value)
        # Other text is not split, since a part of a password may look like an address.
        if all(_SERVER.fullmatch(part) or _PROXY_URL.fullmatch(part) for part in parts):
            return parts
    return [value]


def _parse_lease(name: str, value: Any, where: str = "") -> ProxyAddress:
    value = resolve(value)
    if isinstance(value, str):
        url = _PROXY_URL.fullmatch(value)
        return _parse(name, url[3], value, where) if url else _parse(name, value, None, where)
    if not isinstance(value, Mapping):
        raise refusal(name, f"{type_name(value)}{where}", LEASE)
    server = resolve(value.get("server"))
    if server is None:
        raise refusal(name, f"a dictionary without server{where}", LEASE)
    if not isinstance(server, str):
        raise refusal(name, f"a lease whose server is {type_name(server)}{where}", LEASE)
    url = resolve(value.get("proxy_url"))
    if url is not None and not isinstance(url, str):
        raise refusal(
            name,
            f"a lease whose proxy_url is {type_name(url)}{where}",
            "give the proxy_url that the modules return, or none",
        )
    return replace(_parse(name, server, url, where), ends=_end(resolve(value.get("expires_at"))))


def _end(expires_at: Any) -> int | None:
    """Return the deadline of a lease in seconds since 1970; None if the modules could not read the vendor's."""
    try:
        return int(datetime.fromisoformat(expires_at).timestamp())
    except (TypeError, ValueError, OverflowError):
        return None


def proxy_addresses(name: str, value: Any) -> list[ProxyAddress]:
    """Return the addresses of any number of leases, each server once; the order does not depend on the given one."""
    value = resolve(value)
    # Before ansible-core 2.19, lookup() returns empty text for an empty list.
    items = [] if value == "" else _items(value)
    found: dict[str, ProxyAddress] = {}
    for number, item in enumerate(items, start=1):
        new = _parse_lease(name, item, f" (item {number})" if _is_list(value) else "")
        known = found.setdefault(new.server, new)
        if known.login is not None and new.login not in (None, known.login):
            raise refusal(
                name,
                f"two leases of {new.server!r} with different credentials",
                "give each server once, or with one key",
            )
        found[new.server] = replace(known if known.login else new, ends=_later(known.ends, new.ends))
    return sorted(found.values(), key=ProxyAddress.sort_key)


def _later(one: int | None, other: int | None) -> int | None:
    """Return the later end of two leases of one server; no end is the latest."""
    return None if one is None or other is None else max(one, other)


def check_options(name: str, value: Any) -> str:
    """Return the options that a user adds to each line; refuse text that would end the line."""
    value = resolve(value)
    if not isinstance(value, str):
        raise refusal(name, f"options that are {type_name(value)}", "give text such as 'weight 10'")
    text = value.strip()
    if not text.isprintable() or text.endswith("\\"):
        # The value of an option may be a secret, such as that of login.
        visible = re.sub(r"\S*[@:]\S*", "...", re.sub(r"=\S*", "=...", text))[:60]
        raise refusal(name, f"options={visible!r}", "give words on a single line, with no backslash at its end")
    return text


def check_words(name: str, option: str, value: Any) -> list[str]:
    """Return the words of a list, or of text with commas, each once."""
    value = resolve(value)
    if not isinstance(value, str) and not _is_list(value):
        raise refusal(name, f"{option} that is {type_name(value)}", "give a list, or text with commas")
    words: Iterable[Any] = value.split(",") if isinstance(value, str) else value
    found: dict[str, None] = {}
    for given in words:
        word = resolve(given)
        if not isinstance(word, str):
            raise refusal(name, f"{type_name(word)} in {option}", "give a list of text")
        for part in map(str.strip, word.split(",")):
            if not part.isprintable() or " " in part:
                what = f"{quoted(part)} in {option}"
                raise refusal(name, what, "give hosts, domains or networks with commas between them")
            if part:
                found[part] = None
    return list(found)


def type_name(value: Any) -> str:
    """Return the type of a value that is not text, in the terms of YAML."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, Mapping):
        return "a dictionary"
    return "a list" if _is_list(value) else f"a value of type {type(value).__name__}"


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _address(host: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(host)
    except ValueError:
        return None


def _parse(name: str, server: str, url: str | None, where: str) -> ProxyAddress:
    host, port = _host_and_port(name, server, where)
    server = f"{host}:{port}"
    if url is None:
        return ProxyAddress(host, port, f"http://{server}", None)
    match = _PROXY_URL.fullmatch(url)
    if match is None:
        raise refusal(
            name,
            f"the proxy_url of {server!r}{where}",
            "give http://KEY:PASSWORD@HOST:PORT, with other characters than letters and digits percent-encoded",
        )
    user, password, other = match.groups()
    if other.lower() != server:
        raise refusal(
            name,
            f"a lease of {server!r} whose proxy_url leads elsewhere{where}",
            "give the proxy_url of the same lease",
        )
    if user is None:
        return ProxyAddress(host, port, url, None)
    words = [unquote_to_bytes(word) for word in (user, password or "")]
    if any(byte < 0x20 or byte == 0x7F for word in words for byte in word):
        raise refusal(
            name, f"the proxy_url of {server!r}{where}", "its key and password must not contain control characters"
        )
    return ProxyAddress(host, port, url, ":".join(quote(word, safe="") for word in words))


def _host_and_port(name: str, server: str, where: str) -> tuple[str, int]:
    match = _SERVER.fullmatch(server)
    if match is None:
        raise refusal(name, f"text that is no address{where}", LEASE)
    what = f"{quoted(server)}{where}"
    host, port = match[1].lower(), match[2]
    if not 1 <= int(port) <= _MAX_PORT or port.startswith("0"):
        raise refusal(name, what, f"the port must be a number from 1 to {_MAX_PORT}")
    address = _address(host)
    misread = _NUMERIC.fullmatch(host.rpartition(".")[2]) if address is None else address.is_unspecified
    if misread or len(host) > _MAX_HOST:
        raise refusal(name, what, "the host must be an IPv4 address or a name")
    return host, int(port)
