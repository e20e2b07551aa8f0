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
  - Reads proxies of the pool behind a QG.net key. They take no channel, and are not leased.
  - Only dynamic shared plans that are billed by time have a pool. QG.net may return other
    addresses in each call.
  - Only O(product=classic) is accepted, which V(auto) means here. The pool of V(share) cannot be
    read without leasing addresses.
  - O(areas) may contain only one area.
options:
  count:
    description: The number of addresses to request, from 1 to 100. QG.net may return fewer.
    type: int
    default: 1
  pool:
    description: The pool to read. By default, QG.net decides.
    type: str
    choices: [normal, enterprise]
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
- name: Read ten proxies of the pool
  qingguo.qgnet.qg_proxy_pool_info:
    count: 10
    isp: unicom
"""

RETURN = r"""
proxies:
  description: The proxies, earliest deadline first, each as in
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
  description: The number of elements.
  returned: success
  type: int
  sample: 1
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
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import POOL_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(POOL_INFO)


if __name__ == "__main__":
    main()
