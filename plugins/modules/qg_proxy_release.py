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
  - Releases leases of a QG.net key by address, by task, or all of them. Leases that are not held
    are ignored, and a warning names them.
  - The list of leases is read before the release, and after a lost response. What QG.net
    reports as released counts as released, even if the list still shows it for up to 60 seconds.
  - A lease whose exit address another lease has, which must stay, is only released if O(task_ids)
    selects it.
  - QG.net limits releases. A dynamic dedicated plan may release two addresses per channel and
    minute. A shared plan cannot release leases. A static plan can release a lease one day after it
    was allocated, and at most two times a week. Reserved lines are released with
    M(qingguo.qgnet.qg_monopoly).
  - With O(product=longterm), only static addresses can be released, by the rule for static plans.
    O(product=share) and O(product=overseas) have no call for it, and the task fails before it
    changes anything.
  - The task waits for the limits per minute, for up to O(max_wait). After that it fails, and
    returns the leases that were released and those that were not.
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

- name: Release the leases of one task, without waiting for a limit
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
    - The leases that the task released, each as in RV(qingguo.qgnet.qg_proxy_info#module:leases).
      In check mode, those that it would release.
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
  description: Leases that a call of an earlier run has paid for meanwhile. Each is as in
    RV(released).
  returned: success
  type: list
  elements: dict
  sample: []
not_held:
  description: The entries of O(ips) or O(task_ids) that belong to no lease of the key. A warning
    names them, too.
  returned: success
  type: list
  elements: str
  sample: []
held:
  description: The number of leases that the key holds after the task. In check mode, before it.
  returned: success
  type: int
  sample: 0
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
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import RELEASE


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(RELEASE)


if __name__ == "__main__":
    main()
