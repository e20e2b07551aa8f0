#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replace leased proxies."""

DOCUMENTATION = r"""
module: qg_proxy_replace
short_description: Replace proxy leases with new ones
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Releases leases of a QG.net key and allocates the same number of new ones, so that the addresses
    change.
  - What O(areas), O(exclude_areas), O(isp) and O(keep_alive) leave open is requested as it was for
    the old leases, according to the state. If that differs among them, the task fails before it
    changes anything. Of a lease that another program bought, nothing is known.
  - With O(count) or O(all), the task calls QG.net's replacement. It accepts only a number; QG.net
    selects the leases to replace. Only dynamic dedicated plans of the classic API and
    O(product=exclusive) support it.
  - With O(ips) or O(task_ids), the task releases the leases, waits for their channels, and
    allocates the same number of new leases. It begins with the lease that ends first; if no new
    lease is available, the others are kept. The limits of M(qingguo.qgnet.qg_proxy_release) apply.
  - If the key holds none of the leases in O(ips) or O(task_ids), the task fails. If it holds some
    of them, a warning names the others.
  - With O(product=longterm), only O(ips) and O(task_ids) are available. Leases of O(product=share)
    and O(product=overseas) cannot be replaced. Such a task fails before it changes anything.
  - After a lost response, the call is not repeated before its effect is known. Leases that were
    released but not replaced are allocated again. If lists are wrong meanwhile, the key may hold
    one lease too few afterwards, which the next M(qingguo.qgnet.qg_proxy_allocate) allocates. If
    QG.net refuses to replace leases that it has released, and the run is killed at that moment,
    the next run may allocate one lease too many.
  - If a run was killed or failed before it was complete, the same task continues the replacement
    when it is run again within ten minutes. Leases that were replaced are not replaced again.
    Before that, the task waits for the result of the call as M(qingguo.qgnet.qg_proxy_allocate)
    does. After ten minutes, or with other leases, another number or other properties of new leases,
    a new replacement begins.
options:
  count:
    description: The number of leases to replace, from 1 to 100. QG.net selects them.
    type: int
attributes:
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
  idempotent:
    support: none
    details: Each run replaces.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.leases.choice
  - qingguo.qgnet.leases.terms
  - qingguo.qgnet.leases.credentials
  - qingguo.qgnet.caps
  - qingguo.qgnet.caps.quota
  - qingguo.qgnet.product
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
seealso:
  - module: qingguo.qgnet.qg_proxy_allocate
  - module: qingguo.qgnet.qg_proxy_release
  - name: QG.net's page on replacement
    description: Document 297 of QG.net, in Chinese.
    link: https://www.qg.net/doc/297.html
"""

EXAMPLES = r"""
- name: Replace all leases
  qingguo.qgnet.qg_proxy_replace:
    all: true

- name: Replace all leases of a dedicated product with addresses in one city
  qingguo.qgnet.qg_proxy_replace:
    product: exclusive
    all: true
    areas: ["440100"]

- name: Replace two leases that QG.net selects
  qingguo.qgnet.qg_proxy_replace:
    count: 2

- name: Replace the lease that a site has blocked
  qingguo.qgnet.qg_proxy_replace:
    ips: [192.0.2.10]
    distinct: true
"""

RETURN = r"""
leases:
  description:
    - All leases of the key after the task, earliest deadline first, each as in
      RV(qingguo.qgnet.qg_proxy_info#module:leases). In check mode, those before it.
  returned: success
  type: list
  elements: dict
  sample:
    - ip: 192.0.2.10
      port: 21504
      server: 192.0.2.10:21504
      expires_at: "2030-01-02T03:04:05+08:00"
      remaining_seconds: 86399
method:
  description: V(replace) for QG.net's replacement, V(release_and_allocate) for selected leases.
  returned: success
  type: str
  sample: replace
allocated:
  description: The new leases, also if the task fails later.
  returned: success
  type: list
  elements: dict
  sample: []
released:
  description:
    - The leases that were released. In check mode, those that would be released, as far as they can
      be predicted.
  returned: success
  type: list
  elements: dict
  sample: []
missing:
  description:
    - The number of leases that were released but not replaced. In check mode, the number of leases
      that would be replaced.
  returned: success
  type: int
  sample: 0
not_held:
  description: The entries of O(ips) or O(task_ids) that belong to no lease of the key. A warning
    names them, too.
  returned: success
  type: list
  elements: str
  sample: []
held:
  description: The number of leases that the key holds.
  returned: success
  type: int
  sample: 5
quota:
  description: The plan's channels.
  returned: failure
  type: dict
  sample: {total: 5, available: 3, used: 2}
cap:
  description: The C(limit) of O(max_new_per_day), what was C(bought) in 24 hours, and what was
    C(wanted) in addition.
  returned: failure
  type: dict
  sample: {option: max_new_per_day, limit: 20, bought: 18, wanted: 5}
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
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import REPLACE


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(REPLACE)


if __name__ == "__main__":
    main()
