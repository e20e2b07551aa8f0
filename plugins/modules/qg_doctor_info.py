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
  - Checks a control node and a QG.net key, one thing after the other, and says what is wrong and
    how to mend it. The playbook C(qingguo.qgnet.doctor) shows the checks.
  - Buys and changes nothing at QG.net. It does not fail because of what it finds, see RV(healthy).
options:
  through_proxy:
    description:
      - The proxy through which to send one request, as V(HOST:PORT). The default is the held lease
        that lasts longest. If the key holds none, no request is sent.
      - The request has O(key) and O(password) as its credentials only if the whitelist does not
        contain the address of the control node.
    type: str
  sources:
    description:
      - The URLs of echo services. The first one that responds returns the egress address of the
        control node; the request through the proxy is for the first one.
    type: list
    elements: str
    default:
      - https://d.qg.net/ip
      - https://checkip.amazonaws.com
      - https://api.ipify.org
  key:
    description:
      - The key of the product. QG.net calls it I(Authkey). Without one, only the control node is
        checked.
    type: str
    required: false
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.info
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
  description: Whether all checks are ok.
  returned: success
  type: bool
  sample: false
checks:
  description: The checks in their order. Those that depend on a failed one are left out.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description:
        - What was checked, one of V(versions), V(options), V(store), V(gateways), V(egress),
          V(whitelist), V(product), V(leases), V(quota), V(cap) and V(proxy).
        - V(gateways) is left out if the store has no gateways and lists. It is not ok if the last
          refresh of one failed, or is more than three intervals ago.
      type: str
    ok:
      description: Whether it is as it should be.
      type: bool
    detail:
      description: What was found; if it is not ok, the cause and what to type.
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
