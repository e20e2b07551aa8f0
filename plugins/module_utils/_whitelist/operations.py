# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations of qg_whitelist and qg_whitelist_info."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Imported here, and thus before Ansible forks a process for each host.
from .._api.classic.client import ProxyApi
from .._core.addresses import AddressScope, check_addresses, numeric_order
from .._core.errors import OptionError
from .._core.validation import check_range
from .._reconcile.held_whitelist import HeldWhitelist
from .._store.claims import Claim, StandingClaims
from .._task.operation import Mode, Operation
from .._task.options import PROXY_API_OPTIONS, ProxyApiOptions
from .batch import WriteBatch, claims_for
from .ownership import join_owners
from .plan import DesiredWhitelist
from .results import task_result
from .turns import Turns


def desired_from(params: Mapping[str, Any]) -> DesiredWhitelist:
    """Return the desired state that the options of qg_whitelist describe; validate them before any call."""
    state = params["state"]
    # Removing an address that should never have been registered must stay possible.
    ips = check_addresses(
        "ips", params["ips"], AddressScope.of(state == "absent" or params["allow_non_global"], params["api_url"])
    )
    if not ips and state == "exact":
        raise OptionError("ips is empty: state=exact would remove every address; name the ones that must stay.")
    if params["replaces"] and state != "present":
        raise OptionError(f"replaces is only valid with state=present, not with state={state}.")
    if params["capacity"] is not None:
        check_range("capacity", params["capacity"], 1, 1_000_000)
    if params["max_removals"] < 0:
        raise OptionError(f"max_removals={params['max_removals']} is out of range: give 0 or more.")
    return DesiredWhitelist(
        state=state,
        ips=ips,
        keep=check_addresses("keep", params["keep"] or ()),
        replaces=check_addresses("replaces", params["replaces"]),
        max_removals=params["max_removals"] if state == "exact" else None,
        capacity=params["capacity"],
    )


def _run(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    desired, options = desired_from(params), ProxyApiOptions.parse(params)
    api, transport = options.client(announcer=mode.announcer), options.transport
    turns = Turns(claims_for(options, api.rate_limiter.state, check=mode.check))
    claim = Claim(desired.as_claim, transport.max_wait, transport.timeout, exclusive=desired.exclusive)
    batch = WriteBatch(turns, claim, options, mode, api)
    found = batch.run()
    if found.is_known:
        part = found.part(desired, found.changed([claim], batch.made))
        result = task_result(part, batch.api_usage, diff=mode.diff)
    else:
        result = found.failure()
    batch.report_state_error(result)
    return result


def _run_info(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    options = ProxyApiOptions.parse(params)
    api = options.client(announcer=mode.announcer)
    if not params["owners"]:
        return _info_result(api, HeldWhitelist(api))
    store = api.rate_limiter.state
    standing = StandingClaims(store, options.whitelist_key(store))
    result = _info_result(api, HeldWhitelist(api, standing.exist))
    return {**result, **join_owners(result["whitelist"], standing.owners(), store.wall_ahead())}


def _info_result(api: ProxyApi, held: HeldWhitelist) -> dict[str, Any]:
    reading = held.read()
    ips, unreadable = numeric_order(reading.ips), list(reading.unreadable)
    return {"changed": False, "whitelist": ips, "count": len(ips), "unreadable": unreadable, "api": api.usage()}


WHITELIST = Operation(
    spec={
        "ips": {"type": "list", "elements": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent", "exact"], "default": "present"},
        "keep": {"type": "list", "elements": "str"},
        "replaces": {"type": "list", "elements": "str", "default": []},
        "max_removals": {"type": "int", "default": 10},
        "allow_partial": {"type": "bool", "default": False},
        "capacity": {"type": "int"},
        "allow_non_global": {"type": "bool", "default": False},
        **PROXY_API_OPTIONS,
    },
    run=_run,
    # It selects the addresses that stay.
    selectors=("keep",),
)
WHITELIST_INFO = Operation(spec={"owners": {"type": "bool", "default": False}, **PROXY_API_OPTIONS}, run=_run_info)
