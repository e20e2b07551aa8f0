# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP exchanges, each with one deadline for all of its phases.

The caller is back at the deadline, nothing is sent after it, and whether anything was sent is
known. The query contains the key, so no message quotes a URL with its query, or the text of an
exception of the HTTP library, which may.
"""

from __future__ import annotations

import http.client
import logging
import queue
import shlex
import sys
import threading
import traceback
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies_environment

from .._core.errors import QgError
from .exchange import Exchange, HttpResponse, Proxy, UnusableResponse, environment_authorities

try:
    from requests import Session
    from requests.adapters import HTTPAdapter
    from requests.utils import should_bypass_proxies
    from urllib3.connection import HTTPConnection
except ImportError:
    _IMPORT_ERROR: str | None = traceback.format_exc()
    if not TYPE_CHECKING:
        Session = HTTPAdapter = HTTPConnection = object
else:
    _IMPORT_ERROR = None

#: The collection's version; a test compares it with galaxy.yml.
VERSION = "1.0.0"
USER_AGENT = f"ansible-qingguo.qgnet/{VERSION}"
#: The maximum size of a body. QG.net's longest, a list of 10,000 addresses, has 200 kB.
MAX_RESPONSE = 8 * 1024 * 1024
#: Seconds after the deadline for which the caller waits for the error of the exchange itself, which
#: is more precise.
GRACE = 0.2
#: How often a failed call is sent again; calls that pay or change something have lower limits of
#: their own.
RETRIES = 5

# At DEBUG, urllib3 logs each URL with its query; with a warning, one whose headers it cannot parse.
logging.getLogger("urllib3").setLevel(logging.ERROR)


def environment_proxy(scheme: str) -> Proxy | None:
    """Return the proxy for URLs of a scheme from the environment, without regard to NO_PROXY."""
    proxies = getproxies_environment()
    for name in (scheme, "all"):
        if proxies.get(name):
            return Proxy(proxies[name], f"environment variable {name.upper()}_PROXY")
    return None


def encode(parameters: Mapping[str, str]) -> str:
    """Encode parameters with literal commas and asterisks, as in QG.net's examples."""
    return urlencode(parameters, safe=",*")


def service_of(url: str) -> str:
    """Return a normalized name of the service at a URL: HTTP and HTTPS lead to the same one."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    default = {"http": 80, "https": 443}.get(parts.scheme)
    if parts.port not in (None, default):
        host = f"{host}:{parts.port}"
    return f"{host}{parts.path.rstrip('/')}"


class _Session(Session):
    """A session without redirects, whose connections ask the exchange before they send."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        # No .netrc, and not the settings of macOS, which crash forked processes such as Ansible's
        # workers.
        self.trust_env = False
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(exchange))

    def get_redirect_target(self, resp: Any) -> str | None:
        """Return None: requests would read the whole body of a redirect that it does not follow."""
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
        pools = {}
        for scheme, pool in manager.pool_classes_by_scheme.items():
            connection = type(
                "Connection", (_Connection, pool.ConnectionCls), {"exchange": self._exchange}
            )
            pools[scheme] = type("Pool", (pool,), {"ConnectionCls": connection})
        manager.pool_classes_by_scheme = pools


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


class Transport:
    """Exchanges with one API.

    ``timeout`` is the maximum duration of one exchange in seconds, from the lookup of the name to
    the last byte. ``url_option`` is the name of the option with the URL. ``proxy`` is the URL of
    the proxy to use instead of the environment's, or empty for none. The ``form_methods`` have
    their parameters in a form body, all others in the query.
    """

    def __init__(
        self,
        *,
        timeout: float,
        proxy: str | None = None,
        url_option: str = "api_url",
        form_methods: Collection[str] = ("POST",),
    ) -> None:
        if _IMPORT_ERROR is not None:
            # It names the very Python that needs it.
            python = shlex.quote(sys.executable or "python3")
            raise QgError(
                "The Python library requests is missing where this runs: install it with "
                f"`{python} -m pip install requests`.",
                exception=_IMPORT_ERROR,
            )
        self.timeout = timeout
        self.url_option = url_option
        self._form_methods = form_methods
        self._proxy = proxy

    def find_proxy(self, url: str) -> Proxy | None:
        """Return the proxy for a URL."""
        if self._proxy is not None:
            return Proxy(self._proxy, "option through_proxy") if self._proxy else None
        proxy = environment_proxy(urlsplit(url).scheme)
        # Without a proxy of the environment, requests would read the settings of macOS, which
        # crashes forked processes such as Ansible's workers.
        if proxy is None or should_bypass_proxies(url, no_proxy=None):
            return None
        return proxy

    def send(
        self, method: str, url: str, parameters: Mapping[str, str], endpoint: str
    ) -> HttpResponse:
        """Send one request; raises TransportError if there is no response."""
        exchange = Exchange(self.timeout)
        proxy = self.find_proxy(url)
        results: queue.SimpleQueue[HttpResponse | Exception] = queue.SimpleQueue()

        def work() -> None:
            try:
                results.put(self._request(exchange, method, url, parameters, proxy))
            except Exception as error:  # the waiting side must receive every error
                results.put(error)

        # The lookup of a name cannot be interrupted, so this thread stops waiting for the other
        # one.
        threading.Thread(target=work, daemon=True).start()
        try:
            result = results.get(timeout=self.timeout + GRACE)
        except queue.Empty:
            result = TimeoutError()
        exchange.close()
        host = urlsplit(url).netloc.rpartition("@")[2]
        if not isinstance(result, HttpResponse):
            # Imported only for a failure.
            from .failures import transport_failure

            raise transport_failure(result, exchange, host, endpoint, proxy, self.url_option)
        # With HTTPS, such a response comes from QG.net, through the tunnel.
        if proxy and result.status == 407 and url.startswith("http:"):
            from .failures import proxy_refusal

            raise proxy_refusal(proxy, result.status, host, endpoint)
        return result

    def _request(
        self,
        exchange: Exchange,
        method: str,
        url: str,
        parameters: Mapping[str, str],
        proxy: Proxy | None,
    ) -> HttpResponse:
        form = None
        if method in self._form_methods:
            form = parameters
        elif parameters:
            url = f"{url}?{encode(parameters)}"
        proxies = {}
        if proxy:
            proxies[urlsplit(url).scheme] = proxy.url
        with (
            _Session(exchange) as session,
            session.request(
                method,
                url,
                data=form,
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
                timeout=self.timeout,
                allow_redirects=False,
                verify=environment_authorities()[1] or True,
                proxies=proxies,
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
                    raise UnusableResponse("its response is larger than any of QG.net's")
            if response.raw.length_remaining:
                raise http.client.IncompleteRead(b"")
            return HttpResponse(
                response.status_code, body.decode("utf-8", "replace"), response.headers
            )
