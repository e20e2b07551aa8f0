# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Floor 1: one HTTP exchange, with a deadline that holds for all of it.

This file is private to the collection. The vendor takes the key in the query string, so no text made here quotes
a URL with its query, nor the text of an exception of the HTTP library, which does.
"""

from __future__ import annotations

import email.utils
import errno
import os
import queue
import re
import ssl
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from ansible_collections.qingguo.qgnet.plugins.module_utils._errors import ExchangeError
from ansible_collections.qingguo.qgnet.plugins.module_utils._logs import keep_queries_out
from ansible_collections.qingguo.qgnet.plugins.module_utils._version import VERSION

try:
    import requests
    import urllib3
except ImportError:
    REQUESTS_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    REQUESTS_IMPORT_ERROR = None

USER_AGENT = f"ansible-qingguo.qgnet/{VERSION}"
#: More than any answer of the vendor: a list of 10,000 addresses has 200 kB.
MAX_BODY = 8 * 1024 * 1024


class AnswerTooLarge(Exception):
    """More came than any answer of the vendor has."""


@dataclass(frozen=True)
class Answer:
    """A complete HTTP answer, whatever its status."""

    status: int
    text: str
    headers: Mapping[str, str]


def encode(parameters: Mapping[str, str]) -> str:
    """Parameters as a query or form; commas and stars stay readable, as in the vendor's own examples."""
    return urlencode(parameters, safe=",*")


def service_of(url: str) -> str:
    """The service at an address, the same for every spelling of it: HTTP and HTTPS lead to the same one."""
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    port = f":{parts.port}" if parts.port not in (None, default) else ""
    return f"{(parts.hostname or '').rstrip('.')}{port}{parts.path.rstrip('/')}"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a ``Retry-After`` header asks for (a number of seconds or an HTTP date)."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return max(0.0, moment.timestamp() - time.time())


class Transport:
    """Exchanges over one ``requests`` session.

    ``timeout`` is the most that one exchange may take, in seconds, from the look-up of the name to the last byte.
    ``url_option`` is what the user calls the address in the options.
    """

    def __init__(
        self,
        *,
        timeout: float,
        validate_certs: bool = True,
        ca_path: str | None = None,
        url_option: str = "api_url",
    ) -> None:
        # A process may log what the HTTP library has to say: Ansible's own log is one, with ANSIBLE_LOG_PATH.
        keep_queries_out()
        self.timeout = timeout
        self.url_option = url_option
        self._verify: bool | str = (ca_path or True) if validate_certs else False
        if not validate_certs:
            # The user said so; a warning at each call says nothing new.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._session = requests.Session()
        self._session.headers["User-Agent"] = USER_AGENT
        # An empty authentication keeps requests from sending what a .netrc holds for the vendor's host.
        self._session.auth = _no_authentication

    def send(self, method: str, url: str, parameters: Mapping[str, str], endpoint: str) -> Answer:
        """One call; POST takes the parameters in a form body, every other method in the query."""
        if method == "POST":
            return self._exchange(method, url, encode(parameters), endpoint)
        return self._exchange(method, f"{url}?{encode(parameters)}", None, endpoint)

    def _exchange(self, method: str, url: str, form: str | None, endpoint: str) -> Answer:
        # requests limits each wait for bytes, not the sum of them, and not the look-up of the name. The exchange
        # therefore runs in a thread of its own, and this one stops waiting when the time is over.
        outcome: queue.SimpleQueue[Answer | Exception] = queue.SimpleQueue()
        threading.Thread(target=self._attempt, args=(method, url, form, outcome), daemon=True).start()
        try:
            result = outcome.get(timeout=self.timeout)
        except queue.Empty:
            result = TimeoutError()
        if isinstance(result, Answer):
            return result
        raise self._explain(result, urlsplit(url).netloc.rpartition("@")[2], endpoint)

    def _attempt(self, method: str, url: str, form: str | None, outcome: queue.SimpleQueue[Answer | Exception]) -> None:
        try:
            with self._session.request(
                method,
                url,
                data=form,
                headers={"Content-Type": "application/x-www-form-urlencoded"} if form is not None else None,
                timeout=self.timeout,
                allow_redirects=False,
                verify=self._verify,
                stream=True,
            ) as response:
                body = b""
                for chunk in response.iter_content(65536):
                    body += chunk
                    if len(body) > MAX_BODY:
                        raise AnswerTooLarge
                outcome.put(Answer(response.status_code, body.decode("utf-8", "replace"), response.headers))
        except Exception as problem:  # whatever it was, the waiting side must hear of it
            outcome.put(problem)

    def _explain(self, problem: Exception, host: str, endpoint: str) -> ExchangeError:
        causes = list(_causes(problem))
        for cause in causes:
            if isinstance(cause, ssl.SSLCertVerificationError):
                reason = getattr(cause, "verify_message", "no reason given")
                return ExchangeError(
                    f"{endpoint}: the certificate of {host} is not trusted ({reason}). "
                    f"Set ca_path to the right authority, or check {self.url_option}.",
                    endpoint=endpoint,
                    executed=False,
                    transient=False,
                )
        names = {type(cause).__name__ for cause in causes}
        if names & {"InvalidURL", "InvalidSchema", "MissingSchema", "LocationParseError"}:
            return ExchangeError(
                f"{endpoint}: the address {host!r} of {self.url_option} cannot be used.",
                endpoint=endpoint,
                executed=False,
                transient=False,
            )
        unsent = names & {"ConnectTimeout", "ConnectTimeoutError", "NewConnectionError", "NameResolutionError"}
        return ExchangeError(
            f"{endpoint}: no usable answer from {host}: {_in_words(causes, self.timeout)}.",
            endpoint=endpoint,
            executed=False if unsent else None,
            over=bool(unsent) or not any("Timeout" in name for name in names),
        )


def _no_authentication(request: Any) -> Any:
    return request


def _causes(problem: BaseException) -> Iterator[BaseException]:
    """The exception and all that it wraps, by any of the ways in which the HTTP libraries wrap."""
    found: list[BaseException] = [problem]
    for seen in found:
        yield seen
        inner = [seen.__cause__, seen.__context__, getattr(seen, "reason", None), *seen.args]
        found.extend(
            item for item in inner if isinstance(item, BaseException) and not any(item is known for known in found)
        )


def _in_words(causes: list[BaseException], timeout: float) -> str:
    for cause in reversed(causes):
        if isinstance(cause, OSError) and cause.errno and cause.errno in errno.errorcode:
            return os.strerror(cause.errno).lower()
    names = [type(cause).__name__ for cause in causes]
    if any("Timeout" in name for name in names):
        return f"it took longer than {timeout:g} seconds"
    if any(name in ("NameResolutionError", "gaierror") for name in names):
        return "its name cannot be resolved"
    if any("Disconnected" in name or "IncompleteRead" in name for name in names):
        return "the connection was closed before the answer was complete"
    # The class name says what happened ("ChunkedEncodingError"); the text could hold the URL.
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", names[-1]).lower()
