#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The egress address of a host: documentation alone, the action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_egress_ip_info
short_description: Find out under which addresses a host reaches the internet
version_added: 0.1.0
author:
  - The qingguo.qgnet authors (@qingguo)
description:
  - Asks several echo services from the host, and believes an address only when enough of them tell it.
  - Runs one shell command on the host, with C(curl), else C(wget), else C(python3). No module is shipped, and the host
    needs no Python.
  - Proxies in the host's environment and in the configuration of these programs are not used.
  - A contradiction, an address that is not of the public internet, or text that is no address is an error that says
    which source said what, since a wrong address on a whitelist lets a stranger in. A source that does not answer is
    not, as long as O(quorum) others do.
options:
  family:
    description: Which kind of address is asked for. The vendor's whitelist takes V(ipv4) alone.
    type: str
    choices: [ipv4, ipv6]
    default: ipv4
  timeout:
    description: The most seconds that each source may take.
    type: float
    default: 10
  proxy:
    description:
      - Ask through this HTTP proxy, given as V(http://HOST:PORT). The answers are then the exits of the proxy, and the
        task proves that the proxy lets the host through.
    type: str
  key: &unused
    description: Not used. It is accepted because defaults for the action group reach this module too.
    type: str
  pwd: *unused
  api_url: *unused
  max_wait:
    description: Not used. It is accepted because defaults for the action group reach this module too.
    type: float
  validate_certs:
    description: Not used. It is accepted because defaults for the action group reach this module too.
    type: bool
  ca_path: &unused_path
    description: Not used. It is accepted because defaults for the action group reach this module too.
    type: path
  state_dir: *unused_path
attributes:
  action:
    description: Has a corresponding action plugin, so that parts or all of it run on the control node.
    support: full
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: N/A
    details: Changes nothing.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.egress
notes:
  - The command does not see the task's C(environment).
seealso:
  - module: qingguo.qgnet.qg_whitelist
  - module: qingguo.qgnet.qg_egress_whitelist
"""

EXAMPLES = r"""
- name: Find the egress address of each host
  qingguo.qgnet.qg_egress_ip_info:
  register: egress

- name: Find all addresses of a host that leaves through several in turn
  qingguo.qgnet.qg_egress_ip_info:
    samples: 10
  register: egress

- name: See whether the proxy lets this host through, and where it comes out
  qingguo.qgnet.qg_egress_ip_info:
    proxy: "http://{{ proxy_host }}:{{ proxy_port }}"
    sources:
      - https://d.qg.net/ip
  register: exit
"""

RETURN = r"""
ips:
  description: The host's egress addresses, by number.
  returned: success
  type: list
  elements: str
  sample: [203.0.113.5]
ip:
  description: The first of them.
  returned: success
  type: str
  sample: 203.0.113.5
source_replies:
  description: What each source said, once per sample.
  returned: when the host could be asked
  type: list
  elements: dict
  contains:
    source:
      description: The echo service, without its query.
      type: str
      returned: always
    tool:
      description: The program that asked it.
      type: str
      returned: always
    ip:
      description: The address that it told; null if it told none.
      type: str
      returned: always
    error:
      description: Why there is no address; null if there is one.
      type: str
      returned: always
  sample: [{source: "https://d.qg.net/ip", tool: curl, ip: 203.0.113.5, error: null}]
"""
