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
  - Returns the calls with which a QG.net key has paid, with who made them and what they received.
  - Each run records its paid calls in O(store) before it sends them. They are kept for 400 days, or
    for the number of days in the environment variable E(QG_LEDGER_DAYS), and for as long as what
    they bought is held. Purchases of other programs are not recorded.
  - The module does not call QG.net. With O(product), it returns only the calls for this product.
options:
  since:
    description:
      - The time of the earliest call to return. This is a time in ISO 8601, a date, or a duration
        before now, such as V(24h) or V(7d). A time without an offset is in China Standard Time.
      - A busy key can make tens of thousands of paid calls in a year. Reading so many takes minutes
        and much memory.
    type: str
    default: 30d
  key:
    description: The key of the product, which QG.net calls I(Authkey).
    type: str
    required: true
  api_url:
    description: The URL of the API that the paying tasks used.
    type: str
    default: https://proxy.qg.net
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.attributes.info
  - qingguo.qgnet.product
  - qingguo.qgnet.store
seealso:
  - module: qingguo.qgnet.qg_proxy_allocate
  - module: qingguo.qgnet.qg_proxy_replace
  - module: qingguo.qgnet.qg_monopoly
"""

EXAMPLES = r"""
- name: Read the paid calls of the last 24 hours
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
  description: The paid calls, the earliest one first.
  returned: success
  type: list
  elements: dict
  contains:
    at:
      description: When the call was recorded, immediately before it was sent, in ISO 8601.
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
      description: The number of those that it paid for, or null as long as the number is unknown.
      type: int
      returned: always, may be null
    names:
      description:
        - What the call paid for. Leases are named by host and port, and reserved lines as in
          RV(qingguo.qgnet.qg_monopoly#module:applied).
      type: list
      elements: str
    ends:
      description: When each of RV(entries[].names) ends, in ISO 8601, or null if QG.net does not
        say so.
      type: list
      elements: str
    state:
      description:
        - The state is V(settled) if the result is known, and V(refused) if QG.net refused the call.
        - It is V(sent) or V(unknown) as long as the result is unknown. The next task that changes
          leases or reserved lines of the key determines the result. If that was not possible, the
          state is V(lost), and C(max_new_per_day) counts everything that the call asked for.
      type: str
    run:
      description: The run of Ansible, as the number of its process and the name of its machine.
      type: str
    user:
      description: The user that Ansible ran as.
      type: str
    host:
      description: The host of the task in the inventory. It is empty for a delegated task.
      type: str
    inventory:
      description: The inventory of the task. It is empty for a delegated task.
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
  description: The sums of RV(entries), by day and product.
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
      description: The number of those that they paid for, as far as it is known.
      type: int
    unknown:
      description: The number of those that may have been bought as well, by calls whose result is
        unknown. C(max_new_per_day) counts them.
      type: int
  sample:
    - {day: "2030-01-02", product: classic, calls: 1, asked: 1, received: 1, unknown: 0}
needed_per_day:
  description:
    - How many leases per day the gateways and lists of the key need, at C(least) and at C(most).
      The numbers result from the number of leases, their lifetime and drain, and the interval
      between refreshes.
    - It is null if O(store) contains no gateways and lists of the key, or does not know how long
      the leases last.
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
