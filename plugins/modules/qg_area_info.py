#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the areas in which proxies are offered."""

DOCUMENTATION = r"""
module: qg_area_info
short_description: Read the areas in which proxies are offered
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Reads the list of areas and ISPs of the plan behind a QG.net key.
  - QG.net does not document the format of this list. Each row is also returned unchanged, in
    C(vendor).
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.product
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
seealso:
  - module: qingguo.qgnet.qg_proxy_allocate
  - name: QG.net's page on areas
    description: Document 177 of QG.net, in Chinese.
    link: https://www.qg.net/doc/177.html
"""

EXAMPLES = r"""
- name: Read the areas
  qingguo.qgnet.qg_area_info:
  register: offered

- name: Show the areas that have addresses of China Mobile
  ansible.builtin.debug:
    msg: "{{ offered.areas | selectattr('isp', 'eq', 'mobile') | selectattr('available', 'true') }}"

- name: List the areas outside of mainland China
  qingguo.qgnet.qg_area_info:
    product: overseas
"""

RETURN = r"""
areas:
  description: The areas, in QG.net's order.
  returned: success
  type: list
  elements: dict
  contains:
    area_code:
      description:
        - The code of the area, for O(qingguo.qgnet.qg_proxy_allocate#module:areas) and all other
          options with this name.
      type: str
      returned: always, null if it cannot be read
    name:
      description: The name of the area. The same options accept it.
      type: str
      returned: always, null if it cannot be read
    isp:
      description: The ISP.
      type: str
      returned: always, null if it cannot be read
    available:
      description: Whether the area has addresses to lease.
      type: bool
      returned: always, null if it cannot be read
    vendor:
      description: The row as QG.net returns it.
      type: dict
  sample:
    - area_code: "350500"
      name: "\u798f\u5efa\u7701\u6cc9\u5dde\u5e02"
      isp: telecom
      available: true
      vendor: {AreaId: 350500, Isp: 1, Status: 1}
count:
  description: The number of RV(areas).
  returned: success
  type: int
  sample: 1
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
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import AREA_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(AREA_INFO)


if __name__ == "__main__":
    main()
