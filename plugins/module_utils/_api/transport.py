# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP exchanges, each with one deadline for all of its phases.

The query string contains the key, so no message of this file quotes a URL with its query, or the text of an exception
of the HTTP library, which may quote such a URL.
"""

from __future__ import annotations

import errno
import logging
import os
import queue
import re
import ssl
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from .._core.clock import wall_time
from .._core.errors import Effect, TransportError
from .._core.text import counted
from .._core.version import VERSION
from .deadline_session import LimitedSession, ResponseTooLarge, bypasses_proxy
from .parsing import http_delay, http_time
from .proxies import AUTHENTICATION_REQUIRED, Proxy, environment_proxy, refusal, refused_status, unusable

USER_AGENT = f"ansible-qingguo.qgnet/{VERSION}"
#: The maximum size of a response with headers, chunk sizes and trailers. This is more than any response of the vendor:
#: a list of 10,000 addresses has 200 kB.
MAX_RESPONSE = 8 * 1024 * 1024
#: Seconds after the deadline for which the caller waits for the error of the exchange itself, which is more precise.
GRACE = 0.2
#: How often a failed call is sent again; calls that pay or change something have lower limits of their own.
RETRIES = 5
#: OpenSSL's reasons for the bytes of a server that does not use TLS.
_NOT_TLS = frozenset(
    ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
)
#: The exceptions of the HTTP libraries that are raised before a request is sent.
_UNUSABLE_PROXY = frozenset(("InvalidProxyURL", "InvalidSchema", "ProxySchemeUnknown", "LocationParseError"))
_NO_CONNECTION = frozenset(("ConnectTimeout", "ConnectTimeoutError", "NewConnectionError", "NameResolutionError"))
#: urllib3's loggers. A filter does not apply to the loggers below it, so each is listed.
LOGGERS = tuple(f"urllib3.{name}" for name in ("connection", "connectionpool", "poolmanager", "response", "util.retry"))


class UnexpectedEncoding(Exception):
    """The body is compressed although that was not requested: a few bytes may decompress to gigabytes."""


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


def environment_authorities() -> tuple[str, str] | None:
    """Return the environment variable that names certificate authorities, and its value; None if there is none."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if path := os.environ.get(name):
            return name, path
    return None


def has_no_query(record: logging.LogRecord) -> bool:
    """Whether a line of the log contains no query, and may be logged."""
    return "?" not in record.getMessage()


def keep_queries_out() -> None:
    """Keep urllib3 from logging queries in this process; calling this repeatedly has no further effect.

    urllib3 logs each URL with its query: at level DEBUG, which a process such as ansible-rulebook or Ansible with
    ANSIBLE_LOG_PATH may enable, and with a warning if a server sends headers that cannot be parsed.
    """
    for name in LOGGERS:
        logging.getLogger(name).addFilter(has_no_query)


