#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ensure a minimum number of leased proxies."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_proxy_allocate
short_description: Ensure a minimum number of live proxy leases
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Ensures that a QG.net key holds at least O(count) matching leases, and returns all of them.
  - The task counts the existing leases first, and allocates only the difference, in one call. A second run allocates
    nothing.
  - After a lost response, the call is not repeated before the list of leases was read again to see whether it was
    carried out. If that is not conclusive, the task fails and explains how to check.
  - An allocation is recorded in O(state_dir) before it is sent. If a run was killed or its response was lost, the next
    run on this control node waits until the list shows the leases, or until O(timeout) (at least 30 seconds) plus 60
    seconds have passed since the call. Then it allocates only missing leases. It does not wait in check mode. If
    O(max_wait) is too short, the task fails and allocates nothing.
  - What a response reported as leased or released counts for 60 seconds in each run on this control node, even if the
    list does not show it.
  - Simultaneous runs on one control node are serialised. Two control nodes with the same key are coordinated only if
    they share O(state_url).
  - What the product of the key cannot do is refused before anything is allocated.
  - O(areas), O(exclude_areas) and O(isp) apply both to existing leases, which must match, and to new ones.
    O(isp=bgp) requires O(product=classic).
  - Leases of O(product=share) and O(product=overseas) have no tasks and cannot be released. New leases without a task
    are always requested as with O(distinct=true), because leases of the same address could not be distinguished.
options:
  count:
    description:
      - The minimum number of live leases, from 1 to 100.
      - If the plan has too few free channels, the task fails before it allocates leases.
    type: int
    default: 1
  min_remaining:
    description:
      - The minimum remaining time of a matching lease, in minutes or with a unit, such as V(30s), V(5m), V(1h) or
        V(1d).
      - Must be less than O(keep_alive), and less than the lifetime of the plan's leases, which is one minute for
        O(product=share).
      - It does not apply to O(product=longterm), whose leases may last longer than their deadline.
    type: str
    default: "0"
  task_ids:
    description:
      - Only leases of these tasks match, and leases that this module allocated for the same tasks before. By default,
        leases of all tasks match.
      - Not available with O(product=share) and O(product=overseas).
      - Must not be empty.
    type: list
    elements: str
  exact:
    description:
      - Whether to release leases of the same kind in excess of O(count), earliest deadline first.
      - Leases of another area, ISP or task than the options specify are never released. Without these options, all
        leases of the key are of the same kind. Therefore O(areas), O(exclude_areas), O(isp) and O(task_ids) must not
        be null. Omit them instead, in a template with V(default(omit\)).
      - Not available with O(product=share) and O(product=overseas).
    type: bool
    default: false
  exclude_ips:
    description:
      - The exit IPs (C(ip)) or servers (C(server)) of leases that do not match, such as those that a site has banned.
      - It is meant for products whose leases cannot be released. M(qingguo.qgnet.qg_proxy_replace) replaces others.
      - Such a lease keeps its channel until it ends, and O(exact) does not release it.
      - If a new lease has such an address, the task fails, and does not lease another one by itself.
    type: list
    elements: str
  on_uncertain:
    description:
      - How to treat a lease that may or may not match. The vendor's list does not contain the area or task that a lease
        was allocated for. It is recorded in O(state_dir), or else derived from the region of the lease.
      - With V(fail), the task fails before it allocates leases, because the lease may be a match. It does not fail if
        enough others match.
      - With V(ignore), the lease does not match. With V(match), it does.
      - The quota may count more channels in use than the list shows leases. The task then waits up to 60 seconds until
        both agree, and fails if they do not. With V(ignore), these channels do not count, as is necessary for a plan
        of O(product=classic) that is billed by volume and returns a quota.
    type: str
    choices: [fail, ignore, match]
    default: fail
  verify_url:
    description:
      - A URL that the leases must reach. The task requests it through each proxy from the control node, and keeps only
        leases that work, which means that the status of the response is below 400. Redirects are not followed. A
        request without a response is repeated once.
      - The proxies must let the control node in. Its address must be on the whitelist, or O(password) be given. If all
        of them refuse it, the task fails, and buys no extra leases.
      - Held leases are verified first, at each run. Those that do not work do not count, but are not released, except
        by M(qingguo.qgnet.qg_proxy_replace), since other programs may use them for other sites. A second run therefore
        buys nothing as long as the leases work.
      - New leases that do not work are released if the product can, or else keep their channel until they end.
        RV(unusable) lists both.
      - As soon as two leases have been tried and none has worked in this run, nothing more is bought and nothing
        released, because the cause is most likely not the proxies.
    type: str
  verify_extra:
    description:
      - The maximum number of leases that a run with O(verify_url) buys in place of leases that do not work, in addition
        to those that the key lacks. RV(purchase_limit) is the sum.
      - The caps must allow the sum before the first call that pays.
    type: int
    default: 2
  verify_timeout:
    description: The maximum duration of each request of O(verify_url) in seconds.
    type: float
    default: 10
attributes:
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.control_node
  - qingguo.qgnet.leases.terms
  - qingguo.qgnet.leases.credentials
  - qingguo.qgnet.caps
  - qingguo.qgnet.product
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.transport.tls
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
- name: Ensure five leases for the crawlers
  qingguo.qgnet.qg_proxy_allocate:
    key: "{{ vault_qg_key }}"
    count: 5
  register: proxies
  run_once: true

