# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples and tables of the vendor's pages on the account API, from ``vendor_pages.yml``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

Row = dict[str, Any]
#: What the vendor calls a field, what a result calls it, a value of the vendor, and that of a
#: result.
Field = tuple[str, str, Any, Any]

_PAGES: dict[str, Any] = yaml.safe_load(
    Path(__file__).with_suffix(".yml").read_text(encoding="utf-8")
)


def _result(name: str, *secrets: str) -> Row:
    """Return the result of an example, which has the example itself, without secrets, below
    ``vendor``.
    """
    shown = {field: value for field, value in _PAGES[name].items() if field not in secrets}
    return {**_PAGES[f"{name}_result"], "vendor": shown}


def _fields(name: str) -> tuple[Field, ...]:
    return tuple(
        (vendor, result, value, reported)
        for vendor, result, value, reported in _PAGES["fields"][name]
    )


PACKAGES: dict[str, Row] = {
    "1": _PAGES["package"],
    "2": {**_PAGES["package"], **_PAGES["second_package"]},
}
#: The result of the first of them.
PACKAGE = _result("package")
INSTANCES: dict[str, Row] = {"1": _PAGES["instance"]}
INSTANCE = _result("instance", "Business_password", "Login_password")
#: What is added where secrets are requested.
INSTANCE_SECRETS: Row = _PAGES["instance_secrets"]
LINES: list[Row] = [_PAGES["line"]]
LINE = _result("line")
PRICES: Row = _PAGES["price"]
PRICE = _result("price")
PROXY_PLAN: Row = _PAGES["plan"]
PLAN = _result("plan", "Authkey")
PACKAGE_FIELDS = _fields("package")
INSTANCE_FIELDS = _fields("instance")
LINE_FIELDS = _fields("line")
PLAN_FIELDS = _fields("plan")
