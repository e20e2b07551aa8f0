# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation of qg_quota_info."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.validation import check_at_least
from .._task.operation import Mode, Operation
from .._task.options import PRODUCT_OPTIONS, PROXY_API_OPTIONS
from .._task.products import check_quota, lease_client


def _run(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    wanted = check_at_least(params["at_least"])
    api = lease_client(params, mode.announcer, check_quota)
    quota = api.quota()
    return {
        "changed": False,
        "product": api.product,
        "quota": {**quota.described(), "balance": quota.balance, "vendor": dict(quota.vendor)},
        "sufficient": None if wanted is None else quota.available >= wanted,
        "api": api.usage(),
    }


QUOTA_INFO = Operation(spec={"at_least": {"type": "int"}, **PRODUCT_OPTIONS, **PROXY_API_OPTIONS}, run=_run)
