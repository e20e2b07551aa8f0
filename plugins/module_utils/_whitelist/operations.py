# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations of qg_whitelist and qg_whitelist_info."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from .._api.key import KeyCaller
from .._api.parsing import BEIJING
from .._api.whitelist import Whitelist
from .._core.checks import check_addresses, numeric_order
from .._core.errors import OptionError
from .._store.registrations import Registrations
from .._task.operation import Mode, Operation
from .._task.options import PROXY_API_OPTIONS, key_caller
from .apply import reconcile
from .fleet import whole_result
from .plan import Desired
from .registrations import report


@contextmanager
def locked(caller: KeyCaller, mode: Mode) -> Iterator[tuple[Whitelist, Registrations]]:
    """Hold the lock of the whitelist of a key, unless in check mode; yields the client, and the registrations."""
    registrations = Registrations(caller.rate_limiter.state, caller.key_digest)
    with caller.key_lock("whitelisting", "addresses for this key") if not mode.check else nullcontext():
        yield Whitelist(caller), registrations


def desired_from(params: Mapping[str, Any]) -> Desired:
    """Return the desired state that the options of qg_whitelist describe; validate them before any call."""
    state = params["state"]
    # Removing an address that should never have been registered must stay possible.
    ips = check_addresses("ips", params["ips"], any_scope=state == "absent")
    if not ips and state == "exact":
        raise OptionError("ips is empty: state=exact would remove every address; name the ones that must stay.")
    if params["max_removals"] < 0:
        raise OptionError(f"max_removals={params['max_removals']} is out of range: give 0 or more.")
    return Desired(state, frozenset(ips), max_removals=params["max_removals"] if state == "exact" else None)


def _run(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    desired = desired_from(params)
    with locked(key_caller(params, mode.announcer), mode) as (api, _registrations):
        outcome = reconcile(api, desired, check=mode.check)
    result = {**whole_result(outcome), "api": api.caller.usage()}
    if not mode.diff:
        del result["diff"]
    return {**result, "failed": True, **outcome.error.as_result()} if outcome.error else result


def _run_info(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    api = Whitelist(key_caller(params, mode.announcer))
    listed, unreadable = api.whitelist()
    store = api.caller.rate_limiter.state
    ahead = store.wall_ahead()

    def shown(since: float) -> str:
        return datetime.datetime.fromtimestamp(round(since + ahead), BEIJING).isoformat()

    return {
        "changed": False,
        "whitelist": numeric_order(listed),
        "unreadable": list(unreadable),
        "entries": report(listed, Registrations(store, api.caller.key_digest).all(), shown),
        "api": api.caller.usage(),
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
