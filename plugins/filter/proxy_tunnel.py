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
  - Returns the URL of a tunnel with the key, its password, and the choice of an exit in the user name, or after the
    password with O(style=password).
  - Requests with the same O(label) leave through the same exit, and those with another label through another one.
    Without a label, a tunnel that changes its exit for each request continues to do so.
  - With O(form=headers), the choice is in request headers. They work without a password for a host whose address is on
    the whitelist. For a URL with C(https), a client must send them in its C(CONNECT) request.
positional: label, areas, ttl
options:
  _input:
    description: The address of the tunnel, V(HOST:PORT), as M(qingguo.qgnet.qg_proxy_plan_info) returns it.
    type: raw
    required: true
  label:
    description:
      - The name of an exit, of 1 to 64 letters, digits, underscores and dots. With O(style=password) and with
        O(form=headers), it can also contain hyphens, as the names of hosts do.
      - With a list of labels, the filter returns a list with one entry for each of them, in the same order.
    type: raw
  areas:
    description:
      - The area of the exit, by its code, as M(qingguo.qgnet.qg_area_info) returns it in C(area_code), such as
        V(110100) or, in upper or lower case, V(JP). Only one area is possible, as text or as a list. Names are not
        possible, because the filter makes no calls.
      - There is no header for it.
    type: raw
  ttl:
    description: The seconds for which a label keeps its exit, from 1 to 86400.
    type: int
  key:
    description: The key of the tunnel, which is also the user name at the proxy. Required except for O(form=headers).
    type: str
  password:
    description: The password of the key at the proxy. Required except for O(form=headers).
    type: str
  form:
    description:
      - With V(url), the filter returns the URL of a proxy.
      - With V(lease), it returns a dictionary with C(server) and C(proxy_url), as the modules return leases, for the
        other filters of the collection.
      - With V(headers), it returns a dictionary of request headers, C(Proxy-TunnelID) and C(Proxy-TTL).
    type: str
    choices: [url, lease, headers]
    default: url
  style:
    description:
      - The part of the URL that chooses the exit.
      - With V(user_name), in the user name, as in C(KEY-A-JP-T-60-S-crawler7:PASSWORD). A hyphen separates there.
      - With V(password), after the password, as in C(KEY:PASSWORD:Cweb-1:T60:AJP). The pages of the vendor do not
        mention this style, but several public programs use it.
    type: str
    choices: [user_name, password]
    default: user_name
seealso:
  - module: qingguo.qgnet.qg_proxy_plan_info
  - plugin: qingguo.qgnet.proxy_environment
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Let each crawler keep its own exit for ten minutes
  ansible.builtin.command: /opt/crawler/run
  environment: >-
    {{ 'tunnel.qg.net:19702'
       | qingguo.qgnet.proxy_tunnel(inventory_hostname, ttl=600, key=qg_key, password=qg_password,
                                    form='lease', style='password')
       | qingguo.qgnet.proxy_environment }}
  changed_when: true

- name: Write 50 sticky exits into the configuration of a crawler
  ansible.builtin.copy:
    content: "{{ tunnel | qingguo.qgnet.proxy_tunnel(labels, key=qg_key, password=qg_password) | join('\n') }}"
    dest: /etc/crawler/proxies
    mode: "0600"
  vars:
    tunnel: tunnel.qg.net:19702
    labels: "{{ range(50) | map('regex_replace', '^', 'exit') }}"
  no_log: true

- name: Show the headers for a host on the whitelist
  ansible.builtin.debug:
    msg: "{{ 'tunnel.qg.net:19702' | qingguo.qgnet.proxy_tunnel('crawler-7', ttl=60, form='headers') }}"
  # {"Proxy-TTL": "60", "Proxy-TunnelID": "crawler-7"}
"""

RETURN = r"""
_value:
  description:
    - The proxy, or the list of proxies, in the requested form.
    - A secret, except with O(form=headers).
  type: raw
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import quoted
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.validation import MAX_TUNNEL_TTL, TUNNEL_LABEL
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._proxy_address import (
    proxy_address,
    refusal,
    resolve,
    type_name,
)

NAME = "proxy_tunnel"
_FORMS = ("url", "lease", "headers")
_STYLES = ("user_name", "password")
_AREA = re.compile(r"[A-Za-z]{2}|[0-9]{6}")


