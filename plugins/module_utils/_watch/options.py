# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the event source qg_watch, which Ansible does not validate for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

from .._core.durations import parse_minutes
from .._core.errors import OptionError
from .._core.validation import check_range
from .._store.rate_limiter import minute_seconds
from .._task.options import ACCOUNT_API_OPTIONS, PRODUCT_OPTIONS, PROXY_API_OPTIONS, SHARED_OPTIONS
from .._task.products import check_quota
from .._task.sources import Spec, check_environment, explain_missing, missing_options, with_value
from .events import BALANCE, LEASES, QUOTA, WHITELIST

#: The minimum interval between two polls, as a share of the vendor's minute: six calls of each kind a minute, where the
#: smallest plan allows 15, so that most of the limit remains for playbooks.
MIN_INTERVAL = 1 / 6

_API_OPTIONS: Spec = {**PRODUCT_OPTIONS, **PROXY_API_OPTIONS, **ACCOUNT_API_OPTIONS}
SPEC: Spec = {
    "watch": {"type": "list", "elements": "str", "choices": [QUOTA, LEASES, WHITELIST, BALANCE], "required": True},
    "min_remaining": {"type": "str", "default": "0"},
    "interval": {"type": "float", "default": 60.0},
    # What an API requires is required only if something of that API is watched.
    **{name: {**option, "required": False} for name, option in _API_OPTIONS.items()},
}


def read_options(args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a rulebook with their defaults; raises OptionError for a mistake in them."""
    check_environment(SHARED_OPTIONS)
    given = {name: value for name, value in args.items() if value is not None and value != ""}
    found = ArgumentSpecValidator(SPEC).validate(given)
    for error in found.errors:
        start = "Unsupported parameters for qg_watch: " if isinstance(error, UnsupportedError) else "qg_watch: "
        raise OptionError(f"{start}{error.msg}")
    params: dict[str, Any] = found.validated_parameters
    watched = set(params["watch"])
    needed = {
        **(PROXY_API_OPTIONS if watched - {BALANCE} else {}),
        **(ACCOUNT_API_OPTIONS if BALANCE in watched else {}),
    }
    if missing := missing_options(needed, with_value(params)):
        raise explain_missing(missing, "option of qg_watch", variables=None)
    if QUOTA in watched:
        check_quota(params)
    minutes = check_range("min_remaining", parse_minutes("min_remaining", params["min_remaining"]), 0, 525600)
    check_range("interval", params["interval"], minute_seconds() * MIN_INTERVAL, 86400)
    return {**params, "min_remaining": minutes}
