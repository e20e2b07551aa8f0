#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ensure, redial and release reserved lines."""

DOCUMENTATION = r"""
module: qg_monopoly
short_description: Ensure, redial or release reserved lines
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Ensures a minimum number of reserved lines (exclusive occupancy) for a QG.net key, redials them,
    or releases them. The API calls them monopolies.
  - The task reads the list of reserved lines first, and applies for missing ones in one call.
    Meanwhile, every other run on the same control node waits.
  - An application is recorded in O(store) before it is sent, and is never repeated before its
    result is known. It is known when the list shows all that was applied for, or 60 seconds after
    the end of the call (after a call without an end, 60 seconds after its O(timeout), or after 90
    seconds). Then the list and the quota must agree. A later run waits for the result of an earlier
    one, unless enough reserved lines are held, or in check mode.
  - What QG.net reports as released counts as released, even if the list still shows it for up
    to 60 seconds.
  - The result contains everything that the task applied for, also if it fails.
options:
  state:
    description:
      - With V(present), the key holds at least O(count) matching reserved lines. Surplus reserved
        lines are kept. Offline reserved lines count, because they are paid for.
      - With V(absent), the reserved lines in O(uuids), or all of them, are released. Reserved lines
        that are not held are ignored.
      - With V(redialed), the reserved lines in O(uuids), or all of them, get a new address each
        time the task runs. Offline reserved lines are dialed too. Reserved lines that are queued or
        already being redialed are skipped. A reserved line that the key does not hold is an error.
    type: str
    choices: [present, absent, redialed]
    default: present
  count:
    description: The number of reserved lines, from 1 to 100. Required with O(state=present); not
      allowed otherwise.
    type: int
  area:
    description:
      - The area of the reserved lines, by its code or its name, as M(qingguo.qgnet.qg_area_info)
        returns them in C(area_code) and C(name). By default, any area matches. Must not be empty.
      - An area that QG.net does not list is an error before any call that pays. It names
        similar ones.
      - The list of reserved lines contains the names of areas, but not their codes. Where a
        reserved line was applied for is recorded in the state; otherwise, QG.net's names of
        areas decide. If neither does, O(on_uncertain) applies.
    type: str
  isp:
    description: The ISP of the reserved lines. By default, any ISP matches.
    type: str
    choices: [telecom, mobile, unicom, bgp]
  on_uncertain:
    description:
      - How to treat reserved lines that may or may not match O(area) and O(isp).
      - With V(fail), the task fails before it applies for more reserved lines, because they might
        be paid for twice. It does not fail if enough others match.
      - With V(ignore), they do not count as matching.
      - With V(match), they count as matching.
    type: str
    choices: [fail, ignore, match]
    default: fail
  uuids:
    description:
      - The identifiers of reserved lines, as M(qingguo.qgnet.qg_monopoly_info) returns them. Must
        not be empty.
      - With O(state=absent) or O(state=redialed), either this or O(all) is required.
    type: list
    elements: str
  all:
    description: Whether O(state=absent) or O(state=redialed) applies to every reserved line of the
      key.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until the reserved lines are online.
      - With O(state=present), the task waits for the reserved lines that it applied for. If fewer
        than O(count) are online, it also waits for reserved lines that are queued or being
        redialed, but not for those that are offline.
      - With O(state=redialed), the task waits for the new addresses of the reserved lines that it
        redialed, and for those in RV(pending).
      - O(max_wait) limits the total waiting time. When it is used up, the task fails; another run
        continues to wait.
      - While it waits, the task shows every 10 seconds how many reserved lines are online. A task
        that is delegated to another host does not.
    type: bool
    default: true
attributes:
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
  idempotent:
    support: partial
    details: Each run with O(state=redialed) redials.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.caps
  - qingguo.qgnet.caps.quota
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
notes:
  - QG.net does not release a reserved line within 12 hours after the application. The task
    releases the others, and then fails. RV(refused) contains the remaining reserved lines, with the
    earliest time of release.
  - QG.net requires 10 seconds between two dials of a reserved line. The task waits for them.
  - In check mode, the task does not apply for, redial or release reserved lines.
  - Two control nodes with the same key are coordinated only if they share O(store).
seealso:
  - module: qingguo.qgnet.qg_monopoly_info
  - name: QG.net's page on areas
    description: Document 1439 of QG.net, in Chinese.
    link: https://www.qg.net/doc/1439.html
"""

