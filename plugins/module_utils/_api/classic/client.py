# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of the classic proxy API (``https://proxy.qg.net``), with one method for each call."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from typing import Any

from ..._core.addresses import packed
from ..._core.errors import CallError
from ..._store.facts import FULL
from ..._store.store import after_the_call
from ..areas import Area
from ..exchange import Endpoint, Sending
from ..lease_client import LeaseClient
from ..leases import ISP_NUMBERS, AllocationParams, Lease, Quota
from ..parsing import texts_or_none
from ..transport import encode
from . import endpoints, models
from .errors import INVALID_PARAMETER, NO_PERMISSION, WHITELIST_FULL
from .exchange import MAX_QUERY, ClassicClient, PostRejected
from .models import Monopoly

#: The maximum length of an entry that is not an address, in results.
MAX_ENTRY = 100


class ProxyApi(LeaseClient, ClassicClient):
    """The calls of one key.

    A method raises ApiError if the vendor refuses, TransportError without a usable response, and WaitBudgetExceeded
    if the wait for the rate limit exceeds the budget.
    """

    product = "classic"

    def check_access(self) -> None:
        """Read the list of leases, whatever it contains; raises CallError if this API does not serve the key."""
        self._call(endpoints.QUERY, {}, lambda _body: None)

    def leases(self, task_ids: Sequence[str] = ()) -> list[Lease] | None:
        """Return the vendor's list of the leases of the key, of these tasks or of all; None if it says nothing."""
        tasks = {"TaskID": ",".join(task_ids)} if task_ids else {}
        return self._listed(endpoints.QUERY, {**tasks, "Detail": "1"}, models.all_leases_or_none)

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
        found = self._call(endpoint, _lease_parameters(number, params), models.new_leases, sending)
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
            reported = self._call(endpoints.RELEASE, parameters, lambda body: texts_or_none(body.get("Data")), sending)
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
        return self._call(endpoints.EXTRACT, parameters, models.task_leases)

    def areas(self, isp: str | None = None, available: bool | None = None) -> list[Area]:
        """Return the areas that the vendor offers addresses in."""
        status = None if available is None else int(available)
        parameters = {"Isp": ISP_NUMBERS.get(isp or ""), "Status": status}
        return self._call(endpoints.AREAS, parameters, models.areas)

    def whitelist(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """Return the addresses on the whitelist, and the entries that are not one IPv4 address, for results."""
        entries = self._call(endpoints.WHITELIST_QUERY, {}, models.whitelist_entries)
        if entries is None:
            # Such a response stands for an empty list, but only if it comes again.
            entries = self._call(endpoints.WHITELIST_QUERY, {}, models.whitelist_entries) or []
        # Redacted before it is shortened to the shown length, so that no part of a secret remains.
        strange = (self._parser.sanitize(text[: 10 * MAX_ENTRY])[:MAX_ENTRY] for text in entries if not packed(text))
        return frozenset(filter(packed, entries)), tuple(strange)

    def add(self, ips: Sequence[str]) -> frozenset[str]:
        """Add addresses to the whitelist; returns those that the responses report as added."""
        return self._change_whitelist(endpoints.WHITELIST_ADD, ips)

    def remove(self, ips: Sequence[str]) -> frozenset[str]:
        """Remove addresses from the whitelist; returns those that the responses report as removed."""
        return self._change_whitelist(endpoints.WHITELIST_DEL, ips)

    def _change_whitelist(self, endpoint: Endpoint, ips: Sequence[str]) -> frozenset[str]:
        done: frozenset[str] = frozenset()
        rest = list(ips)
        while rest:
            batch = rest[: self._batch_size(len(rest))]
            try:
                done |= self._call(
                    endpoint, {"IP": ",".join(batch)}, functools.partial(models.whitelist_change, sent=batch)
                )
            except PostRejected:
                # From now on, fewer addresses are sent by GET.
                continue
            except CallError as error:
                if error.details.get("code") == WHITELIST_FULL:
                    with after_the_call():
                        self.facts.save(FULL, str(WHITELIST_FULL))
                raise
            del rest[: len(batch)]
        with after_the_call():
            self.facts.forget(FULL)
        return done

    def _batch_size(self, most: int) -> int:
        """Return how many addresses to send in a call: this many, or fewer if POST cannot be used."""
        if not self._forms:
            # An address has at most 15 characters, and a comma.
            most = min(most, (MAX_QUERY - len(encode(self._credentials)) - len("&IP=")) // 16)
        return max(1, most)

    def monopolies(self, uuids: Sequence[str] = ()) -> list[Monopoly] | None:
        """Return the vendor's list of the exclusive-occupancy resources of the key; None if it says nothing."""
        named = {"UUIDs": ",".join(uuids)} if uuids else {}
        return self._call(endpoints.MONOPOLIES, named, models.monopolies_or_none)

    def idle_monopolies(self) -> list[Any]:
        """Return the vendor's idle stock, as the response contains it."""
        return self._call(endpoints.MONOPOLIES_IDLE, {}, models.idle_stock)

    def apply_for_monopolies(
        self,
        number: int,
        *,
        area_code: str | None = None,
        isp: str | None = None,
        sending: Sending = contextlib.nullcontext,
    ) -> None:
        """Apply for N resources; they appear in the list, and their addresses some time later."""
        parameters = {"Num": number, "AreaCode": area_code, "Operator": ISP_NUMBERS.get(isp or "")}
        self._call(endpoints.MONOPOLIES_APPLY, parameters, lambda _body: None, sending=sending)

    def redial_monopolies(self, uuids: Sequence[str], *, sending: Sending = contextlib.nullcontext) -> None:
        """Request new addresses; the list shows when they are assigned."""
        self._call(endpoints.MONOPOLIES_REDIAL, {"UUIDs": ",".join(uuids)}, lambda _body: None, sending)

    def release_monopolies(
        self, uuids: Sequence[str], *, sending: Sending = contextlib.nullcontext
    ) -> list[str] | None:
        """Release them; returns the names in the response, or None if it is a success without names."""
        parameters = {"UUIDs": ",".join(uuids)}
        names = self._call(
            endpoints.MONOPOLIES_RELEASE, parameters, lambda body: texts_or_none(body.get("data")), sending
        )
        return None if names is None else [uuid for uuid in uuids if uuid in names]


def _lease_parameters(number: int, params: AllocationParams) -> dict[str, object]:
    return {
        "Num": number,
        "KeepAlive": params.keep_alive,
        "AreaId": ",".join(params.areas) or None,
        "Isp": ISP_NUMBERS.get(params.isp or ""),
        "Detail": 1,
        "Distinct": 1 if params.distinct else None,
    }
