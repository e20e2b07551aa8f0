# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations of qg_monopoly and qg_monopoly_info."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._api.leases import Terms, area_codes
from .._api.monopolies import Monopolies, Monopoly
from .._core.checks import check_names, check_range
from .._core.errors import OptionError
from .._core.text import one_line
from .._paid.caps import parse_cap
from .._paid.holdings import Holdings
from .._paid.matching import Desired
from .._task.api_options import (
    CAP_OPTIONS,
    IGNORE_QUOTA_OPTION,
    PROXY_API_OPTIONS,
    Connection,
    key_caller,
)
from .._task.operation import Mode, Operation, Params
from .._task.products import PLACE_OPTIONS, check_areas
from .api import MAX_COUNT, MonopolyApi
from .reserving import (
    MonopolyResult,
    hold,
    redial,
    redialed_since,
    releasable_from,
    release_held,
    uuids_of,
)


def check_uuids(texts: Sequence[str]) -> list[str]:
    """Return each name of a resource once.

    Refuse names with commas, which separate names in the vendor's calls.
    """
    return [*dict.fromkeys(check_names("uuids", texts, ","))]


def desired_monopolies(params: Params) -> Desired:
    """Return the desired state that the options describe with state=present, and check them before
    any call.
    """
    for option in ("uuids", "all"):
        if params[option]:
            raise OptionError(
                option, "goes only with state=absent or state=redialed", "leave it out"
            )
    if params["count"] is None:
        raise OptionError(
            "count", "is missing", "state=present needs the number of resources to hold"
        )
    check_range("count", params["count"], 1, MAX_COUNT)
    areas = () if params["area"] is None else check_areas("area", [params["area"]])
    return Desired(
        params["count"], Terms(isp=params["isp"], areas=areas), on_uncertain=params["on_uncertain"]
    )


def selected_uuids(params: Params) -> list[str] | None:
    """Return the resources that the options select with the other states; None means all."""
    state = params["state"]
    for option in ("count", "area", "isp"):
        if params[option] is not None:
            raise OptionError(
                option,
                f"goes with state=present, not with state={state}",
                "name resources in uuids",
            )
    if params["all"] and params["uuids"] is not None:
        raise OptionError("uuids", "and all=true exclude each other", "leave one of them out")
    if params["all"]:
        return None
    if params["uuids"] is None:
        raise OptionError(
            "uuids", "is missing", f"state={state} needs the names of resources, or all=true"
        )
    return check_uuids(params["uuids"])


def describe_monopoly(monopoly: Monopoly, terms: Terms | None) -> dict[str, Any]:
    """Return a resource for a result: its fields in the collection's terms and the vendor's."""
    return {
        "uuid": monopoly.uuid,
        "area": monopoly.area,
        "area_code": next(iter(terms.areas), None) if terms else None,
        "isp": monopoly.isp,
        "state": monopoly.state,
        "server": monopoly.server,
        "since": _iso(monopoly.since),
        "last_dialed": _iso(monopoly.dialed),
        "releasable_from": _iso(releasable_from(monopoly)),
        "vendor": dict(monopoly.vendor),
    }


