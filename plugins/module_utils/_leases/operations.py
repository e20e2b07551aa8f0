# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations of the modules for leases, apart from qg_quota_info."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from .._api.calls import CLASSIC
from .._api.key import VendorClock
from .._api.lease_client import Leases
from .._api.leases import Area, Lease, area_codes, oldest_first
from .._core.checks import check_range
from .._core.errors import CallError, OptionError, QgError
from .._core.runtime import wall_time
from .._core.text import counted, format_sample, one_line
from .._spending.caps import parse_cap
from .._store.store import StateError
from .._task.api_options import AUTO, CAP_OPTIONS, IGNORE_QUOTA_OPTION, Connection
from .._task.operation import Mode, Operation, Params, Spec
from .._task.products import (
    PLACE_OPTIONS,
    TERMS_OPTIONS,
    check_areas,
    check_one_area,
    lease_client,
    naming_product,
)
from . import lease_options as options
from .api import MAX_PER_CALL
from .credentials import CREDENTIALS_OPTION, add_urls, check_credentials
from .foreign import leases_with_origins
from .leasing import (
    LeaseResult,
    NamedLeases,
    ensure_leases,
    release_leases,
    replace_leases,
    servers,
)

#: The options for the leases that count.
_DESIRED: Spec = {
    "min_remaining": {"type": "str", "default": "0"},
    "exact": {"type": "bool", "default": False},
    # None may be banned.
    "exclude_ips": {"type": "list", "elements": "str", "default": []},
    "on_uncertain": {"type": "str", "choices": ["fail", "ignore", "match"], "default": "fail"},
}


def lease_results(leases: Iterable[Lease], clock: VendorClock) -> list[dict[str, Any]]:
    """Return leases for results, oldest deadline first.

    ``clock`` determines their remaining time.
    """
    try:
        now = clock.now()
    except StateError:
        # Paid leases must be returned even if the state store fails.
        now = wall_time()
    results = []
    for lease in oldest_first(leases):
        results.append({**lease.described(now), "vendor": dict(lease.vendor)})
    return results


def _not_held(outcome: LeaseResult, chosen: NamedLeases | None) -> dict[str, Any]:
    """Return the names that belong to no lease on QG.net's list, and warn of them."""
    if chosen is None:
        return {"not_held": []}
    names = chosen.missing_from(outcome.chosen)
    if names:
        outcome.warnings.append(
            f"{chosen.option} contains what QG.net's list does not show: {format_sample(names)}. "
            "Nothing was done with it."
        )
    return {"not_held": names}


def _result(outcome: LeaseResult, api: Leases, mode: Mode) -> dict[str, Any]:
    """Return the result of a task; ``changed`` is true also after a failure."""
    predicted = 0
    if mode.check:
        predicted = outcome.missing
    outcome.warnings.extend(unusable_leases(api, outcome.after))
    after = [lease for lease in outcome.after if lease not in outcome.released]
    coming = "to be leased\n" * predicted
    return {
        "changed": bool(outcome.allocated or outcome.released or predicted),
        "product": api.product,
        "allocated": lease_results(outcome.allocated, api.caller.vendor_clock),
        "released": lease_results(outcome.released, api.caller.vendor_clock),
        "held": len(outcome.after),
        "api": api.caller.usage(),
        **outcome.common(mode, "leases", _lines(outcome.before), _lines(after) + coming),
    }


def unusable_leases(api: Leases, leases: Iterable[Lease]) -> list[str]:
    """Return the warning of held leases that results leave out."""
    unusable = [lease for lease in oldest_first(leases) if not api.is_usable(lease)]
    if not unusable:
        return []
    number = counted(len(unusable), "lease")
    reason = "because no program can use the address, or it is not one of the public internet"
    return [f"{number} left out, {reason}: {servers(unusable)}."]


def _lines(leases: Iterable[Lease]) -> str:
    lines = (f"{lease.server} {lease.ip} {lease.deadline}" for lease in oldest_first(leases))
    return "".join(f"{one_line(line)}\n" for line in lines)


def _part(params: Params, names: Iterable[str]) -> dict[str, Any]:
    return {name: params[name] for name in names}


def _run_allocate(params: Params, mode: Mode) -> dict[str, Any]:
    terms = options.read_terms(**_part(params, TERMS_OPTIONS))
    matching = _part(params, _DESIRED)
    connection = Connection.of(_part(params, options.API_OPTIONS))
    check_range("count", params["count"], 1, MAX_PER_CALL)
    desired = options.desired_leases(params["count"], terms, **matching)
    cap = parse_cap(params["max_new_per_day"])
    check_credentials(params["with_credentials"], connection.password)
    check = partial(options.check_desired, terms, params["exact"])
    api = lease_client(connection, mode.announcer, check)
    desired = replace(desired, terms=options.with_codes(terms, api))
    outcome = ensure_leases(
        api, desired, check=mode.check, cap=cap, ignore_quota=params["ignore_quota"]
    )
    return {
        "leases": lease_results(outcome.leases, api.caller.vendor_clock),
        "count": len(outcome.leases),
        "missing": outcome.missing,
        **_result(outcome, api, mode),
    }


def _run_release(params: Params, mode: Mode) -> dict[str, Any]:
    chosen = options.read_choice(params["all"], **_part(params, options.NAMED)).named
    api = lease_client(Connection.of(params), mode.announcer, options.check_release)
    outcome = release_leases(api, chosen, check=mode.check)
    return {**_not_held(outcome, chosen), **_result(outcome, api, mode)}


