# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases as servers of an HAProxy backend."""

from __future__ import annotations

DOCUMENTATION = r"""
name: proxy_haproxy
short_description: Turn proxy leases into servers of an HAProxy backend
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Returns one line C(server NAME HOST:PORT OPTIONS) for each server, for a backend with C(mode
    http) or C(mode tcp). The role P(qingguo.qgnet.proxy_gateway#role) writes a whole configuration.
  - The lines are sorted, so they do not depend on the order of the leases. Each server occurs once.
    Its name consists of the prefix, the host and the port.
  - The lines contain no credentials, so the host that runs HAProxy must be on the whitelist.
positional: prefix, options
options:
  _input:
    description:
      - Leases as the modules and the lookup P(qingguo.qgnet.proxy#lookup) return them, texts
        V(HOST:PORT), URLs, which may contain V(KEY:PASSWORD@), or a single one of these. The host
        is an IPv4 address or a name.
      - The result of C(query), which is a list, and of C(lookup), which is text with commas, can
        both be used. For an empty list, the filter returns empty text.
    type: raw
    required: true
  prefix:
    description: The prefix of each name, of 1 to 64 letters, digits and C(_.-).
    type: str
    default: qg
  options:
    description: The options to append to each line, such as V(check inter 5s).
    type: str
    default: check
"""

EXAMPLES = r"""
- name: Spread connections over all leases
  ansible.builtin.blockinfile:
    path: /etc/haproxy/haproxy.cfg
    block: |
      frontend crawlers
          mode http
          bind 127.0.0.1:3128
          default_backend qg
      backend qg
          mode http
          balance leastconn
          {{ leases | qingguo.qgnet.proxy_haproxy(options='check inter 5s') | indent(4) }}
    validate: haproxy -c -f %s
    mode: "0644"
  # backend qg
  #     mode http
  #     balance leastconn
  #     server qg-198.51.100.8-21504 198.51.100.8:21504 check inter 5s
  #     server qg-198.51.100.9-30122 198.51.100.9:30122 check inter 5s
"""

RETURN = r"""
_value:
  description: The lines, without a newline at the end.
  type: str
"""

import re
from collections.abc import Callable
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.plugin_utils._proxy_address import (
    proxy_servers,
    refusal,
    resolve,
)

NAME = "proxy_haproxy"


def proxy_haproxy(leases: Any, prefix: Any = "qg", options: Any = "check") -> str:
    """Return a server line for each server among the leases."""
    name_prefix = str(resolve(prefix))
    if not re.fullmatch("[A-Za-z0-9_.-]{1,64}", name_prefix):
        raise refusal(NAME, "this prefix", "give 1 to 64 letters, digits, '_', '.' and '-'")
    given = resolve(options)
    server_options = str(given).strip()
    if (
        not isinstance(given, str)
        or not server_options.isprintable()
        or server_options.endswith("\\")
    ):
        # They may contain a secret, such as that of login.
        raise refusal(
            NAME, "these options", "give words on a single line, with no backslash at its end"
        )
    lines = []
    for server in proxy_servers(NAME, leases):
        name = f"{name_prefix}-{server.replace(':', '-')}"
        lines.append(f"server {name} {server} {server_options}".rstrip())
    return "\n".join(lines)


class FilterModule:
    """The filter, in the form that Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {NAME: proxy_haproxy}
