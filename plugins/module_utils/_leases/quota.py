# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation of qg_quota_info."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Imported here, and thus before Ansible forks a process for each host.
from .._api.classic.client import ProxyApi
from .._api.product.client import ProductApi
from .._core.validation import check_at_least
from .._task.operation import Mode, Operation
from .._task.options import PRODUCT_OPTIONS, PROXY_API_OPTIONS, check_quota, product_api, proxy_api
from .product import CLASSIC


def _run(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    wanted = check_at_least(params["at_least"])
    check_quota(params["product"])
    api: ProxyApi | ProductApi
    api = proxy_api(params, mode.announcer) if params["product"] == CLASSIC else product_api(params, mode.announcer)
    quota = api.quota()
    return {
        "changed": False,
        "quota": {**quota.described(), "balance": quota.balance, "vendor": dict(quota.vendor)},
        "sufficient": None if wanted is None else quota.available >= wanted,
        "api": api.usage(),
    }


QUOTA_INFO = Operation(spec={"at_least": {"type": "int"}, **PRODUCT_OPTIONS, **PROXY_API_OPTIONS}, run=_run)
