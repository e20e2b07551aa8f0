# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the response parsers of all APIs share: JSON objects, responses that are not the vendor's, quoted text.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .._core.errors import Effect, TransportError
from .._core.redaction import Redactor
from .._core.text import one_line
from .parsing import ResponseShapeError, parse_json
from .transport import HttpResponse, retry_after

#: Statuses of a server that stopped waiting for another: that one may still be at work.
_GATEWAY_TIMEOUT = (408, 502, 504)


class ResponseParser:
    """Reads the responses to the calls of one client. Whatever it quotes is free of ``secrets``."""

    #: What the user calls the address in the options.
    url_option = "api_url"

    def __init__(self, secrets: Collection[str], *, for_one_call: Collection[str] = ()) -> None:
        self.redactor = Redactor(secrets, for_one_call=for_one_call)

    def _said(self, body: Mapping[str, Any], name: str) -> str | None:
        message = body.get(name)
        return (self.sanitize(message)[:200] if isinstance(message, str) else "") or None

    def _unusable(self, answer: HttpResponse, name: str) -> TransportError:
        status, option = answer.status, self.url_option
        effect, retryable = Effect.NOT_SENT, False
        if 300 <= status < 400:
            why = f"a redirect, which is not followed with a key; check {option}"
        elif status == 429:
            why, retryable = "the answer of a server that wants fewer calls", True
        elif status in _GATEWAY_TIMEOUT:
            why, effect, retryable = "the answer of a broken server", Effect.IN_FLIGHT, True
        elif status >= 500:
            why, effect, retryable = "the answer of a broken server", Effect.UNKNOWN, True
        elif status >= 400:
            why = f"a refusal without the vendor's code; check {option}"
        else:
            why, effect, retryable = "an answer that is not the vendor's JSON", Effect.UNKNOWN, True
        excerpt = self._beginning(answer.text)[:120]
        return TransportError(
            f"{name}: HTTP {status}, {why}" + (f' (it begins: "{excerpt}").' if excerpt else "."),
            endpoint=name,
            effect=effect,
            retryable=retryable,
            http_status=status,
            retry_after=retry_after(answer.headers),
        )

    def _beginning(self, text: str) -> str:
        return self.sanitize(text)

    def sanitize(self, text: str) -> str:
        """What a server said, without a secret, whichever way it spells it; nothing where that cannot be made sure."""
        text = self.redactor.text(text)
        return "" if self.redactor.holds_letters(text) else one_line(text)


def parse_object(answer: HttpResponse) -> dict[str, Any]:
    """Return the JSON object of a response; raises ResponseShapeError for anything else."""
    body = parse_json(answer.text)
    if not isinstance(body, dict):
        raise ResponseShapeError("no object")
    return body
