#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the paid calls of a key."""

DOCUMENTATION = r"""
module: qg_ledger_info
short_description: Read the paid calls of a key
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Returns the paid calls of a QG.net key, with who made them and what they received.
  - They are recorded in O(store) before they are sent, by all runs that share it, and kept for 400
    days, or for as many days as the environment variable E(QG_LEDGER_DAYS) says. What other
    programs buy is not recorded.
  - Makes no call. With O(product), only calls for this product are returned.
options:
  since:
    description:
      - Only calls from this time on. It is a time in ISO 8601, a date, or a duration before now,
        such as V(24h) or V(7d). A time without an offset is one of China Standard Time, as those of
        QG.net.
      - To read all that is kept, give more days than that, such as V(400d).
      - A busy key makes tens of thousands of paid calls in a year. Ansible needs minutes and much
        memory for so many.
    type: str
    default: 30d
  key:
    description: The key of the product. QG.net calls it I(Authkey).
    type: str
    required: true
  api_url:
    description: The URL of the API, as the tasks that paid had it.
    type: str
    default: https://proxy.qg.net
attributes:
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: none
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.product
  - qingguo.qgnet.store
seealso:
  - module: qingguo.qgnet.qg_proxy_allocate
  - module: qingguo.qgnet.qg_proxy_replace
  - module: qingguo.qgnet.qg_monopoly
"""

EXAMPLES = r"""
- name: Read what was paid in the last 24 hours
  qingguo.qgnet.qg_ledger_info:
    since: 24h
  register: ledger

- name: Show the totals
  ansible.builtin.debug:
    var: ledger.totals

- name: Write the calls to a file, one JSON object in each line
  ansible.builtin.copy:
    content: "{{ ledger.entries | map('to_json') | join('\n') }}\n"
    dest: /var/lib/reports/qgnet.jsonl
    mode: "0600"
"""

RETURN = r"""
entries:
  description: The paid calls, earliest first.
  returned: success
  type: list
  elements: dict
  contains:
    at:
      description: When the call was recorded, right before it was sent, in ISO 8601, by the clock
        of the state.
      type: str
    endpoint:
      description: The path of the call.
      type: str
    product:
      description: The product that the call was made for, as in O(product).
      type: str
    asked:
      description: The number of leases or reserved lines that the call asked for.
      type: int
    received:
      description: The number of those that it paid for; null as long as that is unknown.
      type: int
      returned: always, may be null
    names:
      description:
        - What it paid for. Leases are named by host and port, reserved lines as in
          RV(qingguo.qgnet.qg_monopoly#module:applied).
      type: list
      elements: str
    ends:
      description: The end of each of RV(entries[].names), in ISO 8601; null if QG.net gives
        none.
      type: list
      elements: str
    state:
      description:
        - V(settled) if the result is known, V(refused) if QG.net refused the call.
        - V(sent) or V(unknown) as long as the result is unknown. The next task that changes leases
          or reserved lines of the key determines it. V(lost) if it never became known;
          C(max_new_per_day) then counts all that was asked for.
      type: str
    run:
      description: The run of Ansible, by the number of its process and its host.
      type: str
    user:
      description: The user that Ansible ran as.
      type: str
    host:
      description: The host of the task in the inventory; empty for a task with C(delegate_to).
      type: str
    inventory:
      description: The inventory; empty for a task with C(delegate_to).
      type: str
  sample:
    - at: "2030-01-02T03:04:05+08:00"
      endpoint: /allocate
      product: classic
      asked: 1
      received: 1
      names: ["192.0.2.10:21504"]
      ends: ["2030-01-03T03:04:05+08:00"]
      state: settled
      run: "4711 control-1"
      user: ann
      host: localhost
      inventory: /etc/ansible/hosts
count:
  description: The number of RV(entries).
  returned: success
  type: int
  sample: 1
totals:
  description: The sums of RV(entries) by day and product.
  returned: success
  type: list
  elements: dict
  contains:
    day:
      description: The day, in China Standard Time.
      type: str
    product:
      description: The product.
      type: str
    calls:
      description: The number of calls.
      type: int
    asked:
      description: The number of leases or reserved lines that they asked for.
      type: int
    received:
      description: The number of those that they paid for, as far as that is known.
      type: int
    unknown:
      description: The number of those that calls without a known result asked for.
      type: int
  sample:
    - {day: "2030-01-02", product: classic, calls: 1, asked: 1, received: 1, unknown: 0}
needed_per_day:
  description:
    - How many leases a day the gateways and lists that O(store) has for the key need, C(least) and
      C(most). They follow from their number, lifetime and drain, and from the interval between
      refreshes.
    - It is null without gateways and lists, and as long as O(store) does not know how long leases
      last.
  returned: success
  type: dict
  sample: {least: 76.2, most: 78.5}
"""

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible_collections.qingguo.qgnet.plugins.module_utils._ledger.operations import LEDGER_INFO


def main() -> None:
    """Run as a module, where the task was delegated to."""
    run_module(LEDGER_INFO)


if __name__ == "__main__":
    main()
