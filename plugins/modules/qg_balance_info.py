#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the balance of an account."""

DOCUMENTATION = r"""
module: qg_balance_info
short_description: Read the balance of an account
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Reads the balance of a QG.net account, in yuan.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.account_api
  - qingguo.qgnet.transport
seealso:
  - module: qingguo.qgnet.qg_cloud_price_info
  - name: QG.net's page on the common parameters
    description: Document 250 of QG.net, in Chinese.
    link: https://www.qg.net/doc/250.html
"""

EXAMPLES = r"""
- name: Read the balance
  qingguo.qgnet.qg_balance_info:
  register: account

- name: Fail if fewer than 50 yuan are left
  ansible.builtin.assert:
    that: account.amount >= 50
    fail_msg: "Only {{ account.balance }} yuan are left."
"""

RETURN = r"""
balance:
  description: The balance exactly as QG.net returns it.
  returned: success
  type: str
  sample: "12.34"
amount:
  description: The same amount as a number.
  returned: success
  type: float
  sample: 12.34
api:
  description: The numbers of calls and of retries, and the seconds waited.
  returned: success
  type: dict
error:
  description:
    - The failed call. C(code) and C(meaning) are those of QG.net; C(request_id) is its number of
      the call, for support.
  returned: failure
  type: dict
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._cloud.operations import BALANCE_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(BALANCE_INFO)


if __name__ == "__main__":
    main()
