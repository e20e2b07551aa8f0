#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of qg_egress_whitelist, which the action plugin of the same name implements."""

DOCUMENTATION = r"""
module: qg_egress_whitelist
short_description: Register the egress IPs of all hosts of a play together
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Three tasks register a whole fleet. With O(step=detect), each host detects its egress IPs, as
    M(qingguo.qgnet.qg_egress_ip_info) does. With O(step=update), one host updates the whitelist for
    all hosts. With O(step=report), each host reports its own result. The role
    P(qingguo.qgnet.egress_whitelist#role) consists of these tasks.
  - The O(store) records which address is registered for which host. When the address of a host
    changes, the former address is removed, unless another host is registered with it or it was on
    the whitelist before the host reported it.
  - A host can report at most O(samples) addresses in a run. It does not remove addresses that were
    not registered for it.
options:
  step:
    description:
      - The step that this task performs. Give all three tasks the same options.
      - Register the results of V(detect) and V(update) as C(egress_whitelist_detected) and
        C(egress_whitelist_result), and set C(run_once) for V(update), as in the example.
    type: str
    choices: [detect, update, report]
    required: true
  vars_prefix:
    description:
      - The prefix of variables from which the task takes the options that it omits. The role uses
        V(egress_whitelist_).
      - If another variable has this prefix, the task fails, because the name may be misspelt.
    type: str
  state:
    description:
      - Whether the addresses should be on the whitelist.
      - With V(absent), no host is contacted. The addresses that are registered for the hosts are
        removed, and those in O(ips).
    type: str
    choices: [present, absent]
    default: present
  ips:
    description:
      - The egress IPs of the host, if they are known. They are then not detected.
      - The list must not be empty. Omit the option for hosts with unknown addresses.
    type: list
    elements: str
  forget:
    description:
      - The names of registered hosts to deregister instead of the hosts of the play. They need not
        be in the inventory. The key and the addresses of those that are in it are used.
      - The option requires O(state=absent).
    type: list
    elements: str
  inventory_id:
    description:
      - The identifier of the inventory in the records of registrations. Hosts of the same name in
        different inventories are different hosts.
      - If it is not set, the variable C(qg_inventory_id) is used, then the environment variable
        E(QG_INVENTORY_ID), and then the paths of the inventory. Set it if these paths differ from
        run to run, as in AWX.
    type: str
  prune:
    description:
      - Whether to deregister hosts that the inventory no longer has, once all hosts of the play
        have reported. A host is kept for at least 24 hours after a run has last registered it.
      - The option cannot be used with C(--limit), or if the inventory is a list of hosts. It
        requires that E(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED) is true, so that a run does not
        start without a part of its inventory.
    type: bool
    default: false
  max_removals:
    description:
      - The maximum number of addresses that O(prune) removes from the whitelist of a key. If there
        are more, the task fails before it changes this whitelist.
    type: int
    default: 10
  fail:
    description:
      - Whether a host fails if its addresses were not detected, or if QG.net refused one of them.
        With V(false), the host only shows a warning. It always fails after other errors.
    type: bool
    default: true
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
  - qingguo.qgnet.egress
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
notes:
  - With the strategies C(free) and C(host_pinned), each host updates the whitelist by itself, which
    takes more calls.
  - Tasks with this module cannot be delegated. If only another host can reach the API, use
    M(qingguo.qgnet.qg_egress_ip_info) and delegate M(qingguo.qgnet.qg_whitelist) to that host.
seealso:
  - module: qingguo.qgnet.qg_egress_ip_info
  - module: qingguo.qgnet.qg_whitelist
"""

EXAMPLES = r"""
- name: Detect the egress addresses
  qingguo.qgnet.qg_egress_whitelist:
    step: detect
  register: egress_whitelist_detected

- name: Update the whitelist
  qingguo.qgnet.qg_egress_whitelist:
    step: update
  register: egress_whitelist_result
  run_once: true

- name: Report
  qingguo.qgnet.qg_egress_whitelist:
    step: report
  run_once: "{{ egress_whitelist_result.report_once | default(false) }}"
"""

RETURN = r"""
ips:
  description: The egress IPs of the host.
  returned: with O(step=detect) and O(step=report)
  type: list
  elements: str
  sample: [203.0.113.5]
source_replies:
  description: The reply of each source, as M(qingguo.qgnet.qg_egress_ip_info) returns it.
  returned: with O(step=detect), if the addresses were detected
  type: list
  elements: dict
  sample: []
hosts:
  description: The result of each host, by the name of the host. It contains C(changed), C(failed)
    and the values that O(step=report) returns.
  returned: with O(step=update)
  type: dict
  sample:
    web1:
      {changed: true, failed: false, ips: [203.0.113.5], added: [203.0.113.5], removed: []}
added:
  description: The addresses that were added. With O(step=report), only those of the host.
  returned: with O(step=update) and O(step=report)
  type: list
  elements: str
  sample: [203.0.113.5]
removed:
  description: The addresses that were removed. With O(step=report), only those of the host.
  returned: with O(step=update) and O(step=report)
  type: list
  elements: str
  sample: []
kept:
  description:
    - The addresses that the host no longer needs but that stay on the whitelist. Each has its
      C(ip), the C(reason), and the C(host) and C(inventory_id) that it is registered for. These two
      are null if the address was on the whitelist before the host reported it.
    - With O(state=absent), a warning names them as well, and says how to remove them.
  returned: with O(step=report)
  type: list
  elements: dict
  sample:
    - ip: 203.0.113.9
      reason: registered for web1 of the inventory /etc/ansible/hosts
      host: web1
      inventory_id: /etc/ansible/hosts
refused:
  description: The addresses that QG.net refused, each with C(ip), C(code) and C(reason).
  returned: with O(step=update)
  type: list
  elements: dict
  sample: []
gone_hosts:
  description: The registered hosts that the inventory no longer has, each with its addresses.
  returned: with O(step=update)
  type: dict
  sample: {}
unreached_hosts:
  description: The hosts of the play that had failed, were unreachable, or had ended before.
  returned: with O(step=update)
  type: list
  elements: str
  sample: []
unreadable:
  description: The entries of the whitelist that are not one IPv4 address. The task leaves them
    alone.
  returned: with O(step=update)
  type: list
  elements: str
  sample: []
count:
  description: The number of addresses on the whitelist.
  returned: with O(step=update)
  type: int
  sample: 2
detection:
  description: What identifies this detection of the host, so that it is used only once.
  returned: with O(step=detect)
  type: str
  sample: 9f86d081884c7d65
detections:
  description: The detections that were used, by the name of the host. A later use of the role in
    the same playbook, which the host skips, does not use them again, and keeps the result of the
    host.
  returned: with O(step=update)
  type: dict
  sample: {web1: 9f86d081884c7d65}
report_once:
  description: Whether one host can report for all, because nothing was changed and no host failed.
  returned: with O(step=update)
  type: bool
  sample: false
msg:
  description: The outcome of the run in one line, or the error message.
  returned: with O(step=update), or on failure
  type: str
  sample: "3 hosts: 3 in sync, 1 added"
api:
  description: The number of C(calls), how many of them were C(retries), and the time that the task
    has waited (C(waited_seconds)).
  returned: with O(step=update)
  type: dict
"""
