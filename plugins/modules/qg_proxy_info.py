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
  - Reads the leases that a QG.net key holds. The module does not lease anything.
  - QG.net's list may lag. It is corrected by what tasks with the same O(store) have recently leased
    and released.
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
        - The exit IP, which is the address that sites see. It is null for a product that forwards
          through a tunnel.
      type: str
      returned: always, may be null
    port:
      description: The port of the proxy.
      type: int
    server:
      description: The host and port to connect to. In QG.net's enterprise pool, the host differs
        from C(ip).
      type: str
    deadline:
      description: When the lease ends, as QG.net returns it.
      type: str
      returned: always, may be null
    expires_at:
      description:
        - The same time in ISO 8601. QG.net does not state a time zone. The collection assumes China
          Standard Time.
      type: str
      returned: always, null if the deadline cannot be read
    remaining_seconds:
      description: The seconds until the deadline, by QG.net's clock.
      type: int
      returned: always, null if the deadline cannot be read
    region:
      description: The area and the ISP, as QG.net describes them.
      type: str
      returned: always, may be null
    isp:
      description:
        - The ISP, as in options. With O(product=overseas), it may be the name of a company.
      type: str
      returned: always, may be null
    area_code:
      description: QG.net's code of the area, if the product reports it.
      type: str
      returned: always, may be null
    task_id:
      description:
        - The QG.net task of the lease. It is null with O(product=share) and O(product=overseas),
          whose leases have no tasks.
      type: str
      returned: always, may be null
    bought_here:
      description:
        - Whether a task with this O(store) has bought the lease. If it is false, somebody else has
          leased with the same key.
        - It is null if this is unknown, because the lease may be older than the first purchase in
          O(store), or may come from a call whose result is unknown.
      type: bool
      returned: always, may be null
    vendor:
      description: The lease as QG.net returns it.
      type: dict
    proxy_url:
      description: The URL of the proxy with its credentials, which is a secret.
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
  description: The number of RV(leases).
  returned: success
  type: int
  sample: 1
foreign:
  description:
    - The minimum number of leases of the key that were not bought with O(store). It counts those
      with C(bought_here) false. Of those for which it is null because of calls whose results are
      unknown, it counts those that exceed the number that these calls asked for.
    - It is null if O(store) contains no purchase with this key.
  returned: success
  type: int
  sample: 0
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
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(INFO)


if __name__ == "__main__":
    main()
