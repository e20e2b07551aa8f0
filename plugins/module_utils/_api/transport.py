# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP exchanges, each with one deadline for all of its phases.

The caller is back at the deadline, nothing is sent after it, and whether anything was sent is known. The query contains
the key, so no message quotes a URL with its query, or the text of an exception of the HTTP library, which may.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import logging
import os
import queue
import re
import shlex
import socket
import ssl
import sys
import threading
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode, urlsplit

from .._core.errors import Effect, TransportError
from .._core.runtime import current, wall_time
from .._core.text import counted
from .parsing import http_delay, http_time
from .proxies import Proxy, environment_proxy, refusal, unusable

try:
    from requests import Session
    from requests.adapters import HTTPAdapter
    from requests.utils import should_bypass_proxies
    from urllib3.connection import HTTPConnection
except ImportError:
    REQUESTS_IMPORT_ERROR: str | None = traceback.format_exc()
    if not TYPE_CHECKING:
        Session = HTTPAdapter = HTTPConnection = object
else:
    REQUESTS_IMPORT_ERROR = None

#: The error without requests, which names the very Python that needs it.
MISSING_REQUESTS = (
    "The Python library requests is missing where this runs: install it with "
    f"`{shlex.quote(sys.executable or 'python3')} -m pip install requests`."
)
#: The collection's version; a test compares it with galaxy.yml.
VERSION = "1.0.0"
USER_AGENT = f"ansible-qingguo.qgnet/{VERSION}"
#: The maximum size of a body. The vendor's longest, a list of 10,000 addresses, has 200 kB.
MAX_RESPONSE = 8 * 1024 * 1024
#: Seconds after the deadline for which the caller waits for the error of the exchange itself, which is more precise.
GRACE = 0.2
#: How often a failed call is sent again; calls that pay or change something have lower limits of their own.
RETRIES = 5
#: OpenSSL's reasons for the bytes of a server that does not use TLS.
_NOT_TLS = frozenset(
    ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
)
_UNUSABLE_PROXY = frozenset(("InvalidProxyURL", "InvalidSchema", "ProxySchemeUnknown", "LocationParseError"))
_REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})\b")

# At DEBUG, urllib3 logs each URL with its query; with a warning, one whose headers it cannot parse.
logging.getLogger("urllib3").setLevel(logging.ERROR)


class UnusableResponse(Exception):
    """The response is not read to its end, for this reason."""


@dataclass(frozen=True)
class HttpResponse:
    """A complete HTTP response with any status."""

    status: int
    text: str
    headers: Mapping[str, str]


def encode(parameters: Mapping[str, str]) -> str:
    """Encode parameters as a query or form, with literal commas and asterisks as in the vendor's examples."""
    return urlencode(parameters, safe=",*")


def service_of(url: str) -> str:
    """Return a normalized name of the service at a URL, without the scheme: HTTP and HTTPS lead to the same service."""
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    port = f":{parts.port}" if parts.port not in (None, default) else ""
    return f"{(parts.hostname or '').rstrip('.')}{port}{parts.path.rstrip('/')}"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a ``Retry-After`` header: a number of seconds, or a date by the clock of the server."""
    date = http_time(headers.get("Date", ""))
    return http_delay(headers.get("Retry-After", ""), wall_time() if date is None else date)


def environment_authorities() -> tuple[str, str]:
    """Return the environment variable that names certificate authorities, and its value; empty if there is none."""
    names = [name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if os.environ.get(name)]
    return (names[0], os.environ[names[0]]) if names else ("", "")


class Exchange:
    """One request: until when it may be sent, and whether a part of it may have been sent."""

    def __init__(self, timeout: float) -> None:
        # This clock includes suspensions: another machine may have taken over and paid, so nothing must be sent later.
        self._elapsed = current().clock.elapsed
        self._end = self._elapsed() + timeout
        self._lock = threading.Lock()
        self._channel: socket.socket | None = None
        self.is_sent = False
        self.is_past_proxy = False

    def before_send(self, channel: socket.socket | None) -> None:
        """Allow the request to be sent through a connection; raises TimeoutError after the deadline."""
        with self._lock:
            if self._elapsed() >= self._end:
                raise TimeoutError
            self.is_sent, self._channel = True, channel

    def close(self) -> None:
        """Let nothing be sent any more, and wake up a thread that reads."""
        with self._lock:
            self._end = 0.0
        if isinstance(self._channel, socket.socket):
            # Not the method of a TLS socket, which would first remove TLS while another thread reads.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._channel, socket.SHUT_RDWR)


class _Session(Session):
    """A session without redirects, whose connections ask the exchange before they send."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        # No .netrc, and not the settings of macOS, which crash forked processes such as Ansible's workers.
        self.trust_env = False
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(exchange))

    def get_redirect_target(self, resp: Any) -> str | None:
        """Return None: requests would read and decode the whole body of a redirect even if it does not follow it."""
        return None


