# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of a list of leases, in its formats or by a template that was recorded with it.

A template of the user is rendered in Jinja's sandbox, with nothing but the leases: it comes from
the store, where somebody else may be able to write.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
from ansible.plugins.filter.core import FilterModule as CoreFilters
from ansible.plugins.filter.urlsplit import FilterModule as UrlFilters
from ansible_collections.qingguo.qgnet.plugins.filter.proxy_environment import proxy_environment
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import one_line
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.logins import Login
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.credentials import proxy_url
from jinja2.sandbox import ImmutableSandboxedEnvironment

#: An invented lease, for a template that is rendered before anything is leased.
SAMPLE: dict[str, Any] = {
    "ip": "203.0.113.5",
    "port": 21504,
    "server": "203.0.113.5:21504",
    "deadline": "2030-01-02 03:04:05",
    "expires_at": "2030-01-02T03:04:05+08:00",
    "remaining_seconds": 3600,
    "region": "Quanzhou",
    "isp": "telecom",
    "area_code": "350500",
    "task_id": "T1",
    "vendor": {},
}
_FIELDS = ("server", "ip", "expires_at", "region", "isp")
#: The filters of Ansible that a template may use: those that turn one value into another.
_FILTERS = (
    "b64encode",
    "combine",
    "hash",
    "regex_replace",
    "to_json",
    "to_nice_json",
    "to_yaml",
    "urlsplit",
)


def check_template(proxies: Mapping[str, Any], path: str) -> None:
    """Raise OptionError for a template, from this path, that fails with invented leases."""
    leases = [SAMPLE] * proxies["pools"][0]["count"]
    urls = [f"{proxies['scheme']}://{lease['server']}" for lease in leases]
    try:
        _rendered(proxies["template"], leases, urls)
    except Exception as error:
        why = one_line(str(error)).rstrip(".")
        raise OptionError(
            "proxy_list_template",
            f"={path} cannot be used, and nothing was leased",
            f"{why}. It may use leases and urls, and no other variables",
        ) from None


def list_text(
    proxies: Mapping[str, Any], leases: Sequence[Mapping[str, Any]], login: Login, host: str
) -> str:
    """Return the text of a list for a host."""
    ordered = sorted(leases, key=lambda lease: lease["server"])
    addresses = [f"http://{lease['server']}" for lease in ordered]
    if proxies["credentials"]:
        key = login.key or ""
        addresses = [proxy_url(lease["server"], key, login.password or "") for lease in ordered]
    urls = [proxies["scheme"] + address.removeprefix("http") for address in addresses]
    if proxies["template"]:
        try:
            return _rendered(proxies["template"], ordered, urls)
        except Exception as error:
            # Its message may contain a URL with the password.
            why = f"fails with the leases of this run ({type(error).__name__})"
            raise OptionError(
                "proxy_list_template", why, "correct it, and run the role again"
            ) from None
    if proxies["format"] == "lines":
        return "".join(f"{lease['server']}\n" for lease in ordered)
    if proxies["format"] == "urls":
        return "".join(f"{url}\n" for url in urls)
    if proxies["format"] == "json":
        rows = []
        for lease, url in zip(ordered, urls, strict=True):
            row = {field: lease[field] for field in _FIELDS}
            rows.append("\n" + json.dumps({**row, "url": url}, ensure_ascii=False))
        return f"[{','.join(rows)}\n]\n"
    # Hosts begin with different leases.
    number = int(hashlib.md5(host.encode(), usedforsecurity=False).hexdigest()[:8], 16)
    address = addresses[number % len(addresses)]
    variables = proxy_environment(address, scheme=proxies["scheme"])
    return "".join(f"{name}={value}\n" for name, value in sorted(variables.items()))


def _rendered(template: str, leases: Sequence[Mapping[str, Any]], urls: Sequence[str]) -> str:
    """Return the text of a template; raises whatever is wrong with it."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    filters = {**CoreFilters().filters(), **UrlFilters().filters()}
    environment.filters.update({name: filters[name] for name in _FILTERS})
    return environment.from_string(template).render(leases=leases, urls=urls)
