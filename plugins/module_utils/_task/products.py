# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API that serves the leases of a key: that of the option ``product``, or the one that reads show to serve the key.

With ``product=auto``, the list of leases is read from one API after the other until one of them serves the key. The
state stores which one, so that later runs need no read, and for a short time that none does, so that a fleet with a
wrong key does not ask for each host. No call that pays is sent before the product is known.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

# Imported here, and thus before Ansible forks a process for each host.
from .._api.classic.client import ProxyApi
from .._api.classic.errors import NO_PERMISSION
from .._api.errors import RefusedError
from .._api.product.client import ProductApi
from .._api.product.endpoints import PRODUCTS
from .._api.product.errors import UNAVAILABLE_KEY
from .._core.errors import CallError, OptionError, QgError, WaitBudgetExceeded
from .._core.waiting import Announcer
from .._store.facts import PRODUCT, REFUSED, TTL
from .._store.store import Store, after_the_call
from .options import AUTO, CLASSIC, PRODUCT_NAMES, ProxyApiOptions
from .sources import environment_name, variable_name

#: Refuses options that a product does not support. With ``product=auto``, it only finds other mistakes.
Check = Callable[[Mapping[str, Any]], object]
_NAME_IT = (
    f"set product (variable {variable_name('product')}, environment {environment_name('product')}) to "
    f"{', '.join(PRODUCT_NAMES[:-1])} or {PRODUCT_NAMES[-1]}"
)


def check_quota(params: Mapping[str, Any]) -> None:
    """Refuse a product whose quota cannot be read."""
    product = params["product"]
    if product in PRODUCTS and PRODUCTS[product].channels is None:
        raise OptionError(f"product={product} has no quota that can be read: see the vendor's user centre.")


def naming_product(error: CallError, api: ProxyApi, fix: str) -> QgError:
    """Return the refusal of a classic call with the product of the key, if a run has found out another one."""
    product = api.facts.get(PRODUCT)
    if product not in (None, CLASSIC):
        fix = f"The key is one of product={product}, which has no such call."
    return QgError(f"{error.message} {fix}".rstrip(), **error.details)


def lease_client(
    params: Mapping[str, Any], announcer: Announcer, *checks: Check, state: Store | None = None
) -> ProxyApi | ProductApi:
    """Return the client of the API that serves the leases of a key; ``state`` is the state if it is open already.

    The ``checks`` are called before any call, and with ``product=auto`` again as soon as the product is known.
    """
    for check in checks:
        check(params)
    options, product = ProxyApiOptions.parse(params), params["product"]
    if product not in (AUTO, CLASSIC):
        return options.product_client(product, state, announcer)
    classic = options.client(state, announcer)
    api = classic if product == CLASSIC else api_of_key(options, classic)
    if product == AUTO:
        for check in checks:
            check({**params, "product": api.product})
    return api


def api_of_key(options: ProxyApiOptions, classic: ProxyApi) -> ProxyApi | ProductApi:
    """Return the client of the API that serves the leases of the key: ``classic``, or one that continues its run.

    Raises QgError if no read shows the product.
    """
    finder = ProductFinder(options, classic)
    api = finder.api(finder.product())
    api.facts = finder.facts
    return api


class ProductFinder:
    """Finds out which API serves the leases of a key, by reads."""

    def __init__(self, options: ProxyApiOptions, classic: ProxyApi) -> None:
        self.facts = classic.facts
        self._options = options
        self._classic = classic
        self._state = classic.rate_limiter.state

    def api(self, product: str) -> ProxyApi | ProductApi:
        """Return the client for a product, which continues the run of the classic one."""
        if product == CLASSIC:
            return self._classic
        api = self._options.product_client(product, self._state)
        api.follow(self._classic)
        return api

    def product(self) -> str:
        """Return the product of the key: the stored one, or the one that reads show."""
        known = self.facts.get(PRODUCT)
        if known is None:
            # Other processes wait, and then use what this one has found.
            with self._classic.key_lock("identifying"):
                known = self.facts.get(PRODUCT)
                if known is None:
                    self._repeat_refusal()
                    known = self.read()
        return known

    def _repeat_refusal(self) -> None:
        """Raise the stored error if no API has served the key a short time ago."""
        stored = self.facts.get(REFUSED)
        if failure := self._state.decoded(stored) if stored else {}:
            message = f"{failure.pop('msg')} The vendor said so to a task of the last {TTL[REFUSED]:.0f} seconds"
            raise QgError(f"{message}; qingguo.qgnet.doctor asks it at once.", **failure)

    def read(self) -> str:
        """Read the lists of leases until one of the APIs serves the key; store and return its product."""
        refusals: dict[str, CallError] = {}
        for product, read in self._reads(refusals):
            try:
                read()
            except (CallError, WaitBudgetExceeded) as error:
                if not isinstance(error, CallError) or not _is_of_other_product(error, product):
                    raise QgError(
                        f"{error.message} It was to show the product of the key: {_NAME_IT}, and it is not needed.",
                        **error.details,
                    ) from None
                refusals[product] = error
            else:
                self.facts.save(PRODUCT, product)
                self.facts.forget(REFUSED)
                return product
        failure = _none_serves(refusals)
        with after_the_call():
            self.facts.save(REFUSED, json.dumps(failure.as_result()))
        raise failure

    def _reads(self, refusals: Mapping[str, CallError]) -> Iterator[tuple[str, Callable[[], object]]]:
        """Yield the reads that can show a product; ``refusals`` are those of the reads before."""
        for product in PRODUCT_NAMES:
            yield product, self.api(product).check_access
        # Plans of exclusive occupancy have no list of leases, but a quota.
        if getattr(refusals[CLASSIC], "code", None) == NO_PERMISSION:
            yield CLASSIC, self._classic.quota


def _is_of_other_product(error: CallError, product: str) -> bool:
    """Whether the key may be of another product: this API refuses it, or there is no such product host."""
    if isinstance(error, RefusedError):
        return error.code in error.of_other_product
    return product != CLASSIC and error.details.get("http_status") == 404


def _none_serves(refusals: Mapping[str, CallError]) -> QgError:
    """Return the error for a key that no API serves, with the response of each API."""
    groups = itertools.groupby(refusals.items(), key=lambda item: _said(item[1]))
    said = "; ".join(f"{', '.join(product for product, _error in group)}: {words}" for words, group in groups)
    expired = [error for error in refusals.values() if error.details.get("code") == UNAVAILABLE_KEY]
    state = "has expired or is blocked" if expired else "is wrong, or its plan has no leases"
    return QgError(
        f"The key {state} ({said}). Check the key, and renew its plan in the vendor's user centre; if both are right, "
        f"{_NAME_IT}.",
        **(expired or [refusals[CLASSIC]])[0].details,
    )


def _said(error: CallError) -> str:
    """Return what an API has said about the key."""
    code, meaning = error.details.get("code"), error.details.get("meaning")
    return f"code {code}, {meaning}" if meaning else f"HTTP status {error.details.get('http_status')}"
