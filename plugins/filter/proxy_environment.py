# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lease as environment variables."""

from __future__ import annotations

DOCUMENTATION = r"""
name: proxy_environment
short_description: Turn a proxy lease into the variables that programs read
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Returns the variables E(http_proxy), E(https_proxy) and E(no_proxy), each in lower and in upper
    case, for the keyword C(environment) of a task or for a file.
  - The URL is the C(proxy_url) of the lease, which contains the key and its password. If the lease
    has none, the URL is V(http://HOST:PORT), which works on hosts that are on the whitelist.
    O(scheme) replaces C(http).
positional: no_proxy, scheme
options:
  _input:
    description:
      - A lease as the modules and the lookup P(qingguo.qgnet.proxy#lookup) return it, the text
        V(HOST:PORT), or a URL, which may contain V(KEY:PASSWORD@). The host is an IPv4 address or a
        name.
      - A list with one of these is accepted as well, such as one that C(query) returns.
    type: raw
    required: true
  no_proxy:
    description:
      - The hosts, domains and networks to reach without the proxy, as a list or as text with
        commas.
      - With an empty list or text, everything goes through the proxy, regardless of the variables
        of the host.
      - With V(none), the filter does not return these variables, so those of the host remain in
        effect.
    type: raw
    default: localhost,127.0.0.1,::1
  scheme:
    description:
      - The protocol that programs use with the proxy. A lease supports HTTP and SOCKS5 on the same
        port.
      - With V(socks5h), the proxy resolves the names of sites. With V(socks5), the host does. The
        programs must support SOCKS5, such as C(requests[socks]) in Python.
    type: str
    choices: [http, socks5, socks5h]
    default: http
notes:
  - With C(-vvv), Ansible shows the environment of a task, even if the task or the play sets
    C(no_log). The environment is also a part of the command that starts a module, which other users
    of the host can read while the module runs.
  - A lease without C(proxy_url) contains no secret, and can be used for the environment of a task.
    For a lease with C(proxy_url), and for a URL with a password, write the variables into a file
    with the mode V(0600) in a task with C(no_log), and let the program read this file, as the
    examples show.
"""

EXAMPLES = r"""
- name: Install packages through a leased proxy
  ansible.builtin.package:
    name: git
  environment: "{{ lease | qingguo.qgnet.proxy_environment }}"

- name: Bypass the proxy for hosts of the company
  ansible.builtin.command: /opt/crawler/run
  environment: "{{ lease | qingguo.qgnet.proxy_environment(no_proxy=hosts) }}"
  vars:
    hosts: [localhost, .example.com, 192.0.2.0/24]
  changed_when: true

- name: Let the proxy resolve the names of sites
  ansible.builtin.command: /opt/crawler/run
  environment: "{{ lease | qingguo.qgnet.proxy_environment(scheme='socks5h') }}"
  changed_when: true

- name: Return the leases with the key and its password
  qingguo.qgnet.qg_proxy_info:
    with_credentials: true
  register: proxies

- name: Write the variables into a file, since -vvv shows the environment of a task
  ansible.builtin.copy:
    content: |
      {% for name, value in proxies.leases[0] | qingguo.qgnet.proxy_environment | dictsort %}
      {{ name }}={{ value | quote }}
      {% endfor %}
    dest: /etc/crawler/proxy.env
    owner: crawler
    mode: "0600"
  no_log: true

- name: Run a program with the variables of the file
  ansible.builtin.shell: set -a && . /etc/crawler/proxy.env && exec /opt/crawler/run
  become: true
  become_user: crawler
  changed_when: true

- name: Show the variables for the address of a proxy
  ansible.builtin.debug:
    msg: "{{ '198.51.100.8:21504' | qingguo.qgnet.proxy_environment(no_proxy=none) }}"
  # http_proxy, https_proxy, HTTP_PROXY and HTTPS_PROXY are http://198.51.100.8:21504
"""

RETURN = r"""
_value:
  description: The names and values of the variables. They are a secret if the lease has
    C(proxy_url).
  type: dict
"""

from collections.abc import Callable, Iterable
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import quoted
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._proxy_address import (
    check_ascii,
    proxy_address,
    refusal,
    resolve,
)

NAME = "proxy_environment"


def proxy_environment(
    lease: Any, no_proxy: Any = "localhost,127.0.0.1,::1", scheme: Any = "http"
) -> dict[str, str]:
    """Return the environment variables with which programs use the lease."""
    address = proxy_address(NAME, lease)
    no_proxy = resolve(no_proxy)
    scheme = resolve(scheme)
    if scheme not in ("http", "socks5", "socks5h"):
        raise refusal(NAME, f"scheme={quoted(str(scheme))}", "give http, socks5 or socks5h")
    url = f"{scheme}://{address.login}{address.server}"
    variables = {"http_proxy": url, "https_proxy": url}
    if no_proxy is not None:
        wrong = refusal(
            NAME,
            "this no_proxy",
            "give hosts, domains or networks, as a list or with commas between them",
        )
        if not isinstance(no_proxy, str):
            if not isinstance(no_proxy, Iterable):
                raise wrong
            no_proxy = ",".join(str(resolve(host)) for host in no_proxy)
        check_ascii(NAME, "no_proxy", no_proxy)
        words = list(filter(None, map(str.strip, no_proxy.split(","))))
        for word in words:
            # Programs would take "*.example.com" as a name. A lone asterisk means all hosts.
            is_pattern = "*" in word and word != "*"
            if is_pattern or "://" in word or set(word) & set(" ;") or not word.isprintable():
                raise wrong
        variables["no_proxy"] = ",".join(words)
    return {**variables, **{name.upper(): value for name, value in variables.items()}}


class FilterModule:
    """The filter, in the form that Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {NAME: proxy_environment}
