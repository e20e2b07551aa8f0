# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The refusals of the product hosts, and the meaning of their codes.

Codes: vendor docs 1838 and 2259, and the table of the vendor's client.
"""

from __future__ import annotations

from ..errors import CHECK_PRODUCT, RefusedError, VendorCode

SUCCESS = "SUCCESS"
INTERNAL_ERROR = "INTERNAL_ERROR"
INVALID_PARAMETER = "INVALID_PARAMETER"
INVALID_KEY = "INVALID_KEY"
UNAVAILABLE_KEY = "UNAVAILABLE_KEY"
ACCESS_DENY = "ACCESS_DENY"
API_AUTH_DENY = "API_AUTH_DENY"
KEY_BLOCK = "KEY_BLOCK"
REQUEST_LIMIT_EXCEEDED = "REQUEST_LIMIT_EXCEEDED"
BALANCE_INSUFFICIENT = "BALANCE_INSUFFICIENT"
NO_RESOURCE_FOUND = "NO_RESOURCE_FOUND"
FAILED_OPERATION = "FAILED_OPERATION"
EXTRACT_LIMIT_EXCEEDED = "EXTRACT_LIMIT_EXCEEDED"
NO_AVAILABLE_CHANNEL = "NO_AVAILABLE_CHANNEL"
DELETE_LIMIT_EXCEEDED = "DELETE_LIMIT_EXCEEDED"
STATIC_DELETE_TIME_LIMIT = "STATIC_DELETE_TIME_LIMIT"
MONOPOLY_DELETE_TIME_LIMIT = "MONOPOLY_DELETE_TIME_LIMIT"
MONOPOLY_CHANGEIP_TIME_LIMIT = "MONOPOLY_CHANGEIP_TIME_LIMIT"
IP_WHITELIST_LIMIT_EXCEEDED = "IP_WHITELIST_LIMIT_EXCEEDED"

VENDOR_CODES: dict[str, VendorCode] = {
    INTERNAL_ERROR: VendorCode("fault of the platform", "Try again later; ask the vendor's support if it stays."),
    INVALID_PARAMETER: VendorCode("wrong format or type", "Check the values of the task's options."),
    INVALID_KEY: VendorCode(
        "key unknown or expired",
        "Check the key. If it is right, it belongs to another product: leave out product, so that it is found out, or "
        "set it to the one that the key was bought for (classic, share, longterm, exclusive or overseas).",
    ),
    UNAVAILABLE_KEY: VendorCode(
        "key expired or blocked", "Renew the plan in the vendor's user centre, or ask why it was blocked."
    ),
    ACCESS_DENY: VendorCode("no permission", CHECK_PRODUCT.format("this one")),
    API_AUTH_DENY: VendorCode(
        "API authentication failed",
        "Set password (environment QG_PASSWORD) to the key's API password, and list the address of this control node "
        "in the vendor's user centre if the key lets in only listed callers.",
    ),
    KEY_BLOCK: VendorCode("key banned", "Ask the vendor why the key was banned."),
    REQUEST_LIMIT_EXCEEDED: VendorCode(
        "too many calls",
        "Give the task more time with max_wait, and let only control nodes that share one state use this key.",
    ),
    BALANCE_INSUFFICIENT: VendorCode("volume used up", "Buy more volume in the vendor's user centre."),
    NO_RESOURCE_FOUND: VendorCode("no address for this area and provider", "Try again later or choose another area."),
    FAILED_OPERATION: VendorCode("extraction failed", "Try again later."),
    EXTRACT_LIMIT_EXCEEDED: VendorCode(
        "extraction quota exceeded", "The quota is for a minute or a day, depending on the plan: wait, or ask for less."
    ),
    NO_AVAILABLE_CHANNEL: VendorCode("no free channel left", "Release a lease or wait until one expires."),
    DELETE_LIMIT_EXCEEDED: VendorCode("released too often", "Wait, or release less in one run."),
    STATIC_DELETE_TIME_LIMIT: VendorCode(
        "a static address is kept for 24 hours", "Wait until a day after it was leased."
    ),
    MONOPOLY_DELETE_TIME_LIMIT: VendorCode(
        "exclusive occupancy is kept for 12 hours", "Wait until 12 hours after the application."
    ),
    MONOPOLY_CHANGEIP_TIME_LIMIT: VendorCode(
        "less than 10 seconds since the last change of the address", "Wait 10 seconds."
    ),
    IP_WHITELIST_LIMIT_EXCEEDED: VendorCode(
        "whitelist full", "Remove addresses that are no longer needed, or ask the vendor for a longer whitelist."
    ),
}


class ProductError(RefusedError):
    """A refusal with one of the codes of the product hosts."""

    codes = VENDOR_CODES
    rate_limited = REQUEST_LIMIT_EXCEEDED
    # With the host of another product, each refusal of the key is possible.
    of_other_product = frozenset({ACCESS_DENY, INVALID_KEY, UNAVAILABLE_KEY, INVALID_PARAMETER})
