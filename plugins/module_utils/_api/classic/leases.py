# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls for the leases of a key, the shared pool, and the vendor's areas."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from ..areas import Area
from ..exchange import Endpoint, Sending
from ..lease_client import LeaseClient
from ..leases import ISP_NUMBERS, AllocationParams, Lease, Quota
from . import endpoints
from .errors import INVALID_PARAMETER, NO_PERMISSION
from .exchange import ClassicClient
from .models import all_leases_or_none, areas, new_leases, released_addresses, task_leases


class LeaseCalls(LeaseClient, ClassicClient):
    """Read and change leases."""

    product = "classic"

    def check_access(self) -> None:
        """Read the list of leases, whatever it contains; raises CallError if this API does not serve the key."""
        self._call(endpoints.QUERY, {}, lambda _body: None)

    def leases(self, task_ids: Sequence[str] = ()) -> list[Lease] | None:
        """Return the vendor's list of the leases of the key, of these tasks or of all; None if it says nothing."""
        tasks = {"TaskID": ",".join(task_ids)} if task_ids else {}
        return self._listed(endpoints.QUERY, {**tasks, "Detail": "1"}, all_leases_or_none)

    def allocate(
        self, number: int, params: AllocationParams, *, sending: Sending = contextlib.nullcontext
    ) -> list[Lease]:
        """Allocate up to 100 leases; returns them."""
        return self._new_leases(endpoints.ALLOCATE, number, params, sending)

    def replace(
        self, number: int, params: AllocationParams, *, sending: Sending = contextlib.nullcontext
    ) -> list[Lease]:
        """Replace N leases that the vendor chooses; returns the new ones."""
        return self._new_leases(endpoints.REPLACE, number, params, sending)

    def _new_leases(self, endpoint: Endpoint, number: int, params: AllocationParams, sending: Sending) -> list[Lease]:
        found = self._call(endpoint, _lease_parameters(number, params), new_leases, sending)
        return self._without_secrets(found)

    def release(
        self, leases: Sequence[Lease], *, by_task: bool = False, sending: Sending = contextlib.nullcontext
    ) -> list[Lease]:
        """Release leases, specified by their addresses or by their tasks; returns those reported as released.

        If the response reports success without addresses, all are released.
        """
        names = dict.fromkeys(lease.task_id if by_task else lease.ip for lease in leases)
        # The vendor limits the number of addresses in addition to the number of calls.
        limit = endpoints.RELEASED_ADDRESSES.limit(self._channels)
        with self._rate_slot(endpoints.RELEASED_ADDRESSES.name, limit, len(leases)):
            parameters = {"TaskID" if by_task else "IP": ",".join(names)}
            reported = self._call(endpoints.RELEASE, parameters, released_addresses, sending)
        return [lease for lease in leases if reported is None or lease.ip in reported]

    def lease_quota(self) -> Quota | None:
        """Return the quota; None for a plan of leases that has none."""
        return self.quota_or_none(NO_PERMISSION, INVALID_PARAMETER)

    def release_batch(self) -> int:
        """Return how many addresses may be released in one minute."""
        return endpoints.RELEASED_ADDRESSES.limit(self._channels)

    def released_recently(self) -> bool:
        """Whether a channel may be about to become free: this node has released or replaced leases within a minute."""
        names = (endpoints.RELEASED_ADDRESSES.name, endpoints.REPLACE.name)
        return any(self.rate_limiter.called_recently(self.key_digest, name) for name in names)

    def pool(
        self, number: int | None, *, areas: Sequence[str] = (), isp: str | None = None, pool: int | None = None
    ) -> list[Lease]:
        """Return addresses of the shared pool, which take no channel."""
        place = {"AreaId": ",".join(areas) or None, "ISP": ISP_NUMBERS.get(isp or "")}
        parameters = {"Num": number, **place, "Pool": pool, "Detail": 1}
        return self._call(endpoints.EXTRACT, parameters, task_leases)

    def areas(self, isp: str | None = None, available: bool | None = None) -> list[Area]:
        """Return the areas that the vendor offers addresses in."""
        status = None if available is None else int(available)
        parameters = {"Isp": ISP_NUMBERS.get(isp or ""), "Status": status}
        return self._call(endpoints.AREAS, parameters, areas)


def _lease_parameters(number: int, params: AllocationParams) -> dict[str, object]:
    return {
        "Num": number,
        "KeepAlive": params.keep_alive,
        "AreaId": ",".join(params.areas) or None,
        "Isp": ISP_NUMBERS.get(params.isp or ""),
        "Detail": 1,
        "Distinct": 1 if params.distinct else None,
    }
