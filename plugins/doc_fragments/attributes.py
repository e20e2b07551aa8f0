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
    description: Use C(group/qingguo.qgnet.qg) in C(module_defaults) to set options for all modules.
    support: full
    membership:
      - qingguo.qgnet.qg
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
    description: Runs on the control node. Delegated to another host, it runs there, which then needs C(requests).
    support: full
"""

    INFO = r"""
attributes:
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: N/A
"""

    FACTS = r"""
attributes:
  facts:
    description: Action returns an C(ansible_facts) dictionary that will update existing host facts.
    support: full
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: N/A
"""
