# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the event source qg_watch: a rulebook passes them without Ansible's validation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ansible.module_utils.basic import AnsibleFallbackNotFound
from ansible.module_utils.common import validation

from .._core.addresses import check_addresses
from .._core.durations import parse_minutes
from .._core.errors import OptionError
from .._core.validation import check_range
from .._store.rate_limiter import minute_seconds
from .._task.operation import secrets_in
from .._task.option_errors import check_option_names
from .._task.options import (
    ACCOUNT_API_OPTIONS,
    CAP_OPTIONS,
    GROUP_OPTIONS,
    PROXY_API_OPTIONS,
    AccountApiOptions,
    ProxyApiOptions,
)
from .._task.products import check_quota
from .._task.sources import Spec, explain_missing, missing_options, with_value, without_aliases
from .events import BALANCE, Rules

#: The minimum interval between two polls, as a share of the vendor's minute: six calls of each kind a minute, where the
#: smallest plan allows 15, so that most of the limit remains for playbooks.
MIN_INTERVAL = 1 / 6

WATCHED: Spec = {
    "quota_below": {"type": "int"},
    "leases": {"type": "bool", "default": False},
    "lease_expires_within": {"type": "str"},
    "leases_below": {"type": "int"},
    "whitelist": {"type": "bool", "default": False},
    "expected": {"type": "list", "elements": "str"},
    "balance_below": {"type": "float"},
    "caps": {"type": "bool", "default": False},
}
SPEC: Spec = {
    **WATCHED,
    "interval": {"type": "float", "default": 60.0},
    # The next poll is the next attempt, and nothing is bought.
    **{name: option for name, option in GROUP_OPTIONS.items() if name not in ("retries", *CAP_OPTIONS)},
}


def _text(value: object) -> str:
    """Accept a number as well: ansible-rulebook converts text that looks like one, such as a key of digits."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError
    return str(value)


#: The parser of each type, and its description in messages.
_TYPES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "bool": (validation.check_type_bool, "true or false"),
    "float": (validation.check_type_float, "a number"),
    "int": (validation.check_type_int, "a whole number"),
    "list": (validation.check_type_list, "a list"),
    "path": (validation.check_type_path, "a path"),
    "str": (_text, "text in quotes"),
}


@dataclass(frozen=True)
class WatchOptions:
    """The checked options of a watcher; ``proxy`` and ``account`` are None if no rule needs that API."""

    rules: Rules
    interval: float
    proxy: ProxyApiOptions | None
    account: AccountApiOptions | None
    product: str
    product_url: str | None
    #: The secrets to remove from events.
    secrets: frozenset[str] = field(repr=False)

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> WatchOptions:
        """Check and return the options; raises OptionError for every mistake that can be seen without a call."""
        rules = rules_from(params)
        needs_proxy, needs_account = bool(set(rules.subjects) - {BALANCE}), BALANCE in rules.subjects
        # The required options of an API may be missing if no rule needs the API.
        needed = {**(PROXY_API_OPTIONS if needs_proxy else {}), **(ACCOUNT_API_OPTIONS if needs_account else {})}
        if missing := missing_options(needed, with_value(params)):
            raise explain_missing(missing, "option of qg_watch", variables=None)
        if rules.quota_below is not None:
            check_quota(params)
        return cls(
            rules=rules,
            interval=params["interval"],
            proxy=ProxyApiOptions.parse(params) if needs_proxy else None,
            account=AccountApiOptions.parse(params) if needs_account else None,
            product=params["product"],
            product_url=params["product_url"],
            secrets=secrets_in(params, SPEC),
        )


def read_options(args: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options of a rulebook with their defaults; values may be text if they come from variables."""
    args = without_aliases(SPEC, args)
    check_option_names("qg_watch", args, SPEC)
    return {name: _value(name, args.get(name), option) for name, option in SPEC.items()}


def _value(name: str, value: object, option: Mapping[str, Any]) -> Any:
    if value is None or value == "":
        value = option.get("default")
        if "fallback" in option:
            from_environment, names = option["fallback"]
            with contextlib.suppress(AnsibleFallbackNotFound):
                value = from_environment(*names)
    if value is None:
        return None
    read, wanted = _TYPES[option["type"]]
    if "choices" in option:
        wanted = ", ".join(option["choices"])
    try:
        found = read(value)
        if found not in option.get("choices", [found]):
            raise ValueError
        return found
    except (TypeError, ValueError):
        shown = "" if option.get("no_log") or "@" in repr(value) else f"={value!r}"
        instead = f", or set the environment variable {option['fallback'][1][0]}" if "fallback" in option else ""
        raise OptionError(f"{name}{shown} cannot be used: give {wanted}{instead}.") from None


def rules_from(params: Mapping[str, Any]) -> Rules:
    """Return what the options watch; raises OptionError for a mistake in them."""
    for name, least, most in (
        ("quota_below", 1, 1_000_000_000),
        ("leases_below", 1, 1_000_000_000),
        ("balance_below", 0.01, 1_000_000_000),
    ):
        if params[name] is not None:
            check_range(name, params[name], least, most)
    text = params["lease_expires_within"]
    within = None if text is None else parse_minutes("lease_expires_within", text)
    if within is not None and not 0 < within <= 525_600:
        raise OptionError(f"lease_expires_within={text} is out of range: give a duration from 1s to 525600.")
    check_range("interval", params["interval"], minute_seconds() * MIN_INTERVAL, 86400)
    expected, below = params["expected"], params["balance_below"]
    if expected is not None:
        expected = frozenset(check_addresses("expected", map(str, expected)))
    rules = Rules(
        quota_below=params["quota_below"],
        leases=params["leases"],
        expires_within=within,
        leases_below=params["leases_below"],
        whitelist=params["whitelist"],
        expected=expected,
        # Exactly the decimal number that the user wrote.
        balance_below=None if below is None else Decimal(str(below)),
        caps=params["caps"],
    )
    if not rules.subjects:
        raise OptionError(f"qg_watch has nothing to watch: set at least one of {', '.join(WATCHED)}.")
    return rules
