# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options that limit what a key may buy."""

from __future__ import annotations


class ModuleDocFragment:
    """The caps, which ``module_utils/_task/options.py`` declares as well."""

    DOCUMENTATION = r"""
options:
  max_new_per_day:
    description:
      - The maximum number of leases or resources that the key may buy in 24 hours, counted in O(state_dir) or
        O(state_url) over all runs that share it. The 24 hours end now; they are not a calendar day. Replacements count
        as new.
      - A call whose result is unknown counts with all that it asked for. If the task needs more than the cap allows, it
        fails before it buys or releases anything. With V(0), it never buys.
      - If not set, the variable C(qg_max_new_per_day) and the environment variable E(QG_MAX_NEW_PER_DAY) are used in
        this order. Without a value, purchases are not limited.
    type: int
  max_new_per_run:
    description:
      - The same for what the key may buy in one run of Ansible. A task with C(delegate_to) is a run of its own.
      - If not set, the variable C(qg_max_new_per_run) and the environment variable E(QG_MAX_NEW_PER_RUN) are used in
        this order. Without a value, purchases are not limited.
    type: int
"""
