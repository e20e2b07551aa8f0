#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The exclusive-occupancy resources of a key."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_monopoly
short_description: Hold, redial and release exclusive-occupancy proxies
version_added: 0.1.0
author:
  - The qingguo.qgnet authors (@qingguo)
description:
  - Makes a QG.net key hold at least a number of exclusive-occupancy resources, gives them new addresses, or releases
    them.
  - The list of resources is read first. What is missing is applied for in one call, and while one task does that, every
    other run of the same control node waits.
  - An application is recorded in O(state_dir) before it is sent, and is never repeated before its result is known. If
    the response was lost, the list is read for up to 60 seconds to see whether the application was carried out. The
    quota is the second witness. If neither can tell, the task fails.
  - If a run failed in this way or was killed, the next run on this control node waits until the list shows the
    resources or would have to show them, O(timeout) (at least 30 seconds) plus 60 seconds after the call. It applies
    only for what is missing then. It does not wait if enough resources are held, nor in check mode, which returns a
    warning instead.
  - A release that the vendor acknowledged counts for 60 seconds in each run on this control node, even if the list
    still shows the resource.
  - Whatever the task applied for is named in its result, also where it fails.
options:
  state:
    description:
      - With V(present), the key holds at least O(count) resources that match. A surplus stays. Those that are offline
        count, since they are paid for.
      - With V(absent), the resources in O(uuids), or all of them, are released. Those that are not held are released
        already.
      - With V(redialled), the resources in O(uuids), or all of them, get a new address, each time the task runs. One
        that is offline is dialled like any other. One that is queued or being redialled is about to get a new address
        anyway and is left alone. A name that the key does not hold is an error.
    type: str
    choices: [present, absent, redialled]
    default: present
  count:
    description: How many resources to hold, from 1 to 100. Needed with O(state=present), and for that alone.
    type: int
  area_code:
    description:
      - The vendor's code of the area that the resources are to be in. Any area where it is not set.
      - The list of resources names areas and not their codes. Which code belongs to a name is taken from the idle stock
        and from earlier applications of this control node, which are kept in O(state_dir). See O(undetermined) for what
        happens where both are silent.
    type: int
  isp:
    description: The provider that the resources are to be of. Any provider where it is not set.
    type: str
    choices: [telecom, mobile, unicom, bgp]
  undetermined:
    description:
      - What becomes of resources of which cannot be told whether they match O(area_code) and O(isp).
      - With V(fail), the task fails before it applies for more, as that might be paid for twice. Nothing happens where
        enough others match.
      - With V(ignore), they do not count.
      - With V(match), they count.
    type: str
    choices: [fail, ignore, match]
    default: fail
  uuids:
    description:
      - The names of resources, as M(qingguo.qgnet.qg_monopoly_info) tells them. Must not be empty.
      - With O(state=absent) or O(state=redialled), either this or O(all) is needed.
    type: list
    elements: str
  all:
    description: Whether O(state=absent) or O(state=redialled) concerns every resource of the key.
    type: bool
    default: false
  wait:
    description:
      - Whether the task ends only when the resources are online.
      - With O(state=present), these are the ones that it applied for. Where fewer than O(count) are online, it waits
        also for those that are queued or being redialled already, but not for those that are offline.
      - With O(state=redialled), these are the ones that it redialled, under the new address, and the ones that it left
        alone.
      - O(max_wait) bounds this waiting together with all other. The task fails when it is used up, and another run goes
        on waiting.
      - The action plugin shows how far things are. A task that was delegated to another host waits without a word.
    type: bool
    default: true
attributes:
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: partial
    details: Each run with O(state=redialled) redials.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.control_node
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.state_dir
notes:
  - The vendor releases no resource within 12 hours after it was applied for. The task releases those that it may, and
    fails with the others in RV(refused) and the time from which on they can be released.
  - The vendor wants 10 seconds between two dials of a resource. The task waits for them.
  - In check mode nothing is applied for, redialled or released. Where the idle stock that the vendor tells is smaller
    than what would be applied for, there is a warning.
  - Two control nodes that hold resources with the same key know nothing of each other. Let one alone do it.
seealso:
  - module: qingguo.qgnet.qg_monopoly_info
  - name: Vendor's page on areas
    description: Document 1439 of the vendor, in Chinese.
    link: https://www.qg.net/doc/1439.html
"""

EXAMPLES = r"""
- name: Hold two resources of China Telecom and wait until they are online
  qingguo.qgnet.qg_monopoly:
    key: "{{ vault_qg_key }}"
    count: 2
    isp: telecom
  register: held

- name: Show what to connect to
  ansible.builtin.debug:
    msg: "{{ held.monopolies | map(attribute='server') | list }}"

- name: Hold five in one area, and count resources whose area is not known
  qingguo.qgnet.qg_monopoly:
    key: "{{ vault_qg_key }}"
    count: 5
    area_code: 350500
    undetermined: match
    max_wait: 900

- name: Give all of them new addresses
  qingguo.qgnet.qg_monopoly:
    key: "{{ vault_qg_key }}"
    state: redialled
    all: true

