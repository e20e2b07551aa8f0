# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the gate needs to know of leases, and what each product lets its customers do."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from math import inf

from .._api.exchange import Sending
from .._api.lease_client import Leases
from .._api.leases import Lease, NamedArea, Quota, Terms, oldest_first
from .._core.errors import QgError
from .._core.runtime import module_command
from .._core.text import format_sample
from .._paid.holdings import Holdings
from .._paid.journal_reader import LEASES
from .._paid.matching import Traits
from .._paid.paid_api import BUY, DROP, SWAP, Item, PaidApi, Span
from .._paid.reconciling import look_without_lock

#: The maximum number of leases that one call can request (vendor doc 174).
MAX_PER_CALL = 100
#: What a release may name: an address, and a task or none. With anything else, such as ``*``, it
#: might release all.
_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_TASK = re.compile(r"[\w-]+")


class LeaseApi(PaidApi[Lease]):
    """The calls for leases of one client."""

    kind = LEASES
    noun = "lease"
    listing = "the list of leases"
    list_call = "/query"
    max_per_call = MAX_PER_CALL
    rules = "QG.net limits releases, as the documentation of qg_proxy_release describes."
    ignoring = (
        "A plan of the classic API that is billed by volume counts in its quota what was ever "
        "leased, and needs ignore_quota=true. Otherwise, another client of the key may be leasing "
        "right now."
    )

    @property
    def advice(self) -> str:
        command = module_command("qg_proxy_info")
        return f"Check with `{command}` in two minutes, before you run this again."

    def __init__(self, client: Leases) -> None:
        self.client = client
        self.caller = client.caller
        self.product = client.product
        calls = {BUY: client.calls.allocate, SWAP: client.calls.replace, DROP: client.calls.release}
        self.calls = {operation: call.name for operation, call in calls.items() if call}
        #: A lease of longterm may be held after its deadline, from which on it can be released
        #: (vendor doc 1839).
        self.ends_by_itself = client.product != "longterm"

    def read(self) -> dict[str, Lease] | None:
        leases = self.client.leases()
        if leases is None:
            return None
        return _by_name(leases)

    def quota(self) -> Quota | None:
        return self.client.lease_quota()

    def named_areas(self) -> list[NamedArea]:
        return self.client.named_areas()

    def pay(self, operation: str, number: int, terms: Terms, sending: Sending) -> dict[str, Lease]:
        if operation == SWAP:
            return _by_name(self.client.replace(number, terms, sending=sending))
        return _by_name(self.client.allocate(number, terms, sending=sending))

    def release_size(self, number: int) -> int:
        if number > self.client.release_batch():
            # The limit depends on the channels of the plan. Reading the quota stores their number.
            self.quota()
        return self.client.release_batch()

    def check_release(self, going: Collection[Lease], staying: Collection[Lease]) -> None:
        _must_name_tasks(going, staying)

    def drop(
        self, going: Collection[Lease], staying: Collection[Lease], sending: Sending
    ) -> list[str]:
        by_task = _must_name_tasks(going, staying)
        released = self.client.release(oldest_first(going), by_task=by_task, sending=sending)
        return [lease.name for lease in released]

    def label(self, lease: Lease) -> str:
        return lease.ip or lease.server

    def ends(self, lease: Lease) -> float | None:
        if not self.ends_by_itself or lease.expires is None:
            return None
        return lease.expires.timestamp()

    def to_item(self, lease: Lease) -> Item:
        # A deadline that cannot be read may be anything, and decides nothing.
        ends = lease.deadline if lease.expires else None
        data = {
            "task_id": lease.task_id,
            "vendor": dict(lease.vendor),
            "seen_at": self.caller.vendor_clock.now(),
        }
        return Item(ends, data)

    def from_item(self, item: Item) -> Lease:
        return Lease.from_item(item.data["vendor"], item.data["task_id"])

    def span(self, item: Item) -> Span:
        ends = self.ends(self.from_item(item))
        if ends is None:
            return Span()
        life = ends - item.data["seen_at"]
        return Span(ends if life > 0 else None, life)

    def traits(self, lease: Lease, terms: Terms) -> Traits:
        now = self.caller.vendor_clock.now()
        return Traits(
            label=self.label(lease),
            code=lease.area_code,
            place=lease.region,
            isp=lease.isp,
            terms=terms,
            addresses=frozenset({lease.ip, lease.server}),
            remaining=lease.remaining(now) if self.ends_by_itself else inf,
        )


def _by_name(leases: Iterable[Lease]) -> dict[str, Lease]:
    return {lease.name: lease for lease in oldest_first(leases)}


def held_leases(client: Leases) -> list[Lease]:
    """Return the leases that count as held, also those that lists lack, until two have lacked them:
    before, nothing would be bought for them.
    """
    holdings = Holdings(LeaseApi(client), ignore_quota=True)
    look_without_lock(holdings)
    return oldest_first(holdings.held.values())


def _must_name_tasks(going: Collection[Lease], staying: Collection[Lease]) -> bool:
    """Return whether a release has to name tasks, since another lease has the same address.

    Raises QgError if neither addresses nor tasks name these leases alone: a call without a name, or
    with ``*``, might release all.
    """
    nameless = [lease.server for lease in going if not _ADDRESS.fullmatch(lease.ip)]
    if nameless:
        raise QgError(
            f"QG.net's list does not name the exit address of {format_sample(nameless)}, and "
            "leases are released by address. Change the exit in the user center, or wait until the "
            "leases end."
        )
    kept_ips = {lease.ip for lease in staying}
    if kept_ips.isdisjoint(lease.ip for lease in going):
        return False
    kept_tasks = {lease.task_id for lease in staying}
    shared = sorted(lease.ip for lease in going if lease.ip in kept_ips)
    for lease in going:
        if not _TASK.fullmatch(lease.task_id) or lease.task_id in kept_tasks:
            raise QgError(
                f"{format_sample(shared)}: another lease that must stay has the same address, and "
                "no task names these leases alone, so QG.net would release both. Release both, or "
                "wait until one of them ends."
            )
    return True
