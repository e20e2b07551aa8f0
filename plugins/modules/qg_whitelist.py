#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whitelist of a key."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_whitelist
short_description: Manage the addresses that may use a key's proxies
version_added: 0.1.0
author:
  - The qingguo.qgnet authors (@qingguo)
description:
  - Adds egress addresses to the whitelist of a QG.net key, removes them, or makes it hold these and no others.
  - The whitelist is read first, only the difference is sent, in as few calls as possible, and it is read again.
  - A lost or garbled answer is followed by another look at the whitelist, never by a blind repetition.
  - Tasks of one control node that wait for the same key are served together, with one write for all of them. Each has a
    result of its own.
options:
  ips:
    description:
      - IPv4 addresses, as the internet sees the hosts. The vendor's whitelist takes no IPv6 addresses and no networks.
      - May be empty, except with O(state=exact).
    type: list
    elements: str
    required: true
  state:
    description:
      - With V(present), O(ips) are added, and nothing else is touched but O(replaces).
      - With V(absent), O(ips) are removed.
      - With V(exact), O(ips) are added and all others are removed, except O(keep). A run that sees only part of its
        hosts is refused, see O(allow_partial).
    type: str
    choices: [present, absent, exact]
    default: present
  keep:
    description:
      - Addresses that are never removed, whatever the other options say.
      - Must not be empty. If there are none, leave it out.
    type: list
    elements: str
  replaces:
    description: With O(state=present), addresses that are removed once all of O(ips) stand on the whitelist,
      or before where there is no room for both and they make enough of it.
    type: list
    elements: str
    default: []
  max_removals:
    description: With O(state=exact), the task fails before it writes anything when it would remove more than this.
    type: int
    default: 10
  allow_partial:
    description:
      - With O(state=exact), whether the task may run although the run sees only part of its hosts. If O(ips) is built
        from the hosts of the play, the addresses of the others would be removed.
      - A run sees only part of its hosts with C(--limit), in a C(serial) batch, and after a host of the play has failed
        or was unreachable. Without this option, the task then fails before any call.
      - Set it if O(ips) does not depend on the hosts of the run.
    type: bool
    default: false
  capacity:
    description:
      - How many addresses the whitelist of this key holds at most, if you know it. The API does not tell.
      - With it, a list that would overflow is an error before anything is written, also in check mode.
    type: int
  allow_non_global:
    description: Whether addresses may be added that do not belong to the public internet. Of use with a simulator.
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
  - qingguo.qgnet.state_dir
seealso:
  - module: qingguo.qgnet.qg_whitelist_info
  - module: qingguo.qgnet.qg_egress_whitelist
  - name: Vendor's page on adding to the whitelist
    description: Document 178 of the vendor, in Chinese.
    link: https://www.qg.net/doc/178.html
"""

EXAMPLES = r"""
- name: Let two hosts use the proxies
  qingguo.qgnet.qg_whitelist:
    key: "{{ vault_qg_key }}"
    ips:
      - 203.0.113.5
      - 203.0.113.6
    allow_non_global: true # only because these are example addresses

- name: Take one of them off again
  qingguo.qgnet.qg_whitelist:
    key: "{{ vault_qg_key }}"
    ips: [203.0.113.6]
    state: absent

- name: Let these use the proxies and nobody else, but never remove the office
  qingguo.qgnet.qg_whitelist:
    key: "{{ vault_qg_key }}"
    ips: [198.51.100.31, 198.51.100.32, 198.51.100.33]
    allow_non_global: true # only because these are example addresses
    state: exact
    keep: [198.51.100.20]
    max_removals: 3

- name: Keep a long list in a file with one address on each line
  qingguo.qgnet.qg_whitelist:
    key: "{{ vault_qg_key }}"
    ips: "{{ lookup('ansible.builtin.file', 'addresses.txt').splitlines() }}"
"""

RETURN = r"""
added:
  description: Addresses of O(ips) that were not on the whitelist before and are now.
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
  description: Addresses of O(ips) that were on the whitelist before, or were added for another task that has them too.
  returned: when the whitelist could be read
  type: list
  elements: str
  sample: [203.0.113.5]
refused:
  description: Addresses that the vendor did not take. The task fails when there is one; the others are on the list.
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
      description: What happened and what to do.
      type: str
      returned: always
  sample: []
whitelist:
  description: The whole whitelist after the task, by number. In check mode, as it would be.
  returned: when the whitelist could be read
  type: list
  elements: str
  sample: [203.0.113.5, 203.0.113.6]
count:
  description: How many addresses the whitelist holds.
  returned: when the whitelist could be read
  type: int
  sample: 2
api:
  description: What the task cost. Where another task wrote for this one, that is no call.
  returned: when the whitelist could be read
  type: dict
  contains:
    calls:
      description: Calls that the vendor received, or may have received.
      type: int
      returned: always
    retries:
      description: How many of them repeated an earlier one after a transient failure.
      type: int
      returned: always
    waited_seconds:
      description: Seconds spent waiting for a turn, or for a task that writes for this one, and between tries.
      type: float
      returned: always
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
  description: The path of the call that failed.
  returned: on failure of a call
  type: str
  sample: /whitelist/add
http_status:
  description: The HTTP status of the answer.
  returned: on failure of a call that was answered
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