def _run_replace(params: Params, mode: Mode) -> dict[str, Any]:
    choice = options.read_choice(params["all"], **_part(params, (*options.NAMED, "count")))
    chosen = choice.named
    terms = options.read_terms(**_part(params, TERMS_OPTIONS))
    cap = parse_cap(params["max_new_per_day"])
    check_credentials(params["with_credentials"], params["password"])
    check = partial(options.check_replacement, choice, terms)
    api = lease_client(Connection.of(params), mode.announcer, check)
    outcome = replace_leases(
        api,
        choice,
        options.with_codes(terms, api),
        check=mode.check,
        cap=cap,
        ignore_quota=params["ignore_quota"],
    )
    not_held = _not_held(outcome, chosen)
    if chosen and chosen.names and len(not_held["not_held"]) == len(chosen.names):
        raise QgError(
            f"{chosen.option} contains no lease that the key holds, so none was replaced: "
            f"{format_sample(not_held['not_held'])}. qg_proxy_info lists the leases of the key.",
            **not_held,
        )
    usable = [lease for lease in outcome.after if api.is_usable(lease)]
    return {
        "leases": lease_results(usable, api.caller.vendor_clock),
        "method": "release_and_allocate" if chosen else "replace",
        "missing": outcome.missing,
        **not_held,
        **_result(outcome, api, mode),
    }


def _run_info(params: Params, mode: Mode) -> dict[str, Any]:
    check_credentials(params["with_credentials"], params["password"])
    api = lease_client(Connection.of(params), mode.announcer)
    held, origins = leases_with_origins(api)
    leases = []
    for lease in held:
        if api.is_usable(lease):
            described = lease_results([lease], api.caller.vendor_clock)[0]
            leases.append({**described, "bought_here": origins.bought_here[lease.name]})
    result = {
        "changed": False,
        "product": api.product,
        "leases": leases,
        "count": len(leases),
        "foreign": origins.foreign,
        "api": api.caller.usage(),
    }
    if warnings := unusable_leases(api, held):
        result["warnings"] = warnings
    return result


def _run_pool(params: Params, mode: Mode) -> dict[str, Any]:
    # Only the classic API has this call, so the product of the key need not be found out.
    if params["product"] not in (AUTO, CLASSIC):
        # The call /pool of product share does not only read addresses, but allocates them.
        raise OptionError(
            "product",
            f"={params['product']} has no pool that can be read without a lease",
            "set product=classic for a key of a dynamic shared plan, or use qg_proxy_allocate",
        )
    areas = check_areas("areas", params["areas"])
    check_one_area(areas, "the pool is read for")
    check_range("count", params["count"], 1, MAX_PER_CALL)
    check_credentials(params["with_credentials"], params["password"])
    api = lease_client(replace(Connection.of(params), product=CLASSIC), mode.announcer)
    try:
        codes = area_codes("areas", areas, api.named_areas)
        leases = api.pool(params["count"], areas=codes, isp=params["isp"])
    except CallError as error:
        if error.reason is None:
            raise
        raise naming_product(error, api.caller, "") from None
    return {
        "changed": False,
        "proxies": lease_results(leases, api.caller.vendor_clock),
        "count": len(leases),
        "api": api.caller.usage(),
    }


def _run_areas(params: Params, mode: Mode) -> dict[str, Any]:
    api = lease_client(Connection.of(params), mode.announcer)
    areas = [area_result(area) for area in api.areas()]
    return {
        "changed": False,
        "product": api.product,
        "areas": areas,
        "count": len(areas),
        "api": api.caller.usage(),
    }


def area_result(area: Area) -> dict[str, Any]:
    """Return a row of QG.net's list for results."""
    return {
        "area_code": area.code,
        "name": area.name,
        "isp": area.isp,
        "available": area.available,
        "vendor": dict(area.vendor),
    }


#: The operation of a module with CREDENTIALS_OPTION.
_revealing = partial(Operation, reveal=add_urls, secret_option="with_credentials")
_READING: Spec = {**CREDENTIALS_OPTION, **options.API_OPTIONS}
_BUYING: Spec = {**TERMS_OPTIONS, **CAP_OPTIONS, **IGNORE_QUOTA_OPTION, **_READING}
ALLOCATE = _revealing(
    spec={"count": {"type": "int", "required": True}, **_DESIRED, **_BUYING},
    run=_run_allocate,
    # With exact, leases that these options do not select may be released.
    selectors=(*PLACE_OPTIONS, "exclude_areas"),
    may_buy=lambda _params: True,
)
RELEASE = Operation(
    spec={**options.CHOICE, **options.API_OPTIONS},
    run=_run_release,
    selectors=tuple(options.CHOICE),
)
REPLACE = _revealing(
    spec={**options.CHOICE, "count": {"type": "int"}, **_BUYING},
    run=_run_replace,
    selectors=(*options.CHOICE, "count", "areas", "exclude_areas"),
    may_buy=lambda _params: True,
)
INFO = _revealing(spec=_READING, run=_run_info)
POOL_INFO = _revealing(
    spec={
        "count": {"type": "int", "default": 1},
        **PLACE_OPTIONS,
        **_READING,
    },
    run=_run_pool,
)
AREA_INFO = Operation(spec=options.API_OPTIONS, run=_run_areas)
