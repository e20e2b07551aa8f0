# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the modules for leases: what they mean, and which products do not have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .._api.calls import CLASSIC, PRODUCTS
from .._api.lease_client import Leases
from .._api.leases import Terms, area_codes, code_in, is_inside
from .._core.checks import check_lease_names, check_names, check_range, parse_minutes
from .._core.errors import OptionError
from .._core.text import either, quoted
from .._paid.lifetime import check_min_remaining
from .._paid.matching import Desired
from .._task.api_options import PRODUCT_OPTIONS, PROXY_API_OPTIONS
from .._task.operation import Spec
from .._task.products import POOLS, check_areas, check_one_area
from .api import MAX_PER_CALL
from .leasing import Choice, NamedLeases

#: The options that select leases. They exclude each other, which Ansible's rules cannot say:
#: ``all`` is always given.
NAMED: Spec = {
    "ips": {"type": "list", "elements": "str"},
    "task_ids": {"type": "list", "elements": "str"},
}
CHOICE: Spec = {**NAMED, "all": {"type": "bool", "default": False}}
#: The options of each module that calls the API of a product.
API_OPTIONS: Spec = {**PRODUCT_OPTIONS, **PROXY_API_OPTIONS}
#: The products whose leases can be outside of areas.
_EXCLUDING = ("share", "longterm", "exclusive")
_THEY_END = "they end at their deadline"


def check_isp(isp: str | None, product: str) -> None:
    """Refuse a provider that the product does not have."""
    if isp == "bgp" and product != CLASSIC:
        raise OptionError(
            "isp", f"=bgp is not a provider of product={product}", "give telecom, mobile or unicom"
        )


def check_new_terms(terms: Terms, product: str) -> None:
    """Refuse terms that the product does not have, or several areas where it takes one."""
    check_isp(terms.isp, product)
    no_option = f"is not an option of product={product}"
    if terms.exclude_areas and product not in _EXCLUDING:
        raise OptionError("exclude_areas", no_option, "leave it out, or give areas")
    if terms.pool is not None and product != "share":
        raise OptionError("pool", no_option, "leave it out")
    if product == CLASSIC:
        check_one_area(terms.areas, "product=classic leases in")


def check_desired(terms: Terms, exact: bool, product: str) -> None:
    """Refuse a desired state that the product cannot have."""
    check_new_terms(terms, product)
    if exact:
        _check_releases("exact", product)


def check_release(product: str) -> None:
    """Refuse a product that releases no leases."""
    if not PRODUCTS[product].release:
        raise OptionError("product", f"={product} does not release leases", _THEY_END)


def check_replacement(choice: Choice, terms: Terms, product: str) -> None:
    """Refuse a replacement that the product lacks: by name, it is a release and a purchase."""
    check_new_terms(terms, product)
    if choice.named:
        _check_releases(choice.named.option, product)
    elif not PRODUCTS[product].replace:
        raise OptionError(
            "product",
            f"={product} does not replace leases of QG.net's choice",
            "use a key of product=exclusive, or with product=longterm ips or task_ids",
        )


def _check_releases(option: str, product: str) -> None:
    if not PRODUCTS[product].release:
        problem = f"needs a release, but product={product} does not release leases"
        raise OptionError(option, problem, _THEY_END)


def read_terms(
    *,
    areas: Sequence[str] | None = None,
    isp: str | None = None,
    keep_alive: str | None = None,
    distinct: bool = False,
    exclude_areas: Sequence[str] | None = None,
    pool: str | None = None,
) -> Terms:
    """Return the terms of new leases; raises OptionError for a mistake."""
    terms = Terms(
        keep_alive=_whole_minutes(keep_alive),
        isp=isp,
        distinct=distinct,
        areas=check_areas("areas", areas),
        exclude_areas=check_areas("exclude_areas", exclude_areas),
        pool=POOLS.get(pool or ""),
    )
    # What contradicts itself as it was written needs no list of areas.
    _check_exclusions(_written_codes(terms.areas), _written_codes(terms.exclude_areas))
    return terms


def _whole_minutes(keep_alive: str | None) -> int | None:
    """Return the duration of new leases in minutes, of which QG.net takes whole ones."""
    if keep_alive is None:
        return None
    minutes = check_range("keep_alive", parse_minutes("keep_alive", keep_alive), 1, 525600)
    if not isinstance(minutes, int):
        problem = f"={keep_alive} is not a number of whole minutes"
        raise OptionError("keep_alive", problem, "give one, such as 5m or 1h")
    return minutes


def _written_codes(areas: Sequence[str]) -> list[str]:
    return [code_in(area) or area for area in areas]


def _check_exclusions(areas: Sequence[str], excluded: Sequence[str]) -> None:
    """Refuse an area in an excluded one: no lease can be there, and QG.net may take the money."""
    for area in areas:
        for outer in excluded:
            if is_inside(area, outer):
                problem = f"contains {quoted(outer)}, in which {quoted(area)} of areas lies"
                raise OptionError("exclude_areas", problem, "leave one of them out")


def with_codes(terms: Terms, api: Leases) -> Terms:
    """Return the terms with the codes of the areas that the options name.

    Raises OptionError for unknown ones.
    """
    areas = tuple(sorted(area_codes("areas", terms.areas, api.named_areas)))
    excluded = tuple(sorted(area_codes("exclude_areas", terms.exclude_areas, api.named_areas)))
    _check_exclusions(areas, excluded)
    return replace(terms, areas=areas, exclude_areas=excluded)


def desired_leases(
    count: int,
    terms: Terms,
    *,
    min_remaining: str,
    on_uncertain: str,
    exclude_ips: Sequence[str] | None,
    exact: bool = False,
) -> Desired:
    """Return the desired state that the options of qg_proxy_allocate or of the lookup describe."""
    minutes = check_range("min_remaining", parse_minutes("min_remaining", min_remaining), 0, 525600)
    if terms.keep_alive is not None:
        check_min_remaining(minutes, terms.keep_alive * 60)
    return Desired(
        count=count,
        terms=terms,
        min_remaining=minutes,
        exact=exact,
        on_uncertain=on_uncertain,
        exclude_ips=check_lease_names("exclude_ips", exclude_ips),
    )


def read_choice(is_all: bool, **given: Any) -> Choice:
    """Return which leases are chosen; ``given`` are the options of the task that choose."""
    chosen = [option for option, value in given.items() if value is not None]
    if is_all:
        chosen.append("all=true")
    if len(chosen) > 1:
        raise OptionError(chosen[0], f"and {chosen[1]} exclude each other", "leave one of them out")
    if not chosen:
        raise OptionError(
            "all",
            "=false selects no lease",
            f"give {either(given)}, or set all=true if all are meant",
        )
    count = given.get("count")
    ips = given["ips"]
    if count is not None:
        check_range("count", count, 1, MAX_PER_CALL)
    if ips is not None:
        if any(str(ip).strip().lower() == "all" for ip in ips):
            raise OptionError(
                "ips",
                "contains 'all', which is not an address",
                "set all=true if all leases are meant",
            )
        return Choice(NamedLeases("ips", check_lease_names("ips", ips)))
    if given["task_ids"] is not None:
        return Choice(
            NamedLeases("task_ids", frozenset(check_names("task_ids", given["task_ids"])))
        )
    return Choice(count=count)
