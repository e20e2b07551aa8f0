#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find out why something does not work."""

DOCUMENTATION = r"""
module: qg_doctor_info
short_description: Find out why something does not work
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Checks a control node and a QG.net key step by step, and returns what is wrong and how to fix
    it. The playbook C(qingguo.qgnet.doctor) shows the checks.
  - The module buys and changes nothing at QG.net. It does not fail if a check fails. Use
    RV(healthy) instead.
options:
  through_proxy:
    description:
      - The proxy to test with one request, as V(HOST:PORT). By default, it is the lease of the key
        that lasts longest. If the key holds no lease, no proxy is tested.
      - If one is given, the time that exits of the key take is not measured.
      - If the whitelist does not contain the egress IP of the control node, the proxy receives
        O(key) and O(password) with the request.
    type: str
  sources:
    description:
      - The URLs of echo services. The first service that responds determines the egress IP of the
        control node. The request through the proxy goes to the first service.
    type: list
    elements: str
    default:
      - https://d.qg.net/ip
      - https://checkip.amazonaws.com
      - https://api.ipify.org
  key:
    description:
      - The key of the product, which QG.net calls I(Authkey). Without a key, only the control node
        is checked.
    type: str
    required: false
  app_id:
    description:
      - The I(appid) of the account. If O(app_id) or O(app_key) is set, the account is checked, too.
    type: str
    required: false
  app_key:
    description: The I(appkey) of the account.
    type: str
    required: false
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.account_api
  - qingguo.qgnet.caps
  - qingguo.qgnet.caps.shared
  - qingguo.qgnet.product
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
seealso:
  - module: qingguo.qgnet.qg_whitelist_info
"""

EXAMPLES = r"""
- name: Check the control node and the key
  qingguo.qgnet.qg_doctor_info:
  register: doctor

- name: Show what is wrong
  ansible.builtin.debug:
    msg: "{{ doctor.checks | rejectattr('ok') | map(attribute='detail') }}"
"""

RETURN = r"""
healthy:
  description: Whether all checks have passed.
  returned: success
  type: bool
  sample: false
checks:
  description: The checks in their order. A check that depends on a failed one is left out.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description:
        - The name of the check, which is V(versions), V(options), V(store), V(gateways),
          V(account), V(egress), V(whitelist), V(product), V(leases), V(quota), V(cap), V(proxy),
          V(exits) or V(variables).
        - V(exits) says how long requests through the five leases take that last longest, and which
          timeout of a gateway's check suits them. Nothing is bought for it.
        - V(account) is left out if neither O(app_id) nor O(app_key) is set, and V(variables) if no
          variable of the inventory is misspelled.
        - V(gateways) is left out if no gateway or list is recorded in O(store). It fails if the
          last refresh of one failed, or was more than three intervals and 30 seconds ago.
      type: str
    ok:
      description: Whether the check has passed.
      type: bool
    detail:
      description: What the check has found. If it has failed, this is the cause and what to type.
      type: str
  sample:
    - name: product
      ok: false
      detail: >-
        product=classic is wrong: the key is one of product=share. To mend it: unset QG_PRODUCT
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._doctor.operations import DOCTOR_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(DOCTOR_INFO)


if __name__ == "__main__":
    main()
