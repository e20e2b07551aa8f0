# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of the response parsers: JSON objects, responses that are not the vendor's, and quoted text.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .._core.errors import Effect, TransportError
from .._core.redaction import Redactor
from .._core.text import one_line
from .parsing import ResponseShapeError, parse_json
from .transport import HttpResponse, retry_after

#: Statuses of a server that stopped waiting for another one, which may still carry out the call.
_GATEWAY_TIMEOUT = (408, 502, 504)


class ResponseParser:
    """Parses the responses to the calls of one client. Quoted text contains none of the ``secrets``."""

    #: What the user calls the address in the options.
    url_option = "api_url"

    def __init__(self, secrets: Collection[str], *, for_one_call: Collection[str] = ()) -> None:
        self.redactor = Redactor(secrets, for_one_call=for_one_call)

    def quoted(self, message: object) -> str | None:
        """Return the vendor's words for a message, without secrets; None for anything but text."""
        return (self.sanitize(message)[:200] if isinstance(message, str) else "") or None

    def unusable(self, response: HttpResponse, name: str) -> TransportError:
        """Return the error for a response that does not come from the vendor's service, or not from this call."""
        status, option = response.status, self.url_option
        effect, retryable = Effect.NOT_SENT, False
        if 300 <= status < 400:
            why = f"a redirect, which is not followed with a key; check {option}"
        elif status == 429:
            why, retryable = "the server asks for fewer calls", True
        elif status in _GATEWAY_TIMEOUT:
            why, effect, retryable = "a server error", Effect.IN_FLIGHT, True
        elif status >= 500:
            why, effect, retryable = "a server error", Effect.UNKNOWN, True
        elif status >= 400:
            why = f"a refusal without the vendor's code; check {option}"
        elif status != 200:
            why, effect, retryable = "a success that may be incomplete", Effect.UNKNOWN, True
        else:
            why, effect, retryable = "a response that is not the vendor's JSON", Effect.UNKNOWN, True
        excerpt = self.excerpt(response.text)[:120]
        return TransportError(
            f"{name}: HTTP {status}, {why}" + (f' (it begins: "{excerpt}").' if excerpt else "."),
            endpoint=name,
            effect=effect,
            retryable=retryable,
            http_status=status,
            retry_after=retry_after(response.headers),
        )

    def excerpt(self, text: str) -> str:
        """Return the part of an unusable response that a message may quote from its beginning."""
        return self.sanitize(text)

    def sanitize(self, text: str) -> str:
        """Return the text of a server without secrets in any spelling; nothing if that cannot be guaranteed."""
        text = self.redactor.text(text)
        return "" if self.redactor.holds_letters(text) else one_line(text)


def parse_object(response: HttpResponse) -> dict[str, Any]:
    """Return the JSON object of a response; raises ResponseShapeError for anything else."""
    body = parse_json(response.text)
    if not isinstance(body, dict):
        raise ResponseShapeError("no object")
    return body
