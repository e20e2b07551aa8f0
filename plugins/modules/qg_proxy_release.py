#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Release leased proxies."""

DOCUMENTATION = r"""
module: qg_proxy_release
short_description: Release proxy leases
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Releases leases of a QG.net key by their addresses, by their tasks, or all of them. It ignores
    names that belong to no lease of the key, and a warning shows them.
  - The leases that QG.net's response reports as released count as released, even if the list still
    shows them for up to 60 seconds.
  - QG.net releases leases by their exit IPs. If a lease that must stay has the same exit IP, the
    task releases by QG.net task instead, and fails if the task contains leases that must stay.
  - QG.net limits releases. A dynamic dedicated plan may release two addresses per channel and
    minute. A shared plan cannot release leases. A static plan can release a lease one day after it
    was allocated, and at most two times a week. Reserved lines are released with
    M(qingguo.qgnet.qg_monopoly).
  - With O(product=longterm), only static addresses can be released, by the rule for static plans.
    O(product=share) and O(product=overseas) cannot release leases, so the task fails before it
    changes anything.
  - The task waits for the limits per minute, for up to O(max_wait). Then it fails, and returns the
    leases that were released.
attributes:
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.leases.choice
  - qingguo.qgnet.product
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
seealso:
  - module: qingguo.qgnet.qg_proxy_allocate
  - module: qingguo.qgnet.qg_proxy_replace
  - name: QG.net's page on release
    description: Document 176 of QG.net, in Chinese.
    link: https://www.qg.net/doc/176.html
"""

EXAMPLES = r"""
- name: Release two leases
  qingguo.qgnet.qg_proxy_release:
    ips: [192.0.2.10, 192.0.2.11]

- name: Release the leases of one QG.net task, without waiting for a limit
  qingguo.qgnet.qg_proxy_release:
    task_ids: [Ab3dEf6hIj9kLm2n]
    max_wait: 0

- name: Release a dedicated lease
  qingguo.qgnet.qg_proxy_release:
    product: exclusive
    ips: [192.0.2.10]

- name: Release all leases at the end of the day
  qingguo.qgnet.qg_proxy_release:
    all: true
"""

RETURN = r"""
released:
  description:
    - The released leases. Their keys are those of RV(qingguo.qgnet.qg_proxy_info#module:leases). In
      check mode, these are the leases that would be released.
  returned: success
  type: list
  elements: dict
  sample:
    - ip: 192.0.2.10
      port: 21504
      server: 192.0.2.10:21504
      expires_at: "2030-01-02T03:04:05+08:00"
      remaining_seconds: 86399
allocated:
  description: Leases from a purchase of an earlier run whose result was unknown. Their keys are
    those of RV(released).
  returned: success
  type: list
  elements: dict
  sample: []
not_held:
  description: The entries of O(ips) or O(task_ids) that belong to no lease of the key.
  returned: success
  type: list
  elements: str
  sample: []
held:
  description: The number of leases that the key holds after the task. In check mode, it is the
    number before the task.
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
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import RELEASE


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(RELEASE)


if __name__ == "__main__":
    main()
