# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The account API (``https://www.qg.net/api``), whose calls only read.

Each is signed immediately before it is sent.

Signature: vendor doc 250, according to public copies of it. QG.net documents no limit of calls.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import CallError, QgError, Reason
from .._core.runtime import WaitBudget, wall_time
from . import account_rows as rows
from .caller import Caller
from .exchange import Call, Code, HttpResponse, Refusal, T
from .parsing import Record, ResponseShapeError, http_time, parse_object
from .transport import Transport

#: The maximum number of services that one call of getDetail returns (vendor's page on service
#: details).
PAGE_SIZE = 50
#: How often a list is read whose services change meanwhile.
READINGS = 3
#: The difference of the clocks in seconds above which the message names it as the reason of a
#: refusal.
MAX_CLOCK_DIFFERENCE = 60
#: What QG.net's text about the parts of a signature contains; 签名错误 is a wrong signature.
_ABOUT_SIGNATURE = ("签名", "domain", "appid", "time")
Row = dict[str, Any]


@dataclass(frozen=True)
class Identity:
    """Who calls: an application of an account, and the site of the account."""

    app_id: str
    app_key: str = field(repr=False)
    domain: str

    def signed(self, now: float) -> dict[str, str]:
        """Return the parameters that identify and sign a call.

        ``sign`` is the MD5 of application, domain, time and key, concatenated, in lower-case
        hexadecimal; the parameters of the call itself are not signed. ``time`` is in whole seconds
        since 1970. QG.net requires MD5.
        """
        time = str(int(now))
        text = f"{self.app_id}{self.domain}{time}{self.app_key}"
        sign = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        return {"appid": self.app_id, "domain": self.domain, "time": time, "sign": sign}


def _dialect(response: HttpResponse, *, by_result: bool = False) -> tuple[Any, Refusal | None]:
    """Read ``{"Code": 0, "Message": "", "Data": ...}`` with code 0 or 200.

    It may also be ``{"result": true, "data": ...}``, where a code counts if there is one. QG.net's
    table of codes (doc 251) is not public.
    """
    # The JSON of a failing server, or of a redirect, does not come from QG.net's service.
    if response.status >= 500 or response.status == 429 or 300 <= response.status < 400:
        raise ResponseShapeError("not of QG.net")
    body = Record(parse_object(response.text), "the response")
    code: str | None = None
    if by_result and body.value("Code") is None:
        result = body.value("result")
        word = str(result) if isinstance(result, bool) else body.text("result")
        if word is None:
            raise ResponseShapeError("no code")
        is_good = word.casefold() in ("true", "1")
        said = body.value("msg")
    else:
        code = body.text("Code")
        if code is None:
            raise ResponseShapeError("no code")
        is_good = body.integer("Code") in (0, 200)
        said = body.value("Message")
    if is_good and response.status < 300:
        return body.value("data"), None
    return None, Refusal(code, _row(str(said or ""), response), said, body.value("RequestId"))


def _row(said: str, response: HttpResponse) -> Code:
    """Return the meaning of a refusal, which only QG.net's text explains."""
    date = http_time(response.headers.get("Date", ""))
    clock = ""
    ahead = 0.0
    if date is None:
        clock = ", and whether the clock of this machine is right"
    else:
        ahead = wall_time() - date
    if abs(ahead) > MAX_CLOCK_DIFFERENCE:
        side = "ahead of" if ahead > 0 else "behind"
        fix = (
            f"The clock of this machine is {abs(ahead):.0f} seconds {side} QG.net's, and the "
            "signature contains the time: set the clock. "
        )
        return Code(Reason.PARAMETER, "", fix)
    if any(word in said for word in _ABOUT_SIGNATURE):
        fix = f"The signature was not accepted: check app_id, app_key and account_url{clock}."
        return Code(Reason.CALLER, "", fix)
    return Code(Reason.PARAMETER, "", "")


