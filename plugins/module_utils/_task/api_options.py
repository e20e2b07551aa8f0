# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the vendor's APIs: their declarations, their parsers, and the clients that they describe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._api.transport import Transport
from .._core.checks import check_range, check_url
from .._core.errors import OptionError
from .._core.runtime import SILENT, Announcer, WaitBudget, current
from .operation import Spec, environment_name, shared, shared_options, variable_name

if TYPE_CHECKING:
    from .._api.account import Account, Identity
    from .._api.key import KeyCaller
    from .._store.store import Store

DEFAULT_STORE = "~/.ansible/qgnet"
#: The value of ``product`` for the one that the vendor's responses show, and those for the rows of ``PRODUCTS``, which
#: tasks on an account do not load.
AUTO, PRODUCT_NAMES = "auto", ("classic", "share", "longterm", "exclusive", "overseas")
#: The host of QG.net's own classic API; each product has a host below it.
_VENDOR_HOST = "proxy.qg.net"
#: The option for the state, also for plugins that use the state without calling the vendor (doc fragment ``store``).
STORE_OPTIONS: Spec = shared("store", type="str", default=DEFAULT_STORE, no_log=False)
#: The options of the HTTP transport to each of the vendor's APIs (doc fragment ``transport``).
TRANSPORT_OPTIONS: Spec = {
    **shared("timeout", type="float", default=10.0),
    **shared("max_wait", type="float", default=300.0),
}
#: The options of a key.
KEY_OPTIONS: Spec = {
    **shared("key", type="str", required=True, no_log=True),
    **shared("password", type="str", no_log=True),
}
#: The options of the classic proxy API (doc fragment ``proxy_api``).
PROXY_API_OPTIONS: Spec = {
    **KEY_OPTIONS,
    **shared("api_url", type="str", default=f"https://{_VENDOR_HOST}"),
    **TRANSPORT_OPTIONS,
    **STORE_OPTIONS,
}
#: The options that choose the API of a key's leases (doc fragment ``product``).
PRODUCT_OPTIONS: Spec = {
    **shared("product", type="str", choices=[AUTO, *PRODUCT_NAMES], default=AUTO),
}
#: The options of the account API (doc fragment ``account_api``).
ACCOUNT_API_OPTIONS: Spec = {
    **shared("app_id", type="str", required=True),
    **shared("app_key", type="str", required=True, no_log=True),
    **shared("account_url", type="str", default="https://www.qg.net/api"),
    **TRANSPORT_OPTIONS,
}
#: The options that limit what a key may buy (doc fragment ``caps``).
CAP_OPTIONS: Spec = shared("max_new_per_day", type="int")
#: Whether a payment may be made although the quota counts more than the list (doc fragment ``cap``).
IGNORE_QUOTA_OPTION: Spec = {"ignore_quota": {"type": "bool", "default": False}}
#: The options that defaults for the action group may set for every module.
GROUP_OPTIONS: Spec = {**PRODUCT_OPTIONS, **PROXY_API_OPTIONS, **ACCOUNT_API_OPTIONS, **CAP_OPTIONS}
#: The options for the detection of the egress address of a host (doc fragment ``egress``).
EGRESS_OPTIONS: Spec = {
    **shared(
        "sources",
        type="list",
        elements="str",
        default=["https://d.qg.net/ip", "https://checkip.amazonaws.com", "https://api.ipify.org"],
    ),
    "quorum": {"type": "int"},
    "samples": {"type": "int", "default": 1},
}
SHARED_OPTIONS = frozenset(shared_options({**GROUP_OPTIONS, **EGRESS_OPTIONS}))  # have variables of their own


def _check_api_url(option: str, url: str, spec: Spec) -> None:
    """Refuse the URL of an API that may contain a secret or the parameters of a call."""
    parts = urlsplit(check_url(option, url, spec[option]["default"]))
    if parts.query or parts.fragment:
        problem = f"must contain only scheme, host and path, such as {parts.scheme}://{parts.netloc}"
        raise OptionError(option, problem, "leave out the query and the fragment")


