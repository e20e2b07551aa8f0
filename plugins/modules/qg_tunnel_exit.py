#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Change the exit of a tunnel."""

DOCUMENTATION = r"""
module: qg_tunnel_exit
short_description: Change the exit of a tunnel
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Changes the exit address of a QG.net tunnel at its control port, and returns the new one. Each
    run changes it.
  - A call whose response was lost is repeated, because a second change has the same effect.
  - QG.net documents this call for tunnels that keep their exit. The exits of labels, which the
    filter P(qingguo.qgnet.proxy_tunnel#filter) selects, change with another label.
options:
  tunnel:
    description:
      - The address of the tunnel, V(HOST:PORT), as M(qingguo.qgnet.qg_proxy_plan_info) returns it
        in C(tunnel). The port, which is that of the proxy, may be omitted.
    type: str
    required: true
  key:
    description:
      - The key of the tunnel. QG.net calls it I(Authkey).
    type: str
    required: true
  password:
    description:
      - The password of the key at the proxy. QG.net calls it I(Authpwd). The control port
        requires it, also for a host on the whitelist.
    type: str
    required: true
attributes:
  check_mode:
    details: Predicts a change. The new exit is not known.
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: none
    details: QG.net does not return the former exit.
  idempotent:
    support: none
    details: Each run changes the exit.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.transport
notes:
  - The control port has no TLS, so the key and its password are readable on the network. QG.net
    offers no other way.
seealso:
  - module: qingguo.qgnet.qg_proxy_plan_info
  - plugin: qingguo.qgnet.proxy_tunnel
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Leave through another address from now on
  qingguo.qgnet.qg_tunnel_exit:
    tunnel: tunnel.qg.net:19702
    password: "{{ vault_qg_password }}"
  register: tunnel

- name: Show the new address
  ansible.builtin.debug:
    var: tunnel.exit.ip
"""

RETURN = r"""
exit:
  description: The new exit; null in check mode.
  returned: success
  type: dict
  contains:
    ip:
      description: The exit IP, which is the address that websites see.
      type: str
    server:
      description: Address and port of the exit, as QG.net gives them.
      type: str
    deadline:
      description: When QG.net changes it, as QG.net gives it.
      type: str
      returned: always, may be null
    expires_at:
      description:
        - The same time in ISO 8601. QG.net states no time zone; the collection assumes China
          Standard Time.
      type: str
      returned: always, null if the deadline cannot be read
  sample:
    ip: 192.0.2.9
    server: 192.0.2.9:33622
    deadline: "2030-01-02 03:04:05"
    expires_at: "2030-01-02T03:04:05+08:00"
api:
  description: The numbers of calls and of retries, and the seconds waited.
  returned: success
  type: dict
error:
  description:
    - The failed call. C(code) and C(meaning) are those of QG.net; C(request_id) is its number of
      the call, for support.
  returned: failure
  type: dict
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._tunnels.operations import TUNNEL_EXIT


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(TUNNEL_EXIT)


if __name__ == "__main__":
    main()
