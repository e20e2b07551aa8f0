# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of qg_egress_whitelist: their declarations and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.addresses import AddressScope, check_addresses
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import describe
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.validation import (
    check_range,
    check_url,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._egress.detect import DetectionRequest
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import EGRESS_OPTIONS, PROXY_API_OPTIONS
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.sources import Spec
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.host_operations import HostOptions

SPEC: Spec = {
    "step": {"type": "str", "choices": ["detect", "register", "summarize"], "required": True},
    "vars_prefix": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "ips": {"type": "list", "elements": "str"},
    "detect": {"type": "bool", "default": True},
    "forget": {"type": "list", "elements": "str"},
    "inventory_id": {"type": "str"},
    "adopt": {"type": "bool", "default": False},
    "max_removals": {"type": "int", "default": 10},
    "prune": {"type": "bool", "default": False},
    "prune_groups": {"type": "list", "elements": "str"},
    "fail": {"type": "bool", "default": True},
    "verify_proxy": {"type": "str"},
    "verify_url": {"type": "str"},
    "verify_wait": {"type": "float", "default": 30.0},
    **EGRESS_OPTIONS,
    **PROXY_API_OPTIONS,
}


@dataclass(frozen=True)
class StepOptions:
    """The checked options of both steps.

    ``detection`` is None if the host does not detect its addresses. ``verification`` is the detection through the proxy
    that must admit the host afterwards, None without such a proxy. ``forget`` are the hosts that are deregistered
    instead of the host of the task.
    """

    host: HostOptions
    prune_groups: tuple[str, ...] | None
    ips: tuple[str, ...]
    forget: tuple[str, ...]
    adopt: bool
    detection: DetectionRequest | None
    verification: DetectionRequest | None
    verify_wait: float

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> StepOptions:
        """Check and return the options of both steps, before a host or the vendor is contacted."""
        host = HostOptions.parse(params)
        scope = AddressScope.of(host.state == "absent" or params["allow_non_global"], params["api_url"])
        ips = check_addresses("ips", params["ips"] or (), scope)
        detection = DetectionRequest.parse(params) if params["detect"] and not ips else None
        if not ips and detection is None and host.state == "present":
            raise OptionError(
                "ips is missing and detect is false: give the host's addresses in ips, or set detect to true."
            )
        for option, example in (("verify_proxy", "http://192.0.2.1:3128"), ("verify_url", "https://api.ipify.org")):
            if params[option]:
                check_url(option, params[option], example)
        if params["verify_proxy"] and urlsplit(params["verify_proxy"]).port is None:
            raise OptionError(
                f"verify_proxy {describe(params['verify_proxy'])} has no port: give it, as in http://192.0.2.1:3128."
            )
        check_range("verify_wait", params["verify_wait"], 0, 600)
        verification = _parse_verification(params) if params["verify_proxy"] else None
        groups = None if params["prune_groups"] is None else tuple(params["prune_groups"])
        forget = _parse_forget(params) if params["forget"] is not None else ()
        return cls(host, groups, ips, forget, params["adopt"], detection, verification, params["verify_wait"])


def _parse_verification(params: Mapping[str, Any]) -> DetectionRequest:
    """Return the detection through ``verify_proxy``."""
    if "@" in params["verify_proxy"]:
        raise OptionError("verify_proxy contains a user name: leave it out, since the whitelist admits the host.")
    return DetectionRequest.parse(
        {
            **params,
            "sources": [params["verify_url"]] if params["verify_url"] else params["sources"][:1],
            "quorum": 1,
            "samples": 1,
            "family": None,
            "through_proxy": params["verify_proxy"],
        }
    )


def _parse_forget(params: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the hosts to forget."""
    if not params["forget"]:
        raise OptionError("forget is empty: name the hosts whose registered addresses are to be removed.")
    if params["state"] != "absent":
        raise OptionError(f"forget is only valid with state=absent, not with state={params['state']}.")
    for option in ("ips", "adopt", "prune"):
        if params[option]:
            raise OptionError(f"forget and {option} exclude each other: leave out one of them.")
    return tuple(params["forget"])
