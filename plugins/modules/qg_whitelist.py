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
  - The task reads the whitelist, sends only the difference in as few calls as possible, and reads
    the whitelist again. Only the whitelist decides, also after a lost response. RV(added) and
    RV(removed) are what it shows. If it does not show within O(max_wait) what QG.net has reported
    as changed, the task fails, and they contain what was reported.
  - Nothing is removed until all of O(ips) are on the whitelist. Only if the whitelist is full are
    addresses removed first.
  - Tasks for the same key wait for each other. For many hosts, use
    M(qingguo.qgnet.qg_egress_whitelist).
options:
  ips:
    description:
      - The egress IPs, as IPv4 addresses. QG.net's whitelist does not accept IPv6 addresses or
        networks.
      - May be empty, except with O(state=exact).
    type: list
    elements: str
    required: true
  state:
    description:
      - With V(present), O(ips) are added. With V(absent), they are removed.
      - With V(exact), O(ips) are added and all others are removed. A run that covers only part of
        its hosts is refused, see O(allow_partial).
    type: str
    choices: [present, absent, exact]
    default: present
  max_removals:
    description:
      - With O(state=exact), the maximum number of addresses to remove. If more would be removed,
        the task fails before it writes.
    type: int
    default: 10
  allow_partial:
    description:
      - With O(state=exact), whether the task may run although the run covers only part of its
        hosts. If O(ips) is built from the hosts of the play, the addresses of the others would be
        removed.
      - A run covers only part of its hosts with C(--limit), in a C(serial) batch, and after a host
        of the play has failed or was unreachable. Without this option, the task then fails before
        any call.
      - Set it if O(ips) does not depend on the hosts of the run.
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

- name: Remove one of them
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
  description: Addresses of O(ips) that were added.
  returned: when the whitelist could be read
  type: list
  elements: str
  sample: [203.0.113.6]
removed:
  description: Addresses that this task removed.
  returned: when the whitelist could be read
  type: list
  elements: str
  sample: []
refused:
  description:
    - Addresses that QG.net refused. If there are any, the task fails; the other addresses are on
      the whitelist.
  returned: when the whitelist could be read
  type: list
  elements: dict
  contains:
    ip:
      description: The address.
      type: str
    code:
      description: QG.net's code, for example V(-206) for an address that is bound to another
        key.
      type: int
      returned: always, may be null
    reason:
      description: The reason and the fix.
      type: str
  sample: []
whitelist:
  description: All addresses on the whitelist after the task, in numeric order. In check mode, as
    they would be.
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
    - Entries of the whitelist that are not one IPv4 address, such as a network or a name. The task
      never changes them.
  returned: when the whitelist could be read
  type: list
  elements: str
  sample: []
api:
  description: The numbers of calls and of retries, and the seconds waited.
  returned: when the whitelist could be read
  type: dict
error:
  description:
    - The failed call. C(code) and C(meaning) are those of QG.net; C(request_id) is its number of
      the call, for support.
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
