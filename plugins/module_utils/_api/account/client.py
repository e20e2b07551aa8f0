# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of the account API (``https://www.qg.net/api``), with one method for each call.

This file is private to the collection. All calls only read. Each call is signed immediately before it is sent.
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

#: The maximum number of services that one call of getDetail returns (vendor's page on service details).
PAGE_SIZE = 50
#: The maximum number of pages: a million services.
MAX_PAGES = 20_000
Row = dict[str, Any]


class AccountApi(Client):
    """The calls of one account.

    A method raises AccountError if the vendor refuses the call, and TransportError if there is no usable response.
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
        """Return the balance of the account in yuan."""
        return self._call(endpoints.BALANCE, {}, balance)

    def instances(
        self, product_id: int | None = None, suid: str | None = None, *, include_secrets: bool = False
    ) -> list[Row]:
        """Return the services of a brand or of all brands, or one service by its number; each page is one call.

        The vendor does not return the total number: a page that is not full is the last one.
        """
        read = functools.partial(instances, include_secrets=include_secrets)
        found: dict[str, Row] = {}
        for page in range(MAX_PAGES):
            parameters = {"productId": product_id, "suid": suid, "offset": page * PAGE_SIZE, "limit": PAGE_SIZE}
            rows = self._call(endpoints.INSTANCES, parameters, read)
            known = len(found)
            found.update({row["suid"]: row for row in rows})
            # Older servers return everything at once, whichever page is requested.
            if suid is not None or len(rows) != PAGE_SIZE or len(found) == known:
                break
        return list(found.values())

    def packages(
        self, product_id: int, line_no: str | None = None, area_no: str | None = None, *, load_rate: bool = False
    ) -> list[Row]:
        """Return the packages of a brand, line or area; ``load_rate`` adds their rates by duration."""
        parameters = {"productId": product_id, "line_no": line_no, "area_no": area_no, "load_rate": int(load_rate)}
        return self._call(endpoints.PACKAGES, parameters, packages)

    def order_price(self, package_no: str, system_no: str, duration: str, product_id: int | None = None) -> Row:
        """Return the price of an order in yuan."""
        parameters = {
            "productId": product_id,
            "package_no": package_no,
            "system_no": system_no,
            "duration": duration,
        }
        return self._call(endpoints.ORDER_PRICE, parameters, order_price)

    def lines(self, product_id: int) -> list[Row]:
        """Return the lines of a brand of physical servers."""
        return self._call(endpoints.LINES, {"productId": product_id}, lines)

    def proxy_plan(self, resource_no: str, product_id: int, *, include_secrets: bool = False) -> Row:
        """Return a proxy service that is billed by volume."""
        read = functools.partial(proxy_plan, include_secrets=include_secrets)
        return self._call(endpoints.PROXY_PLAN, {"resource_no": resource_no, "productId": product_id}, read)

    def _call(self, endpoint: AccountEndpoint, parameters: Mapping[str, object], read: Callable[[object], T]) -> T:
        texts = {name: str(value) for name, value in parameters.items() if value is not None}
        return self._call_with_retries(endpoint.path, lambda: self._once(endpoint, texts, read), repeatable=True)

    def _once(self, endpoint: AccountEndpoint, parameters: Mapping[str, str], read: Callable[[object], T]) -> T:
        now = self._now()
        signed = self._identity.signed(now)
        self.calls += 1
        response = self._transport.send(
            "GET", self._account_url + endpoint.path, {**parameters, **signed}, endpoint.path
        )
        parser = AccountResponseParser((self._identity.app_key,), now, for_one_call=(signed["sign"],))
        try:
            return read(parser.data(response, endpoint, self._describe(parameters)))
        except QgError:
            raise
        except ResponseShapeError as error:
            # The vendor marked it as a success: another attempt would return the same.
            raise TransportError(
                f"{endpoint.path}: the response cannot be read: {error}.",
                endpoint=endpoint.path,
                effect=Effect.UNKNOWN,
                retryable=False,
            ) from None
        except Exception as error:
            raise unreadable(error, endpoint.path) from error

    def _describe(self, parameters: Mapping[str, str]) -> str:
        named = {**parameters, "domain": self._identity.domain, "appid": self._identity.app_id}
        return ", ".join(f"{name}={value}" for name, value in named.items())
