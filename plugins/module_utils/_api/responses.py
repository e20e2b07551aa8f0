# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of the response parsers: JSON objects, unusable responses, and quotations without secrets."""

from __future__ import annotations

from collections.abc import Collection

from .._core.errors import Effect, Kind, TransportError
from .._core.text import sentence
from .transport import HttpResponse, retry_after

#: Statuses of a gateway that stopped waiting for a server, which may still carry out the call. Content delivery
#: networks send 520 to 524, some proxies 598 and 599.
_GATEWAY_TIMEOUT = frozenset((408, 502, 504, 520, 522, 524, 598, 599))


def effect_of_status(status: int) -> Effect:
    """Return the effect of a call whose response has this status, and neither a code nor data of the vendor.

    Such a response comes from a gateway, which may send any status before or after the service carried out the call.
    Only a refusal of the vendor proves that a call had no effect, see :meth:`.exchange.Endpoint.effect`.
    """
    return Effect.IN_FLIGHT if status in _GATEWAY_TIMEOUT else Effect.UNKNOWN


class ResponseParser:
    """Parses the responses to the calls of one client. Quoted text contains none of the ``secrets``."""

    #: The option with the address of the API, for messages.
    url_option = "api_url"

    def __init__(self, secrets: Collection[str]) -> None:
        self.secrets = secrets

    def quoted(self, message: object) -> str | None:
        """Return a text of the vendor for a message, without secrets; None for other values and empty text."""
        return (self.sanitize(message)[:200] if isinstance(message, str) else "") or None

    def unusable(self, response: HttpResponse, name: str) -> TransportError:
        """Return the error for a response that does not come from the vendor's service, or not from this call."""
        status, option = response.status, self.url_option
        retryable = True
        if 300 <= status < 400:
            why, retryable = f"a redirect, which is not followed with a key; check {option}", False
        elif status == 429:
            why = "the server asks for fewer calls"
        elif status >= 500 or status in _GATEWAY_TIMEOUT:
            why = "a server error"
        elif status >= 400:
            why, retryable = f"a refusal without the vendor's code; check {option}", False
        elif status != 200:
            why = "a success that may be incomplete"
        else:
            why = "a response that is not the vendor's JSON"
        excerpt = self.excerpt(response.text)[:120]
        return TransportError(
            f"{name}: HTTP {status}, {why}" + (f' (it begins: "{excerpt}").' if excerpt else "."),
            endpoint=name,
            effect=effect_of_status(status),
            kind=Kind.RATE if status == 429 else None,
            retryable=retryable,
            http_status=status,
            retry_after=retry_after(response.headers),
        )

    def excerpt(self, text: str) -> str:
        """Return the beginning of an unusable response, as far as a message may quote it."""
        return self.sanitize(text)

    def sanitize(self, text: str) -> str:
        """Return the text of a server without secrets; empty if that cannot be guaranteed."""
        return sentence(text, self.secrets)
