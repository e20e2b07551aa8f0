# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All keys, and the picture of the network that the vendor sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..clock import Clock
from . import monopolies
from .keys import Account
from .lease_service import Lessor

Ends = tuple[tuple[str, int], tuple[str, int]]
"""Those of a connection: the caller's and the called one. Two connections may well have the former in common."""


class Vendor:
    """All keys, and the map from a caller's source address to its public one."""

    def __init__(self, keys: Iterable[str], public: Mapping[str, str], clock: Clock, seed: int | None = None) -> None:
        self._first_keys = list(keys)
        self._first_map = dict(public)
        self.clock = clock
        self.lessor = Lessor(clock, seed)
        self.accounts: dict[str, Account] = {}
        self.map: dict[str, str] = {}
        self.first_proxies: dict[str, str] = {}
        """URL of each forward proxy that was there from the start, by key."""
        self.through_proxy: dict[Ends, str] = {}
        """Each connection that a forward proxy holds, and the address that it leaves through."""
        self.reset()

    def reset(self) -> None:
        self.accounts = {name: Account(name, proxy_url=self.first_proxies.get(name)) for name in self._first_keys}
        self.map = dict(self._first_map)
        self.lessor.reset()

    def account(self, name: str) -> Account:
        """The account for a control call, made when it is new."""
        return self.accounts.setdefault(name, Account(name))

    def owner(self, address: str) -> Account | None:
        """The account that has this address on its whitelist."""
        for account in self.accounts.values():
            if address in account.whitelist:
                return account
        return None

    def public_address(self, ends: Ends) -> str:
        """The address under which the vendor sees a connection."""
        source = ends[0][0]
        return self.through_proxy.get(ends) or self.map.get(source, source)

    def settle(self) -> None:
        """Bring every key's leases up to the present."""
        for account in self.accounts.values():
            self.lessor.settle(account)
            monopolies.settle(self.lessor, account)
            account.record(self.clock.now())
