# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The responses of the APIs for a key: their envelopes, and the table of what their codes mean.

Three generations of APIs report success and refusals in different ways. Each way is a dialect,
which returns what a response says. The account API and tunnels have others.

Sources of the codes: vendor docs (API overview, 174, 175, 178, 181, 1838, 2259), and the tables of
QG.net's and of public clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.errors import Reason
from .exchange import Call, Code, HttpResponse, Quoted, Refusal
from .parsing import ResponseShapeError, as_int, parse_object

#: What to do if the product may be wrong, whether the user has set it or the store had it, which
#: forgets it then.
_FIND_OUT = "run the task again without product, so that it is detected anew"
_PRODUCTS = "(classic, share, longterm, exclusive or overseas)"
_OTHER_PRODUCT = (
    f"The key may belong to another product than {{}}: {_FIND_OUT}, or set it to the one that the "
    f"key was bought for {_PRODUCTS}. If the product is right, the plan behind the key does not "
    "offer this call."
)
_SUPPORT = "Try again later. If the problem persists, ask QG.net's support."
_TOO_MANY = (
    "Give the task more time with max_wait, and let only control nodes that share one store use "
    "this key."
)
_BLOCKED = "Ask QG.net's support why the key was blocked."
_OPTIONS = "Check the options of the task."
_LATER = "Try again later."
_RELEASE = "Release a lease, or wait until one ends."
_ELSEWHERE = "Try again later, or choose another area or ISP."
_FULL = "Remove addresses that are no longer needed, or ask QG.net for more room."

#: By the code of the classic API, a number, or of a product host, a name.
CODES: Mapping[object, Code] = {
    -1: Code(Reason.UNKNOWN, "unknown error", _SUPPORT),
    -10: Code(Reason.PARAMETER, "invalid parameter", _OPTIONS),
    -11: Code(Reason.RATE, "too many requests", _TOO_MANY),
    -12: Code(Reason.BLOCKED, "key blocked", _BLOCKED),
    -13: Code(
        Reason.CALLER,
        "client not allowed",
        "API authentication of this key allows only listed clients: add the address of this "
        "control node in QG.net's user center.",
    ),
    -14: Code(
        Reason.CALLER,
        "wrong or missing API password",
        "Set password (environment QG_PASSWORD) to the key's API password.",
    ),
    -15: Code(Reason.PERMISSION, "no permission", _OTHER_PRODUCT.format("classic")),
    -100: Code(
        Reason.KEY,
        "plan missing or expired",
        "Check the key, or renew its plan in QG.net's user center.",
    ),
    -101: Code(
        Reason.PLAN, "more than the plan's channels", "Ask for fewer, or buy more channels."
    ),
    -102: Code(Reason.CHANNELS, "no free channel", _RELEASE),
    -103: Code(Reason.STOCK, "out of stock", _ELSEWHERE),
    -104: Code(Reason.FAILED, "allocation failed", _LATER),
    -105: Code(Reason.COUNT, "count limit reached", "Wait a minute, or ask for fewer in one run."),
    -202: Code(Reason.FULL, "whitelist full", _FULL),
    -206: Code(
        Reason.OTHER_KEY,
        "address bound to another key",
        "First remove the address from the whitelist of the other key.",
    ),
    "INTERNAL_ERROR": Code(Reason.UNKNOWN, "internal error", _SUPPORT),
    "INVALID_PARAMETER": Code(Reason.PARAMETER, "invalid parameter", _OPTIONS),
    "INVALID_KEY": Code(
        Reason.KEY,
        "key unknown or expired",
        f"Check the key. If it is right, it belongs to another product: {_FIND_OUT}, or set it to "
        f"the one that the key was bought for {_PRODUCTS}.",
    ),
    "UNAVAILABLE_KEY": Code(
        Reason.EXPIRED,
        "key expired or blocked",
        "Renew the plan in QG.net's user center, or ask QG.net's support why the key was blocked.",
    ),
    "ACCESS_DENY": Code(Reason.PERMISSION, "no permission", _OTHER_PRODUCT.format("this one")),
    "API_AUTH_DENY": Code(
        Reason.CALLER,
        "API authentication failed",
        "Set password (environment QG_PASSWORD) to the key's API password, and if the key allows "
        "only listed clients, add the address of this control node in QG.net's user center.",
    ),
    "KEY_BLOCK": Code(Reason.BLOCKED, "key blocked", _BLOCKED),
    "REQUEST_LIMIT_EXCEEDED": Code(Reason.RATE, "too many requests", _TOO_MANY),
    "BALANCE_INSUFFICIENT": Code(
        Reason.VOLUME, "volume used up", "Buy more volume in QG.net's user center."
    ),
    "NO_RESOURCE_FOUND": Code(Reason.STOCK, "no address for this area and ISP", _ELSEWHERE),
    "FAILED_OPERATION": Code(Reason.FAILED, "allocation failed", _LATER),
    "EXTRACT_LIMIT_EXCEEDED": Code(
        Reason.COUNT,
        "quota of allocations exceeded",
        "The quota is per minute or per day, depending on the plan: wait, or ask for fewer.",
    ),
    "NO_AVAILABLE_CHANNEL": Code(Reason.CHANNELS, "no free channel", _RELEASE),
    "DELETE_LIMIT_EXCEEDED": Code(
        Reason.COUNT, "too many releases", "Wait, or release fewer in one run."
    ),
    "STATIC_DELETE_TIME_LIMIT": Code(
        Reason.TOO_EARLY,
        "a static address is kept for 24 hours",
        "Wait until a day after it was leased.",
    ),
    "MONOPOLY_DELETE_TIME_LIMIT": Code(
        Reason.TOO_EARLY,
        "a reserved line is kept for 12 hours",
        "Wait until 12 hours after the application.",
    ),
    "MONOPOLY_CHANGEIP_TIME_LIMIT": Code(
        Reason.TOO_EARLY,
        "less than 10 seconds since the last redial",
        "Wait 10 seconds.",
    ),
    "IP_WHITELIST_LIMIT_EXCEEDED": Code(Reason.FULL, "whitelist full", _FULL),
}
#: By the HTTP status of the calls for reserved lines.
_MONOPOLY_STATUSES = {
    400: Code(
        Reason.REFUSED,
        "refused",
        "Check the options of the task, and the waiting times that QG.net requires.",
    ),
    500: Code(Reason.UNKNOWN, "unknown error", _SUPPORT),
}
#: Any other code.
_UNDOCUMENTED = Code(Reason.OTHER, "not a documented code", "See QG.net's error table.")


