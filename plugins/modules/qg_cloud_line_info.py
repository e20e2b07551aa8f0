#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the lines of physical servers."""

DOCUMENTATION = r"""
module: qg_cloud_line_info
short_description: Read the lines on which a brand has physical servers
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Reads the lines of a brand of QG.net's physical servers. A line is a data center and its
    connection to the internet.
options:
  product_id:
    description:
      - QG.net's number of the brand (I(productId)), such as 115. Document 2662 of QG.net lists all
        brands.
    type: int
    required: true
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.account_api
  - qingguo.qgnet.transport
seealso:
  - module: qingguo.qgnet.qg_cloud_package_facts
  - name: QG.net's page on brand numbers
    description: Document 2662 of QG.net, in Chinese.
    link: https://www.qg.net/doc/2662.html
"""

EXAMPLES = r"""
- name: Read the lines
  qingguo.qgnet.qg_cloud_line_info:
    product_id: 115
  register: physical

- name: Show the lines on which servers can be bought
  ansible.builtin.debug:
    msg: "{{ buyable | map(attribute='code') | join(', ') }}"
  vars:
    buyable: "{{ physical.lines | selectattr('buy_status', 'eq', 1) }}"
"""

RETURN = r"""
lines:
  description: The lines of the brand.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: QG.net's number of the line (I(id)).
      type: int
      returned: always, may be null
    super_id:
      description:
        - The number of the parent line (I(superid)). It occurs only in the example on QG.net's
          page.
      type: int
      returned: always, may be null
    name:
      description: The name of the line (I(name)).
      type: str
      returned: always, may be null
    code:
      description: The short name of the line (I(code)).
      type: str
      returned: always, may be null
    auto_id:
      description: The value of I(autoid). QG.net does not document it.
      type: int
      returned: always, may be null
    description:
      description: The description of the line (I(description)).
      type: str
      returned: always, may be null
    address:
      description: The address to which servers are sent (I(address)).
      type: str
      returned: always, may be null
    intro_url:
      description: The URL of a page about the line (I(introurl)).
      type: str
      returned: always, may be null
    sort_id:
      description: The position of the line in QG.net's order (I(sortid)).
      type: int
      returned: always, may be null
    buy_status:
      description:
        - Whether servers can be bought there (I(buystatus)). QG.net does not document the numbers.
          Its example contains 1.
      type: int
      returned: always, may be null
    renew_status:
      description: Whether servers can be renewed there (I(renewstatus)).
      type: int
      returned: always, may be null
    upgrade_status:
      description: Whether servers can be upgraded there (I(upgradestatus)).
      type: int
      returned: always, may be null
    defense_status:
      description: Whether protection against attacks is available there (I(defensestatus)).
      type: int
      returned: always, may be null
    brand_id:
      description: The brand (I(brandid)), as in O(product_id).
      type: int
      returned: always, may be null
    enabled:
      description:
        - Whether the line is available (I(enabled)). QG.net does not document the numbers. Its
          example contains 6.
      type: int
      returned: always, may be null
    created_at:
      description: When it was added, as QG.net returns it (I(createdat)).
      type: str
      returned: always, may be null
    created_at_iso:
      description:
        - The same time in ISO 8601. QG.net does not state a time zone. The collection assumes China
          Standard Time.
      type: str
      returned: always, may be null
    updated_at:
      description: When it was last changed, as QG.net returns it (I(updatedat)).
      type: str
      returned: always, may be null
    updated_at_iso:
      description:
        - The same time in ISO 8601. QG.net does not state a time zone. The collection assumes China
          Standard Time.
      type: str
      returned: always, may be null
    deleted_at:
      description: When it was removed, as QG.net returns it (I(deletedat)).
      type: str
      returned: always, may be null
    deleted_at_iso:
      description:
        - The same time in ISO 8601. QG.net does not state a time zone. The collection assumes China
          Standard Time.
      type: str
      returned: always, may be null
    spec_ids:
      description:
        - The numbers of the specifications that are offered there (I(bindspecs) in the table of
          QG.net's page, I(bondSpecs) in its example).
      type: list
      elements: int
    vendor:
      description: The line as QG.net returns it.
      type: dict
  sample:
    - id: 14
      super_id: 0
      name: "\u5c71\u4e1c\u67a3\u5e84\u7ebf\u8def"
      code: sdzz
      auto_id: 6
      description: "\u5c71\u4e1c\u67a3\u5e84"
      address: "\u5929\u5bab\u5929\u548c\u53f7"
      intro_url: null
      sort_id: 0
      buy_status: 1
      renew_status: 1
      upgrade_status: 1
      defense_status: 1
      brand_id: 115
      enabled: 6
      created_at: "2021-07-01 17:00:45"
      created_at_iso: "2021-07-01T17:00:45+08:00"
      updated_at: "2021-08-13 23:30:55"
      updated_at_iso: "2021-08-13T23:30:55+08:00"
      deleted_at: null
      deleted_at_iso: null
      spec_ids: [11, 12, 15, 16, 17]
      vendor: {id: 14, superid: 0, code: sdzz, introurl: null, bondSpecs: [11, 12, 15, 16, 17]}
count:
  description: The number of RV(lines).
  returned: success
  type: int
  sample: 1
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
from ansible_collections.qingguo.qgnet.plugins.module_utils._cloud.operations import LINE_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(LINE_INFO)


if __name__ == "__main__":
    main()
