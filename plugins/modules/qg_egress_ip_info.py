#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of qg_egress_ip_info, which the action plugin of the same name implements."""

DOCUMENTATION = r"""
module: qg_egress_ip_info
short_description: Detect the egress IPs of a host
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Requests several echo services from the host, and accepts an address only if at least O(quorum)
    of them report it.
  - Runs one shell command on the host, which uses C(curl), C(wget) or C(python3), in this order of
    preference. No module is transferred to the host, so it does not need Python.
  - The command does not use the proxies in the host's environment and in the configuration of these
    programs.
  - The task fails if sources contradict each other, or reply with anything but a public IPv4
    address, because a wrong address on the whitelist would give access to somebody else. The
    message shows the reply of each source. A source may be silent if at least O(quorum) others
    respond.
options:
  timeout:
    description:
      - The maximum duration of the request to each source, in seconds. To limit the duration of the
        whole command, use the keyword C(timeout) of the task.
    type: float
    default: 10
  through_proxy:
    description:
      - The HTTP proxy through which to send the requests, as V(http://HOST:PORT). The result is
        then the exit IP of the proxy, which shows that the proxy accepts the host.
    type: str
attributes:
  action:
    description: Has a corresponding action plugin, so that parts or all of it run on the control
      node.
    support: full
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: N/A
    details: The module changes nothing.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
  - qingguo.qgnet.egress
notes:
  - The keyword C(environment) of the task does not apply to the command.
seealso:
  - module: qingguo.qgnet.qg_whitelist
  - module: qingguo.qgnet.qg_egress_whitelist
"""

EXAMPLES = r"""
- name: Detect the egress IP of each host
  qingguo.qgnet.qg_egress_ip_info:
  register: egress

- name: Detect all egress IPs of a host that alternates between several
  qingguo.qgnet.qg_egress_ip_info:
    samples: 10
  register: egress

- name: Check that the proxy accepts this host, and return its exit IP
  qingguo.qgnet.qg_egress_ip_info:
    through_proxy: "http://{{ proxy_host }}:{{ proxy_port }}"
    sources:
      - https://d.qg.net/ip
  register: exit
"""

RETURN = r"""
ips:
  description: The egress IPs of the host, in numeric order.
  returned: success
  type: list
  elements: str
  sample: [203.0.113.5]
ip:
  description: The first of RV(ips).
  returned: success
  type: str
  sample: 203.0.113.5
source_replies:
  description: The reply of each source to each request.
  returned: when the command ran on the host
  type: list
  elements: dict
  contains:
    source:
      description: The URL of the echo service, without its query.
      type: str
    ip:
      description: The reported address, or null if there is none.
      type: str
    error:
      description: Why there is no address, or null if there is one.
      type: str
  sample: [{source: "https://d.qg.net/ip", ip: 203.0.113.5, error: null}]
"""
