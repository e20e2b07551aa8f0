# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations of qg_monopoly and qg_monopoly_info."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._api.leases import Terms, area_codes
from .._api.monopolies import Monopolies, Monopoly
from .._api.parsing import iso_time
from .._core.checks import check_names, check_range
from .._core.errors import OptionError
from .._core.text import one_line
from .._paid.holdings import Holdings
from .._paid.matching import Desired
from .._spending.caps import parse_cap
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
    """Return each name of a reserved line once.

    Refuse names with commas, which separate names in QG.net's calls.
    """
    return [*dict.fromkeys(check_names("uuids", texts, ","))]


def desired_monopolies(params: Params) -> Desired:
    """Return the desired state that the options describe with state=present."""
    for option in ("uuids", "all"):
        if params[option]:
            problem = "goes only with state=absent or state=redialed"
            raise OptionError(option, problem, "leave it out")
    if params["count"] is None:
        fix = "state=present needs the number of reserved lines to hold"
        raise OptionError("count", "is missing", fix)
    check_range("count", params["count"], 1, MAX_COUNT)
    terms = Terms(isp=params["isp"])
    if params["area"] is not None:
        terms = replace(terms, areas=check_areas("area", [params["area"]]))
    return Desired(params["count"], terms, on_uncertain=params["on_uncertain"])


def selected_uuids(params: Params) -> list[str] | None:
    """Return the reserved lines that the options select with the other states; None means all."""
    state = params["state"]
    for option in ("count", "area", "isp"):
        if params[option] is not None:
            problem = f"goes with state=present, not with state={state}"
            raise OptionError(option, problem, "name reserved lines in uuids")
    if params["all"] and params["uuids"] is not None:
        raise OptionError("uuids", "and all=true exclude each other", "leave one of them out")
    if params["all"]:
        return None
    if params["uuids"] is None:
        fix = f"state={state} needs the names of reserved lines, or all=true"
        raise OptionError("uuids", "is missing", fix)
    return check_uuids(params["uuids"])


def describe_monopoly(monopoly: Monopoly, terms: Terms | None) -> dict[str, Any]:
    """Return a reserved line for a result: its fields in our terms, and QG.net's."""
    return {
        "uuid": monopoly.uuid,
        "area": monopoly.area,
        "area_code": next(iter((terms or Terms()).areas), None),
        "isp": monopoly.isp,
        "state": monopoly.state,
        "server": monopoly.server,
        "since": iso_time(monopoly.since),
        "last_dialed": iso_time(monopoly.dialed),
        "releasable_from": iso_time(releasable_from(monopoly)),
        "vendor": dict(monopoly.vendor),
    }


def task_result(outcome: MonopolyResult, api: Monopolies, mode: Mode, state: str) -> dict[str, Any]:
    """Return a task's result; ``changed`` is true if anything changed, even if the task fails."""
    before = {monopoly.uuid: monopoly.server for monopoly in outcome.before}
    after = {monopoly.uuid: monopoly.server for monopoly in outcome.after}
    done = redialed_since(outcome.before, outcome.after)
    redialed = []
    for uuid in outcome.redialed:
        server = None
        # The list may not show the new address yet.
        if uuid in done:
            server = after.get(uuid)
        redialed.append({"uuid": uuid, "server_before": before[uuid], "server_after": server})
        after[uuid] = server or "(new)"
    refused = []
    for refusal in outcome.refused:
        refused.append({**vars(refusal), "possible_from": iso_time(refusal.possible_from)})
    predicted = 0
    if mode.check and not outcome.error:
        predicted = outcome.missing
    already_present = []
    if state != "absent":
        already_present = uuids_of(outcome.before)
    result = {
        "changed": bool(outcome.changed or predicted),
        "monopolies": _described(outcome.after, outcome.holdings.terms()),
        "count": len(outcome.after),
        "already_present": already_present,
        "missing": outcome.missing,
        "applied": uuids_of(outcome.allocated),
        "released": uuids_of(outcome.released),
        "redialed": redialed,
        "pending": uuids_of(outcome.pending),
        "refused": refused,
        "offline": [monopoly.uuid for monopoly in outcome.after if monopoly.state == "offline"],
        "undetermined": [*outcome.undetermined],
        "api": api.caller.usage(),
    }
    coming = "to be applied for\n" * predicted
    common = outcome.common(mode, "monopolies", _lines(before), _lines(after) + coming)
    return {**result, **common}


def _described(monopolies: Iterable[Monopoly], terms: Mapping[str, Terms]) -> list[dict[str, Any]]:
    return [describe_monopoly(monopoly, terms.get(monopoly.uuid)) for monopoly in monopolies]


def _lines(servers: Mapping[str, str | None]) -> str:
    """Return reserved lines with their servers for a difference."""
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
        codes = area_codes("area", desired.terms.areas, api.leases.named_areas)
        desired = replace(desired, terms=replace(desired.terms, areas=codes))
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
    api = _client(params, mode)
    holdings = Holdings(MonopolyApi(api))
    holdings.read()
    held = holdings.certain
    return {
        "changed": False,
        "monopolies": _described(held.values(), holdings.terms()),
        "count": len(held),
        "idle": api.idle_monopolies(),
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
    may_buy=lambda params: bool(params["state"] == "present"),
)
MONOPOLY_INFO = Operation(spec=PROXY_API_OPTIONS, run=_run_info)
