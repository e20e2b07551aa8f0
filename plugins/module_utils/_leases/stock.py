# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations of qg_proxy_pool_info and qg_area_info."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._api.calls import CLASSIC
from .._api.lease_client import Leases
from .._api.leases import Area, area_codes
from .._core.checks import check_range
from .._core.errors import CallError, OptionError
from .._paid.leases import MAX_PER_CALL
from .._task.operation import Mode, Operation
from .._task.options import AUTO, PRODUCT_OPTIONS, PROXY_API_OPTIONS, key_caller
from .._task.products import PLACE_OPTIONS, POOLS, check_areas, check_one_area, lease_client, naming_product
from .credentials import CREDENTIALS_OPTION, check_credentials, reveal
from .operations import check_terms, lease_results


def _run_pool(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    # Only the classic API has this call, so the product of the key need not be found out.
    if params["product"] not in (AUTO, CLASSIC):
        # The call /pool of product share does not only read addresses, but allocates them.
        raise OptionError(
            f"product={params['product']} has no pool that can be read without a lease: set product=classic for a key "
            "of a dynamic shared plan, or use qg_proxy_allocate."
        )
    areas = check_areas("areas", params["areas"])
    check_one_area(areas, "the pool is read for")
    check_range("count", params["count"], 1, MAX_PER_CALL)
    check_credentials(params["with_credentials"], params)
    api = Leases(key_caller(params, mode.announcer))
    pool = POOLS.get(params["pool"] or "")
    try:
        codes = area_codes("areas", areas, api.named_areas)
        found = api.pool(params["count"], areas=codes, isp=params["isp"], pool=pool)
    except CallError as error:
        if error.kind is None:
            raise
        raise naming_product(error, api.caller, "") from None
    return {
        "changed": False,
        "proxies": lease_results(found, api.caller.vendor_clock),
        "count": len(found),
        "api": api.caller.usage(),
    }


def _run_areas(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    api = lease_client(params, mode.announcer, check_terms)
    areas = [area_result(area) for area in api.areas(params["isp"], params["available"])]
    return {"changed": False, "product": api.product, "areas": areas, "count": len(areas), "api": api.caller.usage()}


def area_result(area: Area) -> dict[str, Any]:
    """Return a row of the vendor's list for results."""
    return {
        "area_code": area.code,
        "name": area.name,
        "isp": area.isp,
        "available": area.available,
        "vendor": dict(area.vendor),
    }


POOL_INFO = Operation(
    spec={
        "count": {"type": "int", "default": 1},
        "pool": {"type": "str", "choices": list(POOLS)},
        **CREDENTIALS_OPTION,
        **PLACE_OPTIONS,
        **PRODUCT_OPTIONS,
        **PROXY_API_OPTIONS,
    },
    run=_run_pool,
    reveal=reveal,
)
AREA_INFO = Operation(
    spec={
        "available": {"type": "bool"},
        "isp": PLACE_OPTIONS["isp"],
        **PRODUCT_OPTIONS,
        **PROXY_API_OPTIONS,
    },
    run=_run_areas,
)
