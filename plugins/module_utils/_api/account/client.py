# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of the account API (``https://www.qg.net/api``), with one method for each call, and its responses.

All calls only read. Each call is signed immediately before it is sent.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ..._core.clock import wall_time
from ..._core.errors import Effect, TransportError
from ..._core.waiting import WaitBudget
from ..exchange import Client, T, as_texts
from ..parsing import ResponseShapeError, http_time, parse_object
from ..responses import ResponseParser
from ..transport import HttpResponse, Transport
from . import endpoints, models
from .endpoints import AccountEndpoint
from .errors import AccountError
from .records import Record
from .signing import Identity

#: The maximum number of services that one call of getDetail returns (vendor's page on service details).
PAGE_SIZE = 50
#: The maximum number of pages: almost a million services.
MAX_PAGES = 20_000
#: The maximum number of times that a list is read from the beginning because it changed meanwhile.
MAX_LISTINGS = 3
#: The name of a key whose value is secret, however the vendor spells it.
_MARK = re.compile("|".join(r"[\W_]*".join(mark) for mark in models.SECRET_MARKS), re.IGNORECASE)
Row = dict[str, Any]


class AccountResponseParser(ResponseParser):
    """Parses responses of the account API. ``clock`` is the time that the call was signed with."""

    url_option = "account_url"

    def __init__(self, secrets: Collection[str], clock: float) -> None:
        super().__init__(secrets)
        self._clock = clock

    def data(self, response: HttpResponse, endpoint: AccountEndpoint, asked: str) -> Any:
        """Return the data of a success; ``asked`` describes the call in words.

        Raises AccountError for a refusal: any code except 0 and 200, or, for a call by result, a result that is not
        true. If the response to a call by result has a code, the code counts. The vendor's table of codes (doc 251) is
        not public, so the vendor's text is the only explanation.
        """
        try:
            body = Record(parse_object(response.text), "the response")
            by_result = endpoint.by_result and body.value("Code") is None
            result = body.value("result")
            is_truth = by_result and isinstance(result, bool)
            code = str(result) if is_truth else body.text("result" if by_result else "Code")
        except ResponseShapeError:
            raise self.unusable(response, endpoint.path) from None
        # The JSON of a failing server, or of a redirect, does not come from the vendor's service.
        if code is None or response.status >= 500 or response.status == 429 or 300 <= response.status < 400:
            raise self.unusable(response, endpoint.path)
        good = code.casefold() in ("true", "1") if by_result else body.integer("Code") in (0, 200)
        if good and response.status < 300:
            if response.status != 200:
                raise self.unusable(response, endpoint.path)
            return body.value("data")
        raise AccountError(
            endpoint.path,
            code=None if by_result else self.sanitize(code)[:80],
            said=self.quoted(body.value("msg" if by_result else "Message")),
            request_id=self.quoted(body.value("RequestId")),
            http_status=response.status,
            asked=asked,
            ahead=self._ahead(response),
        )

    def excerpt(self, text: str) -> str:
        """Return the text before the first name of a secret field: the password of a machine may follow."""
        return _MARK.split(self.sanitize(text), maxsplit=1)[0]

    def _ahead(self, response: HttpResponse) -> float | None:
        """Return the seconds by which the clock here is ahead of the vendor's; None if the response has no time."""
        vendor = http_time(response.headers.get("Date", ""))
        return None if vendor is None else self._clock - vendor


