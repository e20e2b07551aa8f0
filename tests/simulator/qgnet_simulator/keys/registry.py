# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All proxy keys."""

from __future__ import annotations

from collections.abc import Iterable

from ..clock import Clock
from .key import ProxyKey
from .lease_service import LeaseService
from .monopolies import process_due_monopolies
from .tunnel import Tunnel, tunnel_owner


class KeyRegistry:
    def __init__(self, names: Iterable[str], clock: Clock, seed: int | None = None) -> None:
        self._initial_names = list(names)
        self.clock = clock
        self.lease_service = LeaseService(clock, seed)
        self.by_name: dict[str, ProxyKey] = {}
        self.initial_proxy_urls: dict[str, str] = {}
        """URL of each forward proxy that exists since the start, by key."""
        self.initial_tunnel_urls: dict[str, str] = {}
        """URL of each tunnel that exists since the start, by key."""
        self.reset()

    def __getitem__(self, name: str) -> ProxyKey:
        return self.by_name[name]

    def reset(self) -> None:
        urls = self.initial_proxy_urls
        self.by_name = {
            name: ProxyKey(key=name, proxy_url=urls.get(name)) for name in self._initial_names
        }
        for name, url in self.initial_tunnel_urls.items():
            self.create_tunnel(name).url = url
        self.lease_service.reset()

    def initial_owners(self) -> set[str]:
        """Return the owners of the proxies that exist since the start."""
        return {*self.initial_proxy_urls, *map(tunnel_owner, self.initial_tunnel_urls)}

    def get(self, name: str) -> ProxyKey | None:
        return self.by_name.get(name)

    def create_tunnel(self, name: str) -> Tunnel:
        """Return the tunnel of a key, which is created on first use."""
        key = self.by_name[name]
        if key.tunnel is None:
            key.tunnel = Tunnel()
        return key.tunnel

    def whitelist_owner(self, address: str) -> ProxyKey | None:
        """Return the key that has this address on its whitelist."""
        return next((key for key in self.by_name.values() if address in key.whitelist), None)

    def process_due_events(self) -> None:
        """Bring the state of all keys up to the current time: expired leases, free channels, dialed
        monopolies.
        """
        for key in self.by_name.values():
            self.lease_service.expire(key)
            process_due_monopolies(self.lease_service, key)
            key.record_lists(self.clock.now())
