# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lease as a command line of curl."""

from __future__ import annotations

DOCUMENTATION = r"""
name: proxy_curl
short_description: Turn a proxy lease into a command line or a configuration of curl
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Returns a command line for a POSIX shell, or with O(form=config) text for the standard input of C(curl --config -).
    C(curl) then requests a URL through the lease, and fails if the server or the proxy responds with an error.
  - The proxy is used for every URL, regardless of the variable E(no_proxy). Brackets and braces in the URL are taken
    literally.
  - The proxy is the C(proxy_url) of the lease, if it has one, which holds the key and its password. Otherwise it is
    V(http://HOST:PORT), which works for callers that are on the whitelist.
  - Every user of a host can read the arguments of its processes. A lease with C(proxy_url) is therefore refused without
    O(form=config).
positional: url, form, headers, scheme
options:
  _input:
    description:
      - A lease as the modules and the lookup P(qingguo.qgnet.proxy#lookup) return it, the text V(HOST:PORT), or its
        URL, which may contain V(KEY:PASSWORD@). The host is an IPv4 address or a name.
      - It may also be the only one of a list, such as one that C(query) returns.
    type: raw
    required: true
  url:
    description:
      - The URL to request, with C(http) or C(https).
      - A user name and a password in it are possible only with O(form=config).
    type: str
    required: true
  form:
    description:
      - With V(line), the filter returns a command line.
      - With V(config), it returns a configuration of C(curl), which keeps credentials off the command line. Give it to
        C(curl --config -) as standard input, and set C(no_log) if the lease has C(proxy_url).
    type: str
    choices: [line, config]
    default: line
  headers:
    description:
      - Headers for the proxy, such as those that P(qingguo.qgnet.proxy_tunnel#filter) returns with C(form=headers). For
        a O(url) with C(https), they are sent in the C(CONNECT) request, and the server does not receive them.
      - Only with O(scheme=http), because SOCKS5 has no headers.
    type: dict
  scheme:
    description:
      - The protocol to speak with the proxy. A lease supports HTTP and SOCKS5 at the same port.
      - With V(socks5h), the proxy resolves the name in the O(url). With V(socks5), the host does.
    type: str
    choices: [http, socks5, socks5h]
    default: http
seealso:
  - plugin: qingguo.qgnet.proxy_tunnel
    plugin_type: filter
  - plugin: qingguo.qgnet.proxy_environment
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the exit address of a proxy that takes a password
  ansible.builtin.command:
    argv: [curl, --config, "-"]
    stdin: "{{ lease | qingguo.qgnet.proxy_curl('https://d.qg.net/ip', form='config') }}"
  no_log: true
  register: exit_address
  changed_when: false

- name: Show a line to copy
  ansible.builtin.debug:
    msg: "{{ '198.51.100.8:21504' | qingguo.qgnet.proxy_curl('https://d.qg.net/ip') }}"
  # curl --fail --silent --show-error --globoff --noproxy '' --proxy http://198.51.100.8:21504 https://d.qg.net/ip
"""

RETURN = r"""
_value:
  description:
    - With O(form=line), the command line, quoted for a POSIX shell.
    - With O(form=config), the lines of the configuration. A secret, if the lease has C(proxy_url).
  type: str
"""

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import describe, quote_word
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._proxy_address import (
    proxy_address,
    refusal,
    resolve,
    type_name,
)

NAME = "proxy_curl"
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_FLAGS = ("fail", "silent", "show-error", "globoff")


def proxy_curl(lease: Any, url: Any, form: Any = "line", headers: Any = None, scheme: Any = "http") -> str:
    """Return the command line that fetches the URL through the lease."""
    proxy, url, form = proxy_address(NAME, lease), _check_url(resolve(url)), resolve(form)
    fields, address = _check_headers(resolve(headers)), proxy.with_scheme(NAME, scheme)
    if fields and not address.startswith("http:"):
        raise refusal(NAME, "headers with SOCKS5, which has none", "give scheme='http', or leave out the headers")
    # An empty noproxy: otherwise curl would observe the variable no_proxy, and might bypass the lease.
    if form == "config":
        named = (f"proxy-header = {_quoted(field)}" for field in fields)
        lines = (*_FLAGS, 'noproxy = ""', f'proxy = "{address}"', *named, f"url = {_quoted(url)}")
        return "".join(f"{line}\n" for line in lines)
    if form != "line":
        raise refusal(NAME, f"a form that is {describe(form)}", "give 'line' or 'config'")
    if proxy.login is not None or "@" in urlsplit(url).netloc:
        what = (
            f"the proxy_url of {proxy.server!r}" if proxy.login is not None else "a url with a user name or a password"
        )
        raise refusal(
            NAME,
            f"{what} in a command line, which every user of a host can read",
            "give form='config', and pass the result to curl --config - as standard input",
        )
    named = (word for field in fields for word in ("--proxy-header", field))
    return shlex.join(("curl", *(f"--{flag}" for flag in _FLAGS), "--noproxy", "", "--proxy", address, *named, url))


def _quoted(url: str) -> str:
    """Quote text for a configuration of curl."""
    escaped = url.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _check_headers(headers: Any) -> list[str]:
    """Return the lines of the headers; refuse text with line breaks, which would start another line."""
    if headers is None:
        return []
    if not isinstance(headers, Mapping):
        raise refusal(NAME, f"headers that are {type_name(headers)}", "give a dictionary of names and texts")
    lines = []
    for name, given in headers.items():
        value = resolve(given)
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise refusal(NAME, f"a header named {quote_word(str(name))}", "give a name of letters, digits and hyphens")
        if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable():
            raise refusal(NAME, f"the header {name} without a text", "give one line of ASCII text")
        lines.append(f"{name}: {value}")
    return lines


def _check_url(url: Any) -> str:
    if not isinstance(url, str):
        raise refusal(NAME, f"a url that is {type_name(url)}", "give text such as 'https://d.qg.net/ip'")
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or not url.isprintable() or " " in url:
        raise refusal(
            NAME, f"url={describe(url)}", "give scheme and host without spaces, such as 'https://d.qg.net/ip'"
        )
    return url


class FilterModule:
    """The filter, in the form that Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {NAME: proxy_curl}
