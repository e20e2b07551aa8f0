#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Swap leased proxies for others."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_proxy_replace
short_description: Replace proxy leases by new ones
version_added: 0.1.0
author:
  - The qingguo.qgnet authors (@qingguo)
description:
  - Gives leased proxies of a QG.net key up and leases as many others, so that their addresses change. The key holds
    as many as before in the end.
  - With O(count) or O(all), the vendor's own replacement is called. It takes a number alone, and which leases it
    gives up is the vendor's choice. Only dynamic dedicated plans have it.
  - The vendor cannot replace leases that are named. With O(ips) or O(task_ids), they are released, their channels
    waited for, and as many leased anew. The one that ends first goes alone at first, and the others are kept where it
    gets no successor. The limits of M(qingguo.qgnet.qg_proxy_release) hold.
  - A lost answer is never followed by a blind repetition. The list of leases is read again, and decides how far the
    call got. Leases that are gone without a successor are leased anew.
  - If a run was killed or failed half-way, the same task continues the replacement when it is run again within ten
    minutes on this control node. What was replaced is not replaced again. Before that, the task waits for the result of
    the call as M(qingguo.qgnet.qg_proxy_allocate) does. After ten minutes, or with other leases, another number or
    other properties of new ones, it begins anew.
options:
  count:
    description: How many leases are replaced, from 1 to 100, of the vendor's choice.
    type: int
attributes:
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: none
    details: Each run replaces.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.control_node
  - qingguo.qgnet.leases.choice
  - qingguo.qgnet.leases.terms
  - qingguo.qgnet.leases.proxy_url
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.state_dir
seealso:
  - module: qingguo.qgnet.qg_proxy_allocate
  - module: qingguo.qgnet.qg_proxy_release
  - name: Vendor's page on replacement
    description: Document 297 of the vendor, in Chinese.
    link: https://www.qg.net/doc/297.html
"""

EXAMPLES = r"""
- name: Change all addresses
  qingguo.qgnet.qg_proxy_replace:
    key: "{{ vault_qg_key }}"
    all: true

- name: Change two of them, whichever the vendor chooses
  qingguo.qgnet.qg_proxy_replace:
    key: "{{ vault_qg_key }}"
    count: 2

- name: Change the one that is blocked by a site
  qingguo.qgnet.qg_proxy_replace:
    key: "{{ vault_qg_key }}"
    ips: [192.0.2.10]
    distinct: true
"""

RETURN = r"""
leases:
  description: All leases of the key after the task; in check mode, before it.
  returned: when the leases could be read
  type: list
  elements: dict
  contains:
    ip:
      description: The address that servers see the calls come from.
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
      description: The same in ISO 8601. The vendor states no zone; its times are taken to be those of Beijing.
      type: str
      returned: always, null where the deadline cannot be read
    remaining_seconds:
      description: Seconds until then, by the clock of the control node.
      type: int
      returned: always, null where the deadline cannot be read
    region:
      description: Area and provider, in the vendor's words.
      type: str
      returned: always, may be null
    isp:
      description: The provider that C(region) tells, as the option O(isp) names it.
      type: str
      returned: always, may be null
    task_id:
      description: The task, which is what one allocation leased.
      type: str
      returned: always, may be null
    vendor:
      description: The lease as the vendor gives it.
      type: dict
      returned: always
    proxy_url:
      description: URL of the proxy with its credentials. Secret.
      type: str
      returned: when O(proxy_url) is true and the task succeeds
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
method:
  description: V(replace) where the vendor replaced, V(release_and_allocate) where leases were named.
  returned: when the leases could be read
  type: str
  sample: replace
allocated:
  description: The new leases, also where the task fails later on. Each is as in RV(leases).
  returned: when the leases could be read
  type: list
  elements: dict
  sample: []
released:
  description: The leases that are gone. In check mode, those that would go, where that can be told. Each is as in
    RV(leases).
  returned: when the leases could be read
  type: list
  elements: dict
  sample: []
missing:
  description: How many leases fewer than before the key holds. In check mode, how many would be replaced.
  returned: when the leases could be read
  type: int
  sample: 0
held:
  description: How many leases the key holds.
  returned: when the leases could be read
  type: int
  sample: 5
api:
  description: What the task cost, in calls, retries and seconds waited.
  returned: when the leases could be read
  type: dict
  sample: {calls: 3, retries: 0, waited_seconds: 0.0}
code:
  description: The vendor's code.
  returned: when the vendor refused
  type: int
  sample: -103
meaning:
  description: The meaning of the code.
  returned: when the vendor refused
  type: str
  sample: resources short
endpoint:
  description: The path of the call that failed.
  returned: on failure of a call
  type: str
  sample: /replace
http_status:
  description: The HTTP status of the answer.
  returned: on failure of a call that was answered
  type: int
  sample: 200
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import REPLACE


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(REPLACE)


if __name__ == "__main__":
    main()
