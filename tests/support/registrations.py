# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Registrations of hosts in a state directory, as runs of the role in two inventories leave them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ansible_collections.qingguo.qgnet.plugins.module_utils._store.claims import StandingClaims
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.interface import Store
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.state import State
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.ownership import HostRegistration, registered
from support.whitelist_processes import parse_options

#: The address of a host in both inventories, a former one, one that was there before, one of no host, one that is not
#: listed, and a former one that is gone as it should be.
SHARED, FORMER, FOUND, STRANGER, LOST, OVER = (f"203.0.113.{n}" for n in (1, 2, 3, 9, 10, 11))
INVENTORY = "{{ 7 * 7 }}\n/etc/hosts"
#: 2026-05-04 09:30 in Beijing.
MAY = 1777858200.0


def register(store: Store, key: str, inventory: str, *hosts: HostRegistration) -> None:
    """Register these hosts of an inventory."""
    StandingClaims(store, key).change(partial(registered, inventory=inventory, hosts=hosts))


def remember(key: str, api_url: str, store: Path) -> None:
    """Register web1 and web2 in one inventory, and web1 an hour later in another one."""
    state = State(str(store))
    digest = parse_options(store, key=key, api_url=api_url).whitelist_key(state)
    state.now = lambda: MAY
    first = HostRegistration("web1", frozenset({SHARED, LOST}), frozenset({FORMER, OVER}))
    register(state, digest, INVENTORY, first, HostRegistration("web2", frozenset({FOUND}), found=frozenset({FOUND})))
    state.now = lambda: MAY + 3600
    register(state, digest, "awx", HostRegistration("web1", frozenset({SHARED})))
    state.close()
