# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The product of a key, and the options for the location and the terms of leases.

The API that serves the leases of a key is that of the option ``product``, or the one that reads show to serve the key.
With ``product=auto``, the list of leases is read from one API after the other until one of them serves the key. The
state stores which one, so that later runs need no read. No call that pays is sent before the product is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .._api.calls import CLASSIC, PRODUCTS
from .._api.key import KeyCaller
from .._api.lease_client import Leases
from .._api.leases import ISP_NUMBERS
from .._core.checks import check_names
from .._core.errors import OF_OTHER_PRODUCT, CallError, OptionError, QgError, Reason, WaitBudgetExceeded
from .._core.runtime import SILENT, Announcer
from .._core.text import either
from .._store.facts import PRODUCT
from .._store.store import Store
from .api_options import AUTO, key_caller
from .operation import Spec, environment_name, variable_name

#: The vendor's numbers of its pools.
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

#: Refuses options that a product does not support. With ``product=auto``, it only finds other mistakes.
Check = Callable[[Mapping[str, Any]], object]
_NAME_IT = (
    f"set product (variable {variable_name('product')}, environment {environment_name('product')}) to "
    f"{either(PRODUCTS)}"
)


def check_quota(params: Mapping[str, Any]) -> None:
    """Refuse a product whose quota cannot be read."""
    product = params["product"]
    if product != AUTO and PRODUCTS[product].quota is None:
        raise OptionError("product", f"={product} has no quota that can be read", "see QG.net's user center")


def naming_product(error: CallError, caller: KeyCaller, fix: str) -> QgError:
    """Return the refusal of a classic call with the product of the key, if a run has found out another one."""
    product = caller.facts.get(PRODUCT)
    if product not in (None, CLASSIC):
        fix = f"The key is one of product={product}, which has no such call."
    return QgError(f"{error.message} {fix}".rstrip(), **error.details)


def lease_client(params: Mapping[str, Any], announcer: Announcer, *checks: Check, store: Store | None = None) -> Leases:
    """Return the client of the API that serves the leases of a key; ``store`` is the store if it is open already.

    The ``checks`` are called before any call, and with ``product=auto`` again as soon as the product is known.
    """
    for check in checks:
        check(params)
    product = params["product"]
    if product != AUTO:
        return Leases(key_caller(params, announcer, store=store, product=product))
    classic = key_caller(params, announcer, store=store)
    product = classic.facts.get(PRODUCT)
    if product is None:
        # Other processes wait, and then use what this one has found.
        with classic.key_lock("identifying"):
            product = classic.facts.get(PRODUCT) or read_product(params, classic)
    for check in checks:
        check({**params, "product": product})
    return client_of(params, classic, product)


def client_of(params: Mapping[str, Any], classic: KeyCaller, product: str) -> Leases:
    """Return the client for a product, which continues the run of the ``classic`` caller."""
    if product == CLASSIC:
        return Leases(classic)
    caller = key_caller(params, SILENT, store=classic.store, product=product)
    caller.follow(classic)
    caller.facts = classic.facts
    return Leases(caller)


def read_product(params: Mapping[str, Any], classic: KeyCaller) -> str:
    """Read the lists of leases until one of the APIs serves the key; store and return its product."""
    refusals: dict[str, CallError] = {}
    reads = [(product, client_of(params, classic, product).check_access) for product in PRODUCTS]
    # Plans of exclusive occupancy have no list of leases, but a quota.
    for product, read in (*reads, (CLASSIC, Leases(classic).quota)):
        if product in refusals and refusals[product].reason is not Reason.PERMISSION:
            break
        try:
            read()
        except (CallError, WaitBudgetExceeded) as error:
            if not isinstance(error, CallError) or not _is_of_other_product(error, product):
                raise QgError(
                    f"{error.message} It was to show the product of the key: {_NAME_IT}, and it is not needed.",
                    **error.details,
                ) from None
            refusals[product] = error
        else:
            classic.facts.save(PRODUCT, product)
            return product
    raise _none_serves(refusals)


def _is_of_other_product(error: CallError, product: str) -> bool:
    """Whether the key may be of another product: this API refuses it, or there is no such product host."""
    return error.reason in OF_OTHER_PRODUCT or (product != CLASSIC and error.details.get("http_status") == 404)


def _none_serves(refusals: Mapping[str, CallError]) -> QgError:
    """Return the error for a key that no API serves, with the response of each API."""
    said = "; ".join(f"{product}: {_said(error)}" for product, error in refusals.items())
    expired = [error for error in refusals.values() if error.reason is Reason.EXPIRED]
    state = "has expired or is blocked" if expired else "is wrong, or its plan has no leases"
    return QgError(
        f"The key {state} ({said}). Check the key, and renew its plan in the vendor's user centre; if both are right, "
        f"{_NAME_IT}.",
        **(expired or [refusals[CLASSIC]])[0].details,
    )


def _said(error: CallError) -> str:
    """Return what an API has said about the key."""
    code, meaning = error.details.get("code"), error.details.get("meaning")
    return f"code {code}, {meaning}" if meaning else f"HTTP status {error.details.get('http_status')}"


def check_areas(option: str, texts: Sequence[object] | None) -> tuple[str, ...]:
    """Return codes and names of areas, which may contain blanks, each once."""
    return tuple(dict.fromkeys(check_names(option, texts, ",*")))


def check_one_area(areas: Sequence[str], what: str) -> None:
    """Refuse several areas where the vendor's call takes one; ``what`` precedes the number."""
    if len(areas) > 1:
        fix = "give one of them, and use a task for each"
        raise OptionError("areas", f"contains {len(areas)} areas, and {what} one", fix)
