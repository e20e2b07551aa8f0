#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find out why something does not work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_doctor_info
short_description: Find out why something does not work
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Examines the control node and a QG.net key, and returns the cause of what does not work, and the next command to
    type. The playbook C(qingguo.qgnet.doctor) shows both.
  - Checks the versions of ansible-core and C(requests), the options, the state, the product of the key and its plan,
    the whitelist, the registered hosts, the egress address of the control node, and one request through a proxy.
  - Changes nothing at the vendor and allocates no lease. In the state, it stores what every call stores, such as the
    count of calls.
  - It does not fail because of what it finds, see RV(healthy).
options:
  through_proxy:
    description:
      - The proxy through which to send one request, as V(HOST:PORT). The default is the held lease that lasts longest.
        If the key holds none, no request is sent.
      - The request has O(key) and O(password) as its credentials only if the whitelist does not contain the address of
        the control node.
    type: str
  url:
    description:
      - The URL of the echo service to request through the proxy.
      - The default is V(https://d.qg.net/ip). With an O(api_url) on this machine, it is V(http://d.qg.net/ip), since a
        simulator has a certificate of its own.
    type: str
  sources:
    description:
      - The URLs of echo services, the first of which that responds returns the egress address of the control node.
        These requests are direct.
      - If not set, the variable C(qg_sources) and the environment variable E(QG_SOURCES) (separated by commas) are used
        in this order before the default.
    type: list
    elements: str
    default:
      - https://d.qg.net/ip
      - https://checkip.amazonaws.com
      - https://api.ipify.org
  inventory_id:
    description:
      - The inventory whose registrations count as those of this run, as in
        M(qingguo.qgnet.qg_egress_whitelist). The default is the inventory of the run.
    type: str
  key:
    description:
      - The key of the product. The vendor calls it I(Authkey). Without one, only the control node is examined.
    type: str
    required: false
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.control_node
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.product
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
seealso:
  - module: qingguo.qgnet.qg_whitelist_info
"""

EXAMPLES = r"""
- name: Examine the control node and the key
  qingguo.qgnet.qg_doctor_info:
  register: doctor

- name: Show the cause, and the next command
  ansible.builtin.debug:
    msg: "{{ doctor.report }}"
"""

RETURN = r"""
healthy:
  description: Whether nothing is wrong.
  returned: success
  type: bool
  sample: false
cause:
  description: The cause of what does not work, in one sentence; null if nothing is wrong.
  returned: success
  type: str
  sample: "product=classic is wrong: the key is one of product=share."
next_command:
  description: The command to type next.
  returned: success
  type: str
  sample: ansible-playbook qingguo.qgnet.doctor -e qg_product=share
findings:
  description: Everything that is wrong, the cause first.
  returned: success
  type: list
  elements: dict
  contains:
    cause:
      description: What is wrong, in one sentence.
      type: str
    command:
      description: The command to type next.
      type: str
report:
  description: The result as lines for people, the cause and the next command first.
  returned: success
  type: list
  elements: str
  sample:
    - cause      Nothing is wrong.
    - next       ansible-playbook qingguo.qgnet.report
versions:
  description: The versions of the software that runs the task; null for a missing library.
  returned: success
  type: dict
  contains:
    ansible_core:
      description: The version of ansible-core.
      type: str
    python:
      description: The version of Python.
      type: str
    requests:
      description: The version of the library C(requests).
      type: str
      returned: always, may be null
    qingguo_qgnet:
      description: The version of the collection.
      type: str
options:
  description: The options for the connection that have a value, and where it comes from.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name of the option.
      type: str
    source:
      description: The variable or environment variable that set it, C(task or module_defaults), or C(default).
      type: str
    value:
      description: The value; null for a secret.
      type: raw
      returned: always, may be null
  sample:
    - {name: key, source: QG_KEY, value: null}
    - {name: product, source: default, value: auto}
product:
  description: The product of the key; null if no API of the vendor serves the key.
  returned: success
  type: str
  sample: share
quota:
  description:
    - The numbers and the unit of the quota, as M(qingguo.qgnet.qg_quota_info) returns them; null if they cannot be
      read.
  returned: success
  type: dict
  sample: {unit: channels, total: 5, available: 3, used: 2}
leases_count:
  description: The number of leases that the key holds; null if they cannot be read.
  returned: success
  type: int
  sample: 2
whitelist:
  description: The entries of the whitelist; null if it cannot be read.
  returned: success
  type: list
  elements: str
  sample: [203.0.113.5, 203.0.113.9]
unowned:
  description: The entries of the whitelist that are registered for no host; null if it cannot be read.
  returned: success
  type: list
  elements: str
  sample: [203.0.113.9]
registrations:
  description: The inventories that hosts are registered by.
  returned: success
  type: list
  elements: dict
  contains:
    inventory_id:
      description: The inventory, by default its sources.
      type: str
    hosts:
      description: The names of the hosts.
      type: list
      elements: str
    own:
      description: Whether this is the inventory of the run, or O(inventory_id).
      type: bool
egress_ip:
  description: The egress address of the control node; null if no source reports it.
  returned: success
  type: str
  sample: 203.0.113.5
egress_is_listed:
  description: Whether RV(egress_ip) is on the whitelist; null if one of them is not known.
  returned: success
  type: bool
  sample: true
proxy:
  description: The request through a proxy; null if there is no proxy to use.
  returned: success
  type: dict
  contains:
    server:
      description: The proxy.
      type: str
    ok:
      description: Whether it works.
      type: bool
    exit_ip:
      description: The address that the echo service has seen.
      type: str
      returned: always, may be null
    error:
      description: Why it does not work.
      type: str
      returned: always, may be null
api:
  description: The number of calls, how many of them were retries, and the seconds waited.
  returned: success
  type: dict
  sample: {calls: 3, retries: 0, waited_seconds: 0.0}
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._doctor.operations import DOCTOR_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(DOCTOR_INFO)


if __name__ == "__main__":
    main()
