#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the whitelist of a key."""

DOCUMENTATION = r"""
module: qg_whitelist_info
short_description: Read the addresses that may use a key's proxies
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Reads the whitelist of a QG.net key, and the hosts that M(qingguo.qgnet.qg_egress_whitelist) has
    registered in O(store).
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
seealso:
  - module: qingguo.qgnet.qg_whitelist
  - name: QG.net's page on reading the whitelist
    description: Document 180 of QG.net, in Chinese.
    link: https://www.qg.net/doc/180.html
"""

EXAMPLES = r"""
- name: Read the whitelist
  qingguo.qgnet.qg_whitelist_info:
  register: allowed

- name: Fail if the address of this host is missing
  ansible.builtin.assert:
    that: egress_ip in allowed.whitelist

- name: Show the entries that are not registered for any host
  ansible.builtin.debug:
    msg: "{{ allowed.entries | selectattr('owners', 'eq', []) | map(attribute='ip') }}"
"""

RETURN = r"""
whitelist:
  description: The addresses on the whitelist, in numeric order.
  returned: success
  type: list
  elements: str
  sample: [203.0.113.5, 203.0.113.6]
unreadable:
  description: The entries of the whitelist that are not one IPv4 address.
  returned: success
  type: list
  elements: str
entries:
  description:
    - All addresses that are on the whitelist or registered. C(listed) is whether the address is on
      the whitelist. C(owners) are the hosts that are registered with it, and C(there_before) is
      whether it was on the whitelist before that.
  returned: success
  type: list
  elements: dict
  sample:
    - ip: 203.0.113.5
      listed: true
      owners:
        - host: web1
          inventory_id: /etc/ansible/hosts
          registered_since: "2030-01-02T03:04:05+08:00"
          there_before: false
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
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import (
    WHITELIST_INFO,
)


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(WHITELIST_INFO)


if __name__ == "__main__":
    main()
