#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the leased proxies of a key."""

DOCUMENTATION = r"""
module: qg_proxy_info
short_description: Read the proxies that a key holds
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Reads the leases of a QG.net key. It never leases anything.
  - QG.net's list is corrected by what responses reported to this control node as leased or
    released within the last 60 seconds.
options:
  task_ids:
    description:
      - Only leases of these tasks. A task consists of all leases of one allocation. By default, all
        leases are returned.
      - Not available with O(product=share) and O(product=overseas), whose leases have no tasks.
      - Must not be empty.
    type: list
    elements: str
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.leases.credentials
  - qingguo.qgnet.product
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
seealso:
  - module: qingguo.qgnet.qg_proxy_allocate
  - module: qingguo.qgnet.qg_quota_info
  - name: QG.net's page on the list of leases
    description: Document 175 of QG.net, in Chinese.
    link: https://www.qg.net/doc/175.html
"""

EXAMPLES = r"""
- name: Read the leases
  qingguo.qgnet.qg_proxy_info:
  register: proxies

- name: Read the leases of a long-lived product
  qingguo.qgnet.qg_proxy_info:
    product: longterm

- name: Show the servers
  ansible.builtin.debug:
    msg: "{{ proxies.leases | map(attribute='server') }}"
"""

RETURN = r"""
leases:
  description: The leases, earliest deadline first.
  returned: success
  type: list
  elements: dict
  contains:
    ip:
      description:
        - The exit IP, which is the address that websites see. It is null for a product that
          forwards through a tunnel.
      type: str
      returned: always, may be null
    port:
      description: The port of the proxy.
      type: int
    server:
      description: Host and port to connect to. The host differs from C(ip) in QG.net's
        enterprise pool.
      type: str
    deadline:
      description: When the lease ends, as QG.net gives it.
      type: str
      returned: always, may be null
    expires_at:
      description:
        - The same time in ISO 8601. QG.net states no time zone; the collection assumes China
          Standard Time.
      type: str
      returned: always, null if the deadline cannot be read
    remaining_seconds:
      description: The seconds until the deadline, by the clock of QG.net, which the responses
        show.
      type: int
      returned: always, null if the deadline cannot be read
    region:
      description: Area and ISP, in QG.net's words.
      type: str
      returned: always, may be null
    isp:
      description:
        - The ISP, in English. For O(product=overseas), it may be the name of a company.
      type: str
      returned: always, may be null
    area_code:
      description: QG.net's code of the area, if the product reports it.
      type: str
      returned: always, may be null
    task_id:
      description:
        - QG.net's task, which consists of all leases of one allocation. It is null for
          O(product=share) and O(product=overseas), whose leases have no tasks.
      type: str
      returned: always, may be null
    bought_here:
      description:
        - Whether a task that uses this O(store) has bought the lease. If it is false, somebody else
          has leased with the same key.
        - It is null if this cannot be known. The lease may be older than the first purchase that
          O(store) has, as after a store was lost, or be the effect of a call of which the result is
          not known.
      type: bool
      returned: always, may be null
    vendor:
      description: The lease as QG.net gives it.
      type: dict
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
      bought_here: true
      vendor: {IP: 192.0.2.10, port: "21504", deadline: "2030-01-02 03:04:05"}
count:
  description: The number of elements.
  returned: success
  type: int
  sample: 1
foreign:
  description:
    - How many leases of the key were not bought by tasks that use O(store), at least. Those with
      C(bought_here) false are counted, and those for which it is null as far as they are more than
      calls without a known result have asked for.
    - It is null if O(store) has no purchase with this key.
  returned: success
  type: int
  sample: 0
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
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(INFO)


if __name__ == "__main__":
    main()
