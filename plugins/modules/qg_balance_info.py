#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The balance of an account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_balance_info
short_description: Read what is left in an account
version_added: 0.1.0
author:
  - The qingguo.qgnet authors (@qingguo)
description:
  - Reads the balance of a QG.net account, in yuan.
options:
  at_least:
    description: How many yuan are needed. The answer is in RV(sufficient); the task does not fail.
    type: float
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.control_node
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.account_api
seealso:
  - module: qingguo.qgnet.qg_cloud_price_info
  - name: Vendor's page on the common parameters
    description: Document 250 of the vendor, in Chinese.
    link: https://www.qg.net/doc/250.html
"""

EXAMPLES = r"""
- name: See whether an order of 50 yuan can be paid
  qingguo.qgnet.qg_balance_info:
    app_id: "{{ vault_qg_app_id }}"
    app_key: "{{ vault_qg_app_key }}"
    at_least: 50
  register: account

- name: Stop when it cannot
  ansible.builtin.fail:
    msg: "Only {{ account.balance }} yuan are left."
  when: not account.sufficient
"""

RETURN = r"""
balance:
  description: What is left, to the digit as the vendor writes it.
  returned: success
  type: str
  sample: "12.34"
amount:
  description: The same as a number.
  returned: success
  type: float
  sample: 12.34
sufficient:
  description: Whether at least O(at_least) yuan are left; null without O(at_least).
  returned: success
  type: bool
  sample: true
api:
  description: What the task cost, in calls, retries and seconds waited.
  returned: success
  type: dict
  sample: {calls: 1, retries: 0, waited_seconds: 0.0}
code:
  description:
    - The vendor's code, as text. Its table of codes is not public.
  returned: when the vendor refused and told one
  type: str
  sample: "404"
meaning:
  description: What the vendor said, mostly in Chinese.
  returned: when the vendor refused and said why
  type: str
  sample: "\u7b7e\u540d\u9519\u8bef"
request_id:
  description: The vendor's number of the call, for questions to its support.
  returned: when the vendor refused and gave one
  type: str
  sample: 423369C7-AD6F-3GT6-NMJ7-E2RG5N6HG7D3
endpoint:
  description: The path of the call that failed.
  returned: on failure of a call
  type: str
  sample: /merchant/getBalance
http_status:
  description: The HTTP status of the answer.
  returned: on failure of a call that was answered
  type: int
  sample: 200
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._cloud.account import BALANCE_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(BALANCE_INFO)


if __name__ == "__main__":
    main()
