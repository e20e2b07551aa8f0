# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a response of the account API to the data of a success, or to the error that it stands for.

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
from .records import Item

#: The name of a key whose value is secret, however the vendor spells it.
_MARK = re.compile("|".join(r"[\W_]*".join(mark) for mark in SECRET_MARKS), re.IGNORECASE)


class AccountResponseParser(ResponseParser):
    """Reads the answers of the account API. ``clock`` is the time that the call was signed with."""

    url_option = "account_url"

    def __init__(self, secrets: Collection[str], clock: float, *, for_one_call: Collection[str] = ()) -> None:
        super().__init__(secrets, for_one_call=for_one_call)
        self._clock = clock

    def data(self, answer: HttpResponse, endpoint: AccountEndpoint, asked: str) -> Any:
        """What a success carries; ``asked`` says in words what the call was about.

        Raises AccountError for a refusal: anything but the codes 0 and 200, or, of a call by result, a result that is
        not true; a code there is taken for one. The vendor's table of codes (doc 251) is not public, so what it says is
        all that there is.
        """
        try:
            body = Item(parse_object(answer), "the answer")
            by_result = endpoint.by_result and body.value("Code") is None
            code = body.word("result") if by_result else body.text("Code")
        except ResponseShapeError:
            raise self._unusable(answer, endpoint.path) from None
        # The JSON of a broken server, or of one that sends elsewhere, is no word of the vendor.
        if code is None or answer.status >= 500 or answer.status == 429 or 300 <= answer.status < 400:
            raise self._unusable(answer, endpoint.path)
        good = code.casefold() in ("true", "1") if by_result else body.whole("Code") in (0, 200)
        if good and answer.status < 300:
            return body.value("data")
        raise AccountError(
            endpoint.path,
            code=None if by_result else self.sanitize(code)[:80],
            said=self._words(body, "msg" if by_result else "Message"),
            request_id=self._words(body, "RequestId"),
            http_status=answer.status,
            asked=asked,
            ahead=self._ahead(answer),
        )

    def _beginning(self, text: str) -> str:
        # What cannot be read may all the same hold the passwords of machines.
        return _MARK.split(self.sanitize(text), maxsplit=1)[0]

    def _words(self, body: Item, name: str) -> str | None:
        return self._said({name: body.value(name)}, name)

    def _ahead(self, answer: HttpResponse) -> float | None:
        """Seconds by which the clock here is ahead of the vendor's, if its answer tells the time."""
        vendor = http_time(answer.headers.get("Date", ""))
        return None if vendor is None else self._clock - vendor