def data_of(
    response: HttpResponse, call: Call, quoted: Quoted, *, name: str, url_option: str
) -> Any:
    """Return the data of a success.

    Raises CallError for a refusal, TransportError for what is not QG.net's.
    """
    try:
        data, refusal = call.dialect(response)
        # A success may have a status such as 206, whose body is incomplete.
        is_whole = response.status == 200
    except ResponseShapeError:
        refusal = None
        is_whole = False
    if refusal is None and is_whole:
        return data
    # Imported only for a failure.
    from . import failures

    if refusal:
        raise failures.vendor_refusal(refusal, response, call, quoted, name)
    raise failures.unusable(response, call, quoted, url_option)


def classic(response: HttpResponse) -> tuple[Any, Refusal | None]:
    """Read ``{"Code": 0, ...}``.

    The code decides whatever the status, since refusals come with 200 or 4xx.
    """
    body = parse_object(response.text)
    code = as_int(body.get("Code"), "Code")
    if code == 0:
        return body, None
    return body, Refusal(code, CODES.get(code, _UNDOCUMENTED), body.get("Msg"))


def by_status(response: HttpResponse) -> tuple[Any, Refusal | None]:
    """Read ``{"data": ...}`` or ``{"error": "..."}`` of the calls for reserved lines."""
    body = parse_object(response.text)
    status = response.status
    if "Code" in body:
        # A gateway may answer every call with a code.
        body, refusal = classic(response)
        if refusal:
            return body, refusal
    is_documented = status == 200 or status in _MONOPOLY_STATUSES
    if is_documented and body.get("error") and not body.get("data"):
        row = _MONOPOLY_STATUSES.get(status, _UNDOCUMENTED)
        return body, Refusal(status, row, body["error"], number="HTTP")
    return body, None


def product(response: HttpResponse) -> tuple[Any, Refusal | None]:
    """Read ``{"code": "SUCCESS", "data": ...}`` of the product hosts, whatever the status."""
    body = parse_object(response.text)
    code = body.get("code")
    if not isinstance(code, str) or not code.isascii() or not code.isidentifier():
        raise ResponseShapeError("no code")
    if code == "SUCCESS":
        return body.get("data"), None
    return None, Refusal(
        code, CODES.get(code, _UNDOCUMENTED), body.get("message"), body.get("request_id")
    )
