# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From an HTTP answer to the JSON of a success, or to the error that says what it was instead.

This file is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from .._core.errors import (
    AccountError,
    ApiError,
    StatusError,
    TransportError,
)
from .._core.redaction import Redactor
from .._core.text import one_line
from .account.endpoints import AccountEndpoint
from .account.models import SECRET_MARKS
from .account.records import Record
from .classic.endpoints import Endpoint
from .classic.models import as_int
from .parsing import ResponseShapeError, http_time, parse_json
from .transport import HttpResponse, retry_after

#: Statuses of a server that stopped waiting for another: that one may still be at work.
_GAVE_UP_WAITING = (408, 502, 504)


class ResponseParser:
    """Reads the answers to the calls of one key. Whatever it quotes is free of ``secrets``."""

    #: What the user calls the address in the options.
    url_option = "api_url"

    def __init__(self, secrets: Collection[str], *, for_one_call: Collection[str] = ()) -> None:
        self.redactor = Redactor(secrets, for_one_call=for_one_call)

    def body(self, answer: HttpResponse, endpoint: Endpoint) -> dict[str, Any]:
        """The JSON of a success; the body counts whatever the status, since refusals come with 200 or 4xx.

        Raises ApiError or StatusError for a refusal, TransportError for what is none of the vendor's answers.
        """
        try:
            body = _object(answer)
            # The calls that answer by status share the host, and what guards it, with those that do not.
            code = 0 if endpoint.by_status and "Code" not in body else as_int(body.get("Code"), "Code")
        except ResponseShapeError:
            raise self._unusable(answer, endpoint.name) from None
        if code != 0:
            raise ApiError(code, endpoint.name, vendor_message=self._said(body, "Msg"), http_status=answer.status)
        if endpoint.by_status and answer.status in (200, 400, 500) and body.get("error") and not body.get("data"):
            raise StatusError(
                answer.status, endpoint.name, vendor_message=self._said(body, "error"), http_status=answer.status
            )
        if answer.status >= 400:
            raise self._unusable(answer, endpoint.name)
        return body

    def _said(self, body: Mapping[str, Any], name: str) -> str | None:
        message = body.get(name)
        return (self.sanitize(message)[:200] if isinstance(message, str) else "") or None

    def _unusable(self, answer: HttpResponse, name: str) -> TransportError:
        status, option = answer.status, self.url_option
        if 300 <= status < 400:
            why, executed, transient = f"a redirect, which is not followed with a key; check {option}", False, False
        elif status == 429:
            why, executed, transient = "the answer of a server that wants fewer calls", False, True
        elif status >= 500 or status in _GAVE_UP_WAITING:
            why, executed, transient = "the answer of a broken server", None, True
        elif status >= 400:
            why, executed, transient = f"a refusal without the vendor's code; check {option}", False, False
        else:
            why, executed, transient = "an answer that is not the vendor's JSON", None, True
        excerpt = self._beginning(answer.text)[:120]
        return TransportError(
            f"{name}: HTTP {status}, {why}" + (f' (it begins: "{excerpt}").' if excerpt else "."),
            endpoint=name,
            executed=executed,
            over=status not in _GAVE_UP_WAITING,
            transient=transient,
            http_status=status,
            retry_after=retry_after(answer.headers),
        )

    def _beginning(self, text: str) -> str:
        return self.sanitize(text)

    def sanitize(self, text: str) -> str:
        """What a server said, without a secret, whichever way it spells it; nothing where that cannot be made sure."""
        text = self.redactor.text(text)
        return "" if self.redactor.holds_letters(text) else one_line(text)


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
            body = Record(_object(answer), "the answer")
            by_result = endpoint.by_result and body.value("Code") is None
            code = body.scalar_text("result") if by_result else body.text("Code")
        except ResponseShapeError:
            raise self._unusable(answer, endpoint.path) from None
        # The JSON of a broken server, or of one that sends elsewhere, is no word of the vendor.
        if code is None or answer.status >= 500 or answer.status == 429 or 300 <= answer.status < 400:
            raise self._unusable(answer, endpoint.path)
        good = code.casefold() in ("true", "1") if by_result else body.integer("Code") in (0, 200)
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

    def _words(self, body: Record, name: str) -> str | None:
        return self._said({name: body.value(name)}, name)

    def _ahead(self, answer: HttpResponse) -> float | None:
        """Seconds by which the clock here is ahead of the vendor's, if its answer tells the time."""
        vendor = http_time(answer.headers.get("Date", ""))
        return None if vendor is None else self._clock - vendor


def _object(answer: HttpResponse) -> dict[str, Any]:
    """The JSON object of an answer; raises ResponseShapeError if it is none."""
    body = parse_json(answer.text)
    if not isinstance(body, dict):
        raise ResponseShapeError("no object")
    return body


#: The name of a key whose value is secret, however the vendor spells it.
_MARK = re.compile("|".join(r"[\W_]*".join(mark) for mark in SECRET_MARKS), re.IGNORECASE)
