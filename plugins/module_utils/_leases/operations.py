# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations of qg_proxy_allocate, qg_proxy_release, qg_proxy_replace and qg_proxy_info."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from .._api.calls import CLASSIC
from .._api.key import VendorClock
from .._api.lease_client import Leases
from .._api.leases import AllocationParams, Lease, area_codes, oldest_first
from .._core.checks import check_names, check_range, parse_minutes
from .._core.errors import OptionError, QgError
from .._core.runtime import wall_time
from .._core.text import counted, format_sample, one_line
from .._paid.caps import Caps
from .._paid.leases import MAX_PER_CALL, held_leases
from .._paid.matching import Desired
from .._store.store import StateError
from .._task.operation import Mode, Operation, Spec
from .._task.options import AUTO, CAP_OPTIONS, PRODUCT_OPTIONS, PROXY_API_OPTIONS
from .._task.products import PLACE_OPTIONS, POOLS, TERMS_OPTIONS, check_areas, check_one_area, lease_client
from .change import LeaseResult, NamedLeases, ensure_leases, release_leases, replace_leases
from .credentials import CREDENTIALS_OPTION, check_credentials, reveal

#: The options that select leases. _chosen checks that they are exclusive: for Ansible's rules, ``all`` is always given.
_NAMED: Spec = {"ips": {"type": "list", "elements": "str"}, "task_ids": {"type": "list", "elements": "str"}}
_CHOICE: Spec = {**_NAMED, "all": {"type": "bool", "default": False}}
#: The products that release leases, and let the vendor replace leases of its choice.
_RELEASING, _REPLACING = ("classic", "longterm", "exclusive"), ("classic", "exclusive")


def lease_results(leases: Iterable[Lease], clock: VendorClock) -> list[dict[str, Any]]:
    """Return leases for results, oldest deadline first. ``clock`` determines their remaining time."""
    try:
        now = clock.now()
    except StateError:
        # Paid leases must be returned even if the state store fails.
        now = wall_time()
    return [{**lease.described(now), "vendor": dict(lease.vendor)} for lease in oldest_first(leases)]


def check_terms(params: Mapping[str, Any]) -> None:
    """Refuse options for new leases that the product does not support."""
    product = params["product"]
    for option, products, fix in (
        ("exclude_areas", ("share", "longterm", "exclusive"), "leave it out, or give areas"),
        ("pool", ("share",), "leave it out"),
    ):
        if params.get(option) not in (None, []) and product not in (AUTO, *products):
            raise OptionError(f"{option} is not an option of product={product}: {fix}.")
    if params.get("isp") == "bgp" and product not in (AUTO, CLASSIC):
        raise OptionError(f"isp=bgp is not a provider of product={product}: give telecom, mobile or unicom.")


def check_tasks(params: Mapping[str, Any]) -> None:
    """Refuse task_ids for a product whose leases belong to no task."""
    product = params["product"]
    if params["task_ids"] is not None and product not in (AUTO, *_RELEASING):
        raise OptionError(f"task_ids select nothing with product={product}, whose leases have no task: give ips.")


def check_release(params: Mapping[str, Any], option: str | None = None) -> None:
    """Refuse a release if the product does not release leases; ``option`` is the option that requires it, if any."""
    product = params["product"]
    if product not in (AUTO, *_RELEASING):
        why = f"{option} needs a release, but " if option else ""
        raise OptionError(f"{why}product={product} does not release leases: they end at their deadline.")


def check_exact(params: Mapping[str, Any]) -> None:
    """Refuse ``exact`` for a product that does not release leases."""
    if params["exact"]:
        check_release(params, "exact")


def check_replacement(params: Mapping[str, Any]) -> None:
    """Refuse a replacement that the product does not support; that of named leases requires a release."""
    product = params["product"]
    named = [option for option in _NAMED if params[option] is not None]
    if named:
        check_release(params, named[0])
    elif product not in (AUTO, *_REPLACING):
        named_too = "name them in ips or task_ids" if product in _RELEASING else "wait until they end"
        raise OptionError(
            f"product={product} does not replace leases of the vendor's choice: {named_too}, or use a key of "
            "product=exclusive."
        )


def check_new_terms(params: Mapping[str, Any]) -> None:
    """Refuse options for new leases that the product does not support, or in a number that it does not support."""
    check_terms(params)
    if params["product"] == CLASSIC:
        check_one_area(check_areas("areas", params["areas"]), "product=classic leases in")


def allocation_params(params: Mapping[str, Any]) -> AllocationParams:
    """Return the parameters of new leases; raises OptionError for a mistake."""
    return AllocationParams(
        keep_alive=_keep_alive(params["keep_alive"]),
        isp=params["isp"],
        distinct=params["distinct"],
        areas=check_areas("areas", params["areas"]),
        exclude_areas=check_areas("exclude_areas", params["exclude_areas"]),
        pool=POOLS.get(params["pool"] or ""),
    )


