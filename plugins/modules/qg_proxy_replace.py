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
  - Releases leases of a QG.net key and buys the same number of new ones, so that the addresses
    change.
  - If O(areas), O(exclude_areas), O(isp) or O(keep_alive) is not set, the new leases get the values
    with which the old leases were bought, as far as O(store) has recorded them. If these values
    differ among the old leases, the task fails before it changes anything.
  - With O(count) or O(all), the task uses QG.net's own replacement, in which QG.net selects the
    leases to replace. Only dynamic dedicated plans of the classic API and O(product=exclusive)
    support it.
  - With O(ips) or O(task_ids), the task releases the leases, waits for their channels, and buys new
    leases. It begins with the lease that ends first. If no new lease is available, the others are
    kept. The limits of M(qingguo.qgnet.qg_proxy_release) apply.
  - If the key holds none of the leases in O(ips) or O(task_ids), the task fails. If it holds some
    of them, a warning names the others.
  - O(product=longterm) supports only O(ips) and O(task_ids). O(product=share) and
    O(product=overseas) do not support replacements. The task then fails before it changes anything.
  - After a lost response, the call is not repeated before its effect is known, as with
    M(qingguo.qgnet.qg_proxy_allocate). Leases that were released but not replaced are bought again.
    If QG.net's lists are wrong meanwhile, the key may hold one lease too few afterwards, which the
    next M(qingguo.qgnet.qg_proxy_allocate) buys.
  - If a run fails or is killed before it has replaced everything, the same task continues the
    replacement within ten minutes. It does not replace leases again that were already replaced.
    After ten minutes, or with other options for old or new leases, a new replacement begins.
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
    details: Each run replaces leases, unless it continues an interrupted run.
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
    - All leases of the key after the task, earliest deadline first. Their keys are those of
      RV(qingguo.qgnet.qg_proxy_info#module:leases). In check mode, these are the current leases.
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
  description: The method, which is V(replace) for QG.net's own replacement, and
    V(release_and_allocate) with O(ips) or O(task_ids).
  returned: success
  type: str
  sample: replace
allocated:
  description: The new leases, even if the task fails afterwards.
  returned: success
  type: list
  elements: dict
  sample: []
released:
  description:
    - The leases that were released. In check mode, these are the leases that would be released, as
      far as they can be predicted.
  returned: success
  type: list
  elements: dict
  sample: []
missing:
  description:
    - The number of leases that were released but not replaced. In check mode, it is the number of
      leases that would be replaced.
  returned: success
  type: int
  sample: 0
not_held:
  description: The entries of O(ips) or O(task_ids) that belong to no lease of the key.
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
  description: The channels of the plan, if there are too few.
  returned: failure
  type: dict
  sample: {total: 5, available: 3, used: 2}
cap:
  description: Why O(max_new_per_day) did not allow the purchase. C(limit) is its value, C(bought)
    the number of purchases within 24 hours, C(unknown) the number that calls without a known result
    may have bought as well, and C(wanted) the number that the task needed.
  returned: failure
  type: dict
  sample: {option: max_new_per_day, limit: 20, bought: 18, unknown: 0, wanted: 5}
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
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import REPLACE


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(REPLACE)


if __name__ == "__main__":
    main()
