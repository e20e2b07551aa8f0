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
      - The maximum number of leases or resources that the key may buy in the last 24 hours, counted over all runs that
        share O(store). Replacements count as new, and a call whose result is unknown counts with
        all that it asked for.
      - If the task needs more than that, it fails before it buys or releases anything.
      - If not set, the variable C(qg_max_new_per_day) and the environment variable E(QG_MAX_NEW_PER_DAY) are used in
        this order. Without a value, purchases are not limited.
    type: int
"""
