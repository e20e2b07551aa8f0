# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vendor's responses: the envelopes, data of a success, and the meaning of a refusal.

Four generations of APIs report success and refusals in different ways. Each way is a :data:`Dialect`, which returns
what a response says; :func:`data_of` returns the data or raises the error.

Sources of the codes: vendor docs (API overview, 174, 175, 178, 181, 1838, 2259), and the tables of the vendor's and of
public clients.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from .._core.errors import UNCERTAIN, CallError, Effect, Kind, TransportError
from .parsing import ResponseShapeError, as_int, parse_object
from .transport import HttpResponse, retry_after

if TYPE_CHECKING:
    from .calls import Call


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
#: Any other code.
UNDOCUMENTED = VendorCode(Kind.OTHER, "not a documented code", "See the vendor's error table.")


#: Statuses of a gateway that stopped waiting for a server, which may still carry out the call. Content delivery
#: networks send 520 to 524, some proxies 598 and 599.
_GATEWAY_TIMEOUT = frozenset((408, 502, 504, 520, 522, 524, 598, 599))
#: The name of a field whose value is secret, however the vendor spells it: the password of a machine may follow.
_SECRET_FIELD = re.compile("|".join(r"[\W_]*".join(mark) for mark in ("password", "authkey")), re.IGNORECASE)


class Refusal(NamedTuple):
    """A refusal of the vendor: its code, which the ``table`` explains, and its words. ``number`` is what it counts."""

    code: int | str | None
    said: object = None
    request_id: object = None
    table: Mapping[object, VendorCode] = CODES
    number: str = "code"


#: Returns the data of a response, and the refusal in it, if any; raises ResponseShapeError if it is not the vendor's.
Dialect = Callable[[HttpResponse], "tuple[Any, Refusal | None]"]
#: Returns a text of the vendor for a message, without secrets; None for other values and empty text.
Quoted = Callable[[object], "str | None"]
#: Returns the meaning of a refusal.
Explain = Callable[[Refusal, HttpResponse], VendorCode]


def classic(response: HttpResponse) -> tuple[Any, Refusal | None]:
    """Read ``{"Code": 0, ...}``. The code decides whatever the status, since refusals come with 200 or 4xx."""
    body = parse_object(response.text)
    code = as_int(body.get("Code"), "Code")
    return body, Refusal(code, body.get("Msg")) if code else None


def by_status(response: HttpResponse) -> tuple[Any, Refusal | None]:
    """Read ``{"data": ...}`` or ``{"error": "..."}`` of the calls for exclusive occupancy."""
    body, refusal = parse_object(response.text), None
    if "Code" in body:
        # A gateway may answer every call with a code.
        body, refusal = classic(response)
    if not refusal and response.status in (200, 400, 500) and body.get("error") and not body.get("data"):
        refusal = Refusal(response.status, body["error"], table=MONOPOLY_STATUSES, number="HTTP")
    return body, refusal


def product(response: HttpResponse) -> tuple[Any, Refusal | None]:
    """Read ``{"code": "SUCCESS", "data": ...}`` of the product hosts, whatever the status."""
    body = parse_object(response.text)
    code = body.get("code")
    if not isinstance(code, str) or not code.isascii() or not code.isidentifier():
        raise ResponseShapeError("no code")
    refused = Refusal(code, body.get("message"), body.get("request_id"))
    return body.get("data"), None if code == "SUCCESS" else refused


def explain(refusal: Refusal, _response: HttpResponse) -> VendorCode:
    """Return the meaning of a refusal by the vendor's table."""
    return refusal.table.get(refusal.code, UNDOCUMENTED)


def data_of(
    response: HttpResponse,
    call: Call,
    quoted: Quoted,
    *,
    name: str,
    url_option: str,
    explain: Explain = explain,
) -> Any:
    """Return the data of a success; raises CallError for a refusal, TransportError for what is not the vendor's."""
    try:
        data, refusal = call.dialect(response)
    except ResponseShapeError:
        refusal, data = None, ResponseShapeError
    if refusal:
        raise _refused(refusal, explain(refusal, response), response, call, quoted, name)
    # A success may have a status such as 206, whose body is incomplete.
    if data is ResponseShapeError or response.status != 200:
        raise _unusable(response, call, quoted, url_option)
    return data


def _refused(
    refusal: Refusal, row: VendorCode, response: HttpResponse, call: Call, quoted: Quoted, name: str
) -> CallError:
    said, request_id = ((quoted(text) or "")[:200] or None for text in (refusal.said, refusal.request_id))
    code = (quoted(refusal.code) or "")[:80] if isinstance(refusal.code, str) else refusal.code
    number = "" if code is None else f" with {refusal.number} {code}"
    why = ", ".join(filter(None, (row.meaning, said and f'"{said}"')))
    asked = f" The vendor's number of this request is {request_id}." if request_id else ""
    is_uncertain = row.kind in call.uncertain or row.kind is Kind.OTHER
    return CallError(
        f"{name} was refused{number}{why and f' ({why})'}. {row.fix}{asked}",
        effect=Effect.UNKNOWN if is_uncertain else Effect.REJECTED,
        kind=row.kind,
        # Another attempt would get the same response to most refusals.
        retryable=row.kind is Kind.RATE or (is_uncertain and row.kind in UNCERTAIN - {Kind.OTHER}),
        code=code,
        meaning=row.meaning or said,
        endpoint=call.name,
        http_status=response.status,
        request_id=request_id,
    )


def _unusable(response: HttpResponse, call: Call, quoted: Quoted, url_option: str) -> TransportError:
    """Return the error for a response that does not come from the vendor's service, or not from this call.

    It comes from a gateway, which may send any status before or after the service carried out the call.
    """
    status, retryable = response.status, True
    is_timeout = status in _GATEWAY_TIMEOUT
    if 300 <= status < 400:
        why, retryable = f"a redirect, which is not followed with a key; check {url_option}", False
    elif status == 429:
        why = "the server asks for fewer calls"
    elif status >= 500 or is_timeout:
        why = "a server error"
    elif status >= 400:
        why, retryable = f"a refusal without the vendor's code; check {url_option}", False
    elif status != 200:
        why = "a success that may be incomplete"
    else:
        why = "a response that is not the vendor's JSON"
    excerpt = _SECRET_FIELD.split(quoted(response.text) or "", maxsplit=1)[0][:120]
    return TransportError(
        f"{call.name}: HTTP {status}, {why}" + (f' (it begins: "{excerpt}").' if excerpt else "."),
        endpoint=call.name,
        effect=Effect.IN_FLIGHT if is_timeout else Effect.UNKNOWN,
        kind=Kind.RATE if status == 429 else None,
        retryable=retryable,
        http_status=status,
        retry_after=retry_after(response.headers),
    )
