# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options of the modules that lease proxies."""

from __future__ import annotations


class ModuleDocFragment:
    """Where leases are; the same options are declared in ``module_utils/_task/options.py``."""

    DOCUMENTATION = r"""
options:
  area_id:
    description: The vendor's number of the area. M(qingguo.qgnet.qg_area_info) lists what is offered.
    type: int
  isp:
    description: The provider through which the proxy reaches the internet.
    type: str
    choices: [telecom, mobile, unicom, bgp]
"""

    # What new leases are asked for with.
    TERMS = r"""
options:
  area_id:
    description:
      - The vendor's number of the area that new leases are taken from. M(qingguo.qgnet.qg_area_info) lists what is
        offered.
      - Without it, the vendor chooses.
    type: int
  isp:
    description:
      - The provider through which new proxies reach the internet.
      - Without it, the vendor chooses.
    type: str
    choices: [telecom, mobile, unicom, bgp]
  keep_alive:
    description:
      - How many minutes a new lease lasts. Without it, the vendor's default, which is a day for dynamic dedicated
        plans.
      - Shared and static plans have a lifetime of their own, and ignore it.
    type: int
  distinct:
    description: Ask for addresses that the key has not had lately.
    type: bool
    default: false
"""

    # The secret URL of a proxy.
    PROXY_URL = r"""
options:
  proxy_url:
    description:
      - Whether each lease has C(proxy_url), a URL with O(key) and O(pwd), for hosts that are not on the whitelist.
      - The result is then hidden from output and logs, as with C(no_log). What it was registered as holds it in full.
    type: bool
    default: false
"""

    # Which leases are meant.
    CHOICE = r"""
options:
  ips:
    description: The leases with these exit addresses (C(ip)) or servers (C(server)). Must not be empty.
    type: list
    elements: str
  task_ids:
    description: The leases of these tasks. A task is what one allocation leased. Must not be empty.
    type: list
    elements: str
  all:
    description: All leases that the key holds. Must be V(true) where it is given. Nothing else means all.
    type: bool
"""
