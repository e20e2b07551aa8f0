#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which proxies let a host through: documentation alone, the action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_proxy_check
short_description: Try many proxies from a host at once
version_added: 0.1.0
author:
  - The qingguo.qgnet authors (@qingguo)
description:
  - Asks an echo service from the host through each of the given proxies, and tells for each whether it lets the host
    through, at which address it comes out, and how long the call took.
  - The proxies are asked at the same time, so that the task takes about as long as the slowest of them.
  - Runs one shell command on the host, with C(curl), else C(wget), else C(python3). No module is shipped, and the host
    needs no Python.
  - Other proxies, in the host's environment and in the configuration of these programs, are not used.
options:
  proxies:
    description:
      - The proxies, each as V(HOST:PORT), as V(http://HOST:PORT), or as a lease, which is a dictionary with C(server)
        as other modules of the collection return it.
      - A user name or a password is refused. It must never reach a host, and the whitelist is what lets the host in.
      - A proxy that is named several times is asked once. With an empty list, nothing is asked.
    type: list
    elements: raw
    required: true
  url:
    description:
      - The echo service, which answers with the address that a call comes from, as text or as JSON with V(ip) or
        V(origin).
      - With V(https), a proxy cannot answer in the place of the service. With V(http), it can.
    type: str
    default: https://d.qg.net/ip
  timeout:
    description: The most seconds that the call through each proxy may take, from 1 to 300. Fractions are rounded up.
    type: float
    default: 10
  parallel:
    description:
      - How many proxies are asked at the same time, from 1 to 500. Each takes a few processes on the host meanwhile.
      - The others wait in as many queues. A proxy that does not answer then holds up those behind it by O(timeout).
    type: int
    default: 50
  expect:
    description:
      - Where a proxy must come out to count as good.
      - With V(any), at any address.
      - With V(lease), at the C(ip) of its lease. A proxy that was given without C(ip) may come out anywhere.
    type: str
    choices: [any, lease]
    default: any
  min_working:
    description:
      - The task fails when fewer proxies work. It returns the same then.
      - If not set, the task does not fail for proxies that do not work.
    type: int
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
  check_mode:
    details: Asks in check mode too, since it changes nothing.
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: N/A
    details: Changes nothing.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
notes:
  - The command does not see the task's C(environment).
  - The C(wget) of busybox does not check certificates, and therefore serves only for a O(url) with V(http).
    The same holds for wget2, which takes what a proxy says for the answer of an HTTPS service.
seealso:
  - module: qingguo.qgnet.qg_egress_ip_info
  - module: qingguo.qgnet.qg_egress_whitelist
"""

EXAMPLES = r"""
- name: See which proxies let this host through
  qingguo.qgnet.qg_proxy_check:
    proxies:
      - 203.0.113.5:20001
      - http://203.0.113.6:20002
  register: check

- name: Name those that do not work
  ansible.builtin.debug:
    msg: "{{ check.checks | rejectattr('ok') | map(attribute='server') }}"

- name: Make sure that at least ten leases work, and come out where they should
  qingguo.qgnet.qg_proxy_check:
    proxies: "{{ leases }}"
    expect: lease
    timeout: 5
    min_working: 10

- name: Ask another echo service, a few proxies at a time
  qingguo.qgnet.qg_proxy_check:
    proxies: "{{ leases | map(attribute='server') }}"
    url: https://api.ipify.org
    parallel: 10
"""

RETURN = r"""
checks:
  description: What each proxy did, in the order in which they were given.
  returned: when the host could ask
  type: list
  elements: dict
  contains:
    server:
      description: The proxy as C(HOST:PORT).
      type: str
      returned: always
    exit_ip:
      description: The address that it comes out at; null if the call brought none.
      type: str
      returned: always
    latency_seconds:
      description:
        - How long the whole call took, as the program measured it. For C(wget) it is the time between two calls of
          C(date), in whole seconds where C(date) knows no parts of them.
        - Null if the call brought no address, or if the time could not be measured.
      type: float
      returned: always
    ok:
      description: Whether it works, and comes out where it must by O(expect).
      type: bool
      returned: always
    error:
      description: Why it does not; null if it does.
      type: str
      returned: always
    tool:
      description: The program that asked.
      type: str
      returned: always
  sample:
    - server: 203.0.113.5:20001
      exit_ip: 198.51.100.7
      latency_seconds: 0.218
      ok: true
      error: null
      tool: curl
working:
  description: The proxies that work, the fastest first, each once.
  returned: when the host could ask
  type: list
  elements: str
  sample: ["203.0.113.5:20001"]
fastest:
  description: The first of RV(working); null if none works.
  returned: when the host could ask
  type: str
  sample: 203.0.113.5:20001
failed_count:
  description: How many of RV(checks) are not V(ok).
  returned: when the host could ask
  type: int
  sample: 0
"""
