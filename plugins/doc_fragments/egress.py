# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options that say how a host is asked for its egress address."""

from __future__ import annotations


class ModuleDocFragment:
    """The same options are declared in ``module_utils/_task/options.py``."""

    DOCUMENTATION = r"""
options:
  sources:
    description:
      - Echo services, which answer with the address that a call comes from, as text or as JSON with V(ip) or V(origin).
      - All are asked at the same time, each directly, whatever proxies the host's environment and the
        configuration files of its programs name.
      - A URL must not hold a user name or a password. Results and messages show it without its query, but other users
        of the host can read all of it in the list of processes.
    type: list
    elements: str
    default:
      - https://d.qg.net/ip
      - https://checkip.amazonaws.com
      - https://api.ipify.org
  quorum:
    description:
      - How many sources must have told an address before it is believed. An address that fewer tell is an error.
      - The default is two, or one where there is one source alone.
    type: int
  samples:
    description:
      - How often each source is asked. A host that leaves through several addresses in turn shows them all only when it
        asks often enough.
      - A host may have at most this many egress addresses. If the sources report more, the task fails.
    type: int
    default: 1
  source_address:
    description: The address of the host that it asks from, where it has several.
    type: str
  allow_non_global:
    description: Whether addresses are accepted that do not belong to the public internet. Of use with a simulator.
    type: bool
    default: false
"""
