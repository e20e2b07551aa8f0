# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls of the account API that the collection makes; all of them read.

The vendor documents no limit for them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AccountEndpoint:
    """One call: its path, and whether its response is ``{result, data, msg}`` instead of a code."""

    path: str
    by_result: bool = False


BALANCE = AccountEndpoint("/merchant/getBalance", by_result=True)
INSTANCES = AccountEndpoint("/cloud-business/getDetail")
ORDER_PRICE = AccountEndpoint("/cloud-business/packageOrderPrice")
PACKAGES = AccountEndpoint("/cloud-product/packageList")
LINES = AccountEndpoint("/physical-product/lineList")
PROXY_PLAN = AccountEndpoint("/proxyip/resourceView")
