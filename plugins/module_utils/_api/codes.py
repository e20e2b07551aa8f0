# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vendor's error tables: the kind of each code, its meaning, and what the user can do about it.

Sources: vendor docs (API overview, 174, 175, 178, 181, 1838, 2259), and the tables of the vendor's and of public
clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .._core.errors import Kind


@dataclass(frozen=True)
class VendorCode:
    """One row of an error table."""

    kind: Kind
    meaning: str
    fix: str


#: What to do if the product may be wrong: if the user has set it, and if a state had stored it.
LEAVE_OUT, RUN_AGAIN = "leave out product, so that it is found out", "run the task again, so that it is found out anew"

_SUPPORT = "Try again later; ask the vendor's support if it stays."
_TOO_MANY = "Give the task more time with max_wait, and let only control nodes that share one state use this key."
_OTHER_PRODUCT = (
    f"The key may belong to another product than {{}}: {LEAVE_OUT}, or set it to the one that the key was bought for "
    "(classic, share, longterm, exclusive or overseas). If the product is right, the plan behind the key does not "
    "offer this call."
)
_FULL = "Remove addresses that are no longer needed, or ask the vendor for a longer whitelist."

#: By the code of the classic API, a number, or of a product host, a name.
CODES: Mapping[object, VendorCode] = {
    -1: VendorCode(Kind.UNKNOWN, "unknown error", _SUPPORT),
    -10: VendorCode(Kind.PARAMETER, "parameter not legal", "Check the values of the task's options."),
    -11: VendorCode(Kind.RATE, "too many requests", _TOO_MANY),
    -12: VendorCode(Kind.BLOCKED, "key blocked", "Ask the vendor why the key was blocked."),
    -13: VendorCode(
        Kind.CALLER,
        "calling address not authorised",
        "The key's API authentication (vendor's user centre) lets in only listed callers: list the address of this "
        "control node there.",
    ),
    -14: VendorCode(
        Kind.CALLER,
        "API password wrong or missing",
        "Set password (environment QG_PASSWORD) to the key's API password.",
    ),
    -15: VendorCode(Kind.PERMISSION, "no permission", _OTHER_PRODUCT.format("classic")),
    -100: VendorCode(
        Kind.KEY, "plan missing or expired", "Check the key, or renew its plan in the vendor's user centre."
    ),
    -101: VendorCode(Kind.PLAN, "more than the plan's channels", "Ask for less, or buy more channels."),
    -102: VendorCode(Kind.CHANNELS, "no free channel left", "Release a lease or wait until one expires."),
    -103: VendorCode(Kind.STOCK, "resources short", "Try again later or choose another area."),
    -104: VendorCode(Kind.FAILED, "allocation failed", "Try again later."),
    -105: VendorCode(Kind.COUNT, "count limit reached", "Wait a minute, or ask for less in one run."),
    -202: VendorCode(Kind.FULL, "whitelist full", _FULL),
    -206: VendorCode(
        Kind.OTHER_KEY, "address bound to another key", "Remove the address from the whitelist of the other key first."
    ),
    "INTERNAL_ERROR": VendorCode(Kind.UNKNOWN, "fault of the platform", _SUPPORT),
    "INVALID_PARAMETER": VendorCode(Kind.PARAMETER, "wrong format or type", "Check the values of the task's options."),
    "INVALID_KEY": VendorCode(
        Kind.KEY,
        "key unknown or expired",
        f"Check the key. If it is right, it belongs to another product: {LEAVE_OUT}, or set it to the one that the key "
        "was bought for (classic, share, longterm, exclusive or overseas).",
    ),
    "UNAVAILABLE_KEY": VendorCode(
        Kind.EXPIRED,
        "key expired or blocked",
        "Renew the plan in the vendor's user centre, or ask why it was blocked.",
    ),
    "ACCESS_DENY": VendorCode(Kind.PERMISSION, "no permission", _OTHER_PRODUCT.format("this one")),
    "API_AUTH_DENY": VendorCode(
        Kind.CALLER,
        "API authentication failed",
        "Set password (environment QG_PASSWORD) to the key's API password, and list the address of this control node "
        "in the vendor's user centre if the key lets in only listed callers.",
    ),
    "KEY_BLOCK": VendorCode(Kind.BLOCKED, "key banned", "Ask the vendor why the key was banned."),
    "REQUEST_LIMIT_EXCEEDED": VendorCode(Kind.RATE, "too many calls", _TOO_MANY),
    "BALANCE_INSUFFICIENT": VendorCode(Kind.VOLUME, "volume used up", "Buy more volume in the vendor's user centre."),
    "NO_RESOURCE_FOUND": VendorCode(
        Kind.STOCK, "no address for this area and provider", "Try again later or choose another area."
    ),
    "FAILED_OPERATION": VendorCode(Kind.FAILED, "extraction failed", "Try again later."),
    "EXTRACT_LIMIT_EXCEEDED": VendorCode(
        Kind.COUNT,
        "extraction quota exceeded",
        "The quota is for a minute or a day, depending on the plan: wait, or ask for less.",
    ),
    "NO_AVAILABLE_CHANNEL": VendorCode(
        Kind.CHANNELS, "no free channel left", "Release a lease or wait until one expires."
    ),
    "DELETE_LIMIT_EXCEEDED": VendorCode(Kind.COUNT, "released too often", "Wait, or release less in one run."),
    "STATIC_DELETE_TIME_LIMIT": VendorCode(
        Kind.TOO_EARLY, "a static address is kept for 24 hours", "Wait until a day after it was leased."
    ),
    "MONOPOLY_DELETE_TIME_LIMIT": VendorCode(
        Kind.TOO_EARLY, "exclusive occupancy is kept for 12 hours", "Wait until 12 hours after the application."
    ),
    "MONOPOLY_CHANGEIP_TIME_LIMIT": VendorCode(
        Kind.TOO_EARLY, "less than 10 seconds since the last change of the address", "Wait 10 seconds."
    ),
    "IP_WHITELIST_LIMIT_EXCEEDED": VendorCode(Kind.FULL, "whitelist full", _FULL),
}
#: By the HTTP status of the calls for exclusive occupancy.
MONOPOLY_STATUSES: Mapping[object, VendorCode] = {
    400: VendorCode(
        Kind.REFUSED, "refused", "Check the task's options, and the times that the vendor's rules ask for."
    ),
    500: VendorCode(Kind.UNKNOWN, "unknown error", _SUPPORT),
}
#: By the HTTP status of the control port of a tunnel.
TUNNEL_STATUSES: Mapping[object, VendorCode] = {
    400: VendorCode(Kind.PARAMETER, "user, password or parameter not legal", "Check tunnel, key and password."),
    500: VendorCode(Kind.UNKNOWN, "no address available", "Try again later."),
}
#: Any other code.
UNDOCUMENTED = VendorCode(Kind.OTHER, "not a documented code", "See the vendor's error table.")
