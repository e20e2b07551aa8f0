# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the option that limits what a key may buy."""

from __future__ import annotations


class ModuleDocFragment:
    """The cap, which ``module_utils/_task/options.py`` declares as well."""

    DOCUMENTATION = r"""
options:
  max_new_per_day:
    description:
      - The maximum number of leases or resources that the key may buy in 24 hours, over all runs that share O(store).
        A task that needs more fails before it changes anything. Replacements count, and a call of unknown result
        counts with all that it asked for.
    type: int
"""
