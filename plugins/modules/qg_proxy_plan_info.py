#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read a proxy service that is billed by volume."""

DOCUMENTATION = r"""
module: qg_proxy_plan_info
short_description: Read a proxy plan that is billed by volume
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Reads how many addresses a proxy plan of an account has left, for a plan that is billed by the
    number of addresses.
  - The module requires the credentials of the account. To read the channels of a key, use
    M(qingguo.qgnet.qg_quota_info).
  - QG.net's response contains the key of the plan. The module removes it unless O(include_secrets)
    is true.
options:
  resource_no:
    description: QG.net's identifier of the plan.
    type: str
    required: true
  product_id:
    description:
      - QG.net's number of the brand (I(productId)), such as 117. Document 2662 of QG.net lists all
        brands.
    type: int
    required: true
  include_secrets:
    description:
      - Whether to return the key of the plan.
      - The result is then hidden from output and logs, as with C(no_log). The registered variable
        contains all of it.
      - A delegated task must set C(no_log) itself. Otherwise, it fails.
    type: bool
    default: false
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.account_api
  - qingguo.qgnet.transport
seealso:
  - module: qingguo.qgnet.qg_quota_info
  - module: qingguo.qgnet.qg_balance_info
  - name: QG.net's page on brand numbers
    description: Document 2662 of QG.net, in Chinese.
    link: https://www.qg.net/doc/2662.html
"""

EXAMPLES = r"""
- name: Read how many addresses are left
  qingguo.qgnet.qg_proxy_plan_info:
    resource_no: demo0001
    product_id: 117
  register: proxies

- name: Fail if fewer than a thousand addresses are left
  ansible.builtin.assert:
    that: proxies.plan.available >= 1000
    fail_msg: "Only {{ proxies.plan.available }} of {{ proxies.plan.total }} addresses are left."
"""

RETURN = r"""
plan:
  description: The plan.
  returned: success
  type: dict
  contains:
    total:
      description: The number of addresses that were bought (I(Number)).
      type: int
      returned: always, may be null
    available:
      description: The number of addresses that are left (I(Resource_available)).
      type: int
      returned: always, may be null
    connect:
      description: The value of I(Connect). QG.net does not document it.
      type: str
      returned: always, may be null
    buy_time:
      description: When it was bought, as QG.net returns it (I(Buy_time)).
      type: str
      returned: always, may be null
    buy_time_iso:
      description:
        - The same time in ISO 8601. QG.net does not state a time zone. The collection assumes China
          Standard Time.
      type: str
      returned: always, may be null
    end_time:
      description: When it ends, as QG.net returns it (I(End_time)).
      type: str
      returned: always, may be null
    end_time_iso:
      description: The same time in ISO 8601.
      type: str
      returned: always, may be null
    order_status:
      description:
        - The state of the order (I(Order_status)) as one of the words V(locked), V(upgrade_failed),
          V(renewal_failed), V(opening_failed), V(void), V(normal), V(expired), or V(unknown) for
          any other number.
      type: str
      returned: always, may be null
    order_status_code:
      description:
        - QG.net's number for the same state. The words above are in the order -7, -6, -5, -4, -1,
          1, 3. The numbers differ from those of cloud instances.
      type: int
      returned: always, may be null
    type:
      description:
        - How the addresses are shared (I(Type)) as one of the words V(dedicated), V(shared),
          V(exclusive_occupancy), or V(unknown) for any other number.
      type: str
      returned: always, may be null
    type_code:
      description: QG.net's number for the same value. The words above are in the order 1, 2, 3.
      type: int
      returned: always, may be null
    ip_type:
      description:
        - The type of the addresses (I(Ip_type)) as one of the words V(static), V(dynamic),
          V(tunnel), or V(unknown) for any other number.
      type: str
      returned: always, may be null
    ip_type_code:
      description: QG.net's number for the same value. The words above are in the order 1, 2, 3.
      type: int
      returned: always, may be null
    tunnel:
      description: The host and port of the tunnel (I(Tunnel_url)), for
        O(qingguo.qgnet.qg_tunnel_exit#module:tunnel).
      type: str
      returned: always, may be null
    authkey:
      description:
        - The key of the plan (I(Authkey)) for O(qingguo.qgnet.qg_proxy_allocate#module:key), which
          is a secret.
      type: str
      returned: with O(include_secrets=true), may be null
    vendor:
      description: The plan as QG.net returns it. It contains the key only if O(include_secrets) is
        true.
      type: dict
  sample:
    total: 10000
    available: 9800
    connect: "100"
    buy_time: "2030-01-01 00:00:00"
    buy_time_iso: "2030-01-01T00:00:00+08:00"
    end_time: "2030-02-01 00:00:00"
    end_time_iso: "2030-02-01T00:00:00+08:00"
    order_status: normal
    order_status_code: 1
    type: shared
    type_code: 2
    ip_type: tunnel
    ip_type_code: 3
    tunnel: tunnel.example:3434
    vendor: {Number: 10000, Resource_available: 9800, Order_status: 1, Type: 2, Ip_type: 3}
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
from ansible_collections.qingguo.qgnet.plugins.module_utils._cloud.operations import PROXY_PLAN_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(PROXY_PLAN_INFO)


if __name__ == "__main__":
    main()
