# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a response of the classic API to the JSON of a success, or to the error that it stands for.

This file is private to the collection.
"""

from __future__ import annotations

from typing import Any

from ..parsing import ResponseShapeError
from ..responses import ResponseParser, parse_object
from ..transport import HttpResponse
from .endpoints import Endpoint
from .errors import ApiError, StatusError
from .models import as_int


class ClassicResponseParser(ResponseParser):
    """Reads the responses to the calls of one key."""

    def body(self, answer: HttpResponse, endpoint: Endpoint) -> dict[str, Any]:
        """The JSON of a success; the body counts whatever the status, since refusals come with 200 or 4xx.

        Raises ApiError or StatusError for a refusal, TransportError for what is none of the vendor's answers.
        """
        try:
            body = parse_object(answer)
            # The calls that answer by status share the host, and what guards it, with those that do not.
            code = 0 if endpoint.by_status and "Code" not in body else as_int(body.get("Code"), "Code")
        except ResponseShapeError:
            raise self._unusable(answer, endpoint.name) from None
        if code != 0:
            raise ApiError(
                code,
                endpoint.name,
                effect=endpoint.effect(code),
                vendor_message=self._said(body, "Msg"),
                http_status=answer.status,
            )
        if endpoint.by_status and answer.status in (200, 400, 500) and body.get("error") and not body.get("data"):
            raise StatusError(
                answer.status,
                endpoint.name,
                effect=endpoint.effect(answer.status),
                vendor_message=self._said(body, "error"),
                http_status=answer.status,
            )
        if answer.status >= 400:
            raise self._unusable(answer, endpoint.name)
        return body