def transport(params: Mapping[str, Any], url_option: str, **more: Any) -> Transport:
    """Return the transport for calls to a URL; ``url_option`` is the name of its option in messages."""
    build = current().transport or Transport
    return build(timeout=check_range("timeout", params["timeout"], 0.1, 600), url_option=url_option, **more)


def wait_budget(params: Mapping[str, Any], announcer: Announcer) -> WaitBudget:
    """Return the budget of a run."""
    return WaitBudget(check_range("max_wait", params["max_wait"], 0, 86400), announcer=announcer)


def _check_filled(option: str, value: str, what: str) -> None:
    """Refuse blank text; ``what`` says where QG.net shows the value."""
    if not value.strip():
        fix = f"give {what}, or leave the option out to use {variable_name(option)} or {environment_name(option)}"
        raise OptionError(option, "is empty", fix)


def check_key(params: Mapping[str, Any]) -> None:
    """Check the options of :data:`PROXY_API_OPTIONS`; mistakes in ``store`` only show when it is opened."""
    key = params["key"]
    _check_filled("key", key, "the Authkey of QG.net's user center")
    if re.search(r"[\s<>'\"=]", key) or not key.isprintable():
        raise OptionError(
            "key",
            "contains a blank, a line break, quotes, an equals sign, angle brackets or an invisible character, such "
            "as a byte order mark",
            "give only the Authkey of QG.net's user center",
        )
    password = params["password"] or ""
    if password != password.strip() or not password.isprintable():
        raise OptionError(
            "password",
            "begins or ends with a blank or a line break, or contains an invisible character",
            "give only the Authpwd of the user center, without them",
        )
    _check_api_url("api_url", params["api_url"], PROXY_API_OPTIONS)
    transport(params, "api_url")
    wait_budget(params, SILENT)


def key_caller(
    params: Mapping[str, Any], announcer: Announcer, *, store: Store | None = None, product: str = "classic"
) -> KeyCaller:
    """Return the caller of the API of a product; ``store`` is the store if it is open already.

    A product host is QG.net's own, or ``/PRODUCT`` below another ``api_url``.
    """
    # Imported only when it is made: most hosts of a run make no call.
    from .._api.calls import CLASSIC
    from .._api.key import KeyCaller
    from .._store.opening import open_store
    from .._store.rate_limiter import RateLimiter

    check_key(params)
    url = params["api_url"]
    if product != CLASSIC:
        # A key of a simulator must not be sent to QG.net.
        is_vendor = urlsplit(url).hostname == _VENDOR_HOST
        url = f"https://{product}.{_VENDOR_HOST}" if is_vendor else f"{url.rstrip('/')}/{product}"
    return KeyCaller(
        transport(params, "api_url"),
        RateLimiter(store or open_store(params["store"], params["max_wait"])),
        wait_budget(params, announcer),
        url=url,
        key=params["key"],
        password=params["password"],
        product=product,
    )


def account_identity(params: Mapping[str, Any]) -> Identity:
    """Return the caller that the options of :data:`ACCOUNT_API_OPTIONS` describe; raises OptionError for a mistake."""
    from .._api.account import Identity

    for option, what in (("app_id", "the appid"), ("app_key", "the appkey")):
        _check_filled(option, params[option], f"{what} of the page Agent in QG.net's user center")
    _check_api_url("account_url", params["account_url"], ACCOUNT_API_OPTIONS)
    # The site of the account is a part of the signature. A reseller's is the host of its API; an IP address or a name
    # without a dot is that of a simulator.
    host = urlsplit(params["account_url"]).hostname or ""
    domain = host if re.fullmatch(r"(?=.*[a-z])[^:]+\.[^:]+", host) and host != "qg.net" else "www.qg.net"
    return Identity(params["app_id"].strip(), params["app_key"].strip(), domain)


def account_api(params: Mapping[str, Any], announcer: Announcer) -> Account:
    """Return the client that the options of :data:`ACCOUNT_API_OPTIONS` describe."""
    from .._api.account import Account

    identity, sender = account_identity(params), transport(params, "account_url")
    return Account(sender, wait_budget(params, announcer), url=params["account_url"], identity=identity)
