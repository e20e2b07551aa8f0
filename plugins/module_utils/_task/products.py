# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The product of a key, and the options for the location and the terms of leases.

The API that serves the leases of a key is that of the option ``product``, or the one that reads
show to serve the key. With ``product=auto``, the list of leases is read from one API after the
other until one of them serves the key. The store remembers which one, so that later runs need no
read.
No call that pays is sent before the product is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .._api.calls import CLASSIC, PRODUCTS
from .._api.key import KeyCaller
from .._api.lease_client import Leases
from .._api.leases import ISP_NUMBERS
from .._core.checks import check_names
from .._core.errors import (
    OF_OTHER_PRODUCT,
    CallError,
    OptionError,
    QgError,
    Reason,
    WaitBudgetExceeded,
)
from .._core.runtime import Announcer
from .._core.text import either
from .._store.facts import PRODUCT
from .._store.store import Store
from .api_options import AUTO, Connection, key_caller
from .operation import Spec, environment_name, variable_name

#: QG.net's numbers of its pools.
POOLS = {"normal": 1, "enterprise": 2}
#: The options for the location of leases.
PLACE_OPTIONS: Spec = {
    "areas": {"type": "list", "elements": "str"},
    "isp": {"type": "str", "choices": list(ISP_NUMBERS)},
}
#: The options of an allocation of leases (doc fragment ``lease_terms``).
TERMS_OPTIONS: Spec = {
    **PLACE_OPTIONS,
    "keep_alive": {"type": "str"},
    "distinct": {"type": "bool", "default": False},
    "exclude_areas": {"type": "list", "elements": "str"},
    "pool": {"type": "str", "choices": list(POOLS)},
}

#: Refuses options that a product does not have.
Check = Callable[[str], object]
_SET_PRODUCT = (
    f"set product (variable {variable_name('product')}, environment {environment_name('product')})"
)


class UnknownKeyError(QgError):
    """No API serves the leases of a key."""


def check_quota(product: str) -> None:
    """Refuse a product whose quota cannot be read."""
    if product != AUTO and PRODUCTS[product].quota is None:
        raise OptionError(
            "product", f"={product} has no quota that can be read", "see QG.net's user center"
        )


def naming_product(error: CallError, caller: KeyCaller, fix: str) -> QgError:
    """Return the refusal of a classic call, with the product if a run has found another one."""
    product = caller.facts.get(PRODUCT)
    if product not in (None, CLASSIC):
        fix = f"The key belongs to product={product}, which has no such call."
    return QgError(f"{error.message} {fix}".rstrip(), **error.details)


def lease_client(
    connection: Connection,
    announcer: Announcer,
    check: Check = lambda _product: None,
    *,
    store: Store | None = None,
) -> Leases:
    """Return the client of a key's leases; ``store`` is the store if it is open already.

    ``check`` is called as soon as the product is known: before any call, unless it has to be found
    out.
    """
    product = connection.product
    if product != AUTO:
        check(product)
        return Leases(key_caller(connection, announcer, store))
    return detected(key_caller(connection, announcer, store), check)


def detected(caller: KeyCaller, check: Check = lambda _product: None) -> Leases:
    """Return the client of the API that serves the leases of the key of a caller, which is found
    out.
    """
    product = _found_out(caller)
    check(product)
    if product != caller.product:
        caller.use_product(product)
    return Leases(caller)


def all_key_digests(caller: KeyCaller) -> list[str]:
    """Return the names of a key in the store for all products, each once.

    The caller is then one of the last product, so that it must not be used for calls any more.
    """
    digests = {}
    for product in PRODUCTS:
        caller.use_product(product)
        digests[caller.key_digest] = product
    return list(digests)


def check_served(client: Leases) -> None:
    """Read the list of leases, unless it is known that QG.net has served the key before."""
    facts = client.caller.facts
    if facts.get(PRODUCT) is None:
        client.check_access()
        facts.save(PRODUCT, client.product)


def _found_out(caller: KeyCaller) -> str:
    """Return the product that responses show, now or in an earlier run."""
    product = caller.facts.get(PRODUCT)
    if product is not None:
        return product
    # Other processes wait, and then use what this one has found.
    with caller.key_lock("identifying"):
        return caller.facts.get(PRODUCT) or read_product(caller)


def read_product(caller: KeyCaller) -> str:
    """Read one API after the other until one serves the key, and store its product."""
    refusals: dict[str, CallError] = {}
    for product in PRODUCTS:
        caller.use_product(product)
        refusal = _refusal(caller, Leases(caller).check_access)
        if refusal is None:
            return product
        refusals[product] = refusal
    if refusals[CLASSIC].reason is Reason.PERMISSION:
        # Plans for reserved lines have no list of leases, but a quota.
        caller.use_product(CLASSIC)
        refusal = _refusal(caller, Leases(caller).quota)
        if refusal is None:
            return CLASSIC
        refusals[CLASSIC] = refusal
    raise _none_serves(refusals)


def _refusal(caller: KeyCaller, read: Callable[[], object]) -> CallError | None:
    """Return the refusal of a key of another product.

    None if this API serves the key, which is stored.
    """
    try:
        read()
    except (CallError, WaitBudgetExceeded) as error:
        if isinstance(error, CallError) and _is_of_other_product(error, caller.product):
            return error
        text = (
            f"This call only detects the product of the key: to skip it, {_SET_PRODUCT} to "
            f"{either(PRODUCTS)}."
        )
        raise QgError(f"{error.message} {text}", **error.details) from None
    caller.facts.save(PRODUCT, caller.product)
    return None


def _is_of_other_product(error: CallError, product: str) -> bool:
    """Whether the key may be of another product: this API, or its host, does not know it."""
    return error.reason in OF_OTHER_PRODUCT or (
        product != CLASSIC and error.details.get("http_status") == 404
    )


def _none_serves(refusals: Mapping[str, CallError]) -> QgError:
    """Return the error for a key that no API serves, with each response once."""
    products: dict[str, list[str]] = {}
    for product, error in refusals.items():
        if error.reason is Reason.EXPIRED:
            return QgError(
                f"The key has expired or is blocked ({_said(error)}). Renew its plan in QG.net's "
                "user center, or ask QG.net's support why it was blocked.",
                **error.details,
            )
        products.setdefault(_said(error), []).append(product)
    said = "; ".join(f"{', '.join(names)}: {text}" for text, names in products.items())
    return UnknownKeyError(
        f"The key is wrong, or its plan has no leases ({said}). Check the key, and renew its plan "
        f"in QG.net's user center; if both are right, {_SET_PRODUCT}.",
        **refusals[CLASSIC].details,
    )


def _said(error: CallError) -> str:
    """Return what an API has said about the key."""
    details = error.details
    if details.get("meaning"):
        return f"code {details.get('code')}, {details['meaning']}"
    return f"HTTP status {details.get('http_status')}"


def check_areas(option: str, texts: Sequence[object] | None) -> tuple[str, ...]:
    """Return codes and names of areas, which may contain blanks, each once."""
    return tuple(dict.fromkeys(check_names(option, texts, ",*")))


def check_one_area(areas: Sequence[str], what: str) -> None:
    """Refuse several areas where QG.net's call takes one; ``what`` precedes the number."""
    if len(areas) > 1:
        fix = "give one of them, and use a task for each"
        raise OptionError("areas", f"contains {len(areas)} areas, and {what} one", fix)
