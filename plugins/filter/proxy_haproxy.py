# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases as servers of an HAProxy backend."""

from __future__ import annotations

DOCUMENTATION = r"""
name: proxy_haproxy
short_description: Turn proxy leases into server lines of HAProxy
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Returns one line C(server NAME HOST:PORT OPTIONS) for each server, for a backend with C(mode tcp).
  - The lines do not depend on the order of the leases. They are sorted, each server occurs once, and its name consists
    of the prefix, the host and the port.
  - HAProxy forwards the traffic of its clients and sends no credentials of its own, so C(proxy_url) is not used. The
    whitelist must contain the address of the host that runs HAProxy, or each client must send credentials.
positional: prefix, options
options:
  _input:
    description:
      - Leases as the modules and the lookup P(qingguo.qgnet.proxy#lookup) return them, texts V(HOST:PORT), URLs, which
        may contain V(KEY:PASSWORD@), or a single one of these. The host is an IPv4 address or a name.
      - Both C(query), which returns a list, and C(lookup), which joins texts with commas, can be used.
      - An empty list gives empty text.
    type: raw
    required: true
  prefix:
    description: The prefix of each name. Letters, digits and C(_.-) are allowed.
    type: str
    default: qg
  options:
    description: Options to append to each line, for example V(check inter 5s). Empty text adds nothing.
    type: str
    default: check
seealso:
  - plugin: qingguo.qgnet.proxy_squid
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Spread connections over all leases
  ansible.builtin.blockinfile:
    path: /etc/haproxy/haproxy.cfg
    block: |
      backend qg
          mode tcp
          balance roundrobin
          {{ leases | qingguo.qgnet.proxy_haproxy(options='check inter 5s') | indent(4) }}
    mode: "0644"
  # backend qg
  #     mode tcp
  #     balance roundrobin
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

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import quote_word
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._proxy_address import (
    check_options,
    proxy_addresses,
    refusal,
    resolve,
    type_name,
)

NAME = "proxy_haproxy"


def proxy_haproxy(leases: Any, prefix: Any = "qg", options: Any = "check") -> str:
    """Return a server line for each server among the leases."""
    prefix = resolve(prefix)
    if not isinstance(prefix, str) or not re.fullmatch("[A-Za-z0-9_.-]{1,64}", prefix):
        what = (
            f"the prefix {quote_word(prefix[:64])}"
            if isinstance(prefix, str)
            else f"a prefix that is {type_name(prefix)}"
        )
        raise refusal(NAME, what, "give a prefix of letters, digits, '_', '.' and '-'")
    extra = check_options(NAME, options)
    lines = (f"server {address.name(prefix)} {address.server} {extra}" for address in proxy_addresses(NAME, leases))
    return "\n".join(line.rstrip() for line in lines)


class FilterModule:
    """The filter, in the form that Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {NAME: proxy_haproxy}
