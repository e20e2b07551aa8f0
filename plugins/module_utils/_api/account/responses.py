# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parser of the account API's responses: it returns the data of a success or raises the error of a refusal.

This file is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from ..parsing import ResponseShapeError, http_time
from ..responses import ResponseParser, parse_object
from ..transport import HttpResponse
from .endpoints import AccountEndpoint
from .errors import AccountError
from .models import SECRET_MARKS
from .records import Record

#: The name of a key whose value is secret, however the vendor spells it.
_MARK = re.compile("|".join(r"[\W_]*".join(mark) for mark in SECRET_MARKS), re.IGNORECASE)


class AccountResponseParser(ResponseParser):
    """Parses responses of the account API. ``clock`` is the time that the call was signed with."""

    url_option = "account_url"

    def __init__(self, secrets: Collection[str], clock: float, *, for_one_call: Collection[str] = ()) -> None:
        super().__init__(secrets, for_one_call=for_one_call)
        self._clock = clock

    def data(self, response: HttpResponse, endpoint: AccountEndpoint, asked: str) -> Any:
        """Return the data of a success; ``asked`` describes the call in words.

        Raises AccountError for a refusal: any code except 0 and 200, or, for a call by result, a result that is not
        true. A code in the response of a call by result is treated as a code. The vendor's table of codes (doc 251) is
        not public, so the vendor's own words are the only explanation.
        """
        try:
            body = Record(parse_object(response), "the response")
            by_result = endpoint.by_result and body.value("Code") is None
            code = body.scalar_text("result") if by_result else body.text("Code")
        except ResponseShapeError:
            raise self._unusable(response, endpoint.path) from None
        # The JSON of a failing server, or of a redirect, does not come from the vendor's service.
        if code is None or response.status >= 500 or response.status == 429 or 300 <= response.status < 400:
            raise self._unusable(response, endpoint.path)
        good = code.casefold() in ("true", "1") if by_result else body.integer("Code") in (0, 200)
        if good and response.status < 300:
            return body.value("data")
        raise AccountError(
            endpoint.path,
            code=None if by_result else self.sanitize(code)[:80],
            said=self._words(body, "msg" if by_result else "Message"),
            request_id=self._words(body, "RequestId"),
            http_status=response.status,
            asked=asked,
            ahead=self._ahead(response),
        )

    def _beginning(self, text: str) -> str:
        # An unreadable response may still contain passwords of machines.
        return _MARK.split(self.sanitize(text), maxsplit=1)[0]

    def _words(self, body: Record, name: str) -> str | None:
        return self._said({name: body.value(name)}, name)

    def _ahead(self, response: HttpResponse) -> float | None:
        """Return the seconds by which the clock here is ahead of the vendor's; None if the response has no time."""
        vendor = http_time(response.headers.get("Date", ""))
        return None if vendor is None else self._clock - vendor
