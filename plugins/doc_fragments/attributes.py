# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the attributes of modules."""

from __future__ import annotations


class ModuleDocFragment:
    """The attributes that all modules of the collection have."""

    DOCUMENTATION = r"""
attributes:
  action_group:
    description: Use C(group/qingguo.qgnet.qg) in C(module_defaults) to set options for the modules of the collection.
    support: full
    details: Each module uses the options that its API needs, and ignores the others.
    membership:
      - qingguo.qgnet.qg
  async:
    description: Supports being used with the C(async) keyword.
    support: none
    details:
      - A task with C(async) fails before any call.
      - Hosts run it in parallel, up to the number of C(forks). Options such as O(timeout) limit its duration.
  check_mode:
    description: Can run in check mode and predict changes without making them.
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
"""

    # For an action plugin that runs the module if the task is delegated.
    CONTROL_NODE = r"""
attributes:
  action:
    description: Has a corresponding action plugin, so that parts or all of it run on the control node.
    support: full
    details:
      - Runs on the control node. C(requests) is needed there, by the Python that runs Ansible, and the key never
        reaches the host.
      - With C(delegate_to), it runs as a module on the host that it was delegated to, which then needs Python 3.10 or
        newer and C(requests).
"""

    INFO = r"""
attributes:
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: N/A
    details: Changes nothing.
"""

    FACTS = r"""
attributes:
  facts:
    description: Action returns an C(ansible_facts) dictionary that will update existing host facts.
    support: full
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: N/A
    details: Changes nothing.
"""
