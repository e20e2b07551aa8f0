# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens and closes leases."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..clock import Clock
from ..exchange import Refusal
from ..proxies.exit_addresses import LOOPBACK, ExitAddressPool
from ..proxies.ports import UnboundPorts
from .leases import Lease
from .plans import OVERSEAS, Area

if TYPE_CHECKING:
    from ..proxies.forwarding import ForwardProxies
    from .key import ProxyKey

TASK_ID_CHARACTERS = string.ascii_letters + string.digits
GATEWAY = "203.0.113.254"
"""Host of the leases of an enterprise pool and of the overseas product."""


def _has_gateway(key: ProxyKey) -> bool:
    plan = key.plan
    return plan.enterprise_pool or plan.forwarding or plan.kind == OVERSEAS


class LeaseService:
    def __init__(self, clock: Clock, seed: int | None = None) -> None:
        self.clock = clock
        self._documentation = ExitAddressPool()
        self._loopback = ExitAddressPool(LOOPBACK)
        self._unbound_ports = UnboundPorts()
        self.ports: ForwardProxies | UnboundPorts = self._unbound_ports
        self._seed = seed
        self.monopolies = 0
        """How many were ever applied for."""
        self.random = random.Random(seed)

    def reset(self) -> None:
        self._documentation.reset()
        self._loopback.reset()
        self.monopolies = 0
        self.random = random.Random(self._seed)

    def freed(self) -> list[str]:
        """Return the exit addresses that leases have had, the latest of each pool at its end."""
        return [*self._documentation.freed, *self._loopback.freed]

    def restore(self, freed: Sequence[str]) -> None:
        """Take these addresses for used; the leases of now are to be opened afterwards."""
        for address in freed:
            self._pool_of(address).take(address)
            self._pool_of(address).free(address)

    def exit_addresses(self, key: ProxyKey) -> ExitAddressPool:
        """Return the addresses through which new leases of a key leave.

        A lease that listens has an address of loopback, so that a program reaches it by ``IP`` and
        ``port``, unless it is reached by another host than its ``IP`` anyway.
        """
        if self.ports.has_loopback and key.options.lease_proxies and not _has_gateway(key):
            return self._loopback
        return self._documentation

    def _pool_of(self, address: str) -> ExitAddressPool:
        if address in self._loopback:
            return self._loopback
        return self._documentation

    def create_task_id(self) -> str:
        return "".join(self.random.choices(TASK_ID_CHARACTERS, k=16))

    def create_uuid(self, area: Area) -> str:
        self.monopolies += 1
        return f"sim{area.area_id}_{area.isp}-{self.monopolies}:ppp{self.monopolies + 9}"

    def open(self, key: ProxyKey, address: str, area: Area, task_id: str, ends: float) -> Lease:
        """Open one lease. The caller adds it to the holdings of the key."""
        lease = Lease(address, area, task_id, self.clock.now(), ends)
        self.listen(key, lease)
        area.available -= 1
        return lease

    def listen(self, key: ProxyKey, lease: Lease) -> None:
        """Let a lease listen, on its port if it has one already."""
        ports = self.ports
        if not key.options.lease_proxies:
            ports = self._unbound_ports
        try:
            lease.port = ports.open(key.key, lease)
        except OSError:
            raise Refusal("failed") from None
        lease.host = f"{self._host(key, lease)}:{lease.port}"
        self._pool_of(lease.ip).take(lease.ip)

    def _host(self, key: ProxyKey, lease: Lease) -> str:
        if lease.ip in self._loopback:
            return lease.ip
        if key.options.lease_proxies and self.ports is not self._unbound_ports:
            return self.ports.host
        if key.plan.forwarding:
            return f"tunpool-{lease.port}.qg.net"
        if _has_gateway(key):
            return GATEWAY
        return lease.ip

    def close(self, leases: Sequence[Lease]) -> None:
        """Close leases. The caller removes them from the holdings of the key."""
        for lease in leases:
            lease.closed = True
            self.ports.close(lease)
            self._pool_of(lease.ip).free(lease.ip)
            lease.area.available += 1

    def release(self, key: ProxyKey, leases: Sequence[Lease], delay: float = 0) -> None:
        """Close leases before their deadline; their channels become free after a delay."""
        self.close(leases)
        released = set(leases)
        key.holdings.leases = [lease for lease in key.holdings.leases if lease not in released]
        if delay and not key.plan.by_volume:
            key.holdings.channels_free_at += [self.clock.now() + delay] * len(leases)

    def expire(self, key: ProxyKey) -> None:
        """Close the leases of a key whose deadline has passed, and free the channels that are
        due.
        """
        now = self.clock.now()
        holdings = key.holdings
        for leases in (holdings.leases, holdings.pool):
            expired = [lease for lease in leases if lease.ends <= now]
            if expired:
                self.close(expired)
                leases[:] = [lease for lease in leases if not lease.closed]
        if holdings.channels_free_at:
            holdings.channels_free_at = [
                timestamp for timestamp in holdings.channels_free_at if timestamp > now
            ]
