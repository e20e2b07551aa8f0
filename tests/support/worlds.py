# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Irregularities that QG.net can have, one function each: a test lets the vendor have some of them.

None of them is excluded by its documents, and the simulator alone is regular: one address for each lease, areas that
are honored, deadlines that are the same wherever they are shown, lists that are whole.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

from support.vendor import CLASSIC, PATHS, Answer, Call, Vendor

Row = dict[str, Any]
_TIME = "%Y-%m-%d %H:%M:%S"


def rows(body: Any) -> Iterator[Row]:
    """Yield the leases in a response, of whichever API."""
    if isinstance(body, list):
        for item in body:
            yield from rows(item)
    elif isinstance(body, dict):
        if "deadline" in body:
            yield body
        for item in body.values():
            yield from rows(item)


def _each(change: Callable[[Row], None]) -> Callable[[Any], Any]:
    def changed(body: Any) -> Any:
        for row in rows(body):
            change(row)
        return body

    return changed


def ends_differ(vendor: Vendor, product: str, seconds: int) -> None:
    """Let the list show deadlines that are so many seconds later than those of responses."""

    def later(row: Row) -> None:
        moment = datetime.datetime.strptime(row["deadline"], _TIME) + datetime.timedelta(seconds=seconds)
        row["deadline"] = moment.strftime(_TIME)

    vendor.alter(PATHS[product].query, _each(later))


def exits_are_shared(vendor: Vendor, ip: str) -> None:
    """Let all leases that the key holds leave through one address, under ports of their own."""
    for lease in vendor.leases:
        lease.ip = ip


def address_is_reused(vendor: Vendor, ip: str) -> None:
    """Let each new lease of the classic API have an address that another one has, or had."""

    def reuse(call: Call) -> Answer:
        status, body = call.carry_out()
        for row in rows(body):
            lease = next(lease for lease in vendor.leases if str(lease.port) == row["port"])
            lease.ip = ip
            lease.host = f"{ip}:{lease.port}"
            row["IP"] = lease.ip
            row["host"] = lease.host
        return status, body

    vendor.around(PATHS[CLASSIC].get, reuse)


def areas_are_ignored(vendor: Vendor, product: str, name: str) -> None:
    """Let requests with an area be answered as if they had none; ``name`` is the parameter of the area."""

    def ignore(call: Call) -> Answer:
        return call.carry_out(**({name: ""} if name in call.parameters else {}))

    vendor.around(PATHS[product].get, ignore)


def addresses_are_unusable(vendor: Vendor, product: str, field: str) -> None:
    """Let the ``field`` with the server of each lease be an address that no program can use."""

    def spoil(row: Row) -> None:
        row[field] = f"http://{row[field]}"

    for path in (PATHS[product].get, PATHS[product].query):
        vendor.alter(path, _each(spoil))


def list_lacks_a_part(vendor: Vendor, product: str, kept: int, times: int = 1) -> None:
    """Let so many readings of the list show no more than the first leases, of a product with a list of addresses."""

    def shortened(call: Call) -> Answer:
        status, body = call.carry_out()
        return status, {**body, "data": body["data"][:kept]}

    for _time in range(times):
        vendor.once(PATHS[product].query, shortened)
