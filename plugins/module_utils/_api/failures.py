# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sentences for a call that has failed: QG.net's refusals, responses of others, and what is
in between.

No message contains the user name and the password in a proxy's URL, or the text of an exception of
the HTTP library, which may contain the URL with its query. Imported only for a failure.
"""

from __future__ import annotations

import errno
import os
import re
import ssl
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from .._core.errors import UNCERTAIN, CallError, Effect, Reason, TransportError
from .._core.text import counted, login_secrets
from .exchange import (
    Call,
    Exchange,
    HttpResponse,
    Proxy,
    Quoted,
    Refusal,
    UnusableResponse,
    environment_authorities,
)
from .parsing import retry_after

#: Statuses of a gateway that stopped waiting for a server, which may still carry out the call.
#: Content delivery networks send 520 to 524, some proxies 598 and 599.
_GATEWAY_TIMEOUT = frozenset((408, 502, 504, 520, 522, 524, 598, 599))
#: The name of a field whose value is secret, however QG.net spells it: the password of a
#: machine may follow.
_SECRET_FIELD = re.compile(
    "|".join(r"[\W_]*".join(mark) for mark in ("password", "authkey")), re.IGNORECASE
)
#: OpenSSL's reasons for the bytes of a server that does not use TLS.
_NOT_TLS = frozenset(
    (
        "WRONG_VERSION_NUMBER",
        "UNKNOWN_PROTOCOL",
        "HTTP_REQUEST",
        "RECORD_LAYER_FAILURE",
        "PACKET_LENGTH_TOO_LONG",
    )
)
_FORM = (
    "give http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT with special characters "
    "percent-encoded"
)
#: What the names of exceptions mean: for a URL that cannot be used, and otherwise, by a part of the
#: name.
_UNUSABLE = {
    "InvalidSchema": "SOCKS needs the Python library PySocks",
    **dict.fromkeys(("InvalidProxyURL", "ProxySchemeUnknown", "LocationParseError"), _FORM),
}
_NAMELESS = ("NameResolution", "gaierror")
_WORDS = (
    ("Timeout", "it took longer than {}"),
    *((mark, "its name cannot be resolved") for mark in _NAMELESS),
    ("Disconnected", "the connection was closed before the response was complete"),
    ("IncompleteRead", "the connection was closed before the response was complete"),
)
#: The text of an exception about a proxy that refuses a tunnel.
REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})\b")


def proxy_refusal(proxy: Proxy, status: int, host: str, endpoint: str) -> TransportError:
    """Return the error for a proxy that did not forward a request for a host."""
    if status == 407:
        what = "requires a user name and a password"
        fix = "Add them to its URL"
        if any(login_secrets(proxy.url)):
            what = "does not accept the user name and the password"
            fix = "Correct its URL"
    elif status >= 500:
        what = f"cannot connect to {host}"
        fix = "Check the proxy"
    else:
        what = f"does not allow connections to {host}"
        fix = "Allow them in the proxy"
    return TransportError(
        f"{endpoint}: {proxy.name} {what} (HTTP {status}). {fix}, or name the host in NO_PROXY "
        "for direct calls.",
        endpoint=endpoint,
        effect=Effect.NOT_SENT,
        retryable=status >= 500,
        http_status=status,
    )


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception, and all that it wraps: the HTTP libraries do so in several ways."""
    left: list[object] = [error]
    seen: set[int] = set()
    while left:
        cause = left.pop(0)
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            left += [cause.__cause__, cause.__context__, getattr(cause, "reason", None)]
            left += cause.args


def explained(
    causes: Sequence[BaseException], where: str, whose: str, timeout: float
) -> tuple[str, bool]:
    """Return what has failed, and whether another attempt is useless.

    The text of an exception of the HTTP library may contain the URL, so only its class and its
    numbers are used.
    """
    variable, path = environment_authorities()
    for cause in reversed(causes):
        name = type(cause).__name__
        reason = getattr(cause, "reason", None)
        if "Cert" in name:
            why = getattr(cause, "verify_message", "it is for another host")
            fix = f"Name its authority in REQUESTS_CA_BUNDLE, or check {whose}."
            return f"the certificate of {where} is not trusted ({why}). {fix}", True
        # For a file that is missing, requests has no error class.
        is_missing = name == "OSError" and not os.path.exists(path)
        if path and (is_missing or "NO_CERTIFICATE" in str(reason)):
            problem = f"{variable}={path} holds no certificates in PEM format"
            return f"{problem}: name such a file in it, or unset it.", True
        if reason in _NOT_TLS:
            problem = f"{where} does not use TLS, which https in {whose} requires"
            return f"{problem}. Check scheme and port of {whose}.", True
        if name in _UNUSABLE:
            return f"{where} cannot be used: {_UNUSABLE[name]}.", True
        if isinstance(cause, UnusableResponse):
            return f"no usable response from {where}: {cause}.", True
        if words := _words_for(cause, timeout):
            return f"no usable response from {where}: {words}.", False
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(causes[-1]).__name__).lower()
    return f"no usable response from {where}: {words}.", False


