# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Floor 5: the operations of qg_whitelist and qg_whitelist_info.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._checks import check_addresses, check_range
from ansible_collections.qingguo.qgnet.plugins.module_utils._errors import OptionError, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._models import numeric_order
from ansible_collections.qingguo.qgnet.plugins.module_utils._operation import Mode, Operation
from ansible_collections.qingguo.qgnet.plugins.module_utils._options import PROXY_API_OPTIONS, proxy_api
from ansible_collections.qingguo.qgnet.plugins.module_utils._proxy_api import ProxyApi
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist import Outcome, Wish, bring_about


def wish_from(params: Mapping[str, Any]) -> Wish:
    """The wish that the options of qg_whitelist describe; every mistake in them is found here, before any call."""
    state = params["state"]
    # Removing an address that should never have been registered must stay possible.
    only_global = state != "absent" and not params["allow_non_global"]
    ips = check_addresses("ips", params["ips"], only_global=only_global)
    if not ips and state == "exact":
        raise OptionError("ips is empty: state=exact would remove every address; name the ones that shall stay.")
    if params["replaces"] and state != "present":
        raise OptionError(f"replaces goes with state=present alone, not with state={state}.")
    if params["capacity"] is not None:
        check_range("capacity", params["capacity"], 1, 1_000_000)
    if params["max_removals"] < 0:
        raise OptionError(f"max_removals={params['max_removals']} is out of range: give 0 or more.")
    return Wish(
        state=state,
        ips=ips,
        keep=check_addresses("keep", params["keep"], only_global=False),
        replaces=check_addresses("replaces", params["replaces"], only_global=False),
        max_removals=params["max_removals"] if state == "exact" else None,
        capacity=params["capacity"],
    )


def change(api: ProxyApi, wish: Wish, mode: Mode) -> tuple[Outcome, dict[str, Any]]:
    """Bring the wish about: what happened, and the same as a task's result."""
    outcome = bring_about(api, wish, check=mode.check)
    return outcome, result_of(outcome, api, mode)


def result_of(outcome: Outcome, api: ProxyApi, mode: Mode) -> dict[str, Any]:
    """An outcome as a task's result; ``changed`` is true when anything changed, also where the task fails."""
    result: dict[str, Any] = {
        "changed": bool(outcome.added or outcome.removed),
        "added": outcome.added,
        "removed": outcome.removed,
        "already_present": [] if outcome.wish.state == "absent" else list(outcome.first.settled),
        "refused": [refusal(ip, outcome.refused[ip]) for ip in numeric_order(outcome.refused)],
        "whitelist": numeric_order(outcome.after),
        "count": len(outcome.after),
        "api": api.report(),
    }
    if mode.diff:
        result["diff"] = {
            "before_header": "whitelist",
            "before": _lines(outcome.before),
            "after_header": "whitelist",
            "after": _lines(outcome.after),
        }
    if outcome.error:
        result = {"failed": True, **result, **outcome.error.as_result()}
    return result


def refusal(ip: str, problem: QgError) -> dict[str, Any]:
    """Why one address is not on the list."""
    return {"ip": ip, "code": problem.details.get("code"), "reason": problem.message}


def _lines(ips: Collection[str]) -> str:
    return "".join(f"{ip}\n" for ip in numeric_order(ips))


def _run(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    wish = wish_from(params)
    return change(proxy_api(params), wish, mode)[1]


def _run_info(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    api = proxy_api(params)
    ips = numeric_order(set(api.whitelist()))
    return {"changed": False, "whitelist": ips, "count": len(ips), "api": api.report()}


WHITELIST = Operation(
    spec={
        "ips": {"type": "list", "elements": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent", "exact"], "default": "present"},
        "keep": {"type": "list", "elements": "str", "default": []},
        "replaces": {"type": "list", "elements": "str", "default": []},
        "max_removals": {"type": "int", "default": 10},
        "capacity": {"type": "int"},
        "allow_non_global": {"type": "bool", "default": False},
        **PROXY_API_OPTIONS,
    },
    run=_run,
)
WHITELIST_INFO = Operation(spec=PROXY_API_OPTIONS, run=_run_info)
