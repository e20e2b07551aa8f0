#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hold as many leased proxies as are wanted."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_proxy_allocate
short_description: Hold at least so many live proxy leases
version_added: 0.1.0
author:
  - The qingguo.qgnet authors (@qingguo)
description:
  - Makes sure that a QG.net key holds at least O(count) leased proxies that match, and returns them all.
  - What the key holds already is used first. Only the difference is leased, in one call, so that a second run leases
    nothing.
  - A lost answer is never followed by a blind repetition. The list of leases is read again, and decides whether the
    addresses
    were leased. Where that cannot be told, the task fails and says how to look.
  - A call that leases is recorded in O(state_dir) before it is sent. If a run was killed or its response was lost, the
    next run on this control node waits until the list shows the leases or would have to show them, O(timeout) (at
    least 30 seconds) plus 60 seconds after the call. It leases only what is missing then. It does not wait in check
    mode. If O(max_wait) leaves no time for it, the task fails and leases nothing.
  - What a response reported as leased or released counts for 60 seconds in each run on this control node, even if the
    list does not show it.
  - Runs at the same time on one control node take turns. Two control nodes with one key do not know of each other.
options:
  count:
    description:
      - How many live leases are wanted, from 1 to 100.
      - The task fails before it leases anything when the plan has not so many free channels.
    type: int
    default: 1
  min_remaining:
    description:
      - How many minutes a lease must have left to count.
      - Must be less than O(keep_alive), and than the lifetime of the plan's leases.
    type: int
    default: 0
  task_ids:
    description:
      - Only leases of these tasks count, and those that this module leased for the same tasks before. Without it,
        leases of all tasks.
      - Must not be empty.
    type: list
    elements: str
  exact:
    description:
      - Whether leases of the same kind beyond O(count) are released, oldest deadline first.
      - Leases of another area, provider or task than the options name are never released. With no such option, all
        leases of
        the key are of the same kind. So O(area_id), O(isp) and O(task_ids) must not be null. Leave them out, in a
        template with C(default(omit)).
    type: bool
    default: false
  undetermined:
    description:
      - What to do with a held lease of which nobody can tell whether it matches. The vendor's list does not name the
        area or
        task that a lease was asked for with. It is remembered in O(state_dir), and otherwise told by the lease's
        region.
      - With V(fail), the task fails before it leases anything, since the lease may be what is wanted. This is only
        so when
        there are too few others.
      - With V(ignore), it does not count; with V(match), it counts.
    type: str
    choices: [fail, ignore, match]
    default: fail
attributes:
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.control_node
  - qingguo.qgnet.leases.terms
  - qingguo.qgnet.leases.proxy_url
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.state_dir
seealso:
  - module: qingguo.qgnet.qg_proxy_info
  - module: qingguo.qgnet.qg_proxy_release
  - module: qingguo.qgnet.qg_proxy_replace
  - module: qingguo.qgnet.qg_quota_info
  - name: Vendor's page on allocation
    description: Document 174 of the vendor, in Chinese.
    link: https://www.qg.net/doc/174.html
"""

EXAMPLES = r"""
- name: Hold five proxies for the crawlers
  qingguo.qgnet.qg_proxy_allocate:
    key: "{{ vault_qg_key }}"
    count: 5
  register: proxies
  run_once: true

- name: Ten in one area, each with at least half an hour left
  qingguo.qgnet.qg_proxy_allocate:
    key: "{{ vault_qg_key }}"
    count: 10
    area_id: 350500
    isp: telecom
    keep_alive: 120
    min_remaining: 30

- name: Three and no more
  qingguo.qgnet.qg_proxy_allocate:
    key: "{{ vault_qg_key }}"
    count: 3
    exact: true
"""

RETURN = r"""
leases:
  description: All live leases that match after the task, oldest deadline first; in check mode, those that match now.
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
count:
  description: How many these are. May be more than O(count).
  returned: when the leases could be read
  type: int
  sample: 1
missing:
  description: How many are missing to O(count). In check mode, how many would be leased.
  returned: when the leases could be read
  type: int
  sample: 0
allocated:
  description: Leases that are new since the task began, also where it fails later on. Each is as in RV(leases).
  returned: when the leases could be read
  type: list
  elements: dict
  sample: []
released:
  description: Leases that the task released. Each is as in RV(leases).
  returned: when the leases could be read
  type: list
  elements: dict
  sample: []
held:
  description: How many leases the key holds in all.
  returned: when the leases could be read
  type: int
  sample: 1
quota:
  description: The plan's channels.
  returned: when they are too few
  type: dict
  sample: {total: 5, available: 3, used: 2}
api:
  description: What the task cost, in calls, retries and seconds waited.
  returned: when the leases could be read
  type: dict
  sample: {calls: 3, retries: 0, waited_seconds: 0.0}
code:
  description: The vendor's code.
  returned: when the vendor refused
  type: int
  sample: -102
meaning:
  description: The meaning of the code.
  returned: when the vendor refused
  type: str
  sample: no free channel left
endpoint:
  description: The path of the call that failed.
  returned: on failure of a call
  type: str
  sample: /allocate
http_status:
  description: The HTTP status of the answer.
  returned: on failure of a call that was answered
  type: int
  sample: 200
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import ALLOCATE


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(ALLOCATE)


if __name__ == "__main__":
    main()
