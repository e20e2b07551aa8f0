# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is compared: the role, and what people write without it, each as a playbook."""

from __future__ import annotations

from dataclasses import dataclass

HEAD = "- hosts: all\n  gather_facts: false\n  tasks:\n"

#: Each host reads the list, and adds its address if it is missing. A refusal is reported, since its code is checked;
#: that much care is assumed. The key is in the URL, as the vendor wants it.
URI = """\
    - ansible.builtin.uri:
        url: "{{ bench_url }}/whitelist/query?Key={{ bench_key }}"
        use_proxy: false
      register: listed
      failed_when: listed.json.Code != 0
%(throttle)s\
    - ansible.builtin.uri:
        url: "{{ bench_url }}/whitelist/add?Key={{ bench_key }}&IP={{ bench_ip }}"
        use_proxy: false
      register: added
      when: bench_ip not in listed.json.Data
      failed_when: added.json.Code != 0
%(throttle)s"""

#: The line that one finds in many a provisioning script.
CURL = """\
    - ansible.builtin.shell: >-
        {{ bench_curl }} '{{ bench_url }}/whitelist/query?Key={{ bench_key }}' | grep -qF '"{{ bench_ip }}"'
        || {{ bench_curl }} '{{ bench_url }}/whitelist/add?Key={{ bench_key }}&IP={{ bench_ip }}'
"""

PER_HOST = """\
    - qingguo.qgnet.qg_whitelist:
        key: "{{ bench_key }}"
        api_url: "{{ bench_url }}"
        ips: ["{{ bench_ip }}"]
        allow_non_global: true
"""


@dataclass(frozen=True)
class Way:
    """A way to bring hosts onto the whitelist, or (``registers`` false) a play to compare with.

    ``play`` is a playbook's text, or the full name of one. ``guess`` are seconds for each host, to tell beforehand
    whether a run would take too long, where no smaller run has been measured.
    """

    name: str
    play: str
    registers: bool = True
    guess: float = 0.1
    keeps: bool = False
    """It runs on what the one before has left: the same hosts once more."""


ROLE = Way("role", "qingguo.qgnet.register", guess=0.03)
REST = Way("rest", "qingguo.qgnet.register", guess=0.03, keeps=True)
WAYS = (
    ROLE,
    REST,
    Way("uri", HEAD + URI % {"throttle": ""}, guess=0.6),
    Way("uri_throttle", HEAD + URI % {"throttle": "      throttle: 1\n"}, guess=1.2),
    Way("curl", HEAD + CURL, guess=0.3),
    Way("ping", HEAD + "    - ansible.builtin.ping:\n", registers=False, guess=0.2),
    Way("raw", HEAD + '    - ansible.builtin.raw: "true"\n', registers=False, guess=0.02),
)
MODULE = Way("module", HEAD + PER_HOST, guess=0.1)

EMPTY = "- hosts: all\n  gather_facts: false\n  tasks: []\n"
#: The same GET, by Ansible's module for that.
GET = (
    HEAD
    + """\
    - ansible.builtin.uri:
        url: "{{ bench_url }}/whitelist/query?Key={{ bench_key }}"
        use_proxy: false
        return_content: true
"""
)
#: One call of ours for a list of addresses.
LIST = (
    HEAD
    + """\
    - qingguo.qgnet.qg_whitelist:
        key: "{{ bench_key }}"
        api_url: "{{ bench_url }}"
        ips: "{{ bench_ips }}"
        allow_non_global: true
"""
)
#: What that list may be: the lines of a file that stands beside the play.
FROM_FILE = "{{ lookup('ansible.builtin.file', 'ips.txt').splitlines() }}"
