#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the channels of a plan."""

DOCUMENTATION = r"""
module: qg_quota_info
short_description: Read the channels or the balance of the plan behind a key
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Reads the channels of the plan behind a QG.net key. A channel carries one leased proxy address
    at a time.
  - For a plan by volume of a product host, it reads the addresses that may still be leased.
  - O(product=overseas) has neither call, and the task fails.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.product
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
seealso:
  - module: qingguo.qgnet.qg_whitelist
  - name: QG.net's page on the quota
    description: Document 181 of QG.net, in Chinese.
    link: https://www.qg.net/doc/181.html
"""

EXAMPLES = r"""
- name: Read how many channels are free
  qingguo.qgnet.qg_quota_info:
  register: channels

- name: Fail if they are fewer than ten
  ansible.builtin.assert:
    that: channels.quota.available >= 10
    fail_msg: "Only {{ channels.quota.available }} of {{ channels.quota.total }} channels are free."
"""

RETURN = r"""
quota:
  description: The plan's channels, or the addresses that are left of a plan by volume.
  returned: success
  type: dict
  contains:
    unit:
      description: What the numbers count, V(channels), or V(addresses) for a plan by volume of a
        product host.
      type: str
    total:
      description: The total number of channels; null for a plan by volume, which does not show it.
      type: int
      returned: always, may be null
    available:
      description: The number of free channels, or of addresses that a plan by volume may still
        lease.
      type: int
    used:
      description: The number of channels that carry a lease; null for a plan by volume, which does
        not show it.
      type: int
      returned: always, may be null
    balance:
      description:
        - The number of addresses that a plan by volume may still lease. It is null for a plan by
          channels, and with O(product=classic).
      type: int
      returned: always, may be null
    unexplained:
      description:
        - By how many addresses RV(quota.balance) fell beyond what O(store) has recorded as bought
          or possibly bought. Somebody else uses the key for these. It counts from the first reading
          of a day, or from the last one that showed a higher balance than the one before. It is
          null for a plan by channels.
      type: int
      returned: always, may be null
    vendor:
      description: The original response of QG.net.
      type: dict
  sample:
    unit: channels
    total: 5
    available: 3
    used: 2
    balance: null
    unexplained: null
    vendor: {Code: 0, Total: 5, Available: 3, Used: 2}
product:
  description: The product of the key, as O(product) names it; the found one with O(product=auto).
  returned: success
  type: str
  sample: classic
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
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.quota import QUOTA_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(QUOTA_INFO)


if __name__ == "__main__":
    main()