def _words_for(cause: BaseException, timeout: float) -> str:
    """Return what an exception means, if its class or its number says so; or empty text."""
    name = type(cause).__name__
    if isinstance(cause, ssl.SSLError):
        # Its errno is a number of OpenSSL, and not of the operating system.
        reason = str(getattr(cause, "reason", None) or name)
        return f"TLS failed ({reason.replace('_', ' ').lower()})"
    if isinstance(cause, OSError) and cause.errno and cause.errno in errno.errorcode:
        return os.strerror(cause.errno).lower()
    for mark, words in _WORDS:
        if mark in name:
            return words.format(counted(timeout, "second"))
    return ""


def _fix(causes: Sequence[BaseException], host: str, proxy: Proxy | None, url_option: str) -> str:
    """Return what to do if there is no connection to a proxy, or without one to a host."""
    if proxy is not None and proxy.is_of_environment:
        name = urlsplit(f"//{host}").hostname
        return f"Correct or unset {proxy.setting}, or name {name} in NO_PROXY for direct calls."
    if proxy is not None:
        return f"Check {proxy.setting}."
    names = " ".join(type(cause).__name__ for cause in causes)
    if any(mark in names for mark in _NAMELESS):
        return f"Check the DNS server of this machine, and {url_option}."
    return f"Check {url_option}."


def transport_failure(
    error: Exception,
    exchange: Exchange,
    host: str,
    endpoint: str,
    proxy: Proxy | None,
    url_option: str,
) -> TransportError:
    """Return the error for an exchange without a response."""
    causes = list(causes_of(error))
    is_sent = exchange.is_sent
    stopped_at = proxy
    if exchange.is_past_proxy or is_sent:
        stopped_at = None
    if stopped_at and (tunnel := REFUSED_TUNNEL.search(" ".join(map(str, causes)))):
        return proxy_refusal(stopped_at, int(tunnel[1]), host, endpoint)
    effect = Effect.NOT_SENT
    if is_sent:
        # Something between may have closed the connection while QG.net works on.
        effect = Effect.IN_FLIGHT
    where = host
    whose = url_option
    if stopped_at:
        where = stopped_at.name
        whose = stopped_at.origin
    text, is_final = explained(causes, where, whose, exchange.timeout)
    option = None
    if not is_sent and not is_final:
        text = f"{text} {_fix(causes, host, stopped_at, url_option)}"
        if stopped_at is None:
            option = url_option
    return TransportError(
        f"{endpoint}: {text}",
        endpoint=endpoint,
        effect=effect,
        retryable=not is_final,
        option=option,
    )


def vendor_refusal(
    refusal: Refusal, response: HttpResponse, call: Call, quoted: Quoted, name: str
) -> CallError:
    """Return the error for a refusal of QG.net."""
    reason, meaning, fix = refusal.row
    said = _shortened(refusal.said, quoted, 200)
    request_id = _shortened(refusal.request_id, quoted, 200)
    code = refusal.code
    if isinstance(code, str):
        code = _shortened(code, quoted, 80) or ""
    text = f"{name} was refused"
    if code is not None:
        text += f" with {refusal.number} {code}"
    why = ", ".join(filter(None, (meaning, said and f'"{said}"')))
    if why:
        text += f" ({why})"
    text += f". {fix}"
    if request_id:
        text += f" The ID of this request at QG.net is {request_id}."
    return CallError(
        text,
        effect=Effect.UNKNOWN if reason in UNCERTAIN else Effect.REJECTED,
        reason=reason,
        # Another attempt would get the same response to most refusals.
        retryable=reason in (Reason.RATE, Reason.UNKNOWN),
        code=code,
        meaning=meaning or said,
        endpoint=call.name,
        http_status=response.status,
        request_id=request_id,
    )


def _shortened(said: object, quoted: Quoted, length: int) -> str | None:
    return (quoted(said) or "")[:length] or None


def unusable(response: HttpResponse, call: Call, quoted: Quoted, url_option: str) -> TransportError:
    """Return the error for a response that is not QG.net's, or not one to this call.

    It comes from a gateway, which may send any status before or after the service carried out the
    call.
    """
    status = response.status
    retryable = True
    reason = None
    is_timeout = status in _GATEWAY_TIMEOUT
    if 300 <= status < 400:
        why = f"a redirect, which is not followed with a key; check {url_option}"
        retryable = False
    elif status == 429:
        why = "the server asks for fewer calls"
        reason = Reason.RATE
    elif status >= 500 or is_timeout:
        why = "a server error"
    elif status >= 400:
        why = f"a refusal without QG.net's code; check {url_option}"
        retryable = False
    elif status != 200:
        why = "a success that may be incomplete"
    else:
        why = "a response that is not QG.net's JSON"
    excerpt = _SECRET_FIELD.split(quoted(response.text) or "", maxsplit=1)[0][:120]
    if excerpt:
        why += f' (it begins: "{excerpt}")'
    return TransportError(
        f"{call.name}: HTTP {status}, {why}.",
        endpoint=call.name,
        effect=Effect.IN_FLIGHT if is_timeout else Effect.UNKNOWN,
        reason=reason,
        retryable=retryable,
        http_status=status,
        retry_after=retry_after(response.headers),
    )
