#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Change the whitelist of a key."""

DOCUMENTATION = r"""
module: qg_whitelist
short_description: Manage the addresses that may use a key's proxies
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Adds egress IPs to the whitelist of a QG.net key, removes them, or replaces the contents of the
    whitelist.
  - The task reads the whitelist, sends the difference, and reads the whitelist again. RV(added) and
    RV(removed) are the changes that the whitelist shows, even after a lost response. If the
    whitelist does not show within O(max_wait) what QG.net has reported as changed, the task fails,
    and the two values include what was reported.
  - The task removes addresses only when all of O(ips) are on the whitelist, unless the whitelist is
    full and needs room for them.
  - Tasks for the same key with the same O(store) wait for each other. For many hosts, use
    M(qingguo.qgnet.qg_egress_whitelist).
options:
  ips:
    description:
      - The egress IPs, as IPv4 addresses. QG.net's whitelist does not accept IPv6 addresses and
        networks.
      - The list must not be empty with O(state=exact).
    type: list
    elements: str
    required: true
  state:
    description:
      - With V(present), the addresses in O(ips) are added. With V(absent), they are removed.
      - With V(exact), they are added, and all other addresses are removed. The task then fails if
        the run covers only part of its hosts. See O(allow_partial).
    type: str
    choices: [present, absent, exact]
    default: present
  max_removals:
    description:
      - The maximum number of addresses that O(state=exact) removes. If there are more, the task
        fails before it changes anything.
    type: int
    default: 10
  allow_partial:
    description:
      - Whether a task with O(state=exact) may run although the run covers only part of its hosts.
        Set it to V(true) only if O(ips) does not depend on the hosts of the run. Otherwise, the
        addresses of the missing hosts would be removed.
      - A run covers only part of its hosts with C(--limit), in a C(serial) batch, and after a host
        of the play has failed or was unreachable. It may do so if an inventory source cannot be
        read, so a play for hosts of the inventory also needs
        E(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED) to be true.
    type: bool
    default: false
attributes:
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
seealso:
  - module: qingguo.qgnet.qg_whitelist_info
  - module: qingguo.qgnet.qg_egress_whitelist
  - name: QG.net's page on adding to the whitelist
    description: Document 178 of QG.net, in Chinese.
    link: https://www.qg.net/doc/178.html
"""

EXAMPLES = r"""
- name: Add two addresses
  qingguo.qgnet.qg_whitelist:
    ips:
      - 203.0.113.5
      - 203.0.113.6

- name: Remove an address
  qingguo.qgnet.qg_whitelist:
    ips: [203.0.113.6]
    state: absent

- name: Allow exactly these addresses
  qingguo.qgnet.qg_whitelist:
    ips: [198.51.100.31, 198.51.100.32, 198.51.100.33]
    state: exact
    max_removals: 3

- name: Read a long list from a file with one address on each line
  qingguo.qgnet.qg_whitelist:
    ips: "{{ lookup('ansible.builtin.file', 'addresses.txt').splitlines() }}"
"""

RETURN = r"""
added:
  description: The addresses in O(ips) that were added.
  returned: when the whitelist could be read
  type: list
  elements: str
  sample: [203.0.113.6]
removed:
  description: The addresses that were removed.
  returned: when the whitelist could be read
  type: list
  elements: str
  sample: []
refused:
  description:
    - The addresses that QG.net refused. If there are any, the task fails.
  returned: when the whitelist could be read
  type: list
  elements: dict
  contains:
    ip:
      description: The address.
      type: str
    code:
      description: QG.net's code, such as V(-206) for an address that is bound to another key.
      type: int
      returned: always, may be null
    reason:
      description: Why the address was refused, and what to do.
      type: str
  sample: []
whitelist:
  description: All addresses on the whitelist after the task, in numeric order. In check mode, these
    are the addresses that would be on it.
  returned: when the whitelist could be read
  type: list
  elements: str
  sample: [203.0.113.5, 203.0.113.6]
count:
  description: The number of addresses on the whitelist.
  returned: when the whitelist could be read
  type: int
  sample: 2
unreadable:
  description:
    - The entries of the whitelist that are not one IPv4 address, such as a network or a name. The
      task leaves them alone.
  returned: when the whitelist could be read
  type: list
  elements: str
  sample: []
api:
  description: The number of C(calls), how many of them were C(retries), and the time that the task
    has waited, as C(waited_seconds) and, by reason, C(waits).
  returned: when the whitelist could be read
  type: dict
error:
  description:
    - The call that failed, with its C(endpoint), C(http_status), QG.net's C(code) and what the code
      means (C(meaning)). QG.net's support can find the call by its C(request_id).
  returned: failure
  type: dict
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import WHITELIST


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(WHITELIST)


if __name__ == "__main__":
    main()
