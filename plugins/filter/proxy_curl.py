# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lease as a command line of curl."""

from __future__ import annotations

DOCUMENTATION = r"""
name: proxy_curl
short_description: Turn a proxy lease into a command line of curl
version_added: 0.1.0
author:
  - The qingguo.qgnet authors (@qingguo)
description:
  - Returns one line for a POSIX shell that gets an address with C(curl) through the lease, and fails when the server or
    the proxy answers with an error.
  - The proxy is used for every address, whatever the variable E(no_proxy) says, and the address is taken as it is, with
    its brackets and braces.
  - The proxy is the C(proxy_url) of the lease, if it has one, which holds the key and its password. Otherwise it
    is V(http://HOST:PORT), which works for callers that are on the whitelist.
positional: url
options:
  _input:
    description:
      - A lease as the modules of the collection return it, or the text V(HOST:PORT). The host is an IPv4 address or a
        name.
    type: raw
    required: true
  url:
    description: What to get, with C(http) or C(https).
    type: str
    required: true
notes:
  - Other users of a host may see the arguments of its processes. Where that matters, use
    P(qingguo.qgnet.proxy_environment#filter) for a lease with C(proxy_url), and set C(no_log).
seealso:
  - plugin: qingguo.qgnet.proxy_environment
    plugin_type: filter
"""

EXAMPLES = r"""
- name: See where the proxy comes out
  ansible.builtin.command:
    cmd: "{{ lease | qingguo.qgnet.proxy_curl('https://d.qg.net/ip') }}"
    expand_argument_vars: false # a dollar sign in a password stays one
  register: exit_address
  changed_when: false

- name: Show a line to copy
  ansible.builtin.debug:
    msg: "{{ '198.51.100.8:21504' | qingguo.qgnet.proxy_curl('https://d.qg.net/ip') }}"
  # curl --fail --silent --show-error --globoff --noproxy '' --proxy http://198.51.100.8:21504 https://d.qg.net/ip
"""

RETURN = r"""
_value:
  description: The command line, quoted for a POSIX shell. A secret, if the lease has C(proxy_url).
  type: str
"""

import shlex
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.qingguo.qgnet.plugins.plugin_utils._endpoint import endpoint, kind, refusal, settled, shown

NAME = "proxy_curl"


def proxy_curl(lease: Any, url: Any) -> str:
    """Return the line that gets the URL through the lease."""
    proxy = endpoint(NAME, lease).url
    # An empty --noproxy, since curl would obey the variable no_proxy, and show another exit than that of the lease.
    options = ("--fail", "--silent", "--show-error", "--globoff", "--noproxy", "", "--proxy", proxy)
    return shlex.join(("curl", *options, _checked(settled(url))))


def _checked(url: Any) -> str:
    if not isinstance(url, str):
        raise refusal(NAME, f"a url that is {kind(url)}", "give text such as 'https://d.qg.net/ip'")
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or not url.isprintable() or " " in url:
        raise refusal(NAME, f"url={shown(url)}", "give scheme and host without spaces, such as 'https://d.qg.net/ip'")
    return url


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {NAME: proxy_curl}
