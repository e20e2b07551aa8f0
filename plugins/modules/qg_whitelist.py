#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Change the whitelist of a key."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_whitelist
short_description: Manage the addresses that may use a key's proxies
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Adds egress IPs to the whitelist of a QG.net key, removes them, or replaces the contents of the whitelist.
  - The task reads the whitelist, sends only the difference in as few calls as possible, and reads the whitelist again.
  - After a lost or unreadable response, the task reads the whitelist again before it repeats a call.
  - Nothing is removed until all of O(ips) are on the whitelist. Only if the whitelist is full are addresses removed
    first.
  - An entry in another notation, such as C(203.0.113.5/32), counts as its address. An entry that is not one IPv4
    address is never changed, see RV(unreadable).
  - Tasks of one control node that wait for the same key are written in one batch. Each task has its own result.
options:
  ips:
    description:
      - The egress IPs, as IPv4 addresses. The vendor's whitelist does not accept IPv6 addresses or networks.
      - May be empty, except with O(state=exact).
    type: list
    elements: str
    required: true
  state:
    description:
      - With V(present), O(ips) are added, and only the addresses in O(replaces) are removed.
      - With V(absent), O(ips) are removed.
      - With V(exact), O(ips) are added and all others are removed, except O(keep). A run that covers only part of its
        hosts is refused, see O(allow_partial).
    type: str
    choices: [present, absent, exact]
    default: present
  keep:
    description:
      - Addresses that are never removed, regardless of the other options.
      - Must not be empty. Omit the option instead.
    type: list
    elements: str
  replaces:
    description:
      - With O(state=present), addresses to remove after all of O(ips) were added. If the whitelist has no room for
        both, and removing them makes enough room, they are removed first.
    type: list
    elements: str
    default: []
  max_removals:
    description:
      - With O(state=exact), the maximum number of addresses to remove. If more would be removed, the task fails before
        it writes.
    type: int
    default: 10
  allow_partial:
    description:
      - With O(state=exact), whether the task may run although the run covers only part of its hosts. If O(ips) is built
        from the hosts of the play, the addresses of the others would be removed.
      - A run covers only part of its hosts with C(--limit), in a C(serial) batch, and after a host of the play has
        failed or was unreachable. Without this option, the task then fails before any call.
      - Set it if O(ips) does not depend on the hosts of the run.
    type: bool
    default: false
  capacity:
    description:
      - The maximum number of addresses on the whitelist of this key. The API does not return it.
      - If it is set and would be exceeded, the task fails before it writes, also in check mode.
      - If it is set and has no room for old and new addresses together, those to be removed are removed first.
    type: int
  allow_non_global:
    description:
      - Whether to accept addresses that are not public. Use it with a simulator on another machine.
      - With O(api_url) on this machine, such as V(http://127.0.0.1:8080), addresses for documentation (RFC 5737) are
        always accepted, because a simulator uses them.
    type: bool
    default: false
attributes:
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.control_node
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
seealso:
  - module: qingguo.qgnet.qg_whitelist_info
  - module: qingguo.qgnet.qg_egress_whitelist
  - name: Vendor's page on adding to the whitelist
    description: Document 178 of the vendor, in Chinese.
    link: https://www.qg.net/doc/178.html
"""

EXAMPLES = r"""
- name: Add two addresses
  qingguo.qgnet.qg_whitelist:
    key: "{{ vault_qg_key }}"
    ips:
      - 203.0.113.5
      - 203.0.113.6
    allow_non_global: true # only because these are example addresses

- name: Remove one of them
  qingguo.qgnet.qg_whitelist:
    key: "{{ vault_qg_key }}"
    ips: [203.0.113.6]
    state: absent

- name: Allow exactly these addresses and the office
  qingguo.qgnet.qg_whitelist:
    key: "{{ vault_qg_key }}"
    ips: [198.51.100.31, 198.51.100.32, 198.51.100.33]
    allow_non_global: true # only because these are example addresses
    state: exact
    keep: [198.51.100.20]
    max_removals: 3

- name: Read a long list from a file with one address on each line
  qingguo.qgnet.qg_whitelist:
    key: "{{ vault_qg_key }}"
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
already_present:
  description: Addresses of O(ips) that were on the whitelist before, or that were added for another task.
  returned: when the whitelist could be read
  type: list
  elements: str
  sample: [203.0.113.5]
refused:
  description:
    - Addresses that the vendor refused. If there are any, the task fails; the other addresses are on the whitelist.
  returned: when the whitelist could be read
  type: list
  elements: dict
  contains:
    ip:
      description: The address.
      type: str
      returned: always
    code:
      description: The vendor's code, for example V(-206) for an address that is bound to another key.
      type: int
      returned: always, may be null
    reason:
      description: The reason and the fix.
      type: str
      returned: always
  sample: []
whitelist:
  description: All addresses on the whitelist after the task, in numeric order. In check mode, as they would be.
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
    - Entries of the whitelist that are not one IPv4 address, such as a network or a name, as the vendor lists them.
    - The task never changes them, and shows a warning if it removes addresses.
  returned: when the whitelist could be read
  type: list
  elements: str
  sample: []
api:
  description: The API usage of the task. Calls that another task made for this one do not count.
  returned: when the whitelist could be read
  type: dict
  contains:
    calls:
      description: Calls that the vendor received, or may have received.
      type: int
      returned: always
    retries:
      description: The number of calls that repeated an earlier one after a transient failure.
      type: int
      returned: always
    waited_seconds:
      description:
        - The seconds spent waiting for the rate limit, for a task that writes for this one, and between attempts.
      type: float
      returned: always
    waits:
      description: The same seconds by the reason of each wait, except those for a task that writes for this one.
      type: dict
      returned: when the task waited
  sample: {calls: 3, retries: 0, waited_seconds: 0.0}
code:
  description: The vendor's code.
  returned: when the vendor refused
  type: int
  sample: -202
meaning:
  description: The meaning of the code.
  returned: when the vendor refused
  type: str
  sample: whitelist full
endpoint:
  description: The path of the failed call.
  returned: on failure of a call
  type: str
  sample: /whitelist/add
http_status:
  description: The HTTP status of the response.
  returned: on failure of a call with a response
  type: int
  sample: 200
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import WHITELIST


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(WHITELIST)


if __name__ == "__main__":
    main()
