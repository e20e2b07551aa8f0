# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases as parents of Squid."""

from __future__ import annotations

DOCUMENTATION = r"""
name: proxy_squid
short_description: Turn proxy leases into cache_peer lines of Squid
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Returns one line C(cache_peer HOST parent PORT 0 no-query round-robin name=NAME) for each server.
  - If a lease has C(proxy_url), C(login=KEY:PASSWORD) is added, percent-encoded as Squid expects it, so that Squid
    sends the credentials. Otherwise the whitelist must contain the address of the host that runs Squid.
  - The lines do not depend on the order of the leases. They are sorted, each server occurs once, and its name consists
    of V(qg), the host and the port.
positional: options
options:
  _input:
    description:
      - Leases as the modules and the lookup P(qingguo.qgnet.proxy#lookup) return them, texts V(HOST:PORT), URLs, which
        may contain V(KEY:PASSWORD@), or a single one of these. The host is an IPv4 address or a name.
      - Both C(query), which returns a list, and C(lookup), which joins texts with commas, can be used.
      - An empty list gives empty text.
    type: raw
    required: true
  options:
    description: Options to append to each line, for example V(no-digest connect-timeout=5).
    type: str
    default: ""
notes:
  - Squid may bypass its parents, for example for HTTPS, unless its configuration contains C(never_direct allow all).
  - If the leases have C(proxy_url), protect the file from other users, and set C(no_log) for the task, because its diff
    would show the password.
seealso:
  - plugin: qingguo.qgnet.proxy_haproxy
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Let Squid use all leases in turn
  ansible.builtin.copy:
    dest: /etc/squid/conf.d/qg.conf
    content: |
      {{ leases | qingguo.qgnet.proxy_squid(options='no-digest connect-timeout=5') }}
      never_direct allow all
    owner: root
    group: proxy
    mode: "0640"
  no_log: true
  # cache_peer 198.51.100.8 parent 21504 0 no-query round-robin name=qg-198.51.100.8-21504 no-digest connect-timeout=5
  # cache_peer 198.51.100.9 parent 30122 0 no-query round-robin name=qg-198.51.100.9-30122 no-digest connect-timeout=5
  # never_direct allow all
"""

RETURN = r"""
_value:
  description: The lines, without a newline at the end. A secret, if a lease has C(proxy_url).
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.plugin_utils._proxy_address import (
    ProxyAddress,
    check_options,
    proxy_addresses,
    refusal,
)

NAME = "proxy_squid"


def proxy_squid(leases: Any, options: Any = "") -> str:
    """Return a cache_peer line for each server among the leases."""
    extra = check_options(NAME, options)
    return "\n".join(f"{_peer(address)} {extra}".rstrip() for address in proxy_addresses(NAME, leases))


def _peer(address: ProxyAddress) -> str:
    peer = f"cache_peer {address.host} parent {address.port} 0 no-query round-robin name={address.name('qg')}"
    if address.login is None:
        return peer
    # Squid decodes the text before it searches for keywords, so encoding would not hide them.
    if address.login.startswith(("%2A", "NEGOTIATE")):
        raise refusal(
            NAME,
            f"the proxy_url of {address.server!r}",
            "its key begins with '*' or 'NEGOTIATE', which means something else to Squid",
        )
    return f"{peer} login={address.login}"


class FilterModule:
    """The filter, in the form that Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {NAME: proxy_squid}