_call = functools.partial(Call, repeatable=True, dialect=_dialect)
BALANCE = _call("/merchant/getBalance", dialect=functools.partial(_dialect, by_result=True))
INSTANCES = _call("/cloud-business/getDetail")
ORDER_PRICE = _call("/cloud-business/packageOrderPrice")
PACKAGES = _call("/cloud-product/packageList")
LINES = _call("/physical-product/lineList")
PROXY_PLAN = _call("/proxyip/resourceView")


class Account:
    """The calls of one account.

    A method raises CallError if QG.net refuses, or without a usable response.
    """

    def __init__(
        self, transport: Transport, budget: WaitBudget, *, url: str, identity: Identity
    ) -> None:
        self._identity = identity
        self.caller = Caller(
            transport,
            budget,
            url=url,
            credentials=lambda: identity.signed(wall_time()),
            secrets=(identity.app_key,),
        )

    def balance(self) -> Row:
        """Return the balance of the account in yuan."""
        return self._call(BALANCE, {}, rows.balance)

    def instances(
        self,
        product_id: int | None = None,
        suid: str | None = None,
        *,
        include_secrets: bool = False,
    ) -> list[Row]:
        """Return the services of a brand or of all brands, or one by its number: a call a page.

        Raises QgError if some may be missing.
        """
        parameters = {"productId": product_id, "suid": suid, "limit": PAGE_SIZE}
        read = functools.partial(rows.instances, include_secrets=include_secrets)
        for _reading in range(READINGS):
            services = self._all_pages(parameters, read)
            if services is not None:
                return services
        raise QgError(
            "The services of the account have changed whenever their list was read, so that some "
            "may be missing: run this again."
        )

    def _all_pages(
        self, parameters: Mapping[str, object], read: Callable[[Any], list[Row]]
    ) -> list[Row] | None:
        """Return the services of all pages; None if the pages do not follow each other.

        Each begins with the last service of the one before. If it does not, one has ended
        meanwhile, and the first one of the next page has moved to the page that was read.
        """
        services: dict[str, Row] = {}
        last = None
        while True:
            offset = max(0, len(services) - 1)
            page = self._call(INSTANCES, {**parameters, "offset": offset}, read)
            names = [row["suid"] for row in page]
            # Older servers ignore the page, and return everything.
            if services.keys() >= set(names):
                return list(services.values())
            if last not in (None, names[0]):
                return None
            services.update(zip(names, page, strict=True))
            # QG.net does not return the total number.
            if len(page) != PAGE_SIZE or parameters["suid"] is not None:
                return list(services.values())
            last = names[-1]

    def packages(self, product_id: int, *, load_rate: bool) -> list[Row]:
        """Return the packages of a brand, with ``load_rate`` their rates, too."""
        parameters = {"productId": product_id, "load_rate": int(load_rate)}
        return self._call(PACKAGES, parameters, rows.packages)

    def order_price(self, package_no: str, system_no: str, duration: str) -> Row:
        """Return the price of an order in yuan."""
        parameters = {"package_no": package_no, "system_no": system_no, "duration": duration}
        return self._call(ORDER_PRICE, parameters, rows.order_price)

    def lines(self, product_id: int) -> list[Row]:
        """Return the lines of a brand of physical servers."""
        return self._call(LINES, {"productId": product_id}, rows.lines)

    def proxy_plan(
        self, resource_no: str, product_id: int, *, include_secrets: bool = False
    ) -> Row:
        """Return a proxy service that is billed by volume."""
        read = functools.partial(rows.proxy_plan, include_secrets=include_secrets)
        return self._call(PROXY_PLAN, {"resource_no": resource_no, "productId": product_id}, read)

    def _call(self, call: Call, parameters: Mapping[str, object], read: Callable[[Any], T]) -> T:
        try:
            return self.caller.call(call, parameters, read)
        except CallError as error:
            if error.reason is Reason.PARAMETER:
                identity = {"domain": self._identity.domain, "appid": self._identity.app_id}
                asked = []
                for name, value in {**parameters, **identity}.items():
                    if value is not None:
                        asked.append(f"{name}={value}")
                text = f"The call was for {', '.join(asked)}: check these values."
                error.message = f"{error.message.rstrip()} {text}"
            raise
