# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation of qg_quota_info."""

from __future__ import annotations

from typing import Any

from .._task.api_options import PRODUCT_OPTIONS, PROXY_API_OPTIONS, Connection
from .._task.operation import Mode, Operation, Params
from .._task.products import check_quota, lease_client


def _run_quota(params: Params, mode: Mode) -> dict[str, Any]:
    api = lease_client(Connection.of(params), mode.announcer, check_quota)
    quota = api.quota()
    fallen = None
    if quota.balance is not None:
        # Imported only for plans by volume: other plans need no journal.
        from .foreign import unexplained_fall

        fallen = unexplained_fall(api, quota.balance)
    described = {**quota.described(), "balance": quota.balance, "unexplained": fallen}
    return {
        "changed": False,
        "product": api.product,
        "quota": {**described, "vendor": dict(quota.vendor)},
        "api": api.caller.usage(),
    }


QUOTA_INFO = Operation(spec={**PRODUCT_OPTIONS, **PROXY_API_OPTIONS}, run=_run_quota)