def _keep_alive(value: object) -> int | None:
    """Return the duration of new leases in minutes, of which the vendor takes whole ones."""
    if value is None:
        return None
    minutes = check_range("keep_alive", parse_minutes("keep_alive", value), 1, 525600)
    if not isinstance(minutes, int):
        raise OptionError(f"keep_alive={value} is not a number of whole minutes: give one, such as 5m or 1h.")
    return minutes


def with_codes(params: AllocationParams, api: Leases) -> AllocationParams:
    """Return the parameters with the codes of the areas that the options name; raises OptionError for unknown ones."""
    return replace(
        params,
        areas=tuple(sorted(area_codes("areas", params.areas, api.named_areas))),
        exclude_areas=tuple(sorted(area_codes("exclude_areas", params.exclude_areas, api.named_areas))),
    )


def min_remaining_of(params: Mapping[str, Any]) -> float:
    """Return the minutes that a lease must have left."""
    return check_range("min_remaining", parse_minutes("min_remaining", params["min_remaining"]), 0, 525600)


def desired_leases(params: Mapping[str, Any]) -> Desired:
    """Return the desired state that the options of qg_proxy_allocate describe; raises OptionError for a mistake."""
    check_range("count", params["count"], 1, MAX_PER_CALL)
    min_remaining = min_remaining_of(params)
    new = allocation_params(params)
    if new.keep_alive is not None and new.keep_alive <= min_remaining:
        raise OptionError(
            f"keep_alive={new.keep_alive} must be more than min_remaining={params['min_remaining']}: a new lease "
            "would not last long enough, and be paid for again at the next run."
        )
    check_credentials(params["with_credentials"], params)
    return Desired(
        count=params["count"],
        params=new,
        min_remaining=min_remaining,
        exact=params["exact"],
        on_uncertain=params["on_uncertain"],
        exclude_ips=frozenset(check_names("exclude_ips", params["exclude_ips"])),
    )


def _chosen(params: Mapping[str, Any]) -> NamedLeases | None:
    """Return the leases that the options name; None for all=true, or for a number in count."""
    options = [option for option in ("count", *_NAMED) if option in params]
    given = [option for option in options if params[option] is not None]
    if params["all"] and given:
        raise OptionError(f"{given[0]} and all=true exclude each other: leave one of them out.")
    if not params["all"] and not given:
        names = f"{', '.join(options[:-1])} or {options[-1]}"
        raise OptionError(f"No lease is selected: give {names}, or set all=true if all are meant.")
    if params["ips"] is not None:
        ips = frozenset(check_names("ips", params["ips"]))
        if any(ip.lower() == "all" for ip in ips):
            raise OptionError("ips contains 'all', which is not an address: set all=true if all leases are meant.")
        return NamedLeases("ips", ips)
    if params["task_ids"] is not None:
        return NamedLeases("task_ids", frozenset(check_names("task_ids", params["task_ids"])))
    return None


def _not_held(found: LeaseResult, chosen: NamedLeases | None) -> dict[str, Any]:
    """Return the names that belong to no lease that the key held, and warn of them."""
    names = chosen.missing_from((*found.before, *found.continued)) if chosen else []
    if chosen and names:
        text = f"{chosen.option} contains what the key does not hold: {format_sample(names)}. Nothing was done with it."
        found.warnings.append(text)
    return {"not_held": names}


def _result(found: LeaseResult, api: Leases, mode: Mode, *, predicted: int = 0) -> dict[str, Any]:
    """Return the result of a task; ``changed`` is true if anything changed, even if the task fails."""
    result: dict[str, Any] = {
        "changed": bool(found.allocated or found.released or predicted),
        "product": api.product,
        "allocated": lease_results(found.allocated, api.caller.vendor_clock),
        "released": lease_results(found.released, api.caller.vendor_clock),
        "held": len(found.after),
        "api": api.caller.usage(),
    }
    if warnings := [*found.warnings, *_unusable(found.after)]:
        result["warnings"] = warnings
    if mode.diff:
        after = found.after
        if mode.check:
            gone = {lease.name for lease in found.released}
            after = tuple(lease for lease in after if lease.name not in gone)
        result["diff"] = {
            "before_header": "leases",
            "before": _lines(found.before),
            "after_header": "leases",
            "after": _lines(after) + "to be leased\n" * predicted,
        }
    if found.error:
        result = {"failed": True, **result, **found.error.as_result()}
    return result


def _unusable(leases: Iterable[Lease]) -> list[str]:
    """Return the warning of held leases that results leave out."""
    servers = [repr(one_line(lease.server)[:80]) for lease in oldest_first(leases) if not lease.is_usable]
    if not servers:
        return []
    return [
        f"{counted(len(servers), 'lease')} left out, because no program can use the address: {format_sample(servers)}."
    ]


