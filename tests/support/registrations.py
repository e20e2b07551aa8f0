# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows for a store: the registrations of hosts."""

from __future__ import annotations

from ansible_collections.qingguo.qgnet.plugins.module_utils._store.registrations import Registration, Registrations
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import Store


def register(store: Store, key: str, host: str, *ips: str, inventory: str = "f") -> None:
    """Register a host with these addresses, beside all others."""
    known = Registrations(store, key)
    others = [row for row in known.all() if (row.inventory, row.host) != (inventory, host)]
    known.replace([*others, *(Registration(inventory, host, ip, False, store.now()) for ip in ips)])


def registered(store: Store, key: str) -> list[tuple[str, str]]:
    """The registered hosts and their addresses."""
    return [(row.host, row.ip) for row in Registrations(store, key).all()]
