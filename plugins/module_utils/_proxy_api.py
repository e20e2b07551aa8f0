# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Floor 2: the classic proxy API (``https://proxy.qg.net``), a method per call of the vendor.

This file is private to the collection.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote

from ansible_collections.qingguo.qgnet.plugins.module_utils._errors import (
    RATE_LIMITED,
    UNKNOWN,
    ApiError,
    ExchangeError,
    QgError,
    WaitTooLong,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._http import Answer, Transport, encode, retry_after
from ansible_collections.qingguo.qgnet.plugins.module_utils._models import (
    Quota,
    ShapeError,
    addresses,
    as_int,
    one_line,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._pacing import Budget, Pacer, backoff

T = TypeVar("T")
#: How an answer's JSON becomes what the caller gets; raises ShapeError.
Reader = Callable[[dict[str, Any]], T]

#: Longest query, in characters, that is sent by GET. The vendor wants POST "when the parameters are too long"
#: without a figure; servers commonly take a request line of 8 kB.
LONGEST_QUERY = 4000
#: Tries of one call, waits for a turn not counted.
MOST_TRIES = 6


@dataclass(frozen=True)
class Endpoint:
    """What the vendor documents of one call.

    ``per_minute`` is its limit per key; ``repeatable`` says whether a call whose answer was lost may simply be sent
    again. Where it may not, the caller has to look first at what was done.
    """

    path: str
    per_minute: int
    repeatable: bool
    doc: int


WHITELIST_QUERY = Endpoint("/whitelist/query", 60, repeatable=True, doc=180)
WHITELIST_ADD = Endpoint("/whitelist/add", 20, repeatable=False, doc=178)
WHITELIST_DEL = Endpoint("/whitelist/del", 20, repeatable=False, doc=179)
QUOTA = Endpoint("/info/quota", 60, repeatable=True, doc=181)


class FormRefused(QgError):
    """The call was sent by POST and refused, though the same key was served by GET before."""


class ProxyApi:
    """The calls of one key. ``calls`` and ``retries`` count what was sent; ``budget.waited`` what was waited."""

    def __init__(
        self, transport: Transport, pacer: Pacer, budget: Budget, *, api_url: str, key: str, pwd: str | None = None
    ) -> None:
        self.budget = budget
        self.calls = 0
        self.retries = 0
        self._transport = transport
        self._pacer = pacer
        self._api_url = api_url.rstrip("/")
        self._credentials = {"Key": key, **({"Pwd": pwd} if pwd else {})}
        self._pacing_key = pacer.state.digest("pacing", self._api_url, key)
        self._forms = True

    def whitelist(self) -> list[str]:
        """All addresses on the key's whitelist, as the vendor writes them and in its order."""
        return self._call(WHITELIST_QUERY, {}, addresses)

    def quota(self) -> Quota:
        """The plan's channels."""
        return self._call(QUOTA, {}, Quota.from_answer)

    def add(self, ips: Sequence[str]) -> list[str]:
        """Put addresses on the whitelist; the answer names those that the vendor says it added."""
        return self._call(WHITELIST_ADD, {"IP": ",".join(ips)}, addresses)

    def remove(self, ips: Sequence[str]) -> list[str]:
        """Take addresses off the whitelist; the answer names those that the vendor says it removed."""
        return self._call(WHITELIST_DEL, {"IP": ",".join(ips)}, addresses)

    def batches(self, ips: Sequence[str], most: int | None = None) -> list[list[str]]:
        """Split addresses into the fewest calls: one (by POST if it is long), or as many as fit a query each."""
        size = len(ips)
        if not self._forms:
            credentials = len(encode(self._credentials))
            # An address has at most 15 characters, and a comma.
            size = max(1, (LONGEST_QUERY - credentials - len("&IP=")) // 16)
        size = max(1, min(size, most or size))
        return [list(ips[start : start + size]) for start in range(0, len(ips), size)]

    def report(self) -> dict[str, Any]:
        """What the run cost: vendor calls, how many of them were retries, and seconds waited."""
        return {"calls": self.calls, "retries": self.retries, "waited_seconds": round(self.budget.waited, 1)}

    def _call(self, endpoint: Endpoint, parameters: Mapping[str, str], read: Reader[T]) -> T:
        """Send until there is an answer to read, or a reason to stop. The last error is the one that is raised."""
        tries = 0
        while True:
            try:
                return self._in_turn(endpoint, parameters, read)
            except (ApiError, ExchangeError) as problem:
                tries += 1
                if tries >= MOST_TRIES or not _may_be_sent_again(problem, endpoint):
                    raise
                try:
                    self._rest(problem, tries, endpoint)
                except WaitTooLong:
                    raise problem from None
            self.retries += 1

    def _in_turn(self, endpoint: Endpoint, parameters: Mapping[str, str], read: Reader[T]) -> T:
        """One call, when the vendor's limit allows it."""
        place = self._pacer.take_place(
            self._pacing_key, endpoint.path, endpoint.per_minute, self._transport.timeout, self.budget
        )
        try:
            return self._once(endpoint, parameters, read)
        finally:
            self._pacer.answered(place)

    def _rest(self, problem: ApiError | ExchangeError, tries: int, endpoint: Endpoint) -> None:
        """Wait as long as the failure asks for; after a refusal for the rate, all who share the key do."""
        wanted = problem.retry_after if isinstance(problem, ExchangeError) else None
        if problem.details.get("code") == RATE_LIMITED or problem.details.get("http_status") == 429:
            self._pacer.refused(self._pacing_key, endpoint.path, wanted)
        else:
            self.budget.wait(backoff(tries - 1, wanted), "the last try failed", endpoint.path)

    def _once(self, endpoint: Endpoint, parameters: Mapping[str, str], read: Reader[T]) -> T:
        everything = {**self._credentials, **parameters}
        by_form = self._forms and len(encode(everything)) > LONGEST_QUERY
        send = self._transport.post if by_form else self._transport.get
        self.calls += 1
        try:
            answer = send(self._api_url + endpoint.path, everything, endpoint.path)
            body = self._body(answer, endpoint.path)
            try:
                return read(body)
            except ShapeError as problem:
                raise ExchangeError(
                    f"{endpoint.path}: the answer cannot be read: {problem}.", endpoint=endpoint.path, executed=None
                ) from None
        except (ApiError, ExchangeError) as problem:
            if by_form and _refuses_forms(problem):
                self._forms = False
                raise FormRefused(problem.message, **problem.details) from None
            raise

    def _body(self, answer: Answer, path: str) -> dict[str, Any]:
        """The JSON of a success. The body counts whatever the status: refusals may come with 200 or 4xx."""
        try:
            body = json.loads(answer.text)
            if not isinstance(body, dict):
                raise ShapeError("no object")
            code = as_int(body.get("Code"), "Code")
        except (ValueError, RecursionError):
            raise self._unusable(answer, path) from None
        if code != 0:
            message = body.get("Msg")
            said = self._harmless(message)[:200] if isinstance(message, str) else ""
            raise ApiError(code, path, vendor_message=said or None, http_status=answer.status)
        if answer.status >= 400:
            raise self._unusable(answer, path)
        return body

    def _unusable(self, answer: Answer, path: str) -> ExchangeError:
        status = answer.status
        if 300 <= status < 400:
            why, executed, transient = "a redirect, which is not followed with a key; check api_url", False, False
        elif status == 429:
            why, executed, transient = "the answer of a server that wants fewer calls", False, True
        elif status >= 500:
            why, executed, transient = "the answer of a broken server", None, True
        elif status >= 400:
            why, executed, transient = "a refusal without the vendor's code; check api_url", False, False
        else:
            why, executed, transient = "an answer that is not the vendor's JSON", None, True
        excerpt = self._harmless(answer.text)[:120]
        return ExchangeError(
            f"{path}: HTTP {status}, {why}" + (f' (it begins: "{excerpt}").' if excerpt else "."),
            endpoint=path,
            executed=executed,
            transient=transient,
            http_status=status,
            retry_after=retry_after(answer.headers),
        )

    def _harmless(self, text: str) -> str:
        """What a server said, without a secret, whichever way it spells it; nothing where that cannot be made sure."""
        for undo in _SPELLINGS:
            text = undo(text)
            for secret in self._credentials.values():
                for spelling in (secret, secret.replace(" ", "+")):
                    text = text.replace(spelling, "********")
        plain = _letters(text)
        if any(_letters(secret) in plain for secret in self._credentials.values()):
            return ""
        return one_line(text)


def _without_escapes(text: str) -> str:
    return re.sub(r"\\u([0-9a-fA-F]{4})|\\(.)", lambda match: match[2] or chr(int(match[1], 16)), text)


#: The spellings in which a server may repeat what it was sent, undone one after the other: plain, URL, HTML, JSON.
_SPELLINGS: tuple[Callable[[str], str], ...] = (str, unquote, html.unescape, _without_escapes)


def _letters(text: str) -> str:
    """Letters and digits alone: what most other spellings leave as it is."""
    return "".join(filter(str.isalnum, text)).casefold()


def _may_be_sent_again(problem: ApiError | ExchangeError, endpoint: Endpoint) -> bool:
    """Whether the same call may follow: it surely was not carried out, or doing it twice is no different from once."""
    if isinstance(problem, ApiError):
        return problem.code == RATE_LIMITED or (problem.code == UNKNOWN and endpoint.repeatable)
    return problem.transient and (problem.executed is False or endpoint.repeatable)


def _refuses_forms(problem: ApiError | ExchangeError) -> bool:
    """Whether a refusal may be due to the form: not understood at all, or read as a call without parameters."""
    if isinstance(problem, ApiError):
        return problem.code in (-10, -12, -14, -100)
    return problem.executed is False and not problem.transient and problem.http_status is not None
