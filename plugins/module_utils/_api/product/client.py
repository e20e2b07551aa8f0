# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of the product hosts (``https://share.proxy.qg.net`` and its siblings), with one method for each call."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ..._core.errors import QgError
from ..._core.waiting import WaitBudget
from ..._store.directory import StateError
from ..._store.rate_limiter import RateLimiter
from ..areas import Area
from ..exchange import Endpoint, Reader, Sending
from ..lease_client import LeaseClient
from ..leases import ISP_NUMBERS, AllocationParams, Lease, Quota, is_same
from ..parsing import ResponseShapeError
from ..responses import ResponseParser, parse_object
from ..retry import T
from ..transport import HttpResponse, Transport
from . import models
from .endpoints import PRODUCTS
from .errors import ACCESS_DENY, INVALID_PARAMETER, REQUEST_LIMIT_EXCEEDED, SUCCESS, ProductError
from .naming import Names, indistinct_names


class ProductResponseParser(ResponseParser):
    """Reads the responses to the calls of one key."""

    url_option = "product_url"

    def data(self, response: HttpResponse, endpoint: Endpoint) -> Any:
        """Return the data of a success. The code decides whatever the status, since refusals come with 200 or 400."""
        try:
            body = parse_object(response)
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
        pwd: str | None = None,
    ) -> None:
        super().__init__(transport, rate_limiter, budget, api_url=url, key=key)
        self.product = product
        self.endpoints = PRODUCTS[product]
        self._credentials = {"key": key, **({"pwd": pwd} if pwd else {})}
        self._parser = ProductResponseParser(self._credentials.values())
        self._names = Names()
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

    def leases(self, *, doubted: Collection[str] = ()) -> list[Lease]:
        """Return the leases of the key: the vendor's list, with reported changes that it does not show yet.

        For ``doubted`` leases (names), a reported release is ignored, and only the list counts.
        """
        listed = self._names.with_known_names(self._listed(self.endpoints.query, {}, models.leases_or_none))
        found = self._with_reported_changes(listed, lambda _task: True, self._names.with_listed_names(doubted))
        # A lease that was reported to an earlier process may have another name in the list, which replaces the first.
        names = {lease.name for lease in listed}
        shown = [lease for lease in found if lease.name in names]
        renamed = {
            lease.name for lease in found if lease.name not in names and any(is_same(lease, one) for one in shown)
        }
        if renamed:
            self._reported_leases.forget(renamed)
        found = [lease for lease in found if lease.name not in renamed]
        self._names.keep(found)
        return found

    def report_released(self, names: Collection[str]) -> None:
        """Record leases as released, by each of their names."""
        super().report_released(self._names.with_listed_names(names))

    def forget_leases(self, names: Collection[str]) -> None:
        """Delete the reported changes of these leases, by each of their names."""
        super().forget_leases(self._names.with_listed_names(names))

    def _report_new(self, leases: Iterable[Lease]) -> list[Lease]:
        new = super()._report_new(leases)
        self._names.keep(new)
        with contextlib.suppress(StateError):
            # Otherwise the reported release of an earlier lease of the same server would hide the new one.
            self._reported_leases.forget(
                [name for lease in new for name in indistinct_names(lease) if name != lease.name]
            )
        return new

    def _report_gone(self, released: list[Lease]) -> list[Lease]:
        with contextlib.suppress(StateError):
            self.report_released([lease.name for lease in released])
        return released

    def allocate(
        self, number: int, params: AllocationParams, *, sending: Sending = contextlib.nullcontext
    ) -> list[Lease]:
        """Allocate up to 100 leases; returns them."""
        parameters = self._lease_parameters(number, params)
        return self._report_new(self._call(self.endpoints.allocate, parameters, models.new_leases, sending))

    def replace(
        self, number: int, params: AllocationParams, *, sending: Sending = contextlib.nullcontext
    ) -> list[Lease]:
        """Replace N leases that the vendor chooses; returns the new ones."""
        parameters = self._lease_parameters(number, params)
        return self._report_new(self._call(_offered(self.endpoints.replace), parameters, models.new_leases, sending))

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
        return self._report_gone(list(leases) if number is None or number >= len(leases) else [])

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
            self.rate_limiter.save_channels(self.key_digest, quota.total)
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

    def quota_or_none(self) -> Quota | None:
        """Return the channels, or for a plan by volume the remaining addresses; None if the plan shows neither."""
        quota = self.channels() if not self._by_volume else None
        left = self.balance() if quota is None else None
        if left is None:
            return quota
        self._by_volume = True
        return Quota(left, left, 0, {"balance": left}, balance=left)

    def quota(self) -> Quota:
        """Return the channels or the remaining addresses; raises QgError if the plan shows neither."""
        quota = self.quota_or_none()
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
