#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the packages of a brand as facts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_cloud_package_facts
short_description: Read the cloud packages on offer and their prices as facts
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Reads the packages of a brand of QG.net's cloud, the cheapest first, as facts of the host.
  - M(qingguo.qgnet.qg_cloud_package_info) has the same options, and returns the packages as a result.
  - With O(package_no), O(system_no) and O(duration), it also reads the price of an order. The module never orders
    anything.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.control_node
  - qingguo.qgnet.attributes.facts
  - qingguo.qgnet.cloud_packages
  - qingguo.qgnet.account_api
  - qingguo.qgnet.transport
seealso:
  - module: qingguo.qgnet.qg_cloud_package_info
"""

EXAMPLES = r"""
- name: Read packages of at least two processors and four gigabytes
  qingguo.qgnet.qg_cloud_package_facts:
    app_id: "{{ vault_qg_app_id }}"
    app_key: "{{ vault_qg_app_key }}"
    product_id: 104
    line_no: ap-beijing
    min_cpu: 2
    min_memory: 4
    buyable: true
  run_once: true

- name: Show the cheapest
  ansible.builtin.debug:
    msg: "{{ cheapest.package_no }} at {{ cheapest.user_price }} yuan"
  vars:
    cheapest: "{{ ansible_facts['qg_cloud_packages'][0] }}"
  when: ansible_facts['qg_cloud_packages'] | length > 0
"""

RETURN = r"""
ansible_facts:
  description: Facts that are added to the host. Nothing else is returned, and on failure only a message.
  returned: success
  type: dict
  contains:
    qg_cloud_packages:
      description: The packages, as RV(qingguo.qgnet.qg_cloud_package_info#module:packages).
      type: list
      elements: dict
    qg_cloud_order_price:
      description: The price of the order, as RV(qingguo.qgnet.qg_cloud_package_info#module:order_price).
      type: dict
      returned: always, may be null
  sample: {qg_cloud_packages: [], qg_cloud_order_price: null}
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._cloud.operations import PACKAGE_FACTS


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(PACKAGE_FACTS)


if __name__ == "__main__":
    main()
