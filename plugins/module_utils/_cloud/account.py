# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations of qg_balance_info and qg_proxy_plan_info.

This file is private to the collection.
"""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from typing import Any

from .._core.validation import check_at_least, check_range, check_word
from .._task.operation import Mode, Operation
from .._task.options import ACCOUNT_API_OPTIONS, Spec, account_api

#: The brand, by the vendor's number (vendor doc 2662).
PRODUCT: Spec = {"product_id": {"type": "int", "required": True}}
SECRETS: Spec = {"include_secrets": {"type": "bool", "default": False}}


def parse_required_product(params: Mapping[str, Any]) -> int:
    """Return the number of the brand; refuse a number that cannot be that of a brand."""
    product_id: int = params["product_id"]
    check_range("product_id", product_id, 1, 10**9)
    return product_id


def parse_product(params: Mapping[str, Any]) -> int | None:
    """Return the number of the brand, or None if all brands are meant."""
    return None if params["product_id"] is None else parse_required_product(params)


def _run_balance(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    wanted = check_at_least(params["at_least"])
    api = account_api(params)
    balance = api.balance()
    return {
        "changed": False,
        "balance": balance.text,
        "amount": float(balance.exact),
        # The decimal number as it was written, and not the nearest binary number.
        "sufficient": None if wanted is None else balance.exact >= decimal.Decimal(str(wanted)),
        "api": api.usage(),
    }


def _run_proxy_plan(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    product_id = parse_required_product(params)
    resource_no, wanted = check_word("resource_no", params["resource_no"]), check_at_least(params["at_least"])
    api = account_api(params)
    plan = api.proxy_plan(resource_no, product_id, include_secrets=params["include_secrets"])
    available = plan["available"]
    return {
        "changed": False,
        "plan": plan,
        "sufficient": None if wanted is None or available is None else available >= wanted,
        "api": api.usage(),
    }


BALANCE_INFO = Operation(spec={"at_least": {"type": "float"}, **ACCOUNT_API_OPTIONS}, run=_run_balance)
PROXY_PLAN_INFO = Operation(
    spec={
        "resource_no": {"type": "str", "required": True},
        **PRODUCT,
        "at_least": {"type": "int"},
        **SECRETS,
        **ACCOUNT_API_OPTIONS,
    },
    run=_run_proxy_plan,
    secret_option="include_secrets",
)
