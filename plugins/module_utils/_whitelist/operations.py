# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations of qg_whitelist and qg_whitelist_info."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from socket import inet_aton
from typing import Any

from .._api.key import KeyCaller
from .._api.parsing import beijing_time
from .._api.whitelist import Whitelist
from .._core.checks import check_addresses, check_range
from .._core.errors import OptionError
from .._core.text import format_sample
from .._store.registrations import Registrations
from .._task.api_options import PROXY_API_OPTIONS, Connection, key_caller
from .._task.operation import Mode, Operation, Params
from .edit import Edit


@contextmanager
def locked(caller: KeyCaller, mode: Mode) -> Iterator[Whitelist]:
    """Hold the lock of the whitelist of a key, unless in check mode."""
    if mode.check:
        yield Whitelist(caller)
        return
    with caller.key_lock("whitelisting", "addresses for this key"):
        yield Whitelist(caller)


def _run(params: Params, mode: Mode) -> dict[str, Any]:
    state = params["state"]
    limit = params["max_removals"]
    # Removing an address that should never have been registered must stay possible.
    ips = check_addresses("ips", params["ips"], any_scope=state == "absent")
    if not ips and state == "exact":
        problem = "is empty, and state=exact would remove every address"
        raise OptionError("ips", problem, "give the addresses that must stay")
    check_range("max_removals", limit, 0, 10**6)
    with locked(key_caller(Connection.of(params), mode.announcer), mode) as api:
        listed = api.whitelist()
        unwanted = {"present": frozenset(), "absent": ips, "exact": listed[0] - ips}[state]
        edit = Edit(api, listed, wanted=ips - unwanted, unwanted=unwanted)
        if state == "exact" and len(unwanted) > limit:
            raise OptionError(
                "state",
                f"=exact would remove {len(unwanted)} addresses, more than max_removals={limit} "
                f"({format_sample(sorted(unwanted, key=inet_aton))})",
                "add those that must stay to ips, or raise max_removals",
            )
        edit.run(check=mode.check)
    result = {**edit.result(), "api": api.caller.usage()}
    if not mode.diff:
        del result["diff"]
    if edit.error:
        result |= {"failed": True, **edit.error.as_result()}
    return result


def _run_info(params: Params, mode: Mode) -> dict[str, Any]:
    caller = key_caller(Connection.of(params), mode.announcer)
    return {"changed": False, **whitelist_with_owners(caller), "api": caller.usage()}


def whitelist_with_owners(caller: KeyCaller) -> dict[str, Any]:
    """Return the entries of the whitelist, and the hosts that are registered with them."""
    listed, unreadable = Whitelist(caller).whitelist()
    store = caller.store
    ahead = store.wall_ahead()
    owners: dict[str, list[dict[str, Any]]] = {}
    for row in Registrations(store, caller.key_digest).all():
        owner = {
            "host": row.host,
            "inventory_id": row.inventory,
            "registered_since": beijing_time(row.since + ahead),
            "there_before": row.there_before,
        }
        owners.setdefault(row.ip, []).append(owner)
    entries = []
    for ip in sorted({*listed, *owners}, key=inet_aton):
        entries.append({"ip": ip, "listed": ip in listed, "owners": owners.get(ip, [])})
    return {
        "whitelist": sorted(listed, key=inet_aton),
        "unreadable": list(unreadable),
        "entries": entries,
    }


WHITELIST = Operation(
    spec={
        "ips": {"type": "list", "elements": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent", "exact"], "default": "present"},
        "max_removals": {"type": "int", "default": 10},
        "allow_partial": {"type": "bool", "default": False},
        **PROXY_API_OPTIONS,
    },
    run=_run,
)
WHITELIST_INFO = Operation(spec=PROXY_API_OPTIONS, run=_run_info)
