# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts to which the entries of a whitelist belong, according to the registrations in the state."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any

from .._api.parsing import BEIJING
from .._core.addresses import numeric_order
from .._store.registrations import Owner


def join_owners(whitelist: Sequence[str], registered: Iterable[Owner]) -> dict[str, Any]:
    """Return the owners of each entry, the entries without an owner, and the registered addresses without an entry.

    The latter do not include addresses that their hosts no longer need. ``repeated_hosts`` are the names of hosts that
    need addresses in several inventories, with these.
    """
    owners: dict[str, list[dict[str, Any]]] = {}
    needed = set()
    inventories: dict[str, set[str]] = {}
    for owner in registered:
        owners.setdefault(owner.ip, []).append(_described(owner))
        if not owner.former:
            needed.add(owner.ip)
            inventories.setdefault(owner.host, set()).add(owner.inventory)
    unlisted = numeric_order(needed.difference(whitelist))
    repeated = {host: sorted(found) for host, found in sorted(inventories.items()) if len(found) > 1}
    return {
        "entries": [{"ip": ip, "owners": owners.get(ip, [])} for ip in whitelist],
        "unowned": [ip for ip in whitelist if ip not in owners],
        "unlisted": [{"ip": ip, "owners": owners[ip]} for ip in unlisted],
        "repeated_hosts": repeated,
    }


def _described(owner: Owner) -> dict[str, Any]:
    since = datetime.datetime.fromtimestamp(round(owner.registered_at), BEIJING).isoformat()
    return {
        "host": owner.host,
        "inventory_id": owner.inventory,
        "registered_since": since,
        "former": owner.former,
        "there_before": owner.found,
    }