class _Adapter(HTTPAdapter):
    """Guards direct connections, and those through a proxy."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._guard(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        self._guard(manager)
        return manager

    def _guard(self, manager: Any) -> None:
        pools = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {scheme: _guarded(pool, self._exchange) for scheme, pool in pools.items()}


class _Connection(HTTPConnection):
    """Asks the exchange when it is connected, immediately before it sends the request."""

    exchange: ClassVar[Exchange]

    def _tunnel(self) -> None:
        super()._tunnel()
        self.exchange.is_past_proxy = True

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        self.exchange.before_send(self.sock)
        super().request(*args, **kwargs)


def _guarded(pool: Any, exchange: Exchange) -> Any:
    """Return a subclass of a connection pool whose connections ask the exchange."""
    connection = type("Connection", (_Connection, pool.ConnectionCls), {"exchange": exchange})
    return type("Pool", (pool,), {"ConnectionCls": connection})


class Transport:
    """Exchanges with one API.

    ``timeout`` is the maximum duration of one exchange in seconds, from the lookup of the name to the last byte.
    ``url_option`` is the name of the option with the URL. ``proxy`` is the URL of the proxy to use instead of the
    environment's, and ``use_proxy`` whether any is used. The ``form_methods`` have their parameters in a form body, all
    others in the query.
    """

    def __init__(
        self,
        *,
        timeout: float,
        proxy: str | None = None,
        use_proxy: bool = True,
        url_option: str = "api_url",
        form_methods: Collection[str] = ("POST",),
    ) -> None:
        self.timeout = timeout
        self.url_option = url_option
        self._form_methods = form_methods
        self._proxy = Proxy(proxy, "option through_proxy") if proxy else None
        self._use_proxy = use_proxy

    def find_proxy(self, url: str) -> Proxy | None:
        """Return the proxy for a URL."""
        if self._proxy or not self._use_proxy:
            return self._proxy if self._use_proxy else None
        found = environment_proxy(urlsplit(url).scheme)
        # Without a proxy of the environment, requests would read the settings of macOS, which crashes forked processes
        # such as Ansible's workers.
        return found if found and not should_bypass_proxies(url, no_proxy=None) else None

    def send(self, method: str, url: str, parameters: Mapping[str, str], endpoint: str) -> HttpResponse:
        """Send one request; raises TransportError if there is no response."""
        exchange, proxy = Exchange(self.timeout), self.find_proxy(url)
        results: queue.SimpleQueue[HttpResponse | Exception] = queue.SimpleQueue()

        def work() -> None:
            try:
                results.put(self._request(exchange, method, url, encode(parameters), proxy))
            except Exception as error:  # the waiting side must receive every error
                results.put(error)

        # The lookup of a name cannot be interrupted, so this thread stops waiting for the other one.
        threading.Thread(target=work, daemon=True).start()
        try:
            result = results.get(timeout=self.timeout + GRACE)
        except queue.Empty:
            result = TimeoutError()
        exchange.close()
        host = urlsplit(url).netloc.rpartition("@")[2]
        if not isinstance(result, HttpResponse):
            stopped_at = None if exchange.is_past_proxy or exchange.is_sent else proxy
            raise self._failure(result, host, endpoint, exchange.is_sent, stopped_at)
        # With HTTPS, such a response comes from the vendor, through the tunnel.
        if proxy and result.status == 407 and url.startswith("http:"):
            raise refusal(proxy, result.status, host, endpoint)
        return result

    def _request(self, exchange: Exchange, method: str, url: str, query: str, proxy: Proxy | None) -> HttpResponse:
        is_form = method in self._form_methods
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        if is_form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        with (
            _Session(exchange) as session,
            session.request(
                method,
                url if is_form or not query else f"{url}?{query}",
                data=query if is_form else None,
                headers=headers,
                timeout=self.timeout,
                allow_redirects=False,
                verify=environment_authorities()[1] or True,
                proxies={urlsplit(url).scheme: proxy.url} if proxy else None,
                stream=True,
            ) as response,
        ):
            if response.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity"):
                # A few bytes may decompress to gigabytes.
                raise UnusableResponse("it sent a compressed response, which was not requested")
            body = bytearray()
            for part in response.raw.stream(65536, decode_content=False):
                body += part
                if len(body) > MAX_RESPONSE:
                    raise UnusableResponse("its response is larger than any of the vendor's")
            if response.raw.length_remaining:
                raise http.client.IncompleteRead(b"")
            return HttpResponse(response.status_code, body.decode("utf-8", "replace"), response.headers)

    def _failure(
        self, error: Exception, host: str, endpoint: str, is_sent: bool, proxy: Proxy | None
    ) -> TransportError:
        """Return the error for an exchange without a response; ``proxy`` is set if it failed at this proxy."""
        causes = list(_causes(error))
        names = {type(cause).__name__ for cause in causes}
        if proxy and (tunnel := next(filter(None, (_REFUSED_TUNNEL.search(str(cause)) for cause in causes)), None)):
            return refusal(proxy, int(tunnel[1]), host, endpoint)
        effect = Effect.NOT_SENT
        if is_sent:
            effect = Effect.IN_FLIGHT if any("Timeout" in name for name in names) else Effect.UNKNOWN
        where, whose = (proxy.name, proxy.origin) if proxy else (host, self.url_option)
        untrusted = next((cause for cause in causes if "Cert" in type(cause).__name__), None)
        if proxy and names & _UNUSABLE_PROXY:
            reason = unusable(proxy)
        elif untrusted:
            why = getattr(untrusted, "verify_message", "it is for another host")
            fix = f"Name its authority in REQUESTS_CA_BUNDLE, or check {whose}."
            reason = f"the certificate of {where} is not trusted ({why}). {fix}"
        elif names & {"OSError", "SSLError"} and not is_sent and _are_unusable(causes):
            name, path = environment_authorities()
            reason = f"{name}={path} holds no certificates in PEM format: name such a file in it, or unset it."
        elif not is_sent and any(getattr(cause, "reason", None) in _NOT_TLS for cause in causes):
            reason = f"{where} does not use TLS, which https in {whose} requires. Check scheme and port of {whose}."
        else:
            reason = f"no usable response from {where}: {_in_words(causes, names, self.timeout)}."
            if is_sent or proxy:
                is_final = "UnusableResponse" in names
                return TransportError(f"{endpoint}: {reason}", endpoint=endpoint, effect=effect, retryable=not is_final)
            reason = f"{endpoint}: {reason} Check {whose}."
            return TransportError(reason, endpoint=endpoint, effect=effect, option=self.url_option)
        return TransportError(f"{endpoint}: {reason}", endpoint=endpoint, effect=effect, retryable=False)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception, and all exceptions that it wraps: the HTTP libraries do so in several ways."""
    found: list[BaseException] = [error]
    for seen in found:
        yield seen
        inner = [seen.__cause__, seen.__context__, getattr(seen, "reason", None), *seen.args]
        found.extend(
            item for item in inner if isinstance(item, BaseException) and not any(item is known for known in found)
        )


