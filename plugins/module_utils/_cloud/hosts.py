# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services of the cloud as hosts.

QG.net's text becomes a name or an address only if a remote host can have it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .._api.account_rows import INSTANCE_COLUMNS
from .._core.checks import is_public, parse_address

Row = dict[str, Any]
#: The variables of a host, without prefix; passwords only on request.
COLUMNS = ("product_id", *INSTANCE_COLUMNS)
#: Names with another meaning in Ansible, and those of the control node.
_TAKEN = frozenset({"all", "ungrouped", "_meta", "localhost"})


def collect(
    products: Iterable[int | None], fetch: Callable[[int | None], Iterable[Row]]
) -> list[Row]:
    """Return the services of all brands, each once, with only the columns that become variables."""
    services: dict[str, Row] = {}
    for product in products:
        for row in fetch(product):
            columns = {name: value for name, value in row.items() if name != "vendor"}
            services.setdefault(row["suid"], {"product_id": product, **columns})
    return sorted(services.values(), key=lambda row: (len(row["suid"]), row["suid"]))


def host_name(row: Mapping[str, Any]) -> str | None:
    """Return the number of the service if a host can be named after it.

    Ansible's patterns use other characters.
    """
    suid = str(row["suid"])
    if suid.casefold() in _TAKEN or not re.fullmatch(r"\w[\w-]{0,252}", suid):
        return None
    return suid


def host_address(row: Mapping[str, Any]) -> str | None:
    """Return the public address of a service; None without one that Ansible may connect to."""
    try:
        address = parse_address(row["ip"] or "")
    except ValueError:
        return None
    if not is_public(address):
        return None
    return str(address)
