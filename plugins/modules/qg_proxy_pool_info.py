#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the pool of a shared plan."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_proxy_pool_info
short_description: Read addresses of the pool of a shared plan
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Reads proxies of the pool behind a QG.net key. They take no channel, and are not leased.
  - Only dynamic shared plans that are billed by time have a pool. The vendor may return other addresses in each call.
  - Only O(product=classic) is accepted, which V(auto) means here. The pool of V(share) cannot be read without leasing
    addresses.
  - O(areas) may contain only one area.
options:
  count:
    description: The number of addresses to request, from 1 to 100. The vendor may return fewer.
    type: int
    default: 1
  pool:
    description: The pool to read. By default, the vendor decides.
    type: str
    choices: [normal, enterprise]
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.control_node
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.leases
  - qingguo.qgnet.leases.credentials
  - qingguo.qgnet.product
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.transport.tls
  - qingguo.qgnet.state_dir
seealso:
  - module: qingguo.qgnet.qg_proxy_info
  - module: qingguo.qgnet.qg_area_info
"""

EXAMPLES = r"""
- name: Read ten proxies of the pool
  qingguo.qgnet.qg_proxy_pool_info:
    key: "{{ vault_qg_key }}"
    count: 10
    isp: unicom
"""

RETURN = r"""
proxies:
  description: The proxies, earliest deadline first.
  returned: success
  type: list
  elements: dict
  contains:
    ip:
      description: The exit IP, which is the address that websites see.
      type: str
      returned: always
    port:
      description: The port of the proxy.
      type: int
      returned: always
    server:
      description: Host and port to connect to. The host differs from C(ip) in the vendor's enterprise pool.
      type: str
      returned: always
    deadline:
      description: When the lease ends, as the vendor gives it.
      type: str
      returned: always, may be null
    expires_at:
      description:
        - The same time in ISO 8601. The vendor states no time zone; the collection assumes China Standard Time.
      type: str
      returned: always, null if the deadline cannot be read
    remaining_seconds:
      description: The seconds until the deadline, by the clock of the vendor, which the responses show.
      type: int
      returned: always, null if the deadline cannot be read
    region:
      description: Area and ISP, in the vendor's words.
      type: str
      returned: always, may be null
    isp:
      description: The ISP in C(region), as in the option O(isp).
      type: str
      returned: always, may be null
    area_code:
      description: The vendor's code of the area, if the product reports it.
      type: str
      returned: always, may be null
    task_id:
      description: The vendor's task, which consists of all leases of one allocation.
      type: str
      returned: always, may be null
    vendor:
      description: The lease as the vendor gives it.
      type: dict
      returned: always
    proxy_url:
      description: URL of the proxy with its credentials. Secret.
      type: str
      returned: when O(with_credentials) is true and the task succeeds
  sample:
    - ip: 192.0.2.10
      port: 21504
      server: 192.0.2.10:21504
      deadline: "2030-01-02 03:04:05"
      expires_at: "2030-01-02T03:04:05+08:00"
      remaining_seconds: 86399
      region: "\u798f\u5efa\u7701\u6cc9\u5dde\u5e02\u7535\u4fe1"
      isp: telecom
      task_id: Ab3dEf6hIj9kLm2n
      vendor: {IP: 192.0.2.10, port: "21504", deadline: "2030-01-02 03:04:05", host: "192.0.2.10:21504"}
count:
  description: The number of elements.
  returned: success
  type: int
  sample: 1
api:
  description: The API usage of the task in calls, retries and seconds waited.
  returned: success
  type: dict
  sample: {calls: 1, retries: 0, waited_seconds: 0.0}
code:
  description: The vendor's code.
  returned: when the vendor refused
  type: int
  sample: -15
meaning:
  description: The meaning of the code.
  returned: when the vendor refused
  type: str
  sample: no permission
endpoint:
  description: The path of the failed call.
  returned: on failure of a call
  type: str
  sample: /extract
http_status:
  description: The HTTP status of the response.
  returned: on failure of a call with a response
  type: int
  sample: 200
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.pool import POOL_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(POOL_INFO)


if __name__ == "__main__":
    main()
