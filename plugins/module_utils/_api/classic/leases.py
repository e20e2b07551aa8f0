# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls for the leases of a key, the shared pool, and the vendor's areas."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence

from ..areas import Area
from ..exchange import Sending
from ..lease_client import LeaseClient
from ..leases import ISP_NUMBERS, AllocationParams, Lease, Quota
from . import endpoints
from .errors import INVALID_PARAMETER, NO_PERMISSION
from .exchange import ClassicClient
from .models import all_leases_or_none, areas, new_leases, released_addresses, task_leases


class LeaseCalls(LeaseClient, ClassicClient):
    """Read and change leases."""

    def leases(self, task_ids: Sequence[str] = (), *, doubted: Collection[str] = ()) -> list[Lease]:
        """Return the leases of the key, of these tasks or of all: the vendor's list, with changes that it lacks yet.

        For ``doubted`` leases (names), a reported release is ignored, and only the list counts.
        """
        tasks = {"TaskID": ",".join(task_ids)} if task_ids else {}
        parameters = {**tasks, "Detail": "1"}
        listed = self._listed(endpoints.QUERY, parameters, all_leases_or_none)
        return self._with_reported_changes(listed, lambda task: not task_ids or task in task_ids, doubted)

    def allocate(
        self, number: int, params: AllocationParams, *, sending: Sending = contextlib.nullcontext
    ) -> list[Lease]:
        """Allocate up to 100 leases; returns them."""
        return self._report_new(self._call(endpoints.ALLOCATE, _lease_parameters(number, params), new_leases, sending))

    def replace(
        self, number: int, params: AllocationParams, *, sending: Sending = contextlib.nullcontext
    ) -> list[Lease]:
        """Replace N leases that the vendor chooses; returns the new ones."""
        return self._report_new(self._call(endpoints.REPLACE, _lease_parameters(number, params), new_leases, sending))

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
        released = [lease for lease in leases if reported is None or lease.ip in reported]
        return self._report_gone(released)

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
