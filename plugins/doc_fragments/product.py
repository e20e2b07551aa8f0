# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options that choose the product behind a key."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of the API for the leases of a key, which ``module_utils/_task/options.py`` declares as well."""

    DOCUMENTATION = r"""
options:
  product:
    description:
      - The product that O(key) was bought for, and thus the API that serves its leases.
      - With V(auto), the list of leases is read from V(classic), and if that refuses the key from each of the others
        until one serves it, with at most five calls. The result is stored in O(state_dir) for 30 days, or until the
        list is refused, so that later tasks need no such call. No call that pays is sent before the product is known.
        If no list shows it, the task fails, and other tasks repeat its error for 60 seconds without a call.
      - V(classic) is the API of products sold before 2023, at O(api_url). The others have hosts of their own, at
        O(product_url). V(share) provides short-lived addresses, V(longterm) long-lived ones, V(exclusive) dedicated
        ones, and V(overseas) addresses outside of mainland China.
      - If not set, the variable C(qg_product) and the environment variable E(QG_PRODUCT) are used in this order before
        the default.
    type: str
    choices: [auto, classic, share, longterm, exclusive, overseas]
    default: auto
  product_url:
    description:
      - The URL of the API of a product other than V(classic). C({product}) in it is replaced by the name of the
        product. O(product=auto) requires C({product}) in it.
      - The default is V(https://{product}.proxy.qg.net). With another O(api_url) than that of the vendor, such as that
        of a simulator or a reseller, it is C(/{product}) below that URL, and must not be a host of the vendor.
      - If not set, the variable C(qg_product_url) and the environment variable E(QG_PRODUCT_URL) are used in this order
        before the default.
    type: str
"""

    # For plugins that run only on the control node: Ansible itself documents their variables and environment.
    PLUGIN = r"""
options:
  product:
    description:
      - The product that O(key) was bought for, and thus the API that serves its leases.
      - With V(auto), the list of leases is read from V(classic), and if that refuses the key from each of the others
        until one serves it, with at most five calls. The result is stored in O(state_dir) for 30 days, or until the
        list is refused, so that later tasks need no such call. No call that pays is sent before the product is known.
        If no list shows it, the task fails, and other tasks repeat its error for 60 seconds without a call.
      - V(classic) is the API of products sold before 2023, at O(api_url). The others have hosts of their own, at
        O(product_url). V(share) provides short-lived addresses, V(longterm) long-lived ones, V(exclusive) dedicated
        ones, and V(overseas) addresses outside of mainland China.
    type: str
    choices: [auto, classic, share, longterm, exclusive, overseas]
    default: auto
    vars:
      - name: qg_product
    env:
      - name: QG_PRODUCT
  product_url:
    description:
      - The URL of the API of a product other than V(classic). C({product}) in it is replaced by the name of the
        product. O(product=auto) requires C({product}) in it.
      - The default is V(https://{product}.proxy.qg.net). With another O(api_url) than that of the vendor, such as that
        of a simulator or a reseller, it is C(/{product}) below that URL, and must not be a host of the vendor.
    type: str
    vars:
      - name: qg_product_url
    env:
      - name: QG_PRODUCT_URL
"""
