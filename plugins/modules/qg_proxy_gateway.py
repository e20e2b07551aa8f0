#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of qg_proxy_gateway, which the action plugin of the same name implements."""

DOCUMENTATION = r"""
module: qg_proxy_gateway
short_description: Take one step of the roles proxy_gateway and proxy_list
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - The roles P(qingguo.qgnet.proxy_gateway#role) and P(qingguo.qgnet.proxy_list#role), and the
    playbook C(qingguo.qgnet.refresh_proxies), consist of tasks with this module. Use them instead
    of the module itself, except for O(step=info).
  - The O(store) records which gateways and lists are installed on which hosts, with all options but
    without secrets. A refresh takes everything but keys and passwords from there.
options:
  step:
    description:
      - The step that this task performs.
      - V(find) reads and locks what is recorded for the hosts of the play. V(look) examines each
        host. V(check) fails if QG.net does not accept the key or the terms of a pool. V(lease)
        records what is to be installed, and leases what all hosts are missing according to their
        exits. V(serve) writes what a host serves. V(report) records how the run has ended, and
        unlocks the records. V(remove) removes what is installed on a host, and its record. V(info)
        returns what is recorded, and changes nothing.
      - Set C(run_once) for V(find), V(check), V(lease) and V(report), and register the results of
        V(find), V(look) and V(lease) as C(proxy_gateway__found), C(proxy_gateway__look) and
        C(proxy_gateway__leased).
    type: str
    choices: [find, look, check, serve, lease, report, remove, info]
    required: true
  kinds:
    description: Whether the step is for gateways, for lists or, if it reads the records, for both.
    type: list
    elements: str
    choices: [gateway, list]
    default: [gateway]
  refresh:
    description: Whether to use what is recorded instead of the variables of the role.
    type: bool
    default: false
  is_named:
    description: Whether the user has named the hosts. A host for which nothing is recorded then
      fails.
    type: bool
    default: false
  configures:
    description: Whether O(step=serve) writes the leases of earlier runs, before this run leases.
    type: bool
    default: false
  is_restart:
    description: Whether O(step=serve) makes the process read its files again although its
      configuration is the same.
    type: bool
    default: false
  forget:
    description: The hosts whose records O(step=remove) removes, without contacting the hosts.
    type: list
    elements: str
  hosts:
    description:
      - The hosts of a refresh. O(step=info) then returns what the refresh would find in the records
        of this inventory, and fails if nothing is recorded for one of them. By default, everything
        that is recorded for any inventory is returned, and what was removed as well.
    type: list
    elements: str
  timer:
    description: The name of the timer that is to refresh O(hosts). O(step=info) fails if there is a
      timer with this name that refreshes none of them.
    type: str
  inventory_id:
    description:
      - The identifier of the inventory. Hosts of the same name in different inventories are
        different hosts.
      - If it is not set, the variable C(qg_inventory_id) is used, then the environment variable
        E(QG_INVENTORY_ID), and then the paths of the inventory.
    type: str
attributes:
  action:
    description: Has a corresponding action plugin, so that parts or all of it run on the control
      node.
    support: full
  check_mode:
    support: partial
    details: With O(forget), no change is predicted.
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
  idempotent:
    support: partial
    details: With O(is_restart), the process reads its files again in each run.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.caps
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
notes:
  - Tasks with this module cannot be delegated.
"""

EXAMPLES = r"""
- name: Show what is recorded
  qingguo.qgnet.qg_proxy_gateway:
    step: info
  run_once: true
  register: recorded
"""

RETURN = r"""
installations:
  description:
    - The recorded gateways and lists. With O(step=info), this is a list. Each element has a
      C(kind), which is V(gateway) or V(list), a C(host), C(inventory), C(name) and C(options). Its
      C(installed_at), C(removed_at) and C(refreshed_at) are in ISO 8601, or null. C(refreshed_at)
      is the end of the last successful refresh, C(seconds) the duration of the last refresh, and
      C(problem) the reason why that failed, or empty text. C(sleeps) has an element for each pool
      that nobody uses now, with the name of the C(pool), C(since) when it sleeps, and about how
      many leases were C(not_bought) since.
    - With O(step=find), this is a dictionary by the name of the host, for the next steps.
  returned: with O(step=info) and O(step=find)
  type: raw
  sample:
    - host: crawler1
      inventory: /etc/ansible/hosts
      kind: gateway
      name: qg-proxy-gateway
      options: {interval: 10, pools: [{count: 5, name: qg, port: 3128}]}
      installed_at: "2030-01-02T03:04:05+08:00"
      removed_at: null
      refreshed_at: "2030-01-02T04:04:05+08:00"
      seconds: 1.4
      problem: ""
      sleeps: [{pool: qg, since: "2030-01-02T03:34:05+08:00", not_bought: 120.0}]
missing:
  description: Why nothing is leased for a host that the user has named, by the name of the host.
  returned: with O(step=find)
  type: dict
  sample: {}
began:
  description: The Unix time at which the step began, from which the duration of a refresh counts.
  returned: with O(step=find) and O(step=lease)
  type: float
  sample: 1893456000.0
orders:
  description: What should be installed on the host, and what was found there.
  returned: with O(step=look)
  type: list
  elements: dict
  sample: []
inventory:
  description: The identifier of the inventory.
  returned: with O(step=info)
  type: str
  sample: /home/me/hosts.yml
timers:
  description:
    - The timers of the control node that were removed, because everything that they refreshed is
      gone.
  returned: with O(step=remove)
  type: list
  elements: str
  sample: [qg-refresh-crawlers]
serve:
  description: What the host serves as long as nothing new is leased.
  returned: with O(step=look)
  type: list
  elements: dict
  sample: []
hosts:
  description: What each host should serve, by the name of the host.
  returned: with O(step=lease)
  type: dict
  sample: {}
bought:
  description: The number of bought leases. In check mode, it is the number that would be bought.
  returned: with O(step=lease)
  type: int
  sample: 2
removed:
  description: The removed gateways and lists. Their keys are those of RV(installations).
  returned: with O(step=remove)
  type: list
  elements: dict
  sample: []
"""
