# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the option that chooses the product behind a key."""


class ModuleDocFragment:
    """The option for the product, which ``module_utils/_task/api_options.py`` declares as well."""

    DOCUMENTATION = r"""
options:
  product:
    description:
      - The product that O(key) was bought for. It determines the API that serves the leases.
      - V(auto) detects the product with calls that are free of charge. The store remembers it for
        30 days.
      - V(classic) is the API of products sold before 2023. V(share) provides short-lived addresses,
        V(longterm) long-lived ones, V(exclusive) dedicated ones, and V(overseas) addresses outside
        of mainland China.
    type: str
    choices: [auto, classic, share, longterm, exclusive, overseas]
    default: auto
"""

    # The sources of the same options, for plugins that are not modules.
    PLUGIN = r"""
options:
  product:
    vars:
      - name: qg_product
    env:
      - name: QG_PRODUCT
"""
