#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the channels of a plan."""

DOCUMENTATION = r"""
module: qg_quota_info
short_description: Read the quota of the plan behind a key
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Reads the channels of the plan behind a QG.net key. Each channel holds one lease at a time.
  - For a plan that is billed by volume, except with O(product=classic), the module reads the number
    of addresses that can still be leased.
  - The quota of O(product=overseas) cannot be read, so the task fails.
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

- name: Fail if fewer than ten channels are free
  ansible.builtin.assert:
    that: channels.quota.available >= 10
    fail_msg: "Only {{ channels.quota.available }} of {{ channels.quota.total }} channels are free."
"""

RETURN = r"""
quota:
  description: The channels of the plan, or the addresses that are left of a plan by volume.
  returned: success
  type: dict
  contains:
    unit:
      description: What the numbers count, which is V(channels) or, for a plan by volume,
        V(addresses). With O(product=classic), it is always V(channels).
      type: str
    total:
      description: The number of channels. It is null for a plan by volume.
      type: int
      returned: always, may be null
    available:
      description: The number of free channels, or of addresses that can still be leased.
      type: int
    used:
      description: The number of channels in use. It is null for a plan by volume.
      type: int
      returned: always, may be null
    balance:
      description:
        - The number of addresses that can still be leased with a plan by volume. It is null for a
          plan by channels, and with O(product=classic).
      type: int
      returned: always, may be null
    unexplained:
      description:
        - How many more addresses have gone from RV(quota.balance) than O(store) has recorded as
          bought or possibly bought. Somebody else has leased these with the key. They are counted
          from the first reading of a day, or from the reading that last showed a higher balance
          than the one before. It is null for a plan by channels.
      type: int
      returned: always, may be null
    vendor:
      description: The response of QG.net.
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
  description: The product of the key, which was detected with O(product=auto).
  returned: success
  type: str
  sample: classic
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
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.quota import QUOTA_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(QUOTA_INFO)


if __name__ == "__main__":
    main()
