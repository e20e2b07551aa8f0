# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Floor 4: each option declared once, checked once, and turned into a client.

This file is private to the collection.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import env_fallback
from ansible_collections.qingguo.qgnet.plugins.module_utils._checks import check_range, check_url
from ansible_collections.qingguo.qgnet.plugins.module_utils._errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._http import Transport
from ansible_collections.qingguo.qgnet.plugins.module_utils._models import ISP_NUMBERS
from ansible_collections.qingguo.qgnet.plugins.module_utils._pacing import Budget, Pacer
from ansible_collections.qingguo.qgnet.plugins.module_utils._proxy_api import ProxyApi
from ansible_collections.qingguo.qgnet.plugins.module_utils._state import DEFAULT_STATE_DIR, State

Spec = dict[str, dict[str, Any]]

#: How the state directory is named; also for what needs the directory, but not the vendor.
STATE_OPTIONS: Spec = {
    "state_dir": {"type": "path", "default": DEFAULT_STATE_DIR, "fallback": (env_fallback, ["QG_STATE_DIR"])},
}
#: How the classic proxy API is reached (doc fragment ``proxy_api``).
PROXY_API_OPTIONS: Spec = {
    "key": {"type": "str", "required": True, "no_log": True, "fallback": (env_fallback, ["QG_KEY"])},
    "pwd": {"type": "str", "no_log": True, "fallback": (env_fallback, ["QG_PWD"])},
    "api_url": {"type": "str", "default": "https://proxy.qg.net", "fallback": (env_fallback, ["QG_API_URL"])},
    "timeout": {"type": "float", "default": 10.0, "fallback": (env_fallback, ["QG_TIMEOUT"])},
    "max_wait": {"type": "float", "default": 300.0},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    **STATE_OPTIONS,
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
    try:
        directory = os.path.isdir(path)
        ssl.create_default_context(cafile=None if directory else path, capath=path if directory else None)
    except OSError as problem:
        raise OptionError(
            f"ca_path {path} cannot be used: {problem.strerror or 'no certificates in it'}. Name a file of certificate "
            "authorities in PEM format."
        ) from None


def proxy_api(params: Mapping[str, Any]) -> ProxyApi:
    """The client that the options of :data:`PROXY_API_OPTIONS` describe."""
    if not params["key"].strip():
        raise OptionError("key is empty: give the product's key in the option key or the environment QG_KEY.")
    url = check_url("api_url", params["api_url"])
    parts = urlsplit(url)
    if parts.query or parts.fragment or parts.username:
        raise OptionError(f"api_url must hold no more than scheme, host and path: {parts.scheme}://{parts.hostname}.")
    if params["ca_path"]:
        check_authorities(params["ca_path"])
    transport = Transport(
        timeout=check_range("timeout", params["timeout"], 0.1, 600),
        validate_certs=params["validate_certs"],
        ca_path=params["ca_path"],
    )
    budget = Budget(check_range("max_wait", params["max_wait"], 0, 86400))
    pacer = Pacer(State(params["state_dir"]))
    return ProxyApi(transport, pacer, budget, api_url=url, key=params["key"], pwd=params["pwd"])
