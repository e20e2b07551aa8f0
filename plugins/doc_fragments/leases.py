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
        C(area_code) and C(name). The code of a province, such as V(350000), includes all areas in
        it.
      - If QG.net does not list an area, the task fails, and its message names similar areas.
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
        returns them. The code of a province, such as V(350000), includes all areas in it.
      - The list must not be empty. With O(product=classic), it must contain only one area.
    type: list
    elements: str
  exclude_areas:
    description:
      - The areas in which the leases must not be. The option is available with O(product=share),
        V(longterm) and V(exclusive).
      - The areas may be parts of O(areas), but must not contain one of them.
    type: list
    elements: str
  isp:
    description: The ISP of the leases. V(bgp) requires O(product=classic).
    type: str
    choices: [telecom, mobile, unicom, bgp]
  keep_alive:
    description:
      - The duration of new leases, in whole minutes or with a unit, such as V(1h). QG.net ignores
        it for plans with a fixed duration.
    type: str
  distinct:
    description: Whether to request addresses that the key has not had recently.
    type: bool
    default: false
  pool:
    description: The pool to lease from, with O(product=share). By default, QG.net decides.
    type: str
    choices: [normal, enterprise]
"""

    # The secret URL of a proxy.
    CREDENTIALS = r"""
options:
  with_credentials:
    description:
      - Whether to return C(proxy_url) for each lease. This URL contains O(key) and O(password), and
        works on hosts that are not on the whitelist. The result is then hidden from output and
        logs, as with C(no_log). The registered variable contains all of it.
      - A task that uses the URL must set C(no_log) itself. It must not put the URL into its
        C(environment), which Ansible shows with C(-vvv) despite C(no_log). The examples of
        P(qingguo.qgnet.proxy_environment#filter) show how a program reads the URL from a file.
    type: bool
    default: false
"""

    # The selection of leases.
    CHOICE = r"""
options:
  ips:
    description: The exit IPs (C(ip)) or servers (C(server)) of the leases. The list must not be
      empty.
    type: list
    elements: str
  task_ids:
    description: The QG.net tasks (C(task_id)) of the leases. A task consists of all leases of one
      allocation. The list must not be empty.
    type: list
    elements: str
  all:
    description:
      - Whether to select all leases that the key holds. An empty or omitted option never selects
        all of them.
      - If V(false), another option that selects leases is required.
    type: bool
    default: false
"""
