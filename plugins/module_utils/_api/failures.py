# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is between this machine and the vendor, and the sentences for its failures: proxies, certificates, the network.

No message contains the user name and the password in a proxy's URL, or the text of an exception of the HTTP library,
which may contain the URL with its query.
"""

from __future__ import annotations

import errno
import os
import re
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment

from .._core.errors import Effect, TransportError
from .._core.text import counted

#: The environment variables with the URL of a proxy, in lower case.
_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
_BEFORE_LOGIN = re.compile(r"^([A-Za-z0-9+.-]*:)?//")
#: OpenSSL's reasons for the bytes of a server that does not use TLS.
_NOT_TLS = frozenset(
    ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
)
_FORM = "give http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT with special characters percent-encoded"
#: What the names of exceptions mean: for a URL that cannot be used, and otherwise, by a part of the name.
_UNUSABLE = {
    "InvalidSchema": "SOCKS needs the Python library PySocks",
    **dict.fromkeys(("InvalidProxyURL", "ProxySchemeUnknown", "LocationParseError"), _FORM),
}
_WORDS = (
    ("Timeout", "it took longer than {}"),
    ("NameResolution", "its name cannot be resolved"),
    ("gaierror", "its name cannot be resolved"),
    ("Disconnected", "the connection was closed before the response was complete"),
    ("IncompleteRead", "the connection was closed before the response was complete"),
)
#: The text of an exception about a proxy that refuses a tunnel.
REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})\b")


class UnusableResponse(Exception):
    """The response is not read to its end, for this reason."""


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


def environment_authorities() -> tuple[str, str]:
    """Return the environment variable that names certificate authorities, and its value; empty if there is none."""
    names = [name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if os.environ.get(name)]
    return (names[0], os.environ[names[0]]) if names else ("", "")


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception, and all exceptions that it wraps: the HTTP libraries do so in several ways."""
    found: list[BaseException] = [error]
    for seen in found:
        yield seen
        inner = [seen.__cause__, seen.__context__, getattr(seen, "reason", None), *seen.args]
        found.extend(
            item for item in inner if isinstance(item, BaseException) and not any(item is known for known in found)
        )


def explained(causes: Sequence[BaseException], where: str, whose: str, timeout: float) -> tuple[str, bool]:
    """Return what has failed, and whether another attempt is useless.

    The text of an exception of the HTTP library may contain the URL, so only its class and its numbers are used.
    """
    variable, path = environment_authorities()
    words = ""
    for cause in reversed(causes):
        name, reason = type(cause).__name__, getattr(cause, "reason", None)
        if "Cert" in name:
            why = getattr(cause, "verify_message", "it is for another host")
            fix = f"Name its authority in REQUESTS_CA_BUNDLE, or check {whose}."
            return f"the certificate of {where} is not trusted ({why}). {fix}", True
        # For a file that is missing, requests has no error class.
        if path and ((name == "OSError" and not os.path.exists(path)) or "NO_CERTIFICATE" in str(reason)):
            return f"{variable}={path} holds no certificates in PEM format: name such a file in it, or unset it.", True
        if reason in _NOT_TLS:
            return f"{where} does not use TLS, which https in {whose} requires. Check scheme and port of {whose}.", True
        if name in _UNUSABLE:
            return f"{where} cannot be used: {_UNUSABLE[name]}.", True
        if isinstance(cause, UnusableResponse):
            return f"no usable response from {where}: {cause}.", True
        if isinstance(cause, ssl.SSLError):
            # Its errno is a number of OpenSSL, and not of the operating system.
            words = f"TLS failed ({str(reason or name).replace('_', ' ').lower()})"
        elif isinstance(cause, OSError) and cause.errno and cause.errno in errno.errorcode:
            words = os.strerror(cause.errno).lower()
        else:
            words = next((words for mark, words in _WORDS if mark in name), "").format(counted(timeout, "second"))
        if words:
            break
    else:
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(causes[-1]).__name__).lower()
    return f"no usable response from {where}: {words}.", False
