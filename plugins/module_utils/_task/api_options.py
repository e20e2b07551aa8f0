# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of QG.net's APIs: their declarations, the objects that they become, and the callers
that these describe.

What makes a call is imported only when it is made: most hosts of a run make none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._api.transport import Transport
from .._core.checks import check_range, check_url
from .._core.errors import OptionError
from .._core.runtime import Announcer, WaitBudget, current
from .._store.opening import DEFAULT_STORE
from .operation import Params, Spec, environment_name, shared, shared_options, variable_name

if TYPE_CHECKING:
    from .._api.account import Account, Identity
    from .._api.key import KeyCaller
    from .._store.store import Store

#: The value of ``product`` for the one that QG.net's responses show.
AUTO = "auto"
#: The other values: the rows of ``PRODUCTS``, which tasks on an account do not load.
PRODUCT_NAMES = ("classic", "share", "longterm", "exclusive", "overseas")
#: The option for the store, also for plugins that use it without calling QG.net (doc fragment
#: ``store``).
STORE_OPTIONS: Spec = shared("store", type="str", default=DEFAULT_STORE, no_log=False)
#: The options of the HTTP transport to each of QG.net's APIs (doc fragment ``transport``).
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
    **shared("api_url", type="str", default="https://proxy.qg.net"),
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
#: Whether others lease with the key on purpose (doc fragment ``caps``).
SHARED_KEY_OPTIONS: Spec = shared("shared_key", type="bool", default=False)
#: Whether a payment may be made although the quota counts more than the list (doc fragment
#: ``cap``).
IGNORE_QUOTA_OPTION: Spec = {"ignore_quota": {"type": "bool", "default": False}}
#: What tells hosts of the same name in several inventories apart.
INVENTORY_OPTIONS: Spec = shared("inventory_id", type="str")
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
#: The options that have variables of their own.
SHARED_OPTIONS = frozenset(
    shared_options({**GROUP_OPTIONS, **EGRESS_OPTIONS, **INVENTORY_OPTIONS, **SHARED_KEY_OPTIONS})
)


def _check_api_url(option: str, url: str, spec: Spec) -> None:
    """Refuse the URL of an API that may contain a secret or the parameters of a call."""
    parts = urlsplit(check_url(option, url, spec[option]["default"]))
    if parts.query or parts.fragment:
        plain = f"{parts.scheme}://{parts.netloc}"
        problem = f"must contain only scheme, host and path, such as {plain}"
        raise OptionError(option, problem, "leave out the query and the fragment")


def check_filled(option: str, value: str, what: str) -> None:
    """Refuse blank text; ``what`` says where QG.net shows the value."""
    if not value.strip():
        elsewhere = f"{variable_name(option)} or {environment_name(option)}"
        fix = f"give {what}, or leave the option out to use {elsewhere}"
        raise OptionError(option, "is empty", fix)


@dataclass(frozen=True)
class Timing:
    """How many seconds a call, and all waits of a task together, may take."""

    timeout: float
    max_wait: float

    @classmethod
    def of(cls, params: Params) -> Timing:
        """Return what the options of :data:`TRANSPORT_OPTIONS` describe."""
        timeout = check_range("timeout", params["timeout"], 0.1, 600)
        return cls(timeout, check_range("max_wait", params["max_wait"], 0, 86400))

    def transport(self, url_option: str, **more: Any) -> Transport:
        """Return the transport for calls to the URL of an option, which messages name."""
        build = current().transport or Transport
        return build(timeout=self.timeout, url_option=url_option, **more)

    def budget(self, announcer: Announcer) -> WaitBudget:
        """Return the budget of a run."""
        return WaitBudget(self.max_wait, announcer=announcer)


@dataclass(frozen=True)
class Connection:
    """A key, its product, the URL of its API, and the store.

    Mistakes in ``store`` only show when it is opened.
    """

    key: str = field(repr=False)
    password: str | None = field(repr=False)
    url: str
    store: str
    timing: Timing
    product: str

    @classmethod
    def of(cls, params: Params) -> Connection:
        """Return what the options describe; without ``product``, it is the classic one."""
        key = params["key"]
        password = params["password"]
        check_login(key, password or "")
        _check_api_url("api_url", params["api_url"], PROXY_API_OPTIONS)
        product = params.get("product", PRODUCT_NAMES[0])
        return cls(key, password, params["api_url"], params["store"], Timing.of(params), product)


def check_login(key: str, password: str) -> None:
    """Refuse a key or a password that was copied with something else; a password may be empty."""
    check_filled("key", key, "the Authkey of QG.net's user center")
    if re.search(r"[\s<>'\"=,;:@$]", key) or not key.isprintable():
        raise OptionError(
            "key",
            "contains a blank, a line break, quotes, a comma, a colon, a semicolon, an at, dollar "
            "or equals sign, angle brackets or an invisible character, such as a byte order mark",
            "give only the Authkey of QG.net's user center",
        )
    if password != password.strip() or not password.isprintable():
        raise OptionError(
            "password",
            "begins or ends with a blank or a line break, or contains an invisible character",
            "give only the Authpwd of the user center, without them",
        )


def key_caller(
    connection: Connection, announcer: Announcer, store: Store | None = None
) -> KeyCaller:
    """Return the caller of a key; ``store`` is the store if it is open already.

    Where the product is to be found out, it begins with the classic API.
    """
    from .._api.calls import CLASSIC
    from .._api.key import KeyCaller
    from .._store.opening import open_store
    from .._store.rate_limiter import RateLimiter

    timing = connection.timing
    sender = timing.transport("api_url")
    return KeyCaller(
        sender,
        RateLimiter(store or open_store(connection.store, timing.max_wait, announcer)),
        timing.budget(announcer),
        url=connection.url,
        key=connection.key,
        password=connection.password,
        product=CLASSIC if connection.product == AUTO else connection.product,
    )


@dataclass(frozen=True)
class AccountConnection:
    """The agent of an account, and the URL of its API."""

    identity: Identity
    url: str
    timing: Timing

    @classmethod
    def of(cls, params: Params) -> AccountConnection:
        """Return what the options of :data:`ACCOUNT_API_OPTIONS` describe."""
        from .._api.account import Identity

        app_id = params["app_id"]
        app_key = params["app_key"]
        check_filled("app_id", app_id, "the appid of the page Agent in QG.net's user center")
        check_filled("app_key", app_key, "the appkey of the page Agent in QG.net's user center")
        url = params["account_url"]
        _check_api_url("account_url", url, ACCOUNT_API_OPTIONS)
        # The site of the account is a part of the signature. A reseller's is the host of its API;
        # an IP address or a name without a dot is that of a simulator.
        host = urlsplit(url).hostname or ""
        is_reseller = re.fullmatch(r"(?=.*[a-z])[^:]+\.[^:]+", host) and host != "qg.net"
        domain = host if is_reseller else "www.qg.net"
        identity = Identity(app_id.strip(), app_key.strip(), domain)
        return cls(identity, url, Timing.of(params))


def account_api(connection: AccountConnection, announcer: Announcer) -> Account:
    """Return the client of an account."""
    from .._api.account import Account

    sender = connection.timing.transport("account_url")
    budget = connection.timing.budget(announcer)
    return Account(sender, budget, url=connection.url, identity=connection.identity)
