# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Floor 2: from an HTTP answer to the JSON of a success, or to the error that says what it was instead.

This file is private to the collection.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import unquote

from ansible_collections.qingguo.qgnet.plugins.module_utils._endpoints import Endpoint
from ansible_collections.qingguo.qgnet.plugins.module_utils._errors import ApiError, ExchangeError, StatusError
from ansible_collections.qingguo.qgnet.plugins.module_utils._http import Answer, retry_after
from ansible_collections.qingguo.qgnet.plugins.module_utils._models import ShapeError, as_int, one_line

#: Statuses of a server that stopped waiting for another: that one may still be at work.
_GAVE_UP_WAITING = (408, 502, 504)


class Listener:
    """Reads the answers to the calls of one key. Whatever it quotes is free of ``secrets``."""

    def __init__(self, secrets: Collection[str]) -> None:
        self._secrets = tuple(secrets)

    def body(self, answer: Answer, endpoint: Endpoint) -> dict[str, Any]:
        """The JSON of a success; the body counts whatever the status, since refusals come with 200 or 4xx.

        Raises ApiError or StatusError for a refusal, ExchangeError for what is none of the vendor's answers.
        """
        try:
            body = json.loads(answer.text)
            if not isinstance(body, dict):
                raise ShapeError("no object")
            # The calls that answer by status share the host, and what guards it, with those that do not.
            code = 0 if endpoint.by_status and "Code" not in body else as_int(body.get("Code"), "Code")
        except (ValueError, RecursionError):
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

    def _said(self, body: dict[str, Any], name: str) -> str | None:
        message = body.get(name)
        return (self.harmless(message)[:200] if isinstance(message, str) else "") or None

    def _unusable(self, answer: Answer, name: str) -> ExchangeError:
        status = answer.status
        if 300 <= status < 400:
            why, executed, transient = "a redirect, which is not followed with a key; check api_url", False, False
        elif status == 429:
            why, executed, transient = "the answer of a server that wants fewer calls", False, True
        elif status >= 500 or status in _GAVE_UP_WAITING:
            why, executed, transient = "the answer of a broken server", None, True
        elif status >= 400:
            why, executed, transient = "a refusal without the vendor's code; check api_url", False, False
        else:
            why, executed, transient = "an answer that is not the vendor's JSON", None, True
        excerpt = self.harmless(answer.text)[:120]
        return ExchangeError(
            f"{name}: HTTP {status}, {why}" + (f' (it begins: "{excerpt}").' if excerpt else "."),
            endpoint=name,
            executed=executed,
            over=status not in _GAVE_UP_WAITING,
            transient=transient,
            http_status=status,
            retry_after=retry_after(answer.headers),
        )

    def harmless(self, text: str) -> str:
        """What a server said, without a secret, whichever way it spells it; nothing where that cannot be made sure."""
        for undo in _SPELLINGS:
            text = undo(text)
            for secret in self._secrets:
                for spelling in (secret, secret.replace(" ", "+")):
                    text = text.replace(spelling, "********")
        plain = _letters(text)
        if any(_letters(secret) in plain for secret in self._secrets):
            return ""
        return one_line(text)


def _without_escapes(text: str) -> str:
    return re.sub(r"\\u([0-9a-fA-F]{4})|\\(.)", lambda match: match[2] or chr(int(match[1], 16)), text)


#: The spellings in which a server may repeat what it was sent, undone one after the other: plain, URL, HTML, JSON.
_SPELLINGS: tuple[Callable[[str], str], ...] = (str, unquote, html.unescape, _without_escapes)


def _letters(text: str) -> str:
    """Letters and digits alone: what most other spellings leave as it is."""
    return "".join(filter(str.isalnum, text)).casefold()
