#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the packages of a brand."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_cloud_package_info
short_description: Read the cloud packages on offer and their prices
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Reads the packages of a brand of QG.net's cloud, the cheapest first.
  - With O(package_no), O(system_no) and O(duration), it also reads the price of an order. The module never orders
    anything.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.control_node
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.cloud_packages
  - qingguo.qgnet.account_api
  - qingguo.qgnet.transport
seealso:
  - module: qingguo.qgnet.qg_cloud_package_facts
  - module: qingguo.qgnet.qg_cloud_price_info
  - module: qingguo.qgnet.qg_cloud_instance_info
  - module: qingguo.qgnet.qg_balance_info
  - name: Vendor's page on brand numbers
    description: Document 2662 of the vendor, in Chinese.
    link: https://www.qg.net/doc/2662.html
"""

EXAMPLES = r"""
- name: Find packages of at least two processors and four gigabytes
  qingguo.qgnet.qg_cloud_package_info:
    app_id: "{{ vault_qg_app_id }}"
    app_key: "{{ vault_qg_app_key }}"
    product_id: 104
    line_no: ap-beijing
    min_cpu: 2
    min_memory: 4
    buyable: true
  register: offers

- name: Show the cheapest
  ansible.builtin.debug:
    msg: "{{ offers.packages[0].package_no }} at {{ offers.packages[0].user_price }} yuan"
  when: offers.count > 0

- name: Read the price of a package for three months
  qingguo.qgnet.qg_cloud_package_info:
    app_id: "{{ vault_qg_app_id }}"
    app_key: "{{ vault_qg_app_key }}"
    product_id: 104
    brand: tencent
    package_no: "1111"
    system_no: img-ubuntu22
    duration: 3m
  register: offer

- name: Fail if it is too high
  ansible.builtin.assert:
    that: offer.order_price.total_amount <= 200
"""

RETURN = r"""
packages:
  description: The packages that match the options, the cheapest first; those without a price are last.
  returned: success
  type: list
  elements: dict
  contains:
    package_no:
      description: The vendor's identifier of the package (I(package_no)), for O(package_no).
      type: str
      returned: always, may be null
    line_no:
      description: The line (I(Line_no)).
      type: str
      returned: always, may be null
    line_name:
      description: Its name (I(Line_name)).
      type: str
      returned: always, may be null
    area_id:
      description: The number of the area (I(Area_id)).
      type: int
      returned: always, may be null
    area_no:
      description: The identifier of the area (I(Area_no)), for O(area_no).
      type: str
      returned: always, may be null
    area_name:
      description: Its name (I(Area_name)).
      type: str
      returned: always, may be null
    group_id:
      description: The group of specifications (I(Group_id)).
      type: str
      returned: always, may be null
    group_name:
      description: Its name (I(Group_name)).
      type: str
      returned: always, may be null
    spec_no:
      description: The specification (I(Spec_no)).
      type: str
      returned: always, may be null
    spec_name:
      description: Its name (I(Spec_name)).
      type: str
      returned: always, may be null
    cpu:
      description: Processors (I(Cpu)).
      type: int
      returned: always, may be null
    memory:
      description: Memory (I(Memory)). The vendor states no unit; the values are gigabytes.
      type: float
      returned: always, may be null
    system_disk:
      description: Size of the system disk in gigabytes (I(Systemdisk)).
      type: int
      returned: always, may be null
    data_disk:
      description: Size of the data disk in gigabytes (I(Datadisk)).
      type: int
      returned: always, may be null
    bandwidth:
      description: Bandwidth in megabits per second (I(Bandwidth), which the vendor counts in M).
      type: int
      returned: always, may be null
    ip_count:
      description: Number of IP addresses (I(Ip)).
      type: int
      returned: always, may be null
    defense:
      description:
        - Protection against attacks, in gigabits per second (I(Defense), which the vendor counts in G).
      type: int
      returned: always, may be null
    trial_time:
      description: The trial period (I(Trial_time)), in the vendor's words.
      type: str
      returned: always, may be null
    buyable:
      description: Whether it can be bought (I(Buy_status) is 1).
      type: bool
      returned: always, may be null
    enabled:
      description: Whether the specification is on offer (I(Status) is 1).
      type: bool
      returned: always, may be null
    upgradable:
      description: Whether it can be upgraded (I(Upgrade_status) is 1).
      type: bool
      returned: always, may be null
    basic_price:
      description: The list price in yuan (I(Basic_price)), exactly as the vendor returns it.
      type: str
      returned: always, may be null
    user_price:
      description:
        - The price for this account in yuan (I(User_price)), exactly as the vendor returns it.
      type: str
      returned: always, may be null
    amount:
      description:
        - The price for this account as a number, or the list price if there is no other. The list is sorted by it.
      type: float
      returned: always, may be null
    day_rate:
      description:
        - The rate for a day, as a fraction of the price (I(Day_rate)). Rates require O(load_rate=true).
      type: str
      returned: always, may be null
    week_rate:
      description: The rate for a week (I(Week_rate)).
      type: str
      returned: always, may be null
    month_rate:
      description: The rate for a month (I(Month_rate)).
      type: str
      returned: always, may be null
    quarter_rate:
      description: The rate for a quarter (I(Quarter_rate)).
      type: str
      returned: always, may be null
    halfyear_rate:
      description: The rate for half a year (I(Halfyear_rate)).
      type: str
      returned: always, may be null
    year_rate:
      description: The rate for a year (I(Year_rate)).
      type: str
      returned: always, may be null
    vendor:
      description: The package as the vendor gives it.
      type: dict
  sample:
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
      vendor: {Package_no: "1111", Line_no: ap-beijing, Cpu: "1", Memory: "2", Buy_status: 1, Upgrade_status: ""}
count:
  description: The number of elements.
  returned: success
  type: int
  sample: 1
order_price:
  description: The price of the order; null without O(package_no).
  returned: success
  type: dict
  contains:
    package_no:
      description: The requested package, as in O(package_no).
      type: str
    system_no:
      description: The requested system image, as in O(system_no).
      type: str
    duration:
      description: The requested duration, as in O(duration).
      type: str
    original_price:
      description:
        - The price without any discount (I(OriginalPrice)), in yuan, exactly as the vendor returns it.
      type: str
    original_amount:
      description: The same amount as a number.
      type: float
    total_price:
      description:
        - The price to pay (I(TotalPrice)), in yuan, exactly as the vendor returns it.
      type: str
    total_amount:
      description: The same amount as a number.
      type: float
    vendor:
      description: The prices as the vendor gives them.
      type: dict
  sample:
    {package_no: "1111", system_no: "1", duration: 3m, original_price: "180", original_amount: 180.0,
      total_price: "150", total_amount: 150.0, vendor: {OriginalPrice: "180", TotalPrice: "150"}}
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
  sample:
    code: "404"
    meaning: "\u54c1\u724c\u7f16\u53f7\u4e0d\u5b58\u5728 4"
    endpoint: /cloud-product/packageList
    http_status: 200
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._cloud.operations import PACKAGE_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(PACKAGE_INFO)


if __name__ == "__main__":
    main()
