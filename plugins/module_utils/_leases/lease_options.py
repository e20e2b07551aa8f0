# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the modules for leases: what they describe, and which products do not have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from .._api.calls import CLASSIC, PRODUCTS
from .._api.lease_client import Leases
from .._api.leases import Terms, area_codes, code_in, is_inside
from .._core.checks import check_lease_names, check_names, check_range, parse_minutes
from .._core.errors import OptionError
from .._core.text import either, quoted
from .._paid.matching import Desired
from .._task.api_options import AUTO, PRODUCT_OPTIONS, PROXY_API_OPTIONS
from .._task.operation import Spec
from .._task.products import POOLS, check_areas, check_one_area
from .leasing import NamedLeases

#: The options that select leases. They exclude each other, which Ansible's rules cannot say: ``all`` is always given.
NAMED: Spec = {"ips": {"type": "list", "elements": "str"}, "task_ids": {"type": "list", "elements": "str"}}
CHOICE: Spec = {**NAMED, "all": {"type": "bool", "default": False}}
#: The options of each module that calls the API of a product.
API_OPTIONS: Spec = {**PRODUCT_OPTIONS, **PROXY_API_OPTIONS}
#: The products that release leases, and let the vendor replace leases of its choice.
RELEASING = tuple(name for name, product in PRODUCTS.items() if product.release)
REPLACING = tuple(name for name, product in PRODUCTS.items() if product.replace)
_RELEASES_NONE = "product={} does not release leases"
_THEY_END = "they end at their deadline"


class _Rule(NamedTuple):
    """The products that have an option, and what to say of the others. Every task has the option ``product``.

    In the problem, braces stand for the product.
    """

    option: str
    products: tuple[str, ...]
    problem: str
    fix: str


_NOT_AN_OPTION = "is not an option of product={}"
_TASKS = _Rule("task_ids", RELEASING, "select nothing with product={}, whose leases have no task", "give ips")
_TERMS = (
    _Rule("exclude_areas", ("share", "longterm", "exclusive"), _NOT_AN_OPTION, "leave it out, or give areas"),
    _Rule("pool", ("share",), _NOT_AN_OPTION, "leave it out"),
    _Rule("exact", RELEASING, f"needs a release, but {_RELEASES_NONE}", _THEY_END),
)
_RELEASE = _Rule("product", RELEASING, "={} does not release leases", _THEY_END)
_REPLACEMENT = tuple(
    _Rule(option, RELEASING, f"needs a release, but {_RELEASES_NONE}", _THEY_END) for option in NAMED
) + tuple(
    _Rule(
        option,
        REPLACING,
        "needs a replacement by QG.net, but product={} does not replace leases of QG.net's choice",
        "use a key of product=exclusive, or with product=longterm ips or task_ids",
    )
    for option in ("count", "all")
)


def _check(rules: tuple[_Rule, ...], params: Mapping[str, Any]) -> None:
    for option, products, problem, fix in rules:
        if params.get(option) not in (None, [], False) and params["product"] not in (AUTO, *products):
            raise OptionError(option, problem.format(params["product"]), fix)


check_tasks, check_release, check_replacement = (
    partial(_check, rules) for rules in ((_TASKS,), (_RELEASE,), _REPLACEMENT)
)


def check_terms(params: Mapping[str, Any]) -> None:
    """Refuse terms of leases that the product does not have."""
    _check(_TERMS, params)
    if params.get("isp") == "bgp" and params["product"] not in (AUTO, CLASSIC):
        problem = f"=bgp is not a provider of product={params['product']}"
        raise OptionError("isp", problem, "give telecom, mobile or unicom")


def check_new_terms(params: Mapping[str, Any]) -> None:
    """Refuse terms of new leases that the product does not have, or several areas where it takes one."""
    check_terms(params)
    if params["product"] == CLASSIC:
        check_one_area(check_areas("areas", params["areas"]), "product=classic leases in")


def read_terms(params: Mapping[str, Any]) -> Terms:
    """Return the parameters of new leases; raises OptionError for a mistake."""
    areas = check_areas("areas", params["areas"])
    excluded = check_areas("exclude_areas", params.get("exclude_areas"))
    # What contradicts itself as it was written needs no list of areas.
    _check_exclusions([code_in(area) or area for area in areas], [code_in(area) or area for area in excluded])
    return Terms(
        keep_alive=_keep_alive(params.get("keep_alive")),
        isp=params["isp"],
        distinct=bool(params.get("distinct")),
        areas=areas,
        exclude_areas=excluded,
        pool=POOLS.get(params.get("pool") or ""),
    )


def _check_exclusions(areas: Sequence[str], excluded: Sequence[str]) -> None:
    """Refuse an area that lies in an excluded one: no lease can be there, and QG.net may take the money."""
    for area in areas:
        for outer in excluded:
            if is_inside(area, outer):
                problem = f"contains {quoted(outer)}, in which {quoted(area)} of areas lies"
                raise OptionError("exclude_areas", problem, "leave one of them out")


def _keep_alive(value: object) -> int | None:
    """Return the duration of new leases in minutes, of which the vendor takes whole ones."""
    if value is None:
        return None
    minutes = check_range("keep_alive", parse_minutes("keep_alive", value), 1, 525600)
    if not isinstance(minutes, int):
        raise OptionError("keep_alive", f"={value} is not a number of whole minutes", "give one, such as 5m or 1h")
    return minutes


def with_codes(terms: Terms, api: Leases) -> Terms:
    """Return the parameters with the codes of the areas that the options name; raises OptionError for unknown ones."""
    areas = tuple(sorted(area_codes("areas", terms.areas, api.named_areas)))
    excluded = tuple(sorted(area_codes("exclude_areas", terms.exclude_areas, api.named_areas)))
    _check_exclusions(areas, excluded)
    return replace(terms, areas=areas, exclude_areas=excluded)


def desired_leases(params: Mapping[str, Any], count: int) -> Desired:
    """Return the desired state that the options of qg_proxy_allocate or of the lookup describe."""
    min_remaining = check_range("min_remaining", parse_minutes("min_remaining", params["min_remaining"]), 0, 525600)
    new = read_terms(params)
    if new.keep_alive is not None and new.keep_alive <= min_remaining:
        raise OptionError(
            "keep_alive",
            f"={new.keep_alive} must be more than min_remaining={params['min_remaining']}",
            "a new lease would not last long enough, and be paid for again at the next run",
        )
    return Desired(
        count=count,
        terms=new,
        min_remaining=min_remaining,
        exact=bool(params.get("exact")),
        on_uncertain=params["on_uncertain"],
        exclude_ips=check_lease_names("exclude_ips", params["exclude_ips"]),
    )


def chosen_leases(params: Mapping[str, Any]) -> NamedLeases | None:
    """Return the leases that the options name; None for all=true, or for a number in count."""
    options = [option for option in ("count", *NAMED) if option in params]
    given = [option for option in options if params[option] is not None]
    if params["all"] and given:
        raise OptionError(given[0], "and all=true exclude each other", "leave one of them out")
    if not params["all"] and not given:
        fix = f"give {either(options)}, or set all=true if all are meant"
        raise OptionError("all", "=false selects no lease", fix)
    if params["ips"] is not None:
        if any(str(ip).strip().lower() == "all" for ip in params["ips"]):
            raise OptionError("ips", "contains 'all', which is not an address", "set all=true if all leases are meant")
        return NamedLeases("ips", check_lease_names("ips", params["ips"]))
    if params["task_ids"] is not None:
        return NamedLeases("task_ids", frozenset(check_names("task_ids", params["task_ids"])))
    return None
