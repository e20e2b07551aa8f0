# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options of the modules that lease proxies."""


class ModuleDocFragment:
    """The options for the location of leases, which ``module_utils/_task/api_options.py`` declares
    as well.
    """

    DOCUMENTATION = r"""
options:
  areas:
    description:
      - The areas, each by its code or its name, as M(qingguo.qgnet.qg_area_info) returns them in
        C(area_code) and C(name). The code of a province, such as V(350000), stands for all areas in
        it.
      - An area that QG.net does not list is an error, which names similar ones.
    type: list
    elements: str
  isp:
    description: The ISP of the proxy.
    type: str
    choices: [telecom, mobile, unicom, bgp]
"""

    # The parameters of new leases.
    TERMS = r"""
options:
  areas:
    description:
      - The areas of the leases, each by its code or its name, as M(qingguo.qgnet.qg_area_info)
        returns them. The code of a province, such as V(350000), stands for all areas in it.
        O(product=classic) takes only one area. Must not be empty.
    type: list
    elements: str
  exclude_areas:
    description:
      - The areas in which the leases must not be, for O(product=share), V(longterm) and
        V(exclusive).
      - They may be parts of O(areas). One that contains an area of O(areas) is an error.
    type: list
    elements: str
  isp:
    description: The ISP of the leases. V(bgp) requires O(product=classic).
    type: str
    choices: [telecom, mobile, unicom, bgp]
  keep_alive:
    description:
      - The duration of new leases, in minutes or with a unit, such as V(1h). Plans with a fixed
        lifetime ignore it.
    type: str
  distinct:
    description: Whether to request addresses that the key has not held recently.
    type: bool
    default: false
  pool:
    description: The pool to allocate from, for O(product=share).
    type: str
    choices: [normal, enterprise]
"""

    # The secret URL of a proxy.
    CREDENTIALS = r"""
options:
  with_credentials:
    description:
      - Whether to return C(proxy_url) for each lease, a URL with O(key) and O(password) for hosts
        that are not on the whitelist. The result is then hidden from output and logs, as with
        C(no_log). The registered variable contains it in full.
      - A task that uses the URL must set C(no_log) itself, and must not have it in its
        C(environment), which Ansible shows with C(-vvv) in spite of C(no_log). The examples of
        P(qingguo.qgnet.proxy_environment#filter) show how a program gets the URL from a file.
    type: bool
    default: false
"""

    # The selection of leases.
    CHOICE = r"""
options:
  ips:
    description: The exit IPs (C(ip)) or servers (C(server)) of the leases. Must not be empty.
    type: list
    elements: str
  task_ids:
    description: The tasks of the leases. A task consists of all leases of one allocation. Must not
      be empty.
    type: list
    elements: str
  all:
    description:
      - Whether all leases that the key holds are selected. No other option and no empty value means
        all.
      - If V(false), another option that selects leases is required.
    type: bool
    default: false
"""
