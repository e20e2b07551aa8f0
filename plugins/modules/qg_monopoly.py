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
  - Ensures a minimum number of reserved lines (独占, which the API calls monopolies) for a QG.net
    key, redials reserved lines, or releases them.
  - The task reads the list of reserved lines, and applies for the missing ones in one call.
    Meanwhile, other tasks with the same O(store) that change what the key holds wait.
  - An application is recorded in O(store) before it is sent. If its result is unknown, such as
    after a lost response, no task with the same O(store) applies again before it is known. This is
    when the list shows everything that was applied for, or 60 seconds after the response. Without a
    response, such as in a run that was killed, this is 60 seconds after its O(timeout), and at
    least 90 seconds after it was sent.
  - The result contains everything that the task applied for, even if the task fails.
options:
  state:
    description:
      - With V(present), the task ensures that the key holds at least O(count) matching reserved
        lines. It keeps surplus ones. Offline reserved lines count, because they are paid for.
      - With V(absent), the task releases the reserved lines in O(uuids), or all of them. It ignores
        those that the key does not hold.
      - With V(redialed), the reserved lines in O(uuids), or all of them, get a new address each
        time the task runs. Offline reserved lines are dialed as well. Those that are queued or
        already being redialed are skipped. If the key does not hold one of them, the task fails.
    type: str
    choices: [present, absent, redialed]
    default: present
  count:
    description: The minimum number of reserved lines, from 1 to 100. It is required with
      O(state=present), and not allowed otherwise.
    type: int
  area:
    description:
      - The area of the reserved lines, by its code or its name, as M(qingguo.qgnet.qg_area_info)
        returns them in C(area_code) and C(name). It must not be empty. By default, any area
        matches.
      - If QG.net does not list the area, the task fails before it pays, and its message names
        similar areas.
      - The list of reserved lines contains the names of areas, but not their codes. The O(store)
        records which area a reserved line was applied for. If it has no record, QG.net's names of
        areas are compared. If they are not conclusive either, O(on_uncertain) applies.
    type: str
  isp:
    description: The ISP of the reserved lines. By default, any ISP matches.
    type: str
    choices: [telecom, mobile, unicom, bgp]
  on_uncertain:
    description:
      - What to do with a reserved line when it is unknown whether it matches O(area) and O(isp).
        V(fail) fails before anything is paid for, unless enough other reserved lines match.
        V(match) counts the reserved line, and V(ignore) does not.
    type: str
    choices: [fail, ignore, match]
    default: fail
  uuids:
    description:
      - The identifiers of the reserved lines to release or redial, as
        M(qingguo.qgnet.qg_monopoly_info) returns them. The list must not be empty.
      - With O(state=absent) and O(state=redialed), either this option or O(all) is required.
    type: list
    elements: str
  all:
    description: Whether to release or redial all reserved lines of the key.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until the reserved lines are online.
      - With O(state=present), the task waits for the reserved lines that it applied for. If fewer
        than O(count) are online, it also waits for those that are queued or being redialed, but not
        for those that are offline.
      - With O(state=redialed), the task waits for the new addresses of the reserved lines that it
        redialed, and for those in RV(pending).
      - If they are not online within O(max_wait), the task fails. Another run continues to wait.
    type: bool
    default: true
attributes:
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
  idempotent:
    support: partial
    details: With O(state=redialed), each run redials.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.caps
  - qingguo.qgnet.caps.quota
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.transport
  - qingguo.qgnet.store
notes:
  - QG.net does not release a reserved line within 12 hours of its application. The task releases
    the others, and then fails. RV(refused) contains the remaining reserved lines, each with the
    earliest time of its release.
  - QG.net requires 10 seconds between two dials of a reserved line. The task waits for that.
  - The released reserved lines in the response count as released, even if the list still shows them
    for up to 60 seconds.
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

- name: Ensure five reserved lines in one area, and count those with an unknown area
  qingguo.qgnet.qg_monopoly:
    count: 5
    area: "350500"
    on_uncertain: match
    max_wait: 900

- name: Redial all reserved lines
  qingguo.qgnet.qg_monopoly:
    state: redialed
    all: true

- name: Release one reserved line
  qingguo.qgnet.qg_monopoly:
    state: absent
    uuids: ["xx_demo1-1:ppp10"]
"""

RETURN = r"""
monopolies:
  description:
    - The reserved lines after the task. With O(state=present), these are those that match, with
      O(state=absent) those that the key still holds, and with O(state=redialed) those that were
      selected.
    - In check mode, these are the current reserved lines. With O(state=absent), those that would be
      released are left out.
  returned: when the list could be read
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
      description: The ISP, as in O(isp).
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
  returned: when the list could be read
  type: int
  sample: 1
already_present:
  description:
    - The identifiers of the selected reserved lines that the key held before the task. The list is
      empty with O(state=absent).
    - It includes reserved lines from applications of earlier runs whose result was unknown. A
      warning names these.
  returned: when the list could be read
  type: list
  elements: str
  sample: []
missing:
  description:
    - The number of missing reserved lines, for which the task applied. In check mode, it would
      apply for them.
  returned: when the list could be read
  type: int
  sample: 1
quota:
  description: The channels of the plan, if there are too few.
  returned: failure
  type: dict
  sample: {unit: channels, total: 10, available: 3, used: 7}
held:
  description: The number of all reserved lines of the key, if there are too few channels.
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
  description: The identifiers of the released reserved lines. In check mode, these are those that
    would be released.
  returned: when the list could be read
  type: list
  elements: str
  sample: []
redialed:
  description: The redialed reserved lines. In check mode, these are those that would be redialed.
  returned: when the list could be read
  type: list
  elements: dict
  contains:
    uuid:
      description: The identifier of the reserved line.
      type: str
    server_before:
      description: The address before the redial.
      type: str
      returned: always, null if it was not online
    server_after:
      description: The address after the redial.
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
  description: The reserved lines that could not be released or redialed. If there are any, the task
    fails.
  returned: when the list could be read
  type: list
  elements: dict
  contains:
    uuid:
      description: The identifier of the reserved line.
      type: str
    reason:
      description: Why it was not possible.
      type: str
    possible_from:
      description: The earliest time at which it is possible, in ISO 8601.
      type: str
      returned: always, may be null
  sample: []
offline:
  description: The identifiers of those RV(monopolies) that are offline.
  returned: when the list could be read
  type: list
  elements: str
  sample: []
undetermined:
  description: The identifiers of reserved lines of which it is unknown whether they match.
  returned: when the list could be read
  type: list
  elements: str
  sample: []
cap:
  description: Why O(max_new_per_day) did not allow the purchase. C(limit) is its value, C(bought)
    the number of purchases within 24 hours, C(unknown) the number that calls without a known result
    may have bought as well, and C(wanted) the number that the task needed.
  returned: failure
  type: dict
  sample: {option: max_new_per_day, limit: 20, bought: 18, unknown: 0, wanted: 5}
api:
  description: The number of C(calls), how many of them were C(retries), and the time that the task
    has waited, as C(waited_seconds) and, by reason, C(waits).
  returned: always
  type: dict
error:
  description:
    - The call that failed, with its C(endpoint), C(http_status), QG.net's C(code) and what the code
      means (C(meaning)). QG.net's support can find the call by its C(request_id).
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
