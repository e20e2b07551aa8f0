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
      - The maximum number of leases or reserved lines that the key may buy in 24 hours, over all
        runs that share O(store). A task that needs more fails before it changes anything.
        Replacements count, and a call of unknown result counts with all that it asked for.
    type: int
"""

    # Whether foreign purchases are expected.
    SHARED = r"""
options:
  shared_key:
    description:
      - Whether other programs or control nodes lease with the key on purpose, with another
        O(store). What they have bought is then no reason for concern.
    type: bool
    default: false
"""

    # What may be paid for although the quota counts more than the list.
    QUOTA = r"""
options:
  ignore_quota:
    description:
      - Whether to pay even if the quota counts more in use than QG.net's list shows. Otherwise, the
        task waits up to 60 seconds until both agree, and fails without paying if they do not, in
        each run.
      - A plan of the classic API that is billed by volume needs this, since its quota counts what
        was ever leased. With any other plan, a list that is wrong may then be paid for twice.
    type: bool
    default: false
"""
