# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the event source qg_watch, which Ansible does not validate for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.durations import parse_minutes
from .._core.validation import check_range
from .._store.rate_limiter import minute_seconds
from .._task.options import ACCOUNT_API_OPTIONS, PRODUCT_OPTIONS, PROXY_API_OPTIONS, SHARED_OPTIONS
from .._task.products import check_quota
from .._task.sources import Spec, check_environment, given_options
from .._task.sources import read_options as read
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
    given = {name: value for name, value in args.items() if value != ""}
    place = "option of qg_watch"
    params = read(SPEC, given, place=place)
    watched = set(params["watch"])
    for needed, is_watched in ((PROXY_API_OPTIONS, watched - {BALANCE}), (ACCOUNT_API_OPTIONS, BALANCE in watched)):
        if is_watched:
            given_options(needed, given, place=place)
    if QUOTA in watched:
        check_quota(params)
    minutes = check_range("min_remaining", parse_minutes("min_remaining", params["min_remaining"]), 0, 525600)
    check_range("interval", params["interval"], minute_seconds() * MIN_INTERVAL, 86400)
    return {**params, "min_remaining": minutes}
