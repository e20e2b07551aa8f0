# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation of qg_ledger_info, which reads the store and makes no call."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import re
from collections.abc import Mapping
from typing import Any

from .._api.lease_client import Leases
from .._api.parsing import BEIJING
from .._core.checks import parse_minutes
from .._core.errors import OptionError, QgError
from .._core.runtime import SILENT
from .._core.text import quoted
from .._gateway.outlook import demands_of
from .._paid.journal_reader import REFUSED, SETTLED
from .._spending.forecast import per_day
from .._spending.ledger import ledger, spending, sums
from .._store.facts import PRODUCT
from .._store.opening import open_store
from .._store.store import Store
from .._task.api_options import AUTO, PRODUCT_OPTIONS, PROXY_API_OPTIONS, Connection, key_caller
from .._task.operation import Mode, Operation, Params, Spec
from .._task.products import all_key_digests

_AGO = re.compile(r"[0-9]{1,9}[smhd]")
_SPEC: Spec = {
    # A busy key buys tens of thousands of leases in a day.
    "since": {"type": "str", "default": "30d"},
    **PRODUCT_OPTIONS,
    **{name: PROXY_API_OPTIONS[name] for name in ("key", "api_url", "store")},
}
#: The values of the options that only calls need, which the module does not have.
_DEFAULTS = {name: option.get("default") for name, option in PROXY_API_OPTIONS.items()}
#: The seconds to wait for other processes that use the store.
_MAX_WAIT = 60.0


def moment(option: str, text: str, now: float) -> float:
    """Return the Unix time of a time in ISO 8601, or of a duration before ``now``."""
    text = text.strip()
    if _AGO.fullmatch(text):
        return now - parse_minutes(option, text) * 60
    try:
        # Before Python 3.11, Z is not understood.
        time = datetime.datetime.fromisoformat(re.sub(r"[Zz]\Z", "+00:00", text))
        if time.tzinfo is None:
            time = time.replace(tzinfo=BEIJING)
        at = time.timestamp()
    except (ValueError, OverflowError):
        fix = (
            "give one such as 2030-01-02T03:04:05+08:00, a date, or a duration before now such "
            "as 24h or 7d"
        )
        raise OptionError(option, f"={quoted(text)} is not a time", fix) from None
    if at > now:
        fix = "give a time that has passed, or leave it out"
        raise OptionError(option, f"={quoted(text)} is in the future", fix)
    return at


def described(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry of the ledger for results, with the resources that end first in front."""
    received = sorted((end or "", name) for name, end in entry["received"].items())
    return {
        "at": entry["wall_at"].isoformat(timespec="seconds"),
        "asked": entry["buys"],
        "received": len(received) if entry["state"] in (SETTLED, REFUSED) else None,
        "names": [name for _end, name in received],
        "ends": [end or None for end, _name in received],
        "user": entry["run_user"],
        **{
            name: entry[name]
            for name in ("endpoint", "product", "state", "run", "host", "inventory")
        },
    }


def _keys(connection: Connection, store: Store) -> list[str]:
    """Return the names of the key in the store: the one for the product, or with ``auto`` those for
    all products.
    """
    caller = key_caller(connection, SILENT, store)
    if connection.product != AUTO:
        return [caller.key_digest]
    return all_key_digests(caller)


def _needed(connection: Connection, store: Store) -> dict[str, float] | None:
    """Return how many leases a day the gateways and lists of a key need; None without any, or if it
    is unknown.
    """
    caller = key_caller(connection, SILENT, store)
    if connection.product == AUTO:
        caller.use_product(caller.facts.get(PRODUCT) or caller.product)
    try:
        demands, unknown = demands_of(Leases(caller), connection.key)
    except QgError:
        # Somebody has damaged the record of a gateway, which says nothing about what was paid.
        return None
    if unknown or not demands:
        return None
    return dataclasses.asdict(per_day(demands))


def _run(params: Params, mode: Mode) -> dict[str, Any]:
    connection = Connection.of({**_DEFAULTS, **params})
    with contextlib.closing(open_store(connection.store, _MAX_WAIT, mode.announcer)) as store:
        since = moment("since", params["since"], store.wall_time())
        keys = _keys(connection, store)
        entries = [described(entry) for entry in ledger(store, keys, since)]
        calls = spending(store, keys, since)
        totals = sums(calls, ("day", "product"), ("asked", "received", "unknown"))
        needed = _needed(connection, store)
    result = {"entries": entries, "count": len(entries), "totals": totals}
    return {"changed": False, **result, "needed_per_day": needed}


LEDGER_INFO = Operation(spec=_SPEC, run=_run)
