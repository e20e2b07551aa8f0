# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examination of a control node and a key, by reads alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from .._api.classic.client import ProxyApi
from .._api.echo import read_address
from .._api.errors import RefusedError
from .._api.leases import Lease
from .._api.product.client import ProductApi
from .._api.proxies import AUTHENTICATION_REQUIRED
from .._core.addresses import is_on_loopback, numeric_order
from .._core.errors import OptionError, QgError, TransportError
from .._core.text import describe
from .._core.validation import check_url
from .._core.waiting import Announcer
from .._reconcile.held_leases import HeldLeases
from .._store.facts import FULL, PRODUCT
from .._store.opening import Store
from .._store.registrations import Registrations
from .._task.options import AUTO, ProxyApiOptions
from .._task.products import ProductFinder
from . import findings
from .findings import Finding


@dataclass
class Examination:
    """What is known so far; None for what could not be read. The first of the ``found`` is the cause."""

    params: Mapping[str, Any]
    announcer: Announcer
    found: list[Finding] = field(default_factory=list)
    product: str | None = None
    quota: dict[str, Any] | None = None
    leases: list[Lease] | None = None
    whitelist: list[str] | None = None
    unowned: list[str] | None = None
    #: The hosts of each inventory that has registrations.
    registered: dict[str, list[str]] | None = None
    egress_ip: str | None = None
    proxy: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    is_offline: bool = False

    def run(self) -> None:
        """Read everything that can be read."""
        if self.params["key"] is None:
            self.found.append(findings.of_missing_key())
            return
        try:
            options = ProxyApiOptions.parse(self.params)
            for name in ("url", "through_proxy"):
                if self.params[name]:
                    check_url(name, _as_url(self.params[name]))
            if (given := self.params["through_proxy"]) and urlsplit(_as_url(given)).port is None:
                raise OptionError(f"through_proxy {describe(given)} has no port: give HOST:PORT.")
        except OptionError as error:
            self.found.append(findings.of_error(error, self.params["api_url"]))
            return
        try:
            state = options.store.open(options.transport.max_wait, self.announcer)
        except QgError as error:
            self.found.append(findings.of_state(error))
            return
        with contextlib.closing(state):
            self._examine(options, state)

    def _examine(self, options: ProxyApiOptions, state: Store) -> None:
        classic = options.client(state)
        # Whether something works the second time is another question.
        classic.single_attempt = True
        api: ProxyApi | ProductApi | None = None
        with self._noted(options):
            api = self._lease_api(options, classic)
        if not self.is_offline:
            self.egress_ip = self._detect_egress(options)
        # Otherwise, the vendor refuses the key or cannot be reached.
        if api is not None:
            self.product = api.product
            with self._noted(options):
                quota = api.lease_quota()
                self.quota = None if quota is None else quota.described()
            with self._noted(options):
                self._read_whitelist(classic)
            self._request_through_proxy(options, api.vendor_clock.now())
        self.usage = classic.usage()

    @contextlib.contextmanager
    def _noted(self, options: ProxyApiOptions) -> Iterator[None]:
        """Turn an error of the body into a finding, so that the examination goes on."""
        try:
            yield
        except QgError as error:
            self.is_offline |= isinstance(error, TransportError) and error.details.get("http_status") is None
            self.found.append(findings.of_error(error, options.api_url))

    def _lease_api(self, options: ProxyApiOptions, classic: ProxyApi) -> ProxyApi | ProductApi:
        """Return the API that serves the leases of the key, and read these leases."""
        given = self.params["product"]
        finder = ProductFinder(options, classic)
        product = finder.facts.get(PRODUCT) if given == AUTO else given
        if product is not None:
            try:
                api = finder.api(product)
                self.leases = HeldLeases.of(api).read()
                return api
            except RefusedError as error:
                if error.code not in error.of_other_product:
                    raise
        found = finder.read()
        if given not in (AUTO, found):
            self.found.append(findings.of_product(given, found))
        api = finder.api(found)
        # A plan of exclusive occupancy has no list.
        with contextlib.suppress(RefusedError):
            self.leases = HeldLeases.of(api).read()
        return api

    def _read_whitelist(self, classic: ProxyApi) -> None:
        """Read the whitelist, and compare it with the registrations of all inventories."""
        entries, unreadable = classic.whitelist()
        owners = Registrations(classic.rate_limiter.state, classic.key_digest).all()
        self.whitelist = [*numeric_order(entries), *unreadable]
        self.unowned = numeric_order({*entries, *unreadable}.difference(owner.ip for owner in owners))
        self.registered = {}
        for owner in owners:
            hosts = self.registered.setdefault(owner.inventory, [])
            if owner.host not in hosts:
                hosts.append(owner.host)
        if classic.facts.get(FULL):
            others = [entry for entry in self.unowned if entry != self.egress_ip]
            self.found.append(findings.of_full_whitelist(len(self.whitelist), others))

    @property
    def is_listed(self) -> bool | None:
        """Whether the egress address of this machine is on the whitelist; None if that is unknown."""
        if self.egress_ip is None or self.whitelist is None:
            return None
        return self.egress_ip in self.whitelist

    def _detect_egress(self, options: ProxyApiOptions) -> str | None:
        """Return the address that the first responding source reports; None if none responds."""
        for source in self.params["sources"]:
            with contextlib.suppress(QgError, ValueError):
                return self._echo(options, source, "sources")
        return None

    def _echo(self, options: ProxyApiOptions, url: str, option: str, proxy: str | None = None) -> str:
        """Return the address that an echo service reports, for a direct request or one through a proxy."""
        transport = options.transport.transport(option, url, use_proxy=bool(proxy), proxy=proxy)
        response = transport.send("GET", url, {}, option)
        if response.status != 200:
            raise ValueError(f"responded with the HTTP status {response.status}")
        return read_address(response.text, any_scope=True)

    def _request_through_proxy(self, options: ProxyApiOptions, now: float) -> None:
        """Send one request through the given proxy, or through the held lease that lasts longest."""
        lasting = sorted(self.leases or (), key=lambda lease: lease.remaining(now) or 0.0)
        given = self.params["through_proxy"]
        server = urlsplit(_as_url(given)).netloc if given else lasting[-1].server if lasting else None
        if server is None:
            return
        login = ""
        if options.password and not self.is_listed:
            login = f"{quote(options.key, safe='')}:{quote(options.password, safe='')}@"
        self.proxy = {"server": server, "ok": False, "exit_ip": None, "error": None}
        try:
            is_simulator = is_on_loopback(options.api_url)
            url = self.params["url"] or f"{'http' if is_simulator else 'https'}://d.qg.net/ip"
            self.proxy["exit_ip"] = self._echo(options, url, "url", f"http://{login}{server}")
            self.proxy["ok"] = True
        except ValueError as error:
            self.proxy["error"] = f"the echo service {error}"
        except TransportError as error:
            self.proxy["error"] = error.message
            if error.details.get("http_status") == AUTHENTICATION_REQUIRED:
                self.found.append(findings.of_refusing_proxy(server, self.egress_ip, self.is_listed))
                return
        if not self.proxy["ok"]:
            self.found.append(findings.of_failing_proxy(server, self.proxy["error"]))


def _as_url(proxy: str) -> str:
    """Return the URL of a proxy that is given with or without a scheme."""
    return proxy if "//" in proxy else f"http://{proxy}"
