# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The refusals of the classic API, and the meaning of their codes."""

from __future__ import annotations

from ..errors import CHECK_PRODUCT, RefusedError, VendorCode

#: Codes of the classic API (vendor docs: API overview, 174, 175, 178, 181).
#: -101, -102, -202 and -206 come from single pages and from public clients.
VENDOR_CODES: dict[int, VendorCode] = {
    -1: VendorCode("unknown error", "Try again later; ask the vendor's support if it stays."),
    -10: VendorCode("parameter not legal", "Check the values of the task's options."),
    -11: VendorCode(
        "too many requests",
        "Give the task more time with max_wait, and let only control nodes that share one state use this key.",
    ),
    -12: VendorCode("key blocked", "Ask the vendor why the key was blocked."),
    -13: VendorCode(
        "calling address not authorised",
        "The key's API authentication (vendor's user centre) lets in only listed callers: list the address of this "
        "control node there.",
    ),
    -14: VendorCode(
        "API password wrong or missing", "Set password (environment QG_PASSWORD) to the key's API password."
    ),
    -15: VendorCode("no permission", CHECK_PRODUCT.format("classic")),
    -100: VendorCode("plan missing or expired", "Check the key, or renew its plan in the vendor's user centre."),
    -101: VendorCode("more than the plan's channels", "Ask for less, or buy more channels."),
    -102: VendorCode("no free channel left", "Release a lease or wait until one expires."),
    -103: VendorCode("resources short", "Try again later or choose another area."),
    -104: VendorCode("allocation failed", "Try again later."),
    -105: VendorCode("count limit reached", "Wait a minute, or ask for less in one run."),
    -202: VendorCode(
        "whitelist full", "Remove addresses that are no longer needed, or ask the vendor for a longer whitelist."
    ),
    -206: VendorCode("address bound to another key", "Remove the address from the whitelist of the other key first."),
}

UNKNOWN = -1
INVALID_PARAMETER = -10
RATE_LIMITED = -11
NO_PERMISSION = -15
NO_PLAN = -100
NO_FREE_CHANNEL = -102
RESOURCES_SHORT = -103
ALLOCATION_FAILED = -104
COUNT_LIMIT = -105
WHITELIST_FULL = -202
BOUND_TO_OTHER_KEY = -206
#: The codes of refusals of the caller or its rate, whatever the call was to do.
KEY_REFUSALS = (RATE_LIMITED, -12, -13, -14, NO_PERMISSION, NO_PLAN)


class ApiError(RefusedError):
    """A refusal with one of the codes of the classic API."""

    codes = VENDOR_CODES
    rate_limited = RATE_LIMITED
    of_other_product = frozenset({INVALID_PARAMETER, NO_PERMISSION, NO_PLAN})


class StatusError(ApiError):
    """A refusal of the calls for exclusive occupancy, which report it by HTTP status: 400 refused, 500 unknown error.

    ``code`` is that status, as in the vendor's own client.
    """

    _number = "HTTP"

    @classmethod
    def is_documented(cls, code: int | str) -> bool:
        return code in (400, 500)

    @classmethod
    def _known(cls, code: int | str) -> VendorCode:
        if int(code) >= 500:
            return VendorCode("unknown error", "Try again later; ask the vendor's support if it stays.")
        return VendorCode("refused", "Check the task's options, and the times that the vendor's rules ask for.")
