#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Report hosts, leases, spending, gateways and lists of a key."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_report_info
short_description: Report hosts, leases, spending, gateways and lists of a key
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Returns what a QG.net key is used for, what is wrong, and how to fix it. The playbook
    C(qingguo.qgnet.report) shows RV(page) or, with C(-e qg_format=json), the other values as JSON.
  - The module buys and changes nothing at QG.net. It does not fail if something is wrong. A value
    that cannot be read is null, and RV(problems) contains the reason.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.caps
  - qingguo.qgnet.caps.shared
  - qingguo.qgnet.product
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
seealso:
  - module: qingguo.qgnet.qg_doctor_info
  - module: qingguo.qgnet.qg_ledger_info
  - module: qingguo.qgnet.qg_proxy_info
  - module: qingguo.qgnet.qg_whitelist_info
"""

EXAMPLES = r"""
- name: Read the report
  qingguo.qgnet.qg_report_info:
  register: report

- name: Show it as text
  ansible.builtin.debug:
    var: report.page

- name: Fail if something is wrong
  ansible.builtin.assert:
    that: report.problems == []
"""

RETURN = r"""
page:
  description: The report, as lines of text.
  returned: success
  type: list
  elements: str
problems:
  description: What is wrong, each with what to type.
  returned: success
  type: list
  elements: str
  sample: []
product:
  description: The product of the key, or null if it could not be detected, as with a tunnel's key.
  returned: success
  type: str
  sample: classic
whitelist:
  description: C(whitelist), C(unreadable) and C(entries), as M(qingguo.qgnet.qg_whitelist_info)
    returns them.
  returned: success
  type: dict
leases:
  description: The leases of the key, as M(qingguo.qgnet.qg_proxy_info) returns them. They include
    leases that no program can use.
  returned: success
  type: list
  elements: dict
foreign:
  description: The minimum number of RV(leases) that were bought by others, as
    M(qingguo.qgnet.qg_proxy_info) returns it.
  returned: success
  type: int
  sample: 0
quota:
  description: C(unit), C(total), C(available) and C(used), as M(qingguo.qgnet.qg_quota_info)
    returns them.
  returned: success
  type: dict
spending:
  description: The purchases of the last 14 days including today, by day and product. Days without
    purchases are left out.
  returned: success
  type: list
  elements: dict
  contains:
    day:
      description: The day, in China Standard Time.
      type: str
    product:
      description: The product.
      type: str
    calls:
      description: The number of paid calls.
      type: int
    received:
      description: The number of leases or reserved lines that were bought.
      type: int
    unknown:
      description: The number of those that may have been bought as well, by calls whose result is
        unknown. O(max_new_per_day) counts them.
      type: int
  sample:
    - {day: "2030-01-02", product: classic, calls: 1, received: 1, unknown: 0}
buyers:
  description: The same numbers for the last 24 hours, by the C(user) that Ansible ran as and the
    C(host) of the task.
  returned: success
  type: list
  elements: dict
bought:
  description: How many leases or reserved lines were bought, or may have been bought, within the
    last 24 hours.
  returned: success
  type: int
  sample: 1
cap:
  description: The value of O(max_new_per_day).
  returned: success
  type: int
  sample: 5000
forecast:
  description:
    - How many leases per day the gateways and lists of the key need, and when they reach
      O(max_new_per_day) or the end of the plan, as one sentence. It is empty if O(store) contains
      no gateways and lists of the key.
  returned: success
  type: str
installations:
  description: The gateways and lists in O(store), with their last refresh and its problem.
  returned: success
  type: list
  elements: dict
error:
  description:
    - The call that failed, with its C(endpoint), C(http_status), QG.net's C(code) and what the code
      means (C(meaning)). QG.net's support can find the call by its C(request_id).
  returned: failure
  type: dict
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._report.operations import REPORT_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(REPORT_INFO)


if __name__ == "__main__":
    main()