- name: Release one
  qingguo.qgnet.qg_monopoly:
    key: "{{ vault_qg_key }}"
    state: absent
    uuids: ["xx_demo1-1:ppp10"]
"""

RETURN = r"""
monopolies:
  description:
    - Resources as they are after the task, with O(state=present) those that match, with O(state=absent) those that the
      key still holds, and with O(state=redialled) those that it concerned.
    - In check mode, those that are held now, without what would be applied for or released.
  returned: when the list could be read
  type: list
  elements: dict
  contains:
    uuid:
      description: Its name.
      type: str
      returned: always
    area:
      description: The name of its area.
      type: str
      returned: always, may be null
    area_code:
      description: The code of the area that this control node applied for it with.
      type: int
      returned: always, may be null
    isp:
      description: Its provider, as in O(isp).
      type: str
      returned: always, may be null
    state:
      description: One of V(online), V(offline), V(redialling), V(queued), or the vendor's word where that is another.
      type: str
      returned: always
    server:
      description: What to connect to, C(address:port), while it is online.
      type: str
      returned: always, may be null
    since:
      description: When it was applied for, as ISO 8601.
      type: str
      returned: always, may be null
    last_dialled:
      description: When it was last dialled, as ISO 8601.
      type: str
      returned: always, may be null
    releasable_from:
      description: From when on the vendor releases it, as ISO 8601.
      type: str
      returned: always, may be null
    vendor:
      description: All fields as the vendor wrote them.
      type: dict
      returned: always
  sample:
    - uuid: xx_demo1-1:ppp10
      area: 福建省泉州市
      area_code: 350500
      isp: telecom
      state: online
      server: 192.0.2.44:10800
      since: "2030-01-01T08:00:00+08:00"
      last_dialled: "2030-01-01T09:00:00+08:00"
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
  description: How many there are in RV(monopolies).
  returned: when the list could be read
  type: int
  sample: 1
already_present:
  description:
    - The names of those that the task concerns and that were held before it.
    - Resources that an earlier run applied for without learning the result are among them, and a warning names them.
  returned: when the list could be read
  type: list
  elements: str
  sample: []
missing:
  description: How many had to be applied for. In check mode, how many would be.
  returned: when the list could be read
  type: int
  sample: 1
applied:
  description: The names of those that are new because the task applied for them.
  returned: when the list could be read
  type: list
  elements: str
  sample: [xx_demo1-1:ppp10]
released:
  description: The names of those that the task released. In check mode, that it would release.
  returned: when the list could be read
  type: list
  elements: str
  sample: []
redialled:
  description: What the task redialled. In check mode, what it would redial.
  returned: when the list could be read
  type: list
  elements: dict
  contains:
    uuid:
      description: Its name.
      type: str
      returned: always
    server_before:
      description: What it was reached under.
      type: str
      returned: always, null where it was not online
    server_after:
      description: What it is reached under since.
      type: str
      returned: always, null as long as it is not online
  sample: []
pending:
  description: The names of those that O(state=redialled) left alone, as they were queued or being redialled.
  returned: when the list could be read
  type: list
  elements: str
  sample: []
refused:
  description: What could not be released or redialled. The task fails where there is something.
  returned: when the list could be read
  type: list
  elements: dict
  contains:
    uuid:
      description: Its name.
      type: str
      returned: always
    reason:
      description: Why.
      type: str
      returned: always
    possible_from:
      description: From when on it can be done, as ISO 8601.
      type: str
      returned: always, may be null
  sample: []
offline:
  description: The names of those in RV(monopolies) that are offline.
  returned: when the list could be read
  type: list
  elements: str
  sample: []
undetermined:
  description: The names of those of which could not be told whether they match.
  returned: when the list could be read
  type: list
  elements: str
  sample: []
api:
  description: What the task cost.
  returned: when the list could be read
  type: dict
  contains:
    calls:
      description: Calls that the vendor received, or may have received.
      type: int
      returned: always
    retries:
      description: How many of them repeated an earlier one after a transient failure.
      type: int
      returned: always
    waited_seconds:
      description: Seconds spent waiting for a turn, between tries, and until resources were online.
      type: float
      returned: always
  sample: {calls: 5, retries: 0, waited_seconds: 2.5}
code:
  description: The vendor's code, which is the HTTP status for the calls for exclusive occupancy.
  returned: when the vendor refused
  type: int
  sample: 400
meaning:
  description: The meaning of the code.
  returned: when the vendor refused
  type: str
  sample: refused
vendor_message:
  description: What the vendor said about it.
  returned: when the vendor refused and said something
  type: str
  sample: 独占资源12小时后才能释放
endpoint:
  description: The method, where it is not GET, and path of the call that failed.
  returned: on failure of a call
  type: str
  sample: POST /monopolies
http_status:
  description: The HTTP status of the answer.
  returned: on failure of a call that was answered
  type: int
  sample: 400
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._op_monopoly import MONOPOLY


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(MONOPOLY)


if __name__ == "__main__":
    main()
