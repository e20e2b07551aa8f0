#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The egress addresses of a fleet: documentation alone, the action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_egress_whitelist
short_description: Register the egress addresses of all hosts of a play with one write
version_added: 0.1.0
author:
  - The qingguo.qgnet authors (@qingguo)
description:
  - Two tasks register a whole fleet. The task with O(step=detect) finds each host's egress addresses, like
    M(qingguo.qgnet.qg_egress_ip_info), and puts them down on the control node. The task with O(step=register) brings
    the whitelist in line. The first host that comes to it reads and writes for all hosts of the same key that are put
    down, and each host gets its own result.
  - Hosts that were registered with the same addresses before, and still stand on the whitelist, are told so by the
    first of the two tasks. The first such host reads the whitelist for all. Where that is so for all hosts, the second
    task is left to one host, if its C(run_once) is P(qingguo.qgnet.egress_in_sync#lookup), as in the example.
  - It is right under any strategy and C(serial), with C(--limit), and whichever host is skipped, has failed or is
    unreachable.
  - The control node remembers which host was registered with which addresses. When they have changed, the former ones
    are removed, unless another host still uses them. Where the memory is lost, former addresses stay on the whitelist,
    and a host that is deregistered takes along an address that it shares with hosts that are no longer remembered.
  - A host can claim at most O(samples) addresses in a run, whatever it prints. It never removes an address that another
    host is remembered with, whichever inventory that host is in.
  - The role C(qingguo.qgnet.egress_whitelist) is made of these two tasks.
options:
  step:
    description: Which half of the work this task does. Both tasks take the same options.
    type: str
    choices: [detect, register]
    required: true
  vars_prefix:
    description:
      - The beginning of the names of variables. Options that the task leaves out are taken from the variables that are
        named so, as the role does it with V(egress_whitelist_). Options of the task win over them, and they win over
        C(module_defaults).
    type: str
  state:
    description: Whether the addresses shall be on the whitelist.
    type: str
    choices: [present, absent]
    default: present
  ips:
    description:
      - The host's egress addresses, where they are known. The host is then not asked.
      - Must not be empty. A host whose addresses are not known leaves it out.
    type: list
    elements: str
  detect:
    description:
      - Whether a host is asked whose O(ips) are not given.
      - With V(false) and O(state=absent), only remembered addresses are removed. The host need not exist any more.
    type: bool
    default: true
  inventory_id:
    description:
      - A name for the inventory, under which its hosts are remembered. A host that has the same name in another
        fleet is another host.
      - The default is made of the inventory sources of the run. Name the fleet where their paths differ from run
        to run, as in AWX.
    type: str
  max_removals:
    description:
      - The most addresses that one write may remove although only hosts report them. If there are more on the
        whitelist, all of them stay, and the hosts that report them fail. A compromised host can report addresses that
        are not its own.
      - With O(state=absent), these are addresses that a host reports and that are remembered for none of the hosts. In
        either state, they are also remembered addresses that were on the whitelist already when a host reported them
        first, and former ones of this kind of hosts that have moved.
      - Addresses that this control node added for its hosts, and those given in O(ips), are removed without a limit.
    type: int
    default: 10
  fail:
    description:
      - Whether a host fails whose addresses could not be found, registered or removed. With V(false) it is warned of,
        and the play goes on for it.
    type: bool
    default: true
  verify_proxy:
    description:
      - A proxy of this key, as V(http://HOST:PORT). Each registered host then asks through it, and fails when it is not
        let through.
    type: str
  verify_url:
    description: The echo service that is asked through O(verify_proxy). The default is the first of O(sources).
    type: str
  verify_wait:
    description: How many seconds the proxy may take to let a host through after the whitelist was changed.
    type: float
    default: 30
attributes:
  action:
    description: Has a corresponding action plugin, so that parts or all of it run on the control node.
    support: full
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
    details: The host that wrote for all shows the diff, and counts as changed when anything was.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.egress
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.state_dir
notes:
  - Cannot be delegated. Where only another host reaches the API, use M(qingguo.qgnet.qg_egress_ip_info) and delegate
    M(qingguo.qgnet.qg_whitelist).
seealso:
  - plugin: qingguo.qgnet.egress_in_sync
    plugin_type: lookup
  - module: qingguo.qgnet.qg_egress_ip_info
  - module: qingguo.qgnet.qg_whitelist
"""

EXAMPLES = r"""
- name: Register a fleet
  module_defaults:
    qingguo.qgnet.qg_egress_whitelist:
      key: "{{ vault_qg_key }}"
  block:
    - name: Find the egress addresses
      qingguo.qgnet.qg_egress_whitelist:
        step: detect

    - name: Register them
      qingguo.qgnet.qg_egress_whitelist:
        step: register
      # By one host alone, where there is nothing to be done for any of them.
      run_once: "{{ lookup('qingguo.qgnet.egress_in_sync') | bool }}"
"""

RETURN = r"""
ips:
  description: The host's egress addresses.
  returned: success
  type: list
  elements: str
  sample: [203.0.113.5]
source_replies:
  description: What each source said, as M(qingguo.qgnet.qg_egress_ip_info) returns it.
  returned: with O(step=detect)
  type: list
  elements: dict
  sample: []
registered:
  description: Those of them that are on the whitelist. With O(step=detect), no more than those that need nothing more.
  returned: success
  type: list
  elements: str
  sample: [203.0.113.5]
unregistered:
  description: Those of them that should be on the whitelist and are not.
  returned: with O(step=register)
  type: list
  elements: str
  sample: []
obsolete:
  description: Addresses of the host, former ones among them, that should not be on the whitelist and are.
  returned: with O(step=register)
  type: list
  elements: str
  sample: []
exit_ips:
  description: Where the host came out of O(verify_proxy).
  returned: with O(verify_proxy)
  type: list
  elements: str
  sample: [198.51.100.1]
summary:
  description: What was done for all hosts at once.
  returned: with O(step=register), for the host that wrote or, at rest, speaks for all; after a failure only
    RV(summary.unregistered_hosts) may be in it
  type: dict
  contains:
    added:
      description: Addresses that were added.
      type: list
      elements: str
      returned: when the whitelist could be read
    removed:
      description: Addresses that were removed.
      type: list
      elements: str
      returned: when the whitelist could be read
    refused:
      description: Addresses that the vendor did not take, with code and reason.
      type: list
      elements: dict
      returned: when the whitelist could be read
    count:
      description: How many addresses the whitelist holds.
      type: int
      returned: when the whitelist could be read
    api:
      description: What it cost, in calls, retries and seconds waited, with what the first task has read.
      type: dict
      returned: when the whitelist could be read
    unregistered_hosts:
      description: Hosts of the play that failed or were unreachable before, and are therefore not registered.
      type: list
      elements: str
      returned: always
  sample:
    added: [203.0.113.5, 203.0.113.6]
    removed: []
    refused: []
    count: 2
    api: {calls: 3, retries: 0, waited_seconds: 0.0}
    unregistered_hosts: []
"""