class Transport:
    """Exchanges over one ``requests`` session.

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
        keep_queries_out()
        self.timeout = timeout
        self.url_option = url_option
        self._form_methods = form_methods
        authorities = environment_authorities()
        self._verify: bool | str = authorities[1] if authorities else True
        self._proxy = Proxy(proxy, "option through_proxy") if proxy else None
        self._use_proxy = use_proxy
        self._session = self._new_session()

    def _new_session(self) -> LimitedSession:
        session = LimitedSession(MAX_RESPONSE)
        session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
        return session

    def send(self, method: str, url: str, parameters: Mapping[str, str], endpoint: str) -> HttpResponse:
        """Send one request, with the parameters in a form body or in the query."""
        if method in self._form_methods:
            return self._exchange(method, url, encode(parameters), endpoint)
        return self._exchange(method, f"{url}?{encode(parameters)}" if parameters else url, None, endpoint)

    def find_proxy(self, url: str) -> Proxy | None:
        """Return the proxy for a URL."""
        if self._proxy or not self._use_proxy:
            return self._proxy if self._use_proxy else None
        found = environment_proxy(urlsplit(url).scheme)
        return None if found is None or bypasses_proxy(url) else found

    def _exchange(self, method: str, url: str, form: str | None, endpoint: str) -> HttpResponse:
        # The session observes the deadline except during name resolution, which cannot be interrupted. The exchange
        # therefore runs in its own thread, and this one stops waiting at the deadline.
        results: queue.SimpleQueue[HttpResponse | Exception] = queue.SimpleQueue()
        session, proxy = self._session, self.find_proxy(url)
        session.limits.start(self.timeout)
        work = (session, method, url, form, proxy, results)
        threading.Thread(target=self._attempt, args=work, daemon=True).start()
        try:
            result = results.get(timeout=self.timeout + GRACE)
        except queue.Empty:
            result = TimeoutError()
            session.limits.cut()
            # The other thread still uses the old session, and closes it later.
            self._session = self._new_session()
        host = urlsplit(url).netloc.rpartition("@")[2]
        if not isinstance(result, HttpResponse):
            stopped_at = proxy if proxy and not (session.limits.is_past_proxy or session.limits.is_sent) else None
            raise self._explain(result, host, endpoint, session.limits.is_sent, stopped_at)
        # With HTTPS, such a response comes from the vendor, through the tunnel.
        if proxy and result.status == AUTHENTICATION_REQUIRED and url.startswith("http:"):
            raise refusal(proxy, result.status, host, endpoint)
        return result

    def _attempt(
        self,
        session: LimitedSession,
        method: str,
        url: str,
        form: str | None,
        proxy: Proxy | None,
        results: queue.SimpleQueue[HttpResponse | Exception],
    ) -> None:
        try:
            with session.request(
                method,
                url,
                data=form,
                headers={"Content-Type": "application/x-www-form-urlencoded"} if form is not None else None,
                timeout=self.timeout,
                allow_redirects=False,
                verify=self._verify,
                proxies={urlsplit(url).scheme: proxy.url} if proxy else None,
                stream=True,
            ) as response:
                if response.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity"):
                    raise UnexpectedEncoding
                text = response.content.decode("utf-8", "replace")
                result: HttpResponse | Exception = HttpResponse(response.status_code, text, response.headers)
        except Exception as error:  # the waiting side must receive every error
            result = error
        if session.limits.is_cut:
            session.close()
        results.put(result)

    def _explain(
        self, error: Exception, host: str, endpoint: str, sent: bool = True, proxy: Proxy | None = None
    ) -> TransportError:
        """Return the error for a failed exchange; ``proxy`` is set if the exchange failed at this proxy."""
        causes = list(_causes(error))
        if proxy and (status := refused_status(causes)):
            return refusal(proxy, status, host, endpoint)
        names = {type(cause).__name__ for cause in causes}
        untrusted = next((cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), None)
        effect = Effect.NOT_SENT
        if proxy and names & _UNUSABLE_PROXY:
            return TransportError(f"{endpoint}: {unusable(proxy)}", endpoint=endpoint, effect=effect, retryable=False)
        whose, host = (proxy.origin, proxy.name) if proxy else (self.url_option, host)
        if any(isinstance(cause, UnexpectedEncoding) for cause in causes):
            effect = Effect.UNKNOWN
            reason = (
                f"{host} sent a compressed response, which was not requested. Check {whose}, and what is between this "
                "machine and the server."
            )
        elif untrusted:
            reason = (
                f"the certificate of {host} is not trusted "
                f"({getattr(untrusted, 'verify_message', 'no reason given')}). Name its authority in "
                f"REQUESTS_CA_BUNDLE, or check {whose}."
            )
        elif names & {"InvalidURL", "InvalidSchema", "MissingSchema", "LocationParseError"}:
            reason = f"the address {host!r} of {self.url_option} cannot be used."
        elif not sent and any(getattr(cause, "reason", None) in _NOT_TLS for cause in causes):
            reason = f"{host} does not use TLS, which https in {whose} requires. Check scheme and port of {whose}."
        else:
            if sent and not names & _NO_CONNECTION:
                effect = Effect.IN_FLIGHT if any("Timeout" in name for name in names) else Effect.UNKNOWN
            reason = f"{endpoint}: no usable response from {host}: {_in_words(causes, self.timeout)}."
            if effect is not Effect.NOT_SENT or proxy:
                return TransportError(reason, endpoint=endpoint, effect=effect)
            return TransportError(f"{reason} Check {whose}.", endpoint=endpoint, effect=effect, option=self.url_option)
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


def _in_words(causes: list[BaseException], timeout: float) -> str:
    for cause in reversed(causes):
        if isinstance(cause, ssl.SSLError):
            # Its errno is a number of OpenSSL, and not of the operating system.
            reason = cause.reason if isinstance(cause.reason, str) else ""
            return f"TLS failed ({reason.replace('_', ' ').lower() or type(cause).__name__})"
        if isinstance(cause, OSError) and cause.errno and cause.errno in errno.errorcode:
            return os.strerror(cause.errno).lower()
    if any(isinstance(cause, ResponseTooLarge) for cause in causes):
        return "its response is larger than any of the vendor's"
    names = [type(cause).__name__ for cause in causes]
    if any("Timeout" in name for name in names):
        return f"it took longer than {counted(timeout, 'second')}"
    if any(name in ("NameResolutionError", "gaierror") for name in names):
        return "its name cannot be resolved"
    if any("Disconnected" in name or "IncompleteRead" in name for name in names):
        return "the connection was closed before the response was complete"
    # The name of the class describes the error ("ChunkedEncodingError"); its text may contain the URL.
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", names[-1]).lower()
