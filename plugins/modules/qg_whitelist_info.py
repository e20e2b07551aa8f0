#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the whitelist of a key."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_whitelist_info
short_description: Read the addresses that may use a key's proxies
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Reads the whitelist of a QG.net key, and on request which hosts its entries belong to.
options:
  owners:
    description:
      - Whether to return for each entry the hosts that M(qingguo.qgnet.qg_egress_whitelist) registered with it, as
        RV(entries), RV(unowned) and RV(unlisted).
      - The registrations are those in O(store) of the machine where the task runs. Entries that another control
        node with another state, M(qingguo.qgnet.qg_whitelist) or a user of QG.net's user center added have
        no owners.
    type: bool
    default: false
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.control_node
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
seealso:
  - module: qingguo.qgnet.qg_whitelist
  - module: qingguo.qgnet.qg_egress_whitelist
  - name: QG.net's page on the whitelist query
    description: Document 180 of the vendor, in Chinese.
    link: https://www.qg.net/doc/180.html
"""

EXAMPLES = r"""
- name: Read the whitelist
  qingguo.qgnet.qg_whitelist_info:
  register: allowed

- name: Fail if the address of this host is missing
  ansible.builtin.assert:
    that: egress_ip in allowed.whitelist

- name: Read which hosts the entries belong to
  qingguo.qgnet.qg_whitelist_info:
    owners: true
  register: allowed

- name: Show the entries that no host was registered with
  ansible.builtin.debug:
    var: allowed.unowned
"""

RETURN = r"""
whitelist:
  description: The addresses, in numeric order.
  returned: success
  type: list
  elements: str
  sample: [203.0.113.5, 203.0.113.6]
count:
  description: The number of addresses.
  returned: success
  type: int
  sample: 2
unreadable:
  description:
    - Entries that are not one IPv4 address, such as a network or a name. They are in no other list.
  returned: success
  type: list
  elements: str
  sample: []
entries:
  description:
    - The same addresses with their owners, the hosts that are registered with them. C(there_before) says that the
      address was on the whitelist before the host reported it.
  returned: success and O(owners=true)
  type: list
  elements: dict
  sample:
    - ip: 203.0.113.5
      owners:
        - {host: web1, inventory_id: /etc/hosts, registered_since: "2026-05-04T09:30:00+08:00", there_before: false}
unowned:
  description: The addresses on the whitelist that no host is registered with.
  returned: success and O(owners=true)
  type: list
  elements: str
  sample: [203.0.113.6]
unlisted:
  description: The same for addresses that hosts are registered with, but that are not on the whitelist.
  returned: success and O(owners=true)
  type: list
  elements: dict
  sample: []
api:
  description: The number of calls, how many of them were retries, and the seconds waited.
  returned: success
  type: dict
  sample: {calls: 1, retries: 0, waited_seconds: 0.0}
error:
  description:
    - The failed call. C(code) and C(meaning) are those of QG.net; C(request_id) is its number of the call, for support.
  returned: failure
  type: dict
  sample: {code: -100, meaning: plan missing or expired, endpoint: /whitelist/query, http_status: 200}
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import WHITELIST_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(WHITELIST_INFO)


if __name__ == "__main__":
    main()
