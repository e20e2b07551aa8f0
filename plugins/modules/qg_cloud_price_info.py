#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the price of an order."""

DOCUMENTATION = r"""
module: qg_cloud_price_info
short_description: Read the price of an order of a cloud package
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Reads the price, in yuan, of an order in QG.net's cloud. The module does not order anything.
options:
  package_no:
    description: QG.net's identifier of the package, as M(qingguo.qgnet.qg_cloud_package_facts)
      returns it in C(package_no).
    type: str
    required: true
  system_no:
    description: QG.net's identifier of the system image.
    type: str
    required: true
  duration:
    description: The duration of the order, as a number with V(s) for hours, V(d) for days, V(w) for
      weeks or V(m) for months, such as V(3m).
    type: str
    required: true
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.account_api
  - qingguo.qgnet.transport
seealso:
  - module: qingguo.qgnet.qg_cloud_package_facts
  - module: qingguo.qgnet.qg_balance_info
  - name: QG.net's page on the common parameters
    description: Document 250 of QG.net, in Chinese.
    link: https://www.qg.net/doc/250.html
"""

EXAMPLES = r"""
- name: Read the price for three months
  qingguo.qgnet.qg_cloud_price_info:
    package_no: "1111"
    system_no: img-ubuntu22
    duration: 3m
  register: offer

- name: Check that the balance covers it
  qingguo.qgnet.qg_balance_info:
  register: account
  failed_when: account.amount | default(0) < offer.price.total_amount
"""

RETURN = r"""
price:
  description: The price of the order.
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
        - The price without discounts (I(OriginalPrice)), in yuan, exactly as QG.net returns it.
      type: str
    original_amount:
      description: The same amount as a number.
      type: float
    total_price:
      description:
        - The price to pay (I(TotalPrice)), in yuan, exactly as QG.net returns it.
      type: str
    total_amount:
      description: The same amount as a number.
      type: float
    vendor:
      description: The prices as QG.net returns them.
      type: dict
  sample:
    {package_no: "1111", system_no: "1", duration: 3m,
     original_price: "180", original_amount: 180.0,
      total_price: "150", total_amount: 150.0, vendor: {OriginalPrice: "180", TotalPrice: "150"}}
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
from ansible_collections.qingguo.qgnet.plugins.module_utils._cloud.operations import PRICE_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(PRICE_INFO)


if __name__ == "__main__":
    main()