def _lines(leases: Iterable[Lease]) -> str:
    lines = (f"{lease.server} {lease.ip} {lease.deadline}" for lease in oldest_first(leases))
    return "".join(f"{one_line(line)}\n" for line in lines)


def _run_allocate(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    desired, caps = desired_leases(params), Caps.parse(params)
    api = lease_client(params, mode.announcer, check_new_terms, check_exact)
    desired = replace(desired, params=with_codes(desired.params, api))
    found = ensure_leases(api, desired, check=mode.check, caps=caps)
    predicted = found.missing if mode.check else 0
    return {
        "leases": lease_results(found.leases, api.caller.vendor_clock),
        "count": len(found.leases),
        "missing": found.missing,
        **_result(found, api, mode, predicted=predicted),
    }


def _run_release(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    chosen = _chosen(params)
    api = lease_client(params, mode.announcer, check_release, check_tasks)
    found = release_leases(api, chosen, check=mode.check)
    return {**_not_held(found, chosen), **_result(found, api, mode)}


def _run_replace(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    chosen, new, number = _chosen(params), allocation_params(params), params["count"]
    check_credentials(params["with_credentials"], params)
    if number is not None:
        check_range("count", number, 1, MAX_PER_CALL)
    caps = Caps.parse(params)
    api = lease_client(params, mode.announcer, check_new_terms, check_tasks, check_replacement)
    found = replace_leases(api, chosen, number, with_codes(new, api), check=mode.check, caps=caps)
    predicted = found.missing if mode.check else 0
    not_held = _not_held(found, chosen)
    if chosen and chosen.names and len(not_held["not_held"]) == len(chosen.names):
        raise QgError(
            f"{chosen.option} contains no lease that the key holds, so none was replaced: "
            f"{format_sample(not_held['not_held'])}. qg_proxy_info lists the leases of the key.",
            **not_held,
        )
    return {
        "leases": lease_results((lease for lease in found.after if lease.is_usable), api.caller.vendor_clock),
        "method": "replace" if chosen is None else "release_and_allocate",
        "missing": found.missing,
        **not_held,
        **_result(found, api, mode, predicted=predicted),
    }


def _run_info(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    check_credentials(params["with_credentials"], params)
    names = check_names("task_ids", params["task_ids"])
    api = lease_client(params, mode.announcer, check_tasks)
    held = [lease for lease in held_leases(api) if not names or lease.task_id in names]
    leases = lease_results((lease for lease in held if lease.is_usable), api.caller.vendor_clock)
    result = {
        "changed": False,
        "product": api.product,
        "leases": leases,
        "count": len(leases),
        "api": api.caller.usage(),
    }
    return {**result, "warnings": warnings} if (warnings := _unusable(held)) else result


ALLOCATE = Operation(
    spec={
        "count": {"type": "int", "required": True},
        "min_remaining": {"type": "str", "default": "0"},
        "exact": {"type": "bool", "default": False},
        "exclude_ips": {"type": "list", "elements": "str"},
        "on_uncertain": {"type": "str", "choices": ["fail", "ignore", "match"], "default": "fail"},
        **TERMS_OPTIONS,
        **CREDENTIALS_OPTION,
        **CAP_OPTIONS,
        **PRODUCT_OPTIONS,
        **PROXY_API_OPTIONS,
    },
    run=_run_allocate,
    reveal=reveal,
    # With exact, leases that these options do not select may be released.
    selectors=(*PLACE_OPTIONS, "exclude_areas"),
)
RELEASE = Operation(
    spec={**_CHOICE, **PRODUCT_OPTIONS, **PROXY_API_OPTIONS},
    run=_run_release,
    rules={"mutually_exclusive": [tuple(_NAMED)]},
    selectors=tuple(_CHOICE),
)
REPLACE = Operation(
    spec={
        **_CHOICE,
        "count": {"type": "int"},
        **TERMS_OPTIONS,
        **CREDENTIALS_OPTION,
        **CAP_OPTIONS,
        **PRODUCT_OPTIONS,
        **PROXY_API_OPTIONS,
    },
    run=_run_replace,
    rules={"mutually_exclusive": [(*_NAMED, "count")]},
    reveal=reveal,
    selectors=(*_CHOICE, "count", "areas", "exclude_areas"),
)
INFO = Operation(
    spec={
        "task_ids": {"type": "list", "elements": "str"},
        **CREDENTIALS_OPTION,
        **PRODUCT_OPTIONS,
        **PROXY_API_OPTIONS,
    },
    run=_run_info,
    reveal=reveal,
    selectors=("task_ids",),
)
