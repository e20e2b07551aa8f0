# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the attributes of modules."""


class ModuleDocFragment:
    """The attributes that all modules of the collection have."""

    DOCUMENTATION = r"""
attributes:
  action_group:
    description: The group for C(module_defaults).
    support: full
    membership:
      - qingguo.qgnet.qg
  check_mode:
    description: Predicts changes without making them.
    support: full
  idempotent:
    description: A second run with the same options changes nothing, unless something else has
      changed meanwhile.
    support: full
"""

    INFO = r"""
attributes:
  diff_mode:
    description: Shows what changes.
    support: N/A
"""

    FACTS = r"""
attributes:
  facts:
    description: Action returns an C(ansible_facts) dictionary that will update existing host facts.
    support: full
  diff_mode:
    description: Shows what changes.
    support: N/A
"""
