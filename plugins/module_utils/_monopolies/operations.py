# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations of qg_monopoly and qg_monopoly_info.

This file is private to the collection.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from .._api.classic.client import ProxyApi
from .._api.classic.models import ISP_NUMBERS, Monopoly
from .._core.errors import OptionError
from .._core.text import one_line, quote_word
from .._core.validation import check_range
from .._task.operation import Mode, Operation
from .._task.options import PROXY_API_OPTIONS, proxy_api
from .manager import (
    Outcome,
    Refused,
    give_up,
    hold,
    redial,
    releasable_from,
)
from .matching import Asked, Wish, recall

#: The vendor takes so many in one application.
MOST = 100


def check_uuids(texts: Sequence[str]) -> tuple[str, ...]:
    """Names of resources, each once; a list of them is no name, since commas separate them in the vendor's calls."""
    found: dict[str, None] = {}
    for text in texts:
        uuid = text.strip()
        if not uuid or "," in uuid or not uuid.isprintable():
            raise OptionError(
                f"uuids holds {quote_word(text)}: give each name as an item, as qg_monopoly_info tells it."
            )
        found[uuid] = None
    return tuple(found)


def wish_from(params: Mapping[str, Any]) -> Wish:
    """The wish that the options describe with state=present; every mistake in them is found before any call."""
    for option in ("uuids", "all"):
        if params[option]:
            raise OptionError(f"{option} goes with state=absent or state=redialled alone: leave it out.")
    if params["count"] is None:
        raise OptionError("count is missing: state=present needs the number of resources to hold.")
    check_range("count", params["count"], 1, MOST)
    if params["area_code"] is not None:
        check_range("area_code", params["area_code"], 1, 999_999_999)
    return Wish(params["count"], params["area_code"], params["isp"], params["undetermined"])


def target_from(params: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The resources that the options name with the other states; None stands for all."""
    state = params["state"]
    for option in ("count", "area_code", "isp"):
        if params[option] is not None:
            raise OptionError(f"{option} goes with state=present, not with state={state}: name resources in uuids.")
    if params["all"] and params["uuids"] is not None:
        raise OptionError("uuids and all=true exclude each other: leave one of them out.")
    if params["all"]:
        return None
    if params["uuids"] is None:
        raise OptionError(f"uuids is missing: state={state} needs the names of resources, or all=true.")
    return check_uuids(params["uuids"])


def described(monopoly: Monopoly, asked: Mapping[str, Asked]) -> dict[str, Any]:
    """A resource in a result: what its fields mean, and beside it the vendor's own."""
    return {
        "uuid": monopoly.uuid,
        "area": monopoly.area,
        "area_code": asked.get(monopoly.uuid, Asked()).area_code,
        "isp": monopoly.isp,
        "state": monopoly.state,
        "server": monopoly.server,
        "since": _iso(monopoly.since),
        "last_dialled": _iso(monopoly.dialled),
        "releasable_from": _iso(releasable_from(monopoly)),
        "vendor": dict(monopoly.vendor),
    }


def _iso(moment: datetime.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _refusal(refused: Refused) -> dict[str, Any]:
    return {"uuid": refused.uuid, "reason": refused.reason, "possible_from": _iso(refused.possible_from)}


def result_of(outcome: Outcome, api: ProxyApi, mode: Mode, state: str) -> dict[str, Any]:
    """An outcome as a task's result; ``changed`` is true when anything changed, also where the task fails."""
    asked = recall(api)
    result: dict[str, Any] = {
        "changed": outcome.changed or bool(mode.check and outcome.missing and not outcome.error),
        "monopolies": [described(monopoly, asked) for monopoly in outcome.after],
        "count": len(outcome.after),
        "already_present": [monopoly.uuid for monopoly in outcome.before],
        "missing": outcome.missing,
        "applied": outcome.applied,
        "released": outcome.released,
        "redialled": [
            {"uuid": one.uuid, "server_before": one.before, "server_after": one.after} for one in outcome.redialled
        ],
        "pending": [monopoly.uuid for monopoly in outcome.left_alone],
        "refused": [_refusal(refused) for refused in outcome.refused],
        "offline": [monopoly.uuid for monopoly in outcome.after if monopoly.state == "offline"],
        "undetermined": outcome.undetermined,
        "api": api.usage(),
    }
    if outcome.warnings:
        result["warnings"] = outcome.warnings
    if mode.diff:
        result["diff"] = _diff(outcome, mode, state)
    if outcome.error:
        result = {"failed": True, **result, **outcome.error.as_result()}
    return result


def _diff(outcome: Outcome, mode: Mode, state: str) -> dict[str, str]:
    """The names before and after; of a redial, which changes no name, what they are reached under as well."""
    before = {one.uuid: f" {one.server}" if state == "redialled" else "" for one in outcome.before}
    after = {one.uuid: f" {one.server}" if state == "redialled" else "" for one in outcome.after}
    for one in outcome.redialled:
        after[one.uuid] = f" {one.after or '(new)'}"
    if mode.check and outcome.missing and not outcome.error:
        after[f"{outcome.missing} to be applied for"] = ""
    texts = ["".join(f"{one_line(uuid + server)}\n" for uuid, server in side.items()) for side in (before, after)]
    return {"before_header": "monopolies", "before": texts[0], "after_header": "monopolies", "after": texts[1]}


def _run(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    state, wait = params["state"], params["wait"]
    if state == "present":
        wish = wish_from(params)
        api = proxy_api(params)
        outcome = hold(api, wish, wait=wait, check=mode.check, tell=mode.progress)
    else:
        uuids = target_from(params)
        api = proxy_api(params)
        if state == "absent":
            outcome = give_up(api, uuids, check=mode.check)
        else:
            outcome = redial(api, uuids, wait=wait, check=mode.check, tell=mode.progress)
    return result_of(outcome, api, mode, state)


def _run_info(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    uuids = check_uuids(params["uuids"] or ())
    api = proxy_api(params)
    held = api.monopolies(uuids)
    asked = recall(api)
    found = {monopoly.uuid for monopoly in held}
    return {
        "changed": False,
        "monopolies": [described(monopoly, asked) for monopoly in held],
        "count": len(held),
        "not_held": [uuid for uuid in uuids if uuid not in found],
        "idle": api.idle_monopolies() if params["idle"] else [],
        "api": api.usage(),
    }


MONOPOLY = Operation(
    spec={
        "state": {"type": "str", "choices": ["present", "absent", "redialled"], "default": "present"},
        "count": {"type": "int"},
        "area_code": {"type": "int"},
        "isp": {"type": "str", "choices": list(ISP_NUMBERS)},
        "undetermined": {"type": "str", "choices": ["fail", "ignore", "match"], "default": "fail"},
        "uuids": {"type": "list", "elements": "str"},
        "all": {"type": "bool", "default": False},
        "wait": {"type": "bool", "default": True},
        **PROXY_API_OPTIONS,
    },
    run=_run,
    selectors=("uuids", "all"),
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
