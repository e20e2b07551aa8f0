# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation of qg_quota_info.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._api.leases import Quota
from .._api.product.endpoints import PRODUCTS
from .._core.errors import OptionError, QgError
from .._core.validation import check_at_least
from .._task.operation import Mode, Operation
from .._task.options import PRODUCT_OPTIONS, PROXY_API_OPTIONS, product_api, proxy_api
from .product import CLASSIC


def _run(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    wanted = check_at_least(params["at_least"])
    if params["product"] == CLASSIC:
        classic = proxy_api(params)
        quota, balance, usage = classic.quota(), None, classic.usage
    else:
        quota, balance, usage = _product_quota(params)
    return {
        "changed": False,
        "quota": {**quota.described(), "balance": balance, "vendor": dict(quota.vendor)},
        "sufficient": None if wanted is None else quota.available >= wanted,
        "api": usage(),
    }


def _product_quota(params: Mapping[str, Any]) -> tuple[Quota, int | None, Callable[[], dict[str, Any]]]:
    """Return the channels, or the balance of a plan by volume."""
    product = params["product"]
    if PRODUCTS[product].channels is None:
        raise OptionError(f"product={product} has no quota that can be read: look at it in the vendor's console.")
    api = product_api(params)
    quota = api.channels()
    if quota is not None:
        return quota, None, api.usage
    balance = api.balance()
    if balance is None:
        raise QgError(f"The plan behind this key of product={product} shows neither channels nor a balance.")
    return Quota(balance, balance, 0, {"balance": balance}), balance, api.usage


QUOTA_INFO = Operation(spec={"at_least": {"type": "int"}, **PRODUCT_OPTIONS, **PROXY_API_OPTIONS}, run=_run)