def _iso(moment: datetime.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def task_result(found: MonopolyResult, api: Monopolies, mode: Mode, state: str) -> dict[str, Any]:
    """Return a task's result; ``changed`` is true if anything changed, even if the task fails."""
    before = {monopoly.uuid: monopoly.server for monopoly in found.before}
    after = {monopoly.uuid: monopoly.server for monopoly in found.after}
    done = redialed_since(found.before, found.after)
    redialed = []
    for uuid in found.redialed:
        # The list may not show the new address yet.
        server = after.get(uuid) if uuid in done else None
        redialed.append({"uuid": uuid, "server_before": before[uuid], "server_after": server})
        after[uuid] = server or "(new)"
    terms = found.books.terms()
    predicted = found.missing if mode.check and not found.error else 0
    result: dict[str, Any] = {
        "changed": bool(found.changed or predicted),
        "monopolies": [
            describe_monopoly(monopoly, terms.get(monopoly.uuid)) for monopoly in found.after
        ],
        "count": len(found.after),
        "already_present": [] if state == "absent" else uuids_of(found.before),
        "missing": found.missing,
        "applied": uuids_of(found.allocated),
        "released": uuids_of(found.released),
        "redialed": redialed,
        "pending": uuids_of(found.pending),
        "refused": [
            {**vars(refused), "possible_from": _iso(refused.possible_from)}
            for refused in found.refused
        ],
        "offline": [monopoly.uuid for monopoly in found.after if monopoly.state == "offline"],
        "undetermined": [*found.undetermined],
        "api": api.caller.usage(),
    }
    return found.as_result(
        result,
        mode,
        "monopolies",
        _lines(before),
        _lines(after) + "to be applied for\n" * predicted,
    )


def _lines(servers: Mapping[str, str | None]) -> str:
    """Return resources with their servers for a difference."""
    lines = (one_line(f"{uuid} {server or ''}").rstrip() for uuid, server in servers.items())
    return "".join(f"{line}\n" for line in lines)


def _client(params: Params, mode: Mode) -> Monopolies:
    return Monopolies(key_caller(Connection.of(params), mode.announcer))


def _run(params: Params, mode: Mode) -> dict[str, Any]:
    state = params["state"]
    wait = params["wait"]
    if state == "present":
        desired = desired_monopolies(params)
        cap = parse_cap(params["max_new_per_day"])
        api = _client(params, mode)
        terms = replace(
            desired.terms, areas=area_codes("area", desired.terms.areas, api.leases.named_areas)
        )
        desired = replace(desired, terms=terms)
        result = hold(
            api, desired, wait=wait, check=mode.check, cap=cap, ignore_quota=params["ignore_quota"]
        )
    else:
        uuids = selected_uuids(params)
        api = _client(params, mode)
        if state == "absent":
            result = release_held(api, uuids, check=mode.check)
        else:
            result = redial(api, uuids, wait=wait, check=mode.check)
    return task_result(result, api, mode, state)


def _run_info(params: Params, mode: Mode) -> dict[str, Any]:
    uuids = check_uuids(params["uuids"] or ())
    api = _client(params, mode)
    holdings = Holdings(MonopolyApi(api))
    holdings.look()
    held = {
        uuid: monopoly for uuid, monopoly in holdings.held.items() if not uuids or uuid in uuids
    }
    for uuid in holdings.missed:
        held.pop(uuid, None)
    terms = holdings.terms()
    return {
        "changed": False,
        "monopolies": [
            describe_monopoly(monopoly, terms.get(uuid)) for uuid, monopoly in held.items()
        ],
        "count": len(held),
        "not_held": [uuid for uuid in uuids if uuid not in held],
        "idle": api.idle_monopolies() if params["idle"] else [],
        "api": api.caller.usage(),
    }


MONOPOLY = Operation(
    spec={
        "state": {
            "type": "str",
            "choices": ["present", "absent", "redialed"],
            "default": "present",
        },
        "count": {"type": "int"},
        "area": {"type": "str"},
        "isp": PLACE_OPTIONS["isp"],
        "on_uncertain": {"type": "str", "choices": ["fail", "ignore", "match"], "default": "fail"},
        "uuids": {"type": "list", "elements": "str"},
        "all": {"type": "bool", "default": False},
        "wait": {"type": "bool", "default": True},
        **CAP_OPTIONS,
        **IGNORE_QUOTA_OPTION,
        **PROXY_API_OPTIONS,
    },
    run=_run,
    selectors=("uuids", "all", "area"),
)
MONOPOLY_INFO = Operation(
    spec={
        "uuids": {"type": "list", "elements": "str"},
        "idle": {"type": "bool", "default": True},
        **PROXY_API_OPTIONS,
    },
    run=_run_info,
    selectors=("uuids",),
)
