#!/usr/bin/python
# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of qg_proxy_check, which the action plugin of the same name implements."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qg_proxy_check
short_description: Check several proxies from a host in parallel
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Requests an echo service from the host through each of the given proxies. Returns for each proxy whether it accepts
    the host, its exit IP, and the duration of the request.
  - The proxies are checked in parallel, so that the task takes about as long as the slowest proxy.
  - Runs one shell command on the host, with C(curl), C(wget) or C(python3), in this order of preference. No module is
    transferred, and the host needs no Python.
  - Other proxies, in the host's environment and in the configuration of these programs, are not used.
options:
  proxies:
    description:
      - The proxies, each as V(HOST:PORT), as V(http://HOST:PORT), or as a lease, which is a dictionary with C(server)
        as other modules of the collection return it.
      - For an exit of a tunnel, a dictionary with C(server), C(label) and, optionally, C(ttl), as in the filter
        P(qingguo.qgnet.proxy_tunnel#filter). Each label is checked as a proxy of its own. The host needs C(curl) or
        C(python3) for it.
      - A user name or a password is refused, because credentials must never reach a host. The host must be on the
        whitelist.
      - A proxy that occurs several times is checked once. With an empty list, no request is sent.
    type: list
    elements: raw
    required: true
  url:
    description:
      - The URL of the echo service. It must return the address of the caller, as text or as JSON with V(ip) or
        V(origin).
      - With V(https), a proxy cannot forge the response of the service. With V(http), it can.
    type: str
    default: https://d.qg.net/ip
  timeout:
    description:
      - The maximum duration of the request through each proxy in seconds, from 1 to 300. Fractions are rounded up.
      - A host that does not end its command is disconnected after twice this time for each proxy in a queue, the time
        that Ansible allows for connecting, and 30 seconds.
    type: float
    default: 10
  parallel:
    description:
      - The number of proxies to check in parallel, from 1 to 500. Each takes a few processes on the host meanwhile.
      - Other proxies wait in the same number of queues. A proxy that does not respond delays those behind it by
        O(timeout).
    type: int
    default: 50
  expect:
    description:
      - The exit IP that a working proxy must have.
      - With V(any), any exit IP is accepted.
      - With V(lease), the exit IP must be the C(ip) of the lease. For a proxy without C(ip), any exit IP is accepted.
    type: str
    choices: [any, lease]
    default: any
  min_working:
    description:
      - The minimum number of working proxies. If fewer proxies work, the task fails and returns the same result.
      - If not set, the task does not fail because of proxies that do not work.
    type: int
attributes:
  action:
    description: Has a corresponding action plugin, so that parts or all of it run on the control node.
    support: full
  check_mode:
    details: The proxies are checked in check mode too, because that changes nothing.
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: N/A
    details: Changes nothing.
extends_documentation_fragment:
  - qingguo.qgnet.attributes
notes:
  - The keyword C(environment) of the task does not apply to the command.
  - The C(wget) of busybox does not check certificates, and is therefore used only for a O(url) with V(http). The same
    applies to wget2, which mistakes the response of a proxy for that of an HTTPS service.
seealso:
  - module: qingguo.qgnet.qg_egress_ip_info
  - module: qingguo.qgnet.qg_egress_whitelist
"""

EXAMPLES = r"""
- name: Check which proxies accept this host
  qingguo.qgnet.qg_proxy_check:
    proxies:
      - 203.0.113.5:20001
      - http://203.0.113.6:20002
  register: check

- name: Show those that do not work
  ansible.builtin.debug:
    msg: "{{ check.checks | rejectattr('ok') | map(attribute='server') }}"

- name: Require ten working leases with the expected exit IP
  qingguo.qgnet.qg_proxy_check:
    proxies: "{{ leases }}"
    expect: lease
    timeout: 5
    min_working: 10

- name: Check two exits of a tunnel
  qingguo.qgnet.qg_proxy_check:
    proxies:
      - {server: "tunnel.qg.net:19702", label: crawler1, ttl: 600}
      - {server: "tunnel.qg.net:19702", label: crawler2, ttl: 600}

- name: Use another echo service, and check a few proxies at a time
  qingguo.qgnet.qg_proxy_check:
    proxies: "{{ leases | map(attribute='server') }}"
    url: https://api.ipify.org
    parallel: 10
"""

RETURN = r"""
checks:
  description: The result for each proxy, in the order of O(proxies).
  returned: when the command ran on the host
  type: list
  elements: dict
  contains:
    server:
      description: The proxy as C(HOST:PORT).
      type: str
      returned: always
    label:
      description: The label of the exit, for a tunnel; null for any other proxy.
      type: str
      returned: always
    exit_ip:
      description: The exit IP; null if the request returned none.
      type: str
      returned: always
    latency_seconds:
      description:
        - The duration of the whole request, as measured by the program. For C(wget) it is the time between two calls of
          C(date), in whole seconds if C(date) does not support fractions.
        - Null if the request returned no address, or if the time could not be measured.
      type: float
      returned: always
    ok:
      description: Whether the proxy works and has the exit IP that O(expect) requires.
      type: bool
      returned: always
    error:
      description: The reason if it does not work; null otherwise.
      type: str
      returned: always
    tool:
      description: The program that sent the request.
      type: str
      returned: always, null if it is not known
  sample:
    - server: 203.0.113.5:20001
      label: null
      exit_ip: 198.51.100.7
      latency_seconds: 0.218
      ok: true
      error: null
      tool: curl
working:
  description:
    - The proxies that work, the fastest first, each once.
    - The address of a tunnel occurs once, whichever of its labels work; RV(checks) has the labels.
  returned: when the command ran on the host
  type: list
  elements: str
  sample: ["203.0.113.5:20001"]
fastest:
  description: The first of RV(working); null if none works.
  returned: when the command ran on the host
  type: str
  sample: 203.0.113.5:20001
failed_count:
  description: The number of RV(checks) that are not C(ok).
  returned: when the command ran on the host
  type: int
  sample: 0
"""
