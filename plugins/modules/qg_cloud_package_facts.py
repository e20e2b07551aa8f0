#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the packages of a brand as facts."""

DOCUMENTATION = r"""
module: qg_cloud_package_facts
short_description: Read the cloud packages on offer and their prices as facts
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Reads the packages of a brand of QG.net's cloud, cheapest first, and returns them as facts. You
    can select from them with C(selectattr).
options:
  product_id:
    description:
      - QG.net's number of the brand (I(productId)), such as 104. Document 2662 of QG.net lists all
        brands.
    type: int
    required: true
  load_rate:
    description: Whether to return the rates for each duration as well.
    type: bool
    default: false
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.facts
  - qingguo.qgnet.account_api
  - qingguo.qgnet.transport
notes:
  - By convention, a C(_facts) module returns facts about its host, and an C(_info) module returns
    everything else. This module makes an exception, so that any later task of the play can choose a
    package without C(register). The packages are an offer of QG.net, and the same for all hosts. So
    that they are not taken for a property of the host, they are all in the one fact
    C(qg_cloud_packages).
seealso:
  - module: qingguo.qgnet.qg_cloud_price_info
  - name: QG.net's page on brand numbers
    description: Document 2662 of QG.net, in Chinese.
    link: https://www.qg.net/doc/2662.html
"""

EXAMPLES = r"""
- name: Read the packages of a brand
  qingguo.qgnet.qg_cloud_package_facts:
    product_id: 104
  run_once: true

- name: Show the cheapest package with at least two processors that can be bought
  ansible.builtin.debug:
    msg: "{{ cheapest.package_no }} at {{ cheapest.user_price }} yuan"
  vars:
    cheapest: >-
      {{ ansible_facts['qg_cloud_packages'] | selectattr('buyable') | rejectattr('cpu', 'none')
      | selectattr('cpu', 'ge', 2) | first }}
"""

RETURN = r"""
ansible_facts:
  description: The facts that are added to the host.
  returned: success
  type: dict
  contains:
    qg_cloud_packages:
      description: The packages, cheapest first. Packages without a price are last. Each value may
        be null.
      type: list
      elements: dict
      contains:
        package_no:
          description: QG.net's identifier of the package (I(package_no)).
          type: str
        line_no:
          description: The line (I(Line_no)).
          type: str
        line_name:
          description: The name of the line (I(Line_name)).
          type: str
        area_id:
          description: The number of the area (I(Area_id)).
          type: int
        area_no:
          description: The identifier of the area (I(Area_no)).
          type: str
        area_name:
          description: The name of the area (I(Area_name)).
          type: str
        group_id:
          description: The group of specifications (I(Group_id)).
          type: str
        group_name:
          description: The name of the group (I(Group_name)).
          type: str
        spec_no:
          description: The specification (I(Spec_no)).
          type: str
        spec_name:
          description: The name of the specification (I(Spec_name)).
          type: str
        cpu:
          description: The number of processors (I(Cpu)).
          type: int
        memory:
          description: The memory (I(Memory)). QG.net does not state the unit. It is gigabytes.
          type: float
        system_disk:
          description: The size of the system disk in gigabytes (I(Systemdisk)).
          type: int
        data_disk:
          description: The size of the data disk in gigabytes (I(Datadisk)).
          type: int
        bandwidth:
          description: The bandwidth in megabits per second (I(Bandwidth), which QG.net counts in
            M).
          type: int
        ip_count:
          description: The number of IP addresses (I(Ip)).
          type: int
        defense:
          description:
            - The protection against attacks, in gigabits per second (I(Defense), which QG.net
              counts in G).
          type: int
        trial_time:
          description: The trial period (I(Trial_time)), as QG.net describes it.
          type: str
        buyable:
          description: Whether it can be bought (I(Buy_status) is 1).
          type: bool
        enabled:
          description: Whether the specification is on offer (I(Status) is 1).
          type: bool
        upgradable:
          description: Whether it can be upgraded (I(Upgrade_status) is 1).
          type: bool
        basic_price:
          description: The list price in yuan (I(Basic_price)), exactly as QG.net returns it.
          type: str
        user_price:
          description:
            - The price for this account in yuan (I(User_price)), exactly as QG.net returns it.
          type: str
        amount:
          description:
            - The price for this account as a number or, if there is none, the list price. The
              packages are sorted by it.
          type: float
        day_rate:
          description:
            - The rate for a day, as a fraction of the price (I(Day_rate)). The rates are returned
              only with O(load_rate=true).
          type: str
        week_rate:
          description: The rate for a week (I(Week_rate)).
          type: str
        month_rate:
          description: The rate for a month (I(Month_rate)).
          type: str
        quarter_rate:
          description: The rate for a quarter (I(Quarter_rate)).
          type: str
        halfyear_rate:
          description: The rate for half a year (I(Halfyear_rate)).
          type: str
        year_rate:
          description: The rate for a year (I(Year_rate)).
          type: str
        vendor:
          description: The package as QG.net returns it.
          type: dict
  sample:
    qg_cloud_packages:
      - package_no: "1111"
        line_no: ap-beijing
        line_name: "\u5317\u4eac"
        area_id: 342
        area_no: ap-beijing-1
        area_name: "\u5317\u4eac\u4e00\u533a"
        group_id: S1
        group_name: "\u6807\u51c6\u578bS1"
        spec_no: S1.SMALL2
        spec_name: "\u6807\u51c6\u578bS1"
        cpu: 1
        memory: 2.0
        system_disk: 40
        data_disk: 20
        bandwidth: 1
        ip_count: 1
        defense: 0
        trial_time: null
        buyable: true
        enabled: true
        upgradable: null
        basic_price: "2079.65"
        user_price: "2079.65"
        amount: 2079.65
        day_rate: "0.01"
        week_rate: "0.02"
        month_rate: "0.1"
        quarter_rate: "0.301"
        halfyear_rate: "0.53"
        year_rate: "1"
        vendor: {Package_no: "1111", Line_no: ap-beijing, Cpu: "1", Memory: "2", Buy_status: 1}
error:
  description:
    - The call that failed, with its C(endpoint), C(http_status), QG.net's C(code) and what the code
      means (C(meaning)). QG.net's support can find the call by its C(request_id).
  returned: failure
  type: dict
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._cloud.operations import PACKAGE_FACTS


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(PACKAGE_FACTS)


if __name__ == "__main__":
    main()
