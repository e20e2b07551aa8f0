#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ensure a minimum number of leased proxies."""

DOCUMENTATION = r"""
module: qg_proxy_allocate
short_description: Ensure a minimum number of live proxy leases
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Ensures that a QG.net key holds at least O(count) matching leases, and returns them. It buys
    only what is missing, so a second run buys nothing while enough leases last.
  - If the effect of a paid call is unknown, such as after a lost response, no task with the same
    O(store) pays again before it is known. This is when the list of leases shows everything that
    was asked for, or 60 seconds after the call has ended. If it never ended, such as in a run that
    was killed, this is 60 seconds after its O(timeout), and at least 90 seconds after it was sent.
options:
  count:
    description: The minimum number of live leases, from 1 to 100.
    type: int
    required: true
  min_remaining:
    description:
      - The minimum remaining time of a matching lease, in minutes or with a unit, such as V(30s).
        With V(0), each lease counts that QG.net's list shows. The option does not apply to
        O(product=longterm).
      - It may be at most nine tenths of what a new lease lasts. That is a setting of the plan, and
        the collection learns it from the leases that were bought in the last hour or live. If this
        is unknown, the task buys one lease first, and nothing more if it does not fit.
    type: str
    default: "0"
  exact:
    description:
      - Whether to release the matching leases that exceed O(count) and those that end too soon,
        beginning with the earliest deadline.
      - Without O(areas), O(exclude_areas) and O(isp), all leases of the key match. If one of these
        is null or empty, the task fails.
    type: bool
    default: false
  exclude_ips:
    description:
      - The exit IPs (C(ip)) or servers (C(server)) of leases that do not match, such as banned
        ones. If a new lease has one of these addresses, the task fails.
    type: list
    elements: str
    default: []
  on_uncertain:
    description:
      - What to do with a lease when it is unknown whether it matches. V(fail) fails before anything
        is paid for, V(match) counts the lease, and V(ignore) does not.
    type: str
    choices: [fail, ignore, match]
    default: fail
attributes:
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.leases.terms
  - qingguo.qgnet.leases.credentials
  - qingguo.qgnet.caps
  - qingguo.qgnet.caps.quota
  - qingguo.qgnet.product
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
seealso:
  - module: qingguo.qgnet.qg_proxy_info
  - module: qingguo.qgnet.qg_proxy_replace
"""

EXAMPLES = r"""
- name: Ensure five leases for the crawlers
  qingguo.qgnet.qg_proxy_allocate:
    count: 5
  register: proxies
  run_once: true

- name: Ensure ten leases in one area, each with at least half an hour left
  qingguo.qgnet.qg_proxy_allocate:
    count: 10
    areas: ["350500"]
    isp: telecom
    keep_alive: 120
    min_remaining: 30

- name: Ensure exactly three leases
  qingguo.qgnet.qg_proxy_allocate:
    count: 3
    exact: true
"""

RETURN = r"""
leases:
  description:
    - All matching live leases after the task, earliest deadline first. Their keys are those of
      RV(qingguo.qgnet.qg_proxy_info#module:leases). In check mode, these are the current leases.
  returned: success
  type: list
  elements: dict
  sample:
    - {ip: 192.0.2.10, server: "192.0.2.10:21504", remaining_seconds: 86399}
count:
  description: The number of RV(leases). It may exceed O(count).
  returned: success
  type: int
missing:
  description: The number of leases that are still missing. In check mode, it is the number of
    leases that would be bought.
  returned: success
  type: int
allocated:
  description: The leases that the task has bought, even if it fails afterwards.
  returned: success
  type: list
  elements: dict
released:
  description: The released leases. In check mode, these are those that would be released.
  returned: success
  type: list
  elements: dict
held:
  description: The total number of leases that the key holds.
  returned: success
  type: int
quota:
  description: The channels of the plan, if there are too few.
  returned: failure
  type: dict
cap:
  description: Why O(max_new_per_day) did not allow the purchase. C(limit) is its value, C(bought)
    the number of purchases within 24 hours, C(unknown) the number that calls without a known result
    may have bought as well, and C(wanted) the number that the task needed.
  returned: failure
  type: dict
product:
  description: The product of the key, which was detected with O(product=auto).
  returned: success
  type: str
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
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import ALLOCATE


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(ALLOCATE)


if __name__ == "__main__":
    main()