def proxy_tunnel(
    tunnel: Any,
    label: Any = None,
    areas: Any = None,
    ttl: Any = None,
    *,
    key: Any = None,
    password: Any = None,
    form: Any = "url",
    style: Any = "user_name",
) -> Any:
    """Return the proxy for each label, or the only one."""
    server, form, style, labels = proxy_address(NAME, tunnel).server, resolve(form), resolve(style), resolve(label)
    if form not in _FORMS:
        raise refusal(NAME, f"a form that is {quoted(str(form))}", "give 'url', 'lease' or 'headers'")
    if style not in _STYLES:
        raise refusal(NAME, f"a style that is {quoted(str(style))}", "give 'user_name' or 'password'")
    area, ttl = _check_areas(resolve(areas)), _check_ttl(resolve(ttl))
    in_user_name = form != "headers" and style == "user_name"
    if form == "headers":
        if area is not None:
            raise refusal(NAME, "areas with form='headers'", "there is no header for it: give form='url' and the key")
        if style != "user_name":
            raise refusal(NAME, f"style='{style}' with form='headers'", "it is for a URL: give form='url' or 'lease'")

        def make(name: str | None) -> Any:
            headers = {"Proxy-TunnelID": name, "Proxy-TTL": ttl}
            return {header: value for header, value in headers.items() if value is not None}
    else:
        user, password = (
            quote(_check_credential(option, value), safe="") for option, value in (("key", key), ("password", password))
        )

        def make(name: str | None) -> Any:
            # The vendor reads these parts in any order.
            if in_user_name:
                parts = (f"-{letter}-{value}" for letter, value in (("A", area), ("T", ttl), ("S", name)) if value)
                login = f"{user}{''.join(parts)}:{password}"
            else:
                parts = (f":{code}{value}" for code, value in (("C", name), ("T", ttl), ("A", area)) if value)
                login = f"{user}:{password}{''.join(parts)}"
            url = f"http://{login}@{server}"
            return url if form == "url" else {"server": server, "proxy_url": url}

    if isinstance(labels, list | tuple):
        return [make(_check_label(resolve(name), in_user_name)) for name in labels]
    return make(None if labels is None else _check_label(labels, in_user_name))


def _check_label(label: Any, in_user_name: bool) -> str:
    text = str(label) if isinstance(label, int) and not isinstance(label, bool) else label
    if not isinstance(text, str) or not TUNNEL_LABEL.fullmatch(text):
        shown = quoted(text) if isinstance(text, str) else type_name(text)
        marks = "underscores and dots" if in_user_name else "underscores, dots and hyphens"
        raise refusal(NAME, f"a label that is {shown}", f"give 1 to 64 letters, digits, {marks}")
    if in_user_name and "-" in text:
        what = f"a label that is {quoted(text)} in a user name, where a hyphen ends the label"
        raise refusal(NAME, what, "give style='password', form='headers', or a label without hyphens")
    return text


def _check_areas(areas: Any) -> str | None:
    given = [resolve(area) for area in areas] if isinstance(areas, list | tuple) else [areas]
    if given == [None]:
        return None
    if len(given) != 1:
        raise refusal(NAME, f"{len(given)} areas", "give one, since an exit is in one area")
    text = str(given[0])
    if isinstance(given[0], bool) or not _AREA.fullmatch(text):
        fix = "give a country code such as 'JP', or an area code of six digits, which qg_area_info returns"
        raise refusal(NAME, f"areas with {quoted(text)}", fix)
    return text.upper()


def _check_ttl(ttl: Any) -> str | None:
    if ttl is None:
        return None
    text = str(ttl)
    if isinstance(ttl, bool) or not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_TUNNEL_TTL:
        raise refusal(NAME, f"a ttl that is {quoted(text)}", f"give whole seconds from 1 to {MAX_TUNNEL_TTL}")
    return str(int(text))


def _check_credential(option: str, value: Any) -> str:
    text = resolve(value)
    if not isinstance(text, str) or not text:
        raise refusal(
            NAME,
            f"a tunnel without {option}" if text in (None, "") else f"{option} that is {type_name(text)}",
            f"give {option}, or form='headers' for a host on the whitelist",
        )
    if any(ord(sign) < 0x20 or ord(sign) == 0x7F for sign in text):
        raise refusal(NAME, f"{option} with a control character", f"give {option} as the vendor's user centre shows it")
    return text


class FilterModule:
    """The filter, in the form that Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {NAME: proxy_tunnel}