class AccountApi(Client):
    """The calls of one account.

    A method raises AccountError if the vendor refuses the call, and TransportError if there is no usable response.
    """

    #: The calls only read: another attempt would return the same unreadable data.
    rereads = False

    def __init__(
        self,
        transport: Transport,
        budget: WaitBudget,
        *,
        account_url: str,
        identity: Identity,
        now: Callable[[], float] = wall_time,
    ) -> None:
        super().__init__(transport, budget)
        self._account_url = account_url.rstrip("/")
        self._identity = identity
        self._now = now

    def balance(self) -> models.Amount:
        """Return the balance of the account in yuan."""
        return self._call(endpoints.BALANCE, {}, models.balance)

    def instances(
        self, product_id: int | None = None, suid: str | None = None, *, include_secrets: bool = False
    ) -> list[Row]:
        """Return the services of a brand or of all brands, or one service by its number; each page is one call."""
        read = functools.partial(models.instances, include_secrets=include_secrets)

        def page(offset: int, limit: int) -> list[Row]:
            parameters = {"productId": product_id, "suid": suid, "offset": offset, "limit": limit}
            return self._call(endpoints.INSTANCES, parameters, read)

        if suid is not None:
            return page(0, PAGE_SIZE)
        for _listing in range(MAX_LISTINGS):
            if (found := _all_pages(page)) is not None:
                return found
        raise _incomplete("it changed each time that it was read: run this again later")

    def packages(
        self, product_id: int, line_no: str | None = None, area_no: str | None = None, *, load_rate: bool = False
    ) -> list[Row]:
        """Return the packages of a brand, line or area; ``load_rate`` adds their rates by duration."""
        parameters = {"productId": product_id, "line_no": line_no, "area_no": area_no, "load_rate": int(load_rate)}
        return self._call(endpoints.PACKAGES, parameters, models.packages)

    def order_price(self, package_no: str, system_no: str, duration: str, product_id: int | None = None) -> Row:
        """Return the price of an order in yuan."""
        parameters = {
            "productId": product_id,
            "package_no": package_no,
            "system_no": system_no,
            "duration": duration,
        }
        return self._call(endpoints.ORDER_PRICE, parameters, models.order_price)

    def lines(self, product_id: int) -> list[Row]:
        """Return the lines of a brand of physical servers."""
        return self._call(endpoints.LINES, {"productId": product_id}, models.lines)

    def proxy_plan(self, resource_no: str, product_id: int, *, include_secrets: bool = False) -> Row:
        """Return a proxy service that is billed by volume."""
        read = functools.partial(models.proxy_plan, include_secrets=include_secrets)
        return self._call(endpoints.PROXY_PLAN, {"resource_no": resource_no, "productId": product_id}, read)

    def _call(self, endpoint: AccountEndpoint, parameters: Mapping[str, object], read: Callable[[object], T]) -> T:
        texts = as_texts(parameters)
        identity = {"domain": self._identity.domain, "appid": self._identity.app_id}
        asked = ", ".join(f"{name}={value}" for name, value in {**texts, **identity}.items())

        def attempt() -> T:
            now = self._now()
            signed = self._identity.signed(now)
            parser = AccountResponseParser((self._identity.app_key, signed["sign"]), now)
            return self._exchange(
                "GET",
                self._account_url + endpoint.path,
                {**texts, **signed},
                endpoint.path,
                lambda response: read(parser.data(response, endpoint, asked)),
            )

        return self._call_with_retries(endpoint.path, attempt, repeatable=True)


def _all_pages(page: Callable[[int, int], list[Row]]) -> list[Row] | None:
    """Return the services of all pages, each once; None if the list changed meanwhile and some may be missing.

    ``page`` returns the services from an offset on, up to a limit. The vendor does not return the total number: a page
    that is not full is the last one. Each page begins with the last service of the page before. If services end
    meanwhile, later ones move up, and the next page contains no known service.
    """
    found: dict[str, Row] = {}
    offset, limit = 0, PAGE_SIZE
    for _page in range(MAX_PAGES):
        rows = page(offset, limit)
        new = {row["suid"]: row for row in rows}
        if found and found.keys().isdisjoint(new):
            return None
        if len(rows) == limit and new.keys() <= found.keys():
            raise _incomplete(
                f"the vendor repeats the first page: request a brand with fewer than {PAGE_SIZE} services"
            )
        found.update(new)
        # Older servers ignore the page and return everything. If that is exactly one full page, the second request
        # shows it: its limit is smaller than the response.
        if len(rows) != limit:
            return list(found.values())
        offset, limit = offset + limit - 1, PAGE_SIZE - 1
    raise _incomplete(f"it has more than {MAX_PAGES} pages")


def _incomplete(reason: str) -> TransportError:
    path = endpoints.INSTANCES.path
    return TransportError(
        f"{path}: the list of services cannot be read completely, because {reason}.",
        endpoint=path,
        effect=Effect.UNKNOWN,
        retryable=False,
    )
