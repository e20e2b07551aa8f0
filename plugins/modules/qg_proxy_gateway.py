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
  - The tasks of the roles P(qingguo.qgnet.proxy_gateway#role) and P(qingguo.qgnet.proxy_list#role),
    and of the playbook C(qingguo.qgnet.refresh_proxies). Use those instead of this module.
  - The store records what is installed on which host, with all of its options and without secrets.
    A refresh takes everything from there but keys and passwords.
options:
  step:
    description:
      - The step that this task performs.
      - V(find) reads what is recorded for the hosts of the play, and locks it until V(report).
        V(look) looks at each host. V(lease) records what is installed, decides what is missing by
        what the hosts report of their exits, and leases it for all hosts. V(serve) writes what a
        host serves. V(report) records how the run has ended. V(remove) removes what is installed on
        a host, and records that. V(info) returns what is recorded, and changes nothing.
      - Set C(run_once) for V(find), V(lease) and V(report), and register the results of V(find),
        V(look) and V(lease) as C(proxy_gateway__found), C(proxy_gateway__look) and
        C(proxy_gateway__leased).
    type: str
    choices: [find, look, serve, lease, report, remove, info]
    required: true
  kinds:
    description: What the step is for. An installation is for one of them.
    type: list
    elements: str
    choices: [gateway, list]
    default: [gateway]
  refresh:
    description: Whether to take what is recorded, instead of the variables of the role.
    type: bool
    default: false
  is_named:
    description: Whether the user has named the hosts, so that one for which nothing is recorded
      fails.
    type: bool
    default: false
  is_first:
    description: Whether V(serve) writes what was leased before, since nothing has been leased yet.
    type: bool
    default: false
  is_restart:
    description: Whether V(serve) has the process read its files again although its configuration is
      the same.
    type: bool
    default: false
  forget:
    description: The hosts of which V(remove) records that they are gone, with all that was
      installed on them.
    type: list
    elements: str
  hosts:
    description:
      - The hosts of this inventory that a refresh is for. V(info) then returns what it would find,
        and fails as it would. The default is what is recorded for all hosts of all inventories,
        with what was removed.
    type: list
    elements: str
  inventory_id:
    description:
      - The identifier of the inventory. Hosts of the same name in different inventories are
        different hosts.
      - If not set, the variable C(qg_inventory_id) and the environment variable E(QG_INVENTORY_ID)
        are used in this order. The default are the sources of the inventory.
    type: str
attributes:
  action:
    description: Has a corresponding action plugin, so that parts or all of it run on the control
      node.
    support: full
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.caps
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
notes:
  - The module cannot be delegated.
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
    - What is recorded. With O(step=info), a list for all hosts and inventories. Each has its
      C(kind), V(gateway) or V(list), C(host), C(inventory), C(name) and C(options).
      C(installed_at), C(removed_at) and C(refreshed_at), the end of the last refresh that
      succeeded, are in ISO 8601, or null. C(seconds) is the duration of the last refresh, and
      C(problem) the reason why it failed, or empty text.
    - With O(step=find), a dictionary by the name of the host, for the next steps.
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
missing:
  description: Why nothing is leased for hosts that the user has named, by the name of the host.
  returned: with O(step=find)
  type: dict
  sample: {}
began:
  description: The Unix time at which the step began, by which the locks of the run last.
  returned: with O(step=find) and O(step=lease)
  type: float
  sample: 1893456000.0
orders:
  description: What a host is to have, and what it has.
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
    - The timers on the control node that were removed, since all that they refreshed is gone.
  returned: with O(step=remove)
  type: list
  elements: str
  sample: [qg-refresh-crawlers]
serve:
  description: What a host serves as long as nothing new is leased.
  returned: with O(step=look)
  type: list
  elements: dict
  sample: []
hosts:
  description: What each host is to serve, by its name.
  returned: with O(step=lease)
  type: dict
  sample: {}
bought:
  description: The number of leases that were bought, or would be in check mode.
  returned: with O(step=lease)
  type: int
  sample: 2
removed:
  description: What this task has recorded as removed, each as in RV(installations).
  returned: with O(step=remove)
  type: list
  elements: dict
  sample: []
"""