EXAMPLES = r"""
- name: Ensure two reserved lines of China Telecom, and wait until they are online
  qingguo.qgnet.qg_monopoly:
    count: 2
    isp: telecom
  register: held

- name: Show the servers
  ansible.builtin.debug:
    msg: "{{ held.monopolies | map(attribute='server') | list }}"

- name: Ensure five in one area, and count reserved lines with an unknown area
  qingguo.qgnet.qg_monopoly:
    count: 5
    area: "350500"
    on_uncertain: match
    max_wait: 900

- name: Redial all of them
  qingguo.qgnet.qg_monopoly:
    state: redialed
    all: true

- name: Release one
  qingguo.qgnet.qg_monopoly:
    state: absent
    uuids: ["xx_demo1-1:ppp10"]
"""

RETURN = r"""
monopolies:
  description:
    - The reserved lines after the task. With O(state=present), those that match; with
      O(state=absent), those that the key still holds; with O(state=redialed), those that were
      selected.
    - In check mode, the current reserved lines without the predicted changes, except that with
      O(state=absent) those to be released are left out.
  returned: when the list could be read
  type: list
  elements: dict
  contains:
    uuid:
      description: Its identifier.
      type: str
    area:
      description: The name of its area.
      type: str
      returned: always, may be null
    area_code:
      description: The code of the area in the application from this control node.
      type: str
      returned: always, may be null
    isp:
      description: Its ISP, as in O(isp).
      type: str
      returned: always, may be null
    state:
      description: One of V(online), V(offline), V(redialing), V(queued), or QG.net's word for
        any other state.
      type: str
    server:
      description: The address to connect to, C(address:port), while it is online.
      type: str
      returned: always, may be null
    since:
      description: The time of the application, in ISO 8601.
      type: str
      returned: always, may be null
    last_dialed:
      description: The time of the last dial, in ISO 8601.
      type: str
      returned: always, may be null
    releasable_from:
      description: The earliest time at which QG.net releases it, in ISO 8601.
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
  returned: when the list could be read
  type: int
  sample: 1
already_present:
  description:
    - The identifiers of the selected reserved lines that the key already held before the task.
      Empty with O(state=absent).
    - They include reserved lines that an earlier run applied for without a known result; a warning
      lists these.
  returned: when the list could be read
  type: list
  elements: str
  sample: []
missing:
  description:
    - The number of reserved lines that were missing, and for which the task applied. In check mode,
      for which it would apply.
  returned: when the list could be read
  type: int
  sample: 1
quota:
  description: The channels of the plan, if they are too few.
  returned: failure
  type: dict
  sample: {unit: channels, total: 10, available: 3, used: 7}
held:
  description: The number of all reserved lines of the key, if the plan has too few channels.
  returned: failure
  type: int
  sample: 7
applied:
  description: The identifiers of the new reserved lines for which the task applied.
  returned: when the list could be read
  type: list
  elements: str
  sample: [xx_demo1-1:ppp10]
released:
  description: The identifiers of the released reserved lines. In check mode, of those that would be
    released.
  returned: when the list could be read
  type: list
  elements: str
  sample: []
redialed:
  description: The redialed reserved lines. In check mode, those that would be redialed.
  returned: when the list could be read
  type: list
  elements: dict
  contains:
    uuid:
      description: Its identifier.
      type: str
    server_before:
      description: Its address before.
      type: str
      returned: always, null if it was not online
    server_after:
      description: Its address after the redial.
      type: str
      returned: always, null if it is not online yet
  sample: []
pending:
  description:
    - The identifiers of the reserved lines that O(state=redialed) skipped, because they were queued
      or already being redialed.
  returned: when the list could be read
  type: list
  elements: str
  sample: []
refused:
  description: Reserved lines that could not be released or redialed. If there are any, the task
    fails.
  returned: when the list could be read
  type: list
  elements: dict
  contains:
    uuid:
      description: Its identifier.
      type: str
    reason:
      description: The reason.
      type: str
    possible_from:
      description: The earliest time at which it is possible, in ISO 8601.
      type: str
      returned: always, may be null
  sample: []
offline:
  description: The identifiers of the RV(monopolies) that are offline.
  returned: when the list could be read
  type: list
  elements: str
  sample: []
undetermined:
  description: The identifiers of reserved lines that may or may not match.
  returned: when the list could be read
  type: list
  elements: str
  sample: []
cap:
  description: The C(limit) of O(max_new_per_day), what was C(bought) in 24 hours, and what was
    C(wanted) in addition.
  returned: failure
  type: dict
  sample: {option: max_new_per_day, limit: 20, bought: 18, wanted: 5}
api:
  description: The numbers of calls and of retries, and the seconds waited.
  returned: always
  type: dict
error:
  description:
    - The failed call. C(code) and C(meaning) are those of QG.net; C(request_id) is its number of
      the call, for support.
  returned: failure
  type: dict
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.operations import MONOPOLY


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(MONOPOLY)


if __name__ == "__main__":
    main()
