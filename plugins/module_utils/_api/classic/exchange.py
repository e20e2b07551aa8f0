# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exchanges of the classic proxy API: credentials, GET or POST, and responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._core.errors import CallError
from ..._core.waiting import WaitBudget
from ..._store.facts import CHANNELS
from ..._store.rate_limiter import RateLimiter
from ..exchange import Endpoint, KeyClient, Reader, T
from ..leases import Quota
from ..parsing import ResponseShapeError, as_int, parse_object
from ..responses import ResponseParser
from ..transport import HttpResponse, Transport, encode
from . import endpoints, models
from .errors import RATE_LIMITED, ApiError, StatusError

#: The maximum length of a query that is sent by GET, in characters. The vendor requires POST "when the parameters are
#: too long", without a number; servers commonly accept a request line of 8 kB.
MAX_QUERY = 4000


class PostRejected(CallError):
    """A call was refused that was sent by POST, which the server may not support."""


class ClassicResponseParser(ResponseParser):
    """Reads the responses to the calls of one key."""

    def body(self, response: HttpResponse, endpoint: Endpoint) -> dict[str, Any]:
        """Return the JSON of a success. The body decides whatever the status, since refusals come with 200 or 4xx.

        Raises ApiError or StatusError for a refusal, TransportError for a response that is not the vendor's.
        """
        status = response.status
        try:
            body = parse_object(response.text)
            # A gateway may answer every call with a code, including those that report by status.
            code = 0 if endpoint.by_status and "Code" not in body else as_int(body.get("Code"), "Code")
        except ResponseShapeError:
            raise self.unusable(response, endpoint.name) from None
        refusal, words = ApiError, "Msg"
        if not code and endpoint.by_status and status in (200, 400, 500) and body.get("error") and not body.get("data"):
            refusal, words, code = StatusError, "error", status
        if code:
            raise refusal(
                code,
                endpoint.name,
                effect=endpoint.effect(code),
                vendor_message=self.quoted(body.get(words)),
                http_status=status,
            )
        if status != 200:
            # This includes 2xx statuses such as 206, whose body is incomplete.
            raise self.unusable(response, endpoint.name)
        return body


class ClassicClient(KeyClient):
    """Adds credentials, and POST for long parameters."""

    rate_limited = RATE_LIMITED
    list_path = endpoints.QUERY.path
    _parser: ClassicResponseParser

    def __init__(
        self,
        transport: Transport,
        rate_limiter: RateLimiter,
        budget: WaitBudget,
        *,
        api_url: str,
        key: str,
        password: str | None = None,
    ) -> None:
        super().__init__(transport, rate_limiter, budget, api_url=api_url, key=key)
        self._credentials = {"Key": key, **({"Pwd": password} if password else {})}
        self._parser = ClassicResponseParser(self._credentials.values())
        self._forms = True

    def quota(self) -> Quota:
        """Return the channels of the plan; for a plan by volume, the remaining addresses."""
        quota = self._call(endpoints.QUOTA, {}, models.quota)
        self.host_facts.save(CHANNELS, str(quota.total))
        return quota

    def quota_or_none(self, *refusals: int) -> Quota | None:
        """Return the quota; None if the vendor refuses with one of these codes, as for plans without a quota."""
        try:
            return self.quota()
        except ApiError as error:
            if error.code in refusals:
                return None
            raise

    def _send_once(self, endpoint: Endpoint, parameters: Mapping[str, str], read: Reader[T]) -> T:
        everything = {**self._credentials, **parameters}
        by_form = endpoint.method == "GET" and self._forms and len(encode(everything)) > MAX_QUERY
        method, url = "POST" if by_form else endpoint.method, self._api_url + endpoint.path
        try:
            return self._exchange(
                method, url, everything, endpoint.name, lambda response: read(self._parser.body(response, endpoint))
            )
        except CallError as error:
            if by_form and _refuses_forms(error):
                self._forms = False
                raise PostRejected(error.message, effect=error.effect, **error.details) from None
            raise


def _refuses_forms(error: CallError) -> bool:
    """Whether the POST body may be the reason of a refusal: the server rejected it, or found no parameters in it."""
    if isinstance(error, ApiError):
        return error.code in (-10, -12, -14, -100)
    return not error.retryable and error.details.get("http_status") is not None
