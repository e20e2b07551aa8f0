# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documented options of the roles proxy_gateway and proxy_list are those that they read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.gateway_options import (
    GATEWAY_OPTIONS,
    LIST_OPTIONS,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.pool_options import (
    ENTRY_OPTIONS,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Spec
from support.documents import role_options

#: What both say of an option.
FIELDS = ("type", "elements", "choices", "default", "required", "no_log")
ROLES = {"proxy_gateway": GATEWAY_OPTIONS, "proxy_list": LIST_OPTIONS}


def compared(options: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What is said of each option, but for its description."""
    rows = {}
    for name, option in options.items():
        rows[name] = {field: option[field] for field in FIELDS if field in option}
    return rows


@pytest.mark.parametrize("role", ROLES)
def test_the_documented_variables_of_a_role_are_those_it_reads(role: str) -> None:
    spec = {f"{role}_{name}": option for name, option in ROLES[role].items()}
    assert compared(role_options(role)) == compared(spec)


def test_the_documented_options_of_a_pool_are_those_it_reads() -> None:
    """Without defaults: what an entry omits is taken from the variables of the role."""
    without_defaults: Spec = {}
    for name, option in ENTRY_OPTIONS.items():
        without_defaults[name] = {
            field: value for field, value in option.items() if field != "default"
        }
    documented = role_options("proxy_gateway")["proxy_gateway_pools"]["options"]
    assert compared(documented) == compared(without_defaults)
