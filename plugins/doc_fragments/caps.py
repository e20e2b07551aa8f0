# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the option that limits what a key may buy."""


class ModuleDocFragment:
    """The cap, which ``module_utils/_task/api_options.py`` declares as well."""

    DOCUMENTATION = r"""
options:
  max_new_per_day:
    description:
      - The maximum number of leases or reserved lines that the key may buy within 24 hours, in all
        runs that share O(store). A task that would exceed it fails before it changes anything. By
        default, there is no maximum.
      - Replacements count as purchases. A call whose result is unknown counts with everything that
        it asked for.
    type: int
"""

    # Whether foreign purchases are expected.
    SHARED = r"""
options:
  shared_key:
    description:
      - Whether other programs, or control nodes with another O(store), lease with the key on
        purpose. Their leases are then not reported as a problem.
    type: bool
    default: false
"""

    # What may be paid for although the quota counts more than the list.
    QUOTA = r"""
options:
  ignore_quota:
    description:
      - Whether to pay even if the quota of the plan counts more in use than QG.net's list shows. If
        V(false), the task waits up to 60 seconds for them to agree, and fails without paying if
        they do not.
      - A plan of the classic API that is billed by volume needs V(true), because its quota counts
        everything that was ever leased. With any other plan, what an incomplete list lacks may then
        be paid for twice.
    type: bool
    default: false
"""
