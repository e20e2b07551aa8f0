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
  - Changes the exit of a QG.net tunnel through its control port, and returns the new exit.
  - A call whose response was lost is repeated, because a second change does no harm.
  - QG.net documents this call for tunnels that keep their exit. To change the exit of a label,
    which the filter P(qingguo.qgnet.proxy_tunnel#filter) selects, use another label.
options:
  tunnel:
    description:
      - The address of the tunnel as V(HOST:PORT), as M(qingguo.qgnet.qg_proxy_plan_info) returns it
        in C(tunnel). The port is that of the proxy. It can be omitted.
    type: str
    required: true
  key:
    description:
      - The key of the tunnel, which QG.net calls I(Authkey).
    type: str
    required: true
  password:
    description:
      - The password of the key at the proxy, which QG.net calls I(Authpwd). The control port
        requires it even if the host is on the whitelist.
    type: str
    required: true
attributes:
  check_mode:
    details: A change is predicted, but not the new exit.
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: none
    details: QG.net does not return the previous exit.
  idempotent:
    support: none
    details: Each run changes the exit.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.transport
notes:
  - The control port does not use TLS, so the key and its password can be read on the network.
    QG.net does not offer another way.
seealso:
  - module: qingguo.qgnet.qg_proxy_plan_info
  - plugin: qingguo.qgnet.proxy_tunnel
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Change the exit of a tunnel
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
  description: The new exit, or null in check mode.
  returned: success
  type: dict
  contains:
    ip:
      description: The exit IP, which is the address that sites see.
      type: str
    server:
      description: The address and port of the exit, as QG.net returns them.
      type: str
    deadline:
      description: When QG.net changes the exit, as QG.net returns it.
      type: str
      returned: always, may be null
    expires_at:
      description:
        - The same time in ISO 8601. QG.net does not state a time zone. The collection assumes China
          Standard Time.
      type: str
      returned: always, null if the deadline cannot be read
  sample:
    ip: 192.0.2.9
    server: 192.0.2.9:33622
    deadline: "2030-01-02 03:04:05"
    expires_at: "2030-01-02T03:04:05+08:00"
api:
  description: The number of C(calls), how many of them were C(retries), and the time that the task
    has waited, as C(waited_seconds) and, by reason, C(waits).
  returned: success
  type: dict
error:
  description:
    - The call that failed, with its C(endpoint), C(http_status), QG.net's C(code) and what the code
      means (C(meaning)). QG.net's support can find the call by its C(request_id).
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
