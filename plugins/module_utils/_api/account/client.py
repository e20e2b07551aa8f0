# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The account API (``https://www.qg.net/api``), a method per call of the vendor.

This file is private to the collection. Every call reads, and is signed just before it is sent.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..._core.errors import Effect, QgError, TransportError
from ..._core.waiting import WaitBudget
from ..parsing import ResponseShapeError
from ..retry import Client, T, unreadable
from ..transport import Transport
from . import endpoints
from .endpoints import AccountEndpoint
from .models import (
    Amount,
    balance,
    instances,
    lines,
    order_price,
    packages,
    proxy_plan,
)
from .responses import AccountResponseParser
from .signing import Identity

#: Services that one call of getDetail tells at most (vendor's page on service details).
PAGE = 50
#: Pages after which something must be wrong: a million services.
MAX_PAGES = 20_000
Row = dict[str, Any]


class AccountApi(Client):
    """The calls of one account.

    A method raises AccountError for a refusal of the vendor, TransportError where no usable answer came.
    """

    def __init__(
        self,
        transport: Transport,
        budget: WaitBudget,
        *,
        account_url: str,
        identity: Identity,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(transport, budget)
        self._account_url = account_url.rstrip("/")
        self._identity = identity
        self._now = now

    def balance(self) -> Amount:
        """What is left in the account, in yuan."""
        return self._call(endpoints.BALANCE, {}, balance)

    def instances(
        self, product_id: int | None = None, suid: str | None = None, *, include_secrets: bool = False
    ) -> list[Row]:
        """The services of a brand, of all brands, or the one of a number; each page is one call.

        The vendor does not tell how many there are: the page that is not full is the last one.
        """
        read = functools.partial(instances, include_secrets=include_secrets)
        found: dict[str, Row] = {}
        for page in range(MAX_PAGES):
            parameters = {"productId": product_id, "suid": suid, "offset": page * PAGE, "limit": PAGE}
            rows = self._call(endpoints.INSTANCES, parameters, read)
            known = len(found)
            found.update({row["suid"]: row for row in rows})
            # Older servers tell all at once, whatever page is asked for.
            if suid is not None or len(rows) != PAGE or len(found) == known:
                break
        return list(found.values())

    def packages(
        self, product_id: int, line_no: str | None = None, area_no: str | None = None, *, load_rate: bool = False
    ) -> list[Row]:
        """The packages of a brand, of one of its lines or areas; with ``load_rate`` with their rates by duration."""
        parameters = {"productId": product_id, "line_no": line_no, "area_no": area_no, "load_rate": int(load_rate)}
        return self._call(endpoints.PACKAGES, parameters, packages)

    def order_price(self, package_no: str, system_no: str, duration: str, product_id: int | None = None) -> Row:
        """What an order would cost, in yuan."""
        parameters = {
            "productId": product_id,
            "package_no": package_no,
            "system_no": system_no,
            "duration": duration,
        }
        return self._call(endpoints.ORDER_PRICE, parameters, order_price)

    def lines(self, product_id: int) -> list[Row]:
        """The lines of a brand of physical servers."""
        return self._call(endpoints.LINES, {"productId": product_id}, lines)

    def proxy_plan(self, resource_no: str, product_id: int, *, include_secrets: bool = False) -> Row:
        """A proxy service that is billed by volume."""
        read = functools.partial(proxy_plan, include_secrets=include_secrets)
        return self._call(endpoints.PROXY_PLAN, {"resource_no": resource_no, "productId": product_id}, read)

    def _call(self, endpoint: AccountEndpoint, parameters: Mapping[str, object], read: Callable[[object], T]) -> T:
        texts = {name: str(value) for name, value in parameters.items() if value is not None}
        return self._call_with_retries(endpoint.path, lambda: self._once(endpoint, texts, read), repeatable=True)

    def _once(self, endpoint: AccountEndpoint, parameters: Mapping[str, str], read: Callable[[object], T]) -> T:
        now = self._now()
        signed = self._identity.signed(now)
        self.calls += 1
        answer = self._transport.send("GET", self._account_url + endpoint.path, {**parameters, **signed}, endpoint.path)
        listener = AccountResponseParser((self._identity.app_key,), now, for_one_call=(signed["sign"],))
        try:
            return read(listener.data(answer, endpoint, self._asked(parameters)))
        except QgError:
            raise
        except ResponseShapeError as problem:
            # The vendor says that this is its answer: another try would bring the same.
            raise TransportError(
                f"{endpoint.path}: the answer cannot be read: {problem}.",
                endpoint=endpoint.path,
                effect=Effect.UNKNOWN,
                retryable=False,
            ) from None
        except Exception as problem:
            raise unreadable(problem, endpoint.path) from problem

    def _asked(self, parameters: Mapping[str, str]) -> str:
        named = {**parameters, "domain": self._identity.domain, "appid": self._identity.app_id}
        return ", ".join(f"{name}={value}" for name, value in named.items())