def _are_unusable(causes: Iterable[BaseException]) -> bool:
    """Whether the certificate authorities of the environment cannot be read, for which requests has no error class."""
    path = environment_authorities()[1]
    is_missing = bool(path) and not os.path.exists(path)
    return is_missing or any("NO_CERTIFICATE" in str(getattr(cause, "reason", "")) for cause in causes)


def _in_words(causes: list[BaseException], names: Collection[str], timeout: float) -> str:
    for cause in reversed(causes):
        if isinstance(cause, ssl.SSLError):
            # Its errno is a number of OpenSSL, and not of the operating system.
            reason = cause.reason if isinstance(cause.reason, str) else type(cause).__name__
            return f"TLS failed ({reason.replace('_', ' ').lower()})"
        if isinstance(cause, UnusableResponse):
            return str(cause)
        if isinstance(cause, OSError) and cause.errno and cause.errno in errno.errorcode:
            return os.strerror(cause.errno).lower()
    for part, words in (
        ("Timeout", f"it took longer than {counted(timeout, 'second')}"),
        ("NameResolutionError", "its name cannot be resolved"),
        ("gaierror", "its name cannot be resolved"),
        ("Disconnected", "the connection was closed before the response was complete"),
        ("IncompleteRead", "the connection was closed before the response was complete"),
    ):
        if any(part in name for name in names):
            return words
    # The name of the class describes the error ("ChunkedEncodingError"); its text may contain the URL.
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(causes[-1]).__name__).lower()
