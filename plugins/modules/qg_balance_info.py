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

- name: Fail if less than 50 yuan is left
  ansible.builtin.assert:
    that: account.amount >= 50
    fail_msg: "The balance is only {{ account.balance }} yuan."
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
from ansible_collections.qingguo.qgnet.plugins.module_utils._cloud.operations import BALANCE_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(BALANCE_INFO)


if __name__ == "__main__":
    main()
