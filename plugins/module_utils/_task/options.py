# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each option declared once, checked once, and turned into a client.

This file is private to the collection.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import env_fallback

from .._api.account.client import AccountApi
from .._api.account.signing import Identity
from .._api.classic.client import ProxyApi
from .._api.classic.models import ISP_NUMBERS
from .._api.transport import Transport
from .._core.errors import OptionError
from .._core.text import describe
from .._core.validation import check_path, check_range, check_url
from .._core.waiting import WaitBudget
from .._store.directory import DEFAULT_STATE_DIR
from .._store.rate_limiter import RateLimiter
from .._store.state import State

Spec = dict[str, dict[str, Any]]

#: How the state directory is named; also for what needs the directory, but not the vendor.
STATE_OPTIONS: Spec = {
    "state_dir": {"type": "path", "default": DEFAULT_STATE_DIR, "fallback": (env_fallback, ["QG_STATE_DIR"])},
}
#: How any of the vendor's APIs is called.
TRANSPORT_OPTIONS: Spec = {
    "timeout": {"type": "float", "default": 10.0, "fallback": (env_fallback, ["QG_TIMEOUT"])},
    "max_wait": {"type": "float", "default": 300.0},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
}
#: How the classic proxy API is reached (doc fragment ``proxy_api``).
PROXY_API_OPTIONS: Spec = {
    "key": {"type": "str", "required": True, "no_log": True, "fallback": (env_fallback, ["QG_KEY"])},
    "pwd": {"type": "str", "no_log": True, "fallback": (env_fallback, ["QG_PWD"])},
    "api_url": {"type": "str", "default": "https://proxy.qg.net", "fallback": (env_fallback, ["QG_API_URL"])},
    **TRANSPORT_OPTIONS,
    **STATE_OPTIONS,
}
#: How the account API is reached (doc fragment ``account_api``).
ACCOUNT_API_OPTIONS: Spec = {
    "app_id": {"type": "str", "required": True, "fallback": (env_fallback, ["QG_APP_ID"])},
    "app_key": {"type": "str", "required": True, "no_log": True, "fallback": (env_fallback, ["QG_APP_KEY"])},
    "account_url": {
        "type": "str",
        "default": "https://www.qg.net/api",
        "fallback": (env_fallback, ["QG_ACCOUNT_URL"]),
    },
    "domain": {"type": "str", "default": "www.qg.net", "fallback": (env_fallback, ["QG_DOMAIN"])},
    **TRANSPORT_OPTIONS,
}
#: Where leases are.
PLACE_OPTIONS: Spec = {
    "area_id": {"type": "int"},
    "isp": {"type": "str", "choices": list(ISP_NUMBERS)},
}
#: What new leases are asked for with (doc fragment ``lease_terms``).
TERMS_OPTIONS: Spec = {
    **PLACE_OPTIONS,
    "keep_alive": {"type": "int"},
    "distinct": {"type": "bool", "default": False},
}
#: How a host is asked for its egress address (doc fragment ``egress``).
EGRESS_OPTIONS: Spec = {
    "sources": {
        "type": "list",
        "elements": "str",
        "default": ["https://d.qg.net/ip", "https://checkip.amazonaws.com", "https://api.ipify.org"],
    },
    "quorum": {"type": "int"},
    "samples": {"type": "int", "default": 1},
    "source_address": {"type": "str"},
    "allow_non_global": {"type": "bool", "default": False},
}


def check_authorities(path: str) -> None:
    """Refuse a ca_path that cannot be used, before the HTTP library does it without a word of what is wrong."""
    check_path("ca_path", path)
    try:
        directory = os.path.isdir(path)
        ssl.create_default_context(cafile=None if directory else path, capath=path if directory else None)
    except OSError as problem:
        raise OptionError(
            f"ca_path {path} cannot be used: {problem.strerror or 'no certificates in it'}. Name a file of certificate "
            "authorities in PEM format."
        ) from None


def _address(option: str, params: Mapping[str, Any], spec: Spec) -> str:
    """The address of an API, with nothing in it that could be a secret."""
    url = check_url(option, params[option], spec[option]["default"])
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise OptionError(f"{option} must hold no more than scheme, host and path: {parts.scheme}://{parts.hostname}.")
    return url


def _check_transport(params: Mapping[str, Any]) -> None:
    """Find every mistake in the options of :data:`TRANSPORT_OPTIONS`."""
    if params["ca_path"]:
        check_authorities(params["ca_path"])
    check_range("timeout", params["timeout"], 0.1, 600)
    check_range("max_wait", params["max_wait"], 0, 86400)


def _transport(params: Mapping[str, Any], url_option: str) -> tuple[Transport, WaitBudget]:
    """What the options of :data:`TRANSPORT_OPTIONS` describe."""
    transport = Transport(
        timeout=params["timeout"],
        validate_certs=params["validate_certs"],
        ca_path=params["ca_path"],
        url_option=url_option,
    )
    return transport, WaitBudget(params["max_wait"])


def check_proxy_api(params: Mapping[str, Any]) -> str:
    """Find every mistake in the options of :data:`PROXY_API_OPTIONS` but ``state_dir``; returns the API's address."""
    if not params["key"].strip():
        raise OptionError("key is empty: give the product's key in the option key or the environment QG_KEY.")
    url = _address("api_url", params, PROXY_API_OPTIONS)
    _check_transport(params)
    return url


def proxy_api(params: Mapping[str, Any], state: State | None = None) -> ProxyApi:
    """The client that the options of :data:`PROXY_API_OPTIONS` describe; ``state`` is what is open of ``state_dir``."""
    url = check_proxy_api(params)
    transport, budget = _transport(params, "api_url")
    rate_limiter = RateLimiter(state or State(params["state_dir"], params["max_wait"]))
    return ProxyApi(transport, rate_limiter, budget, api_url=url, key=params["key"], pwd=params["pwd"])


def account_api(params: Mapping[str, Any]) -> AccountApi:
    """The client that the options of :data:`ACCOUNT_API_OPTIONS` describe."""
    for option, what in (("app_id", "the appid"), ("app_key", "the appkey")):
        if not params[option].strip():
            raise OptionError(
                f"{option} is empty: give {what} of the vendor's page Agent in the option {option} or the environment "
                f"QG_{option.upper()}."
            )
    domain = params["domain"].strip()
    if not re.fullmatch(r"[A-Za-z0-9.-]+", domain):
        raise OptionError(
            f"domain={describe(domain)} is no host name: give the site that the account lives on, such as www.qg.net."
        )
    url = _address("account_url", params, ACCOUNT_API_OPTIONS)
    _check_transport(params)
    transport, budget = _transport(params, "account_url")
    identity = Identity(params["app_id"].strip(), params["app_key"].strip(), domain)
    return AccountApi(transport, budget, account_url=url, identity=identity)
