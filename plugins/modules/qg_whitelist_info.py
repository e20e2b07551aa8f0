#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the whitelist of a key."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_whitelist_info
short_description: Read the addresses that may use a key's proxies
version_added: 0.1.0
author:
  - The qingguo.qgnet authors (@qingguo)
description:
  - Reads the whitelist of a QG.net key.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.control_node
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.state_dir
seealso:
  - module: qingguo.qgnet.qg_whitelist
  - name: Vendor's page on the whitelist query
    description: Document 180 of the vendor, in Chinese.
    link: https://www.qg.net/doc/180.html
"""

EXAMPLES = r"""
- name: Read the whitelist
  qingguo.qgnet.qg_whitelist_info:
    key: "{{ vault_qg_key }}"
  register: allowed

- name: Fail if the address of this host is missing
  ansible.builtin.assert:
    that: egress_ip in allowed.whitelist
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
api:
  description: The API usage of the task in calls, retries and seconds waited.
  returned: success
  type: dict
  sample: {calls: 1, retries: 0, waited_seconds: 0.0}
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import WHITELIST_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(WHITELIST_INFO)


if __name__ == "__main__":
    main()
