#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the reserved lines of a key."""

DOCUMENTATION = r"""
module: qg_monopoly_info
short_description: Read the reserved lines of a key, and the idle stock
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Reads the reserved lines (独占, which the API calls monopolies) that a QG.net key holds, and the
    idle stock that it can apply for.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
seealso:
  - module: qingguo.qgnet.qg_monopoly
"""

EXAMPLES = r"""
- name: Read the reserved lines and the idle stock
  qingguo.qgnet.qg_monopoly_info:
  register: found

- name: Show the servers that are online
  ansible.builtin.debug:
    msg: "{{ online | map(attribute='server') | list }}"
  vars:
    online: "{{ found.monopolies | selectattr('state', 'eq', 'online') }}"
"""

RETURN = r"""
monopolies:
  description: The reserved lines that the key holds.
  returned: success
  type: list
  elements: dict
  contains:
    uuid:
      description: The identifier of the reserved line.
      type: str
    area:
      description: The name of the area.
      type: str
      returned: always, may be null
    area_code:
      description: The code of the area that a task with the same O(store) applied for.
      type: str
      returned: always, may be null
    isp:
      description: The ISP, which is V(telecom), V(mobile), V(unicom) or V(bgp).
      type: str
      returned: always, may be null
    state:
      description: The state, which is V(online), V(offline), V(redialing), V(queued), or QG.net's
        word for any other state.
      type: str
    server:
      description: The address to connect to, as C(address:port), while the line is online.
      type: str
      returned: always, may be null
    since:
      description: When it was applied for, in ISO 8601.
      type: str
      returned: always, may be null
    last_dialed:
      description: When it was last dialed, in ISO 8601.
      type: str
      returned: always, may be null
    releasable_from:
      description: The earliest time at which QG.net accepts its release, in ISO 8601.
      type: str
      returned: always, may be null
    vendor:
      description: All fields as QG.net returns them.
      type: dict
  sample:
    - uuid: xx_demo1-1:ppp10
      area: 福建省泉州市
      area_code: "350500"
      isp: telecom
      state: online
      server: 192.0.2.44:10800
      since: "2030-01-01T08:00:00+08:00"
      last_dialed: "2030-01-01T09:00:00+08:00"
      releasable_from: "2030-01-01T20:00:00+08:00"
      vendor:
        uuid: xx_demo1-1:ppp10
        area: 福建省泉州市
        isp: 电信
        state: 在线
        monopolize_time: "2030-01-01 08:00:00"
        last_dial_time: "2030-01-01 09:00:00"
        ip: 192.0.2.44:10800
        heartbeat: "2030-01-01 09:01:00"
count:
  description: The number of RV(monopolies).
  returned: success
  type: int
  sample: 1
idle:
  description: The idle stock, as QG.net returns it. Its format is not documented.
  returned: success
  type: list
  elements: raw
  sample: [{area_code: 350500, area: 福建省泉州市, isp: 电信, num: 12}]
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
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.operations import (
    MONOPOLY_INFO,
)


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(MONOPOLY_INFO)


if __name__ == "__main__":
    main()