- name: Ensure ten in one area, each with at least half an hour left
  qingguo.qgnet.qg_proxy_allocate:
    key: "{{ vault_qg_key }}"
    count: 10
    areas: ["350500"]
    isp: telecom
    keep_alive: 120
    min_remaining: 30

- name: Ensure three short-lived leases in two cities
  qingguo.qgnet.qg_proxy_allocate:
    key: "{{ vault_qg_key }}"
    product: share
    count: 3
    areas: ["350500", "440100"]

- name: Ensure five in one city, or elsewhere while it has no stock
  qingguo.qgnet.qg_proxy_allocate:
    key: "{{ vault_qg_key }}"
    count: 5
    areas: ["350500"]
    area_fallback: true

- name: Ensure five that reach a site, and buy at most three in place of those that do not
  qingguo.qgnet.qg_proxy_allocate:
    key: "{{ vault_qg_key }}"
    count: 5
    verify_url: https://www.example.com/robots.txt
    verify_extra: 3

- name: Ensure exactly three
  qingguo.qgnet.qg_proxy_allocate:
    key: "{{ vault_qg_key }}"
    count: 3
    exact: true
"""

RETURN = r"""
leases:
  description: All matching live leases after the task, earliest deadline first. In check mode, the current ones.
  returned: unless the task fails before it begins to change leases
  type: list
  elements: dict
  contains:
    ip:
      description:
        - The exit IP, which is the address that websites see. It is null for a product that forwards through a tunnel.
      type: str
      returned: always, may be null
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
      description:
        - The ISP, as in the option O(isp). For O(product=overseas), it may be the name of a company.
      type: str
      returned: always, may be null
    area_code:
      description: The vendor's code of the area, if the product reports it.
      type: str
      returned: always, may be null
    task_id:
      description:
        - The vendor's task, which consists of all leases of one allocation. It is null for O(product=share) and
          O(product=overseas), whose leases have no tasks.
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
  description: The number of RV(leases). It may exceed O(count).
  returned: unless the task fails before it begins to change leases
  type: int
  sample: 1
missing:
  description: The number of leases that are still missing. In check mode, the number that would be allocated.
  returned: unless the task fails before it begins to change leases, or when the channels are too few
  type: int
  sample: 0
allocated:
  description: Leases that are new since the task began, also if it fails later. Each is as in RV(leases).
  returned: unless the task fails before it begins to change leases
  type: list
  elements: dict
  sample: []
released:
  description: Leases that the task released. Each is as in RV(leases).
  returned: unless the task fails before it begins to change leases
  type: list
  elements: dict
  sample: []
unusable:
  description: The leases that do not work, held or new.
  returned: when O(verify_url) is set, unless the task fails before it begins to change leases
  type: list
  elements: dict
  contains:
    server:
      description: Host and port of the proxy.
      type: str
      returned: always
    ip:
      description: The exit IP.
      type: str
      returned: always, may be null
    reason:
      description: Why it does not work.
      type: str
      returned: always
    released:
      description: Whether the task released it.
      type: bool
      returned: always
  sample:
    - {server: "192.0.2.10:21504", ip: 192.0.2.10, reason: HTTP status 403, released: true}
purchase_limit:
  description: The number of leases that the task might buy, with O(verify_extra). In check mode, that of a run.
  returned: when O(verify_url) is set, unless the task fails before it begins to change leases
  type: int
  sample: 3
areas_used:
  description: The numbers of new leases by the areas that they were requested in.
  returned: when O(area_fallback) is true, unless the task fails before it begins to change leases
  type: list
  elements: dict
  contains:
    areas:
      description: The codes of the areas; empty for any area.
      type: list
      elements: str
      returned: always
    count:
      description: The number of leases.
      type: int
      returned: always
  sample:
    - {areas: ["350500"], count: 3}
    - {areas: [], count: 2}
held:
  description: The total number of leases that the key holds.
  returned: unless the task fails before it begins to change leases, or when the channels are too few
  type: int
  sample: 1
quota:
  description: The plan's channels.
  returned: when they are too few
  type: dict
  sample: {total: 5, available: 3, used: 2}
cap:
  description: The cap that does not allow the purchase.
  returned: when a cap does not allow it
  type: dict
  contains:
    option:
      description: The option, C(max_new_per_day) or C(max_new_per_run).
      type: str
      returned: always
    limit:
      description: Its value.
      type: int
      returned: always
    bought:
      description: What was bought in the 24 hours or in the run.
      type: int
      returned: always
    wanted:
      description: What would have been bought in addition.
      type: int
      returned: always
  sample: {option: max_new_per_day, limit: 20, bought: 18, wanted: 5}
product:
  description: The product of the key, as O(product) names it; the found one with O(product=auto).
  returned: unless the task fails before it begins to change leases
  type: str
  sample: classic
api:
  description: The API usage of the task in calls, retries and seconds waited.
  returned: unless the task fails before it begins to change leases
  type: dict
  sample: {calls: 3, retries: 0, waited_seconds: 0.0}
code:
  description: The vendor's code, which is a number with O(product=classic), and otherwise text.
  returned: when the vendor refused
  type: raw
  sample: -102
meaning:
  description: The meaning of the code.
  returned: when the vendor refused
  type: str
  sample: no free channel left
request_id:
  description: The vendor's number of the call, for support requests. Only product hosts return it.
  returned: when a product host refused
  type: str
  sample: 00000000-1111-2222-3333-444444444444
endpoint:
  description: The path of the failed call.
  returned: on failure of a call
  type: str
  sample: /allocate
http_status:
  description: The HTTP status of the response.
  returned: on failure of a call with a response
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
