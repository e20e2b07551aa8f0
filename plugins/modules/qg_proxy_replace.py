#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replace leased proxies."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_proxy_replace
short_description: Replace proxy leases with new ones
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Releases leases of a QG.net key and allocates the same number of new ones, so that the addresses change.
  - Of O(areas), O(isp) and O(keep_alive), new leases inherit what the task leaves open from those that they replace,
    see O(inherit).
  - With O(count) or O(all), the task calls the vendor's replacement. It accepts only a number; the vendor selects the
    leases to replace. Only dynamic dedicated plans of the classic API and O(product=exclusive) support it.
  - The vendor cannot replace selected leases. With O(ips), O(task_ids) or O(older_than), the task releases the leases,
    waits for their channels, and allocates the same number of new leases. It begins with the lease that ends first; if
    no new lease is available, the others are kept. The limits of M(qingguo.qgnet.qg_proxy_release) apply.
  - If the key holds none of the leases in O(ips) or O(task_ids), the task fails. If it holds some of them, a warning
    names the others.
  - With O(product=longterm), only O(ips), O(task_ids) and O(older_than) are available. Leases of O(product=share) and
    O(product=overseas) cannot be replaced. Such a task fails before it changes anything.
  - O(isp=bgp) requires O(product=classic).
  - After a lost response, the call is not repeated before the list of leases was read again. Leases that were released
    but not replaced are allocated again.
  - If a run was killed or failed before it was complete, the same task continues the replacement when it is run again
    within ten minutes on this control node. Leases that were replaced are not replaced again. Before that, the task
    waits for the result of the call as M(qingguo.qgnet.qg_proxy_allocate) does. After ten minutes, or with other
    leases, another number or other properties of new leases, a new replacement begins.
options:
  count:
    description: The number of leases to replace, from 1 to 100. The vendor selects them.
    type: int
  older_than:
    description:
      - Selects the leases that were bought at least this long ago, in minutes or with a unit, such as V(30s), V(5m),
        V(1h) or V(1d). If there is none, the task changes nothing.
      - The purchases are recorded in O(state_dir) or O(state_url). A lease that another program bought has no known
        age, so it is not selected, and a warning names it.
      - Must not be empty.
    type: str
  inherit:
    description:
      - Whether the new leases have the areas, the ISP and the duration that those which they replace were requested
        with, as far as O(areas), O(exclude_areas), O(isp) and O(keep_alive) are not given.
      - What a lease was requested with is recorded as for O(older_than). Of a lease that another program bought,
        nothing is inherited.
      - With O(count) or O(all), the vendor selects the leases. If they were requested with different properties,
        nothing is inherited, and a warning says so.
    type: bool
    default: true
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
  - qingguo.qgnet.leases.credentials
  - qingguo.qgnet.caps
  - qingguo.qgnet.product
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.transport.tls
  - qingguo.qgnet.state_dir
seealso:
  - module: qingguo.qgnet.qg_proxy_allocate
  - module: qingguo.qgnet.qg_proxy_release
  - name: Vendor's page on replacement
    description: Document 297 of the vendor, in Chinese.
    link: https://www.qg.net/doc/297.html
"""

EXAMPLES = r"""
- name: Replace all leases
  qingguo.qgnet.qg_proxy_replace:
    key: "{{ vault_qg_key }}"
    all: true

- name: Replace all leases of a dedicated product with addresses in one city
  qingguo.qgnet.qg_proxy_replace:
    key: "{{ vault_qg_key }}"
    product: exclusive
    all: true
    areas: ["440100"]

- name: Replace two leases that the vendor selects
  qingguo.qgnet.qg_proxy_replace:
    key: "{{ vault_qg_key }}"
    count: 2

- name: Replace the leases that are older than half an hour
  qingguo.qgnet.qg_proxy_replace:
    key: "{{ vault_qg_key }}"
    older_than: 30m

- name: Replace the lease that a site has blocked
  qingguo.qgnet.qg_proxy_replace:
    key: "{{ vault_qg_key }}"
    ips: [192.0.2.10]
    distinct: true
"""

RETURN = r"""
leases:
  description: All leases of the key after the task; in check mode, before it.
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
method:
  description: V(replace) for the vendor's replacement, V(release_and_allocate) for selected leases.
  returned: unless the task fails before it begins to change leases
  type: str
  sample: replace
allocated:
  description: The new leases, also if the task fails later. Each is as in RV(leases).
  returned: unless the task fails before it begins to change leases
  type: list
  elements: dict
  sample: []
released:
  description:
    - The leases that were released. In check mode, those that would be released, as far as they can be predicted. Each
      is as in RV(leases).
  returned: unless the task fails before it begins to change leases
  type: list
  elements: dict
  sample: []
missing:
  description:
    - The number of leases that were released but not replaced. In check mode, the number of leases that would be
      replaced.
  returned: unless the task fails before it begins to change leases
  type: int
  sample: 0
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
not_held:
  description: The entries of O(ips) or O(task_ids) that belong to no lease of the key. A warning names them, too.
  returned: unless the task fails before it begins to change leases, and if it fails because none is held
  type: list
  elements: str
  sample: []
held:
  description: The number of leases that the key holds.
  returned: unless the task fails before it begins to change leases
  type: int
  sample: 5
quota:
  description: The plan's channels.
  returned: when the channel of the first replaced lease did not come free
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
  sample: -103
meaning:
  description: The meaning of the code.
  returned: when the vendor refused
  type: str
  sample: resources short
request_id:
  description: The vendor's number of the call, for support requests. Only product hosts return it.
  returned: when a product host refused
  type: str
  sample: 00000000-1111-2222-3333-444444444444
endpoint:
  description: The path of the failed call.
  returned: on failure of a call
  type: str
  sample: /replace
http_status:
  description: The HTTP status of the response.
  returned: on failure of a call with a response
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
