#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of qg_egress_whitelist, which the action plugin of the same name implements."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_egress_whitelist
short_description: Register the egress IPs of all hosts of a play with one write
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Two tasks register a whole fleet, and a third one summarizes the results. The task with O(step=detect) detects the
    egress IPs of each host, like M(qingguo.qgnet.qg_egress_ip_info), and adds them to the claims on the control
    node. The task with O(step=register) updates the whitelist. The first host that reaches it writes for all hosts
    of the same key that have claims, and each host gets its own result.
  - For hosts that were registered with the same addresses before, the first task checks whether they are still on the
    whitelist. The first such host reads the whitelist for all. If all hosts are in sync, only one host runs the second
    task, provided that its C(run_once) is P(qingguo.qgnet.egress_in_sync#lookup) as in the example.
  - With O(vars_prefix), the tasks set variables, also if they fail. The first two set the result of the host under the
    prefix and C(result), and the task with O(step=summarize) sets its result under the prefix and C(summary). If one
    host runs a task with C(run_once), its summary is set on all hosts of the batch, and its own result on none.
  - It works with every strategy, with C(serial) and C(--limit), and with skipped, failed and unreachable hosts.
  - The control node records the registered addresses of each host. When they change, the former ones are removed,
    unless another host still uses them. If the records are lost, former addresses remain on the whitelist, and
    deregistering a host also removes an address that it shares with hosts without a record.
  - A host can report at most O(samples) addresses in a run. It never removes an address that is registered for another
    host, in any inventory.
  - The role C(qingguo.qgnet.egress_whitelist) consists of these tasks.
options:
  step:
    description:
      - The step that this task performs. The tasks take the same options.
      - With V(summarize), only O(store) and O(vars_prefix) matter, and the task never fails.
    type: str
    choices: [detect, register, summarize]
    required: true
  vars_prefix:
    description:
      - The prefix of the names of variables from which the task reads options that it does not set. The role uses
        V(egress_whitelist_). Options of the task take precedence over these variables, and the variables take
        precedence over C(module_defaults).
      - The prefix belongs to the tasks. A variable with it that is neither an option nor set by the tasks is refused,
        so that a misspelt one is not ignored.
    type: str
  state:
    description: Whether the addresses should be on the whitelist.
    type: str
    choices: [present, absent]
    default: present
  ips:
    description:
      - The egress IPs of the host, if they are known. They are then not detected.
      - Must not be empty. Omit it for hosts with unknown addresses.
    type: list
    elements: str
  detect:
    description:
      - Whether to detect the egress IPs of a host without O(ips).
      - With V(false) and O(state=absent), only recorded addresses are removed. The host need not exist any more.
    type: bool
    default: true
  forget:
    description:
      - The names of registered hosts to deregister instead of the host of the task. They need not be in the inventory,
        and are not contacted. Their recorded addresses are removed, unless another host is registered with them.
      - It requires O(state=absent) and a play with one host, such as C(localhost). A host that is not registered with
        this key in this inventory is refused.
    type: list
    elements: str
  inventory_id:
    description:
      - The identifier of the inventory in the records of registrations. Hosts of the same name in different inventories
        are different hosts.
      - The default is derived from the inventory sources of the run. Set it if their paths differ from run to run, as
        in AWX.
      - If several control nodes share their state with O(store), C(localhost) is another host on each of them.
    type: str
  adopt:
    description:
      - Whether the registrations of the host's name in other inventories are those of this host, for example after the
        inventory file was renamed or copied. They become registrations of this inventory, and are returned as
        RV(adopted).
      - Hosts with the same name in two inventories may be different machines. The host therefore fails, before any
        change, if such a registration has an address that the host neither has in this run nor is registered with in
        its own inventory. With O(store), C(localhost) is never adopted.
    type: bool
    default: false
  max_removals:
    description:
      - The maximum number of addresses that one write may remove although only hosts have reported them. If there are
        more on the whitelist, none of them is removed, and the hosts that report them fail. This limits the damage of a
        compromised host, which can report addresses that are not its own.
      - With O(state=absent), this applies to addresses that a host reports and that are not recorded for any of the
        hosts. In either state, it also applies to recorded addresses that were already on the whitelist when a host
        reported them first, including former addresses.
      - Addresses that this control node added for its hosts, and addresses in O(ips), are removed without a limit,
        except by O(prune). The limit then applies to all addresses of hosts that the inventory no longer has.
    type: int
    default: 10
  prune:
    description:
      - Whether to remove the addresses of registered hosts that the inventory no longer has. A host of the play, an
        address that another registered host needs, and a host that was registered with a new address after the run
        had begun, are never affected.
      - A host that has not reported may have one of these addresses, because hosts are renamed and addresses are
        reused. Nothing is therefore removed until all hosts of the inventory have reported in the run, with C(serial)
        in its last batch; this includes the former addresses of hosts that have new ones. A host reports with
        O(step=detect), or without being reached if it has O(ips). What is left is in RV(unpruned_hosts).
      - If there are more such addresses than O(max_removals), the task fails before any call.
      - It is refused in a run with C(--limit), and in one whose inventory may be incomplete. Ansible must end the run
        if it cannot read a source of the inventory. Set C(any_unparsed_is_failed=true) in the section C([inventory]) of
        C(ansible.cfg), or E(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED).
      - It applies to the keys of the hosts of the play.
    type: bool
    default: false
  prune_groups:
    description:
      - The groups of the inventory whose hosts must report before O(prune) removes anything. Name all groups that use
        the whitelist of the key, if other hosts of the inventory do not.
      - The default is all hosts of the inventory and of the play.
    type: list
    elements: str
  fail:
    description:
      - Whether a host fails if its addresses were not detected, if the vendor refused one of them, or if
        O(max_removals) prevents the removal of one. With V(false), such a host produces a warning and continues.
      - Other errors always fail the host, for example if the key is refused, if the vendor cannot be reached, or if
        O(verify_proxy) does not let the host through.
    type: bool
    default: true
  verify_proxy:
    description:
      - A proxy of this key, as V(http://HOST:PORT). Each registered host then sends a request through it, and fails if
        the proxy refuses it.
    type: str
  verify_url:
    description: The echo service to request through O(verify_proxy). The default is the first of O(sources).
    type: str
  verify_wait:
    description: The maximum time in seconds until the proxy accepts a host after a change of the whitelist.
    type: float
    default: 30
attributes:
  action:
    description: Has a corresponding action plugin, so that parts or all of it run on the control node.
    support: full
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
    details: The first changed host shows the diff for all hosts, or the host that wrote if none has changed.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.egress
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
notes:
  - The module cannot be delegated. If only another host can reach the API, use M(qingguo.qgnet.qg_egress_ip_info) and
    delegate M(qingguo.qgnet.qg_whitelist).
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
    - name: Detect the egress addresses
      qingguo.qgnet.qg_egress_whitelist:
        step: detect

    - name: Register them
      qingguo.qgnet.qg_egress_whitelist:
        step: register
      # By one host alone, where there is nothing to be done for any of them.
      run_once: "{{ lookup('qingguo.qgnet.egress_in_sync') | bool }}"

  always:
    - name: Summarize the results
      qingguo.qgnet.qg_egress_whitelist:
        step: summarize
      run_once: "{{ lookup('qingguo.qgnet.egress_in_sync', step='summarize') | bool }}"
"""

RETURN = r"""
ips:
  description: The egress IPs of the host.
  returned: with O(step=detect) and O(step=register), also if the task fails
  type: list
  elements: str
  sample: [203.0.113.5]
source_replies:
  description: The reply of each source, as M(qingguo.qgnet.qg_egress_ip_info) returns it.
  returned: with O(step=detect)
  type: list
  elements: dict
  sample: []
registered:
  description: The RV(ips) that are on the whitelist. With O(step=detect), only those of hosts that are in sync.
  returned: with O(step=detect) and O(step=register), also if the task fails
  type: list
  elements: str
  sample: [203.0.113.5]
unregistered:
  description: The RV(ips) that should be on the whitelist and are not.
  returned: with O(step=detect) and O(step=register), also if the task fails
  type: list
  elements: str
  sample: []
obsolete:
  description: Addresses of the host, including former ones, that should not be on the whitelist and are.
  returned: with O(step=detect) and O(step=register), also if the task fails
  type: list
  elements: str
  sample: []
added:
  description:
    - The addresses of the host that were added.
    - With O(step=summarize), all addresses that were added.
  returned: always
  type: list
  elements: str
  sample: [203.0.113.5]
removed:
  description:
    - The addresses that were removed because of the host.
    - With O(step=summarize), all addresses that were removed.
  returned: always
  type: list
  elements: str
  sample: []
kept:
  description:
    - The addresses that the host no longer needs, and that stay on the whitelist because other hosts are registered
      with them. RV(kept[].owners) contains at most five of these hosts, and begins with those of the same name in other
      inventories.
    - If nothing of a host to be deregistered is known, these are the addresses of its name in other inventories.
    - With O(step=summarize), those of all hosts, with RV(kept[].host). A warning names them as well.
  returned: always
  type: list
  elements: dict
  contains:
    host:
      description: The host that no longer needs the address.
      type: str
      returned: with O(step=summarize)
    ip:
      description: The address.
      type: str
      returned: always
    owners:
      description: Hosts that are registered with it, each with C(host) and C(inventory_id).
      type: list
      elements: dict
      returned: always
    owner_count:
      description: The number of all hosts that are registered with it.
      type: int
      returned: always
  sample:
    - ip: 203.0.113.5
      owners: [{host: web1, inventory_id: /etc/ansible/hosts}]
      owner_count: 1
adopted:
  description:
    - The registrations of other inventories that O(adopt) made those of the host, or would make in check mode, each
      with C(ip) and C(inventory_id).
    - With O(step=summarize), those of all hosts, each with C(host).
  returned: always
  type: list
  elements: dict
  sample: []
reasons:
  description:
    - Why the host is not as desired. Empty if it is.
    - If the task fails, it only refers to C(msg), so that the message is not shown twice. RV(unregistered_hosts)
      contains it.
  returned: with O(step=detect) and O(step=register), also if the task fails
  type: list
  elements: str
  sample: []
exit_ips:
  description:
    - The exit IPs of O(verify_proxy), as the echo service reported them. Empty without O(verify_proxy).
    - With O(step=summarize), those of all hosts.
  returned: always
  type: list
  elements: str
  sample: [198.51.100.1]
summary:
  description: The result of the reading or the write for all hosts.
  returned: >-
    with O(step=detect), for the host that read the whitelist for all; with O(step=register), for the host that wrote or
    reports for all, empty after a failure
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
      description: Addresses that the vendor refused, with code and reason.
      type: list
      elements: dict
      returned: when the whitelist could be read
    count:
      description: The number of addresses on the whitelist.
      type: int
      returned: when the whitelist could be read
    pruned_hosts:
      description: The addresses that were removed for each host that the inventory no longer has.
      type: dict
      returned: with O(prune), when there are any
    api:
      description: The API usage of this host, with the numbers of calls, retries and seconds waited.
      type: dict
      returned: when the whitelist could be read
  sample:
    added: [203.0.113.5, 203.0.113.6]
    removed: []
    refused: []
    count: 2
    api: {calls: 3, retries: 0, waited_seconds: 0.0}
msg:
  description: The outcome of the run in one line. The task also shows it, on the standard error.
  returned: with O(step=summarize)
  type: str
  sample: "3 hosts: 3 in sync, 1 added, 1 removed; proxy exit 198.51.100.1"
hosts:
  description: The number of hosts of the play, or of those in O(forget).
  returned: with O(step=summarize)
  type: int
  sample: 3
in_sync:
  description: The number of hosts that are as desired.
  returned: with O(step=summarize)
  type: int
  sample: 1
changed_hosts:
  description:
    - The addresses that were added and removed for each host for which there are any.
    - For every strategy except P(ansible.builtin.linear#strategy), it only contains the host itself.
  returned: with O(step=summarize)
  type: dict
  sample:
    web1: {added: [203.0.113.5], removed: []}
pruned_hosts:
  description: The addresses that O(prune) removed for each host that the inventory no longer has.
  returned: with O(step=summarize)
  type: dict
  sample:
    web9: [203.0.113.9]
unpruned_hosts:
  description:
    - The addresses that O(prune) has left for now, by host, because RV(unreported_hosts) may have them.
    - They belong to hosts that the inventory no longer has, or are former addresses of other hosts.
  returned: with O(step=summarize)
  type: dict
  sample:
    web9: [203.0.113.9]
unreported_hosts:
  description: The hosts that have not reported in the run. Empty if RV(unpruned_hosts) is.
  returned: with O(step=summarize)
  type: list
  elements: str
  sample: [web3]
unregistered_hosts:
  description: The reasons of each host that is not as desired.
  returned: with O(step=summarize)
  type: dict
  sample:
    web2: ["203.0.113.6 could not be registered: the whitelist is full."]
unreached_hosts:
  description:
    - Hosts that failed or ended before they were detected, or are unreachable. A host that became unreachable during
      its verification may be registered.
  returned: with O(step=summarize)
  type: list
  elements: str
  sample: [web3]
pending_hosts:
  description: Hosts without a result so far. They skipped the tasks, or their turn comes later.
  returned: with O(step=summarize)
  type: list
  elements: str
  sample: []
refused:
  description: Addresses that the vendor refused, with code and reason.
  returned: with O(step=summarize)
  type: list
  elements: dict
  sample: []
api:
  description: The API usage of the run (calls, retries and seconds waited).
  returned: with O(step=summarize)
  type: dict
  sample: {calls: 3, retries: 0, waited_seconds: 0.0}
code:
  description: The vendor's code.
  returned: with O(step=register), when the vendor refused
  type: int
  sample: -202
meaning:
  description: The meaning of the code.
  returned: with O(step=register), when the vendor refused
  type: str
  sample: whitelist full
endpoint:
  description: The path of the failed call.
  returned: with O(step=register), on failure of a call
  type: str
  sample: /whitelist/add
http_status:
  description: The HTTP status of the response.
  returned: with O(step=register), on failure of a call with a response
  type: int
  sample: 200
"""
