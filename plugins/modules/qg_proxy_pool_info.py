#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the pool of a shared plan."""

DOCUMENTATION = r"""
module: qg_proxy_pool_info
short_description: Read addresses of the pool of a shared plan
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Reads proxies of the pool behind a QG.net key. They are not leased, and occupy no channel.
  - Only dynamic shared plans that are billed by time have a pool. QG.net may return different
    addresses for each call.
  - The pool of O(product=share) cannot be read without leasing addresses. O(product) must therefore
    be V(classic), or V(auto), which has the same effect.
  - O(areas) must contain only one area.
options:
  count:
    description: The number of proxies to request, from 1 to 100. QG.net may return fewer.
    type: int
    default: 1
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.leases
  - qingguo.qgnet.leases.credentials
  - qingguo.qgnet.product
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
seealso:
  - module: qingguo.qgnet.qg_proxy_info
  - module: qingguo.qgnet.qg_area_info
"""

EXAMPLES = r"""
- name: Read ten proxies of China Unicom from the pool
  qingguo.qgnet.qg_proxy_pool_info:
    count: 10
    isp: unicom
"""

RETURN = r"""
proxies:
  description: The proxies, earliest deadline first. Their keys are those of
    RV(qingguo.qgnet.qg_proxy_info#module:leases).
  returned: success
  type: list
  elements: dict
  sample:
    - ip: 192.0.2.10
      port: 21504
      server: 192.0.2.10:21504
      expires_at: "2030-01-02T03:04:05+08:00"
      remaining_seconds: 86399
count:
  description: The number of RV(proxies).
  returned: success
  type: int
  sample: 1
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
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import POOL_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(POOL_INFO)


if __name__ == "__main__":
    main()
