# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations on the account API: balance, volume-billed proxies, packages, prices, lines and
services.
"""

from __future__ import annotations

import re
from typing import Any

from .._api.account import Account, Row
from .._core.checks import check_range, check_word
from .._core.errors import OptionError
from .._core.text import quoted
from .._task.api_options import ACCOUNT_API_OPTIONS, AccountConnection, account_api
from .._task.operation import Mode, Operation, Params, Spec

#: The brand, by QG.net's number (vendor doc 2662).
_PRODUCT: Spec = {"product_id": {"type": "int", "required": True}}
_SECRETS: Spec = {"include_secrets": {"type": "bool", "default": False}}


def check_duration(text: str) -> str:
    """Return a duration.

    Refuse other text. On QG.net's page on the price of an order, the unit ``s`` means hours.
    """
    duration = text.strip()
    if not re.fullmatch(r"[1-9][0-9]{0,3}[sdwm]", duration):
        fix = "give a number and s (hours), d (days), w (weeks) or m (months), such as 1m"
        if duration.endswith("h"):
            fix += ". QG.net writes hours with s"
        raise OptionError("duration", f"={quoted(text)} is not a duration", fix)
    return duration


def _rank(row: Row) -> tuple[bool, float, str]:
    """Return the place of a package among others: those without a price come last."""
    return row["amount"] is None, row["amount"] or 0.0, row["package_no"] or ""


def _parse_product(params: Params) -> int:
    """Return the number of the brand; refuse a number that cannot be that of a brand."""
    product_id: int = params["product_id"]
    check_range("product_id", product_id, 1, 10**9)
    return product_id


def _account(params: Params, mode: Mode) -> Account:
    return account_api(AccountConnection.of(params), mode.announcer)


def _result(api: Account, **values: Any) -> dict[str, Any]:
    return {"changed": False, **values, "api": api.caller.usage()}


def _run_balance(params: Params, mode: Mode) -> dict[str, Any]:
    api = _account(params, mode)
    return _result(api, **api.balance())


def _run_proxy_plan(params: Params, mode: Mode) -> dict[str, Any]:
    product_id = _parse_product(params)
    resource_no = check_word("resource_no", params["resource_no"])
    api = _account(params, mode)
    return _result(
        api, plan=api.proxy_plan(resource_no, product_id, include_secrets=params["include_secrets"])
    )


def _run_packages(params: Params, mode: Mode) -> dict[str, Any]:
    """Return the packages as facts, the cheapest first. A facts module returns facts alone."""
    product_id = _parse_product(params)
    api = _account(params, mode)
    packages = api.packages(product_id, load_rate=params["load_rate"])
    facts = {"qg_cloud_packages": sorted(packages, key=_rank)}
    return {"changed": False, "ansible_facts": facts}


def _run_price(params: Params, mode: Mode) -> dict[str, Any]:
    order = {
        "package_no": check_word("package_no", params["package_no"]),
        "system_no": check_word("system_no", params["system_no"]),
        "duration": check_duration(params["duration"]),
    }
    api = _account(params, mode)
    price = api.order_price(**order)
    return _result(api, price={**order, **price})


def _run_lines(params: Params, mode: Mode) -> dict[str, Any]:
    product_id = _parse_product(params)
    api = _account(params, mode)
    lines = api.lines(product_id)
    return _result(api, lines=lines, count=len(lines))


def _run_instances(params: Params, mode: Mode) -> dict[str, Any]:
    product_id = None
    if params["product_id"] is not None:
        product_id = _parse_product(params)
    suid = None
    if params["suid"] is not None:
        suid = check_word("suid", params["suid"])
    api = _account(params, mode)
    instances = api.instances(product_id, suid, include_secrets=params["include_secrets"])
    return _result(api, instances=instances, count=len(instances))


BALANCE_INFO = Operation(spec=ACCOUNT_API_OPTIONS, run=_run_balance)
PROXY_PLAN_INFO = Operation(
    spec={
        "resource_no": {"type": "str", "required": True},
        **_PRODUCT,
        **_SECRETS,
        **ACCOUNT_API_OPTIONS,
    },
    run=_run_proxy_plan,
    secret_option="include_secrets",
)
PACKAGE_FACTS = Operation(
    spec={
        **_PRODUCT,
        "load_rate": {"type": "bool", "default": False},
        **ACCOUNT_API_OPTIONS,
    },
    run=_run_packages,
)
PRICE_INFO = Operation(
    spec={
        "package_no": {"type": "str", "required": True},
        "system_no": {"type": "str", "required": True},
        "duration": {"type": "str", "required": True},
        **ACCOUNT_API_OPTIONS,
    },
    run=_run_price,
)
LINE_INFO = Operation(spec={**_PRODUCT, **ACCOUNT_API_OPTIONS}, run=_run_lines)
INSTANCE_INFO = Operation(
    spec={
        "product_id": {"type": "int"},
        "suid": {"type": "str"},
        **_SECRETS,
        **ACCOUNT_API_OPTIONS,
    },
    run=_run_instances,
    secret_option="include_secrets",
    selectors=("suid",),
)
