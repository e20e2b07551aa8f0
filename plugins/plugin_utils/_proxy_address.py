# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The common parser of the filters: a lease, or the text host:port, as an address that is safe in
configuration files.

Each error is one sentence that names filter, value and fix. Text that is no address may be a key or
a password, so that no message shows it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.checks import check_ascii_forms
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from jinja2 import Undefined

_SERVER = re.compile(r"([A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?):([1-9][0-9]{0,4})")
# What RFC 3986 allows before the @ of a URL.
_PROXY_URL = re.compile(
    r"http://((?:[A-Za-z0-9._~!$&'()*+,;=:-]|%(?![01]|7[Ff])[0-9A-Fa-f]{2})+@)?([^@/]+)/?"
)


@dataclass(frozen=True)
class ProxyAddress:
    """The address of a proxy, without characters that mean something in configuration files."""

    host: str
    port: int
    #: KEY:PASSWORD@, percent-encoded, or empty text.
    login: str = field(default="", repr=False)

    @property
    def server(self) -> str:
        """The text host:port."""
        return f"{self.host}:{self.port}"


def refusal(name: str, what: str, fix: str) -> AnsibleFilterError:
    """Return the error that refuses a value."""
    return AnsibleFilterError(f"{name} cannot use {what}: {fix}.")


def check_ascii(name: str, option: str, text: str) -> None:
    """Refuse full-width characters, which programs and QG.net would take as they are."""
    try:
        check_ascii_forms(option, text)
    except OptionError as error:
        raise refusal(name, f"{option}, which {error.problem}", error.fix) from None


def resolve(value: Any) -> Any:
    """Return the value, decrypted if it is vaulted; an undefined value raises its own error."""
    if isinstance(value, Undefined) or getattr(value, "__ENCRYPTED__", False):
        return str(value)
    return value


def proxy_address(name: str, value: Any) -> ProxyAddress:
    """Return the address of one lease, which may be the only one of a list."""
    items = _items(value)
    if len(items) != 1:
        raise refusal(
            name,
            f"a list of {len(items)} leases",
            "give one lease, such as with limit=1 in the lookup",
        )
    return _parse(name, items[0])


def proxy_servers(name: str, value: Any) -> list[str]:
    """Return host:port of any number of leases, each once, sorted."""
    return sorted({_parse(name, item).server for item in _items(value)})


def _items(value: Any) -> list[Any]:
    """Return the leases of query(), a list, or of lookup(), which joins texts with commas."""
    value = resolve(value)
    if value == "":
        return []
    if isinstance(value, str):
        # A password in a URL may contain a comma.
        comma = ",(?=http://)" if value.startswith("http://") else ","
        return re.split(comma, value)
    return list(value) if isinstance(value, list | tuple) else [value]


def _parse(name: str, value: Any) -> ProxyAddress:
    lease = resolve(value)
    given = None
    proxy_url = None
    if isinstance(lease, Mapping):
        given = resolve(lease.get("server"))
        proxy_url = resolve(lease.get("proxy_url"))
    elif isinstance(lease, str) and lease.startswith("http://"):
        proxy_url = lease
    elif isinstance(lease, str):
        given = lease
    check_ascii(name, "an address", str(given or proxy_url))
    login = ""
    of_url = ""
    if proxy_url is not None and (url := _PROXY_URL.fullmatch(str(proxy_url))):
        login = url[1] or ""
        of_url = url[2]
    server = _SERVER.fullmatch(str(given or of_url))
    if not server or not _is_host(server[1]) or int(server[2]) > 0xFFFF:
        fix = "give a lease as the modules return it, or text such as '198.51.100.8:21504'"
        raise refusal(name, "a value that is no address", fix)
    if proxy_url is not None and of_url.lower() != server[0].lower():
        fix = "give http://KEY:PASSWORD@HOST:PORT of the same server, percent-encoded"
        raise refusal(name, f"the proxy_url of {server[0]!r}", fix)
    return ProxyAddress(server[1].lower(), int(server[2]), login)


def _is_host(text: str) -> bool:
    """Whether text is an IPv4 address or a name, and no program reads it as another address."""
    try:
        return bool(int(ipaddress.IPv4Address(text)))
    except ValueError:
        last = text.rpartition(".")[2]
        return ".." not in text and not re.fullmatch("[0-9]+|0[xX][0-9A-Fa-f]*", last)
