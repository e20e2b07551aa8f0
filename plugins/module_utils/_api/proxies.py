# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proxy between this machine and the vendor: its selection, and its errors.

No message of this file contains the user name and the password in a proxy's URL.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment

from .._core.errors import Effect, TransportError

#: The environment variables with the URL of a proxy, in lower case.
_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
_BEFORE_LOGIN = re.compile(r"^([A-Za-z0-9+.-]*:)?//")


@dataclass(frozen=True)
class Proxy:
    """A proxy, and the ``origin`` of its URL, such as an option, for messages."""

    url: str = field(repr=False)
    origin: str

    @property
    def name(self) -> str:
        """The proxy in messages. A mistyped URL is not quoted, since any part of it may be a password."""
        try:
            parts = urlsplit(self.url if "//" in self.url else f"//{self.url}")
            address = f" {parts.hostname}:{parts.port}" if parts.hostname and parts.port else ""
        except ValueError:
            address = ""
        return f"the proxy{address} ({self.origin})"


def environment_proxy(scheme: str) -> Proxy | None:
    """Return the proxy for URLs of a scheme from the environment, without regard to NO_PROXY."""
    proxies = getproxies_environment()
    name = scheme if proxies.get(scheme) else "all"
    return Proxy(proxies[name], f"environment variable {name.upper()}_PROXY") if proxies.get(name) else None


def login_secrets(url: str | None) -> Iterator[str]:
    """Yield the secrets in the URL of a proxy: its password, or a user name without one, which may be a token."""
    login, at, _host = _BEFORE_LOGIN.sub("", url or "").rpartition("@")
    user, _colon, password = login.partition(":")
    if at and (secret := password or user):
        yield from {secret, unquote(secret)}


def environment_secrets() -> Iterator[str]:
    """Yield the secrets in the proxy URLs of the environment."""
    for name, url in os.environ.items():
        if name.lower() in _VARIABLES:
            yield from login_secrets(url)


def refusal(proxy: Proxy, status: int, host: str, endpoint: str) -> TransportError:
    """Return the error for a proxy that did not forward a request for a host."""
    if status == 407:
        wrong = any(login_secrets(proxy.url))
        what = "does not accept the user name and the password" if wrong else "requires a user name and a password"
        fix = "Correct its URL" if wrong else "Add them to its URL"
    elif status >= 500:
        what, fix = f"cannot connect to {host}", "Check the proxy"
    else:
        what, fix = f"does not allow connections to {host}", "Allow them in the proxy"
    return TransportError(
        f"{endpoint}: {proxy.name} {what} (HTTP {status}). {fix}, or name the host in NO_PROXY for direct calls.",
        endpoint=endpoint,
        effect=Effect.NOT_SENT,
        retryable=status >= 500,
        http_status=status,
    )
