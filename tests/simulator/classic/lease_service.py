# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Giving leases and taking them back."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from itertools import count

from ..clock import Clock
from ..proxies.exit_addresses import Addresses
from ..proxies.ports import Doors, NoDoors
from . import codes
from .codes import Refusal
from .keys import Account
from .leases import Lease
from .plans import Area

LETTERS = string.ascii_letters + string.digits
GATEWAY = "203.0.113.254"
"""Where the enterprise pool's addresses are reached."""


class Lessor:
    def __init__(self, clock: Clock, seed: int | None = None) -> None:
        self.clock = clock
        self.addresses = Addresses()
        self._numbers_only = NoDoors()
        self.doors: Doors = self._numbers_only
        self._seed = seed
        self._numbers = count(1)
        self.random = random.Random(seed)

    def reset(self) -> None:
        self.addresses.reset()
        self._numbers = count(1)
        self.random = random.Random(self._seed)

    def task_id(self) -> str:
        return "".join(self.random.choices(LETTERS, k=16))

    def uuid(self, area: Area) -> str:
        number = next(self._numbers)
        return f"sim{area.area_id}_{area.isp}-{number}:ppp{number + 9}"

    def lease(self, account: Account, address: str, area: Area, task_id: str, ends: float) -> Lease:
        """Open one lease. The caller writes it into the books."""
        lease = Lease(address, area, task_id, self.clock.now(), ends)
        doors = self.doors if account.options.lease_proxies else self._numbers_only
        try:
            lease.port = doors.open(account.key, lease)
        except OSError:
            raise Refusal(codes.ALLOCATION_FAILED) from None
        lease.host = f"{self._host(account, lease)}:{lease.port}"
        self.addresses.take(address)
        area.available -= 1
        return lease

    def _host(self, account: Account, lease: Lease) -> str:
        if account.options.lease_host == "loopback":
            return self.doors.host
        return GATEWAY if account.plan.enterprise_pool else lease.ip

    def end(self, leases: Sequence[Lease]) -> None:
        """Close leases. The caller takes them out of the books."""
        for lease in leases:
            lease.live = False
            self.doors.close(lease)
            self.addresses.free(lease.ip)
            lease.area.available += 1

    def release(self, account: Account, leases: Sequence[Lease], delay: float = 0) -> None:
        """End leases before their time; their channels become free after a delay."""
        self.end(leases)
        gone = set(leases)
        account.books.leases = [lease for lease in account.books.leases if lease not in gone]
        if delay and not account.plan.by_volume:
            account.books.freeing += [self.clock.now() + delay] * len(leases)

    def settle(self, account: Account) -> None:
        """Bring the books up to the present."""
        now, books = self.clock.now(), account.books
        for held in (books.leases, books.pool):
            over = [lease for lease in held if lease.ends <= now]
            if over:
                self.end(over)
                held[:] = [lease for lease in held if lease.live]
        if books.freeing:
            books.freeing = [moment for moment in books.freeing if moment > now]
