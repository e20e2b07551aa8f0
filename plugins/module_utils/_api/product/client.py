# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of the product hosts (``https://share.proxy.qg.net`` and its siblings), with one method for each call."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..._core.errors import QgError
from ..._core.waiting import WaitBudget
from ..._store.facts import CHANNELS
from ..._store.rate_limiter import RateLimiter
from ..areas import Area
from ..exchange import Endpoint, Reader, Sending, T
from ..lease_client import LeaseClient
from ..leases import ISP_NUMBERS, AllocationParams, Lease, Quota
from ..parsing import ResponseShapeError, parse_object
from ..responses import ResponseParser
from ..transport import HttpResponse, Transport
from . import models
from .endpoints import PRODUCTS
from .errors import ACCESS_DENY, INVALID_PARAMETER, REQUEST_LIMIT_EXCEEDED, SUCCESS, ProductError


class ProductResponseParser(ResponseParser):
    """Reads the responses to the calls of one key."""

    def __init__(self, secrets: Collection[str], product: str) -> None:
        super().__init__(secrets)
        self._product = product

    def data(self, response: HttpResponse, endpoint: Endpoint) -> Any:
        """Return the data of a success. The code decides whatever the status, since refusals come with 200 or 400."""
        try:
            body = parse_object(response.text)
        except ResponseShapeError:
            raise self.unusable(response, endpoint.name) from None
        code = body.get("code")
        if not isinstance(code, str) or not code.isascii() or not code.isidentifier():
            raise self.unusable(response, endpoint.name)
        if code != SUCCESS:
            raise ProductError(
                code,
                endpoint.name,
                effect=endpoint.effect(code),
                vendor_message=self.quoted(body.get("message")),
                http_status=response.status,
                request_id=self.quoted(body.get("request_id")),
                product=self._product,
            )
        if response.status != 200:
            raise self.unusable(response, endpoint.name)
        return body.get("data")


class ProductApi(LeaseClient):
    """The calls of one key of one product. A call that the product does not have is None in ``endpoints``."""

    rate_limited = REQUEST_LIMIT_EXCEEDED
    list_path = "/query"
    _parser: ProductResponseParser

    def __init__(
        self,
        transport: Transport,
        rate_limiter: RateLimiter,
        budget: WaitBudget,
        *,
        product: str,
        url: str,
        key: str,
        password: str | None = None,
    ) -> None:
        super().__init__(transport, rate_limiter, budget, api_url=url, key=key)
        self.product = product
        self.endpoints = PRODUCTS[product]
        self._credentials = {"key": key, **({"pwd": password} if password else {})}
        self._parser = ProductResponseParser(self._credentials.values(), product)
        #: Whether this run has found out that the plan is billed by volume, and has no channels.
        self._by_volume = False

    def _send_once(self, endpoint: Endpoint, parameters: Mapping[str, str], read: Reader[T]) -> T:
        return self._exchange(
            endpoint.method,
            self._api_url + endpoint.path,
            {**self._credentials, **parameters},
            endpoint.name,
            lambda response: read(self._parser.data(response, endpoint)),
        )

    def check_access(self) -> None:
        """Read the list of leases, whatever it contains; raises CallError if this API does not serve the key."""
        self._call(self.endpoints.query, {}, lambda _data: None)

    def leases(self) -> list[Lease] | None:
        """Return the vendor's list of the leases of the key; None if it says nothing."""
        return self._listed(self.endpoints.query, {}, models.leases_or_none)

    def allocate(
        self, number: int, params: AllocationParams, *, sending: Sending = contextlib.nullcontext
    ) -> list[Lease]:
        """Allocate up to 100 leases; returns them."""
        parameters = self._lease_parameters(number, params)
        return self._without_secrets(self._call(self.endpoints.allocate, parameters, models.new_leases, sending))

    def replace(
        self, number: int, params: AllocationParams, *, sending: Sending = contextlib.nullcontext
    ) -> list[Lease]:
        """Replace N leases that the vendor chooses; returns the new ones."""
        parameters = self._lease_parameters(number, params)
        endpoint = _offered(self.endpoints.replace)
        return self._without_secrets(self._call(endpoint, parameters, models.new_leases, sending))

    def release(
        self, leases: Sequence[Lease], *, by_task: bool = False, sending: Sending = contextlib.nullcontext
    ) -> list[Lease]:
        """Release leases, specified by their addresses or by their tasks; returns those reported as released.

        The response contains only their number. If that is too low, the result is empty, and the caller must read the
        list.
        """
        names = dict.fromkeys(lease.task_id if by_task else lease.ip for lease in leases)
        if not all(names):
            raise QgError("The vendor's list does not name what would be released, so nothing is.", endpoint="/delete")
        parameters = {"task" if by_task else "ip": ",".join(names)}
        number = self._call(_offered(self.endpoints.release), parameters, models.released, sending)
        return list(leases) if number is None or number >= len(leases) else []

    def _lease_parameters(self, number: int, params: AllocationParams) -> dict[str, object]:
        return {
            "num": number,
            "area": ",".join(params.areas) or None,
            "area_ex": ",".join(params.exclude_areas) or None,
            "isp": ISP_NUMBERS.get(params.isp or ""),
            "distinct": "true" if params.distinct or not self.endpoints.has_tasks else None,
            "keep_alive": params.keep_alive,
            "pool": params.pool,
        }

    def channels(self) -> Quota | None:
        """Return the channels; None for a plan, or a product, that has none."""
        quota = self._read_if_offered(self.endpoints.channels, models.channels)
        if quota is not None:
            self.host_facts.save(CHANNELS, str(quota.total))
        return quota

    def balance(self) -> int | None:
        """Return how many addresses a plan by volume may still extract; None if plan or product has no such limit."""
        return self._read_if_offered(self.endpoints.balance, models.balance)

    def _read_if_offered(self, endpoint: Endpoint | None, read: Reader[T]) -> T | None:
        """Return the data of a call; None if the product does not have it, or the plan does not permit it."""
        if endpoint is None:
            return None
        try:
            return self._call(endpoint, {}, read)
        except ProductError as error:
            if error.code in (ACCESS_DENY, INVALID_PARAMETER):
                return None
            raise

    def lease_quota(self) -> Quota | None:
        """Return the channels, or for a plan by volume the remaining addresses; None if the plan shows neither."""
        quota = self.channels() if not self._by_volume else None
        left = self.balance() if quota is None else None
        if left is None:
            return quota
        self._by_volume = True
        return Quota(left, left, 0, {"balance": left}, balance=left)

    def quota(self) -> Quota:
        """Return the channels or the remaining addresses; raises QgError if the plan shows neither."""
        quota = self.lease_quota()
        if quota is None:
            raise QgError(f"The plan behind this key of product={self.product} shows neither channels nor a balance.")
        return quota

    def released_recently(self) -> bool:
        """Whether a channel may be about to become free: this node has released or replaced leases within a minute."""
        calls = (self.endpoints.release, self.endpoints.replace)
        return any(call and self.rate_limiter.called_recently(self.key_digest, call.name) for call in calls)

    def release_batch(self) -> int:
        """Return how many addresses one call may release: the number of the classic API, since none is documented."""
        return 2 * (self._channels or 1)

    def areas(self) -> list[Area]:
        """Return the areas that the vendor offers addresses in."""
        return self._call(self.endpoints.areas, {}, models.areas)


def _offered(endpoint: Endpoint | None) -> Endpoint:
    if endpoint is None:
        raise AssertionError("the features of the product exclude this call")
    return endpoint
