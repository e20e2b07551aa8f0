# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options that select packages of the cloud, and describe an order."""

from __future__ import annotations


class ModuleDocFragment:
    """The options that select packages, which ``module_utils/_cloud/operations.py`` declares as well."""

    DOCUMENTATION = r"""
options:
  product_id:
    description:
      - The vendor's number of the brand (I(productId)), such as 104. Document 2662 of the vendor lists them.
    type: int
    required: true
  line_no:
    description: Only packages of this line.
    type: str
  area_no:
    description: Only packages of this area. With O(line_no), the vendor requires an area of that line.
    type: str
  min_cpu:
    description: The minimum number of processors.
    type: int
  min_memory:
    description: The minimum size of the memory, in gigabytes.
    type: float
  min_system_disk:
    description: The minimum size of the system disk, in gigabytes.
    type: int
  min_data_disk:
    description: The minimum size of the data disk, in gigabytes.
    type: int
  min_bandwidth:
    description: The minimum bandwidth, in megabits per second.
    type: int
  max_price:
    description: The maximum price, in yuan. Packages without a price are then omitted.
    type: float
  buyable:
    description:
      - Whether to return only packages that can be bought now (V(true)) or only those that cannot (V(false)).
      - A package without this information counts as one that cannot be bought.
    type: bool
  load_rate:
    description: Whether to return the rates by duration as well.
    type: bool
    default: false
  package_no:
    description: The package for which to read the price of an order.
    type: str
  system_no:
    description: The system image of that order.
    type: str
  duration:
    description: The duration, as a number and V(s) for hours, V(d) for days, V(w) for weeks or V(m) for months.
    type: str
  brand:
    description:
      - The brand of the packages. Those of V(tencent), V(alibaba), V(huawei), V(qianhai) and V(telecom) are sold for
        one to nine, 12, 24 and 36 months only. With another O(duration), the task fails before any call.
      - For V(qingguo) (the vendor's own cloud), V(desktop) and V(other), and without the option, the vendor decides.
    type: str
    choices: [tencent, alibaba, huawei, qianhai, telecom, qingguo, desktop, other]
"""
