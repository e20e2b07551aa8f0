# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proxy URLs or headers that choose the exit of a tunnel."""

from __future__ import annotations

DOCUMENTATION = r"""
name: proxy_tunnel
short_description: Turn the address of a tunnel into proxies with an exit of choice
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Returns the URL of a tunnel with the key, its password, and the choice of an exit in the user
    name.
  - Requests with the same O(label) use the same exit, and requests with another label use another
    one. Without a label, the tunnel selects the exit.
  - With O(form=headers), the choice is in request headers. They work without a password on hosts
    that are on the whitelist. For a C(https) URL, the client must send them in its C(CONNECT)
    request.
positional: label, area, ttl
options:
  _input:
    description: The address of the tunnel as V(HOST:PORT), as M(qingguo.qgnet.qg_proxy_plan_info)
      returns it in C(tunnel).
    type: raw
    required: true
  label:
    description:
      - The name of an exit, of 1 to 64 letters, digits, underscores and dots. With O(form=headers),
        it can also contain hyphens, such as in the names of hosts.
      - With a list of labels, the filter returns a list with one element for each label, in the
        same order.
    type: raw
  area:
    description:
      - The code of the area of the exit, such as V(110100) or V(JP), as
        M(qingguo.qgnet.qg_area_info) returns it in C(area_code). The option requires O(form=url).
    type: str
  ttl:
    description: The number of seconds for which a label keeps its exit, from 1 to 86400.
    type: int
  key:
    description: The key of the tunnel, which is also the user name at the proxy. It is required
      with O(form=url).
    type: str
  password:
    description: The password of the key at the proxy. It is required with O(form=url).
    type: str
  form:
    description:
      - The format of the result. V(url) is the URL of a proxy. V(headers) is a dictionary with the
        request headers C(Proxy-TunnelID) and C(Proxy-TTL).
    type: str
    choices: [url, headers]
    default: url
notes:
  - The URL contains the key and its password. A task that uses it must set C(no_log). It must not
    put the URL into its C(environment), which Ansible shows with C(-vvv) despite C(no_log).
seealso:
  - module: qingguo.qgnet.qg_proxy_plan_info
  - plugin: qingguo.qgnet.proxy_environment
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Let each crawler keep its own exit for ten minutes
  ansible.builtin.copy:
    content: |
      {% for name, value in url | qingguo.qgnet.proxy_environment | dictsort %}
      {{ name }}={{ value | quote }}
      {% endfor %}
    dest: /etc/crawler/proxy.env
    owner: crawler
    mode: "0600"
  vars:
    label: "{{ inventory_hostname | replace('-', '_') }}"
    login: {key: "{{ qg_key }}", password: "{{ qg_password }}"}
    url: "{{ 'tunnel.qg.net:19702' | qingguo.qgnet.proxy_tunnel(label, ttl=600, **login) }}"
  no_log: true

- name: Write 50 sticky exits into the configuration of a crawler
  ansible.builtin.copy:
    content: "{{ tunnel | qingguo.qgnet.proxy_tunnel(labels, **login) | join('\n') }}"
    dest: /etc/crawler/proxies
    mode: "0600"
  vars:
    tunnel: tunnel.qg.net:19702
    login: {key: "{{ qg_key }}", password: "{{ qg_password }}"}
    labels: "{{ range(50) | map('regex_replace', '^', 'exit') }}"
  no_log: true

- name: Show the headers for a host on the whitelist
  ansible.builtin.debug:
    msg: "{{ tunnel | qingguo.qgnet.proxy_tunnel('crawler-7', ttl=60, form='headers') }}"
  vars:
    tunnel: tunnel.qg.net:19702
  # {"Proxy-TTL": "60", "Proxy-TunnelID": "crawler-7"}
"""

RETURN = r"""
_value:
  description:
    - The proxy, or the list of proxies, in the requested O(form). With O(form=url), it is a secret.
  type: raw
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import quoted
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._proxy_address import (
    check_ascii,
    proxy_address,
    refusal,
    resolve,
)

NAME = "proxy_tunnel"
_LABEL = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MAX_TTL = 86400


def proxy_tunnel(
    tunnel: Any,
    label: Any = None,
    area: Any = None,
    ttl: Any = None,
    *,
    key: Any = None,
    password: Any = None,
    form: Any = "url",
) -> Any:
    """Return the proxy for each label, or the only one."""
    server = proxy_address(NAME, tunnel).server
    labels = resolve(label)
    form = resolve(form)
    area = _text(area)
    ttl = _text(ttl)
    is_list = isinstance(labels, list | tuple)
    given = labels if is_list else [labels]
    names = [str(resolve(name)) for name in given if name is not None]
    if form not in ("url", "headers"):
        raise refusal(NAME, f"form={quoted(str(form))}", "give 'url' or 'headers'")
    _check_choice(names, area, ttl, form)
    if form == "headers":
        proxies: list[Any] = _headers(names, ttl)
    else:
        user = _quoted("key", key)
        word = _quoted("password", password)
        # QG.net reads these parts in any order.
        if area:
            user += f"-A-{area.upper()}"
        if ttl:
            user += f"-T-{ttl}"
        users = [f"{user}-S-{name}" for name in names] or [user]
        proxies = [f"http://{user}:{word}@{server}" for user in users]
    if not is_list:
        return proxies[0]
    return proxies if names else []


def _check_choice(names: list[str], area: str | None, ttl: str | None, form: str) -> None:
    """Refuse labels, an area or seconds that QG.net would not read from this form."""
    if area is not None and (form == "headers" or not re.fullmatch("[A-Za-z]{2}|[0-9]{6}", area)):
        fix = "give a country code such as 'JP', or an area code of six digits, and form='url'"
        raise refusal(NAME, f"area={quoted(area)}", fix)
    if ttl is not None and not (re.fullmatch("[1-9][0-9]{0,5}", ttl) and int(ttl) <= _MAX_TTL):
        raise refusal(NAME, f"ttl={quoted(ttl)}", f"give whole seconds from 1 to {_MAX_TTL}")
    for name in names:
        check_ascii(NAME, "label", name)
        if not _LABEL.fullmatch(name) or (form == "url" and "-" in name):
            fix = (
                "give 1 to 64 letters, digits, underscores and dots; a hyphen, which ends a label, "
                "only in headers"
            )
            raise refusal(NAME, f"label={quoted(name)}", fix)


def _headers(names: list[str], ttl: str | None) -> list[dict[str, str]]:
    """Return the headers for each label, or the only ones."""
    lasting = {}
    if ttl:
        lasting["Proxy-TTL"] = ttl
    return [{"Proxy-TunnelID": name, **lasting} for name in names] or [lasting]


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return str(resolve(value))


def _quoted(option: str, value: Any) -> str:
    text = resolve(value)
    if not isinstance(text, str) or not text or re.search(r"[\x00-\x1f\x7f]", text):
        fix = "give the one of the user center, or form='headers' for a host on the whitelist"
        raise refusal(NAME, f"this {option}", fix)
    check_ascii(NAME, option, text)
    return quote(text, safe="")


class FilterModule:
    """The filter, in the form that Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {NAME: proxy_tunnel}
